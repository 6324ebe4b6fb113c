#include "nodeagent/agent/node.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fdio.h"
#include "lib/log.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/cluster.h"
#include "nodeagent/agent/config.h"
#include "nodeagent/agent/netd.h"
#include "nodeagent/agent/ovs.h"
#include "nodeagent/agent/peer_pods.h"
#include "nodeagent/agent/pods.h"
#include "nodeagent/agent/secretd.h"

enum step {
	STEP_WAIT, /* for the database and secretd's keys */
	STEP_ROW,
	STEP_PROJECT,
	STEP_NETWORK, /* the last: nothing is left to change */
};

struct node {
	struct agent *agent;
	char address[NODE_ADDRESS_SIZE];
	bool changing; /* a transaction is under way, for 'step' */
	enum step step;
	bool was_ready;   /* for the log */
	struct error why; /* the last transaction failed */
	sd_event_source *timer;
};

static void advance(struct node *node);

/* ---- its address --------------------------------------------------------------------------- */

static bool is_any(const char *host)
{
	return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

/* The first IPv4 address of a link that is up and not loopback; 127.0.0.1 on a machine without. */
static void find_address(const char *bridge, char ret[NODE_ADDRESS_SIZE])
{
	struct ifaddrs *all = NULL;

	snprintf(ret, NODE_ADDRESS_SIZE, "127.0.0.1");
	if (getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
		const struct sockaddr_in *in =
			(const struct sockaddr_in *)(const void *)a->ifa_addr;

		if (!in || in->sin_family != AF_INET || !(a->ifa_flags & IFF_UP) ||
			a->ifa_flags & IFF_LOOPBACK || strcmp(a->ifa_name, bridge) == 0)
			continue;
		inet_ntop(AF_INET, &in->sin_addr, ret, NODE_ADDRESS_SIZE);
		break;
	}
	freeifaddrs(all);
}

/* Unless it is configured: where it is called at, unless that is every address. */
static void choose_address(const Bulkhead__V1__NodeConfig *config, char ret[NODE_ADDRESS_SIZE])
{
	const char *host = config->listen;
	size_t len = (size_t)(strrchr(host, ':') - host);

	if (config->address[0]) {
		snprintf(ret, NODE_ADDRESS_SIZE, "%s", config->address);
		return;
	}
	if (host[0] == '[') {
		host++;
		len -= 2;
	}
	snprintf(ret, NODE_ADDRESS_SIZE, "%.*s", (int)len, host);
	if (is_any(ret) || len >= NODE_ADDRESS_SIZE)
		find_address(config->bridge, ret);
}

/* ---- its row ------------------------------------------------------------------------------- */

const Bulkhead__V1__ClusterNode *node_row(const struct node *node)
{
	return cluster_node(node->agent->cluster, node->agent->config->node_name);
}

const char *node_address(const struct node *node)
{
	return node->address;
}

static bool same_bytes(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* What the switch has is not known before netd has said so: then the row says what it had. */
static int64_t network_epoch(const struct node *node, const Bulkhead__V1__ClusterNode *row)
{
	int64_t had = row ? row->network_epoch : 0;
	int64_t has = netd_projects_epoch(node->agent->netd);

	return has > had ? has : had;
}

/* Without memory they are taken for said, until the next look. */
static bool pods_are_said(const struct node *node, const Bulkhead__V1__ClusterNode *row)
{
	struct peer_pods pods = { 0 };
	bool same = peer_pods_own(node->agent, &pods, NULL) < 0 || peer_pods_same(&pods, row);

	peer_pods_free(&pods);
	return same;
}

static bool row_is_right(const struct node *node)
{
	const Bulkhead__V1__ClusterNode *row = node_row(node);
	const Bulkhead__V1__SecretsHello *hello = secretd_hello(node->agent->secretd);

	return row && row->subnet[0] &&
	       (config_is_member(node->agent->config) ||
		       strcmp(row->address, node->address) == 0) &&
	       same_bytes(&row->sealing_key, &hello->sealing_key) &&
	       same_bytes(&row->sealing_key_signature, &hello->sealing_key_signature) &&
	       row->network_epoch == network_epoch(node, row) && pods_are_said(node, row);
}

/* Each step is taken when the one before is seen in the database. */
static enum step next_step(const struct node *node)
{
	const struct agent *agent = node->agent;

	if (!cluster_connected(agent->cluster) || !secretd_hello(agent->secretd))
		return STEP_WAIT;
	if (!row_is_right(node))
		return STEP_ROW;
	if (cluster_project(agent->cluster, NODE_DEFAULT_PROJECT))
		return STEP_NETWORK;
	/* A member does not make projects: its manager did. */
	return config_is_member(agent->config) ? STEP_WAIT : STEP_PROJECT;
}

static void retry_later(struct node *node)
{
	sd_event_source_set_time(node->timer, monotonic_usec() + NODE_RETRY_USEC);
	sd_event_source_set_enabled(node->timer, SD_EVENT_ONESHOT);
}

static void on_changed(
	void *user, const Bulkhead__V1__ClusterTxnReply *reply, const struct error *err)
{
	struct node *node = user;

	(void)reply;
	node->changing = false;
	if (err && err->code != ERR_EXISTS) {
		node->why = *err;
		log_warning("cannot register this node: %s", err->text);
		retry_later(node);
		return;
	}
	node->why = (struct error){ 0 };
	/* The rows came before this answer. What they do not show yet would be asked for again. */
	if (next_step(node) == node->step)
		retry_later(node);
	else
		advance(node);
}

static void change(struct node *node, const Bulkhead__V1__ClusterTxn *txn)
{
	if (cluster_change(node->agent->cluster, txn, on_changed, node, &node->why) < 0)
		retry_later(node);
	else
		node->changing = true;
}

static void put_row(struct node *node)
{
	const Bulkhead__V1__NodeConfig *config = node->agent->config;
	Bulkhead__V1__ClusterNode row = BULKHEAD__V1__CLUSTER_NODE__INIT;
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	struct peer_pods pods = { 0 };

	if (peer_pods_own(node->agent, &pods, &node->why) < 0) {
		retry_later(node);
		return;
	}
	row.pods = pods.items;
	row.n_pods = pods.len;
	row.name = config->node_name;
	row.address = node->address;
	row.sealing_key = secretd_hello(node->agent->secretd)->sealing_key;
	row.sealing_key_signature = secretd_hello(node->agent->secretd)->sealing_key_signature;
	row.network_epoch = network_epoch(node, node_row(node));
	txn.put_node = &row;
	change(node, &txn);
	peer_pods_free(&pods);
}

static void create_default(struct node *node)
{
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;

	txn.create_project = (char *)(uintptr_t)NODE_DEFAULT_PROJECT;
	change(node, &txn);
}

static void advance(struct node *node)
{
	if (node->changing)
		return;
	node->step = next_step(node);
	switch (node->step) {
	case STEP_WAIT:
		return;
	case STEP_ROW:
		put_row(node);
		return;
	case STEP_PROJECT:
		create_default(node);
		return;
	case STEP_NETWORK:
		if (netd_begin(node->agent->netd, node_row(node)->subnet, &node->why) < 0)
			retry_later(node);
		return;
	}
}

static int on_timer(sd_event_source *source, uint64_t usec, void *user)
{
	(void)source;
	(void)usec;
	advance(user);
	return 0;
}

void node_kick(struct node *node)
{
	char reason[NODE_REASON_SIZE];
	struct error err = { 0 };
	bool ready;

	if (!node)
		return;
	advance(node);
	ready = node_ready(node, reason, &err);
	if (ready && !node->was_ready)
		log_notice("node %s is ready", node->agent->config->node_name);
	else if (!ready && node->was_ready)
		log_warning("node %s is not ready: %s: %s", node->agent->config->node_name, reason,
			err.text);
	node->was_ready = ready;
	if (node->agent->pods)
		pods_kick(node->agent->pods);
}

/* ---- whether it is ready ------------------------------------------------------------------- */

static bool not_ready(char reason[NODE_REASON_SIZE], const char *word)
{
	snprintf(reason, NODE_REASON_SIZE, "%s", word);
	return false;
}

static bool cluster_ready(const struct node *node, char reason[NODE_REASON_SIZE], struct error *err)
{
	const struct cluster *cluster = node->agent->cluster;
	const char *away = cluster_away(cluster);

	if (cluster_connected(cluster))
		return true;
	error_set(err, ERR_UNAVAILABLE, 0, "the cluster database is not connected%s%s%s",
		away ? " (bulkhead-clusterd " : "", away ? away : "", away ? ")" : "");
	return not_ready(reason, "ClusterNotReady");
}

static bool secrets_ready(const struct node *node, char reason[NODE_REASON_SIZE], struct error *err)
{
	const struct secretd *secretd = node->agent->secretd;
	const char *away = secretd_away(secretd);

	if (secretd_hello(secretd) && !away)
		return true;
	error_set(err, ERR_UNAVAILABLE, 0, "bulkhead-secretd %s",
		away ? away : "has not said its keys yet");
	return not_ready(reason, "SecretsNotReady");
}

static bool network_ready(const struct node *node, char reason[NODE_REASON_SIZE], struct error *err)
{
	const struct netd *netd = node->agent->netd;
	const Bulkhead__V1__NetState *state = netd_state(netd);
	const char *away = netd_away(netd);

	if (netd_ready(netd))
		return true;
	if (away)
		error_set(err, ERR_UNAVAILABLE, 0, "bulkhead-netd is away: %s", away);
	else
		error_set(err, ERR_UNAVAILABLE, 0, "network: %s",
			state && state->reason[0] ? state->reason : "bulkhead-netd starts");
	return not_ready(reason, "NetworkNotReady");
}

bool node_ready(const struct node *node, char reason[NODE_REASON_SIZE], struct error *err)
{
	if (!ovs_running(node->agent->ovs, err))
		return not_ready(reason, "OpenVSwitchNotReady");
	if (!cluster_ready(node, reason, err) || !secrets_ready(node, reason, err))
		return false;
	if (!node_row(node) || !cluster_project(node->agent->cluster, NODE_DEFAULT_PROJECT)) {
		error_set(err, ERR_UNAVAILABLE, 0, "this node is not registered yet%s%s",
			node->why.text[0] ? ": " : "", node->why.text);
		return not_ready(reason, "NotRegistered");
	}
	return network_ready(node, reason, err);
}

/* ---- for the agent ------------------------------------------------------------------------- */

int node_new(struct node **ret, struct agent *agent, struct error *err)
{
	struct node *node = calloc(1, sizeof(*node));
	int r;

	if (!node)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot register this node");
	node->agent = agent;
	choose_address(agent->config, node->address);
	r = sd_event_add_time(
		agent->event, &node->timer, CLOCK_MONOTONIC, UINT64_MAX, 0, on_timer, node);
	if (r >= 0)
		r = sd_event_source_set_enabled(node->timer, SD_EVENT_OFF);
	if (r < 0) {
		node_free(node);
		return error_set(err, error_code_of(-r), -r, "cannot make a timer");
	}
	*ret = node;
	return 0;
}

void node_free(struct node *node)
{
	if (!node)
		return;
	sd_event_source_disable_unref(node->timer);
	free(node);
}
