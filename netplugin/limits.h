/*
 * The bandwidth limits of ports: said by the agent with NET_PLUG, NET_SYNC and NET_LIMIT (of a pod)
 * and NET_PROJECTS (of a project on this node), kept in the Port rows, enforced by meters.
 */
#ifndef NETPLUGIN_LIMITS_H
#define NETPLUGIN_LIMITS_H

#include "bulkhead/v1/ipc.pb-c.h"
#include "netplugin/endpoint.h"
#include "netplugin/netd.h"

struct limits;

struct limits *limits_new(void);

/* 'message' may be NULL: no limits. Errors as bandwidth_check(). */
int limits_parse(
	const Bulkhead__V1__NetBandwidth *message, struct bandwidth *ret, struct error *err);

/* ---- projects ------------------------------------------------------------------------------ */

/* A list of all projects' limits comes, in parts. ERR_INVALID: a number or rate that cannot be. */
void limits_projects_begin(struct netd *netd);
int limits_projects_add(
	struct netd *netd, const Bulkhead__V1__NetProject *project, struct error *err);
/* It is complete: ports get what it says. What cannot be is logged, and the port keeps its limits.
 */
void limits_projects_take(struct netd *netd);

/* Gives a port that is made its project's limits, as they were said last. */
void limits_fill(const struct netd *netd, struct port_record *record);

/* ---- ports --------------------------------------------------------------------------------- */

/* Whether the switch has the meters that 'endpoint' adds. ERR_UNSUPPORTED, ERR_EXHAUSTED. */
int limits_check_room(const struct netd *netd, const struct endpoint *endpoint, struct error *err);

/* Wants meters and flows of a port's limits, or (not 'wanted') none; endpoint->flows_wanted is set
 * so already. Raises *seq. */
int limits_want(struct netd *netd, struct endpoint *endpoint, bool wanted, uint64_t *seq,
	struct error *err);

/* A row of NET_SYNC; what cannot be is logged. */
void limits_sync(struct netd *netd, struct endpoint *endpoint, const Bulkhead__V1__NetPod *pod);

/* ---- NET_LIMIT ----------------------------------------------------------------------------- */

int limits_told(struct netd *netd, const ProtobufCMessage *message, struct ipc_frame *frame,
	struct error *err);
/* One that waits for its answer gets it: 'why' it is not done. */
void limits_cancel(struct netd *netd, struct endpoint *endpoint, const char *why);
/* Answers each that the switch and the Port row have. */
void limits_run(struct netd *netd);

#endif
