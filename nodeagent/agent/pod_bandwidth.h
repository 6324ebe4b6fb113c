/*
 * A pod's limits of bandwidth (plan_bandwidth.h), which applying it again may change while it runs:
 * the one change of a pod in place. What was changed is in the pod's progress.
 */
#ifndef NODEAGENT_AGENT_POD_BANDWIDTH_H
#define NODEAGENT_AGENT_POD_BANDWIDTH_H

#include <stdbool.h>

#include "bulkhead/v1/ipc.pb-c.h"
#include "nodeagent/agent/pod.h"

/* Writes what 'progress' has changed over the annotations that 'object' was made with. */
int pod_bandwidth_restore(
	K8sPod *object, const Bulkhead__V1__PodProgress *progress, struct error *err);

/* Gives 'to' the two annotations of 'from', and none where that has none. */
int pod_bandwidth_copy(K8sPod *to, const K8sPod *from, struct error *err);

/* Whether 'a' and 'b' say the same in these annotations. */
bool pod_bandwidth_same(const K8sPod *a, const K8sPod *b);

/*
 * What 'asked' says counts from now on: written down, and netd is told. Nothing changed where this
 * fails: ERR_INVALID, ERR_UNSUPPORTED (plan_bandwidth()), or it cannot be written.
 */
int pod_bandwidth_change(struct pod *pod, const K8sPod *asked, struct error *err);

/* For NET_PLUG and NET_SYNC: what the pod's annotations say. */
void pod_bandwidth_fill(const struct pod *pod, Bulkhead__V1__NetBandwidth *ret);

#endif
