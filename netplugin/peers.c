#include <config.h>

#include <stdlib.h>

#include "lib/log.h"
#include "netplugin/netd.h"
#include "netplugin/peers.h"
#include "util.h"

struct peers {
	struct flow_peer *list;
	size_t len;
	bool known; /* the agent has said them once */
};

struct peers *peers_new(void)
{
	return xzalloc(sizeof(struct peers));
}

bool peers_known(const struct peers *peers)
{
	return peers->known;
}

const struct flow_peer *peers_find(const struct peers *peers, uint32_t address)
{
	for (size_t i = 0; i < peers->len; i++) {
		if (ipnet_contains(&peers->list[i].subnet, address))
			return &peers->list[i];
	}
	return NULL;
}

static bool overlap(const struct ipnet *a, const struct ipnet *b)
{
	return ipnet_contains(a, b->address) || ipnet_contains(b, a->address);
}

static int check_peer(const struct netd *netd, const struct flow_peer *list, size_t len,
	const char *name, struct error *err)
{
	const struct flow_node *node = &netd->config.node;
	const struct flow_peer *peer = &list[len];

	if (peer->subnet.prefix < node->cluster.prefix ||
		!ipnet_contains(&node->cluster, peer->subnet.address))
		return error_set(err, ERR_INVALID, 0,
			"subnet: that of node '%.64s' does not lie in the cluster's network", name);
	if (overlap(&peer->subnet, &node->subnet))
		return error_set(err, ERR_INVALID, 0,
			"subnet: that of node '%.64s' is this node's, too", name);
	for (size_t i = 0; i < len; i++) {
		if (overlap(&peer->subnet, &list[i].subnet))
			return error_set(err, ERR_INVALID, 0,
				"subnet: that of node '%.64s' is another's, too", name);
	}
	return 0;
}

/* All are looked at before anything changes. */
static int parse(const struct netd *netd, const Bulkhead__V1__NetPeers *message,
	struct flow_peer *list, struct error *err)
{
	for (size_t i = 0; i < message->n_peers; i++) {
		const Bulkhead__V1__NetPeer *peer = message->peers[i];

		if (ipnet_parse(peer->subnet, "subnet", &list[i].subnet, err) < 0 ||
			address_parse(peer->address, &list[i].address, err) < 0)
			return error_prefix(err, "node '%.64s'", peer->node);
		if (check_peer(netd, list, i, peer->node, err) < 0)
			return -1;
	}
	return 0;
}

static const struct flow_peer *find(
	const struct flow_peer *list, size_t len, const struct flow_peer *peer)
{
	for (size_t i = 0; i < len; i++) {
		if (list[i].subnet.address == peer->subnet.address)
			return &list[i];
	}
	return NULL;
}

static int want(struct netd *netd, const struct flow_peer *peer, bool wanted, struct error *err)
{
	struct flow_list list = { 0 };
	int r = 0;

	if (wanted)
		r = flows_peer(&netd->config.node, peer, &list, err);
	if (r == 0)
		r = flow_sync_want(netd->flows, flow_cookie(FLOW_PEER, peer->subnet.address), &list,
			NULL, err);
	flow_list_done(&list);
	return r;
}

static int replace(struct netd *netd, struct flow_peer *list, size_t len, struct error *err)
{
	struct peers *peers = netd->peers;

	for (size_t i = 0; i < peers->len; i++) {
		if (!find(list, len, &peers->list[i]) &&
			want(netd, &peers->list[i], false, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < len; i++) {
		if (want(netd, &list[i], true, err) < 0)
			return -1;
	}
	free(peers->list);
	peers->list = list;
	peers->len = len;
	peers->known = true;
	return 0;
}

int peers_set(struct netd *netd, const Bulkhead__V1__NetPeers *message, struct error *err)
{
	struct flow_peer *list;

	if (!netd->config.node.overlay)
		return error_set(err, ERR_INVALID, 0,
			"peers: this node has no --tunnel-address to reach others from");
	if (message->n_peers > PEERS_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "peers: %zu nodes are more than %d",
			message->n_peers, PEERS_MAX);
	list = xcalloc(message->n_peers + 1, sizeof(*list));
	if (parse(netd, message, list, err) < 0 || replace(netd, list, message->n_peers, err) < 0) {
		free(list);
		return -1;
	}
	log_info("%zu other nodes", message->n_peers);
	return 0;
}
