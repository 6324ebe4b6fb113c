/*
 * Requests that were sent to a daemon and wait for their answer. Each module puts this first in a
 * struct of its own that adds the function to call.
 */
#ifndef NODEAGENT_AGENT_PENDING_H
#define NODEAGENT_AGENT_PENDING_H

#include <stdint.h>

struct pending {
	struct pending *next;
	uint32_t serial;
	void *user;
};

struct pending_list {
	struct pending *head; /* newest first: answers come in any order */
};

/* The list owns it until it is taken; allocated with malloc(3). */
void pending_add(struct pending_list *list, struct pending *pending);

/* The one that frame 'serial' asked; the caller frees it. NULL: unknown, or forgotten. */
struct pending *pending_take(struct pending_list *list, uint32_t serial);

/* Any, oldest first; NULL when there is none. The caller frees it. */
struct pending *pending_take_any(struct pending_list *list);

/* Frees all of 'user'. */
void pending_forget(struct pending_list *list, const void *user);

#endif
