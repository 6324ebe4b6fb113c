/*
 * Egress firewalls: what the pods of a project may reach outside of the cluster (lib/egress.h). The
 * flows know VNIDs, so where projects share one and any of them has a firewall, nothing of it
 * leaves the cluster, as in OpenShift SDN. What leaves is judged in table 100, what comes back in
 * 78, both without a state: a change is felt by connections that are open.
 */
#ifndef NETPLUGIN_FIREWALL_H
#define NETPLUGIN_FIREWALL_H

#include <stdint.h>

#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/egress.h"
#include "lib/error.h"
#include "netplugin/flows.h"

struct netd;
struct firewalls;

/* Appends the flows of a VNID whose packets 'egress' judges; NULL: that lets nothing pass. */
int firewall_flows(uint32_t vnid, const struct egress_rules *egress, struct flow_list *list,
	struct error *err);

/* None. The caller owns it. */
struct firewalls *firewalls_new(void);
void firewalls_free(struct firewalls *firewalls);

/*
 * Adds those of one part of a NET_POLICIES. One that cannot be read is kept as one that lets
 * nothing pass: the fault is not its neighbours'.
 */
void firewalls_add(struct firewalls *firewalls, const Bulkhead__V1__NetPolicies *part);

/*
 * Wants the flows for the VNIDs that pods have here, with the next bundle. To be called after the
 * firewalls or any pod's VNID changed. *ret_seq as of flow_sync_want(), where anything was wanted.
 */
int firewalls_want(
	struct netd *netd, const struct firewalls *firewalls, uint64_t *ret_seq, struct error *err);

#endif
