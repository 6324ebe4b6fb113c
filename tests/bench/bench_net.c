/*
 * What bulkhead-netd takes, with an Open vSwitch of its own on the userspace datapath: to plug a
 * pod, one and sixteen at once; to move all of a project's pods to another VNID; to find its flows
 * again after kill -9; and to attach another runtime's container, from the start of bulkhead-cni to
 * its end. As root: bench_net [PODS].
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "tests/priv/net/cni.h"

#define PODS_MAX 500
#define CROWD    16
#define MOVES    20
#define CALLS    50
#define RED      11

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

static void move(size_t n)
{
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
}

static void adopt(size_t n)
{
	double msec[5];
	char text[64];

	for (size_t i = 0; i < ARRAY_LEN(msec); i++) {
		uint64_t start = monotonic_usec();

		lab_kill(&lab.netd);
		lab_start_netd(&lab);
		lab_await_ready(&lab, true);
		msec[i] = since(start);
	}
	snprintf(text, sizeof(text), "kill -9 to ready again, %zu pods", n);
	show(text, msec, ARRAY_LEN(msec));
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

	if (n < CROWD || n > PODS_MAX) {
		fprintf(stderr, "bench_net: PODS is from %d to %d\n", CROWD, PODS_MAX);
		return 2;
	}
	n -= n % CROWD;
	lab_start(&lab, "10.128.0.0/22", "netdev");
	open_pods(n);
	printf("\nbulkhead-netd, %zu pods, userspace datapath (ms)\n  %-44s %10s %10s\n", n, "",
		"p50", "p99");
	plug_alone(n);
	plug_together(n);
	move(n);
	adopt(n);
	attach_by_cni();
	for (size_t i = 0; i < n; i++)
		pod_close(&pods[i]);
	lab_stop(&lab);
	return 0;
}
