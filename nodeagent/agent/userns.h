/*
 * Which slice of 65,536 host ids belongs to which pod. Nothing is stored here: the slices in use
 * are those that the pod directories name, read at start.
 */
#ifndef NODEAGENT_AGENT_USERNS_H
#define NODEAGENT_AGENT_USERNS_H

#include <stdint.h>

#include "lib/error.h"

#define USERNS_SLICE_SIZE 65536u

struct userns;

/* 'count' slices from host id 'first' on. */
int userns_new(struct userns **ret, uint32_t first, uint32_t count, struct error *err);
void userns_free(struct userns *userns);

/*
 * A free slice, the next after the last one given: one that was just given back is not used again
 * at once. *ret is its first host id. Errors: ERR_EXHAUSTED.
 */
int userns_reserve(struct userns *userns, uint32_t *ret, struct error *err);

/*
 * Marks the slice that starts at 'id' as taken. ERR_INVALID: no slice starts there; ERR_EXISTS:
 * another pod has it.
 */
int userns_take(struct userns *userns, uint32_t id, struct error *err);

/* Gives it back; 0, the slice of a pod without one, is allowed. */
void userns_release(struct userns *userns, uint32_t id);

#endif
