/*
 * The two calls of the CLI that pump bytes: exec between the operator's terminal and a container,
 * and an image archive to the node.
 */
#ifndef NODEAGENT_CTL_STREAM_H
#define NODEAGENT_CTL_STREAM_H

#include <stdint.h>

#include "bulkhead/v1/node.pb-c.h"
#include "nodeagent/ctl/client.h"

#define STREAM_CHUNK 65536u /* bytes of data in one message */

/* Where exec reads and writes; all borrowed. 'in' is -1 without standard input. */
struct stream_stdio {
	int in;
	int out;
	int err;
};

/*
 * Runs start->command, in a debug container when start->debug says so. With start->tty the terminal
 * at stdio->in is made raw meanwhile, and its size is sent now and at each SIGWINCH (start->rows
 * and columns are filled here). The process's exit code is returned in *ret_code. With a tty
 * SIGWINCH, SIGTERM and SIGHUP are handled for the time (the latter two end the call, give the
 * terminal back and are raised again): one such call a process. Errors: as client_call_next();
 * ERR_INVALID when a tty is wanted and stdio->in is no terminal.
 */
int stream_exec(struct client *client, Bulkhead__V1__ExecStart *start,
	const struct stream_stdio *stdio, int *ret_code, struct error *err);

/* Called after each chunk with the bytes sent so far. */
typedef void (*stream_progress)(void *user, uint64_t sent);

/*
 * Sends the archive readable at 'fd' under 'name' ("" takes the archive's own). 'progress' may be
 * NULL. The caller frees *ret with bulkhead__v1__import_image_response__free_unpacked().
 */
int stream_import(struct client *client, const char *name, int fd, stream_progress progress,
	void *user, Bulkhead__V1__ImportImageResponse **ret, struct error *err);

#endif
