/*
 * What the parts of bulkhead-netd share. One process, one thread, one poll loop: each round takes
 * in what the database, the switch and the agent sent, drives every endpoint as far as it goes, and
 * waits.
 */
#ifndef NETPLUGIN_NETD_H
#define NETPLUGIN_NETD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/error.h"
#include "lib/ipc.h"
#include "netplugin/flow_sync.h"
#include "netplugin/flows.h"
#include "netplugin/gateway.h"
#include "netplugin/ipam.h"
#include "netplugin/options.h"
#include "netplugin/switchdb.h"
#include "openvswitch/hmap.h"
#include "simap.h"

#define PLUG_DEADLINE_MSEC   5000 /* a plug that is not done by then is undone */
#define UNDO_DEADLINE_MSEC   1000 /* a failed plug is answered by then, though its undoing waits */
#define UNPLUG_DEADLINE_MSEC 5000 /* an unplug is answered by then, though it goes on */

struct netd_config {
	const char *bridge;
	const char *datapath; /* "system" or "netdev" */
	struct flow_node node;
	uint32_t tunnel_address; /* with node.overlay */
	uint32_t mtu;
	bool guard; /* nf_tables guard on each port: for the netdev datapath */
	enum egress egress;
};

/* A NET_SYNC that is being carried out. */
struct netd_sync {
	uint32_t serial; /* 0: none */
	long long deadline;
	uint32_t removed;
};

/* A NET_PROJECTS that is being carried out. */
struct netd_projects {
	uint32_t serial; /* 0: none */
	long long deadline;
	uint64_t seq; /* of all flows that were wanted when it came */
};

/* Brings to OVSDB which VNIDs the ports have: a netd that starts again knows them from there. */
struct netd_rows {
	bool due; /* OVSDB may say something else */
	struct switchdb_op *op;
	long long retry_at;
};

/* What is known of all projects: their VNIDs by name. */
struct netd_vnids {
	bool known;          /* a NET_PROJECTS was taken in whole */
	struct simap now;    /* of the last one */
	struct simap coming; /* of one that is coming in parts */
};

/* Who waits for an answer. */
struct asker {
	uint64_t conn;   /* 0: the agent; else a plugin's connection (cni.h) */
	uint32_t serial; /* of what it asked; 0: nobody waits */
};

struct policies;

/* What the last NET_POLICIES said. */
struct netd_policies {
	struct policies *now;    /* NULL before the first */
	struct policies *coming; /* of one that is coming in parts */
	bool dirty;              /* now, or the pods, changed since the flows were computed */
	uint32_t serial;         /* to answer; 0: none */
	long long deadline;
	uint64_t seq; /* of the flows */
	struct error problem;
};

struct firewall;

/* The VNIDs whose packets an egress firewall judges (firewall.c). */
struct wall {
	uint32_t vnid;
	bool shut;
	const struct firewall *firewall;
};

struct walls {
	struct wall *list;
	size_t len;
	bool told_anew; /* the firewalls are others than these */
};

struct netd {
	struct netd_config config;
	struct ipam *ipam;
	struct ipc *ipc;
	struct switchdb *db;
	struct flow_sync *flows;
	struct peers *peers;
	struct limits *limits;
	struct tracer *tracer;
	struct denials *denials; /* NULL: not logged */
	struct gateway gateway;
	int route_fd;
	int guard_fd;    /* -1 without guard */
	dev_t netns_dev; /* of the node's network namespace */
	ino_t netns_ino;
	struct hmap endpoints; /* struct endpoint, by pod uid */
	bool adopted;          /* what OVSDB knows is in 'endpoints' */
	unsigned db_seqno;     /* last looked at */
	struct netd_sync sync;
	struct netd_projects projects;
	struct netd_vnids vnids;
	struct netd_rows rows;
	struct cni *cni; /* NULL before NET_CNI */
	struct netd_policies policies;
	struct walls walls;
	bool state_sent;
	bool state_ready;
	uint64_t state_mended;
	char state_reason[ERROR_TEXT_SIZE];
};

/* Whether flows must wait: ports in OVSDB or the other nodes are not known yet. */
bool netd_holds(const struct netd *netd);

/* Wants the base flows as the node's configuration says them now. Errors: ERR_INTERNAL. */
int netd_want_base(struct netd *netd, struct error *err);

/* 0 when ports can be plugged, else -1 with the reason. */
int netd_ready(const struct netd *netd, struct error *err);

/* Alias that our links carry: "bulkhead:<bridge>:<pod uid>"; with "" the prefix of all. */
#define LINK_ALIAS_SIZE 96
void netd_link_alias(const struct netd *netd, const char *pod_uid, char alias[LINK_ALIAS_SIZE]);

/* ---- adopt.c: after a start, and when the agent says which pods live ------------------------ */

/* Makes an endpoint of every port in OVSDB, removes links that no port names. Once. */
void adopt_ports(struct netd *netd);

/* Looks at each settled endpoint again after OVSDB changed: ports lost, numbers changed. */
void adopt_changes(struct netd *netd);

/*
 * Writes the VNIDs that OVSDB has not, or no longer, as the endpoints have them: in one
 * transaction, again until it is so.
 */
void rows_run(struct netd *netd);

/* ---- plug.c: messages from and to the agent ------------------------------------------------- */

struct endpoint;

/* Handles one frame. -1: the connection must end. */
int plug_frame(struct netd *netd, struct ipc_frame *frame, struct error *err);

/* Answers; 'err' is ERR_NONE for success. */
void plug_answer(struct netd *netd, struct asker asker, const struct endpoint *endpoint,
	const struct error *err);
void unplug_answer(
	struct netd *netd, struct asker asker, const char *pod_uid, const struct error *err);

/*
 * The three descriptors must be a network namespace, a NETLINK_ROUTE and an AF_INET datagram socket
 * in it, and it must not be the node's own. Errors: ERR_INVALID.
 */
int plug_check_fds(const struct netd *netd, const int fds[3], struct error *err);

/* Takes 'endpoint' down and remembers who waits for that. Errors: ERR_EXHAUSTED, of askers. */
int plug_remove(
	struct netd *netd, struct endpoint *endpoint, struct asker asker, struct error *err);

/* Answers the NET_SYNC under way when nothing is left to do for it, or its time is over. */
void sync_run(struct netd *netd);

/* Answers the NET_PROJECTS under way when switch and OVSDB have it, or its time is over. */
void projects_run(struct netd *netd);

/* Tells the agent the state, when it changed. */
void state_run(struct netd *netd);

/* ---- policies.c: network policies ----------------------------------------------------------- */

/* A NET_POLICIES. -1: the connection must end. */
int policies_told(struct netd *netd, const struct ipc_frame *frame, struct error *err);

/* Computes their flows anew when they or the pods with flows changed: so both are in one bundle. */
void policies_run(struct netd *netd);

/* Answers the NET_POLICIES under way when the switch has it, or its time is over. */
void policies_answer(struct netd *netd);

/* 0 when they are known, else -1 with the reason. */
int policies_state(const struct netd *netd, struct error *err);

#endif
