#include "nodeagent/agent/peer_pods.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/pod_edit.h"
#include "lib/cleanup.h"
#include "lib/ipnet.h"
#include "lib/path.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/cluster.h"
#include "nodeagent/agent/netd.h"
#include "nodeagent/agent/node.h"
#include "nodeagent/agent/pod.h"

/* ---- what this node says ------------------------------------------------------------------- */

void peer_pods_free(struct peer_pods *pods)
{
	for (size_t i = 0; i < pods->len; i++)
		free(pods->items[i]);
	free(pods->items);
	*pods = (struct peer_pods){ 0 };
}

/* NULL: no memory. */
static char *format(const struct pod *pod)
{
	const K8sObjectMeta *meta = pod->object->metadata;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fprintf(out, "%s %s ", pod->progress->address, pod->subject.project);
	for (size_t i = 0; i < meta->n_labels; i++)
		fprintf(out, "%s%s=%s", i ? "," : "", meta->labels[i]->key,
			meta->labels[i]->value ? meta->labels[i]->value : "");
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_own(const struct agent *agent, struct peer_pods *pods, struct error *err)
{
	size_t room = PEER_PODS_SIZE_MAX;

	for (const struct pod *pod = agent->pods->first; pod; pod = pod->next) {
		char *text;

		if (pod->net.stage != NET_UP)
			continue;
		text = format(pod);
		if (text && (strlen(text) > PEER_POD_SIZE_MAX || strlen(text) > room)) {
			free(text);
			continue;
		}
		room -= text ? strlen(text) : 0;
		if (!text || edit_append_string(&pods->items, &pods->len, text, err) < 0) {
			free(text);
			return error_set(
				err, ERR_EXHAUSTED, ENOMEM, "no memory for a list of pods");
		}
		free(text);
	}
	if (pods->len > 0)
		qsort(pods->items, pods->len, sizeof(*pods->items), compare);
	return 0;
}

static int add_said(const Bulkhead__V1__ClusterNode *row, struct peer_pods *pods, struct error *err)
{
	for (size_t i = 0; row && i < row->n_pods; i++) {
		if (edit_append_string(&pods->items, &pods->len, row->pods[i], err) < 0)
			return -1;
	}
	return 0;
}

int peer_pods_own(const struct agent *agent, struct peer_pods *ret, struct error *err)
{
	struct peer_pods pods = { 0 };
	int r = 0;

	if (cluster_node_at(agent->cluster, 1) && cluster_policy_at(agent->cluster, 0))
		r = netd_synced(agent->netd) ? add_own(agent, &pods, err)
					     : add_said(node_row(agent->node), &pods, err);
	if (r < 0)
		peer_pods_free(&pods);
	else
		*ret = pods;
	return r;
}

bool peer_pods_same(const struct peer_pods *pods, const Bulkhead__V1__ClusterNode *row)
{
	if (pods->len != row->n_pods)
		return false;
	for (size_t i = 0; i < pods->len; i++) {
		if (strcmp(pods->items[i], row->pods[i]) != 0)
			return false;
	}
	return true;
}

/* ---- what others say ----------------------------------------------------------------------- */

/* Cuts 'text' in two; false without the character. */
static bool cut(char *text, char at, char **ret_rest)
{
	char *found = strchr(text, at);

	if (!found)
		return false;
	*found = '\0';
	*ret_rest = found + 1;
	return true;
}

static int add_labels(Bulkhead__V1__NetPolicyPod *pod, char *text, struct error *err)
{
	char *rest = text, *word, *value;

	while ((word = strsep(&rest, ","))) {
		Bulkhead__V1__NetLabel *label;

		if (!cut(word, '=', &value))
			continue;
		label = edit_append(
			&pod->labels, &pod->n_labels, &bulkhead__v1__net_label__descriptor, err);
		if (!label || edit_string(&label->key, word, err) < 0 ||
			edit_string(&label->value, value, err) < 0)
			return -1;
	}
	return 0;
}

static bool has_too_many_labels(const char *labels)
{
	size_t n = 1;

	for (; *labels; labels++)
		n += *labels == ',';
	return n > PEER_POD_LABELS_MAX;
}

static int add_one(Bulkhead__V1__NetPolicies *message, const struct ipnet *subnet, const char *said,
	struct error *err)
{
	cleanup_free char *text = strdup(said);
	Bulkhead__V1__NetPolicyPod *pod;
	char *project, *labels;
	uint32_t address;

	if (!text)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for a list of pods");
	if (!cut(text, ' ', &project) || !cut(project, ' ', &labels) ||
		address_parse(text, &address, NULL) < 0 || !name_is_dns_label(project) ||
		has_too_many_labels(labels))
		return 0;
#ifndef BULKHEAD_WEAK_PEER_PODS
	if (!ipnet_contains(subnet, address))
		return 0;
#else
	(void)subnet;
#endif
	pod = edit_append(
		&message->pods, &message->n_pods, &bulkhead__v1__net_policy_pod__descriptor, err);
	if (!pod || edit_string(&pod->project, project, err) < 0)
		return -1;
	pod->address = address;
	return add_labels(pod, labels, err);
}

int peer_pods_add(Bulkhead__V1__NetPolicies *message, const Bulkhead__V1__ClusterNode *node,
	struct error *err)
{
	struct ipnet subnet;

	if (ipnet_parse(node->subnet, "subnet", &subnet, NULL) < 0)
		return 0;
	for (size_t i = 0; i < node->n_pods; i++) {
		if (add_one(message, &subnet, node->pods[i], err) < 0)
			return -1;
	}
	return 0;
}
