#include "nodeagent/api/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define LOOP_BATCH 64

struct loop_source {
	struct loop *loop;
	struct loop_source *next_dead;
	loop_fn fn;
	void *user;
	uint32_t watched;
	int fd;
	int dead;
};

struct loop {
	int epoll_fd;
	int stopped;
	struct loop_source *dead; /* removed, but perhaps named by an event still to be handled */
};

int loop_new(struct loop **ret, struct error *err)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot make an event loop");
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		free(loop);
		return error_set(err, error_code_of(errno), errno, "cannot make an event loop");
	}
	*ret = loop;
	return 0;
}

static void bury(struct loop *loop)
{
	while (loop->dead) {
		struct loop_source *source = loop->dead;

		loop->dead = source->next_dead;
		free(source);
	}
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	bury(loop);
	close(loop->epoll_fd);
	free(loop);
}

int loop_add(struct loop *loop, struct loop_source **ret, int fd, loop_fn fn, void *user,
	struct error *err)
{
	struct loop_source *source = calloc(1, sizeof(*source));

	if (!source)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot watch descriptor %d", fd);
	source->loop = loop;
	source->fd = fd;
	source->fn = fn;
	source->user = user;
	*ret = source;
	return 0;
}

int loop_watch(struct loop_source *source, uint32_t events, struct error *err)
{
	struct epoll_event event = { .events = events, .data.ptr = source };
	int op = EPOLL_CTL_MOD;

	if (events == source->watched)
		return 0;
	if (!events)
		op = EPOLL_CTL_DEL;
	else if (!source->watched)
		op = EPOLL_CTL_ADD;
	if (epoll_ctl(source->loop->epoll_fd, op, source->fd, &event) < 0)
		return error_set(
			err, error_code_of(errno), errno, "cannot watch descriptor %d", source->fd);
	source->watched = events;
	return 0;
}

void loop_remove(struct loop_source *source)
{
	if (!source)
		return;
	loop_watch(source, 0, NULL);
	source->dead = 1;
	source->next_dead = source->loop->dead;
	source->loop->dead = source;
}

int loop_run(struct loop *loop, struct error *err)
{
	struct epoll_event events[LOOP_BATCH];

	while (!loop->stopped) {
		int n = epoll_wait(loop->epoll_fd, events, LOOP_BATCH, -1);

		if (n < 0 && errno != EINTR)
			return error_set(err, ERR_INTERNAL, errno, "cannot wait for events");
		for (int i = 0; i < n; i++) {
			struct loop_source *source = events[i].data.ptr;

			/* An earlier event of this batch may have removed or paused it. */
			if (!source->dead && source->watched)
				source->fn(source->user, events[i].events);
		}
		bury(loop);
	}
	return 0;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = 1;
}
