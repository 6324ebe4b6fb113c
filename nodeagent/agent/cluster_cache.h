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
	CLUSTER_POLICIES, /* of a project each */
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
	bool receiving; /* a snapshot in parts: 'incoming' replaces 'kinds' with its last part */
	struct cluster_rows incoming[CLUSTER_KINDS];
};

void cluster_cache_done(struct cluster_cache *cache);

/*
 * Take over what the message says; *ret_complete is false when the next message goes on. A snapshot
 * replaces all when its last part came. One without connection says nothing about rows: those known
 * stay.
 *
 * Errors: ERR_EXHAUSTED (some rows may be old: ask for a snapshot), ERR_INVALID, ERR_PRECONDITION
 * (changes before the first snapshot).
 */
int cluster_cache_snapshot(struct cluster_cache *cache,
	const Bulkhead__V1__ClusterSnapshot *snapshot, bool *ret_complete, struct error *err);
int cluster_cache_delta(struct cluster_cache *cache, const Bulkhead__V1__ClusterDelta *delta,
	bool *ret_complete, struct error *err);

/* Who told the rows is gone: half a snapshot is dropped, what is known stays. */
void cluster_cache_lost(struct cluster_cache *cache);

/* 'project' is "" for projects and nodes. NULL when there is none. */
const ProtobufCMessage *cluster_cache_find(const struct cluster_cache *cache,
	enum cluster_kind kind, const char *project, const char *name);
const ProtobufCMessage *cluster_cache_at(
	const struct cluster_cache *cache, enum cluster_kind kind, size_t i);

#endif
