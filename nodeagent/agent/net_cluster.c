#include "nodeagent/agent/net_cluster.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/cluster.h"
#include "nodeagent/agent/quotas.h"

#define PROJECTS_FRAME_MAX 8192 /* rows of one frame: what a receiver takes (WIRE_FIELDS_MAX) */

/* ---- NET_PROJECTS -------------------------------------------------------------------------- */

int64_t net_projects_epoch(const struct agent *agent)
{
	const Bulkhead__V1__ClusterProject *project;
	int64_t epoch = 0;

	for (size_t i = 0; (project = cluster_project_at(agent->cluster, i)); i++)
		epoch = project->moved > epoch ? project->moved : epoch;
	return epoch;
}

/* FNV-1a. */
static uint64_t mix(uint64_t hash, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}

uint64_t net_projects_hash(const struct agent *agent)
{
	const Bulkhead__V1__ClusterProject *project;
	struct bandwidth bandwidth;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; (project = cluster_project_at(agent->cluster, i)); i++) {
		hash = mix(hash, project->name, strlen(project->name) + 1);
		hash = mix(hash, &project->vnid, sizeof(project->vnid));
		hash = mix(hash, &project->moved, sizeof(project->moved));
		quotas_bandwidth(project, &bandwidth);
		hash = mix(hash, &bandwidth, sizeof(bandwidth));
	}
	return hash | 1;
}

struct project_row {
	Bulkhead__V1__NetProject message;
	Bulkhead__V1__NetBandwidth bandwidth;
};

static void row_fill(const Bulkhead__V1__ClusterProject *project, struct project_row *ret)
{
	struct bandwidth bandwidth;

	bulkhead__v1__net_project__init(&ret->message);
	ret->message.name = project->name;
	ret->message.vnid = project->vnid;
	quotas_bandwidth(project, &bandwidth);
	if (!bandwidth.rate[BANDWIDTH_INGRESS] && !bandwidth.rate[BANDWIDTH_EGRESS])
		return;
	bulkhead__v1__net_bandwidth__init(&ret->bandwidth);
	ret->bandwidth.ingress = bandwidth.rate[BANDWIDTH_INGRESS];
	ret->bandwidth.egress = bandwidth.rate[BANDWIDTH_EGRESS];
	ret->message.bandwidth = &ret->bandwidth;
	ret->message.number = project->block;
}

/* 'part' of the rows, as many as one frame takes; 'serial' is that frame's. 1: there are more. */
static int projects_send_part(const struct agent *agent, struct daemon *daemon, uint32_t part,
	struct project_row *rows, Bulkhead__V1__NetProject **list, uint32_t *serial,
	struct error *err)
{
	const size_t first = (size_t)part * PROJECTS_FRAME_MAX;
	const struct cluster *cluster = agent->cluster;
	const Bulkhead__V1__ClusterProject *project;
	Bulkhead__V1__NetProjects message = BULKHEAD__V1__NET_PROJECTS__INIT;
	size_t n = 0;

	while (n < PROJECTS_FRAME_MAX && (project = cluster_project_at(cluster, first + n))) {
		row_fill(project, &rows[n]);
		list[n] = &rows[n].message;
		n++;
	}
	message.part = part;
	message.projects = list;
	message.n_projects = n;
	message.more = cluster_project_at(cluster, first + n) != NULL;
	if (daemon_send(daemon, IPC_NET_PROJECTS, &message.base, NULL, 0, serial, err) < 0)
		return -1;
	return message.more;
}

int net_projects_send(
	const struct agent *agent, struct daemon *daemon, uint32_t *ret_serial, struct error *err)
{
	cleanup_free struct project_row *rows = calloc(PROJECTS_FRAME_MAX, sizeof(*rows));
	cleanup_free Bulkhead__V1__NetProject **list =
		calloc(PROJECTS_FRAME_MAX, sizeof(Bulkhead__V1__NetProject *));
	uint32_t serial = 0, part = 0;
	int r;

	if (!rows || !list)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for a list of projects");
	while ((r = projects_send_part(agent, daemon, part, rows, list, &serial, err)) > 0)
		part++;
	if (r == 0)
		*ret_serial = serial;
	return r;
}

/* ---- NET_PEERS ----------------------------------------------------------------------------- */

static bool is_peer(const struct agent *agent, const Bulkhead__V1__ClusterNode *node)
{
	return node->subnet[0] && strcmp(node->name, agent->config->node_name) != 0;
}

uint64_t net_peers_hash(const struct agent *agent)
{
	const Bulkhead__V1__ClusterNode *node;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; (node = cluster_node_at(agent->cluster, i)); i++) {
		if (!is_peer(agent, node))
			continue;
		hash = mix(hash, node->name, strlen(node->name) + 1);
		hash = mix(hash, node->address, strlen(node->address) + 1);
		hash = mix(hash, node->subnet, strlen(node->subnet) + 1);
	}
	return hash | 1;
}

int net_peers_send(const struct agent *agent, struct daemon *daemon, struct error *err)
{
	const struct cluster *cluster = agent->cluster;
	const Bulkhead__V1__ClusterNode *node;
	Bulkhead__V1__NetPeers message = BULKHEAD__V1__NET_PEERS__INIT;
	cleanup_free Bulkhead__V1__NetPeer *rows = NULL;
	cleanup_free Bulkhead__V1__NetPeer **list = NULL;
	size_t len = 0;

	while (cluster_node_at(cluster, len))
		len++;
	rows = calloc(len + 1, sizeof(*rows));
	list = calloc(len + 1, sizeof(Bulkhead__V1__NetPeer *));
	if (!rows || !list)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for a list of nodes");
	for (size_t i = 0; (node = cluster_node_at(cluster, i)); i++) {
		Bulkhead__V1__NetPeer *row = &rows[message.n_peers];

		if (!is_peer(agent, node))
			continue;
		bulkhead__v1__net_peer__init(row);
		row->node = node->name;
		row->address = node->address;
		row->subnet = node->subnet;
		list[message.n_peers++] = row;
	}
	message.peers = list;
	return daemon_send(daemon, IPC_NET_PEERS, &message.base, NULL, 0, NULL, err);
}
