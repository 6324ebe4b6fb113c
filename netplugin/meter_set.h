/*
 * Which meters the switch should hold beside which it holds, as flow_set.h of flows. No I/O:
 * flow_sync.c talks to the switch.
 *
 * A switch takes no meters in bundles, and with a meter it deletes the flows that name it. So what
 * is new or changed goes out before the flows, and what is wanted no more after them.
 */
#ifndef NETPLUGIN_METER_SET_H
#define NETPLUGIN_METER_SET_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

struct meter_set;
struct ofputil_meter_config;
struct ovs_list;

/* One that drops what is over the rate. */
struct meter {
	uint32_t rate;  /* kilobits a second; not 0 */
	uint32_t burst; /* kilobits */
};

struct meter_set *meter_set_new(void);
void meter_set_free(struct meter_set *set);

/* Wants 'meter' as number 'id'; NULL: none of that number. */
void meter_set_want(struct meter_set *set, uint32_t id, const struct meter *meter);

/* The switch holds nothing (connection lost, or a dump begins). */
void meter_set_forget(struct meter_set *set);

/* The switch holds this one too (a row of a dump). */
void meter_set_have(struct meter_set *set, const struct ofputil_meter_config *config);

/* One that differs, as "missing meter 5"; to be freed. */
char *meter_set_describe(const struct meter_set *set);

/* Number of those that differ, and of those wanted. */
size_t meter_set_differences(const struct meter_set *set);
size_t meter_set_wanted(const struct meter_set *set);

/*
 * Whether a switch that has 'max' meters has 'more' beyond those wanted. ERR_UNSUPPORTED (it has
 * none at all), ERR_EXHAUSTED.
 */
int meter_set_check_room(const struct meter_set *set, uint32_t max, size_t more, struct error *err);

/*
 * Appends to 'requests' the meter_mods (struct ofpbuf) that make and change meters, and remembers
 * which are wanted no more. Returns how many meters are on their way or are to go.
 */
size_t meter_set_send(struct meter_set *set, struct ovs_list *requests);

/*
 * The switch took those, and the flows that belong to them: appends the meter_mods that delete what
 * was wanted no more then, and is not now. They cannot fail.
 */
void meter_set_sent_done(struct meter_set *set, struct ovs_list *requests);

#endif
