/*
 * The connection to the agent: calls go up with an id, replies come down. Runs on the loop's
 * thread.
 */
#ifndef NODEAGENT_API_AGENT_H
#define NODEAGENT_API_AGENT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/ipc.h"

#define AGENT_SLOTS 1024 /* calls the agent may have at a time: a power of two */

struct api;
struct call;
struct loop_source;

struct agent {
	struct ipc *ipc;
	struct loop_source *source;
	struct call *slots[AGENT_SLOTS];
	uint64_t next_serial;
	uint64_t *cancels; /* ids whose cancellation did not fit in the queue yet */
	size_t cancels_len;
	size_t cancels_room;
};

/* Takes over 'fd' and watches it. */
int agent_open(struct api *api, int fd, struct error *err);
void agent_close(struct api *api);

/*
 * Sends the call with 'message' as its request; replies go to the call's handler from now on.
 * Errors: ERR_EXHAUSTED when too many calls are under way or the agent does not keep up.
 */
int agent_call(struct call *call, const uint8_t *message, size_t size, struct error *err);

/* The call 'id' is of no interest any more. Never fails: it is sent later if it must be. */
void agent_cancel(struct api *api, uint64_t id);

/* The call is about to be freed. */
void agent_forget(struct call *call);

#endif
