/*
 * Every message between Bulkhead's processes: who sends it, who may receive it, how many
 * descriptors go with it, and which protobuf message it carries.
 */
#ifndef PROTO_IPC_TABLE_H
#define PROTO_IPC_TABLE_H

#include <protobuf-c/protobuf-c.h>

#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/ipc.h"

/* Frame types. Both ends come from one build, so numbers may change between versions. */
enum ipc_type {
	IPC_CALL = 1,
	IPC_CALL_CANCEL,
	IPC_CALL_REPLY,
	IPC_CLUSTER_SNAPSHOT,
	IPC_CLUSTER_DELTA,
	IPC_CLUSTER_TXN,
	IPC_CLUSTER_TXN_REPLY,
	IPC_SECRETS_HELLO,
	IPC_SECRETS_STAGE,
	IPC_SECRETS_STAGED,
	IPC_SECRETS_PUBLISH,
	IPC_SECRETS_PUBLISHED,
	IPC_NET_STATE,
	IPC_NET_PLUG,
	IPC_NET_PLUGGED,
	IPC_NET_UNPLUG,
	IPC_NET_UNPLUGGED,
	IPC_NET_SYNC,
	IPC_NET_SYNCED,
	IPC_NET_PROJECTS,
	IPC_NET_PROJECTS_SET,
	IPC_NET_CNI,
	IPC_CNI_CALL,
	IPC_CNI_REPLY,
	IPC_NET_PEERS,
	IPC_SHIM_STATE,
	IPC_SANDBOX_PLAN,
	IPC_SANDBOX_READY,
	IPC_VOLUME_OWN,
	IPC_VOLUME_OWNED,
	IPC_CONTAINER_PLAN,
	IPC_CONTAINER_STARTED,
	IPC_CONTAINER_EXITED,
	IPC_CONTAINER_KILL,
	IPC_EXEC_PLAN,
	IPC_EXEC_STARTED,
	IPC_EXEC_EXITED,
	IPC_EXEC_KILL,
	IPC_SHIM_DESTROY,
	IPC_SHIM_DESTROYED,
	IPC_VOLUME_RESIZE,
	IPC_VOLUME_RESIZED,
	IPC_DRIFT_CHECK,
	IPC_DRIFT,
	IPC_PROBE_STATE,
	IPC_NET_POLICIES,
	IPC_NET_POLICIES_SET,
	IPC_NET_LIMIT,
	IPC_NET_LIMITED,
	IPC_NET_TRACE,
	IPC_NET_TRACED,
	IPC_NET_CHECK,
	IPC_NET_CHECKED,
	IPC_NET_DENIALS,
	IPC_NET_DENIED,
	IPC_TYPE_END,
};

/* A connection that knows the table. As ipc_new(). */
int ipc_table_connect(
	struct ipc **ret, int fd, enum ipc_role self, enum ipc_role peer, struct error *err);

/* Packs 'message' (which must be the table's for 'type') and sends it. As ipc_send(). */
int ipc_table_send(struct ipc *ipc, enum ipc_type type, uint32_t reply_to,
	const ProtobufCMessage *message, const int *fds, size_t fds_len, uint32_t *ret_serial,
	struct error *err);

/*
 * Unpacks a received frame's payload after the checks of wire_check.h. The caller frees *ret with
 * protobuf_c_message_free_unpacked(). Errors: ERR_INVALID.
 */
int ipc_table_unpack(const struct ipc_frame *frame, ProtobufCMessage **ret, struct error *err);

/* "CALL", ...; "?" for a number that is not in the table. */
const char *ipc_table_name(uint32_t type);

/* An Error message <-> struct error. 'text' of the message borrows from 'err'. */
void ipc_error_pack(const struct error *err, Bulkhead__V1__Error *ret);
/* 0 when 'message' is NULL or carries no error, else -1 with 'err' filled. */
int ipc_error_unpack(const Bulkhead__V1__Error *message, struct error *err);

#endif
