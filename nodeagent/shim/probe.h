/*
 * When a container's probes run and what their results mean: pure functions of results and time, as
 * the kubelet's prober has it (pkg/kubelet/prober/worker.go). probe_watch.c does what they say.
 * Times are microseconds on CLOCK_MONOTONIC.
 */
#ifndef NODEAGENT_SHIM_PROBE_H
#define NODEAGENT_SHIM_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bulkhead/v1/ipc.pb-c.h"

#define PROBE_KINDS 3 /* Bulkhead__V1__ProbeKind */
#define PROBE_NEVER UINT64_MAX

struct probe {
	const Bulkhead__V1__ProbePlan *plan; /* borrowed; NULL: there is none of this kind */
	uint64_t due;                        /* when it runs next */
	uint64_t deadline;                   /* of the run under way; 0: none is */
	uint32_t row;                        /* results like the last one, without a break */
	bool last_ok;
	bool passed; /* what the thresholds make of the results */
};

struct probe_set {
	struct probe probes[PROBE_KINDS];
	bool started;
	bool dead; /* startup or liveness failed for good: nothing runs any more */
};

/* What a result means, beyond being counted. */
#define PROBE_CHANGED 1u /* started or ready is not what it was */
#define PROBE_FAILING 2u /* it failed, and had not the time before */
#define PROBE_KILL    4u /* the container is to be ended */

/* 'plans' must outlive the set; one of a kind at most. The container began 'now'. */
void probe_set_begin(
	struct probe_set *set, Bulkhead__V1__ProbePlan *const *plans, size_t len, uint64_t now);

/* When something is to be done: a run to begin, or one to be given up. PROBE_NEVER: nothing. */
uint64_t probe_set_next(const struct probe_set *set);

/* A kind that is to begin now, or -1. */
int probe_set_due(const struct probe_set *set, uint64_t now);
/* A kind whose run takes too long, or -1. */
int probe_set_late(const struct probe_set *set, uint64_t now);

void probe_set_run(struct probe_set *set, int kind, uint64_t now);
/* The run has ended. Returns PROBE_* flags. */
unsigned probe_set_result(struct probe_set *set, int kind, bool ok, uint64_t now);

bool probe_set_ready(const struct probe_set *set);

/* "liveness" */
const char *probe_kind_name(int kind);

#endif
