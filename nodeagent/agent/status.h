/*
 * From what is known of a pod's containers to Kubernetes' PodStatus: phase, conditions, container
 * statuses, and when a container is started again. Pure: time is an argument.
 */
#ifndef NODEAGENT_AGENT_STATUS_H
#define NODEAGENT_AGENT_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"
#include "proto/k8s.h"

enum status_stage {
	STATUS_WAITING = 0, /* not started, or waiting to be started again */
	STATUS_RUNNING,
	STATUS_TERMINATED,
};

/* One container as the agent knows it. Strings are borrowed and may be NULL. */
struct status_container {
	const char *name;
	const char *image;
	const char *image_digest;
	const char *container_id; /* "bulkhead://<pod uid>/<name>/<restart>" */
	bool init;
	enum status_stage stage;
	uint32_t restarts;
	const char *reason; /* waiting: "ContainerCreating", "CrashLoopBackOff",
			       "CreateContainerError", ...; terminated: "StartError", or NULL for
			       what the exit says */
	const char *message;
	int64_t started_usec; /* since 1970; of the current or last run */
	int64_t finished_usec;
	int32_t exit_code;
	int32_t signal;
	bool oom_killed;
	bool has_last; /* an earlier run, below */
	int64_t last_started_usec;
	int64_t last_finished_usec;
	int32_t last_exit_code;
	int32_t last_signal;
	bool last_oom_killed;
	const char *last_message;
	bool unstarted; /* running, but its startup probe has not succeeded yet */
	bool unready;   /* running, but its probes say that it is not ready */
};

struct status_pod {
	const K8sPod *pod;
	bool deleting;
	bool lost;          /* the shim died: phase Failed, reason "ShimExited" */
	const char *reason; /* of the pod as a whole, or NULL */
	const char *message;
	const char *pod_ip; /* "" unknown */
	const char *host_ip;
	bool drift_known;  /* it was compared with what was admitted */
	const char *drift; /* what differs, or NULL */
	int64_t drift_since_usec;
	int64_t started_usec;                      /* accepted at */
	int64_t ready_since_usec;                  /* the pod became Ready; 0 it is not */
	const struct status_container *containers; /* init ones first, as in the spec */
	size_t containers_len;
};

/* Fills pod->status anew (the old one is freed). */
int status_fill(K8sPod *pod, const struct status_pod *facts, struct error *err);

/* Whether a container that ended with 'exit_code' is to run again, by the pod's restartPolicy. */
bool status_restarts(const K8sPod *pod, bool init, int32_t exit_code);

#define STATUS_BACKOFF_FIRST_USEC UINT64_C(10000000)
#define STATUS_BACKOFF_MAX_USEC   UINT64_C(300000000)

/*
 * How long to wait before run number 'restarts' (1 the first time again): 0 s, 10 s, 20 s ... 300
 * s. A run that lasted longer than 2 * STATUS_BACKOFF_MAX_USEC resets it: the caller then counts
 * anew.
 */
uint64_t status_backoff_usec(uint32_t restarts_in_row);

#endif
