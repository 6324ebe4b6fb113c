/*
 * Network policies (networking.k8s.io/v1) as flows: a pure function of the policies, the pods and
 * the projects that selectors name. It is additive with tenancy: what a policy allows is still
 * subject to the verdict of table 80.
 *
 *   30  packets of pods whose project has a policy go through conntrack, in a zone of our own
 *   27  egress: may the connection's opener open it?      75  ingress: may its target be reached?
 *   76  what of it is remembered (base rows in flows.c)
 *
 * Both tables look at the connection's original tuple (ct_nw_src, ...), not at the packet's
 * addresses: so each packet of a connection, in either direction, gets the verdict that its opening
 * would get now. Replies pass because the connection may be opened, and a permission that is
 * revoked ends open connections with the bundle that revokes it.
 *
 * A rule of s pods, p peers and t ports costs s + p + t + 1 flows (conjunction), not s * p * t.
 */
#ifndef NETPLUGIN_POLICY_H
#define NETPLUGIN_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/error.h"
#include "netplugin/flows.h"
#include "proto/k8s_policy.h"

/* Flows that the policies of one project may need on one node; one of several conjunctions counts
 * once for each. */
#define POLICY_FLOWS_MAX 20000

/*
 * Questions whether a pod is selected that the policies of one project may ask on one node, each
 * counted once and once more for each requirement of the selector: some hundred milliseconds.
 */
#define POLICY_WORK_MAX 4000000

struct policy_labels {
	Bulkhead__V1__NetLabel *const *items;
	size_t len;
};

struct policy_pod {
	const char *project;
	struct policy_labels labels;
	bool elsewhere;    /* on another node: a peer alone */
	bool labels_known; /* not: a policed project's pod is shut, and nobody's peer */
	uint32_t address;
};

struct policy_project {
	const char *name;
	struct policy_labels labels;
};

/* All borrowed. */
struct policy_input {
	K8sNetworkPolicy *const *policies;
	size_t policies_len;
	const struct policy_pod *pods;
	size_t pods_len;
	const struct policy_project *projects;
	size_t projects_len;
};

/*
 * Appends the flows; their cookie is flow_cookie(FLOW_POLICY, 0). The same input gives the same
 * flows, and a policy more or less leaves the others' as they are. A project whose policies cannot
 * be carried out (POLICY_FLOWS_MAX, POLICY_WORK_MAX, or one that auth/policy.h would not admit) has
 * its pods shut, and 'problem' says why of one such; ERR_NONE: there is none. Errors: ERR_EXHAUSTED
 * (memory).
 */
int policy_flows(const struct policy_input *input, struct flow_list *list, struct error *problem,
	struct error *err);

/* Whether a policy says whose it is. Errors: ERR_INVALID. To be asked before policy_flows(). */
int policy_check(const K8sNetworkPolicy *policy, struct error *err);

/* Whether a label selector selects; an empty one does. An unknown operator selects nothing. */
bool policy_selects(const K8sLabelSelector *selector, const struct policy_labels *labels);

#endif
