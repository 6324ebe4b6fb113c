#include "nodeagent/api/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"

/* How often the table of open connections may be compared with the kernel. */
#define SWEEP_USEC 10000

int accept4(int fd, struct sockaddr *restrict addr, socklen_t *restrict len, int flags);

struct connection {
	int fd;
	ino_t inode;
};

/* The overrides have no argument to carry this in, so it is the one exception to "no globals". */
static struct {
	pthread_mutex_t mutex; /* guards what follows 'inode' */
	int armed;
	int sealed;
	int fd;
	int family;
	ino_t inode;
	int reserve_fd;
	size_t shed;
	size_t max;
	size_t len;
	uint64_t swept_usec;
	struct connection open[LISTENER_CONNECTIONS_MAX];
	char address[128];
} state = { .mutex = PTHREAD_MUTEX_INITIALIZER, .fd = -1, .reserve_fd = -1 };

static ino_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) ? st.st_ino : 0;
}

static int split(const char *address, char *host, size_t size, const char **port, struct error *err)
{
	const char *colon = strrchr(address, ':');
	size_t len = colon ? (size_t)(colon - address) : 0;

	if (len >= 2 && address[0] == '[' && address[len - 1] == ']') {
		address++;
		len -= 2;
	} else if (memchr(address, ':', len)) {
		len = 0;
	}
	if (len == 0 || len >= size || !colon[1])
		return error_set(err, ERR_INVALID, 0,
			"listen address '%s': must be ADDRESS:PORT or [ADDRESS]:PORT", address);
	memcpy(host, address, len);
	host[len] = '\0';
	*port = colon + 1;
	return 0;
}

static int bound_socket(const struct addrinfo *info, const char *address, struct error *err)
{
	cleanup_close int fd =
		socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot make a socket");
	/* Listening at once makes the claim on the port exclusive in spite of SO_REUSEADDR. */
	if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, LISTENER_BACKLOG) < 0) {
		if (errno == EADDRINUSE)
			return error_set(err, ERR_EXISTS, errno,
				"cannot listen on %s (does another bulkhead-api run?)", address);
		return error_set(err, error_code_of(errno), errno, "cannot listen on %s", address);
	}
	return take_fd(&fd);
}

static int remember_address(struct error *err)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	char host[64], port[16];
	const char *form = state.family == AF_INET6 ? "[%s]:%s" : "%s:%s";

	if (getsockname(state.fd, (struct sockaddr *)&addr, &len) < 0 ||
		getnameinfo((struct sockaddr *)&addr, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot tell the bound address");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(state.address, sizeof(state.address), form, host, port);
#pragma GCC diagnostic pop
	return 0;
}

/* Raises the limit and keeps half of the descriptors for everything that is not a connection. */
static int limits(struct error *err)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot read RLIMIT_NOFILE");
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot raise RLIMIT_NOFILE");
	state.max = LISTENER_CONNECTIONS_MAX;
	if (files.rlim_max / 2 < state.max)
		state.max = files.rlim_max / 2;
	return 0;
}

int listener_open(const char *address, struct error *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
	struct addrinfo *info = NULL;
	char host[64];
	const char *port;

	if (split(address, host, sizeof(host), &port, err) < 0)
		return -1;
	if (getaddrinfo(host, port, &hints, &info) != 0)
		return error_set(err, ERR_INVALID, 0,
			"listen address '%s': not a numeric address and port", address);
	state.fd = bound_socket(info, address, err);
	state.family = info->ai_family;
	freeaddrinfo(info);
	if (state.fd < 0 || limits(err) < 0 || remember_address(err) < 0)
		return -1;
	state.inode = inode_of(state.fd);
	state.reserve_fd = eventfd(0, EFD_CLOEXEC);
	if (state.reserve_fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot reserve a descriptor");
	state.armed = 1;
	return 0;
}

const char *listener_address(void)
{
	return state.address;
}

int listener_seal(struct error *err)
{
	const int off = 0;

	state.sealed = 1;
	/* gRPC probes whether SO_REUSEPORT can be set, on what it believes to be a fresh socket. */
	if (setsockopt(state.fd, SOL_SOCKET, SO_REUSEPORT, &off, sizeof(off)) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot clear SO_REUSEPORT");
	return 0;
}

size_t listener_shed(void)
{
	size_t shed;

	pthread_mutex_lock(&state.mutex);
	shed = state.shed;
	pthread_mutex_unlock(&state.mutex);
	return shed;
}

int socket(int domain, int type, int protocol)
{
	if (!state.armed)
		return (int)syscall(SYS_socket, domain, type, protocol);
	if (!state.sealed && domain == state.family && (type & 0xf) == SOCK_STREAM)
		return fcntl(state.fd, F_DUPFD_CLOEXEC, 3);
	errno = EAFNOSUPPORT;
	return -1;
}

int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	if (!state.armed)
		return (int)syscall(SYS_bind, fd, addr, len);
	if (!state.sealed && inode_of(fd) == state.inode)
		return 0;
	errno = EACCES;
	return -1;
}

#ifndef BULKHEAD_WEAK_ACCEPT

/* Drops entries whose descriptor is closed or is another socket by now: gRPC closes them itself. */
static void sweep(void)
{
	uint64_t now = monotonic_usec();
	size_t kept = 0;

	if (now - state.swept_usec < SWEEP_USEC)
		return;
	state.swept_usec = now;
	for (size_t i = 0; i < state.len; i++) {
		if (inode_of(state.open[i].fd) == state.open[i].inode)
			state.open[kept++] = state.open[i];
	}
	state.len = kept;
}

/* 1 when 'fd' has a place among the open connections. */
static int admit(int fd)
{
	if (state.len >= state.max)
		sweep();
	if (state.len >= state.max)
		return 0;
	state.open[state.len++] = (struct connection){ fd, inode_of(fd) };
	return 1;
}

/* At the limit of descriptors: takes one connection off the queue and closes it. 0 if done. */
static int shed_one(int fd)
{
	int victim;

	if (state.reserve_fd >= 0)
		close(state.reserve_fd);
	victim = (int)syscall(SYS_accept4, fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (victim >= 0) {
		close(victim);
		state.shed++;
	}
	state.reserve_fd = eventfd(0, EFD_CLOEXEC);
	return victim >= 0 ? 0 : -1;
}

/* Judges a failed accept4(2): 1 to try the next connection, 0 with errno for gRPC. */
static int go_on(int fd)
{
	switch (errno) {
	case EMFILE:
	case ENFILE:
		if (shed_one(fd) == 0)
			return 1;
		errno = EAGAIN;
		return 0;
	case ENOBUFS:
	case ENOMEM:
		errno = EAGAIN;
		return 0;
	case EAGAIN: /* nothing there */
	case EBADF:  /* the rest: the listener itself is closed or shut down */
	case EINVAL:
	case ENOTSOCK:
	case EFAULT:
		return 0;
	default: /* accept(2): errors of the connection that was next in the queue */
		return 1;
	}
}

/* accept4(2) that never reports what gRPC would take for the end of the listener. */
static int accept_guarded(
	int fd, struct sockaddr *restrict addr, socklen_t *restrict len, int flags)
{
	socklen_t room = len ? *len : 0;

	for (;;) {
		int got = (int)syscall(SYS_accept4, fd, addr, len, flags);

		if (got >= 0 && admit(got))
			return got;
		if (got < 0 && !go_on(fd))
			return -1;
		if (got >= 0) {
			close(got);
			state.shed++;
		}
		if (len)
			*len = room;
	}
}

int accept4(int fd, struct sockaddr *restrict addr, socklen_t *restrict len, int flags)
{
	int got;

	if (!state.armed)
		return (int)syscall(SYS_accept4, fd, addr, len, flags);
	pthread_mutex_lock(&state.mutex);
	got = accept_guarded(fd, addr, len, flags);
	pthread_mutex_unlock(&state.mutex);
	return got;
}

#endif
