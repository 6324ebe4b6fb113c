/*
 * What bulkhead-netd takes, with an Open vSwitch of its own on the userspace datapath: to plug a
 * pod, one and sixteen at once; to move all of a project's pods to another VNID; to find its flows
 * again after kill -9; to attach another runtime's container, from the start of bulkhead-cni to its
 * end; and to keep 10,000 flows. As root: bench_net [PODS].
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/ipnet.h"
#include "tests/priv/net/cni.h"

#define PODS_MAX 500
#define CROWD    16
#define MOVES    20
#define CALLS    50
#define RED      11
#define PEERS    2500 /* other nodes: some 10,000 flows */
#define TUNNEL   "192.0.2.1"

static struct lab lab;
static struct pod pods[PODS_MAX];

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static void show(const char *what, double *msec, size_t n)
{
	qsort(msec, n, sizeof(*msec), compare);
	printf("  %-44s %10.2f %10.2f\n", what, msec[n / 2], msec[n * 99 / 100]);
}

static double since(uint64_t usec)
{
	return (double)(monotonic_usec() - usec) / 1000;
}

static void open_pods(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char uid[32];

		snprintf(uid, sizeof(uid), "pod-%zu", i);
		pod_open(&lab, &pods[i], uid, RED);
	}
}

static void plug_alone(size_t n)
{
	double msec[PODS_MAX];

	for (size_t i = 0; i < n; i++) {
		uint64_t start = monotonic_usec();

		if (pod_plug(&lab, &pods[i], NULL) != 0)
			abort();
		msec[i] = since(start);
	}
	show("plug, one after the other", msec, n);
}

static void plug_together(size_t n)
{
	double msec[PODS_MAX];
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		pod_unplug(&lab, pods[i].uid);
	for (size_t i = 0; i + CROWD <= n; i += CROWD) {
		uint64_t start = monotonic_usec();

		for (size_t k = 0; k < CROWD; k++)
			pod_send_plug(&lab, &pods[i + k]);
		for (size_t k = 0; k < CROWD; k++) {
			if (lab_take_plugged(&lab, &pods[i], CROWD, NULL) != 0)
				abort();
			msec[len++] = since(start);
		}
	}
	show("plug, sixteen at once, each", msec, len);
}

/* Milliseconds that a process has had a processor: what others do meanwhile does not count. */
static double processor(pid_t pid)
{
	cleanup_free char *text = lab_run("cat /proc/%d/stat", (int)pid);
	unsigned long user = 0, kernel = 0;

	sscanf(strrchr(text, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
		&kernel);
	return (double)(user + kernel) * 1000 / (double)sysconf(_SC_CLK_TCK);
}

static void move(size_t n)
{
	const double netd = processor(lab.netd), switchd = processor(lab.vswitchd),
		     database = processor(lab.ovsdb);
	double msec[MOVES];
	char text[64];

	for (uint32_t i = 0; i < MOVES; i++) {
		uint64_t start = monotonic_usec();

		if (lab_move(&lab, "red", RED + 1 + i) != 0)
			abort();
		msec[i] = since(start);
	}
	snprintf(text, sizeof(text), "move a project of %zu pods", n);
	show(text, msec, MOVES);
	printf("  %-44s %10.2f\n", "  processor time of netd",
		(processor(lab.netd) - netd) / MOVES);
	printf("  %-44s %10.2f\n", "  of ovs-vswitchd and ovsdb-server",
		(processor(lab.vswitchd) - switchd + processor(lab.ovsdb) - database) / MOVES);
}

static void tell_peers(size_t n)
{
	Bulkhead__V1__NetPeers message = BULKHEAD__V1__NET_PEERS__INIT;
	Bulkhead__V1__NetPeer *rows = calloc(n + 1, sizeof(*rows));
	Bulkhead__V1__NetPeer **list = calloc(n + 1, sizeof(Bulkhead__V1__NetPeer *));
	char(*texts)[2][32] = calloc(n + 1, sizeof(*texts));
	struct error err;

	if (!rows || !list || !texts)
		abort();
	for (unsigned i = 0; i < n; i++) {
		bulkhead__v1__net_peer__init(&rows[i]);
		ipnet_format(&(struct ipnet){ 0x0a800400 + i * 64, 26 }, texts[i][0]);
		snprintf(texts[i][1], 32, "172.16.%u.%u", i / 250, 1 + i % 250);
		rows[i].subnet = texts[i][0];
		rows[i].address = texts[i][1];
		list[i] = &rows[i];
	}
	message.peers = list;
	message.n_peers = n;
	if (ipc_table_send(lab.ipc, IPC_NET_PEERS, 0, &message.base, NULL, 0, NULL, &err) < 0)
		abort();
	free(rows);
	free(list);
	free(texts);
}

static size_t count_flows(void)
{
	cleanup_free char *text =
		lab_run("ovs-ofctl -O OpenFlow15 dump-aggregate unix:%s/br0.mgmt | sed "
			"'s/.*flow_count=//'",
			lab.dir);

	return strtoul(text, NULL, 10);
}

/* With 'lost' the switch has no flows when netd starts. */
static void adopt(const char *what, size_t n, size_t peers, bool lost)
{
	double msec[5];
	char text[64];

	for (size_t i = 0; i < ARRAY_LEN(msec); i++) {
		uint64_t start;

		lab_kill(&lab.netd);
		if (lost)
			free(lab_run(
				"ovs-ofctl -O OpenFlow15 del-flows unix:%s/br0.mgmt", lab.dir));
		start = monotonic_usec();
		lab_start_netd(&lab);
		tell_peers(peers);
		lab_await_ready(&lab, true);
		msec[i] = since(start);
	}
	snprintf(text, sizeof(text), "%s, %zu %s", what, n, peers ? "flows" : "pods");
	show(text, msec, ARRAY_LEN(msec));
}

/* A node more is one NET_PEERS; the move behind it tells when the switch has it. */
static void grow(void)
{
	double msec[MOVES];

	for (uint32_t i = 0; i < MOVES; i++) {
		uint64_t start = monotonic_usec();

		tell_peers(PEERS - 1 + i % 2);
		if (lab_move(&lab, "red", RED + 100 + i) != 0)
			abort();
		msec[i] = since(start);
	}
	show("a node more or less of those, and a move", msec, MOVES);
}

static void show_memory(void)
{
	cleanup_free char *text =
		lab_run("sed -n 's/VmHWM: *\\(.*\\) kB/\\1/p' /proc/%d/status", (int)lab.netd);

	printf("  %-44s %10.1f MiB\n", "most memory that netd had", strtod(text, NULL) / 1024);
}

static void at_scale(size_t base, size_t n)
{
	size_t alone = count_flows(), all;

	tell_peers(PEERS);
	if (lab_move(&lab, "red", RED) != 0)
		abort();
	all = count_flows();
	printf("  %-44s %10.2f\n", "flows a pod", (double)(alone - base) / (double)n);
	printf("  %-44s %10.2f\n", "flows another node", (double)(all - alone) / PEERS);
	adopt("kill -9 to ready again", all, PEERS, false);
	adopt("the same, all flows lost", all, PEERS, true);
	grow();
	show_memory();
}

static double call_plugin(const char *verb, const struct pod *pod, size_t i)
{
	uint64_t start = monotonic_usec();
	struct plugin_run run;
	char container[16];

	snprintf(container, sizeof(container), "c%zu", i);
	run = cni_lab_verb(&lab, verb, container, "net0", pod, cni_args("red"),
		cni_config(&lab, "1.1.0", "bench", ""));
	if (run.status != 0)
		abort();
	json_decref(run.answer);
	return since(start);
}

static void attach_by_cni(void)
{
	const char *const names[] = { "red", NULL };
	const uint32_t vnid = RED;
	double add[CALLS], del[CALLS];
	int listen_fd = -1;

	cni_lab_listen(&lab, &listen_fd);
	if (cni_lab_projects(&lab, names, &vnid) != 0)
		abort();
	for (size_t i = 0; i < CALLS; i++) {
		struct pod pod;

		pod_open(&lab, &pod, "-", 0);
		add[i] = call_plugin("ADD", &pod, i);
		del[i] = call_plugin("DEL", &pod, i);
		pod_close(&pod);
	}
	show("bulkhead-cni ADD, the whole program", add, CALLS);
	show("bulkhead-cni DEL, the whole program", del, CALLS);
	close(listen_fd);
}

int main(int argc, char **argv)
{
	size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 250;
	size_t base;

	if (n < CROWD || n > PODS_MAX) {
		fprintf(stderr, "bench_net: PODS is from %d to %d\n", CROWD, PODS_MAX);
		return 2;
	}
	n -= n % CROWD;
	lab_start_tunnel(&lab, "10.128.0.0/22", TUNNEL);
	tell_peers(0);
	lab_await_ready(&lab, true);
	base = count_flows();
	open_pods(n);
	printf("\nbulkhead-netd, %zu pods, userspace datapath (ms)\n  %-44s %10s %10s\n", n, "",
		"p50", "p99");
	plug_alone(n);
	plug_together(n);
	move(n);
	adopt("kill -9 to ready again", n, 0, false);
	attach_by_cni();
	at_scale(base, n);
	for (size_t i = 0; i < n; i++)
		pod_close(&pods[i]);
	lab_stop(&lab);
	return 0;
}
