/*
 * The event loop of bulkhead-api: descriptors in, function calls out, on one thread. All of the
 * process's own logic runs here; only gRPC's threads run elsewhere.
 */
#ifndef NODEAGENT_API_LOOP_H
#define NODEAGENT_API_LOOP_H

#include <stdint.h>
#include <sys/epoll.h>

#include "lib/error.h"

struct loop;
struct loop_source;

/* 'events' is a set of EPOLL*. May add, watch and remove any source. */
typedef void (*loop_fn)(void *user, uint32_t events);

int loop_new(struct loop **ret, struct error *err);
/* Sources must be removed before. NULL is allowed. */
void loop_free(struct loop *loop);

/* A source for 'fd', which is borrowed and must outlive it. Nothing is watched yet. */
int loop_add(struct loop *loop, struct loop_source **ret, int fd, loop_fn fn, void *user,
	struct error *err);

/* Watches for 'events'; 0 watches nothing at all, not even hang-up. */
int loop_watch(struct loop_source *source, uint32_t events, struct error *err);

/* Before the descriptor is closed. NULL is allowed. Its function is not called again. */
void loop_remove(struct loop_source *source);

/* Runs until loop_stop(). */
int loop_run(struct loop *loop, struct error *err);
void loop_stop(struct loop *loop);

#endif
