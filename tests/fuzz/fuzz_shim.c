/*
 * Any frames in any order as what an agent says to a shim: each is a type, a length (two bytes) and
 * a message. They go through the shim's own dispatch. A SANDBOX_PLAN that is accepted becomes a
 * sandbox of which nothing is built, so that launches fail at their first step on the kernel, and
 * what must hold then is the shim's book-keeping: every request answered, nothing used after it is
 * freed.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "nodeagent/shim/plan_check.h"
#include "nodeagent/shim/shim.h"

#define FRAMES_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
	if (!holds)
		abort();
}

/* As sandbox_up() without a kernel. Returns whether the plan was accepted. */
static int sandbox_pretend(struct shim *shim, const struct ipc_frame *frame)
{
	ProtobufCMessage *message = NULL;
	Bulkhead__V1__SandboxPlan *plan;
	struct sandbox *s = &shim->sandbox;

	if (s->plan || ipc_table_unpack(frame, &message, NULL) < 0)
		return 0;
	plan = (Bulkhead__V1__SandboxPlan *)message;
	if (plan_check_sandbox(plan, &s->map, NULL) < 0) {
		s->map = (struct id_map){ 0 };
		protobuf_c_message_free_unpacked(message, NULL);
		return 0;
	}
	s->plan = plan;
	s->tmpfs_len = plan->n_tmpfs;
	s->tmpfs = calloc(s->tmpfs_len + 1, sizeof(*s->tmpfs));
	must(s->tmpfs != NULL);
	for (size_t i = 0; i < s->tmpfs_len; i++) {
		s->tmpfs[i].dirfd = -1;
		s->tmpfs[i].secret = plan->tmpfs[i]->kind == BULKHEAD__V1__TMPFS_KIND__TMPFS_SECRET;
	}
	s->cgroup.tree = &s->tree;
	s->tree.unified = -1;
	for (size_t i = 0; i < CGROUP_HIERARCHIES_MAX; i++)
		s->cgroup.fds[i] = -1;
	return 1;
}

static void answers_drain(int fd)
{
	static char buffer[1 << 16];

	while (recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) > 0)
		;
}

static int begin(struct shim *shim, int *ret_peer_fd)
{
	struct error err;
	int fds[2];

	*shim = (struct shim){ .link.fd = -1, .listen.fd = -1, .drift_timer.fd = -1 };
	shim->socket_path = "/nonexistent/shim.sock";
	shim->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	shim->pid_ns_fd = -1;
	if (shim->epoll_fd < 0 || ipc_socketpair(fds, &err) < 0)
		return -1;
	must(ipc_table_connect(&shim->ipc, fds[0], IPC_SHIM, IPC_AGENT, &err) == 0);
	sandbox_init(&shim->sandbox);
	seccomp_cache_init(&shim->seccomp);
	*ret_peer_fd = fds[1];
	return 0;
}

static void end(struct shim *shim, int peer_fd)
{
	while (shim->containers)
		container_free(shim, shim->containers);
	sandbox_down(&shim->sandbox, NULL);
	seccomp_cache_done(&shim->seccomp);
	ipc_free(shim->ipc);
	close(shim->epoll_fd);
	close(peer_fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct shim shim;
	int peer_fd;

	log_init("fuzz_shim", LOG_LEVEL_ERROR);
	if (begin(&shim, &peer_fd) < 0)
		return 0;
	for (unsigned n = 0; size >= 3 && n < FRAMES_MAX && !shim.done; n++) {
		struct ipc_frame frame = { .type = data[0], .serial = n + 1 };
		size_t len = (size_t)data[1] << 8 | data[2];
		struct error err = { 0 };

		data += 3;
		size -= 3;
		frame.size = len < size ? len : size;
		frame.data = (uint8_t *)(uintptr_t)data;
		data += frame.size;
		size -= frame.size;
		if (frame.type == IPC_SANDBOX_PLAN && sandbox_pretend(&shim, &frame))
			continue;
		/* An error closes the connection, and the agent comes again. */
		if (frame.type != IPC_SANDBOX_PLAN && dispatch(&shim, &frame, &err) < 0)
			must(err.text[0] != '\0');
		answers_drain(peer_fd);
	}
	end(&shim, peer_fd);
	return 0;
}
