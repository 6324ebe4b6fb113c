/*
 * Huge pages (limits "hugepages-2Mi"): what a pod and its containers may have of each size that the
 * node knows. For the plan_*.c files only.
 *
 * Source: pkg/kubelet/cm (HugePageLimits) upstream: who asks for none may have none.
 */
#ifndef NODEAGENT_AGENT_PLAN_HUGE_PAGES_H
#define NODEAGENT_AGENT_PLAN_HUGE_PAGES_H

#include "nodeagent/agent/plan.h"

/*
 * Fills limits->huge_pages of the pod: every size of the node, 0 where nothing is asked for;
 * nothing where the node cannot limit them. Errors: ERR_UNSUPPORTED names the field when it is
 * asked for something that the node has not, or cannot limit.
 */
int plan_huge_pages_pod(const struct plan_node *node, const K8sPodSpec *spec,
	Bulkhead__V1__CgroupLimits *limits, struct error *err);

/* The same of one container; nothing where the whole pod has none. */
int plan_huge_pages_container(const struct plan_node *node, const K8sPodSpec *spec,
	const K8sContainer *container, Bulkhead__V1__CgroupLimits *limits, struct error *err);

#endif
