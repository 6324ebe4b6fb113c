/*
 * The probes of a shim's containers: one timer for all, one run of each at a time, results told to
 * the agent, which decides what follows. When and what they mean is probe.h's.
 */
#ifndef NODEAGENT_SHIM_PROBE_WATCH_H
#define NODEAGENT_SHIM_PROBE_WATCH_H

#include "bulkhead/v1/ipc.pb-c.h"

struct container;
struct exec;
struct probe_run;
struct probes;
struct shim;

/* The container runs: its probes begin. Nothing where the plan has none. */
void probes_start(struct shim *shim, struct container *container);
/* It does not any more. */
void probes_stop(struct shim *shim, struct container *container);

/* exec.c: the program of an exec probe has ended, or could not be run (the text says why). */
void probes_exec_done(struct shim *shim, struct probe_run *run, int exit_code, const char *text);

/* As of now, for SHIM_STATE; strings are borrowed. 0: the container has no probes. */
int probes_fill(const struct container *container, Bulkhead__V1__ProbeState *state);

#endif
