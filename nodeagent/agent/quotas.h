/*
 * The projects' quotas on this node: what its pods use of them, whether one more fits, and the
 * limits that the kernel keeps, in the project's own cgroup. Each node counts for itself.
 */
#ifndef NODEAGENT_AGENT_QUOTAS_H
#define NODEAGENT_AGENT_QUOTAS_H

#include "auth/quota.h"
#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/bandwidth.h"
#include "nodeagent/agent/pod.h"

struct quotas;

int quotas_new(struct quotas **ret, struct agent *agent, struct error *err);
void quotas_free(struct quotas *quotas);

/* Splits "NAME HARD" of a project's row; 'name' borrows nothing. -1: no such text. */
int quota_row(const char *row, char name[254], struct quota *ret, struct error *err);

/* What the pods of a project that have not ended declare together, 'but' (may be NULL) left out. */
void quotas_used(const struct pods *pods, const char *project, int64_t ret[QUOTA_RESOURCES]);

/* Whether the pod fits into all quotas of its project. ERR_DENIED as quota_check(). */
int quotas_admit(const struct pods *pods, const K8sPod *pod, struct error *err);

/* What the project's pods on this node may send and receive together: the least of its quotas. */
void quotas_bandwidth(const Bulkhead__V1__ClusterProject *row, struct bandwidth *ret);

/* The rows of projects changed: writes what is new to their cgroups. */
void quotas_kick(struct quotas *quotas);

#endif
