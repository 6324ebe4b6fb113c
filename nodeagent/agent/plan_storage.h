/*
 * Limits of disk space: resources.limits of ephemeral-storage, and emptyDir.sizeLimit on disk. For
 * the plan_*.c files only.
 */
#ifndef NODEAGENT_AGENT_PLAN_STORAGE_H
#define NODEAGENT_AGENT_PLAN_STORAGE_H

#include "nodeagent/agent/plan.h"

#define PLAN_STORAGE_MIN (INT64_C(1) << 20)
#define PLAN_STORAGE_MAX (INT64_C(1) << 43)
#define PLAN_LIMITED_MAX 16 /* as the shim's SANDBOX_LIMITED_MAX */

/* Fills 'storage' and 'limited_volumes'. Errors name the field. */
int plan_storage(const K8sPodSpec *spec, Bulkhead__V1__SandboxPlan *plan, struct error *err);

#endif
