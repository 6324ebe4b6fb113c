#include "proto/ipc_table.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "proto/wire_check.h"

#define SHIM_FDS_MAX IPC_FDS_MAX

#define ROW(t, from, to, min, max)                                                                 \
	{                                                                                          \
		IPC_##t, #t, from, to, min, max                                                    \
	}

static const struct ipc_row table[] = {
	ROW(CALL, IPC_API, IPC_AGENT, 0, 0),
	ROW(CALL_CANCEL, IPC_API, IPC_AGENT, 0, 0),
	ROW(CALL_REPLY, IPC_AGENT, IPC_API, 0, 3),
	ROW(CLUSTER_SNAPSHOT, IPC_CLUSTERD, IPC_AGENT, 0, 0),
	ROW(CLUSTER_DELTA, IPC_CLUSTERD, IPC_AGENT, 0, 0),
	ROW(CLUSTER_TXN, IPC_AGENT, IPC_CLUSTERD, 0, 0),
	ROW(CLUSTER_TXN_REPLY, IPC_CLUSTERD, IPC_AGENT, 0, 0),
	ROW(SECRETS_HELLO, IPC_SECRETD, IPC_AGENT, 0, 0),
	ROW(SECRETS_STAGE, IPC_AGENT, IPC_SECRETD, 1, 1),
	ROW(SECRETS_STAGED, IPC_SECRETD, IPC_AGENT, 0, 0),
	ROW(SECRETS_PUBLISH, IPC_AGENT, IPC_SECRETD, 1, 1),
	ROW(SECRETS_PUBLISHED, IPC_SECRETD, IPC_AGENT, 0, 0),
	ROW(NET_STATE, IPC_NETD, IPC_AGENT, 0, 0),
	ROW(NET_PLUG, IPC_AGENT, IPC_NETD, 3, 3),
	ROW(NET_PLUGGED, IPC_NETD, IPC_AGENT, 0, 0),
	ROW(NET_UNPLUG, IPC_AGENT, IPC_NETD, 0, 0),
	ROW(NET_UNPLUGGED, IPC_NETD, IPC_AGENT, 0, 0),
	ROW(NET_SYNC, IPC_AGENT, IPC_NETD, 0, 0),
	ROW(NET_SYNCED, IPC_NETD, IPC_AGENT, 0, 0),
	ROW(NET_PROJECTS, IPC_AGENT, IPC_NETD, 0, 0),
	ROW(NET_PROJECTS_SET, IPC_NETD, IPC_AGENT, 0, 0),
	ROW(NET_CNI, IPC_AGENT, IPC_NETD, 1, 1),
	ROW(CNI_CALL, IPC_CNI, IPC_NETD, 0, 3),
	ROW(CNI_REPLY, IPC_NETD, IPC_CNI, 0, 0),
	ROW(NET_PEERS, IPC_AGENT, IPC_NETD, 0, 0),
	ROW(NET_TRACE, IPC_AGENT, IPC_NETD, 0, 0),
	ROW(NET_TRACED, IPC_NETD, IPC_AGENT, 0, 0),
	ROW(NET_CHECK, IPC_AGENT, IPC_NETD, 0, 0),
	ROW(NET_CHECKED, IPC_NETD, IPC_AGENT, 0, 0),
	ROW(NET_DENIALS, IPC_AGENT, IPC_NETD, 0, 0),
	ROW(NET_DENIED, IPC_NETD, IPC_AGENT, 0, 0),
	ROW(NET_POLICIES, IPC_AGENT, IPC_NETD, 0, 0),
	ROW(NET_POLICIES_SET, IPC_NETD, IPC_AGENT, 0, 0),
	ROW(NET_LIMIT, IPC_AGENT, IPC_NETD, 0, 0),
	ROW(NET_LIMITED, IPC_NETD, IPC_AGENT, 0, 0),
	ROW(SHIM_STATE, IPC_SHIM, IPC_AGENT, 0, SHIM_FDS_MAX),
	ROW(SANDBOX_PLAN, IPC_AGENT, IPC_SHIM, 0, 0),
	ROW(SANDBOX_READY, IPC_SHIM, IPC_AGENT, 0, SHIM_FDS_MAX),
	ROW(VOLUME_OWN, IPC_AGENT, IPC_SHIM, 0, 0),
	ROW(VOLUME_OWNED, IPC_SHIM, IPC_AGENT, 0, 0),
	ROW(CONTAINER_PLAN, IPC_AGENT, IPC_SHIM, 0, 0),
	ROW(CONTAINER_STARTED, IPC_SHIM, IPC_AGENT, 0, 0),
	ROW(CONTAINER_EXITED, IPC_SHIM, IPC_AGENT, 0, 0),
	ROW(CONTAINER_KILL, IPC_AGENT, IPC_SHIM, 0, 0),
	ROW(EXEC_PLAN, IPC_AGENT, IPC_SHIM, 0, 0),
	ROW(EXEC_STARTED, IPC_SHIM, IPC_AGENT, 0, 3),
	ROW(EXEC_EXITED, IPC_SHIM, IPC_AGENT, 0, 0),
	ROW(EXEC_KILL, IPC_AGENT, IPC_SHIM, 0, 0),
	ROW(SHIM_DESTROY, IPC_AGENT, IPC_SHIM, 0, 0),
	ROW(SHIM_DESTROYED, IPC_SHIM, IPC_AGENT, 0, 0),
	ROW(VOLUME_RESIZE, IPC_AGENT, IPC_SHIM, 0, 0),
	ROW(VOLUME_RESIZED, IPC_SHIM, IPC_AGENT, 0, 0),
	ROW(DRIFT_CHECK, IPC_AGENT, IPC_SHIM, 0, 0),
	ROW(DRIFT, IPC_SHIM, IPC_AGENT, 0, 0),
	ROW(PROBE_STATE, IPC_SHIM, IPC_AGENT, 0, 0),
};

/* Which message each type carries; kept apart because lib/ knows no protobuf. */
static const ProtobufCMessageDescriptor *const carried[IPC_TYPE_END] = {
	[IPC_CALL] = &bulkhead__v1__call__descriptor,
	[IPC_CALL_CANCEL] = &bulkhead__v1__call_cancel__descriptor,
	[IPC_CALL_REPLY] = &bulkhead__v1__call_reply__descriptor,
	[IPC_CLUSTER_SNAPSHOT] = &bulkhead__v1__cluster_snapshot__descriptor,
	[IPC_CLUSTER_DELTA] = &bulkhead__v1__cluster_delta__descriptor,
	[IPC_CLUSTER_TXN] = &bulkhead__v1__cluster_txn__descriptor,
	[IPC_CLUSTER_TXN_REPLY] = &bulkhead__v1__cluster_txn_reply__descriptor,
	[IPC_SECRETS_HELLO] = &bulkhead__v1__secrets_hello__descriptor,
	[IPC_SECRETS_STAGE] = &bulkhead__v1__secrets_stage__descriptor,
	[IPC_SECRETS_STAGED] = &bulkhead__v1__secrets_staged__descriptor,
	[IPC_SECRETS_PUBLISH] = &bulkhead__v1__secrets_publish__descriptor,
	[IPC_SECRETS_PUBLISHED] = &bulkhead__v1__secrets_published__descriptor,
	[IPC_NET_STATE] = &bulkhead__v1__net_state__descriptor,
	[IPC_NET_PLUG] = &bulkhead__v1__net_plug__descriptor,
	[IPC_NET_PLUGGED] = &bulkhead__v1__net_plugged__descriptor,
	[IPC_NET_UNPLUG] = &bulkhead__v1__net_unplug__descriptor,
	[IPC_NET_UNPLUGGED] = &bulkhead__v1__net_unplugged__descriptor,
	[IPC_NET_SYNC] = &bulkhead__v1__net_sync__descriptor,
	[IPC_NET_SYNCED] = &bulkhead__v1__net_synced__descriptor,
	[IPC_NET_PROJECTS] = &bulkhead__v1__net_projects__descriptor,
	[IPC_NET_PROJECTS_SET] = &bulkhead__v1__net_projects_set__descriptor,
	[IPC_NET_CNI] = &bulkhead__v1__net_cni__descriptor,
	[IPC_CNI_CALL] = &bulkhead__v1__cni_call__descriptor,
	[IPC_CNI_REPLY] = &bulkhead__v1__cni_reply__descriptor,
	[IPC_NET_PEERS] = &bulkhead__v1__net_peers__descriptor,
	[IPC_NET_LIMIT] = &bulkhead__v1__net_limit__descriptor,
	[IPC_NET_LIMITED] = &bulkhead__v1__net_limited__descriptor,
	[IPC_NET_TRACE] = &bulkhead__v1__net_trace__descriptor,
	[IPC_NET_TRACED] = &bulkhead__v1__net_traced__descriptor,
	[IPC_NET_CHECK] = &bulkhead__v1__net_check__descriptor,
	[IPC_NET_CHECKED] = &bulkhead__v1__net_checked__descriptor,
	[IPC_NET_DENIALS] = &bulkhead__v1__net_denials__descriptor,
	[IPC_NET_DENIED] = &bulkhead__v1__net_denied__descriptor,
	[IPC_SHIM_STATE] = &bulkhead__v1__shim_state__descriptor,
	[IPC_SANDBOX_PLAN] = &bulkhead__v1__sandbox_plan__descriptor,
	[IPC_SANDBOX_READY] = &bulkhead__v1__sandbox_ready__descriptor,
	[IPC_VOLUME_OWN] = &bulkhead__v1__volume_own__descriptor,
	[IPC_VOLUME_OWNED] = &bulkhead__v1__volume_owned__descriptor,
	[IPC_CONTAINER_PLAN] = &bulkhead__v1__container_plan__descriptor,
	[IPC_CONTAINER_STARTED] = &bulkhead__v1__container_started__descriptor,
	[IPC_CONTAINER_EXITED] = &bulkhead__v1__container_exited__descriptor,
	[IPC_CONTAINER_KILL] = &bulkhead__v1__container_kill__descriptor,
	[IPC_EXEC_PLAN] = &bulkhead__v1__exec_plan__descriptor,
	[IPC_EXEC_STARTED] = &bulkhead__v1__exec_started__descriptor,
	[IPC_EXEC_EXITED] = &bulkhead__v1__exec_exited__descriptor,
	[IPC_EXEC_KILL] = &bulkhead__v1__exec_kill__descriptor,
	[IPC_SHIM_DESTROY] = &bulkhead__v1__shim_destroy__descriptor,
	[IPC_SHIM_DESTROYED] = &bulkhead__v1__shim_destroyed__descriptor,
	[IPC_VOLUME_RESIZE] = &bulkhead__v1__volume_resize__descriptor,
	[IPC_VOLUME_RESIZED] = &bulkhead__v1__volume_resized__descriptor,
	[IPC_DRIFT_CHECK] = &bulkhead__v1__drift_check__descriptor,
	[IPC_DRIFT] = &bulkhead__v1__drift__descriptor,
	[IPC_PROBE_STATE] = &bulkhead__v1__probe_state__descriptor,
	[IPC_NET_POLICIES] = &bulkhead__v1__net_policies__descriptor,
	[IPC_NET_POLICIES_SET] = &bulkhead__v1__net_policies_set__descriptor,
};

int ipc_table_connect(
	struct ipc **ret, int fd, enum ipc_role self, enum ipc_role peer, struct error *err)
{
	return ipc_new(ret, fd, self, peer, table, ARRAY_LEN(table), err);
}

int ipc_table_send(struct ipc *ipc, enum ipc_type type, uint32_t reply_to,
	const ProtobufCMessage *message, const int *fds, size_t fds_len, uint32_t *ret_serial,
	struct error *err)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	cleanup_free uint8_t *data = NULL;

	if (type <= 0 || type >= IPC_TYPE_END || message->descriptor != carried[type])
		return error_set(err, ERR_INTERNAL, 0, "%s does not carry %s", ipc_table_name(type),
			message->descriptor->name);
	if (size > IPC_PAYLOAD_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "%s of %zu bytes is over the limit of %u",
			ipc_table_name(type), size, IPC_PAYLOAD_MAX);
	data = malloc(size + 1);
	if (!data)
		return error_set(
			err, ERR_EXHAUSTED, ENOMEM, "cannot send %s", ipc_table_name(type));
	protobuf_c_message_pack(message, data);
	return ipc_send(ipc, type, reply_to, data, size, fds, fds_len, ret_serial, err);
}

int ipc_table_unpack(const struct ipc_frame *frame, ProtobufCMessage **ret, struct error *err)
{
	if (frame->type == 0 || frame->type >= IPC_TYPE_END)
		return error_set(err, ERR_INVALID, 0, "message type %u is unknown", frame->type);
	if (message_unpack(carried[frame->type], frame->data, frame->size, ret, err) < 0)
		return error_prefix(err, "%s", ipc_table_name(frame->type));
	return 0;
}

const char *ipc_table_name(uint32_t type)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (table[i].type == type)
			return table[i].name;
	}
	return "?";
}

void ipc_error_pack(const struct error *err, Bulkhead__V1__Error *ret)
{
	bulkhead__v1__error__init(ret);
	ret->code = err->code;
	ret->text = (char *)(uintptr_t)err->text;
}

int ipc_error_unpack(const Bulkhead__V1__Error *message, struct error *err)
{
	if (!message || message->code == ERR_NONE)
		return 0;
	return error_set(err, (enum error_code)message->code, 0, "%s", message->text);
}
