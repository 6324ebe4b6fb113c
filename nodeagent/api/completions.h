/*
 * The bridge from gRPC to the event loop: one thread waits on the completion queue and hands each
 * completion over, so that all logic stays on the loop's thread and needs no locks.
 */
#ifndef NODEAGENT_API_COMPLETIONS_H
#define NODEAGENT_API_COMPLETIONS_H

#include <grpc/grpc.h>

#include "nodeagent/api/loop.h"

/* What a completion queue tag points to. 'done' runs on the loop's thread. */
struct completion {
	void (*done)(void *user, int ok);
	void *user;
};

struct completions;

/* Starts the thread. 'cq' must be of the NEXT kind and is borrowed; tags are struct completion *.
 */
int completions_new(
	struct completions **ret, struct loop *loop, grpc_completion_queue *cq, struct error *err);

/* Shuts the queue down, handles what is left in it, joins the thread. NULL is allowed. */
void completions_free(struct completions *completions);

#endif
