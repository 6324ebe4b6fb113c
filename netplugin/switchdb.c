#include <config.h>

#include "netplugin/switchdb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/parse.h"
#include "lib/path.h"
#include "netplugin/bandwidth_row.h"
#include "netplugin/flows.h"
#include "netplugin/ipam.h"
#include "netplugin/port_row.h"
#include "openvswitch/poll-loop.h"
#include "ovsdb-idl.h"
#include "smap.h"
#include "timeval.h"
#include "util.h"
#include "vswitch-idl.h"

#define PROBE_MSEC 5000
#define RETRY_MSEC 250
#define OPENFLOW   "OpenFlow15"

/*
 * Two spellings of one address. A session that lost its peer waits for up to 8 s before it tries
 * again; one for another remote starts at once, so the spellings take turns while nobody answers.
 */
#define REMOTES 2

struct switchdb {
	struct ovsdb_idl *idl;
	struct ovsdb_idl_index *by_name; /* ports */
	char *remotes[REMOTES];
	size_t remote;
	long long retry_at;
	char *bridge;
	char *datapath;
	char tunnel_address[IPNET_TEXT_SIZE]; /* "": there is no tunnel */
	char mac[MAC_TEXT_SIZE];              /* of the bridge's own port; "": any */
	struct switchdb_op *bridge_op;        /* making or correcting bridge or tunnel */
	long long bridge_retry_at;
	struct error problem; /* why the bridge is not as it must be */
};

struct switchdb_op {
	struct ovsdb_idl_txn *txn; /* NULL: decided without a transaction */
	enum op_state state;
};

static struct ovsdb_idl *idl_new(const char *remote)
{
	static const struct ovsdb_idl_column *const columns[] = {
		&ovsrec_open_vswitch_col_bridges,
		&ovsrec_bridge_col_name,
		&ovsrec_bridge_col_datapath_type,
		&ovsrec_bridge_col_fail_mode,
		&ovsrec_bridge_col_protocols,
		&ovsrec_bridge_col_other_config,
		&ovsrec_bridge_col_ports,
		&ovsrec_port_col_name,
		&ovsrec_port_col_interfaces,
		&ovsrec_port_col_external_ids,
		&ovsrec_interface_col_name,
		&ovsrec_interface_col_type,
		&ovsrec_interface_col_options,
		&ovsrec_interface_col_ofport,
		&ovsrec_interface_col_error,
	};
	struct ovsdb_idl *idl = ovsdb_idl_create(remote, &ovsrec_idl_class, false, true);

	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		ovsdb_idl_add_column(idl, columns[i]);
	ovsdb_idl_set_leader_only(idl, false);
	ovsdb_idl_set_probe_interval(idl, PROBE_MSEC);
	return idl;
}

struct switchdb *switchdb_new(const struct switchdb_config *config)
{
	struct switchdb *db = xzalloc(sizeof(*db));

	db->remotes[0] = xasprintf("unix:%s", config->socket);
	db->remotes[1] = xasprintf("unix:/.%s", config->socket);
	db->bridge = xstrdup(config->bridge);
	db->datapath = xstrdup(config->datapath);
	if (config->tunnel_address)
		address_format(config->tunnel_address, db->tunnel_address);
	if (config->mac)
		mac_format(config->mac, db->mac);
	db->idl = idl_new(db->remotes[0]);
	db->by_name = ovsdb_idl_index_create1(db->idl, &ovsrec_port_col_name);
	db->retry_at = time_msec() + RETRY_MSEC;
	return db;
}

void switchdb_free(struct switchdb *db)
{
	if (!db)
		return;
	switchdb_op_free(db->bridge_op);
	ovsdb_idl_destroy(db->idl);
	for (size_t i = 0; i < REMOTES; i++)
		free(db->remotes[i]);
	free(db->bridge);
	free(db->datapath);
	free(db);
}

/* ---- operations ---------------------------------------------------------------------------- */

/* Sends 'txn'; NULL is an operation that had nothing to do, or must be made anew. */
static struct switchdb_op *op_new(struct ovsdb_idl_txn *txn, enum op_state without)
{
	struct switchdb_op *op = xzalloc(sizeof(*op));

	op->txn = txn;
	op->state = txn ? OP_PENDING : without;
	if (txn)
		switchdb_op_state(op, NULL); /* the first call sends it */
	return op;
}

enum op_state switchdb_op_state(struct switchdb_op *op, struct error *err)
{
	enum ovsdb_idl_txn_status status;

	if (!op->txn)
		return op->state;
	status = ovsdb_idl_txn_commit(op->txn);
	if (status == TXN_INCOMPLETE)
		op->state = OP_PENDING;
	else if (status == TXN_SUCCESS || status == TXN_UNCHANGED)
		op->state = OP_DONE;
	else if (status == TXN_TRY_AGAIN || status == TXN_UNCOMMITTED)
		op->state = OP_AGAIN;
	else
		op->state = OP_FAILED;
	if (op->state == OP_FAILED)
		error_set(err, ERR_INTERNAL, 0, "the Open vSwitch database refused a change: %s",
			ovsdb_idl_txn_get_error(op->txn));
	return op->state;
}

void switchdb_op_free(struct switchdb_op *op)
{
	if (!op)
		return;
	if (op->txn)
		ovsdb_idl_txn_destroy(op->txn);
	free(op);
}

/* ---- the bridge ---------------------------------------------------------------------------- */

static const struct ovsrec_bridge *find_bridge(const struct switchdb *db)
{
	const struct ovsrec_bridge *bridge;

	OVSREC_BRIDGE_FOR_EACH(bridge, db->idl)
	{
		if (strcmp(bridge->name, db->bridge) == 0)
			return bridge;
	}
	return NULL;
}

static int protocols_are_right(const struct ovsrec_bridge *bridge)
{
	return bridge->n_protocols == 1 && strcmp(bridge->protocols[0], OPENFLOW) == 0;
}

static int mac_is_right(const struct switchdb *db, const struct ovsrec_bridge *bridge)
{
	return !db->mac[0] ||
	       strcmp(smap_get_def(&bridge->other_config, "hwaddr", ""), db->mac) == 0;
}

static int bridge_is_right(const struct ovsrec_bridge *bridge)
{
	return bridge->fail_mode && strcmp(bridge->fail_mode, "secure") == 0 &&
	       protocols_are_right(bridge);
}

static int datapath_is(const struct ovsrec_bridge *bridge, const char *datapath)
{
	const char *type = bridge->datapath_type[0] ? bridge->datapath_type : "system";

	return strcmp(type, datapath) == 0;
}

/* fail_mode secure: without flows nothing passes. Nothing but our OpenFlow version is spoken. */
static void bridge_correct(const struct ovsrec_bridge *bridge)
{
	const char *protocols[] = { OPENFLOW };

	ovsrec_bridge_set_fail_mode(bridge, "secure");
	ovsrec_bridge_set_protocols(bridge, protocols, ARRAY_SIZE(protocols));
}

static void bridge_insert(struct switchdb *db, struct ovsdb_idl_txn *txn)
{
	const struct ovsrec_open_vswitch *root = ovsrec_open_vswitch_first(db->idl);
	struct ovsrec_interface *interface = ovsrec_interface_insert(txn);
	struct ovsrec_port *port = ovsrec_port_insert(txn);
	struct ovsrec_bridge *bridge = ovsrec_bridge_insert(txn);
	struct smap config;

	if (!root)
		root = ovsrec_open_vswitch_insert(txn);
	ovsrec_interface_set_name(interface, db->bridge);
	ovsrec_interface_set_type(interface, "internal");
	ovsrec_port_set_name(port, db->bridge);
	ovsrec_port_set_interfaces(port, &interface, 1);
	ovsrec_bridge_set_name(bridge, db->bridge);
	ovsrec_bridge_set_datapath_type(bridge, db->datapath);
	smap_init(&config);
	smap_add(&config, "disable-in-band", "true");
	if (db->mac[0])
		smap_add(&config, "hwaddr", db->mac);
	ovsrec_bridge_set_other_config(bridge, &config);
	smap_destroy(&config);
	ovsrec_bridge_set_ports(bridge, &port, 1);
	bridge_correct(bridge);
	ovsrec_open_vswitch_update_bridges_addvalue(root, bridge);
}

/* ---- the tunnel ---------------------------------------------------------------------------- */

static const struct ovsrec_port *find_port(const struct switchdb *db, const char *name);

/* 'remote_ip=flow,key=flow' as in OpenShift SDN; packets leave with the address that others know.
 */
static void tunnel_options(const struct switchdb *db, struct smap *ret)
{
	smap_init(ret);
	smap_add(ret, "remote_ip", "flow");
	smap_add(ret, "key", "flow");
	smap_add(ret, "local_ip", db->tunnel_address);
}

/* One of that name which we did not make for this bridge. */
static bool tunnel_is_foreign(const struct switchdb *db)
{
	const struct ovsrec_port *port = find_port(db, SWITCHDB_TUNNEL);
	const char *bridge = port ? smap_get(&port->external_ids, "bulkhead-bridge") : NULL;

	return port && (!bridge || strcmp(bridge, db->bridge) != 0);
}

static bool tunnel_is_right(const struct switchdb *db)
{
	const struct ovsrec_port *port = find_port(db, SWITCHDB_TUNNEL);
	struct smap options;
	bool right;

	if (!db->tunnel_address[0])
		return !port || tunnel_is_foreign(db);
	if (!port || port->n_interfaces != 1)
		return false;
	tunnel_options(db, &options);
	right = strcmp(port->interfaces[0]->type, "vxlan") == 0 &&
		smap_equal(&port->interfaces[0]->options, &options);
	smap_destroy(&options);
	return right;
}

static void tunnel_insert(
	struct switchdb *db, struct ovsdb_idl_txn *txn, const struct ovsrec_bridge *bridge)
{
	struct ovsrec_interface *interface = ovsrec_interface_insert(txn);
	struct ovsrec_port *port = ovsrec_port_insert(txn);
	const int64_t request = FLOW_TUNNEL_PORT;
	struct smap options;

	tunnel_options(db, &options);
	ovsrec_interface_set_name(interface, SWITCHDB_TUNNEL);
	ovsrec_interface_set_type(interface, "vxlan");
	ovsrec_interface_set_options(interface, &options);
	ovsrec_interface_set_ofport_request(interface, &request, 1);
	ovsrec_port_set_name(port, SWITCHDB_TUNNEL);
	ovsrec_port_set_interfaces(port, &interface, 1);
	ovsrec_port_update_external_ids_setkey(port, "bulkhead-bridge", db->bridge);
	ovsrec_bridge_update_ports_addvalue(bridge, port);
	smap_destroy(&options);
}

/* Makes it, gives it the right options, or takes away the one of a node that is alone again. */
static void tunnel_correct(
	struct switchdb *db, struct ovsdb_idl_txn *txn, const struct ovsrec_bridge *bridge)
{
	const struct ovsrec_port *port = find_port(db, SWITCHDB_TUNNEL);
	struct smap options;

	if (!db->tunnel_address[0]) {
		ovsrec_bridge_update_ports_delvalue(bridge, port);
	} else if (!port) {
		tunnel_insert(db, txn, bridge);
	} else {
		tunnel_options(db, &options);
		ovsrec_interface_set_type(port->interfaces[0], "vxlan");
		ovsrec_interface_set_options(port->interfaces[0], &options);
		smap_destroy(&options);
	}
}

static int tunnel_ready(const struct switchdb *db, struct error *err)
{
	char problem[128] = "";
	int64_t ofport = 0;

	if (!db->tunnel_address[0])
		return 0;
	if (!switchdb_find(db, SWITCHDB_TUNNEL, &ofport, problem) || ofport == 0)
		return error_set(
			err, ERR_UNAVAILABLE, 0, "the tunnel '%s' is being made", SWITCHDB_TUNNEL);
	if (ofport != FLOW_TUNNEL_PORT)
		return error_set(err, ERR_PRECONDITION, 0,
			"the tunnel '%s' has port number %lld and not %d%s%s", SWITCHDB_TUNNEL,
			(long long)ofport, FLOW_TUNNEL_PORT, problem[0] ? ": " : "", problem);
	return 0;
}

static void bridge_start_op(struct switchdb *db, const struct ovsrec_bridge *bridge)
{
	struct ovsdb_idl_txn *txn;

	if (db->bridge_op || time_msec() < db->bridge_retry_at)
		return;
	txn = ovsdb_idl_txn_create(db->idl);
	if (!bridge)
		bridge_insert(db, txn);
	else if (!bridge_is_right(bridge))
		bridge_correct(bridge);
	else if (!mac_is_right(db, bridge))
		ovsrec_bridge_update_other_config_setkey(bridge, "hwaddr", db->mac);
	else
		tunnel_correct(db, txn, bridge);
	db->bridge_op = op_new(txn, OP_DONE);
}

static void bridge_finish_op(struct switchdb *db)
{
	struct error err = { 0 };
	enum op_state state;

	if (!db->bridge_op)
		return;
	state = switchdb_op_state(db->bridge_op, &err);
	if (state == OP_PENDING)
		return;
	switchdb_op_free(db->bridge_op);
	db->bridge_op = NULL;
	if (state != OP_FAILED)
		return;
	error_prefix(&err, "bridge '%s'", db->bridge);
	db->problem = err;
	db->bridge_retry_at = time_msec() + 1000;
}

static void bridge_run(struct switchdb *db)
{
	const struct ovsrec_bridge *bridge;

	bridge_finish_op(db);
	if (!ovsdb_idl_has_ever_connected(db->idl) || !ovsdb_idl_is_connected(db->idl))
		return;
	bridge = find_bridge(db);
	if (bridge && !datapath_is(bridge, db->datapath)) {
		error_set(&db->problem, ERR_PRECONDITION, 0,
			"bridge '%s' has datapath_type '%s' and not '%s': remove the bridge or set "
			"the node's datapath to what it is",
			db->bridge, bridge->datapath_type, db->datapath);
		return;
	}
	if (db->tunnel_address[0] && tunnel_is_foreign(db)) {
		error_set(&db->problem, ERR_PRECONDITION, 0,
			"port '%s' of this switch is not Bulkhead's: a switch has one VXLAN tunnel "
			"for "
			"all nodes; remove it or use another switch",
			SWITCHDB_TUNNEL);
		return;
	}
	if (bridge && bridge_is_right(bridge) && mac_is_right(db, bridge) && tunnel_is_right(db)) {
		db->problem = (struct error){ 0 };
		return;
	}
	if (db->problem.code == ERR_NONE)
		error_set(
			&db->problem, ERR_UNAVAILABLE, 0, "bridge '%s' is being made", db->bridge);
	bridge_start_op(db, bridge);
}

/* ---- the loop ------------------------------------------------------------------------------ */

static int connected(const struct switchdb *db)
{
	return ovsdb_idl_has_ever_connected(db->idl) && ovsdb_idl_is_connected(db->idl);
}

void switchdb_run(struct switchdb *db)
{
	ovsdb_idl_run(db->idl);
	if (connected(db)) {
		db->retry_at = time_msec() + RETRY_MSEC;
	} else if (time_msec() >= db->retry_at) {
		db->remote = (db->remote + 1) % REMOTES;
		ovsdb_idl_set_remote(db->idl, db->remotes[db->remote], true);
		db->retry_at = time_msec() + RETRY_MSEC;
		ovsdb_idl_run(db->idl);
	}
	bridge_run(db);
}

void switchdb_wait(struct switchdb *db)
{
	ovsdb_idl_wait(db->idl);
	if (!connected(db))
		poll_timer_wait_until(db->retry_at);
	if (db->bridge_op && db->bridge_op->txn)
		ovsdb_idl_txn_wait(db->bridge_op->txn);
	else if (db->problem.code == ERR_INTERNAL)
		poll_timer_wait_until(db->bridge_retry_at);
}

int switchdb_ready(const struct switchdb *db, struct error *err)
{
	if (!connected(db))
		return error_set(err, ERR_UNAVAILABLE, 0,
			"the Open vSwitch database does not answer (is ovsdb-server running?)");
	if (db->problem.code != ERR_NONE) {
		*err = db->problem;
		return -1;
	}
	if (!find_bridge(db))
		return error_set(err, ERR_UNAVAILABLE, 0, "bridge '%s' is being made", db->bridge);
	return tunnel_ready(db, err);
}

unsigned switchdb_seqno(const struct switchdb *db)
{
	return ovsdb_idl_get_seqno(db->idl);
}

/* ---- ports --------------------------------------------------------------------------------- */

static const struct ovsrec_port *find_port(const struct switchdb *db, const char *name)
{
	struct ovsrec_port *key = ovsrec_port_index_init_row(db->by_name);
	const struct ovsrec_port *port;

	ovsrec_port_index_set_name(key, name);
	port = ovsrec_port_index_find(db->by_name, key);
	ovsrec_port_index_destroy_row(key);
	return port;
}

int switchdb_find(
	const struct switchdb *db, const char *name, int64_t *ret_ofport, char problem[128])
{
	const struct ovsrec_port *port = find_port(db, name);

	if (!port)
		return 0;
	*ret_ofport = port_row_number(port, problem);
	return 1;
}

void switchdb_each(const struct switchdb *db, switchdb_each_fn *each, void *context)
{
	const struct ovsrec_bridge *bridge = find_bridge(db);

	for (size_t i = 0; bridge && i < bridge->n_ports; i++) {
		const struct ovsrec_port *port = bridge->ports[i];
		struct port_record record;
		struct error err = { 0 };

		if (!smap_get(&port->external_ids, "bulkhead-pod-uid"))
			continue;
		if (port_row_read(port, &record, &err) < 0)
			each(context, port->name, NULL, &err);
		else
			each(context, port->name, &record, NULL);
	}
}

struct switchdb_op *switchdb_add(struct switchdb *db, const struct port_record *record)
{
	const struct ovsrec_bridge *bridge = find_bridge(db);
	const int64_t request = record->ofport_request;
	struct ovsrec_interface *interface;
	struct ovsdb_idl_txn *txn;
	struct ovsrec_port *port;

	if (!bridge)
		return op_new(NULL, OP_AGAIN);
	txn = ovsdb_idl_txn_create(db->idl);
	interface = ovsrec_interface_insert(txn);
	port = ovsrec_port_insert(txn);
	ovsrec_interface_set_name(interface, record->name);
	ovsrec_interface_set_ofport_request(interface, &request, 1);
	ovsrec_port_set_name(port, record->name);
	ovsrec_port_set_interfaces(port, &interface, 1);
	port_row_write(port, record);
	ovsrec_bridge_update_ports_addvalue(bridge, port);
	return op_new(txn, OP_DONE);
}

struct switchdb_op *switchdb_remove(struct switchdb *db, const char *name)
{
	const struct ovsrec_bridge *bridge = find_bridge(db);
	const struct ovsrec_port *port = find_port(db, name);
	struct ovsdb_idl_txn *txn = ovsdb_idl_txn_create(db->idl);

	/* An empty one does nothing where the rows are those of the database, and fails where not.
	 */
	if (bridge && port)
		ovsrec_bridge_update_ports_delvalue(bridge, port);
	return op_new(txn, OP_DONE);
}

struct switchdb_op *switchdb_set_rows(
	struct switchdb *db, const struct switchdb_row *rows, size_t len)
{
	struct ovsdb_idl_txn *txn = ovsdb_idl_txn_create(db->idl);

	for (size_t i = 0; i < len; i++) {
		const struct ovsrec_port *port = find_port(db, rows[i].port);
		struct smap ids;
		char text[16];

		if (!port)
			continue;
		snprintf(text, sizeof(text), "%u", rows[i].vnid);
		smap_clone(&ids, &port->external_ids);
		smap_replace(&ids, "bulkhead-vnid", text);
		bandwidth_row_write(&ids, rows[i].bandwidth);
		ovsrec_port_set_external_ids(port, &ids);
		smap_destroy(&ids);
	}
	return op_new(txn, OP_DONE);
}
