/*
 * What a cluster's size costs one node, without a switch: computing the flows of its own pods and
 * of all other nodes, keeping them, and comparing them with a dump. Pods of other nodes cost
 * nothing: they lie behind their node's subnet. bench_flows [NODES].
 */
#include <config.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/ovs.h"
#include "netplugin/flow_set.h"
#include "netplugin/names.h"
#include "netplugin/netd.h"
#include "netplugin/peers.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

#define PODS     75 /* of 150,000 on 2,000 nodes */
#define PROTOCOL OFPUTIL_P_OF15_OXM
#define SAMPLES  20

/* As a dump would bring it. */
struct row {
	struct ofputil_flow_stats stats;
	struct ofpbuf ofpacts;
};

struct bench {
	struct flow_node node;
	struct flow_list *objects;
	uint64_t *cookies;
	size_t objects_len;
	size_t flows;
	struct flow_set *set;
	struct row *rows;
	size_t rows_len;
};

static void must(int result, const struct error *err)
{
	if (result == 0)
		return;
	fprintf(stderr, "bench_flows: %s\n", err->text);
	exit(1);
}

static double since(uint64_t usec)
{
	return (double)(monotonic_usec() - usec) / 1000;
}

static struct flow_peer peer_of(size_t i)
{
	return (struct flow_peer){
		.subnet = { 0x0a800000 + (uint32_t)(i + 1) * 128, 25 },
		.address = 0xac100000 + (uint32_t)i + 2,
	};
}

static struct flow_port port_of(size_t i)
{
	return (struct flow_port){ 0x0a800002 + (uint32_t)i, 11 + (uint32_t)i * 130,
		2 + (uint32_t)i };
}

static struct flow_list *next(struct bench *bench, uint64_t cookie)
{
	bench->cookies[bench->objects_len] = cookie;
	return &bench->objects[bench->objects_len++];
}

/* A project each: more flows than if some shared one. */
static void compute(struct bench *bench, size_t peers)
{
	struct error err;

	must(flows_base(&bench->node, next(bench, flow_cookie(FLOW_BASE, 0)), &err), &err);
	for (size_t i = 0; i < PODS; i++) {
		const struct flow_port port = port_of(i);

		must(flows_pod(&port, next(bench, flow_cookie(FLOW_POD, port.address)), &err),
			&err);
		must(flows_vnid(port.vnid, next(bench, flow_cookie(FLOW_VNID, port.vnid)), &err),
			&err);
	}
	for (size_t i = 0; i < peers; i++) {
		const struct flow_peer peer = peer_of(i);

		must(flows_peer(&bench->node, &peer,
			     next(bench, flow_cookie(FLOW_PEER, peer.subnet.address)), &err),
			&err);
	}
	for (size_t i = 0; i < bench->objects_len; i++)
		bench->flows += bench->objects[i].len;
}

static void want(struct bench *bench)
{
	struct error err;

	for (size_t i = 0; i < bench->objects_len; i++)
		must(flow_set_want(bench->set, bench->cookies[i], &bench->objects[i], &err), &err);
}

/* The bundle's messages, read as the switch would read them. */
static void make_rows(struct bench *bench, struct ovs_list *requests)
{
	struct ofpbuf *request;

	bench->rows = xcalloc(bench->flows, sizeof(*bench->rows));
	LIST_FOR_EACH_POP(request, list_node, requests)
	{
		struct row *row = &bench->rows[bench->rows_len++];
		struct ofputil_flow_mod mod;

		ofpbuf_init(&row->ofpacts, 64);
		if (ofputil_decode_flow_mod(&mod, request->data, PROTOCOL, NULL, NULL,
			    &row->ofpacts, u16_to_ofp(OFPP_MAX), 255) != 0)
			abort();
		minimatch_expand(&mod.match, &row->stats.match);
		minimatch_destroy(&mod.match);
		row->stats.cookie = mod.new_cookie;
		row->stats.table_id = mod.table_id;
		row->stats.priority = (uint16_t)mod.priority;
		row->stats.ofpacts = mod.ofpacts;
		row->stats.ofpacts_len = mod.ofpacts_len;
		ofpbuf_delete(request);
	}
}

static double compare(struct bench *bench)
{
	uint64_t start = monotonic_usec();

	flow_set_forget(bench->set);
	for (size_t i = 0; i < bench->rows_len; i++)
		flow_set_have(bench->set, &bench->rows[i].stats);
	if (flow_set_differences(bench->set) != 0)
		abort();
	return since(start);
}

/* A pod comes and goes. */
static double change(struct bench *bench)
{
	const struct flow_port port = port_of(PODS);
	struct flow_list list = { 0 };
	uint64_t start = monotonic_usec();
	struct error err;

	must(flows_pod(&port, &list, &err), &err);
	must(flow_set_want(bench->set, flow_cookie(FLOW_POD, port.address), &list, &err), &err);
	flow_list_done(&list);
	must(flow_set_want(bench->set, flow_cookie(FLOW_POD, port.address), &list, &err), &err);
	return since(start);
}

/* NET_PEERS, and the same of which one is another. */
static double tell(struct netd *netd, size_t peers, size_t other)
{
	Bulkhead__V1__NetPeers message = BULKHEAD__V1__NET_PEERS__INIT;
	Bulkhead__V1__NetPeer *rows = xcalloc(peers, sizeof(*rows));
	Bulkhead__V1__NetPeer **list = xcalloc(peers, sizeof(Bulkhead__V1__NetPeer *));
	char(*texts)[2][IPNET_TEXT_SIZE] = xcalloc(peers, sizeof(*texts));
	struct error err;
	uint64_t start;
	double msec;

	for (size_t i = 0; i < peers; i++) {
		const struct flow_peer peer = peer_of(i + (i == 0 ? other : 0));

		ipnet_format(&peer.subnet, texts[i][0]);
		address_format(peer.address, texts[i][1]);
		bulkhead__v1__net_peer__init(&rows[i]);
		rows[i].subnet = texts[i][0];
		rows[i].address = texts[i][1];
		list[i] = &rows[i];
	}
	message.peers = list;
	message.n_peers = peers;
	start = monotonic_usec();
	must(peers_set(netd, &message, &err), &err);
	msec = since(start);
	free(rows);
	free(list);
	free(texts);
	return msec;
}

static void show(const char *what, double msec, size_t n, const char *unit)
{
	printf("  %-52s %9.2f ms  %8.2f us a %s\n", what, msec, msec * 1000 / (double)n, unit);
}

static void run(size_t peers)
{
	struct bench bench = { .node = { { 0x0a800000, 25 }, { 0x0a800000, 9 }, 1 } };
	struct netd netd = { .config.node = bench.node };
	struct ovs_list requests = OVS_LIST_INITIALIZER(&requests);
	size_t max = 1 + 2 * PODS + peers, before;
	double msec = 0;
	uint64_t start;

	bench.objects = xcalloc(max, sizeof(*bench.objects));
	bench.cookies = xcalloc(max, sizeof(*bench.cookies));
	bench.set = flow_set_new();
	start = monotonic_usec();
	compute(&bench, peers);
	printf("\nflows of one node of %zu, %d pods here: %zu, without a switch\n", peers + 1, PODS,
		bench.flows);
	show("computed, as text", since(start), bench.flows, "flow");
	before = mallinfo2().uordblks;
	start = monotonic_usec();
	want(&bench);
	show("parsed and kept", since(start), bench.flows, "flow");
	printf("  %-52s %9.2f MiB %8.0f bytes a flow\n", "memory of that",
		(double)(mallinfo2().uordblks - before) / (1 << 20),
		(double)(mallinfo2().uordblks - before) / (double)bench.flows);
	start = monotonic_usec();
	flow_set_send(bench.set, &requests);
	show("messages of a bundle of all", since(start), bench.flows, "flow");
	make_rows(&bench, &requests);
	flow_set_sent_done(bench.set, 1);
	show("compared with a dump that has them", compare(&bench), bench.flows, "flow");
	for (size_t i = 0; i < SAMPLES; i++)
		msec += change(&bench) / SAMPLES;
	show("a pod comes and goes", msec, 1, "pod");
	netd.peers = peers_new();
	netd.flows = flow_sync_new("unix:/nowhere");
	show("the other nodes told the first time", tell(&netd, peers, 0), peers, "node");
	show("again, one is another", tell(&netd, peers, peers), peers, "node");
}

int main(int argc, char **argv)
{
	size_t peers = argc > 1 ? strtoul(argv[1], NULL, 10) : 1999;

	if (peers < 1 || peers > PEERS_MAX) {
		fprintf(stderr, "bench_flows: NODES is from 1 to %d\n", PEERS_MAX);
		return 2;
	}
	ovs_prepare();
	run(peers / 4);
	run(peers);
	return 0;
}
