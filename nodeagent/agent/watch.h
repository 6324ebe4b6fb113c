/*
 * Who watches pods, and what they have seen. Every change of a pod gets a sequence number, which
 * grows over restarts of the agent too. There is no log of changes to replay: whoever comes back
 * with the last number it saw is told the pods that changed since, as they are now, and those that
 * went, of which the last WATCH_GONE_MAX are remembered. One that was away for longer gets the
 * whole list again.
 *
 * Slow watchers are cut off by bulkhead-api, which bounds what waits for each client.
 */
#ifndef NODEAGENT_AGENT_WATCH_H
#define NODEAGENT_AGENT_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bulkhead/v1/node.pb-c.h"
#include "lib/error.h"
#include "proto/k8s.h"

#define WATCHERS_MAX   1024 /* as calls: no user has that many, so none keeps all others from it */
#define WATCH_GONE_MAX 256

struct watch;
struct watcher;

/* 'now' is a number that grows over restarts: microseconds since 1970. */
int watch_new(struct watch **ret, uint64_t now, struct error *err);
void watch_free(struct watch *watch);

/* The number of the last change. */
uint64_t watch_sequence(const struct watch *watch);
/* The number of a change that happens now. */
uint64_t watch_next(struct watch *watch);

typedef void (*watch_fn)(void *user, const Bulkhead__V1__PodEvent *event);

/*
 * From now on 'send' gets the events of 'project' (NULL: of all) and 'name' ("": of all). On
 * success the caller owns *ret. Errors: ERR_EXHAUSTED (WATCHERS_MAX).
 */
int watcher_add(struct watcher **ret, struct watch *watch, const char *project, const char *name,
	watch_fn send, void *user, struct error *err);
void watcher_remove(struct watcher *watcher); /* NULL is allowed */

/* Whether it would get events of this pod. */
bool watcher_wants(const struct watcher *watcher, const K8sPod *pod);

/* Sends "ADDED" or "MODIFIED" to whom it concerns. */
void watch_changed(struct watch *watch, const char *type, uint64_t sequence, const K8sPod *pod);

/* Sends "DELETED", under a number of its own, and remembers it. */
void watch_gone(struct watch *watch, const K8sPod *pod);

/* Whether all that happened after 'since' is still known. 0 is not: a list is wanted. */
bool watch_knows(const struct watch *watch, uint64_t since);

/* Sends this one watcher what went after 'since', oldest first. */
void watcher_send_gone(struct watcher *watcher, uint64_t since);
/* Sends this one watcher an event; 'pod' may be NULL ("SYNCED"). */
void watcher_send(struct watcher *watcher, const char *type, uint64_t sequence, const K8sPod *pod);

#endif
