/* Connections to a peer that is slow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/ipc.h"

#define TYPE 1

static const struct ipc_row table[] = {
	{ TYPE, "TYPE", IPC_AGENT | IPC_API, IPC_AGENT | IPC_API, 0, 1 },
};

struct pair {
	struct ipc *ipc;
	int peer_fd;
};

static int setup(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));
	struct error err = { 0 };
	int fds[2];

	*state = p;
	if (!p || ipc_socketpair(fds, &err) < 0)
		return -1;
	p->peer_fd = fds[1];
	return ipc_new(&p->ipc, fds[0], IPC_AGENT, IPC_API, table, ARRAY_LEN(table), &err);
}

static int teardown(void **state)
{
	struct pair *p = *state;

	ipc_free(p->ipc);
	close(p->peer_fd);
	free(p);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static int send_bytes(struct pair *p, size_t size)
{
	static uint8_t data[IPC_PAYLOAD_MAX];
	struct error err = { 0 };

	return ipc_send(p->ipc, TYPE, 0, data, size, NULL, 0, NULL, &err);
}

static void many_frames_crowd(void **state)
{
	struct pair *p = *state;
	size_t n = 0;

	assert_false(ipc_crowded(p->ipc));
	/* What the socket takes does not wait. */
	while (!ipc_wants_write(p->ipc))
		assert_int_equal(send_bytes(p, 1), 0);
	for (n = 1; !ipc_crowded(p->ipc); n++)
		assert_int_equal(send_bytes(p, 1), 0);
	assert_int_equal(n, IPC_CROWDED_LEN);
	/* There is room for what must be said all the same, and an end of that too. */
	for (; n < IPC_QUEUE_MAX; n++)
		assert_int_equal(send_bytes(p, 1), 0);
	assert_int_equal(send_bytes(p, 1), -1);
}

static void many_bytes_crowd_until_they_are_read(void **state)
{
	struct pair *p = *state;
	struct error err = { 0 };
	struct ipc_frame frame;
	struct ipc *peer;
	size_t n = 0;

	while (!ipc_wants_write(p->ipc))
		assert_int_equal(send_bytes(p, IPC_INLINE_MAX), 0);
	while (!ipc_crowded(p->ipc)) {
		assert_int_equal(send_bytes(p, IPC_PAYLOAD_MAX), 0);
		n++;
	}
	assert_int_equal(n, IPC_CROWDED_BYTES / IPC_PAYLOAD_MAX);
	assert_int_equal(
		ipc_new(&peer, dup(p->peer_fd), IPC_API, IPC_AGENT, table, ARRAY_LEN(table), &err),
		0);
	while (ipc_recv(peer, &frame, &err) == 1) {
		ipc_frame_done(&frame);
		assert_int_equal(ipc_flush(p->ipc, &err), 0);
	}
	assert_false(ipc_crowded(p->ipc));
	ipc_free(peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(many_frames_crowd),
		TEST(many_bytes_crowd_until_they_are_read),
	};

	return cmocka_run_group_tests_name("ipc crowd", tests, NULL, NULL);
}
