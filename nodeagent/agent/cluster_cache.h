/*
 * The rows of the cluster database as bulkhead-clusterd told them: snapshots replace all, deltas
 * change single rows. Sorted, so that lookups are fast and lists come in order. Pure.
 */
#ifndef NODEAGENT_AGENT_CLUSTER_CACHE_H
#define NODEAGENT_AGENT_CLUSTER_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/error.h"

enum cluster_kind {
	CLUSTER_PROJECTS,
	CLUSTER_SECRETS, /* of a project each */
	CLUSTER_NODES,
	CLUSTER_KINDS,
};

/* Sorted by project, name; rows are owned. */
struct cluster_rows {
	ProtobufCMessage **rows;
	size_t len;
	size_t room;
};

struct cluster_cache {
	bool known;     /* a snapshot of a connected database came */
	bool connected; /* the database is there now */
	struct cluster_rows kinds[CLUSTER_KINDS];
};

void cluster_cache_done(struct cluster_cache *cache);

/*
 * Takes over what the message says; on failure (ERR_EXHAUSTED) nothing has changed. A snapshot
 * without connection says nothing about rows: those known stay.
 */
int cluster_cache_snapshot(struct cluster_cache *cache,
	const Bulkhead__V1__ClusterSnapshot *snapshot, struct error *err);
/* As far as memory goes: after a failure some rows may be old. ERR_PRECONDITION before a snapshot.
 */
int cluster_cache_delta(
	struct cluster_cache *cache, const Bulkhead__V1__ClusterDelta *delta, struct error *err);

/* 'project' is "" for projects and nodes. NULL when there is none. */
const ProtobufCMessage *cluster_cache_find(const struct cluster_cache *cache,
	enum cluster_kind kind, const char *project, const char *name);
const ProtobufCMessage *cluster_cache_at(
	const struct cluster_cache *cache, enum cluster_kind kind, size_t i);

#endif
