/*
 * How much a pod, and all pods of a project on this node together, may send and receive: which
 * meters and flows that takes. Pure.
 *
 * Directions are the pod's, as kubernetes.io/ingress-bandwidth and -egress-bandwidth have them:
 * ingress is what the pod receives, egress what it sends. Each limit is one meter, and each meter
 * one flow: Open vSwitch takes a flow away with the first meter that it names, not with others.
 *
 *   21  what a pod sends       82  what a pod is delivered
 *   22  and its project        83  and its project
 *
 * Sent packets count once they are known not to be forged, wherever they go; received ones once
 * they are allowed. A packet that the pod's own limit drops does not count for its project. ARP is
 * answered by the switch and not counted.
 */
#ifndef NETPLUGIN_BANDWIDTH_H
#define NETPLUGIN_BANDWIDTH_H

#include <stdint.h>

#include "lib/bandwidth.h"
#include "lib/error.h"
#include "netplugin/flows.h"
#include "netplugin/meter_set.h"

/* Of a port: those of its pod, and those that it shares with its project. */
struct port_bandwidth {
	struct bandwidth pod;
	struct bandwidth project;
	uint32_t project_number; /* of all projects, this one's alone */
};

bool port_bandwidth_equal(const struct port_bandwidth *a, const struct port_bandwidth *b);

#define BANDWIDTH_PROJECT_NUMBER_MAX 0x00ffffff

/* Meter numbers: of the pod with the node's address number 'host', of project 'number'. */
uint32_t bandwidth_pod_meter(uint32_t host, enum bandwidth_direction direction);
uint32_t bandwidth_project_meter(uint32_t number, enum bandwidth_direction direction);

/*
 * The meter for 'rate' bits a second (BANDWIDTH_MIN to BANDWIDTH_MAX), rounded down to kilobits. A
 * quarter of a second may come at once, and 128 KiB always: what a sender with segmentation
 * offload hands over is one packet of up to 64 KiB.
 */
struct meter bandwidth_meter(uint64_t rate);

/*
 * Appends the flows of a port's limits, with the cookie flow_cookie(FLOW_BANDWIDTH, address); none
 * where nothing is limited. 'host' is as above.
 */
int flows_bandwidth(const struct flow_port *port, uint32_t host,
	const struct port_bandwidth *bandwidth, struct flow_list *list, struct error *err);

#endif
