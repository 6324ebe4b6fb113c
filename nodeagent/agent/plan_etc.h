/*
 * A pod's host name and the lines of its /etc/hosts and /etc/resolv.conf. For the plan_*.c files
 * only.
 *
 * Source: pkg/kubelet/kubelet_pods.go and pkg/kubelet/network/dns upstream.
 */
#ifndef NODEAGENT_AGENT_PLAN_ETC_H
#define NODEAGENT_AGENT_PLAN_ETC_H

#include "nodeagent/agent/plan.h"

#define PLAN_HOSTNAME_LEN_MAX 63
#define PLAN_HOSTNAME_SIZE    (PLAN_HOSTNAME_LEN_MAX + 1)
#define PLAN_CLUSTER_DOMAIN   "cluster.local" /* Kubernetes' default */
#define PLAN_NAMESERVERS_MAX  3
#define PLAN_SEARCHES_MAX     32
#define PLAN_SEARCHES_LEN_MAX 2048 /* of the line, without "search " */

/* spec.hostname, else the pod's name cut to what a host name may be. */
void plan_hostname(const struct plan_node *node, const K8sPod *pod, char ret[PLAN_HOSTNAME_SIZE]);

/* Appends to a message's list. The pod's own line is there when it has an address. */
int plan_hosts(const struct plan_node *node, const struct plan_pod *pod, char ***lines, size_t *n,
	struct error *err);

/*
 * What the node and spec.dnsConfig say together is cut at the limits, as upstream; nameservers on
 * the node's loopback are left out, for in the pod that is another one.
 */
int plan_resolv(const struct plan_node *node, const struct plan_pod *pod,
	Bulkhead__V1__SandboxPlan *plan, struct error *err);

#endif
