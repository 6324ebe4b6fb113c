/*
 * One container's part of a pod's status. For status.c only.
 */
#ifndef NODEAGENT_AGENT_STATUS_CONTAINER_H
#define NODEAGENT_AGENT_STATUS_CONTAINER_H

#include "nodeagent/agent/status.h"

/* What a container is to the pod's phase and conditions. */
struct status_view {
	bool sidecar; /* an init container that runs beside the others */
	bool running;
	bool ended;  /* is at its end, or waits after one to run again */
	bool failed; /* ... and that end was a failure */
	bool again;  /* ... but it only waits to be started again */
	bool ready;
	bool done; /* init: the next one may start */
};

/* 'lost': whatever ran is gone with the shim. */
struct status_view status_view_of(
	const K8sPod *pod, const struct status_container *container, bool lost);

/* Fills a new ContainerStatus. 'initializing': waits for init containers. */
int status_container_fill(K8sContainerStatus *status, const struct status_container *container,
	const struct status_view *view, bool lost, bool initializing, struct error *err);

/*
 * What to say of an OOM kill by another's limit than the container's own ("pod", "project",
 * "node"), which OOMKilled alone would suggest; NULL for its own. A literal.
 */
const char *status_oom_message(const char *limit);

/* *field is made when it is NULL. Whole seconds, as upstream's. */
int status_time(K8sTime **field, int64_t usec, struct error *err);

#endif
