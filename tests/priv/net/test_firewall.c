/*
 * Egress firewalls on real connections: which rule decides, in either direction, for whom, and what
 * happens to what is open. Each refusal has a control that passes.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/ipnet.h"
#include "tests/priv/net/lab.h"
#include "tests/priv/net/world.h"

#define RED        11
#define BLUE       12
#define OTHER_PORT 8443
#define BEYOND     "203.0.113.200"

static struct lab lab;
static struct pod red, blue, outside;
static int servers[2]; /* WORLD_PORT, OTHER_PORT */

static void plug(struct pod *pod, const char *uid, const char *project, uint32_t vnid)
{
	char text[ERROR_TEXT_SIZE];

	pod_open(&lab, pod, uid, vnid);
	pod->project = project;
	if (pod_plug(&lab, pod, text) != 0)
		fail_msg("%s", text);
}

static int setup(void **state)
{
	(void)state;
	lab_start_egress(&lab, "10.128.0.0/23", "netdev", "alone");
	world_outside(&lab, &outside);
	world_run(&outside, "ip address add " BEYOND "/32 dev lo");
	servers[0] = world_serve(&lab, &outside, WORLD_PORT);
	servers[1] = world_serve(&lab, &outside, OTHER_PORT);
	plug(&red, "pod-red", "red", RED);
	plug(&blue, "pod-blue", "blue", BLUE);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(servers[0]);
	close(servers[1]);
	pod_close(&red);
	pod_close(&blue);
	pod_close(&outside);
	lab_stop(&lab);
	return 0;
}

struct told {
	const char *project;
	uint32_t vnid;
	bool shared;
	const char *rules;
};

/* Tells netd these firewalls, awaits its answer, and returns its code. */
static unsigned tell_all(const struct told *rows, size_t len)
{
	Bulkhead__V1__NetPolicies message = BULKHEAD__V1__NET_POLICIES__INIT;
	Bulkhead__V1__NetFirewall firewalls[4], *list[4];
	struct ipc_frame frame;
	ProtobufCMessage *base;
	struct error err;
	unsigned code;

	for (size_t i = 0; i < len; i++) {
		bulkhead__v1__net_firewall__init(&firewalls[i]);
		firewalls[i].project = (char *)(uintptr_t)rows[i].project;
		firewalls[i].vnid = rows[i].vnid;
		firewalls[i].shared = rows[i].shared;
		firewalls[i].rules = (char *)(uintptr_t)rows[i].rules;
		list[i] = &firewalls[i];
	}
	message.firewalls = list;
	message.n_firewalls = len;
	lab_send_policies(&lab, &message);
	lab_await(&lab, IPC_NET_POLICIES_SET, &frame, 8000);
	assert_int_equal(ipc_table_unpack(&frame, &base, &err), 0);
	code = ((Bulkhead__V1__NetPoliciesSet *)base)->error
		       ? ((Bulkhead__V1__NetPoliciesSet *)base)->error->code
		       : 0;
	protobuf_c_message_free_unpacked(base, NULL);
	ipc_frame_done(&frame);
	/* The userspace datapath looks at what it has cached once more. */
	usleep(100000);
	return code;
}

static void tell(const char *rules)
{
	const struct told row = { "red", RED, false, rules };

	assert_int_equal(tell_all(&row, rules ? 1 : 0), 0);
}

static bool to(const struct pod *pod, const char *address, uint16_t port, bool expected)
{
	cleanup_close int fd = world_reach(
		&lab, pod, address, port, expected ? WORLD_PATIENCE_MSEC : WORLD_SILENCE_MSEC);

	return (fd >= 0) == expected;
}

static void without_a_firewall_all_passes(void **state)
{
	(void)state;
	tell(NULL);
	assert_true(to(&red, WORLD_FAR, WORLD_PORT, true));
	assert_true(to(&red, BEYOND, OTHER_PORT, true));
}

static void what_is_denied_does_not_pass(void **state)
{
	uint32_t far;

	(void)state;
	tell("deny " WORLD_FAR "/32");
	assert_true(to(&red, WORLD_FAR, WORLD_PORT, false));
	assert_true(to(&red, BEYOND, WORLD_PORT, true));
	assert_int_equal(address_parse(WORLD_FAR, &far, NULL), 0);
	assert_false(pod_pings(&lab, &red, far, WORLD_SILENCE_MSEC));
	/* Another project's. */
	assert_true(to(&blue, WORLD_FAR, WORLD_PORT, true));
	tell(NULL);
	assert_true(to(&red, WORLD_FAR, WORLD_PORT, true));
}

static void the_first_that_matches_decides(void **state)
{
	(void)state;
	tell("allow " WORLD_FAR "/32;deny 0.0.0.0/0");
	assert_true(to(&red, WORLD_FAR, WORLD_PORT, true));
	assert_true(to(&red, BEYOND, WORLD_PORT, false));
	tell("deny 0.0.0.0/0;allow " WORLD_FAR "/32");
	assert_true(to(&red, WORLD_FAR, WORLD_PORT, false));
	tell("deny 203.0.113.128/25;allow 203.0.113.0/24;deny 0.0.0.0/0");
	assert_true(to(&red, WORLD_FAR, WORLD_PORT, true));
	assert_true(to(&red, BEYOND, WORLD_PORT, false));
	assert_true(to(&red, WORLD_OUTSIDE, WORLD_PORT, false));
}

static void ports_and_protocols_decide(void **state)
{
	uint32_t far;

	(void)state;
	assert_int_equal(address_parse(WORLD_FAR, &far, NULL), 0);
	tell("allow 203.0.113.0/24 tcp/8000-8100;deny 203.0.113.0/24 tcp/1-65535");
	assert_true(to(&red, WORLD_FAR, WORLD_PORT, true));
	assert_true(to(&red, WORLD_FAR, OTHER_PORT, false));
	assert_true(pod_pings(&lab, &red, far, WORLD_PATIENCE_MSEC));
	tell("allow 0.0.0.0/0 udp/8080 tcp/8443;deny 0.0.0.0/0");
	assert_true(to(&red, WORLD_FAR, WORLD_PORT, false));
	assert_true(to(&red, WORLD_FAR, OTHER_PORT, true));
	assert_false(pod_pings(&lab, &red, far, WORLD_SILENCE_MSEC));
}

/* The cluster's own addresses are none of its business. */
static void pods_are_reached_whatever_it_says(void **state)
{
	struct pod other;

	(void)state;
	plug(&other, "pod-red-2", "red", RED);
	tell("deny 0.0.0.0/0");
	assert_true(pod_pings(&lab, &red, other.address, WORLD_PATIENCE_MSEC));
	assert_int_equal(pod_unplug(&lab, "pod-red-2"), 0);
	pod_close(&other);
}

/* In both directions: who is cut off hears nothing more, either. */
static void what_is_open_is_cut(void **state)
{
	cleanup_close int client = -1, server = -1;

	(void)state;
	tell(NULL);
	client = world_reach(&lab, &red, WORLD_FAR, WORLD_PORT, WORLD_PATIENCE_MSEC);
	assert_true(client >= 0);
	server = world_accept_last(servers[0]);
	assert_true(world_carries(client, server, WORLD_PATIENCE_MSEC));
	assert_true(world_carries(server, client, WORLD_PATIENCE_MSEC));
	tell("deny 203.0.113.0/24 tcp/8080");
	assert_false(world_carries(server, client, WORLD_SILENCE_MSEC));
	assert_false(world_carries(client, server, WORLD_SILENCE_MSEC));
}

/* OpenShift's rule: the flows cannot tell whose packet it is. */
static void who_shares_a_network_with_one_is_shut(void **state)
{
	const struct told shared = { "red", RED, true, "allow 0.0.0.0/0" };
	const struct told elsewhere = { "green", BLUE, true, "allow 0.0.0.0/0" };
	const struct told own = { "red", RED, false, "allow 0.0.0.0/0" };

	(void)state;
	assert_int_equal(tell_all(&shared, 1), 0);
	assert_true(to(&red, WORLD_FAR, WORLD_PORT, false));
	assert_true(to(&blue, WORLD_FAR, WORLD_PORT, true));
	/* One that has no pod here. */
	assert_int_equal(tell_all(&elsewhere, 1), 0);
	assert_true(to(&blue, WORLD_FAR, WORLD_PORT, false));
	assert_true(to(&red, WORLD_FAR, WORLD_PORT, true));
	/* The move comes before the agent says what it means. */
	assert_int_equal(tell_all(&own, 1), 0);
	assert_int_equal(lab_move(&lab, "red", BLUE), 0);
	usleep(100000);
	assert_true(to(&red, WORLD_FAR, WORLD_PORT, false));
	assert_true(to(&blue, WORLD_FAR, WORLD_PORT, false));
	assert_int_equal(lab_move(&lab, "red", RED), 0);
	usleep(100000);
	assert_true(to(&red, WORLD_FAR, WORLD_PORT, true));
	assert_true(to(&blue, WORLD_FAR, WORLD_PORT, true));
}

static void what_cannot_be_read_shuts_its_project(void **state)
{
	const struct told rows[] = { { "red", RED, false, "allow all" },
		{ "blue", BLUE, false, "allow 0.0.0.0/0" } };

	(void)state;
	tell_all(rows, 2);
	assert_true(to(&red, WORLD_FAR, WORLD_PORT, false));
	assert_true(to(&blue, WORLD_FAR, WORLD_PORT, true));
}

/* A netd that starts writes nothing before it knows them. */
static void it_stands_while_netd_is_away(void **state)
{
	cleanup_free char *before = NULL, *after = NULL;
	uint64_t mended;

	(void)state;
	tell("deny 203.0.113.0/24");
	before = lab_flows(&lab);
	lab_kill(&lab.netd);
	assert_true(to(&red, WORLD_FAR, WORLD_PORT, false));
	lab.policies_untold = true;
	lab_start_netd(&lab);
	assert_true(to(&red, WORLD_FAR, WORLD_PORT, false));
	after = lab_flows(&lab);
	assert_string_equal(before, after);
	mended = lab.mended;
	tell("deny 203.0.113.0/24");
	lab_await_ready(&lab, true);
	free(after);
	after = lab_flows(&lab);
	assert_string_equal(before, after);
	assert_int_equal(lab.mended, mended);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_firewall_all_passes),
		cmocka_unit_test(what_is_denied_does_not_pass),
		cmocka_unit_test(the_first_that_matches_decides),
		cmocka_unit_test(ports_and_protocols_decide),
		cmocka_unit_test(pods_are_reached_whatever_it_says),
		cmocka_unit_test(what_is_open_is_cut),
		cmocka_unit_test(who_shares_a_network_with_one_is_shut),
		cmocka_unit_test(what_cannot_be_read_shuts_its_project),
		cmocka_unit_test(it_stands_while_netd_is_away),
	};

	return cmocka_run_group_tests_name("firewall", tests, setup, teardown);
}
