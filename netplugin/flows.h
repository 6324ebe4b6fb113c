/*
 * Which flows the bridge must hold: a pure function of the node and its ports. Flows are text in
 * ovs-ofctl(8)'s syntax, one object (base, pod, VNID) at a time; flow_sync.c brings them to the
 * switch.
 *
 * Tables and registers are OpenShift SDN's (pkg/network/node/ovscontroller.go), so that who can
 * read a dump there can read ours: reg0 source VNID, reg1 destination VNID, reg2 destination port.
 *
 *    0  classify          40  ARP, answered here     80  verdict
 *   20  from a pod        50  ARP to other nodes     90  IP to other nodes
 *   30  (policy)          70  to a pod               99  out of the cluster
 *   31  routing                                     253  the layout's version
 *
 * This version has neither tunnels nor a gateway: 50, 90 and 99 drop, and their counters say how
 * much.
 */
#ifndef NETPLUGIN_FLOWS_H
#define NETPLUGIN_FLOWS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "netplugin/ipam.h"

/* Version of the layout below: raise it with every change of a row. Part of each cookie. */
#define FLOWS_EPOCH 1

enum flow_class {
	FLOW_BASE = 1, /* object 0 */
	FLOW_POD = 2,  /* object: its address */
	FLOW_VNID = 3, /* object: the VNID */
};

/* epoch (16 bits) | class (16) | object (32). */
uint64_t flow_cookie(enum flow_class flow_class, uint32_t object);

struct flow_node {
	struct ipnet subnet;
	struct ipnet cluster;
};

struct flow_port {
	uint32_t address;
	uint32_t vnid;
	uint32_t ofport;
};

/* Lines without a newline, each a whole flow with cookie, table, priority and actions. */
struct flow_list {
	char **lines;
	size_t len;
};

void flow_list_done(struct flow_list *list);

/*
 * Append the flows of one object. On failure (ERR_EXHAUSTED: memory) what was appended stays and
 * flow_list_done() frees it.
 */
int flows_base(const struct flow_node *node, struct flow_list *list, struct error *err);
int flows_pod(const struct flow_port *port, struct flow_list *list, struct error *err);
/* For a VNID other than VNID_GLOBAL with at least one port on this node. */
int flows_vnid(uint32_t vnid, struct flow_list *list, struct error *err);

#endif
