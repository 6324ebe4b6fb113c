/*
 * Packs rows into as few messages as the limits of a frame allow (IPC_PAYLOAD_MAX in lib/ipc.h,
 * WIRE_FIELDS_MAX in proto/wire_check.h): a ClusterSnapshot or ClusterDelta, then ClusterDeltas,
 * all but the last with 'more'. Knows no socket: what is full goes to a function.
 */
#ifndef NODEAGENT_CLUSTER_BATCH_H
#define NODEAGENT_CLUSTER_BATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"
#include "proto/ipc_table.h"

#define BATCH_SIZE_MAX   (IPC_PAYLOAD_MAX - 4096u) /* bytes of packed rows in one message */
#define BATCH_FIELDS_MAX 50000u                    /* fields in one message, at all levels */

typedef int batch_send_fn(
	void *context, enum ipc_type type, const ProtobufCMessage *message, struct error *err);

struct batch {
	batch_send_fn *send;
	void *context;
	bool snapshot;                      /* the next message is the snapshot */
	Bulkhead__V1__ClusterDelta content; /* owns all it points to */
	size_t room[8];                     /* elements allocated, for each repeated member */
	size_t size;
	size_t fields;
};

/* Starts with a snapshot, or with a delta. */
void batch_init(struct batch *batch, bool snapshot, batch_send_fn *send, void *context);
/* Drops what was not sent. */
void batch_done(struct batch *batch);

/* True while there is nothing to send. */
bool batch_is_empty(const struct batch *batch);

/*
 * Add one row, or the name of one that is gone; each takes its argument over, also on failure.
 * What is full is sent first. Names that are gone must be added before rows: the receiver takes
 * them in that order within one message too. Errors: what 'send' says.
 */
int batch_project(struct batch *batch, Bulkhead__V1__ClusterProject *row, struct error *err);
int batch_secret(struct batch *batch, Bulkhead__V1__ClusterSecret *row, struct error *err);
int batch_node(struct batch *batch, Bulkhead__V1__ClusterNode *row, struct error *err);
int batch_policy(struct batch *batch, Bulkhead__V1__ClusterPolicy *row, struct error *err);
int batch_project_gone(struct batch *batch, char *name, struct error *err);
int batch_secret_gone(struct batch *batch, char *key, struct error *err);
int batch_node_gone(struct batch *batch, char *name, struct error *err);
int batch_policy_gone(struct batch *batch, char *key, struct error *err);

/* Sends the last message, without 'more'. */
int batch_finish(struct batch *batch, struct error *err);

#endif
