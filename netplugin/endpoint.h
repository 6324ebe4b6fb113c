/*
 * One pod's attachment: a table of steps, done forwards by a plug and undone backwards by an
 * unplug, a failure or a deadline. Many are under way at once; a step that has to wait says so and
 * is called again in the next round.
 */
#ifndef NETPLUGIN_ENDPOINT_H
#define NETPLUGIN_ENDPOINT_H

#include "netplugin/netd.h"

#define UNPLUGS_MAX 4 /* unanswered unplugs of one pod */

enum endpoint_direction {
	ENDPOINT_UP,      /* towards the last step */
	ENDPOINT_SETTLED, /* all steps done */
	ENDPOINT_DOWN,    /* towards none, then gone */
};

struct endpoint {
	struct hmap_node node; /* in netd.endpoints */
	struct port_record record;
	enum endpoint_direction direction;
	size_t step;  /* the next to do, or one behind the next to undo */
	int netns_fd; /* the pod's, until it is plugged */
	int pod_route_fd;
	int pod_inet_fd;
	struct switchdb_op *op;
	bool link_made;
	bool port_sent;  /* an OVSDB transaction for it was, and may have been carried out */
	bool port_known; /* none is to be sent now */
	bool flows_wanted;
	uint64_t flow_seq;
	bool denials_wanted;   /* denials.h */
	bool flows_removed;    /* removal is wanted, flow_seq tells when it is done */
	bool sync_removed;     /* goes because of a NET_SYNC */
	bool listed;           /* in the last NET_SYNC */
	uint32_t next_vnid;    /* see endpoints_move() */
	long long deadline;    /* of what 'plugger' or 'unplugs' wait for */
	struct asker plugger;  /* to answer */
	uint32_t limit_serial; /* of the NET_LIMIT to answer when the switch has ... */
	uint64_t limit_seq;    /* ... what this numbers */
	struct asker unplugs[UNPLUGS_MAX];
	size_t unplugs_len;
	struct error failure; /* why it goes down, where that is an error */
};

struct endpoint *endpoint_find(const struct netd *netd, const char *pod_uid);

/*
 * A new endpoint on its way up; takes over the three descriptors. 'record' has all but address and
 * numbers.
 */
void endpoint_plug(struct netd *netd, const struct port_record *record, struct asker plugger,
	int netns_fd, int route_fd, int inet_fd);

/* One that exists already, as OVSDB has it. 'alive' says whether its link does; if not it goes
 * down. */
void endpoint_adopt(struct netd *netd, const struct port_record *record, bool alive);

/* Sends it down; 'why' (ERR_NONE: no error) answers a plug that is under way. */
void endpoint_remove(struct netd *netd, struct endpoint *endpoint, const struct error *why);

/* Takes the lost port's flows away and adds both again. */
void endpoint_repair(struct netd *netd, struct endpoint *endpoint);

/* Wants the flows anew after number or VNID changed. */
int endpoint_refresh_flows(struct netd *netd, struct endpoint *endpoint, struct error *err);

/*
 * Gives each endpoint the VNID that its 'next_vnid' says, where it has another: all flows with the
 * next bundle, and in OVSDB by the next rows_run(). What cannot be done for one (ERR_EXHAUSTED:
 * memory) keeps no other from its VNID.
 */
int endpoints_move(struct netd *netd, struct error *err);

/* Drives all that are under way; frees those that are gone. */
void endpoints_run(struct netd *netd);
void endpoints_wait(struct netd *netd);

/* For the unit test: names of the steps in order, NULL at the end. */
const char *endpoint_step_name(size_t i);

#endif
