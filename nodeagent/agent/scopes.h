/*
 * systemd's part in cgroups, by sd-bus: a transient scope for every pod, in a slice of its project.
 * systemd makes a scope around a process, here the pod's shim, hands everything beneath it over
 * (Delegate=yes), and takes it away again when it is empty. Nothing here waits: a scope that is
 * asked for is there when the callback says so.
 *
 * org.freedesktop.systemd1(5); https://systemd.io/CGROUP_DELEGATION
 */
#ifndef NODEAGENT_AGENT_SCOPES_H
#define NODEAGENT_AGENT_SCOPES_H

#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "lib/error.h"

struct scopes;
struct scope_wait;

/* 'err' is NULL when the scope is there. The wait is over and gone. */
typedef void scope_ready_fn(void *user, const struct error *err);

struct scope_request {
	const char *name; /* "bulkhead-pod<uid>.scope" */
	const char *slice;
	const char *description;
	pid_t pid;           /* is put in it */
	uint64_t cpu_weight; /* 0: systemd's own, 100 */
	scope_ready_fn *ready;
	void *user;
};

/* Calls nobody yet: connects when it is first used, and again when the connection broke. */
int scopes_new(struct scopes **ret, sd_event *event, struct error *err);
/* No callback is called any more. NULL is allowed. */
void scopes_free(struct scopes *scopes);

/*
 * Asks for a scope. One of that name that is there already is taken for the one meant: its process
 * sees whether it is in it. On success 'ready' is called later, unless the wait is cancelled.
 */
int scope_start(struct scopes *scopes, const struct scope_request *request, struct scope_wait **ret,
	struct error *err);
void scope_cancel(struct scope_wait *wait);

/* Ends what is left in a scope; one that is not there is no error. */
void scope_stop(struct scopes *scopes, const char *name);

/* UINT64_MAX is none. */
struct slice_limits {
	uint64_t cpu_usec; /* of CPU time a second */
	uint64_t memory;   /* bytes; with it, no swap */
	uint64_t tasks;
};

/* Limits a slice, whether it is there yet or not, until the next boot. A refusal is logged. */
int scopes_limit_slice(struct scopes *scopes, const char *name, const struct slice_limits *limits,
	struct error *err);

/* Without a loop: stops a slice with all scopes and slices in it, and waits for systemd to do so.
 */
int scopes_stop_slice(const char *name, struct error *err);

#endif
