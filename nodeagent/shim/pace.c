/*
 * How much of a pod's output the shim handles in a while. The shim's time is the node's, not the
 * pod's: a container that prints without end is read no faster than this, and waits like at a slow
 * terminal. Nothing is dropped here.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/shim/shim.h"

#define TICK_USEC  50000
#define TICK_BYTES (PACE_RATE / (1000000 / TICK_USEC))

static void resume(struct shim *shim, struct source *source)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = source };

	if (source->fd < 0 || !source->paused)
		return;
	source->paused = 0;
	epoll_ctl(shim->epoll_fd, EPOLL_CTL_ADD, source->fd, &event);
}

static void tick(struct shim *shim, struct source *source)
{
	uint64_t count;

	(void)!read(source->fd, &count, sizeof(count));
	shim->pace.armed = 0;
	for (struct container *c = shim->containers; c; c = c->next) {
		for (int i = 0; i < CRI_STREAMS; i++)
			resume(shim, &c->output[i]);
		resume(shim, &c->dev_log);
		resume(shim, &c->listener);
	}
}

int pace_spend(struct shim *shim, size_t size)
{
#ifndef BULKHEAD_WEAK_PACE
	uint64_t now = monotonic_usec();

	if (now - shim->pace.since >= TICK_USEC) {
		shim->pace.since = now;
		shim->pace.spent = 0;
	}
	shim->pace.spent += size;
	return shim->pace.spent >= TICK_BYTES;
#else
	(void)shim;
	(void)size;
	return 0;
#endif
}

void pace_pause(struct shim *shim, struct source *source)
{
	const struct itimerspec soon = { .it_value.tv_nsec = TICK_USEC * 1000 };
	struct source *timer = &shim->pace.timer;

	if (timer->fd < 0) {
		cleanup_close int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

		/* Without a timer nobody would wake it: then it is not paused. */
		if (fd < 0 || source_add(shim, timer, fd, tick, NULL, NULL) < 0)
			return;
		take_fd(&fd);
	}
	if (!shim->pace.armed && timerfd_settime(timer->fd, 0, &soon, NULL) < 0)
		return;
	shim->pace.armed = 1;
	if (epoll_ctl(shim->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL) == 0)
		source->paused = 1;
}
