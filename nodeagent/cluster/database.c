#include <config.h>

#include "nodeagent/cluster/database.h"

#include <stdlib.h>

#include "cluster/bulkhead-idl.h"
#include "openvswitch/poll-loop.h"
#include "ovsdb-idl.h"
#include "util.h"

#define PROBE_MSEC 5000
#define RETRY_MSEC 250

struct database {
	char *remote;
	bool member;
	struct ovsdb_idl *idl;
	struct ovsdb_idl_index *projects; /* by name */
	struct ovsdb_idl_index *nodes;    /* by name */
	struct ovsdb_idl_index *secrets;  /* by project and name */
	struct ovsdb_idl_index *policies; /* by project and name */
	bool there;
	long long away_since;
	long long retry_at;
};

/*
 * An IDL that lost its connection keeps its content until it has reconnected and compared, says
 * nowhere when that is done, and waits for up to 8 s before it tries. A new one has no content
 * until all of it is there, and tries at once.
 */
static void connect_anew(struct database *db, long long now)
{
	ovsdb_idl_destroy(db->idl);
	db->idl = ovsdb_idl_create(db->remote, &bhrec_idl_class, true, true);
	ovsdb_idl_set_leader_only(db->idl, false); /* facts/ovs.md: fail-over in 1.5 s, not 15 s */
	ovsdb_idl_set_probe_interval(db->idl, PROBE_MSEC);
	ovsdb_idl_track_add_all(db->idl);
	db->projects = ovsdb_idl_index_create1(db->idl, &bhrec_project_col_name);
	db->nodes = ovsdb_idl_index_create1(db->idl, &bhrec_node_col_name);
	db->secrets =
		ovsdb_idl_index_create2(db->idl, &bhrec_secret_col_project, &bhrec_secret_col_name);
	db->policies = ovsdb_idl_index_create2(
		db->idl, &bhrec_network_policy_col_project, &bhrec_network_policy_col_name);
	db->retry_at = now + RETRY_MSEC;
}

struct database *database_new(const char *socket, bool member, long long now)
{
	struct database *db = xzalloc(sizeof(*db));

	db->remote = xasprintf("unix:%s", socket);
	db->member = member;
	db->away_since = now;
	connect_anew(db, now);
	return db;
}

void database_free(struct database *db)
{
	if (!db)
		return;
	ovsdb_idl_destroy(db->idl);
	free(db->remote);
	free(db);
}

static bool session_is_up(const struct database *db)
{
	return ovsdb_idl_is_connected(db->idl) && ovsdb_idl_is_alive(db->idl);
}

enum database_event database_run(struct database *db, long long now)
{
	if (!db->there && !session_is_up(db) && now >= db->retry_at)
		connect_anew(db, now);
	ovsdb_idl_run(db->idl);
	if (db->there && !session_is_up(db)) {
		db->there = false;
		db->away_since = now;
		db->retry_at = now;
		return DATABASE_LEFT;
	}
	if (!db->there && session_is_up(db) && ovsdb_idl_has_ever_connected(db->idl)) {
		db->there = true;
		return DATABASE_CAME;
	}
	return DATABASE_NOTHING;
}

void database_wait(struct database *db)
{
	ovsdb_idl_wait(db->idl);
	if (!db->there)
		poll_timer_wait_until(db->retry_at);
}

bool database_is_there(const struct database *db)
{
	return db->there;
}

long long database_away_since(const struct database *db)
{
	return db->away_since;
}

unsigned database_seqno(const struct database *db)
{
	return ovsdb_idl_get_seqno(db->idl);
}

struct ovsdb_idl *database_idl(struct database *db)
{
	return db->idl;
}

const struct bhrec_project *database_project(struct database *db, const char *name)
{
	struct bhrec_project *key = bhrec_project_index_init_row(db->projects);
	const struct bhrec_project *row;

	bhrec_project_index_set_name(key, name);
	row = bhrec_project_index_find(db->projects, key);
	bhrec_project_index_destroy_row(key);
	return row;
}

const struct bhrec_node *database_node(struct database *db, const char *name)
{
	struct bhrec_node *key = bhrec_node_index_init_row(db->nodes);
	const struct bhrec_node *row;

	bhrec_node_index_set_name(key, name);
	row = bhrec_node_index_find(db->nodes, key);
	bhrec_node_index_destroy_row(key);
	return row;
}

const struct bhrec_secret *database_secret(
	struct database *db, const struct bhrec_project *project, const char *name)
{
	struct bhrec_secret *key = bhrec_secret_index_init_row(db->secrets);
	const struct bhrec_secret *row;

	bhrec_secret_index_set_project(key, project);
	bhrec_secret_index_set_name(key, name);
	row = bhrec_secret_index_find(db->secrets, key);
	bhrec_secret_index_destroy_row(key);
	return row;
}

const struct bhrec_network_policy *database_policy(
	struct database *db, const struct bhrec_project *project, const char *name)
{
	struct bhrec_network_policy *key = bhrec_network_policy_index_init_row(db->policies);
	const struct bhrec_network_policy *row;

	bhrec_network_policy_index_set_project(key, project);
	bhrec_network_policy_index_set_name(key, name);
	row = bhrec_network_policy_index_find(db->policies, key);
	bhrec_network_policy_index_destroy_row(key);
	return row;
}

int64_t database_epoch(struct database *db)
{
	const struct bhrec_cluster *row = bhrec_cluster_first(db->idl);

	return row ? row->epoch : 0;
}

struct ovsdb_idl_txn *database_begin(struct database *db, int64_t *ret_epoch)
{
	const struct bhrec_cluster *row = bhrec_cluster_first(db->idl);
	struct ovsdb_idl_txn *txn = ovsdb_idl_txn_create(db->idl);

	*ret_epoch = db->member ? 0 : row ? row->epoch + 1 : 1;
	if (db->member)
		return txn;
	if (!row) {
		/* Two daemons may do so at once; the table holds one row, so one of them is
		 * refused. */
		row = bhrec_cluster_insert(txn);
	} else {
		bhrec_cluster_verify_epoch(row);
	}
	bhrec_cluster_set_epoch(row, *ret_epoch);
	return txn;
}
