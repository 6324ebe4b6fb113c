/*
 * Asks ovs-vswitchd what becomes of a packet, by ofproto/trace over its control socket (JSON-RPC,
 * unixctl): the answer is what the switch does, not what netd thinks it told it. Nothing is sent
 * and nothing is learned by that.
 *
 * One request at a time goes to the switch, TRACES_MAX wait; each is answered within
 * TRACE_DEADLINE_MSEC.
 */
#ifndef NETPLUGIN_TRACE_H
#define NETPLUGIN_TRACE_H

#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/error.h"

#define TRACES_MAX          64
#define TRACE_DEADLINE_MSEC 5000

/* File names of ovs-vswitchd's control socket: of the agent's own, of the distribution's. */
#define TRACE_CONTROL_PRIVATE "ovs-vswitchd.ctl"
#define TRACE_CONTROL_SYSTEM  "ovs-vswitchd.*.ctl"

struct netd;
struct tracer;

struct tracer *tracer_new(void);

/* Answers NET_TRACE, at once or later. */
void tracer_ask(struct netd *netd, const Bulkhead__V1__NetTrace *message, uint32_t serial);

/* Answers NET_CHECK, at once or later (check.h). */
void tracer_check(struct netd *netd, const Bulkhead__V1__NetCheck *message, uint32_t serial);

/* Round of the loop. */
void tracer_run(struct netd *netd);
void tracer_wait(const struct netd *netd);

#endif
