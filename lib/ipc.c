#include "lib/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"

#define IPC_MAGIC    0x42484b31u /* "BHK1" */
#define IPC_IN_MEMFD 1u
#define MEMFD_SEALS  (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct header {
	uint32_t magic;
	uint32_t type;
	uint32_t serial;
	uint32_t reply_to;
	uint32_t flags;
	uint32_t size;
};

struct queued {
	struct queued *next;
	struct header header;
	int fds[IPC_FDS_MAX + 1];
	size_t fds_len;
	size_t size;
	uint8_t data[];
};

struct ipc {
	int fd;
	enum ipc_role self;
	enum ipc_role peer;
	const struct ipc_row *table;
	size_t table_len;
	uint32_t next_serial;
	struct queued *head;
	struct queued **tail;
	size_t queue_len;
	size_t queue_bytes; /* payloads, wherever they lie */
	uint8_t body[];     /* IPC_INLINE_MAX bytes: what ipc_recv() reads into, of which pages are
			       touched as frames are long */
};

int ipc_new(struct ipc **ret, int fd, enum ipc_role self, enum ipc_role peer,
	const struct ipc_row *table, size_t table_len, struct error *err)
{
	struct ipc *ipc;
	int room = 1 << 20;

	if (fd_set_nonblock(fd, 1, err) < 0)
		return -1;
	/* Best effort: a larger buffer only saves wake-ups. */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	ipc = malloc(sizeof(*ipc) + IPC_INLINE_MAX);
	if (!ipc)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot make a connection");
	*ipc = (struct ipc){ .fd = fd,
		.self = self,
		.peer = peer,
		.table = table,
		.table_len = table_len,
		.next_serial = 1,
		.tail = &ipc->head };
	*ret = ipc;
	return 0;
}

static void queued_free(struct queued *q)
{
	for (size_t i = 0; i < q->fds_len; i++)
		close(q->fds[i]);
	free(q);
}

static void queue_pop(struct ipc *ipc)
{
	struct queued *q = ipc->head;

	ipc->head = q->next;
	if (!ipc->head)
		ipc->tail = &ipc->head;
	ipc->queue_len--;
	ipc->queue_bytes -= q->header.size;
	queued_free(q);
}

void ipc_free(struct ipc *ipc)
{
	if (!ipc)
		return;
	while (ipc->head)
		queue_pop(ipc);
	close(ipc->fd);
	free(ipc);
}

int ipc_fd(const struct ipc *ipc)
{
	return ipc->fd;
}

int ipc_wants_write(const struct ipc *ipc)
{
	return ipc->head != NULL;
}

int ipc_crowded(const struct ipc *ipc)
{
	return ipc->queue_len >= IPC_CROWDED_LEN || ipc->queue_bytes >= IPC_CROWDED_BYTES;
}

static const struct ipc_row *row_of(const struct ipc *ipc, uint32_t type)
{
	for (size_t i = 0; i < ipc->table_len; i++) {
		if (ipc->table[i].type == type)
			return &ipc->table[i];
	}
	return NULL;
}

static int memfd_of(const void *data, size_t size, struct error *err)
{
	cleanup_close int fd = memfd_create("bulkhead-ipc", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || fd_write_all(fd, data, size, err) < 0 ||
		fcntl(fd, F_ADD_SEALS, MEMFD_SEALS) < 0)
		return error_set(err, ERR_EXHAUSTED, errno, "cannot carry %zu bytes", size);
	return take_fd(&fd);
}

/* Copies the caller's descriptors into 'q', and a memfd first where the payload is large. */
static int queued_fill(struct queued *q, const void *data, size_t size, const int *fds,
	size_t fds_len, struct error *err)
{
	if (size > IPC_INLINE_MAX) {
		int fd = memfd_of(data, size, err);

		if (fd < 0)
			return -1;
		q->header.flags |= IPC_IN_MEMFD;
		q->fds[q->fds_len++] = fd;
	} else if (size > 0) {
		memcpy(q->data, data, size);
		q->size = size;
	}
	for (size_t i = 0; i < fds_len; i++) {
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);

		if (fd < 0)
			return error_set(err, error_code_of(errno), errno,
				"cannot pass descriptor %d", fds[i]);
		q->fds[q->fds_len++] = fd;
	}
	return 0;
}

/* 1 sent, 0 the peer's buffer is full, -1 gone. */
static int send_one(struct ipc *ipc, const struct queued *q, struct error *err)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * (IPC_FDS_MAX + 1))];
	} control = { 0 };
	struct iovec iov[2] = {
		{ .iov_base = (void *)(uintptr_t)&q->header, .iov_len = sizeof(q->header) },
		{ .iov_base = (void *)(uintptr_t)q->data, .iov_len = q->size },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = q->size ? 2 : 1 };

	if (q->fds_len) {
		struct cmsghdr *cmsg;

		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * q->fds_len);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * q->fds_len);
		memcpy(CMSG_DATA(cmsg), q->fds, sizeof(int) * q->fds_len);
	}
	for (;;) {
		if (sendmsg(ipc->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 1;
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN || errno == ETOOMANYREFS)
			return 0;
		return error_set(err, ERR_UNAVAILABLE, errno, "peer is gone");
	}
}

int ipc_flush(struct ipc *ipc, struct error *err)
{
	while (ipc->head) {
		int n = send_one(ipc, ipc->head, err);

		if (n <= 0)
			return n;
		queue_pop(ipc);
	}
	return 0;
}

int ipc_send(struct ipc *ipc, uint32_t type, uint32_t reply_to, const void *data, size_t size,
	const int *fds, size_t fds_len, uint32_t *ret_serial, struct error *err)
{
	const struct ipc_row *row = row_of(ipc, type);
	struct queued *q;

	if (!row || !(row->from & ipc->self) || !(row->to & ipc->peer))
		return error_set(
			err, ERR_INTERNAL, 0, "message type %u does not go this way", type);
	if (fds_len < row->fds_min || fds_len > row->fds_max)
		return error_set(err, ERR_INTERNAL, 0, "%s takes %u to %u descriptors, not %zu",
			row->name, row->fds_min, row->fds_max, fds_len);
	if (size > IPC_PAYLOAD_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "%s of %zu bytes is over the limit of %u",
			row->name, size, IPC_PAYLOAD_MAX);
	if (ipc->queue_len >= IPC_QUEUE_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "%s: %d messages wait for the peer already",
			row->name, IPC_QUEUE_MAX);

	q = calloc(1, sizeof(*q) + (size <= IPC_INLINE_MAX ? size : 0));
	if (!q)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot send %s", row->name);
	q->header.magic = IPC_MAGIC;
	q->header.type = type;
	q->header.serial = ipc->next_serial++;
	q->header.reply_to = reply_to;
	q->header.size = (uint32_t)size;
	if (ipc->next_serial == 0)
		ipc->next_serial = 1;
	if (queued_fill(q, data, size, fds, fds_len, err) < 0) {
		queued_free(q);
		return error_prefix(err, "%s", row->name);
	}
	if (ret_serial)
		*ret_serial = q->header.serial;
	*ipc->tail = q;
	ipc->tail = &q->next;
	ipc->queue_len++;
	ipc->queue_bytes += size;
	return ipc_flush(ipc, err);
}

static void fds_close(const int *fds, size_t len)
{
	for (size_t i = 0; i < len; i++)
		close(fds[i]);
}

/* Reads a payload that came in a memfd; only a sealed one of exactly the announced size counts. */
static int memfd_read(int fd, size_t size, uint8_t **ret, struct error *err)
{
	cleanup_free uint8_t *data = NULL;
	struct stat st;
	size_t got = 0;
	/* -1 for what is no memfd at all: a file whose reads its owner can hold up, for one. */
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & MEMFD_SEALS) != MEMFD_SEALS || fstat(fd, &st) < 0 ||
		(size_t)st.st_size != size)
		return error_set(err, ERR_INVALID, 0,
			"payload descriptor is not a sealed memfd of %zu bytes", size);
	data = malloc(size + 1);
	if (!data)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot receive %zu bytes", size);
	while (got < size) {
		ssize_t n = pread(fd, data + got, size - got, (off_t)got);

		if (n <= 0)
			return error_set(err, ERR_INTERNAL, errno, "cannot read a payload");
		got += (size_t)n;
	}
	data[size] = 0;
	*ret = take_ptr(data);
	return 0;
}

/* Judges a received frame by the table and moves it to *ret. 'fds' stay the caller's on failure. */
static int frame_accept(const struct ipc *ipc, const struct header *h, size_t body_size,
	const int *fds, size_t fds_len, struct ipc_frame *ret, struct error *err)
{
	const struct ipc_row *row = row_of(ipc, h->type);
	size_t extra = h->flags & IPC_IN_MEMFD ? 1 : 0;
	uint8_t *data = NULL;

	if (h->magic != IPC_MAGIC || (h->flags & ~IPC_IN_MEMFD) || h->serial == 0)
		return error_set(err, ERR_INVALID, 0, "not a Bulkhead frame");
	if (!row || !(row->from & ipc->peer) || !(row->to & ipc->self))
		return error_set(err, ERR_INVALID, 0, "peer may not send message type %u", h->type);
	if (fds_len < row->fds_min + extra || fds_len > row->fds_max + extra)
		return error_set(
			err, ERR_INVALID, 0, "%s came with %zu descriptors", row->name, fds_len);
	if (h->size > IPC_PAYLOAD_MAX || (extra ? body_size != 0 : body_size != h->size))
		return error_set(err, ERR_INVALID, 0, "%s has a wrong size", row->name);

	if (extra) {
		if (memfd_read(fds[0], h->size, &data, err) < 0)
			return error_prefix(err, "%s", row->name);
		close(fds[0]);
	} else {
		data = malloc(body_size + 1);
		if (!data)
			return error_set(
				err, ERR_EXHAUSTED, ENOMEM, "cannot receive %s", row->name);
		memcpy(data, ipc->body, body_size);
		data[body_size] = 0;
	}
	ret->type = h->type;
	ret->serial = h->serial;
	ret->reply_to = h->reply_to;
	ret->data = data;
	ret->size = h->size;
	ret->fds_len = fds_len - extra;
	memcpy(ret->fds, fds + extra, sizeof(int) * ret->fds_len);
	return 0;
}

/* Gathers the descriptors of a message into 'fds' (room for IPC_FDS_MAX + 1). */
static size_t fds_gather(struct msghdr *msg, int *fds)
{
	size_t fds_len = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds + fds_len, CMSG_DATA(c), n * sizeof(int));
		fds_len += n;
	}
	return fds_len;
}

int ipc_recv(struct ipc *ipc, struct ipc_frame *ret, struct error *err)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * (IPC_FDS_MAX + 1))];
	} control;
	struct header h;
	struct iovec iov[2] = {
		{ .iov_base = &h, .iov_len = sizeof(h) },
		{ .iov_base = ipc->body, .iov_len = IPC_INLINE_MAX },
	};
	/* Not all of 'control': the kernel would fill its padding with one descriptor more. */
	struct msghdr msg = { .msg_iov = iov,
		.msg_iovlen = 2,
		.msg_control = &control,
		.msg_controllen = CMSG_LEN(sizeof(int) * (IPC_FDS_MAX + 1)) };
	int fds[IPC_FDS_MAX + 1];
	size_t fds_len;
	ssize_t n;

	do {
		n = recvmsg(ipc->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0)
		return error_set(err, ERR_UNAVAILABLE, errno, "peer is gone");
	if (n == 0)
		return error_set(err, ERR_UNAVAILABLE, 0, "peer closed the connection");

	fds_len = fds_gather(&msg, fds);
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || (size_t)n < sizeof(h)) {
		fds_close(fds, fds_len);
		return error_set(err, ERR_INVALID, 0, "peer sent a frame of a wrong size");
	}
	if (frame_accept(ipc, &h, (size_t)n - sizeof(h), fds, fds_len, ret, err) < 0) {
		fds_close(fds, fds_len);
		return -1;
	}
	return 1;
}

int ipc_recv_wait(struct ipc *ipc, struct ipc_frame *ret, int timeout_ms, struct error *err)
{
	uint64_t end = monotonic_usec() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * 1000;

	for (;;) {
		struct pollfd p = { .fd = ipc->fd, .events = POLLIN };
		uint64_t now;
		int left = -1;
		int n = ipc_recv(ipc, ret, err);

		if (n != 0)
			return n;
		if (ipc_flush(ipc, err) < 0)
			return -1;
		if (ipc_wants_write(ipc))
			p.events |= POLLOUT;
		now = monotonic_usec();
		if (timeout_ms >= 0) {
			if (now >= end)
				return error_set(
					err, ERR_TIMEOUT, 0, "no answer within %d ms", timeout_ms);
			left = (int)((end - now + 999) / 1000);
		}
		if (poll(&p, 1, left) < 0 && errno != EINTR)
			return error_set(err, ERR_INTERNAL, errno, "cannot poll");
	}
}

int ipc_frame_take_fd(struct ipc_frame *frame, size_t i)
{
	return i < frame->fds_len ? take_fd(&frame->fds[i]) : -1;
}

void ipc_frame_done(struct ipc_frame *frame)
{
	for (size_t i = 0; i < frame->fds_len; i++) {
		if (frame->fds[i] >= 0)
			close(frame->fds[i]);
	}
	frame->fds_len = 0;
	free(frame->data);
	frame->data = NULL;
}

int ipc_socketpair(int fds[2], struct error *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot make a socket pair");
	return 0;
}
