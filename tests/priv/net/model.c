#include "tests/priv/net/model.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "netplugin/bandwidth.h"
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

Bulkhead__V1__NetBandwidth *model_fill_limits(
	const struct bandwidth *limits, Bulkhead__V1__NetBandwidth *ret)
{
	bulkhead__v1__net_bandwidth__init(ret);
	ret->ingress = limits->rate[BANDWIDTH_INGRESS];
	ret->egress = limits->rate[BANDWIDTH_EGRESS];
	return ret;
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

static uint32_t host_of(const struct model_pod *pod)
{
	return pod->pod.address & 31;
}

static struct port_bandwidth bandwidth_of(const struct model *model, const struct model_pod *pod)
{
	return (struct port_bandwidth){ pod->limits, model->limits[pod->project], pod->project };
}

static void add_pods(const struct model *model, struct flow_list *list, struct error *err)
{
	for (size_t i = 0; i < MODEL_PODS; i++) {
		const struct model_pod *pod = &model->pods[i];
		const struct flow_port port = {
			.address = pod->pod.address,
			.vnid = model_vnid(model, pod),
			.ofport = pod->pod.ofport,
		};
		const struct port_bandwidth bandwidth = bandwidth_of(model, pod);
		size_t before = 0;

		if (!pod->alive)
			continue;
		must(flows_pod(&port, list, err) == 0);
		must(flows_bandwidth(&port, host_of(pod), &bandwidth, list, err) == 0);
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

/* ---- meters -------------------------------------------------------------------------------- */

static void write_meter(FILE *file, uint32_t id, uint64_t rate)
{
	struct meter meter = bandwidth_meter(rate);

	if (rate)
		fprintf(file, "meter=%u rate=%u burst_size=%u\n", id, meter.rate, meter.burst);
}

static bool has_pods(const struct model *model, unsigned project)
{
	for (size_t i = 0; i < MODEL_PODS; i++) {
		if (model->pods[i].alive && model->pods[i].project == project)
			return true;
	}
	return false;
}

/* As flows_differ(). */
static char *meters_differ(const struct model *model)
{
	const char *dir = model->lab->dir;
	char path[96];
	char *text;
	FILE *file;

	snprintf(path, sizeof(path), "%s/expected", dir);
	file = fopen(path, "we");
	must(file);
	for (enum bandwidth_direction d = 0; d < BANDWIDTH_DIRECTIONS; d++) {
		for (size_t i = 0; i < MODEL_PODS; i++) {
			const struct model_pod *pod = &model->pods[i];

			if (pod->alive)
				write_meter(file, bandwidth_pod_meter(host_of(pod), d),
					pod->limits.rate[d]);
		}
		for (unsigned i = 0; i < MODEL_PROJECTS; i++) {
			if (has_pods(model, i))
				write_meter(file, bandwidth_project_meter(i, d),
					model->limits[i].rate[d]);
		}
	}
	must(fclose(file) == 0);
	text = lab_run("sort -o %s %s; ovs-ofctl -O OpenFlow15 dump-meters unix:%s/br0.mgmt | "
		       "awk '/^meter=/ { id = $1 } /type=drop/ { print id, $2, $3 }' | sort | "
		       "diff %s -; true",
		path, path, dir, path);
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

/* One limit's key and value, or nothing. */
static void write_limit(FILE *row, const char *key, uint64_t rate)
{
	if (rate)
		fprintf(row, "bulkhead-%s-bandwidth=%llu ", key, (unsigned long long)rate);
}

/* As ovs-vsctl prints it, between the ends of two lines. */
static char *expected_row(const struct model *model, const struct model_pod *pod)
{
	const struct bandwidth *project = &model->limits[pod->project];
	char address[IPNET_TEXT_SIZE], mac_text[MAC_TEXT_SIZE];
	uint8_t mac[6];
	char *text;
	size_t size;
	FILE *row = open_memstream(&text, &size);

	must(row);
	address_format(pod->pod.address, address);
	mac_of_address(pod->pod.address, mac);
	mac_format(mac, mac_text);
	fputc('\n', row);
	write_limit(row, "egress", pod->limits.rate[BANDWIDTH_EGRESS]);
	write_limit(row, "ingress", pod->limits.rate[BANDWIDTH_INGRESS]);
	fprintf(row,
		"bulkhead-ip=%s bulkhead-mac=%s bulkhead-pod=web bulkhead-pod-uid=%s "
		"bulkhead-project=p%u ",
		address, mac_text, pod->pod.uid, pod->project);
	write_limit(row, "project-egress", project->rate[BANDWIDTH_EGRESS]);
	write_limit(row, "project-ingress", project->rate[BANDWIDTH_INGRESS]);
	if (project->rate[BANDWIDTH_EGRESS] || project->rate[BANDWIDTH_INGRESS])
		fprintf(row, "bulkhead-project-number=%u ", pod->project);
	fprintf(row, "bulkhead-vnid=%u sandbox=%s\n", model_vnid(model, pod), pod->pod.uid);
	must(fclose(row) == 0);
	return text;
}

static char *rows_differ(const struct model *model)
{
	cleanup_free char *rows = lab_run(
		"echo; ovs-vsctl --db=unix:%s/db.sock --timeout=10 --no-headings --format=csv "
		"--data=bare "
		"--columns=external_ids list Port | grep bulkhead-pod-uid | tr -d '\"'; true",
		model->lab->dir);
	size_t n = 0, alive = count_alive(model);
	char *text = NULL;

	for (const char *at = rows + 1; (at = strchr(at, '\n')); at++)
		n++;
	if (n != alive && asprintf(&text, "%zu rows and not %zu:\n%s", n, alive, rows) > 0)
		return text;
	for (size_t i = 0; i < MODEL_PODS; i++) {
		const struct model_pod *pod = &model->pods[i];
		cleanup_free char *row = pod->alive ? expected_row(model, pod) : NULL;

		if (row && !strstr(rows, row) &&
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
		text = meters_differ(model);
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
	text = lab_run(
		"ovs-appctl --target=%s/ovs-vswitchd.ctl ofproto/trace br0 "
		"icmp,in_port=%u,dl_src=%s,dl_dst=%s,nw_src=%s,nw_dst=%s,nw_ttl=64 "
		"| sed -nE '/^Datapath actions: /{s///;s/meter\\([0-9]+\\),?//g;s/^drop$//;p}'",
		model->lab->dir, from->pod.ofport, macs[0], macs[1], addresses[0], addresses[1]);
	must(text[0]);
	return strcmp(text, "\n") != 0;
}
