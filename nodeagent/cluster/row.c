#include <config.h>

#include "nodeagent/cluster/row.h"

#include <stdlib.h>
#include <string.h>

#include "cluster/bulkhead-idl.h"
#include "lib/cleanup.h"
#include "lib/path.h"
#include "nodeagent/cluster/request.h"
#include "proto/base64.h"
#include "secrets/sealing_key.h"
#include "smap.h"
#include "util.h"

#define ROW_UID_MAX 64

/* Sorted, so that a row that is the same reads the same. */
static void copy_quotas(const struct bhrec_project *row, Bulkhead__V1__ClusterProject *m)
{
	cleanup_free const struct smap_node **nodes = smap_sort(&row->quotas);

	m->quotas = xcalloc(smap_count(&row->quotas) + 1, sizeof(*m->quotas));
	m->n_quotas = smap_count(&row->quotas);
	for (size_t i = 0; i < m->n_quotas; i++)
		m->quotas[i] = xasprintf("%s %s", nodes[i]->key, nodes[i]->value);
}

static void copy_labels(const struct bhrec_project *row, Bulkhead__V1__ClusterProject *m)
{
	cleanup_free const struct smap_node **nodes = smap_sort(&row->labels);

	m->labels = xcalloc(smap_count(&row->labels) + 1, sizeof(*m->labels));
	m->n_labels = smap_count(&row->labels);
	for (size_t i = 0; i < m->n_labels; i++)
		m->labels[i] = xasprintf("%s=%s", nodes[i]->key, nodes[i]->value);
}

Bulkhead__V1__ClusterProject *row_project(const struct bhrec_project *row)
{
	Bulkhead__V1__ClusterProject *m = xmalloc(sizeof(*m));

	bulkhead__v1__cluster_project__init(m);
	m->name = xstrdup(row->name);
	m->vnid = (uint32_t)row->vnid;
	m->block = (uint32_t)row->block;
	m->uid_range = xstrdup(row->uid_range);
	m->mcs = xstrdup(row->mcs);
	m->created_at = row->created_at;
	m->uid = xstrdup(row->uid);
	m->moved = row->moved;
	m->egress = xstrdup(row->egress);
	copy_quotas(row, m);
	copy_labels(row, m);
	return m;
}

/* Decodes base64 of at most 'max' bytes. */
static int decode(const char *text, size_t max, const char *column, ProtobufCBinaryData *ret,
	struct error *err)
{
	size_t len = strlen(text), size;
	uint8_t *data;

	if (len / 4 * 3 > max + 2)
		return error_set(
			err, ERR_INVALID, 0, "column %s: more than %zu bytes", column, max);
	data = xmalloc(len / 4 * 3 + 1);
	if (!base64_decode(data, &size, text, len)) {
		free(data);
		return error_set(err, ERR_INVALID, 0, "column %s: is not base64", column);
	}
	*ret = (ProtobufCBinaryData){ size, data };
	return 0;
}

static void copy_keys(const struct bhrec_secret *row, Bulkhead__V1__ClusterSecret *m)
{
	m->keys = xcalloc(row->n_keys + 1, sizeof(*m->keys));
	m->n_keys = row->n_keys;
	for (size_t i = 0; i < row->n_keys; i++) {
		m->keys[i] = xmalloc(sizeof(*m->keys[i]));
		bulkhead__v1__cluster_secret_key__init(m->keys[i]);
		m->keys[i]->name = xstrdup(row->key_keys[i]);
		m->keys[i]->size = (uint32_t)row->value_keys[i];
	}
}

static int check_text(const char *text, const char *column, size_t max, struct error *err)
{
	for (size_t i = 0; text[i]; i++) {
		if (i >= max || text[i] <= ' ' || text[i] > '~')
			return error_set(err, ERR_INVALID, 0,
				"column %s: must be printable ASCII without spaces, of at most "
				"%zu bytes",
				column, max);
	}
	return 0;
}

/*
 * Any node of the cluster writes secrets that are sealed to it, and asks its own daemon to judge
 * them or not: what request.c would refuse is not told to the agent.
 */
static int check_secret(const struct bhrec_secret *row, struct error *err)
{
#ifdef BULKHEAD_WEAK_CLUSTER_ROWS
	return 0;
#endif
	if (!name_is_dns_subdomain(row->name))
		return error_set(err, ERR_INVALID, 0, "column name: is not an RFC 1123 subdomain");
	if (check_text(row->type, "type", SECRET_TYPE_MAX, err) < 0 ||
		check_text(row->node, "node", OBJECT_NAME_SIZE - 1, err) < 0 ||
		check_text(row->uid, "uid", ROW_UID_MAX, err) < 0)
		return -1;
	if (row->n_keys > SECRET_KEYS_MAX)
		return error_set(err, ERR_INVALID, 0, "column keys: %zu are more than %d",
			row->n_keys, SECRET_KEYS_MAX);
	for (size_t i = 0; i < row->n_keys; i++) {
		if (secret_key_check(row->key_keys[i], err) < 0)
			return error_prefix(err, "column keys");
	}
	return 0;
}

int row_secret(const struct bhrec_secret *row, Bulkhead__V1__ClusterSecret **ret, struct error *err)
{
	ProtobufCBinaryData sealed;
	Bulkhead__V1__ClusterSecret *m;

	if (!row->project)
		return error_set(err, ERR_INVALID, 0, "secret '%.253s' has no project", row->name);
	if (check_secret(row, err) < 0 ||
		decode(row->sealed, SECRET_SEALED_MAX, "sealed", &sealed, err) < 0)
		return error_prefix(err, "secret '%s/%.253s'", row->project->name, row->name);
	m = xmalloc(sizeof(*m));
	bulkhead__v1__cluster_secret__init(m);
	m->project = xstrdup(row->project->name);
	m->name = xstrdup(row->name);
	m->type = xstrdup(row->type);
	m->uid = xstrdup(row->uid);
	copy_keys(row, m);
	m->sealed = sealed;
	m->created_at = row->created_at;
	m->node = xstrdup(row->node);
	*ret = m;
	return 0;
}

/* One without the other is of no use. */
static int decode_key(const struct bhrec_node *row, Bulkhead__V1__ClusterNode *m, struct error *err)
{
	ProtobufCBinaryData key, signature;

	if (decode(row->sealing_key, HPKE_KEY_SIZE, "sealing_key", &key, err) < 0)
		return error_prefix(err, "node '%s'", row->name);
	if (decode(row->sealing_key_signature, SEALING_KEY_SIGNATURE_MAX, "sealing_key_signature",
		    &signature, err) < 0) {
		free(key.data);
		return error_prefix(err, "node '%s'", row->name);
	}
	m->sealing_key = key;
	m->sealing_key_signature = signature;
	return 0;
}

/* The schema counts characters of each, and they have four bytes at most. */
static int copy_pods(const struct bhrec_node *row, Bulkhead__V1__ClusterNode *m, struct error *err)
{
	size_t size = 0;

	for (size_t i = 0; i < row->n_pods; i++)
		size += strlen(row->pods[i]);
#ifndef BULKHEAD_WEAK_CLUSTER_ROWS
	if (size > NODE_PODS_SIZE_MAX)
		return error_set(err, ERR_INVALID, 0,
			"node '%s': column pods: has %zu bytes; at most %u", row->name, size,
			NODE_PODS_SIZE_MAX);
#endif
	m->pods = xcalloc(row->n_pods + 1, sizeof(*m->pods));
	m->n_pods = row->n_pods;
	for (size_t i = 0; i < row->n_pods; i++)
		m->pods[i] = xstrdup(row->pods[i]);
	return 0;
}

int row_node(const struct bhrec_node *row, Bulkhead__V1__ClusterNode **ret, struct error *err)
{
	Bulkhead__V1__ClusterNode *m = xmalloc(sizeof(*m));

	bulkhead__v1__cluster_node__init(m);
	m->name = xstrdup(row->name);
	m->address = xstrdup(row->address);
	m->subnet = xstrdup(row->subnet);
	m->created_at = row->created_at;
	m->uid = xstrdup(row->uid);
	m->network_epoch = row->network_epoch;
	*ret = m;
	if (copy_pods(row, m, err) < 0)
		return -1;
	return decode_key(row, m, err);
}

char *row_secret_key(const struct bhrec_secret *row)
{
	return xasprintf("%s/%s", row->project ? row->project->name : "", row->name);
}

int row_policy(const struct bhrec_network_policy *row, Bulkhead__V1__ClusterPolicy **ret,
	struct error *err)
{
	Bulkhead__V1__ClusterPolicy *m;
	ProtobufCBinaryData policy;

	if (!row->project)
		return error_set(
			err, ERR_INVALID, 0, "network policy '%s' has no project", row->name);
	if (decode(row->policy, POLICY_SIZE_MAX, "policy", &policy, err) < 0)
		return error_prefix(err, "network policy '%s/%s'", row->project->name, row->name);
	m = xmalloc(sizeof(*m));
	bulkhead__v1__cluster_policy__init(m);
	m->project = xstrdup(row->project->name);
	m->name = xstrdup(row->name);
	m->uid = xstrdup(row->uid);
	m->created_at = row->created_at;
	m->policy = policy;
	*ret = m;
	return 0;
}

char *row_policy_key(const struct bhrec_network_policy *row)
{
	return xasprintf("%s/%s", row->project ? row->project->name : "", row->name);
}
