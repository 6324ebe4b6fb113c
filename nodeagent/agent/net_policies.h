/*
 * What bulkhead-netd is to know of network policies: all of them (a CNI plugin may plug a pod of
 * any project), the labels of this node's pods, and those of their projects.
 */
#ifndef NODEAGENT_AGENT_NET_POLICIES_H
#define NODEAGENT_AGENT_NET_POLICIES_H

#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/error.h"

struct agent;

/* The label that every project has, as every namespace of Kubernetes: its name. */
#define PROJECT_NAME_LABEL "kubernetes.io/metadata.name"

/*
 * As it is now; without policies there is nothing else in it. The caller frees *ret with
 * bulkhead__v1__net_policies__free_unpacked(). Errors: ERR_EXHAUSTED.
 */
int net_policies_message(
	const struct agent *agent, Bulkhead__V1__NetPolicies **ret, struct error *err);

/* Tells one such message from another (FNV-1a of what is sent); never 0. */
uint64_t net_policies_hash(const Bulkhead__V1__NetPolicies *message);

#endif
