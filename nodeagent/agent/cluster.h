/*
 * What the agent knows of the cluster: the last snapshot that bulkhead-clusterd gave, kept over its
 * restarts and the database's absence; and changes to it.
 */
#ifndef NODEAGENT_AGENT_CLUSTER_H
#define NODEAGENT_AGENT_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>

#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/error.h"

struct agent;
struct cluster;

/* Starts the supervised daemon. */
int cluster_new(struct cluster **ret, struct agent *agent, struct error *err);
void cluster_free(struct cluster *cluster);

/* Whether a snapshot ever came; whether the database is there now. */
bool cluster_known(const struct cluster *cluster);
bool cluster_connected(const struct cluster *cluster);

/* Why the daemon is away; NULL while it runs. Borrowed. */
const char *cluster_away(const struct cluster *cluster);

/* Borrowed until the next event; NULL when there is none. */
const Bulkhead__V1__ClusterProject *cluster_project(
	const struct cluster *cluster, const char *name);
const Bulkhead__V1__ClusterSecret *cluster_secret(
	const struct cluster *cluster, const char *project, const char *name);
const Bulkhead__V1__ClusterNode *cluster_node(const struct cluster *cluster, const char *name);
const Bulkhead__V1__ClusterPolicy *cluster_policy(
	const struct cluster *cluster, const char *project, const char *name);

/* The i-th, sorted by name (secrets and policies by project, name); NULL past the last. */
const Bulkhead__V1__ClusterProject *cluster_project_at(const struct cluster *cluster, size_t i);
const Bulkhead__V1__ClusterSecret *cluster_secret_at(const struct cluster *cluster, size_t i);
const Bulkhead__V1__ClusterNode *cluster_node_at(const struct cluster *cluster, size_t i);
const Bulkhead__V1__ClusterPolicy *cluster_policy_at(const struct cluster *cluster, size_t i);

/* 'reply' is NULL when 'err' is set. */
typedef void (*cluster_done_fn)(
	void *user, const Bulkhead__V1__ClusterTxnReply *reply, const struct error *err);

/* Sends one change; 'done' is called once, later, also when clusterd dies. */
int cluster_change(struct cluster *cluster, const Bulkhead__V1__ClusterTxn *txn,
	cluster_done_fn done, void *user, struct error *err);

/* Whoever waits with 'user' is gone: its 'done' is not called. */
void cluster_forget(struct cluster *cluster, const void *user);

#endif
