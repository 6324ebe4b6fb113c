/*
 * Keeps the bridge's flows equal to those wanted, over an OpenFlow 1.5 connection that comes back
 * by itself. On every connection, and then again and again, it dumps what the switch holds and
 * sends exactly the difference, as every later change, in one bundle: the switch takes all of it or
 * nothing. Meters go the same way, around the bundle (meter_set.h). Never blocks.
 */
#ifndef NETPLUGIN_FLOW_SYNC_H
#define NETPLUGIN_FLOW_SYNC_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "netplugin/flows.h"
#include "netplugin/meter_set.h"

#define FLOW_CHECK_MSEC 5000

struct flow_sync;

/* 'target' is a vconn name ("unix:/br0.mgmt"). The caller owns the result. */
struct flow_sync *flow_sync_new(const char *target);
void flow_sync_free(struct flow_sync *sync);

/*
 * Wants exactly 'list' for the object 'cookie' (an empty list: nothing). The change goes out with
 * the next bundle; flow_sync_state(*ret_seq) tells when it is in place. Errors: ERR_INTERNAL.
 */
int flow_sync_want(struct flow_sync *sync, uint64_t cookie, const struct flow_list *list,
	uint64_t *ret_seq, struct error *err);

/*
 * Wants 'meter' as number 'id' (NULL: none of that number); numbered like a change of flows. To be
 * called in the same round as flow_sync_want() for the flows that name it.
 */
void flow_sync_want_meter(
	struct flow_sync *sync, uint32_t id, const struct meter *meter, uint64_t *ret_seq);

/*
 * meter_set_check_room() of this switch. Before it has said how many it has, a meter too many is
 * for it to refuse.
 */
int flow_sync_meters_left(const struct flow_sync *sync, size_t more, struct error *err);

enum flow_state {
	FLOW_PENDING,
	FLOW_INSTALLED,
	FLOW_REFUSED, /* the switch refused the bundle; 'err' says why */
};

/* What became of the change that flow_sync_want() numbered 'seq'. */
enum flow_state flow_sync_state(const struct flow_sync *sync, uint64_t seq, struct error *err);

/*
 * To be called in each round of the loop. Nothing is written while 'hold' is set: before the ports
 * that live are known, the flows of each would look stale.
 */
void flow_sync_run(struct flow_sync *sync, int hold);
void flow_sync_wait(struct flow_sync *sync);

/* For flow_sync_state(): all that is wanted now. */
uint64_t flow_sync_wanted(const struct flow_sync *sync);

/* 0 when connected and all that was ever wanted is in place, else -1 with the reason. */
int flow_sync_ready(const struct flow_sync *sync, struct error *err);

/* Flows and meters that a connection's first dump lacked or had too many: 0 after a clean restart.
 */
size_t flow_sync_repaired(const struct flow_sync *sync);

/*
 * The switch is asked again every FLOW_CHECK_MSEC. How many flows and meters were found that
 * somebody else had added, taken away or changed meanwhile; each was mended in one bundle with the
 * others.
 */
uint64_t flow_sync_mended(const struct flow_sync *sync);

#endif
