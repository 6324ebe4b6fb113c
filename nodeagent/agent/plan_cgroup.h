/*
 * Limits that Kubernetes has no field for, asked for by annotation, and what of the node they are
 * checked against. For the plan_*.c files only.
 */
#ifndef NODEAGENT_AGENT_PLAN_CGROUP_H
#define NODEAGENT_AGENT_PLAN_CGROUP_H

#include "nodeagent/agent/plan.h"

#define PLAN_CPUSET_ANNOTATION "bulkhead/cpuset-cpus"
#define PLAN_CPUSET_CPUS_MAX   4096 /* numbers that a CPU may have, one more than the last */
#define PLAN_CPUSET_LEN_MAX    1024 /* of the annotation */

/*
 * Adds the annotations' limits to those of the pod, and refuses every limit whose controller the
 * node lacks. Errors name annotation, rule and fix: ERR_INVALID, ERR_UNSUPPORTED (what the node
 * has not).
 */
int plan_cgroup(const struct plan_node *node, const K8sPod *pod, Bulkhead__V1__CgroupLimits *limits,
	struct error *err);

#endif
