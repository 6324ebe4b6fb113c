/*
 * What bulkhead-netd is to know of network policies: all of them (a CNI plugin may plug a pod of
 * any project), the labels of this node's pods, and those of their projects.
 */
#ifndef NODEAGENT_AGENT_NET_POLICIES_H
#define NODEAGENT_AGENT_NET_POLICIES_H

#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/error.h"

struct agent;
struct daemon;

/* What netd was told on one connection; zeroed at its start. */
struct net_policies_told {
	uint32_t serial; /* of the last part, until it is answered; 0: of none */
	uint64_t hash;   /* of all of it; 0: nothing yet */
};

/*
 * Tells it what is so now, unless it was told the same. Errors: ERR_EXHAUSTED, and what
 * daemon_send() says; then it is to be told again.
 */
int net_policies_tell(struct net_policies_told *told, const struct agent *agent,
	struct daemon *daemon, struct error *err);

/* netd's answer, which is logged when it is none of success. */
void net_policies_answered(
	struct net_policies_told *told, uint32_t reply_to, const Bulkhead__V1__NetPoliciesSet *set);

#endif
