#include "lib/connector.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/confine.h"
#include "lib/ipc.h"

#define ANSWER_MSEC 1000

/* No socket(2), no open(2). The memory calls are what freeing the filter that is being loaded
 * needs. */
static const char *const syscalls[] = { "recvmsg", "sendto", "connect", "close", "exit_group",
	"rt_sigreturn", "restart_syscall", "munmap", "brk" };

/* Set once by connector_start(): see connector.h. */
static struct {
	int fd;
	char targets[CONNECTOR_TARGETS][CONNECTOR_NAME_MAX];
} connector = { .fd = -1 };

union control {
	char buffer[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

/* Room for one more, so that a second descriptor is seen, and closed: the kernel fills up padding.
 */
union received {
	char buffer[CMSG_SPACE(2 * sizeof(int))];
	struct cmsghdr align;
};

/* ---- the connector's side ------------------------------------------------------------------ */

/* The one descriptor of a message; more than one are closed, all of them, and none is returned. */
static int take_one(struct msghdr *message)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(message);
	int fds[2] = { -1, -1 };
	size_t len;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return -1;
	len = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(c), len > ARRAY_LEN(fds) ? sizeof(fds) : len * sizeof(int));
	if (len == 1)
		return fds[0];
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	return -1;
}

/*
 * Receives which target and a socket (-1: none came, or more than one). 0 when the other side
 * ended.
 */
static int receive_request(int fd, struct connector_request *ret, int *ret_socket)
{
	union received control;
	struct iovec iov = { ret, sizeof(*ret) };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buffer,
		.msg_controllen = sizeof(control.buffer),
	};
	ssize_t n;

	do
		n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n != sizeof(*ret))
		return 0;
	*ret_socket = take_one(&message);
	return 1;
}

static void target_address(struct sockaddr_un *address, const struct connector_request *request)
{
	const char *name = connector.targets[request->target];
	const char *star = strchr(name, '*');

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (star)
		snprintf(address->sun_path, sizeof(address->sun_path), "/%.*s%u%s",
			(int)(star - name), name, request->number, star + 1);
	else
		snprintf(address->sun_path, sizeof(address->sun_path), "/%s", name);
}

/* connect(2) itself: the linker's name for it under --wrap. */
int __real_connect(int fd, const struct sockaddr *address, socklen_t size);

static _Noreturn void serve(int fd)
{
	struct connector_request request;
	int socket_fd;

	while (receive_request(fd, &request, &socket_fd)) {
		struct sockaddr_un address;
		int result = EINVAL;

		if (request.target < CONNECTOR_TARGETS && connector.targets[request.target][0] &&
			socket_fd >= 0) {
			target_address(&address, &request);
			result = __real_connect(socket_fd, (struct sockaddr *)&address,
					 sizeof(address)) < 0
					 ? errno
					 : 0;
		}
		if (socket_fd >= 0)
			close(socket_fd);
		if (send(fd, &result, sizeof(result), MSG_NOSIGNAL) != sizeof(result))
			break;
	}
	_exit(0);
}

/* Tells by one message what became of it: empty but for a NUL, or the error's text. */
static _Noreturn void child(int fd, const struct connector_config *config)
{
	const struct confine confine = {
		.uid = config->uid,
		.gid = config->gid,
		.empty_root = config->directory,
		.capabilities = 1u << CAP_DAC_OVERRIDE,
		.syscalls = syscalls,
		.syscalls_len = ARRAY_LEN(syscalls),
	};
	struct error err = { 0 };
	int r;

	/* Nothing of the daemon's stays open but stderr: not the agent's connection, not its own
	 * end. */
	if (dup3(fd, 3, O_CLOEXEC) < 0 || close_range(4, ~0u, 0) < 0)
		_exit(1);
	close(0);
	close(1);
	r = confine_apply(&confine, &err);
	send(3, err.text, strlen(err.text) + 1, MSG_NOSIGNAL);
	if (r < 0)
		_exit(1);
	serve(3);
}

/* ---- the daemon's side
 * --------------------------------------------------------------------------- */

static int await_start(int fd, struct error *err)
{
	char text[ERROR_TEXT_SIZE] = "the connector ended at once";
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	if (n <= 0 || text[0])
		return error_set(err, ERR_INTERNAL, 0, "cannot start the connector: %s", text);
	return 0;
}

int connector_start(const struct connector_config *config, struct error *err)
{
	int pair[2];
	pid_t pid;

	for (size_t i = 0; i < CONNECTOR_TARGETS; i++) {
		size_t len;

		if (!config->targets[i])
			continue;
		len = strlen(config->targets[i]);
		if (len == 0 || len >= CONNECTOR_NAME_MAX || strchr(config->targets[i], '/'))
			return error_set(err, ERR_INVALID, 0,
				"socket name '%s' is not a file name of less than %d bytes",
				config->targets[i], CONNECTOR_NAME_MAX);
		memcpy(connector.targets[i], config->targets[i], len + 1);
	}
	if (ipc_socketpair(pair, err) < 0)
		return -1;
	pid = fork();
	if (pid == 0)
		child(pair[1], config);
	close(pair[1]);
	if (pid < 0 || await_start(pair[0], err) < 0) {
		if (pid < 0)
			error_set(err, error_code_of(errno), errno, "cannot fork the connector");
		close(pair[0]);
		return -1;
	}
	connector.fd = pair[0];
	return 0;
}

int connector_fd(void)
{
	return connector.fd;
}

bool connector_is_gone(void)
{
	char byte;

	return recv(connector.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static int send_request(struct connector_request request, int socket_fd)
{
	union control control = { 0 };
	struct iovec iov = { &request, sizeof(request) };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buffer,
		.msg_controllen = sizeof(control.buffer),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &socket_fd, sizeof(int));
	return sendmsg(connector.fd, &message, MSG_NOSIGNAL) == sizeof(request) ? 0 : -1;
}

/* Whether 'name' is 'target', with a number for its '*'. */
static bool is_target(const char *target, const char *name, uint32_t *ret_number)
{
	const char *star = strchr(target, '*');
	uint64_t number = 0;
	const char *p;

	if (!star)
		return strcmp(target, name) == 0;
	if (strncmp(target, name, (size_t)(star - target)) != 0)
		return false;
	p = name + (star - target);
	if (*p < '1' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9' && number <= UINT32_MAX; p++)
		number = number * 10 + (uint64_t)(*p - '0');
	*ret_number = (uint32_t)number;
	return number <= UINT32_MAX && strcmp(p, star + 1) == 0;
}

/*
 * Which target 'address' names; false: none. "/./NAME" is allowed: a remote spelt anew is tried at
 * once.
 */
static bool target_of(const struct sockaddr *address, struct connector_request *ret)
{
	const struct sockaddr_un *un = (const void *)address;
	const char *name;

	*ret = (struct connector_request){ 0 };
	if (address->sa_family != AF_UNIX || un->sun_path[0] != '/')
		return false;
	name = strncmp(un->sun_path, "/./", 3) == 0 ? un->sun_path + 3 : un->sun_path + 1;
	for (ret->target = 0; ret->target < CONNECTOR_TARGETS; ret->target++) {
		if (name[0] && is_target(connector.targets[ret->target], name, &ret->number))
			return true;
	}
	return false;
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size)
{
	struct pollfd answer = { .fd = connector.fd, .events = POLLIN };
	struct connector_request request;
	int result = 0;

	if (connector.fd < 0)
		return __real_connect(fd, address, size);
	if (!target_of(address, &request)) {
		errno = EACCES;
		return -1;
	}
	/* A stream connection to a unix socket is made or refused at once: this waits microseconds.
	 */
	if (send_request(request, fd) < 0 || poll(&answer, 1, ANSWER_MSEC) != 1 ||
		recv(connector.fd, &result, sizeof(result), 0) != sizeof(result)) {
		shutdown(
			connector.fd, SHUT_RDWR); /* a late answer must not be taken for the next */
		result = ECONNREFUSED;
	}
	errno = result;
	return result ? -1 : 0;
}
