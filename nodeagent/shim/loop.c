/* The event loop, and children whose end interests nobody. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/shim/shim.h"
#include "nodeagent/shim/sys.h"

#define DESTROY_TICK_MS 50

int source_add(struct shim *shim, struct source *source, int fd,
	void (*ready)(struct shim *shim, struct source *source), void *owner, struct error *err)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = source };

	if (epoll_ctl(shim->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return error_set(err, ERR_EXHAUSTED, errno, "cannot poll a descriptor");
	*source = (struct source){ .fd = fd, .ready = ready, .owner = owner };
	return 0;
}

void source_done(struct shim *shim, struct source *source)
{
	if (source->fd < 0)
		return;
	/* By hand: a child on its way to exec holds copies, and closing ours would not end the
	 * polling. */
	epoll_ctl(shim->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	close(source->fd);
	source->fd = -1;
}

static void helper_ready(struct shim *shim, struct source *source)
{
	sys_pidfd_try_reap(source->fd, NULL);
	source_done(shim, source);
	free(source);
}

void helper_watch(struct shim *shim, int pidfd)
{
	struct source *source;

	if (pidfd < 0)
		return;
	source = calloc(1, sizeof(*source));
	if (source && source_add(shim, source, pidfd, helper_ready, NULL, NULL) == 0)
		return;
	/* Without memory to remember it, it is waited for now. */
	free(source);
	sys_pidfd_reap(pidfd, NULL);
	close(pidfd);
}

int shim_loop(struct shim *shim, struct error *err)
{
	while (!shim->done) {
		struct epoll_event event;
		struct source *source;
		/* One event at a time: a handler may free what the next one would have been for. */
		int n = epoll_wait(
			shim->epoll_fd, &event, 1, shim->destroying ? DESTROY_TICK_MS : -1);

		if (n < 0 && errno != EINTR)
			return error_set(err, ERR_INTERNAL, errno, "epoll_wait");
		if (n > 0) {
			source = event.data.ptr;
			source->ready(shim, source);
		}
		if (shim->destroying)
			dispatch_destroy_step(shim);
	}
	return 0;
}
