/* The connection to the agent: handed over at start, later accepted on the pod's socket. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "nodeagent/shim/shim.h"

#define FRAMES_AT_ONCE 16

static void link_watch(struct shim *shim)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &shim->link };

	if (ipc_wants_write(shim->ipc))
		event.events |= EPOLLOUT;
	epoll_ctl(shim->epoll_fd, EPOLL_CTL_MOD, ipc_fd(shim->ipc), &event);
}

void link_close(struct shim *shim)
{
	if (!shim->ipc)
		return;
	/* ipc_free() closes the descriptor; copies in children must not keep it polled. */
	epoll_ctl(shim->epoll_fd, EPOLL_CTL_DEL, ipc_fd(shim->ipc), NULL);
	ipc_free(shim->ipc);
	shim->ipc = NULL;
	shim->link.fd = -1;
	/* Who called went with the agent, or will be told so: what runs for them has nobody left.
	 */
	exec_kill_all(shim);
	debug_kill_all(shim);
}

/* The peer is gone. Nobody knows of a shim that its agent had given nothing yet: it ends too. */
static void link_lost(struct shim *shim)
{
	link_close(shim);
	if (!shim->sandbox.plan)
		shim->done = 1;
}

static void link_ready(struct shim *shim, struct source *source)
{
	struct error err;

	(void)source;
	for (int i = 0; shim->ipc && i < FRAMES_AT_ONCE; i++) {
		struct ipc_frame frame;
		int n = ipc_recv(shim->ipc, &frame, &err);

		if (n == 0)
			break;
		if (n > 0) {
			n = dispatch(shim, &frame, &err);
			ipc_frame_done(&frame);
		}
		if (n < 0) {
			if (err.code != ERR_UNAVAILABLE)
				log_warning("agent connection closed: %s", err.text);
			link_lost(shim);
			return;
		}
	}
	if (!shim->ipc)
		return;
	if (ipc_flush(shim->ipc, &err) < 0)
		link_lost(shim);
	else
		link_watch(shim);
}

int link_open(struct shim *shim, int agent_fd, struct error *err)
{
	link_close(shim);
	if (ipc_table_connect(&shim->ipc, agent_fd, IPC_SHIM, IPC_AGENT, err) < 0)
		return -1;
	if (source_add(shim, &shim->link, agent_fd, link_ready, NULL, err) < 0) {
		link_close(shim);
		return -1;
	}
	dispatch_state_send(shim);
	return 0;
}

static void listen_ready(struct shim *shim, struct source *source)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	struct error err;
	int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	/* The socket's mode says the same; this holds even when someone changes that. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || peer.uid != 0) {
		log_warning("refused a connection of uid %u", peer.uid);
		close(fd);
		return;
	}
	if (link_open(shim, fd, &err) < 0) {
		log_warning("%s", err.text);
		if (!shim->ipc)
			close(fd);
	}
}

int link_listen(struct shim *shim, struct error *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	cleanup_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (strlen(shim->socket_path) >= sizeof(addr.sun_path))
		return error_set(err, ERR_INVALID, 0,
			"--socket: longer than %zu bytes; use a shorter run_dir",
			sizeof(addr.sun_path) - 1);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", shim->socket_path);
	unlink(addr.sun_path);
	umask(0177);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 4) < 0) {
		int saved = errno;

		umask(0);
		return error_set(err, error_code_of(saved), saved, "cannot listen on '%s'",
			shim->socket_path);
	}
	umask(0);
	if (source_add(shim, &shim->listen, fd, listen_ready, NULL, err) < 0)
		return -1;
	take_fd(&fd);
	return 0;
}

void link_flush(struct shim *shim, int timeout_ms)
{
	uint64_t end = monotonic_usec() + (uint64_t)timeout_ms * 1000;

	while (shim->ipc && ipc_wants_write(shim->ipc) && monotonic_usec() < end) {
		struct pollfd p = { .fd = ipc_fd(shim->ipc), .events = POLLOUT };

		poll(&p, 1, 10);
		if (ipc_flush(shim->ipc, NULL) < 0)
			return;
	}
}

void shim_send(struct shim *shim, enum ipc_type type, uint32_t reply_to,
	const ProtobufCMessage *message, const int *fds, size_t fds_len)
{
	struct error err;

	if (!shim->ipc)
		return;
	if (ipc_table_send(shim->ipc, type, reply_to, message, fds, fds_len, NULL, &err) < 0) {
		log_warning("cannot send %s: %s", ipc_table_name(type), err.text);
		/* An agent that misses a message must not go on as if it had it. */
		link_lost(shim);
		return;
	}
	link_watch(shim);
}
