#include "tests/priv/net/model.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "netplugin/flows.h"
#include "netplugin/names.h"

#define must(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "model: %s\n", #condition);                                \
			exit(99);                                                                  \
		}                                                                                  \
	} while (0)

void model_init(struct model *model, struct lab *lab)
{
	*model = (struct model){ .lab = lab };
	for (size_t i = 0; i < MODEL_PODS; i++)
		pod_open(lab, &model->pods[i].pod, "", 0);
	for (uint32_t i = 0; i < MODEL_PROJECTS; i++)
		model->vnids[i] = 11 + i;
}

void model_done(struct model *model)
{
	for (size_t i = 0; i < MODEL_PODS; i++)
		pod_close(&model->pods[i].pod);
}

uint32_t model_vnid(const struct model *model, const struct model_pod *pod)
{
	return model->vnids[pod->project];
}

void model_peer_subnet(unsigned i, char text[32])
{
	snprintf(text, 32, "10.129.%u.0/24", i);
}

void model_peer_address(const struct model_peer *peer, char text[32])
{
	snprintf(text, 32, "192.0.2.%u", peer->host);
}

/* ---- flows --------------------------------------------------------------------------------- */

static void add_pods(const struct model *model, struct flow_list *list, struct error *err)
{
	for (size_t i = 0; i < MODEL_PODS; i++) {
		const struct model_pod *pod = &model->pods[i];
		const struct flow_port port = {
			.address = pod->pod.address,
			.vnid = model_vnid(model, pod),
			.ofport = pod->pod.ofport,
		};
		size_t before = 0;

		if (!pod->alive)
			continue;
		must(flows_pod(&port, list, err) == 0);
		while (before < i && (!model->pods[before].alive ||
					     model_vnid(model, &model->pods[before]) != port.vnid))
			before++;
		if (before == i && port.vnid != VNID_GLOBAL)
			must(flows_vnid(port.vnid, list, err) == 0);
	}
}

static void add_peers(const struct model *model, const struct flow_node *node,
	struct flow_list *list, struct error *err)
{
	for (unsigned i = 0; i < MODEL_PEERS; i++) {
		struct flow_peer peer;
		char text[32];

		if (!model->peers[i].there)
			continue;
		model_peer_subnet(i, text);
		must(ipnet_parse(text, "subnet", &peer.subnet, err) == 0);
		model_peer_address(&model->peers[i], text);
		must(address_parse(text, &peer.address, err) == 0);
		must(flows_peer(node, &peer, list, err) == 0);
	}
}

static void write_expected(const struct model *model, const char *path)
{
	struct flow_node node = { .overlay = 1 };
	struct flow_list list = { 0 };
	struct error err;
	FILE *file = fopen(path, "we");

	must(file);
	must(ipnet_parse(model->lab->subnet, "subnet", &node.subnet, &err) == 0);
	must(ipnet_parse(LAB_CLUSTER, "cluster", &node.cluster, &err) == 0);
	must(flows_base(&node, &list, &err) == 0);
	add_pods(model, &list, &err);
	add_peers(model, &node, &list, &err);
	for (size_t i = 0; i < list.len; i++)
		fprintf(file, "%s\n", list.lines[i]);
	must(fclose(file) == 0);
	flow_list_done(&list);
}

/* "-" is what the switch lacks, "+" what it has too many. */
static char *flows_differ(const struct model *model)
{
	const char *dir = model->lab->dir;
	char path[96];
	char *text;

	snprintf(path, sizeof(path), "%s/expected", dir);
	write_expected(model, path);
	text = lab_run(
		"ovs-ofctl -O OpenFlow15 diff-flows %s unix:%s/br0.mgmt 2>&1; true", path, dir);
	if (text[0])
		return text;
	free(text);
	return NULL;
}

/* ---- rows and links ------------------------------------------------------------------------ */

static size_t count_alive(const struct model *model)
{
	size_t n = 0;

	for (size_t i = 0; i < MODEL_PODS; i++)
		n += model->pods[i].alive;
	return n;
}

static char *rows_differ(const struct model *model)
{
	cleanup_free char *rows = lab_run(
		"ovs-vsctl --db=unix:%s/db.sock --timeout=10 --no-headings --format=csv "
		"--data=bare "
		"--columns=external_ids list Port | grep bulkhead-pod-uid | tr -d '\"'; true",
		model->lab->dir);
	size_t n = 0, alive = count_alive(model);
	char *text = NULL;

	for (const char *at = rows; (at = strchr(at, '\n')); at++)
		n++;
	if (n != alive && asprintf(&text, "%zu rows and not %zu:\n%s", n, alive, rows) > 0)
		return text;
	for (size_t i = 0; i < MODEL_PODS; i++) {
		const struct model_pod *pod = &model->pods[i];
		char address[IPNET_TEXT_SIZE], row[256];
		uint8_t mac[6];
		char mac_text[MAC_TEXT_SIZE];

		address_format(pod->pod.address, address);
		mac_of_address(pod->pod.address, mac);
		mac_format(mac, mac_text);
		snprintf(row, sizeof(row),
			"bulkhead-ip=%s bulkhead-mac=%s bulkhead-pod=web bulkhead-pod-uid=%s "
			"bulkhead-project=p%u bulkhead-vnid=%u sandbox=%s\n",
			address, mac_text, pod->pod.uid, pod->project, model_vnid(model, pod),
			pod->pod.uid);
		if (pod->alive && !strstr(rows, row) &&
			asprintf(&text, "no row %s among:\n%s", row, rows) > 0)
			return text;
	}
	return NULL;
}

static char *links_differ(const struct model *model)
{
	struct if_nameindex *links = if_nameindex();
	size_t n = 0, alive = count_alive(model);
	char *text = NULL;

	must(links);
	for (size_t i = 0; links[i].if_index; i++) {
		if (strncmp(links[i].if_name, "bh", 2) == 0)
			n++;
	}
	if_freenameindex(links);
	if (n != alive && asprintf(&text, "%zu links and not %zu", n, alive) < 0)
		exit(99);
	return text;
}

char *model_differs(const struct model *model)
{
	char *text = flows_differ(model);

	if (!text)
		text = rows_differ(model);
	return text ? text : links_differ(model);
}

/* ---- what the flows mean ------------------------------------------------------------------- */

bool model_traces(
	const struct model *model, const struct model_pod *from, const struct model_pod *to)
{
	char addresses[2][IPNET_TEXT_SIZE], macs[2][MAC_TEXT_SIZE];
	const struct model_pod *const ends[] = { from, to };
	cleanup_free char *text = NULL;

	for (size_t i = 0; i < 2; i++) {
		uint8_t mac[6];

		mac_of_address(ends[i]->pod.address, mac);
		mac_format(mac, macs[i]);
		address_format(ends[i]->pod.address, addresses[i]);
	}
	text = lab_run("ovs-appctl --target=%s/ovs-vswitchd.ctl ofproto/trace br0 "
		       "icmp,in_port=%u,dl_src=%s,dl_dst=%s,nw_src=%s,nw_dst=%s,nw_ttl=64 "
		       "| grep '^Datapath actions'",
		model->lab->dir, from->pod.ofport, macs[0], macs[1], addresses[0], addresses[1]);
	return strcmp(text, "Datapath actions: drop\n") != 0;
}
