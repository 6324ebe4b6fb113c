/*
 * What containers request and are limited to, and what the kernel gets of it: cgroup limits, the
 * pod's quality of service, oom_score_adj. For the plan_*.c files only.
 *
 * Formulae: pkg/kubelet/cm/helpers_linux.go, pkg/kubelet/qos/policy.go and
 * pkg/apis/core/v1/helper/qos upstream.
 */
#ifndef NODEAGENT_AGENT_PLAN_RESOURCES_H
#define NODEAGENT_AGENT_PLAN_RESOURCES_H

#include <stdbool.h>
#include <stdint.h>

#include "nodeagent/agent/plan.h"

enum plan_resource {
	PLAN_CPU,    /* thousandths of a CPU */
	PLAN_MEMORY, /* bytes */
	PLAN_RESOURCES,
};

#define PLAN_PERIOD_US       100000
#define PLAN_QUOTA_MIN_US    1000
#define PLAN_QUOTA_MAX_US    (INT64_C(1) << 43) /* the kernel refuses more; no machine has it */
#define PLAN_SHARES_MIN      2
#define PLAN_SHARES_MAX      262144
#define PLAN_PIDS_MAX        4096 /* of a pod; OpenShift's podPidsLimit */
#define PLAN_OOM_GUARANTEED  (-997)
#define PLAN_OOM_BEST_EFFORT 1000

/* 0 is none: Kubernetes makes no difference between 0 and absent. */
struct plan_resources {
	int64_t request[PLAN_RESOURCES];
	int64_t limit[PLAN_RESOURCES];
};

/* An init container that runs beside the others (restartPolicy Always). */
bool plan_is_sidecar(const K8sContainer *container);

/*
 * 'name' of a container's requests or limits in units (thousandths for cpu); 0 when absent. Errors
 * name the field.
 */
int plan_resource_get(const K8sPodSpec *spec, const K8sContainer *container, bool limit,
	const char *name, int64_t *ret, struct error *err);

int plan_resources_of(const K8sPodSpec *spec, const K8sContainer *container,
	struct plan_resources *ret, struct error *err);

/*
 * Of the pod: the sum of its containers and sidecars, or what an init container needs while it runs
 * when that is more. A limit that some container does not have is none of the pod either.
 */
int plan_resources_pod(const K8sPodSpec *spec, struct plan_resources *ret, struct error *err);

/* Cgroup limits of one container and of the whole pod. The caller owns *ret. */
int plan_limits_container(const K8sPodSpec *spec, const K8sContainer *container,
	Bulkhead__V1__CgroupLimits **ret, struct error *err);
int plan_limits_pod(const K8sPodSpec *spec, Bulkhead__V1__CgroupLimits **ret, struct error *err);

int plan_oom_score_adj(const struct plan_node *node, const K8sPod *pod,
	const K8sContainer *container, int32_t *ret, struct error *err);

#endif
