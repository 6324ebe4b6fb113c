/* A pod's output is handled so fast and no faster; what is paused is woken again. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/epoll.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "nodeagent/shim/shim.h"

#define WAKE_MS 5000

static unsigned calls;

static void on_output(struct shim *shim, struct source *source)
{
	char data[64];

	(void)shim;
	(void)!read(source->fd, data, sizeof(data));
	calls++;
}

/* The next event is handled; false when none comes. */
static int turn(struct shim *shim, int wait_ms)
{
	struct epoll_event event;

	if (epoll_wait(shim->epoll_fd, &event, 1, wait_ms) != 1)
		return 0;
	((struct source *)event.data.ptr)->ready(shim, event.data.ptr);
	return 1;
}

static void it_pauses_and_wakes(void **state)
{
	static struct container c;
	struct shim shim = { .containers = &c, .pace.timer.fd = -1 };
	struct error err;
	int fds[2];
	size_t spent = 0;

	(void)state;
	c.output[CRI_STDERR].fd = c.dev_log.fd = -1;
	shim.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(source_add(&shim, &c.output[CRI_STDOUT], fds[0], on_output, &c, &err), 0);
	/* A twentieth of a second's share, and not a second's. */
	while (!pace_spend(&shim, 4096))
		spent += 4096;
	assert_in_range(spent, PACE_RATE / 20 - 4096, PACE_RATE);
	pace_pause(&shim, &c.output[CRI_STDOUT]);
	assert_int_equal(c.output[CRI_STDOUT].paused, 1);
	assert_int_equal(write(fds[1], "x", 1), 1);
	/* The first to come is the timer, and then what waited. */
	assert_true(turn(&shim, WAKE_MS));
	assert_int_equal(calls, 0);
	assert_int_equal(c.output[CRI_STDOUT].paused, 0);
	assert_true(turn(&shim, WAKE_MS));
	assert_int_equal(calls, 1);
	/* A source that ended while it was paused is left alone. */
	pace_pause(&shim, &c.output[CRI_STDOUT]);
	source_done(&shim, &c.output[CRI_STDOUT]);
	assert_true(turn(&shim, WAKE_MS));
	assert_false(turn(&shim, 0));
	source_done(&shim, &shim.pace.timer);
	close(fds[1]);
	close(shim.epoll_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(it_pauses_and_wakes) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
