/*
 * Which flows the bridge must hold: a pure function of the node and its ports. Flows are text in
 * ovs-ofctl(8)'s syntax, one object (base, pod, VNID) at a time; flow_sync.c brings them to the
 * switch.
 *
 * Tables and registers are OpenShift SDN's (pkg/network/node/ovscontroller.go), so that who can
 * read a dump there can read ours: reg0 source VNID, reg1 destination VNID, reg2 destination port.
 *
 *    0  classify          40  ARP, answered here     78  egress firewalls, on the way back
 *   10  from a tunnel     50  ARP to other nodes     80  verdict, 81 delivery
 *   20  from a pod        70  to a pod               82  bandwidth to a pod, 84 out of its port
 *   21  its bandwidth     75  ingress policy         90  IP to other nodes
 *   27  egress policy     76  what it remembers      99  out of the cluster
 *   30  to conntrack      77  the ways out          100  egress firewalls
 *   31  routing                                     101  to the gateway
 *                                                   253  the layout's version
 *
 * Beside those: reg4 way out (0 to a pod here, 1 to other nodes, 2 out of the cluster), reg5 a rule
 * of a policy allows it, reg6 conntrack is to remember it. policy.h has what fills 27, 30 and 75,
 * bandwidth.h 21, 22, 82 and 83. Flows of priority 1 in 20, 40 and 80 are the deny log's
 * (denials.h).
 *
 * The gateway is the bridge's own port, LOCAL (gateway.h). While there is none, 99 drops, and its
 * counter says how much; so do 10, 50 and 90 where there are no other nodes.
 */
#ifndef NETPLUGIN_FLOWS_H
#define NETPLUGIN_FLOWS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "netplugin/ipam.h"

/* Version of the layout below: raise it with every change of a row. Part of each cookie. */
#define FLOWS_EPOCH 3

/* Conntrack's zone for all pods: not the host's 0, so that neither sees the other's connections. */
#define FLOWS_CT_ZONE 0x6268

enum flow_class {
	FLOW_BASE = 1,       /* object 0 */
	FLOW_POD = 2,        /* object: its address */
	FLOW_VNID = 3,       /* object: the VNID */
	FLOW_PEER = 4,       /* object: the address of its subnet */
	FLOW_POLICY = 8,     /* object 0 */
	FLOW_FIREWALL = 9,   /* object: the VNID */
	FLOW_BANDWIDTH = 16, /* object: the address of a pod */
	FLOW_DENIAL = 17,    /* object: the address of a pod */
};

/* OpenFlow number of the VXLAN port; of pods none is lower than 2. */
#define FLOW_TUNNEL_PORT 1

/* epoch (16 bits) | class (16) | object (32). */
uint64_t flow_cookie(enum flow_class flow_class, uint32_t object);

struct flow_node {
	struct ipnet subnet;
	struct ipnet cluster;
	int overlay; /* it has a tunnel to other nodes */
	int gateway; /* it has a way out of the cluster */
};

/* The first address of the node's subnet, whether there is a gateway or not. */
uint32_t flow_gateway(const struct flow_node *node);

/* Another node. */
struct flow_peer {
	struct ipnet subnet; /* of its pods */
	uint32_t address;    /* that its packets come from */
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

/* Appends 'line' and takes it over, also on failure. */
int flow_list_add(struct flow_list *list, char *line, struct error *err);

/*
 * Append the flows of one object. On failure (ERR_EXHAUSTED: memory) what was appended stays and
 * flow_list_done() frees it.
 */
int flows_base(const struct flow_node *node, struct flow_list *list, struct error *err);
int flows_pod(const struct flow_port *port, struct flow_list *list, struct error *err);
/* For a VNID other than VNID_GLOBAL with at least one port on this node. */
int flows_vnid(uint32_t vnid, struct flow_list *list, struct error *err);
int flows_peer(const struct flow_node *node, const struct flow_peer *peer, struct flow_list *list,
	struct error *err);

#endif
