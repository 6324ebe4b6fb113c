/*
 * Which numbers a new project gets and which subnet a new node: always the lowest that is free, so
 * that they stay small and dense. Pure; the database makes them unique (database.h).
 */
#ifndef NODEAGENT_CLUSTER_ALLOCATE_H
#define NODEAGENT_CLUSTER_ALLOCATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/ipnet.h"

/*
 * How long a deleted project's block and VNID stay unused: files of its UIDs may lie on shared
 * volumes, and a node that was away may still have flows for its VNID.
 */
#define ALLOCATE_HOLD_SECONDS (7 * 24 * 3600)

/* A project that is there, or was. */
struct allocate_owner {
	uint32_t block;
	uint32_t vnid;
	bool deleted;
	int64_t deleted_at; /* seconds since 1970 */
};

/*
 * Whether what was deleted then is still held. A clock that went back holds for longer, never for
 * less.
 */
bool allocate_is_held(int64_t deleted_at, int64_t now, int64_t hold);

/*
 * The lowest block from 1 and the lowest VNID from PROJECT_VNID_FIRST that no owner has or holds.
 * Errors: ERR_EXHAUSTED.
 */
int allocate_project(const struct allocate_owner *owners, size_t len, int64_t now, int64_t hold,
	uint32_t *ret_block, uint32_t *ret_vnid, struct error *err);

/* The VNID alone. Errors: ERR_EXHAUSTED. */
int allocate_vnid(const struct allocate_owner *owners, size_t len, int64_t now, int64_t hold,
	uint32_t *ret, struct error *err);

/*
 * The lowest network of 'host_bits' host bits in 'cluster' that overlaps none of 'taken', whatever
 * size those have. Errors: ERR_EXHAUSTED.
 */
int allocate_subnet(const struct ipnet *cluster, unsigned host_bits, const struct ipnet *taken,
	size_t len, struct ipnet *ret, struct error *err);

#endif
