/*
 * /dev/log of a container: a socket of the shim's in the pod's private tmpfs, bound over /dev/log,
 * where the container can neither remove it nor put another. Every container has one of its own,
 * which says whose message it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/shim/mnt.h"
#include "nodeagent/shim/shim.h"
#include "nodeagent/shim/syslog_message.h"

#define TURN_MAX 64 /* messages before another source has its turn */

struct datagram {
	char data[JOURNAL_TEXT_MAX];
	size_t size;
	size_t cut;
	int sender;
};

/* 1 one was read, 0 there is none now. */
static int datagram_read(int fd, struct datagram *ret)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec iov = { .iov_base = ret->data, .iov_len = sizeof(ret->data) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	/* MSG_TRUNC: the length as it was sent. Descriptors that come along find no room. */
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&msg);

	if (n < 0)
		return 0;
	ret->size = (size_t)n < sizeof(ret->data) ? (size_t)n : sizeof(ret->data);
	ret->cut = (size_t)n - ret->size;
	ret->sender = 0;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
		struct ucred credentials;

		memcpy(&credentials, CMSG_DATA(c), sizeof(credentials));
		ret->sender = credentials.pid;
	}
	return 1;
}

static void relay(struct shim *shim, const struct container *c, const struct datagram *d)
{
	struct syslog_message m;
	struct journal_record r;

	syslog_message_parse(&m, d->data, d->size);
	r = (struct journal_record){ .container = c->plan->name,
		.label = c->plan->selinux_label,
		.severity = m.severity,
		.facility = m.facility,
		.identifier = m.identifier ? m.identifier : c->plan->name,
		.identifier_len = m.identifier ? m.identifier_len : strlen(c->plan->name),
		.pid = m.pid,
		.pid_len = m.pid_len,
		.sender = d->sender,
		.text = m.text,
		.text_len = m.text_len,
		.cut = d->cut };
	journal_send(&shim->journal, &r, monotonic_usec());
}

static void ready(struct shim *shim, struct source *source)
{
	struct datagram d;

	for (int i = 0; i < TURN_MAX && datagram_read(source->fd, &d); i++) {
		relay(shim, source->owner, &d);
		if (pace_spend(shim, PACE_MESSAGE + d.size)) {
			pace_pause(shim, source);
			return;
		}
	}
}

static int bind_in(int dirfd, const char *container, int fd, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	/* Through /proc, as a path of the pod's directory may be longer than an address. */
	if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s",
		    dirfd, container) >= sizeof(address.sun_path))
		return error_set(err, ERR_INVALID, 0, "the container's name is too long");
	if (unlinkat(dirfd, container, 0) < 0 && errno != ENOENT)
		return error_set(err, ERR_INTERNAL, errno, "cannot remove the last /dev/log");
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot bind /dev/log");
	/* Whoever runs in the container may log. */
	if (fchmodat(dirfd, container, 0666, 0) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot chmod /dev/log");
	return 0;
}

int dev_log_open(struct shim *shim, struct container *c, struct error *err)
{
	struct mnt_owner root = { 0, 0 };
	const int on = 1;
	cleanup_close int dir_fd = -1;
	cleanup_close int fd = -1;

	if (!shim->sandbox.plan->journal_socket[0])
		return 0;
	dir_fd = mnt_mkdir(shim->sandbox.scratch_dirfd, SANDBOX_LOG_DIR, 0700, &root, err);
	if (dir_fd < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return error_set(err, ERR_EXHAUSTED, errno, "cannot make /dev/log");
	if (bind_in(dir_fd, c->plan->name, fd, err) < 0 ||
		source_add(shim, &c->dev_log, fd, ready, c, err) < 0)
		return -1;
	take_fd(&fd);
	return 0;
}

void dev_log_done(struct shim *shim, struct container *c)
{
	struct datagram d;

	/* Its last words, as far as they are there. */
	for (int i = 0; i < TURN_MAX && c->dev_log.fd >= 0 && datagram_read(c->dev_log.fd, &d); i++)
		relay(shim, c, &d);
	source_done(shim, &c->dev_log);
}
