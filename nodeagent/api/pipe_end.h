/*
 * One descriptor of a stream on the loop: written to with what a client sent, or read from. Bytes
 * are held only while the other side does not take them, one message at a time.
 */
#ifndef NODEAGENT_API_PIPE_END_H
#define NODEAGENT_API_PIPE_END_H

#include <sys/types.h>

#include "nodeagent/api/loop.h"

struct pipe_end {
	int fd; /* owned; -1 closed */
	struct loop_source *source;
};

/* An end that holds nothing. */
#define PIPE_END_NONE ((struct pipe_end){ .fd = -1 })

/* Takes over 'fd', makes it non-blocking and puts it on the loop; on failure it is closed. */
int pipe_end_open(
	struct pipe_end *end, struct loop *loop, int fd, loop_fn fn, void *user, struct error *err);
void pipe_end_close(struct pipe_end *end);

/* Reads what is there: bytes, 0 at the end (also EIO of a terminal hung up), -1 nothing now. */
ssize_t pipe_end_read(struct pipe_end *end, void *data, size_t size);

/* Writes what fits: bytes, 0 nothing fits now, -1 nobody reads any more. */
ssize_t pipe_end_write(struct pipe_end *end, const void *data, size_t size);

#endif
