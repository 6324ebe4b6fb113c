/*
 * Egress firewalls (network.openshift.io/v1 EgressNetworkPolicy, with ports) on their way in and
 * out: judged, made the text that the cluster keeps (lib/egress.h), and read from it again.
 */
#ifndef AUTH_EGRESS_POLICY_H
#define AUTH_EGRESS_POLICY_H

#include "auth/violation.h"
#include "bulkhead/v1/node.pb-c.h"
#include "lib/error.h"

#define EGRESS_POLICY_VERSION "network.openshift.io/v1"
#define EGRESS_POLICY_KIND    "EgressNetworkPolicy"
#define EGRESS_POLICY_DESC    (&bulkhead__v1__egress_network_policy__descriptor)
#define EGRESS_POLICY_NAME    "default" /* of the one that a project may have */

/*
 * Judges one. Violations have check "validate", or "honoured" for what is valid and not carried
 * out: names of DNS, IPv6, metadata beside name and namespace. 0 whatever it found, -1 only when it
 * could not judge. *ret_rules is the text, where there is no violation; the caller frees it.
 */
int egress_policy_judge(const Bulkhead__V1__EgressNetworkPolicy *policy, struct violations *ret,
	char **ret_rules, struct error *err);

/* The object of 'rules' (as the cluster keeps them); the caller frees *ret as a message. */
int egress_policy_of(const char *project, const char *rules,
	Bulkhead__V1__EgressNetworkPolicy **ret, struct error *err);

#endif
