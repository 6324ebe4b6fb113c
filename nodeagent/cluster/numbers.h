/*
 * Which numbers of projects the database says are taken: those of projects, of deleted ones, and
 * VNIDs that were left.
 */
#ifndef NODEAGENT_CLUSTER_NUMBERS_H
#define NODEAGENT_CLUSTER_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

#include "nodeagent/cluster/allocate.h"

struct ovsdb_idl;
struct ovsdb_idl_txn;

/* For allocate_project(); the caller frees. */
struct allocate_owner *numbers_owners(struct ovsdb_idl *idl, size_t *ret_len);

/* One is given out again: what held it goes. */
void numbers_block_taken(struct ovsdb_idl *idl, uint32_t block);
void numbers_vnid_taken(struct ovsdb_idl *idl, uint32_t vnid);

/* Holds a VNID that no project has any more. */
void numbers_release(
	struct ovsdb_idl *idl, struct ovsdb_idl_txn *txn, uint32_t vnid, int64_t released_at);

#endif
