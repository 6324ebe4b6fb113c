#include "nodeagent/agent/cluster_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

#define ROWS_FIRST 16

struct key {
	const char *project;
	const char *name;
};

static struct key key_of(const ProtobufCMessage *row)
{
	if (row->descriptor == &bulkhead__v1__cluster_secret__descriptor) {
		const Bulkhead__V1__ClusterSecret *secret =
			(const Bulkhead__V1__ClusterSecret *)row;

		return (struct key){ secret->project, secret->name };
	}
	if (row->descriptor == &bulkhead__v1__cluster_policy__descriptor) {
		const Bulkhead__V1__ClusterPolicy *policy =
			(const Bulkhead__V1__ClusterPolicy *)row;

		return (struct key){ policy->project, policy->name };
	}
	if (row->descriptor == &bulkhead__v1__cluster_project__descriptor)
		return (struct key){ "", ((const Bulkhead__V1__ClusterProject *)row)->name };
	return (struct key){ "", ((const Bulkhead__V1__ClusterNode *)row)->name };
}

static int key_compare(const struct key *a, const struct key *b)
{
	int r = strcmp(a->project, b->project);

	return r ? r : strcmp(a->name, b->name);
}

/* The place of 'key': where it is, or where it would be put. */
static bool rows_search(const struct cluster_rows *rows, const struct key *key, size_t *ret)
{
	size_t low = 0, high = rows->len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct key found = key_of(rows->rows[middle]);
		int r = key_compare(&found, key);

		if (r == 0) {
			*ret = middle;
			return true;
		}
		if (r < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret = low;
	return false;
}

static void row_free(ProtobufCMessage *row)
{
	protobuf_c_message_free_unpacked(row, NULL);
}

static ProtobufCMessage *row_copy(const ProtobufCMessage *row)
{
	size_t size = protobuf_c_message_get_packed_size(row);
	cleanup_free uint8_t *bytes = malloc(size + 1);

	if (!bytes)
		return NULL;
	protobuf_c_message_pack(row, bytes);
	return protobuf_c_message_unpack(row->descriptor, NULL, size, bytes);
}

static int rows_grow(struct cluster_rows *rows)
{
	size_t room = rows->room ? rows->room * 2 : ROWS_FIRST;
	ProtobufCMessage **more;

	if (rows->len < rows->room)
		return 0;
	more = calloc(room, sizeof(ProtobufCMessage *));
	if (!more)
		return -1;
	if (rows->len)
		memcpy(more, rows->rows, rows->len * sizeof(ProtobufCMessage *));
	free(rows->rows);
	rows->rows = more;
	rows->room = room;
	return 0;
}

static int rows_put(struct cluster_rows *rows, const ProtobufCMessage *row, struct error *err)
{
	struct key key = key_of(row);
	ProtobufCMessage *copy = row_copy(row);
	size_t at;

	if (!copy || rows_grow(rows) < 0) {
		if (copy)
			row_free(copy);
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for cluster data");
	}
	if (rows_search(rows, &key, &at)) {
		row_free(rows->rows[at]);
	} else {
		memmove(rows->rows + at + 1, rows->rows + at,
			(rows->len - at) * sizeof(ProtobufCMessage *));
		rows->len++;
	}
	rows->rows[at] = copy;
	return 0;
}

static void rows_remove(struct cluster_rows *rows, const struct key *key)
{
	size_t at;

	if (!rows_search(rows, key, &at))
		return;
	row_free(rows->rows[at]);
	rows->len--;
	memmove(rows->rows + at, rows->rows + at + 1,
		(rows->len - at) * sizeof(ProtobufCMessage *));
}

static void rows_done(struct cluster_rows *rows)
{
	for (size_t i = 0; i < rows->len; i++)
		row_free(rows->rows[i]);
	free(rows->rows);
	*rows = (struct cluster_rows){ 0 };
}

static void kinds_done(struct cluster_rows kinds[CLUSTER_KINDS])
{
	for (size_t i = 0; i < CLUSTER_KINDS; i++)
		rows_done(&kinds[i]);
}

void cluster_cache_lost(struct cluster_cache *cache)
{
	kinds_done(cache->incoming);
	cache->receiving = false;
	cache->connected = false;
}

void cluster_cache_done(struct cluster_cache *cache)
{
	kinds_done(cache->incoming);
	kinds_done(cache->kinds);
	*cache = (struct cluster_cache){ 0 };
}

/* What both messages have in common. */
struct rows_told {
	Bulkhead__V1__ClusterProject *const *projects;
	size_t projects_len;
	Bulkhead__V1__ClusterSecret *const *secrets;
	size_t secrets_len;
	Bulkhead__V1__ClusterNode *const *nodes;
	size_t nodes_len;
	Bulkhead__V1__ClusterPolicy *const *policies;
	size_t policies_len;
};

static int kinds_put(
	struct cluster_rows kinds[CLUSTER_KINDS], const struct rows_told *told, struct error *err)
{
	for (size_t i = 0; i < told->projects_len; i++) {
		if (rows_put(&kinds[CLUSTER_PROJECTS], &told->projects[i]->base, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < told->secrets_len; i++) {
		if (rows_put(&kinds[CLUSTER_SECRETS], &told->secrets[i]->base, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < told->nodes_len; i++) {
		if (rows_put(&kinds[CLUSTER_NODES], &told->nodes[i]->base, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < told->policies_len; i++) {
		if (rows_put(&kinds[CLUSTER_POLICIES], &told->policies[i]->base, err) < 0)
			return -1;
	}
	return 0;
}

/* The last part of a snapshot came. */
static void commit(struct cluster_cache *cache)
{
	kinds_done(cache->kinds);
	memcpy(cache->kinds, cache->incoming, sizeof(cache->kinds));
	memset(cache->incoming, 0, sizeof(cache->incoming));
	cache->receiving = false;
	cache->known = true;
	cache->connected = true;
}

int cluster_cache_snapshot(struct cluster_cache *cache,
	const Bulkhead__V1__ClusterSnapshot *snapshot, bool *ret_complete, struct error *err)
{
	const struct rows_told told = { snapshot->projects, snapshot->n_projects, snapshot->secrets,
		snapshot->n_secrets, snapshot->nodes, snapshot->n_nodes, snapshot->policies,
		snapshot->n_policies };

	kinds_done(cache->incoming);
	cache->receiving = snapshot->connected;
	*ret_complete = !snapshot->more;
	if (!snapshot->connected) {
		cache->connected = false;
		return 0;
	}
	if (kinds_put(cache->incoming, &told, err) < 0)
		return -1;
	if (!snapshot->more)
		commit(cache);
	return 0;
}

static int path_gone(
	struct cluster_rows *rows, const char *field, const char *path, struct error *err)
{
	const char *slash = strchr(path, '/');
	cleanup_free char *project = slash ? strndup(path, (size_t)(slash - path)) : NULL;

	if (!project)
		return error_set(
			err, ERR_INVALID, 0, "%s: '%.64s' is not \"project/name\"", field, path);
	rows_remove(rows, &(struct key){ project, slash + 1 });
	return 0;
}

static int remove_gone(
	struct cluster_rows *kinds, const Bulkhead__V1__ClusterDelta *delta, struct error *err)
{
	for (size_t i = 0; i < delta->n_projects_gone; i++)
		rows_remove(&kinds[CLUSTER_PROJECTS], &(struct key){ "", delta->projects_gone[i] });
	for (size_t i = 0; i < delta->n_secrets_gone; i++) {
		if (path_gone(&kinds[CLUSTER_SECRETS], "secrets_gone", delta->secrets_gone[i],
			    err) < 0)
			return -1;
	}
	for (size_t i = 0; i < delta->n_policies_gone; i++) {
		if (path_gone(&kinds[CLUSTER_POLICIES], "policies_gone", delta->policies_gone[i],
			    err) < 0)
			return -1;
	}
	for (size_t i = 0; i < delta->n_nodes_gone; i++)
		rows_remove(&kinds[CLUSTER_NODES], &(struct key){ "", delta->nodes_gone[i] });
	return 0;
}

static int kinds_change(struct cluster_rows kinds[CLUSTER_KINDS],
	const Bulkhead__V1__ClusterDelta *delta, struct error *err)
{
	const struct rows_told told = { delta->projects, delta->n_projects, delta->secrets,
		delta->n_secrets, delta->nodes, delta->n_nodes, delta->policies,
		delta->n_policies };

	if (remove_gone(kinds, delta, err) < 0)
		return -1;
	return kinds_put(kinds, &told, err);
}

int cluster_cache_delta(struct cluster_cache *cache, const Bulkhead__V1__ClusterDelta *delta,
	bool *ret_complete, struct error *err)
{
	*ret_complete = !delta->more;
	if (!delta->connected) {
		cluster_cache_lost(cache);
		return 0;
	}
	if (!cache->receiving && !cache->known)
		return error_set(err, ERR_PRECONDITION, 0, "changes came before a snapshot");
	if (!cache->receiving)
		return kinds_change(cache->kinds, delta, err);
	if (kinds_change(cache->incoming, delta, err) < 0)
		return -1;
	if (!delta->more)
		commit(cache);
	return 0;
}

const ProtobufCMessage *cluster_cache_find(const struct cluster_cache *cache,
	enum cluster_kind kind, const char *project, const char *name)
{
	const struct key key = { project, name };
	size_t at;

	return rows_search(&cache->kinds[kind], &key, &at) ? cache->kinds[kind].rows[at] : NULL;
}

const ProtobufCMessage *cluster_cache_at(
	const struct cluster_cache *cache, enum cluster_kind kind, size_t i)
{
	return i < cache->kinds[kind].len ? cache->kinds[kind].rows[i] : NULL;
}
