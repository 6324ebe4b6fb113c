/*
 * What netd is told of the cluster's rows: all projects with their VNIDs, all other nodes. A hash
 * tells one state of them from another (it is never 0).
 */
#ifndef NODEAGENT_AGENT_NET_CLUSTER_H
#define NODEAGENT_AGENT_NET_CLUSTER_H

#include <stdint.h>

#include "nodeagent/agent/daemon.h"

struct agent;

/* The highest epoch ('moved') of a project. */
int64_t net_projects_epoch(const struct agent *agent);
uint64_t net_projects_hash(const struct agent *agent);

/*
 * NET_PROJECTS, in as many frames as it takes: all there are, as a CNI plugin may name any.
 * *ret_serial is the last one's, which is answered. As daemon_send().
 */
int net_projects_send(
	const struct agent *agent, struct daemon *daemon, uint32_t *ret_serial, struct error *err);

/* NET_PEERS: the nodes that have a subnet, without this one. As daemon_send(). */
uint64_t net_peers_hash(const struct agent *agent);
int net_peers_send(const struct agent *agent, struct daemon *daemon, struct error *err);

#endif
