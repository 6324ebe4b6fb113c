#include "netplugin/cni/call.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"

/* What a runtime is to make of each error; others are CNI_REFUSED. */
static const struct {
	enum error_code error;
	enum cni_code code;
} codes[] = {
	{ ERR_INVALID, CNI_INVALID_CONFIG },
	{ ERR_EXISTS, CNI_ATTACHED_ALREADY },
	{ ERR_EXHAUSTED, CNI_TRY_AGAIN }, /* addresses are given back */
	{ ERR_UNAVAILABLE, CNI_TRY_AGAIN },
	{ ERR_CANCELLED, CNI_TRY_AGAIN },
	{ ERR_TIMEOUT, CNI_TRY_AGAIN },
};

static enum cni_code code_of(const Bulkhead__V1__CniCall *call, const Bulkhead__V1__CniReply *reply)
{
	if (call->command == BULKHEAD__V1__CNI_COMMAND__CNI_STATUS)
		return reply->limited ? CNI_LIMITED : CNI_NOT_AVAILABLE;
	/* A project may be on its way here; a container that is not attached is not. */
	if (reply->error->code == ERR_NOT_FOUND)
		return call->command == BULKHEAD__V1__CNI_COMMAND__CNI_ADD ? CNI_TRY_AGAIN
									   : CNI_UNKNOWN_CONTAINER;
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if (reply->error->code == codes[i].error)
			return codes[i].code;
	}
	return CNI_REFUSED;
}

static int check_peer(int fd, const char *path, struct failure *failure)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.uid != 0)
		return failure_set(failure, CNI_TRY_AGAIN, "'%s' is not root's", path);
	return 0;
}

int cni_connect(const char *path, struct ipc **ret, struct failure *failure)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	/* While as many wait already as the socket's queue takes. */
	const struct timeval patience = { .tv_sec = CNI_ANSWER_MSEC / 1000 };
	struct error err = { 0 };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
		connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return failure_set(failure, CNI_TRY_AGAIN,
			"bulkhead-netd does not answer at '%s': %s (is bulkhead-agent running?)",
			path, strerror(errno));
	if (check_peer(fd, path, failure) < 0)
		return -1;
	if (ipc_table_connect(ret, fd, IPC_CNI, IPC_NETD, &err) < 0)
		return failure_set(failure, CNI_IO, "%s", err.text);
	take_fd(&fd);
	return 0;
}

static int take_reply(const struct ipc_frame *frame, uint32_t serial, Bulkhead__V1__CniReply **ret,
	struct error *err)
{
	ProtobufCMessage *message;

	if (frame->type != IPC_CNI_REPLY || frame->reply_to != serial)
		return error_set(err, ERR_INVALID, 0, "%s does not answer what was asked",
			ipc_table_name(frame->type));
	if (ipc_table_unpack(frame, &message, err) < 0)
		return -1;
	*ret = (Bulkhead__V1__CniReply *)message;
	return 0;
}

int cni_call(struct ipc *ipc, const Bulkhead__V1__CniCall *call, const int *fds, size_t fds_len,
	Bulkhead__V1__CniReply **ret, struct failure *failure)
{
	Bulkhead__V1__CniReply *reply = NULL;
	struct error err = { 0 };
	struct ipc_frame frame;
	uint32_t serial;
	int r;

	if (ipc_table_send(ipc, IPC_CNI_CALL, 0, &call->base, fds, fds_len, &serial, &err) < 0)
		return failure_set(failure, CNI_TRY_AGAIN, "bulkhead-netd: %s", err.text);
	r = ipc_recv_wait(ipc, &frame, CNI_ANSWER_MSEC, &err);
	if (r <= 0)
		return failure_set(failure, CNI_TRY_AGAIN, "bulkhead-netd: %s",
			r < 0 ? err.text : "does not answer");
	r = take_reply(&frame, serial, &reply, &err);
	ipc_frame_done(&frame);
	if (r < 0)
		return failure_set(failure, CNI_REFUSED, "bulkhead-netd: %s", err.text);
	if (reply->error && reply->error->code != ERR_NONE) {
		failure_fill(failure, code_of(call, reply), "%s", reply->error->text);
		bulkhead__v1__cni_reply__free_unpacked(reply, NULL);
		return -1;
	}
	*ret = reply;
	return 0;
}
