#include "nodeagent/agent/net_policies.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "lib/log.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/cluster.h"
#include "nodeagent/agent/daemon.h"
#include "nodeagent/agent/pod.h"
#include "nodeagent/agent/pods.h"

#define FRAME_BYTES (1u << 20) /* of policies; pods and projects come beside */

static int label_add(Bulkhead__V1__NetLabel ***list, size_t *n, const char *key, const char *value,
	struct error *err)
{
	Bulkhead__V1__NetLabel *label =
		edit_append(list, n, &bulkhead__v1__net_label__descriptor, err);

	if (!label || edit_string(&label->key, key ? key : "", err) < 0 ||
		edit_string(&label->value, value ? value : "", err) < 0)
		return -1;
	return 0;
}

static int pod_add(Bulkhead__V1__NetPolicies *message, const struct pod *pod, struct error *err)
{
	Bulkhead__V1__NetPolicyPod *row = edit_append(
		&message->pods, &message->n_pods, &bulkhead__v1__net_policy_pod__descriptor, err);
	const K8sObjectMeta *meta = pod->object->metadata;

	if (!row || edit_string(&row->pod_uid, pod->subject.uid, err) < 0 ||
		edit_string(&row->project, pod->subject.project, err) < 0)
		return -1;
	for (size_t i = 0; i < meta->n_labels; i++) {
		if (label_add(&row->labels, &row->n_labels, meta->labels[i]->key,
			    meta->labels[i]->value, err) < 0)
			return -1;
	}
	return 0;
}

static int project_add(Bulkhead__V1__NetPolicies *message,
	const Bulkhead__V1__ClusterProject *project, struct error *err)
{
	Bulkhead__V1__NetPolicyProject *row = edit_append(&message->projects, &message->n_projects,
		&bulkhead__v1__net_policy_project__descriptor, err);

	if (!row || edit_string(&row->name, project->name, err) < 0)
		return -1;
	return label_add(&row->labels, &row->n_labels, PROJECT_NAME_LABEL, project->name, err);
}

static int policies_add(
	Bulkhead__V1__NetPolicies *message, const struct agent *agent, struct error *err)
{
	const Bulkhead__V1__ClusterPolicy *policy;
	size_t len = 0;

	while (cluster_policy_at(agent->cluster, len))
		len++;
	message->policies = calloc(len + 1, sizeof(*message->policies));
	if (!message->policies)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for network policies");
	for (size_t i = 0; (policy = cluster_policy_at(agent->cluster, i)); i++) {
		ProtobufCBinaryData *copy = &message->policies[message->n_policies];

		copy->data = malloc(policy->policy.len + 1);
		if (!copy->data)
			return error_set(
				err, ERR_EXHAUSTED, ENOMEM, "no memory for network policies");
		memcpy(copy->data, policy->policy.data, policy->policy.len);
		copy->len = policy->policy.len;
		message->n_policies++;
	}
	return 0;
}

static int others_add(
	Bulkhead__V1__NetPolicies *message, const struct agent *agent, struct error *err)
{
	const Bulkhead__V1__ClusterProject *project;

	for (const struct pod *pod = agent->pods->first; pod; pod = pod->next) {
		if (!view_spec(pod->object)->hostnetwork && pod_add(message, pod, err) < 0)
			return -1;
	}
	for (size_t i = 0; (project = cluster_project_at(agent->cluster, i)); i++) {
		if (pods_use_project(agent->pods, project->name) &&
			project_add(message, project, err) < 0)
			return -1;
	}
	return 0;
}

/* All of it; without policies there is nothing else in it. */
static int collect(const struct agent *agent, Bulkhead__V1__NetPolicies **ret, struct error *err)
{
	Bulkhead__V1__NetPolicies *message = malloc(sizeof(*message));

	if (!message)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for network policies");
	bulkhead__v1__net_policies__init(message);
	if (policies_add(message, agent, err) < 0 ||
		(message->n_policies > 0 && others_add(message, agent, err) < 0)) {
		bulkhead__v1__net_policies__free_unpacked(message, NULL);
		return -1;
	}
	*ret = message;
	return 0;
}

static void hash_append(ProtobufCBuffer *buffer, size_t len, const uint8_t *data)
{
	uint64_t *hash = (uint64_t *)(void *)(buffer + 1);

	for (size_t i = 0; i < len; i++)
		*hash = (*hash ^ data[i]) * UINT64_C(0x100000001b3);
}

/* Tells one such message from another (FNV-1a of what is sent); never 0. */
static uint64_t hash_of(const Bulkhead__V1__NetPolicies *message)
{
	struct {
		ProtobufCBuffer buffer;
		uint64_t hash;
	} sink = { { hash_append }, UINT64_C(0xcbf29ce484222325) };

	protobuf_c_message_pack_to_buffer(&message->base, &sink.buffer);
	return sink.hash | 1;
}

/* In as many frames as it takes; pods and projects come with the last. */
static int send_parts(const Bulkhead__V1__NetPolicies *all, struct daemon *daemon, uint32_t *serial,
	struct error *err)
{
	Bulkhead__V1__NetPolicies part = BULKHEAD__V1__NET_POLICIES__INIT;
	size_t at = 0;

	do {
		size_t size = 0;

		part.policies = all->policies + at;
		part.n_policies = 0;
		while (at < all->n_policies && size < FRAME_BYTES) {
			size += all->policies[at++].len;
			part.n_policies++;
		}
		part.more = at < all->n_policies;
		if (!part.more) {
			part.pods = all->pods;
			part.n_pods = all->n_pods;
			part.projects = all->projects;
			part.n_projects = all->n_projects;
		}
		if (daemon_send(daemon, IPC_NET_POLICIES, &part.base, NULL, 0, serial, err) < 0)
			return -1;
		part.part++;
	} while (part.more);
	return 0;
}

int net_policies_tell(struct net_policies_told *told, const struct agent *agent,
	struct daemon *daemon, struct error *err)
{
	Bulkhead__V1__NetPolicies *message;
	uint64_t hash;
	int r = 0;

	if (collect(agent, &message, err) < 0)
		return -1;
	hash = hash_of(message);
	if (hash != told->hash)
		r = send_parts(message, daemon, &told->serial, err);
	if (r == 0)
		told->hash = hash;
	bulkhead__v1__net_policies__free_unpacked(message, NULL);
	return r;
}

void net_policies_answered(
	struct net_policies_told *told, uint32_t reply_to, const Bulkhead__V1__NetPoliciesSet *set)
{
	struct error why = { 0 };

	if (!told->serial || told->serial != reply_to)
		return;
	told->serial = 0;
	if (ipc_error_unpack(set->error, &why) < 0)
		log_warning("the network policies are not as they should be: %s", why.text);
}
