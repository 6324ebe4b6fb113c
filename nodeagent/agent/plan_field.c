#include "nodeagent/agent/plan_field.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/pod_view.h"
#include "lib/cleanup.h"
#include "nodeagent/agent/plan_resources.h"
#include "nodeagent/agent/plan_text.h"
#include "proto/quantity.h"

#define IN_ENV    (1u << PLAN_FIELD_ENV)
#define IN_VOLUME (1u << PLAN_FIELD_VOLUME)

/* One entry of labels or annotations, whose generated types have the same shape. */
struct pair {
	const char *key;
	const char *value;
};

static size_t pairs_count(const K8sObjectMeta *meta, bool labels)
{
	return labels ? meta->n_labels : meta->n_annotations;
}

static struct pair pair_at(const K8sObjectMeta *meta, bool labels, size_t i)
{
	if (labels)
		return (struct pair){ plan_or_empty(meta->labels[i]->key),
			plan_or_empty(meta->labels[i]->value) };
	return (struct pair){ plan_or_empty(meta->annotations[i]->key),
		plan_or_empty(meta->annotations[i]->value) };
}

static int pair_compare(const void *a, const void *b)
{
	return strcmp(((const struct pair *)a)->key, ((const struct pair *)b)->key);
}

/* As Go's %q: in double quotes, with what would break a line written out. */
static void quote(FILE *f, const char *text)
{
	static const char escapes[] = "\a\b\f\n\r\t\v\\\"";
	static const char letters[] = "abfnrtv\\\"";

	fputc('"', f);
	for (; *text; text++) {
		const char *escape = strchr(escapes, *text);

		if (escape)
			fprintf(f, "\\%c", letters[escape - escapes]);
		else if ((unsigned char)*text < 0x20 || *text == 0x7f)
			fprintf(f, "\\x%02x", (unsigned char)*text);
		else
			fputc(*text, f);
	}
	fputc('"', f);
}

static void pairs_write(FILE *f, const struct pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		fprintf(f, "%s%s=", i ? "\n" : "", pairs[i].key);
		quote(f, pairs[i].value);
	}
}

/* key="value" lines, sorted by key. */
static int pairs_format(const K8sObjectMeta *meta, bool labels, char **ret, struct error *err)
{
	size_t n = pairs_count(meta, labels);
	cleanup_free struct pair *pairs = calloc(n + 1, sizeof(*pairs));
	cleanup_free char *text = NULL;
	size_t size;
	FILE *f = pairs ? open_memstream(&text, &size) : NULL;

	if (!f)
		return plan_no_memory(err);
	for (size_t i = 0; i < n; i++)
		pairs[i] = pair_at(meta, labels, i);
	qsort(pairs, n, sizeof(*pairs), pair_compare);
	pairs_write(f, pairs, n);
	if (fclose(f) != 0)
		return plan_no_memory(err);
	*ret = take_ptr(text);
	return 0;
}

/* metadata.labels['key']: absent is empty, as upstream. */
static const char *pair_find(const K8sObjectMeta *meta, bool labels, const char *key, size_t len)
{
	for (size_t i = 0; i < pairs_count(meta, labels); i++) {
		struct pair pair = pair_at(meta, labels, i);

		if (strlen(pair.key) == len && memcmp(pair.key, key, len) == 0)
			return pair.value;
	}
	return "";
}

struct ask {
	const struct plan_node *node;
	const struct plan_pod *pod;
	const K8sObjectMeta *meta;
};

static const char *get_name(const struct ask *a)
{
	return plan_or_empty(a->meta->name);
}

static const char *get_namespace(const struct ask *a)
{
	return plan_or_empty(a->meta->namespace_);
}

static const char *get_uid(const struct ask *a)
{
	return plan_or_empty(a->meta->uid);
}

static const char *get_node(const struct ask *a)
{
	return a->node->config->node_name;
}

static const char *get_account(const struct ask *a)
{
	return plan_or_empty(view_spec(a->pod->pod)->serviceaccountname);
}

/* NULL: not known yet. */
static const char *get_host_ip(const struct ask *a)
{
	return plan_or_empty(a->node->node_address)[0] ? a->node->node_address : NULL;
}

static const char *get_pod_ip(const struct ask *a)
{
	if (view_spec(a->pod->pod)->hostnetwork)
		return get_host_ip(a);
	return plan_or_empty(a->pod->address)[0] ? a->pod->address : NULL;
}

static const struct {
	const char *path;
	unsigned uses;
	const char *(*get)(const struct ask *ask);
} rows[] = {
	{ "metadata.name", IN_ENV | IN_VOLUME, get_name },
	{ "metadata.namespace", IN_ENV | IN_VOLUME, get_namespace },
	{ "metadata.uid", IN_ENV | IN_VOLUME, get_uid },
	{ "spec.nodeName", IN_ENV, get_node },
	{ "spec.serviceAccountName", IN_ENV, get_account },
	{ "status.hostIP", IN_ENV, get_host_ip },
	{ "status.hostIPs", IN_ENV, get_host_ip },
	{ "status.podIP", IN_ENV, get_pod_ip },
	{ "status.podIPs", IN_ENV, get_pod_ip },
};

static int copy(const char *text, char **ret, struct error *err)
{
	*ret = strdup(text);
	return *ret ? 0 : plan_no_memory(err);
}

/* metadata.labels and metadata.annotations, whole or by key. 1 when 'path' is neither. */
static int get_pairs(const struct ask *a, enum plan_field_use use, const char *path, char **ret,
	struct error *err)
{
	bool labels = strncmp(path, "metadata.labels", 15) == 0;
	const char *rest = path + (labels ? 15 : 20);
	size_t len;

	if (!labels && strncmp(path, "metadata.annotations", 20) != 0)
		return 1;
	if (*rest == '\0' && use == PLAN_FIELD_VOLUME)
		return pairs_format(a->meta, labels, ret, err);
	len = strlen(rest);
	if (len <= 4 || strncmp(rest, "['", 2) != 0 || strcmp(rest + len - 2, "']") != 0)
		return 1;
	return copy(pair_find(a->meta, labels, rest + 2, len - 4), ret, err);
}

int plan_field_get(const struct plan_node *node, const struct plan_pod *pod,
	enum plan_field_use use, const char *path, char **ret, struct error *err)
{
	struct ask ask = { node, pod, pod->pod->metadata };
	int n = get_pairs(&ask, use, path, ret, err);

	for (size_t i = 0; n == 1 && i < ARRAY_LEN(rows); i++) {
		const char *value;

		if (strcmp(rows[i].path, path) != 0 || !(rows[i].uses & (1u << use)))
			continue;
		value = rows[i].get(&ask);
		if (!value)
			return error_set(err, ERR_UNAVAILABLE, 0, "%s is not known yet", path);
		return copy(value, ret, err);
	}
	if (n != 1)
		return n;
	return error_set(err, ERR_INVALID, 0,
		"'%.128s' is not a field that a pod may refer to in %s", path,
		use == PLAN_FIELD_ENV ? "its environment" : "a volume");
}

static const K8sContainer *container_find(const K8sPodSpec *spec, const char *name)
{
	for (size_t i = 0; i < spec->n_initcontainers; i++) {
		if (strcmp(plan_or_empty(spec->initcontainers[i]->name), name) == 0)
			return spec->initcontainers[i];
	}
	for (size_t i = 0; i < spec->n_containers; i++) {
		if (strcmp(plan_or_empty(spec->containers[i]->name), name) == 0)
			return spec->containers[i];
	}
	return NULL;
}

/* "limits.cpu" -> true, "cpu". NULL when it is neither a limit nor a request. */
static const char *resource_name(const char *resource, bool *ret_limit)
{
	*ret_limit = strncmp(resource, "limits.", 7) == 0;
	if (*ret_limit)
		return resource + 7;
	return strncmp(resource, "requests.", 9) == 0 ? resource + 9 : NULL;
}

static bool resource_known(const char *name)
{
	return strcmp(name, "cpu") == 0 || strcmp(name, "memory") == 0 ||
	       strcmp(name, "ephemeral-storage") == 0 || strncmp(name, "hugepages-", 10) == 0;
}

/* A container without a limit may use the node; what that is of others than these is not known. */
static int node_amount(
	const struct plan_node *node, const char *name, int64_t *ret, struct error *err)
{
	if (strcmp(name, "cpu") == 0)
		*ret = (int64_t)node->cpu_millis;
	else if (strcmp(name, "memory") == 0)
		*ret = (int64_t)node->memory_bytes;
	else if (strncmp(name, "hugepages-", 10) != 0)
		return error_set(err, ERR_UNSUPPORTED, 0,
			"limits.%s: the container has no such limit, and the node's is not known; "
			"set "
			"the limit",
			name);
	return 0;
}

static int divisor_get(
	const K8sResourceFieldSelector *selector, bool cpu, int64_t *ret, struct error *err)
{
	const char *text = selector->divisor ? plan_or_empty(selector->divisor->string) : "";
	int64_t value = 0;

	if (text[0] &&
		(cpu ? quantity_milli(text, &value, err) : quantity_units(text, &value, err)) < 0)
		return error_prefix(err, "divisor");
	if (value < 0)
		return error_set(err, ERR_INVALID, 0, "divisor: '%.64s' is negative", text);
	*ret = value ? value : cpu ? 1000 : 1;
	return 0;
}

int plan_resource_field_get(const struct plan_node *node, const K8sPodSpec *spec,
	const K8sContainer *self, const K8sResourceFieldSelector *selector, char **ret,
	struct error *err)
{
	const char *other = plan_or_empty(selector->containername);
	const K8sContainer *container = other[0] ? container_find(spec, other) : self;
	bool limit;
	const char *name = resource_name(plan_or_empty(selector->resource), &limit);
	char *text = NULL;
	int64_t value;
	int64_t divisor;

	if (!container)
		return error_set(err, ERR_INVALID, 0,
			"containerName: '%.63s' is not a container of the pod", other);
	if (!name || !resource_known(name))
		return error_set(err, ERR_INVALID, 0,
			"resource: '%.64s' is not limits.* or requests.* of cpu, memory, "
			"ephemeral-storage or hugepages-*",
			plan_or_empty(selector->resource));
	if (plan_resource_get(spec, container, limit, name, &value, err) < 0 ||
		(limit && value == 0 && node_amount(node, name, &value, err) < 0) ||
		divisor_get(selector, strcmp(name, "cpu") == 0, &divisor, err) < 0)
		return -1;
	value = value / divisor + (value % divisor != 0);
	if (plan_print(&text, err, "%" PRId64, value) < 0)
		return -1;
	*ret = text;
	return 0;
}
