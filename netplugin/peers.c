#include <config.h>

#include <stdlib.h>

#include "lib/log.h"
#include "netplugin/netd.h"
#include "netplugin/peers.h"
#include "util.h"

struct peers {
	struct flow_peer *list; /* sorted by subnet */
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

const struct flow_peer *peers_at(const struct peers *peers, size_t i)
{
	return i < peers->len ? &peers->list[i] : NULL;
}

static bool overlap(const struct ipnet *a, const struct ipnet *b)
{
	return ipnet_contains(a, b->address) || ipnet_contains(b, a->address);
}

static int check_peer(
	const struct netd *netd, const struct flow_peer *peer, const char *name, struct error *err)
{
	const struct flow_node *node = &netd->config.node;

	if (peer->subnet.prefix < node->cluster.prefix ||
		!ipnet_contains(&node->cluster, peer->subnet.address))
		return error_set(err, ERR_INVALID, 0,
			"subnet: that of node '%.64s' does not lie in the cluster's network", name);
	if (overlap(&peer->subnet, &node->subnet))
		return error_set(err, ERR_INVALID, 0,
			"subnet: that of node '%.64s' is this node's, too", name);
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct ipnet *x = &((const struct flow_peer *)a)->subnet;
	const struct ipnet *y = &((const struct flow_peer *)b)->subnet;

	return x->address != y->address ? (x->address > y->address) - (x->address < y->address)
					: (x->prefix > y->prefix) - (x->prefix < y->prefix);
}

/* Of networks in this order two overlap only if two neighbours do. */
static int check_all(const struct flow_peer *list, size_t len, struct error *err)
{
	for (size_t i = 1; i < len; i++) {
		char text[IPNET_TEXT_SIZE];

		if (!overlap(&list[i - 1].subnet, &list[i].subnet))
			continue;
		ipnet_format(&list[i].subnet, text);
		return error_set(err, ERR_INVALID, 0, "subnet: two nodes have %s", text);
	}
	return 0;
}

/* All are looked at before anything changes, and sorted. */
static int parse(const struct netd *netd, const Bulkhead__V1__NetPeers *message,
	struct flow_peer *list, struct error *err)
{
	for (size_t i = 0; i < message->n_peers; i++) {
		const Bulkhead__V1__NetPeer *peer = message->peers[i];

		if (ipnet_parse(peer->subnet, "subnet", &list[i].subnet, err) < 0 ||
			address_parse(peer->address, &list[i].address, err) < 0)
			return error_prefix(err, "node '%.64s'", peer->node);
		if (check_peer(netd, &list[i], peer->node, err) < 0)
			return -1;
	}
	qsort(list, message->n_peers, sizeof(*list), compare);
	return check_all(list, message->n_peers, err);
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

/* Which of the two comes first; one that is at its end does not. */
static int order(const struct flow_peer *old, const struct flow_peer *old_end,
	const struct flow_peer *new, const struct flow_peer *new_end)
{
	if (old == old_end || new == new_end)
		return old == old_end ? 1 : -1;
	return (old->subnet.address > new->subnet.address) -
	       (old->subnet.address < new->subnet.address);
}

/* Side by side through what was and what shall be: only what differs is computed. */
static int replace(struct netd *netd, struct flow_peer *list, size_t len, struct error *err)
{
	struct peers *peers = netd->peers;
	const struct flow_peer *old = peers->list, *old_end = old + peers->len;
	const struct flow_peer *new = list, *new_end = list + len;

	while (old < old_end || new < new_end) {
		int which = order(old, old_end, new, new_end);

		if (which < 0 && want(netd, old, false, err) < 0)
			return -1;
		if (which > 0 && want(netd, new, true, err) < 0)
			return -1;
		if (which == 0 &&
			(old->subnet.prefix != new->subnet.prefix ||
				old->address != new->address) &&
			want(netd, new, true, err) < 0)
			return -1;
		old += which <= 0;
		new += which >= 0;
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
