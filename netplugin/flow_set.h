/*
 * What the switch should hold beside what it holds, flow by flow, and the difference between them.
 * No I/O: flow_sync.c talks to the switch.
 */
#ifndef NETPLUGIN_FLOW_SET_H
#define NETPLUGIN_FLOW_SET_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "netplugin/flows.h"

struct flow_set;
struct ofputil_flow_stats;
struct ovs_list;

struct flow_set *flow_set_new(void);
void flow_set_free(struct flow_set *set);

/*
 * Wants exactly 'list' for the object whose cookie is 'cookie', instead of what was wanted for it
 * before. All lines are parsed before anything changes. Errors: ERR_INTERNAL (a line does not
 * parse, or belongs to two objects).
 */
int flow_set_want(
	struct flow_set *set, uint64_t cookie, const struct flow_list *list, struct error *err);

/* The switch holds nothing (connection lost, or a dump begins). */
void flow_set_forget(struct flow_set *set);

/* The switch holds this flow too (a row of a dump). */
void flow_set_have(struct flow_set *set, const struct ofputil_flow_stats *stats);

/* One flow that differs, as "missing table=80,reg0=0xa", "foreign ..." or "changed ..."; to be
 * freed. */
char *flow_set_describe(const struct flow_set *set);

/* Number of flows that differ, and of those wanted. */
size_t flow_set_differences(const struct flow_set *set);
size_t flow_set_wanted(const struct flow_set *set);

/*
 * Appends to 'requests' the flow_mods (struct ofpbuf) that make the switch hold what is wanted, and
 * remembers them; at most once until flow_set_sent_done().
 */
void flow_set_send(struct flow_set *set, struct ovs_list *requests);

/* The switch took ('taken') or refused all that flow_set_send() gave out. */
void flow_set_sent_done(struct flow_set *set, int taken);

#endif
