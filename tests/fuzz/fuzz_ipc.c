/*
 * Any bytes as a frame between processes: the first two choose the roles of the two ends and how
 * many descriptors come along, the rest is sent as it is. What is accepted must be in the table,
 * and must unpack or be refused.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "proto/ipc_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const enum ipc_role roles[] = { IPC_AGENT, IPC_API, IPC_SHIM, IPC_NETD, IPC_SECRETD,
	IPC_CLUSTERD, IPC_CNI };

static void send_raw(int fd, const uint8_t *data, size_t size, size_t fds_len)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * (IPC_FDS_MAX + 1))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fds_len > 0) {
		struct cmsghdr *c;

		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * fds_len);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * fds_len);
		for (size_t i = 0; i < fds_len; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(int));
	}
	(void)sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void receive(struct ipc *ipc)
{
	struct ipc_frame frame;
	struct error err;
	ProtobufCMessage *message;

	if (ipc_recv(ipc, &frame, &err) != 1)
		return;
	if (strcmp(ipc_table_name(frame.type), "?") == 0 || frame.serial == 0)
		abort();
	if (ipc_table_unpack(&frame, &message, &err) == 0)
		protobuf_c_message_free_unpacked(message, NULL);
	ipc_frame_done(&frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ipc *ipc;
	struct error err;
	int fds[2];

	if (size < 3 || ipc_socketpair(fds, &err) < 0)
		return 0;
	if (ipc_table_connect(&ipc, fds[0], roles[data[0] % ARRAY_LEN(roles)],
		    roles[data[0] / 16 % ARRAY_LEN(roles)], &err) < 0)
		abort();
	send_raw(fds[1], data + 2, size - 2, data[1] % (IPC_FDS_MAX + 2));
	close(fds[1]);
	receive(ipc);
	ipc_free(ipc);
	return 0;
}
