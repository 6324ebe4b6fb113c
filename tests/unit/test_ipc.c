/* Frames between processes: what a peer may send, each limit at it and one past it, nothing leaked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/ipc.h"

enum { UP = 1, DOWN, FDS, ANY_FDS };

static const struct ipc_row table[] = {
	{ UP, "UP", IPC_API, IPC_AGENT, 0, 0 },
	{ DOWN, "DOWN", IPC_AGENT, IPC_API, 0, 0 },
	{ FDS, "FDS", IPC_API, IPC_AGENT, 2, 2 },
	{ ANY_FDS, "ANY_FDS", IPC_API, IPC_AGENT, 0, IPC_FDS_MAX },
};

/* The header as it goes over the wire, for peers that do not keep to it. */
struct header {
	uint32_t magic, type, serial, reply_to, flags, size;
};
#define MAGIC    0x42484b31u
#define IN_MEMFD 1u
#define SEALS    (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct pair {
	struct ipc *agent;
	struct ipc *api;
	size_t fds; /* open before */
};

static size_t open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int setup(void **state)
{
	static struct pair pair;
	struct error err;
	int fds[2];

	pair.fds = open_fds();
	if (ipc_socketpair(fds, &err) < 0 ||
		ipc_new(&pair.agent, fds[0], IPC_AGENT, IPC_API, table, ARRAY_LEN(table), &err) <
			0 ||
		ipc_new(&pair.api, fds[1], IPC_API, IPC_AGENT, table, ARRAY_LEN(table), &err) < 0)
		return -1;
	*state = &pair;
	return 0;
}

/* Whatever came, no descriptor stays behind. */
static int teardown(void **state)
{
	struct pair *p = *state;

	ipc_free(p->agent);
	ipc_free(p->api);
	return open_fds() == p->fds ? 0 : -1;
}

static void takes(struct pair *p, uint32_t type, size_t size)
{
	struct ipc_frame frame;
	struct error err = { 0 };

	assert_int_equal(ipc_recv_wait(p->agent, &frame, 1000, &err), 1);
	assert_int_equal(frame.type, type);
	assert_int_equal(frame.size, size);
	ipc_frame_done(&frame);
}

static void refuses(struct pair *p, enum error_code code, const char *why)
{
	struct ipc_frame frame;
	struct error err = { 0 };

	assert_int_equal(ipc_recv(p->agent, &frame, &err), -1);
	assert_int_equal(err.code, code);
	if (!strstr(err.text, why))
		fail_msg("'%s' does not say '%s'", err.text, why);
}

static void payloads_up_to_the_limit_arrive_whole(void **state)
{
	static const size_t sizes[] = { 0, 1, IPC_INLINE_MAX, IPC_INLINE_MAX + 1, IPC_PAYLOAD_MAX };
	struct pair *p = *state;
	struct ipc_frame frame;
	struct error err = { 0 };
	uint8_t *data = malloc(IPC_PAYLOAD_MAX + 1);
	uint32_t serial;

	for (size_t i = 0; i < IPC_PAYLOAD_MAX + 1; i++)
		data[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		assert_int_equal(
			ipc_send(p->api, UP, 77, data, sizes[i], NULL, 0, &serial, &err), 0);
		assert_int_equal(ipc_recv_wait(p->agent, &frame, 1000, &err), 1);
		assert_int_equal(frame.size, sizes[i]);
		assert_int_equal(frame.serial, serial);
		assert_int_equal(frame.reply_to, 77);
		assert_memory_equal(frame.data, data, sizes[i]);
		ipc_frame_done(&frame);
	}
	assert_int_equal(
		ipc_send(p->api, UP, 0, data, IPC_PAYLOAD_MAX + 1, NULL, 0, NULL, &err), -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
	free(data);
}

static void descriptors_are_counted(void **state)
{
	static const struct {
		uint32_t type;
		size_t n;
		int ok;
	} rows[] = { { UP, 0, 1 }, { UP, 1, 0 }, { FDS, 1, 0 }, { FDS, 2, 1 }, { FDS, 3, 0 },
		{ ANY_FDS, IPC_FDS_MAX, 1 } };
	struct pair *p = *state;
	struct error err = { 0 };
	int fds[IPC_FDS_MAX];

	for (size_t i = 0; i < IPC_FDS_MAX; i++)
		fds[i] = STDOUT_FILENO;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int r = ipc_send(p->api, rows[i].type, 0, "x", 1, fds, rows[i].n, NULL, &err);

		assert_int_equal(r, rows[i].ok ? 0 : -1);
		if (rows[i].ok)
			takes(p, rows[i].type, 1);
		else
			assert_int_equal(err.code, ERR_INTERNAL);
	}
}

static void a_descriptor_taken_is_the_callers(void **state)
{
	struct pair *p = *state;
	struct ipc_frame frame;
	struct error err = { 0 };
	const int fds[2] = { STDOUT_FILENO, STDERR_FILENO };
	int fd;

	assert_int_equal(ipc_send(p->api, FDS, 0, NULL, 0, fds, 2, NULL, &err), 0);
	assert_int_equal(ipc_recv_wait(p->agent, &frame, 1000, &err), 1);
	fd = ipc_frame_take_fd(&frame, 1);
	assert_int_equal(ipc_frame_take_fd(&frame, 1), -1);
	assert_int_equal(ipc_frame_take_fd(&frame, 2), -1);
	ipc_frame_done(&frame);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

static void the_queue_has_an_end(void **state)
{
	struct pair *p = *state;
	struct error err = { 0 };
	size_t sent = 0;

	/* What the socket's buffer takes goes out; then the queue fills. */
	while (ipc_send(p->api, UP, 0, NULL, 0, NULL, 0, NULL, &err) == 0)
		sent++;
	assert_int_equal(err.code, ERR_EXHAUSTED);
	assert_true(sent >= IPC_QUEUE_MAX);
	assert_true(ipc_wants_write(p->api));
	for (size_t i = 0; i < sent; i++) {
		takes(p, UP, 0);
		assert_int_equal(ipc_flush(p->api, &err), 0);
	}
	assert_false(ipc_wants_write(p->api));
}

/* Sends bytes as they are, with 'fds_len' descriptors. */
static void send_raw(
	const struct pair *p, const void *data, size_t size, const int *fds, size_t fds_len)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * (IPC_FDS_MAX + 2))];
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
		memcpy(CMSG_DATA(c), fds, sizeof(int) * fds_len);
	}
	assert_int_equal(sendmsg(ipc_fd(p->api), &msg, 0), (ssize_t)size);
}

static void malformed_frames_are_refused(void **state)
{
	static const struct {
		struct header header;
		size_t fds;
		const char *why;
	} rows[] = {
		{ { 1, UP, 1, 0, 0, 0 }, 0, "not a Bulkhead frame" },
		{ { MAGIC, UP, 0, 0, 0, 0 }, 0, "not a Bulkhead frame" },
		{ { MAGIC, UP, 1, 0, 2, 0 }, 0, "not a Bulkhead frame" },
		{ { MAGIC, 99, 1, 0, 0, 0 }, 0, "may not send message type 99" },
		{ { MAGIC, DOWN, 1, 0, 0, 0 }, 0, "may not send message type 2" },
		{ { MAGIC, UP, 1, 0, 0, 0 }, 1, "UP came with 1 descriptors" },
		{ { MAGIC, FDS, 1, 0, 0, 0 }, 1, "FDS came with 1 descriptors" },
		{ { MAGIC, ANY_FDS, 1, 0, 0, 0 }, IPC_FDS_MAX + 1, "descriptors" },
		/* One more than a frame can have, which the padding of a control message holds. */
		{ { MAGIC, ANY_FDS, 1, 0, 0, 0 }, IPC_FDS_MAX + 2, "wrong size" },
		{ { MAGIC, UP, 1, 0, 0, 5 }, 0, "UP has a wrong size" },
		{ { MAGIC, UP, 1, 0, IN_MEMFD, 5 }, 0, "UP came with 0 descriptors" },
	};
	struct pair *p = *state;
	int fds[IPC_FDS_MAX + 2];

	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = STDOUT_FILENO;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		send_raw(p, &rows[i].header, sizeof(rows[i].header), fds, rows[i].fds);
		refuses(p, ERR_INVALID, rows[i].why);
	}
	send_raw(p, &rows[0].header, 5, NULL, 0);
	refuses(p, ERR_INVALID, "wrong size");
}

/* A frame whose payload is said to be in 'fd'. */
static void send_memfd(struct pair *p, int fd, uint32_t size)
{
	const struct header h = { MAGIC, UP, 1, 0, IN_MEMFD, size };

	send_raw(p, &h, sizeof(h), &fd, 1);
}

static void large_payloads_come_in_sealed_memory_only(void **state)
{
	static const char why[] = "payload descriptor is not a sealed memfd of 5 bytes";
	struct pair *p = *state;
	char path[] = "/tmp/bulkhead-test-ipc.XXXXXX";
	int memfd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int file = mkstemp(path);
	int pair[2];

	unlink(path);
	assert_int_equal(write(memfd, "hello", 5), 5);
	assert_int_equal(write(file, "hello", 5), 5);
	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	send_memfd(p, memfd, 5); /* its size and content can still change */
	refuses(p, ERR_INVALID, why);
	send_memfd(p, file, 5); /* seals cannot even be asked for */
	refuses(p, ERR_INVALID, why);
	send_memfd(p, pair[0], 5);
	refuses(p, ERR_INVALID, why);
	assert_int_equal(fcntl(memfd, F_ADD_SEALS, SEALS), 0);
	send_memfd(p, memfd, 4);
	refuses(p, ERR_INVALID, "of 4 bytes");
	send_memfd(p, memfd, 6);
	refuses(p, ERR_INVALID, "of 6 bytes");
	send_memfd(p, memfd, IPC_PAYLOAD_MAX + 1);
	refuses(p, ERR_INVALID, "UP has a wrong size");
	send_memfd(p, memfd, 5);
	takes(p, UP, 5);
	close(memfd);
	close(file);
	close(pair[0]);
	close(pair[1]);
}

static void a_peer_that_is_gone_is_told(void **state)
{
	struct pair *p = *state;
	struct ipc_frame frame;
	struct error err = { 0 };

	assert_int_equal(ipc_recv(p->agent, &frame, &err), 0);
	assert_int_equal(ipc_recv_wait(p->agent, &frame, 10, &err), -1);
	assert_int_equal(err.code, ERR_TIMEOUT);
	assert_int_equal(ipc_send(p->api, UP, 0, "last", 4, NULL, 0, NULL, &err), 0);
	ipc_free(p->api);
	p->api = NULL;
	takes(p, UP, 4);
	refuses(p, ERR_UNAVAILABLE, "closed");
	assert_int_equal(ipc_send(p->agent, DOWN, 0, NULL, 0, NULL, 0, NULL, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
}

#define ipc_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ipc_test(payloads_up_to_the_limit_arrive_whole),
		ipc_test(descriptors_are_counted),
		ipc_test(a_descriptor_taken_is_the_callers),
		ipc_test(the_queue_has_an_end),
		ipc_test(malformed_frames_are_refused),
		ipc_test(large_payloads_come_in_sealed_memory_only),
		ipc_test(a_peer_that_is_gone_is_told),
	};

	return cmocka_run_group_tests_name("ipc", tests, NULL, NULL);
}
