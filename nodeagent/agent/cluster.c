#include "nodeagent/agent/cluster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/config.h"
#include "nodeagent/agent/cluster_cache.h"
#include "nodeagent/agent/daemon.h"
#include "nodeagent/agent/netd.h"
#include "nodeagent/agent/node.h"
#include "nodeagent/agent/ovs.h"
#include "nodeagent/agent/quotas.h"
#include "nodeagent/agent/pending.h"

struct cluster {
	struct agent *agent;
	struct daemon *daemon;
	struct cluster_cache cache;
	struct pending_list changes;
};

struct change {
	struct pending pending; /* first: the list frees it */
	cluster_done_fn done;
};

static void changes_fail(struct cluster *cluster, const struct error *err)
{
	struct change *change;

	while ((change = (struct change *)pending_take_any(&cluster->changes))) {
		change->done(change->pending.user, NULL, err);
		free(change);
	}
}

static void on_reply(
	struct cluster *cluster, uint32_t serial, const Bulkhead__V1__ClusterTxnReply *reply)
{
	struct change *change = (struct change *)pending_take(&cluster->changes, serial);
	struct error err = { 0 };

	if (!change)
		return;
	if (ipc_error_unpack(reply->error, &err) < 0)
		change->done(change->pending.user, NULL, &err);
	else
		change->done(change->pending.user, reply, NULL);
	free(change);
}

static int on_frame(
	void *user, struct ipc_frame *frame, const ProtobufCMessage *message, struct error *err)
{
	struct cluster *cluster = user;
	bool complete = true;
	int r;

	if (frame->type == IPC_CLUSTER_TXN_REPLY) {
		on_reply(cluster, frame->reply_to, (const Bulkhead__V1__ClusterTxnReply *)message);
		return 0;
	}
	if (frame->type == IPC_CLUSTER_SNAPSHOT)
		r = cluster_cache_snapshot(&cluster->cache,
			(const Bulkhead__V1__ClusterSnapshot *)message, &complete, err);
	else
		r = cluster_cache_delta(&cluster->cache,
			(const Bulkhead__V1__ClusterDelta *)message, &complete, err);
	if (r == 0 && complete) {
		node_kick(cluster->agent->node);
		if (cluster->agent->netd)
			netd_cluster_kick(cluster->agent->netd);
		if (cluster->agent->quotas)
			quotas_kick(cluster->agent->quotas);
	}
	return r;
}

static void on_lost(void *user, const struct error *err)
{
	struct cluster *cluster = user;

	cluster_cache_lost(&cluster->cache);
	changes_fail(cluster, err);
	node_kick(cluster->agent->node);
}

static const struct daemon_ops daemon_ops = { .frame = on_frame, .lost = on_lost };

static int start_daemon(struct cluster *cluster, struct error *err)
{
	const Bulkhead__V1__NodeConfig *node = cluster->agent->config;
	cleanup_free char *db = NULL, *root = NULL;
	char uid[16], bits[16];
	int made = asprintf(&db, "unix:%s/ovs/" OVS_CLUSTER ".sock", node->run_dir) |
		   asprintf(&root, "%s/empty", node->run_dir);
	const char *args[] = { "--db", db, "--uid", uid, "--gid", uid, "--root", root,
		"--cluster-network", node->cluster_network, "--host-subnet-bits", bits,
		config_is_member(node) ? "--member" : NULL, NULL };
	const struct daemon_config config = {
		.event = cluster->agent->event,
		.dir = node->libexec_dir,
		.name = "bulkhead-clusterd",
		.role = IPC_CLUSTERD,
		.args = args,
	};

	if (made < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot start bulkhead-clusterd");
	snprintf(uid, sizeof(uid), "%u", node->clusterd_uid);
	snprintf(bits, sizeof(bits), "%u", node->host_subnet_bits);
	return daemon_new(&cluster->daemon, &config, &daemon_ops, cluster, err);
}

int cluster_new(struct cluster **ret, struct agent *agent, struct error *err)
{
	struct cluster *cluster = calloc(1, sizeof(*cluster));

	if (!cluster)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot start bulkhead-clusterd");
	cluster->agent = agent;
	if (start_daemon(cluster, err) < 0) {
		cluster_free(cluster);
		return -1;
	}
	*ret = cluster;
	return 0;
}

void cluster_free(struct cluster *cluster)
{
	struct pending *change;

	if (!cluster)
		return;
	daemon_free(cluster->daemon);
	while ((change = pending_take_any(&cluster->changes)))
		free(change);
	cluster_cache_done(&cluster->cache);
	free(cluster);
}

bool cluster_known(const struct cluster *cluster)
{
	return cluster->cache.known;
}

bool cluster_connected(const struct cluster *cluster)
{
	return cluster->cache.connected;
}

const Bulkhead__V1__ClusterProject *cluster_project(const struct cluster *cluster, const char *name)
{
	return (const Bulkhead__V1__ClusterProject *)cluster_cache_find(
		&cluster->cache, CLUSTER_PROJECTS, "", name);
}

const Bulkhead__V1__ClusterSecret *cluster_secret(
	const struct cluster *cluster, const char *project, const char *name)
{
	return (const Bulkhead__V1__ClusterSecret *)cluster_cache_find(
		&cluster->cache, CLUSTER_SECRETS, project, name);
}

const Bulkhead__V1__ClusterNode *cluster_node(const struct cluster *cluster, const char *name)
{
	return (const Bulkhead__V1__ClusterNode *)cluster_cache_find(
		&cluster->cache, CLUSTER_NODES, "", name);
}

const Bulkhead__V1__ClusterPolicy *cluster_policy(
	const struct cluster *cluster, const char *project, const char *name)
{
	return (const Bulkhead__V1__ClusterPolicy *)cluster_cache_find(
		&cluster->cache, CLUSTER_POLICIES, project, name);
}

const Bulkhead__V1__ClusterPolicy *cluster_policy_at(const struct cluster *cluster, size_t i)
{
	return (const Bulkhead__V1__ClusterPolicy *)cluster_cache_at(
		&cluster->cache, CLUSTER_POLICIES, i);
}

const Bulkhead__V1__ClusterProject *cluster_project_at(const struct cluster *cluster, size_t i)
{
	return (const Bulkhead__V1__ClusterProject *)cluster_cache_at(
		&cluster->cache, CLUSTER_PROJECTS, i);
}

const Bulkhead__V1__ClusterSecret *cluster_secret_at(const struct cluster *cluster, size_t i)
{
	return (const Bulkhead__V1__ClusterSecret *)cluster_cache_at(
		&cluster->cache, CLUSTER_SECRETS, i);
}

const Bulkhead__V1__ClusterNode *cluster_node_at(const struct cluster *cluster, size_t i)
{
	return (const Bulkhead__V1__ClusterNode *)cluster_cache_at(
		&cluster->cache, CLUSTER_NODES, i);
}

int cluster_change(struct cluster *cluster, const Bulkhead__V1__ClusterTxn *txn,
	cluster_done_fn done, void *user, struct error *err)
{
	struct change *change;

	/* Callers send as much as they like, and may be gone before it is read. */
	if (daemon_crowded(cluster->daemon))
		return error_set(err, ERR_EXHAUSTED, 0,
			"too many changes of the cluster wait already; try again");
	change = calloc(1, sizeof(*change));
	if (!change)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for a change");
	change->pending.user = user;
	change->done = done;
	if (daemon_send(cluster->daemon, IPC_CLUSTER_TXN, &txn->base, NULL, 0,
		    &change->pending.serial, err) < 0) {
		free(change);
		return -1;
	}
	pending_add(&cluster->changes, &change->pending);
	return 0;
}

void cluster_forget(struct cluster *cluster, const void *user)
{
	pending_forget(&cluster->changes, user);
}

const char *cluster_away(const struct cluster *cluster)
{
	return daemon_running(cluster->daemon) ? NULL : daemon_reason(cluster->daemon);
}
