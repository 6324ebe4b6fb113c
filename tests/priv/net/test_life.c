/* Addresses, ports and flows of pods that come and go, and whose switch does. */
#include <setjmp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "netplugin/flow_sync.h"
#include "netplugin/names.h"
#include "tests/priv/net/lab.h"

#define RED      11
#define BLUE     12
#define POD_MAX  5 /* addresses of a /29 but for network, gateway and broadcast */
#define LATER    100
#define LATER_MS 100

static struct lab lab;

static int setup(void **state)
{
	(void)state;
	lab_start(&lab, "10.128.0.0/29", "netdev");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lab_stop(&lab);
	return 0;
}

static void plug(struct pod *pod, const char *uid)
{
	char text[ERROR_TEXT_SIZE];

	pod_open(&lab, pod, uid, RED);
	if (pod_plug(&lab, pod, text) != 0)
		fail_msg("%s", text);
}

static void flows_are(const char *expected)
{
	for (int i = 0; i < LATER; i++) {
		cleanup_free char *now = lab_flows(&lab);

		if (strcmp(now, expected) == 0)
			return;
		usleep(LATER_MS * 1000);
	}
	fail_msg("the flows do not become what they must be");
}

static void the_last_address_and_one_more(void **state)
{
	struct pod pods[POD_MAX + 1];
	cleanup_free char *before = lab_flows(&lab);
	char text[ERROR_TEXT_SIZE];
	char uid[32];

	(void)state;
	for (size_t i = 0; i < POD_MAX; i++) {
		snprintf(uid, sizeof(uid), "pod-%zu", i);
		plug(&pods[i], uid);
	}
	pod_open(&lab, &pods[POD_MAX], "pod-more", RED);
	assert_int_equal(pod_plug(&lab, &pods[POD_MAX], text), ERR_EXHAUSTED);
	assert_non_null(strstr(text,
		"no address is free in the node's subnet 10.128.0.0/29: all 5 are in use by pods"));
	/* One that went makes room, and its address is taken again. */
	assert_int_equal(pod_unplug(&lab, "pod-2"), 0);
	assert_int_equal(pod_plug(&lab, &pods[POD_MAX], text), 0);
	assert_int_equal(pods[POD_MAX].address, pods[2].address);
	/* Where a cached flow of the former pod takes the first ARP request, the second comes after
	 * a second. */
	assert_true(pod_pings(&lab, &pods[POD_MAX], pods[0].address, 3000));
	assert_int_equal(pod_unplug(&lab, "pod-more"), 0);
	for (size_t i = 0; i < POD_MAX; i++) {
		snprintf(uid, sizeof(uid), "pod-%zu", i);
		assert_int_equal(pod_unplug(&lab, uid), 0);
	}
	for (size_t i = 0; i <= POD_MAX; i++)
		pod_close(&pods[i]);
	flows_are(before);
}

/* What the switch holds is exactly what is wanted, whoever changed it while netd was away. */
static void a_new_netd_mends_the_flows(void **state)
{
	struct pod a, b;
	cleanup_free char *before = NULL;

	(void)state;
	plug(&a, "pod-a");
	plug(&b, "pod-b");
	before = lab_flows(&lab);
	lab_kill(&lab.netd);
	assert_true(pod_pings(&lab, &a, b.address, 1000));
	free(lab_run("ovs-ofctl -O OpenFlow15 add-flow unix:%s/br0.mgmt "
		     "table=80,priority=999,actions=output:NXM_NX_REG2[]",
		lab.dir));
	free(lab_run("ovs-ofctl -O OpenFlow15 del-flows unix:%s/br0.mgmt table=70", lab.dir));
	lab_start_netd(&lab);
	lab_await_ready(&lab, true);
	flows_are(before);
	assert_true(pod_pings(&lab, &a, b.address, 1000));
	assert_int_equal(pod_unplug(&lab, "pod-a"), 0);
	assert_int_equal(pod_unplug(&lab, "pod-b"), 0);
	pod_close(&a);
	pod_close(&b);
}

/* Nor is it what somebody changes while netd runs: a hole between tenants is closed again. */
static void what_others_change_is_mended_and_counted(void **state)
{
	cleanup_free char *before = NULL;
	struct ipc_frame frame;
	uint64_t had = lab.mended;
	struct pod a, b;

	(void)state;
	plug(&a, "pod-a");
	pod_open(&lab, &b, "pod-b", BLUE);
	assert_int_equal(pod_plug(&lab, &b, NULL), 0);
	before = lab_flows(&lab);
	assert_false(pod_pings(&lab, &a, b.address, 500));
	free(lab_run("ovs-ofctl -O OpenFlow15 add-flow unix:%s/br0.mgmt "
		     "table=20,priority=999,in_port=%u,actions=output:%u",
		lab.dir, a.ofport, b.ofport));
	free(lab_run("ovs-ofctl -O OpenFlow15 del-flows unix:%s/br0.mgmt table=70", lab.dir));
	free(lab_run("ovs-ofctl -O OpenFlow15 mod-flows unix:%s/br0.mgmt "
		     "table=80,actions=output:NXM_NX_REG2[]",
		lab.dir));
	flows_are(before);
	while (lab.mended < had + 4) {
		lab_await(&lab, IPC_NET_STATE, &frame, FLOW_CHECK_MSEC);
		ipc_frame_done(&frame);
	}
	assert_false(pod_pings(&lab, &a, b.address, 500));
	/* What netd itself changes is not counted. */
	had = lab.mended;
	assert_int_equal(pod_unplug(&lab, "pod-a"), 0);
	assert_int_equal(pod_unplug(&lab, "pod-b"), 0);
	pod_close(&a);
	pod_close(&b);
	poll(NULL, 0, FLOW_CHECK_MSEC + 500);
	plug(&a, "pod-a");
	assert_int_equal(pod_unplug(&lab, "pod-a"), 0);
	pod_close(&a);
	assert_int_equal(lab.mended, had);
}

static void a_port_taken_away_is_added_again(void **state)
{
	struct pod a, b;
	cleanup_free char *before = NULL;
	bool back = false;

	(void)state;
	plug(&a, "pod-a");
	plug(&b, "pod-b");
	before = lab_flows(&lab);
	free(lab_run("ovs-vsctl --db=unix:%s/db.sock del-port br0 %s", lab.dir, a.port));
	for (int i = 0; i < LATER && !back; i++)
		back = pod_pings(&lab, &a, b.address, LATER_MS);
	assert_true(back);
	flows_are(before);
	assert_int_equal(pod_unplug(&lab, "pod-a"), 0);
	assert_int_equal(pod_unplug(&lab, "pod-b"), 0);
	pod_close(&a);
	pod_close(&b);
}

/* The pod goes while its lost port waits to be added again: its flows go too. */
static void a_lost_port_leaves_no_flows(void **state)
{
	struct pod a;
	cleanup_free char *before = lab_flows(&lab);

	(void)state;
	plug(&a, "pod-a");
	kill(lab.vswitchd, SIGSTOP);
	free(lab_run("ovs-vsctl --no-wait --db=unix:%s/db.sock del-port br0 %s", lab.dir, a.port));
	usleep(500 * 1000);
	pod_unplug(&lab, "pod-a");
	kill(lab.vswitchd, SIGCONT);
	flows_are(before);
	pod_close(&a);
}

/* "has" only when it has: what was asked for before, and not done then, is waited for again. */
static void a_move_is_not_done_before_the_switch_has_it(void **state)
{
	struct pod a, b;

	(void)state;
	plug(&a, "pod-a");
	pod_open(&lab, &b, "pod-b", BLUE);
	b.project = "blue";
	assert_int_equal(pod_plug(&lab, &b, NULL), 0);
	kill(lab.vswitchd, SIGSTOP);
	assert_int_equal(lab_move(&lab, "red", BLUE), ERR_UNAVAILABLE);
	assert_int_equal(lab_move(&lab, "red", BLUE), ERR_UNAVAILABLE);
	kill(lab.vswitchd, SIGCONT);
	assert_int_equal(lab_move(&lab, "red", BLUE), 0);
	assert_true(pod_pings(&lab, &a, b.address, 1000));
	assert_int_equal(lab_move(&lab, "red", RED), 0);
	/* Cached flows are looked at again, soon. */
	usleep(LATER_MS * 1000);
	assert_false(pod_pings(&lab, &a, b.address, 500));
	assert_int_equal(pod_unplug(&lab, "pod-a"), 0);
	assert_int_equal(pod_unplug(&lab, "pod-b"), 0);
	pod_close(&a);
	pod_close(&b);
}

static void row_has_vnid(const struct pod *pod, uint32_t vnid)
{
	char expected[16];

	snprintf(expected, sizeof(expected), "\"%u\"\n", vnid);
	for (int i = 0; i < LATER; i++) {
		cleanup_free char *text =
			lab_run("ovs-vsctl --no-wait --db=unix:%s/db.sock get port %s "
				"external_ids:bulkhead-vnid",
				lab.dir, pod->port);

		if (strcmp(text, expected) == 0)
			return;
		usleep(LATER_MS * 1000);
	}
	fail_msg("the row of port '%s' does not get VNID %u", pod->port, vnid);
}

/* A netd that starts again believes OVSDB: a move must not be lost there. */
static void a_move_while_the_database_is_away_is_written_later(void **state)
{
	struct pod a, b;

	(void)state;
	plug(&a, "pod-a");
	pod_open(&lab, &b, "pod-b", BLUE);
	b.project = "blue";
	assert_int_equal(pod_plug(&lab, &b, NULL), 0);
	lab_kill(&lab.ovsdb);
	lab_await_ready(&lab, false);
	assert_int_equal(lab_move(&lab, "red", BLUE), ERR_UNAVAILABLE);
	lab_start_ovsdb(&lab);
	lab_await_ready(&lab, true);
	assert_int_equal(lab_move(&lab, "red", BLUE), 0);
	row_has_vnid(&a, BLUE);
	lab_kill(&lab.netd);
	lab_start_netd(&lab);
	lab_await_ready(&lab, true);
	assert_true(pod_pings(&lab, &a, b.address, 1000));
	assert_int_equal(lab_move(&lab, "red", RED), 0);
	row_has_vnid(&a, RED);
	assert_int_equal(pod_unplug(&lab, "pod-a"), 0);
	assert_int_equal(pod_unplug(&lab, "pod-b"), 0);
	pod_close(&a);
	pod_close(&b);
}

/* Its row is made with the VNID that it had when the port was added. */
static void a_move_while_a_port_is_added_reaches_its_row(void **state)
{
	struct pod a;

	(void)state;
	pod_open(&lab, &a, "pod-a", RED);
	assert_true(lab.ovsdb > 0 && kill(lab.ovsdb, SIGSTOP) == 0);
	pod_send_plug(&lab, &a);
	usleep(LATER_MS * 1000);
	assert_int_equal(lab_move(&lab, "red", BLUE), 0);
	kill(lab.ovsdb, SIGCONT);
	assert_int_equal(lab_take_plugged(&lab, &a, 1, NULL), 0);
	row_has_vnid(&a, BLUE);
	assert_int_equal(pod_unplug(&lab, "pod-a"), 0);
	pod_close(&a);
}

static bool link_is(const char *name)
{
	cleanup_free char *text = lab_run("ip -o link show dev %s 2>&1; true", name);

	return strstr(text, "does not exist") == NULL;
}

/* netd was killed after it made a pair and before it could write its name on it. */
static void a_link_without_a_name_is_taken_away(void **state)
{
	(void)state;
	lab_kill(&lab.netd);
	free(lab_run(
		"ip link add bhcutoff group %u type veth peer name cutoff", link_group_of("br0")));
	free(lab_run(
		"ip link add bhothers group %u type veth peer name others", link_group_of("br1")));
	lab_start_netd(&lab);
	lab_await_ready(&lab, true);
	assert_false(link_is("bhcutoff"));
	assert_true(link_is("bhothers"));
	free(lab_run("ip link del bhothers"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_address_and_one_more),
		cmocka_unit_test(a_new_netd_mends_the_flows),
		cmocka_unit_test(what_others_change_is_mended_and_counted),
		cmocka_unit_test(a_port_taken_away_is_added_again),
		cmocka_unit_test(a_lost_port_leaves_no_flows),
		cmocka_unit_test(a_move_is_not_done_before_the_switch_has_it),
		cmocka_unit_test(a_move_while_the_database_is_away_is_written_later),
		cmocka_unit_test(a_move_while_a_port_is_added_reaches_its_row),
		cmocka_unit_test(a_link_without_a_name_is_taken_away),
	};

	return cmocka_run_group_tests_name("life", tests, setup, teardown);
}
