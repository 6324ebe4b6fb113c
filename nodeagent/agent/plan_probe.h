/*
 * A container's probes as the shim runs them: whom to connect to, what to send, how often.
 */
#ifndef NODEAGENT_AGENT_PLAN_PROBE_H
#define NODEAGENT_AGENT_PLAN_PROBE_H

#include "bulkhead/v1/ipc.pb-c.h"
#include "nodeagent/agent/plan.h"

#define PLAN_PROBE_REQUEST_MAX 16384 /* bytes of path and headers together */

/* 'field' is the container's. Errors: a port that has no such name, headers that are too long. */
int plan_probes(const struct plan_pod *pod, const K8sContainer *container, const char *field,
	Bulkhead__V1__ContainerPlan *plan, struct error *err);

#endif
