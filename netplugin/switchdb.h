/*
 * The bridge and its ports in Open vSwitch's database. The row of a pod's port is the record of
 * its address and VNID: netd keeps none of its own, and reads it here after a restart.
 * Never blocks: changes are operations whose state is asked for in each round of the loop.
 */
#ifndef NETPLUGIN_SWITCHDB_H
#define NETPLUGIN_SWITCHDB_H

#include <stdint.h>

#include "lib/error.h"
#include "netplugin/bandwidth.h"
#include "netplugin/names.h"

#define POD_LINK         "eth0" /* of the agent's pods */
#define PROJECT_NAME_MAX 63

struct switchdb_config {
	const char *socket; /* absolute path of the database socket */
	const char *bridge;
	const char *datapath;    /* "system" or "netdev" */
	uint32_t tunnel_address; /* other nodes know this one by; 0: no tunnel */
	const uint8_t *mac;      /* of the bridge's own port; NULL: whatever the switch takes */
};

/* The port to other nodes: one for all, flows say the remote address and the key. */
#define SWITCHDB_TUNNEL "vxlan0"

/*
 * external_ids of the Port row: bulkhead-pod-uid (and sandbox), -project, -pod, -ip, -mac, -vnid;
 * of what a CNI plugin attached also bulkhead-owner=cni, -container, -network and -ifname; of what
 * is limited also those of bandwidth_row.h.
 */
struct port_record {
	char pod_uid[POD_UID_MAX + 1];
	char project[PROJECT_NAME_MAX + 1];
	char pod[POD_NAME_MAX + 1];
	char name[PORT_NAME_SIZE];
	char link[PORT_NAME_SIZE];      /* the pod's end, as it is called there */
	char container[CNI_ID_MAX + 1]; /* of a CNI plugin's; "": a pod of the agent's */
	char network[CNI_ID_MAX + 1];   /* the CNI network configuration it came with */
	uint32_t address;
	uint32_t vnid;
	struct port_bandwidth bandwidth;
	uint32_t ofport_request; /* when it is added */
	int64_t ofport;          /* 0: not known yet, -1: ovs-vswitchd could not open the device */
	char problem[128];       /* Interface.error, where ofport is -1 */
};

struct switchdb;

/* Starts to connect. 'config' is copied. The caller owns the result. */
struct switchdb *switchdb_new(const struct switchdb_config *config);
void switchdb_free(struct switchdb *db);

/* Round of the loop: takes what the database sent, makes or corrects bridge and tunnel. */
void switchdb_run(struct switchdb *db);
void switchdb_wait(struct switchdb *db);

/* 0 when connected and bridge and tunnel are as they must be, else -1 with the reason. */
int switchdb_ready(const struct switchdb *db, struct error *err);

/* Changes with every change of what the database holds. */
unsigned switchdb_seqno(const struct switchdb *db);

/*
 * Calls 'each' for every port of ours: with a record, or with NULL and an error for a row that does
 * not parse, and its name.
 */
typedef void switchdb_each_fn(
	void *context, const char *name, const struct port_record *record, const struct error *err);
void switchdb_each(const struct switchdb *db, switchdb_each_fn *each, void *context);

/* 1 and the port's number (and what is wrong) when there is a port 'name', else 0. */
int switchdb_find(
	const struct switchdb *db, const char *name, int64_t *ret_ofport, char problem[128]);

/*
 * Operations, one transaction each. The caller owns the result (never NULL) and frees it at any
 * time; what was sent is not taken back by that. Removing a port that is not there succeeds.
 */
struct switchdb_op;
struct switchdb_op *switchdb_add(struct switchdb *db, const struct port_record *record);
struct switchdb_op *switchdb_remove(struct switchdb *db, const char *name);
/* All at once: each change of Port rows makes the switch look at all of its ports. */
struct switchdb_row {
	const char *port;
	uint32_t vnid;
	const struct port_bandwidth *bandwidth;
};
struct switchdb_op *switchdb_set_rows(
	struct switchdb *db, const struct switchdb_row *rows, size_t len);

enum op_state {
	OP_PENDING,
	OP_DONE,
	OP_AGAIN,  /* something else changed meanwhile: make the operation anew */
	OP_FAILED, /* 'err' says why */
};
enum op_state switchdb_op_state(struct switchdb_op *op, struct error *err);
void switchdb_op_free(struct switchdb_op *op);

#endif
