#include "nodeagent/api/pipe_end.h"

#include <errno.h>
#include <unistd.h>

#include "lib/fdio.h"

int pipe_end_open(
	struct pipe_end *end, struct loop *loop, int fd, loop_fn fn, void *user, struct error *err)
{
	end->fd = fd;
	if (fd_set_nonblock(fd, 1, err) == 0 &&
		loop_add(loop, &end->source, fd, fn, user, err) == 0)
		return 0;
	pipe_end_close(end);
	return -1;
}

void pipe_end_close(struct pipe_end *end)
{
	loop_remove(end->source);
	if (end->fd >= 0)
		close(end->fd);
	*end = PIPE_END_NONE;
}

ssize_t pipe_end_read(struct pipe_end *end, void *data, size_t size)
{
	for (;;) {
		ssize_t n = read(end->fd, data, size);

		if (n >= 0)
			return n;
		if (errno == EAGAIN)
			return -1;
		if (errno != EINTR)
			return 0;
	}
}

ssize_t pipe_end_write(struct pipe_end *end, const void *data, size_t size)
{
	for (;;) {
		ssize_t n = write(end->fd, data, size);

		if (n >= 0)
			return n;
		if (errno == EAGAIN)
			return 0;
		if (errno != EINTR)
			return -1;
	}
}
