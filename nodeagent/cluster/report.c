#include <config.h>

#include "nodeagent/cluster/report.h"

#include "cluster/bulkhead-idl.h"
#include "lib/log.h"
#include "nodeagent/cluster/batch.h"
#include "nodeagent/cluster/row.h"
#include "ovsdb-idl.h"
#include "util.h"

static int send_message(
	void *context, enum ipc_type type, const ProtobufCMessage *message, struct error *err)
{
	return ipc_table_send(context, type, 0, message, NULL, 0, NULL, err);
}

static int add_secret(struct batch *batch, const struct bhrec_secret *row, struct error *err)
{
	Bulkhead__V1__ClusterSecret *message;
	struct error bad = { 0 };

	if (row_secret(row, &message, &bad) == 0)
		return batch_secret(batch, message, err);
	log_error("the cluster database holds what cannot be used: %s", bad.text);
	return 0;
}

static int add_node(struct batch *batch, const struct bhrec_node *row, struct error *err)
{
	Bulkhead__V1__ClusterNode *message;
	struct error bad = { 0 };

	/* A node spoils its own key at most: it must be seen to be deleted. */
	if (row_node(row, &message, &bad) < 0)
		log_error("the cluster database holds what cannot be used: %s", bad.text);
	return batch_node(batch, message, err);
}

static int add_policy(
	struct batch *batch, const struct bhrec_network_policy *row, struct error *err)
{
	Bulkhead__V1__ClusterPolicy *message;
	struct error bad = { 0 };

	if (row_policy(row, &message, &bad) == 0)
		return batch_policy(batch, message, err);
	log_error("the cluster database holds what cannot be used: %s", bad.text);
	return 0;
}

static int add_policies(struct ovsdb_idl *idl, struct batch *batch, struct error *err)
{
	const struct bhrec_network_policy *policy;

	BHREC_NETWORK_POLICY_FOR_EACH(policy, idl)
	{
		if (add_policy(batch, policy, err) < 0)
			return -1;
	}
	return 0;
}

static int add_policies_gone(struct ovsdb_idl *idl, struct batch *batch, struct error *err)
{
	const struct bhrec_network_policy *policy;

	BHREC_NETWORK_POLICY_FOR_EACH_TRACKED(policy, idl)
	{
		if (bhrec_network_policy_is_deleted(policy) &&
			batch_policy_gone(batch, row_policy_key(policy), err) < 0)
			return -1;
	}
	return 0;
}

static int add_policies_changed(struct ovsdb_idl *idl, struct batch *batch, struct error *err)
{
	const struct bhrec_network_policy *policy;

	BHREC_NETWORK_POLICY_FOR_EACH_TRACKED(policy, idl)
	{
		if (!bhrec_network_policy_is_deleted(policy) && add_policy(batch, policy, err) < 0)
			return -1;
	}
	return 0;
}

static int add_all(struct ovsdb_idl *idl, struct batch *batch, struct error *err)
{
	const struct bhrec_project *project;
	const struct bhrec_secret *secret;
	const struct bhrec_node *node;

	BHREC_PROJECT_FOR_EACH(project, idl)
	{
		if (batch_project(batch, row_project(project), err) < 0)
			return -1;
	}
	BHREC_SECRET_FOR_EACH(secret, idl)
	{
		if (add_secret(batch, secret, err) < 0)
			return -1;
	}
	BHREC_NODE_FOR_EACH(node, idl)
	{
		if (add_node(batch, node, err) < 0)
			return -1;
	}
	return add_policies(idl, batch, err);
}

int report_all(struct database *db, struct ipc *ipc, struct error *err)
{
	struct batch batch;
	int r;

	batch_init(&batch, true, send_message, ipc);
	r = add_all(database_idl(db), &batch, err);
	if (r == 0)
		r = batch_finish(&batch, err);
	batch_done(&batch);
	ovsdb_idl_track_clear(database_idl(db));
	return r;
}

static int add_gone(struct ovsdb_idl *idl, struct batch *batch, struct error *err)
{
	const struct bhrec_project *project;
	const struct bhrec_secret *secret;
	const struct bhrec_node *node;

	if (add_policies_gone(idl, batch, err) < 0)
		return -1;
	BHREC_SECRET_FOR_EACH_TRACKED(secret, idl)
	{
		if (bhrec_secret_is_deleted(secret) &&
			batch_secret_gone(batch, row_secret_key(secret), err) < 0)
			return -1;
	}
	BHREC_PROJECT_FOR_EACH_TRACKED(project, idl)
	{
		if (bhrec_project_is_deleted(project) &&
			batch_project_gone(batch, xstrdup(project->name), err) < 0)
			return -1;
	}
	BHREC_NODE_FOR_EACH_TRACKED(node, idl)
	{
		if (bhrec_node_is_deleted(node) &&
			batch_node_gone(batch, xstrdup(node->name), err) < 0)
			return -1;
	}
	return 0;
}

static int add_changed(struct ovsdb_idl *idl, struct batch *batch, struct error *err)
{
	const struct bhrec_project *project;
	const struct bhrec_secret *secret;
	const struct bhrec_node *node;

	BHREC_PROJECT_FOR_EACH_TRACKED(project, idl)
	{
		if (!bhrec_project_is_deleted(project) &&
			batch_project(batch, row_project(project), err) < 0)
			return -1;
	}
	BHREC_SECRET_FOR_EACH_TRACKED(secret, idl)
	{
		if (!bhrec_secret_is_deleted(secret) && add_secret(batch, secret, err) < 0)
			return -1;
	}
	BHREC_NODE_FOR_EACH_TRACKED(node, idl)
	{
		if (!bhrec_node_is_deleted(node) && add_node(batch, node, err) < 0)
			return -1;
	}
	return add_policies_changed(idl, batch, err);
}

int report_changes(struct database *db, struct ipc *ipc, struct error *err)
{
	struct ovsdb_idl *idl = database_idl(db);
	struct batch batch;
	int r;

	batch_init(&batch, false, send_message, ipc);
	r = add_gone(idl, &batch, err);
	if (r == 0)
		r = add_changed(idl, &batch, err);
	if (r == 0 && !batch_is_empty(&batch))
		r = batch_finish(&batch, err);
	batch_done(&batch);
	ovsdb_idl_track_clear(idl);
	return r;
}

int report_away(struct ipc *ipc, struct error *err)
{
	Bulkhead__V1__ClusterDelta delta = BULKHEAD__V1__CLUSTER_DELTA__INIT;

	return ipc_table_send(ipc, IPC_CLUSTER_DELTA, 0, &delta.base, NULL, 0, NULL, err);
}
