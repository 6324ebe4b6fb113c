/*
 * The pods' way out of the cluster, with network namespaces as the world outside: who is reached,
 * who is not, and what stands while netd is away. Each refusal has a control that passes.
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
#include "tests/priv/net/frames.h"
#include "tests/priv/net/lab.h"
#include "tests/priv/net/world.h"

#define RED      11
#define METADATA "169.254.169.254"
#define GATEWAY  "10.128.0.1"
#define LAN      "192.0.2.2" /* of another link of the node */

static struct lab lab;
static struct pod red, all, outside, lan;
static int servers[3]; /* outside, in the LAN, on the node */

/* ---- the world ----------------------------------------------------------------------------- */

static void plug(struct pod *pod, const char *uid, uint32_t vnid)
{
	char text[ERROR_TEXT_SIZE];

	pod_open(&lab, pod, uid, vnid);
	if (pod_plug(&lab, pod, text) != 0)
		fail_msg("%s", text);
}

static void start_world(void)
{
	world_outside(&lab, &outside);
	world_wire(&lab, &lan, "up1", "192.0.2.1", LAN);
	world_run(&outside,
		"ip address add " METADATA "/32 dev lo; ip route add 10.128.0.0/14 via " WORLD_NODE
		"; ip route add 192.0.2.0/24 via " WORLD_NODE);
	world_run(&lan, "ip route add default via 192.0.2.1");
	servers[0] = world_serve(&lab, &outside, WORLD_PORT);
	servers[1] = world_serve(&lab, &lan, WORLD_PORT);
	servers[2] = world_serve(&lab, NULL, WORLD_PORT);
}

static int setup(void **state)
{
	(void)state;
	lab_start_egress(&lab, "10.128.0.0/23", "netdev", "alone");
	start_world();
	plug(&red, "pod-red", RED);
	plug(&all, "pod-all", 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(servers); i++)
		close(servers[i]);
	pod_close(&red);
	pod_close(&all);
	pod_close(&outside);
	pod_close(&lan);
	lab_stop(&lab);
	return 0;
}

/* ---- tests --------------------------------------------------------------------------------- */

static void pods_reach_what_is_outside(void **state)
{
	uint32_t far;

	(void)state;
	assert_true(world_reaches(&lab, &red, WORLD_OUTSIDE, WORLD_PATIENCE_MSEC));
	assert_true(world_reaches(&lab, &red, WORLD_FAR, WORLD_PATIENCE_MSEC));
	assert_true(world_reaches(&lab, &red, LAN, WORLD_PATIENCE_MSEC));
	assert_true(world_reaches(&lab, &all, WORLD_FAR, WORLD_PATIENCE_MSEC));
	assert_int_equal(address_parse(WORLD_FAR, &far, NULL), 0);
	assert_true(pod_pings(&lab, &red, far, WORLD_PATIENCE_MSEC));
}

/* Nobody outside knows the pods' network. */
static void they_have_the_nodes_address_there(void **state)
{
	cleanup_close int listener = pod_socket(&lab, &outside, AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(8081) };
	cleanup_close int client = pod_socket(&lab, &red, AF_INET, SOCK_STREAM, 0);
	const struct timeval patience = { .tv_sec = 5 };
	cleanup_close int server = -1;
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	char text[INET_ADDRSTRLEN];

	(void)state;
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 1), 0);
	inet_pton(AF_INET, WORLD_OUTSIDE, &at.sin_addr);
	setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
	server = accept4(listener, (struct sockaddr *)&from, &size, SOCK_CLOEXEC);
	assert_true(server >= 0);
	inet_ntop(AF_INET, &from.sin_addr, text, sizeof(text));
	assert_string_equal(text, WORLD_NODE);
}

static void the_node_is_not_reached(void **state)
{
	(void)state;
	assert_true(world_reaches(&lab, NULL, WORLD_NODE, WORLD_PATIENCE_MSEC));
	assert_false(world_reaches(&lab, &red, WORLD_NODE, WORLD_SILENCE_MSEC));
	assert_false(world_reaches(&lab, &red, GATEWAY, WORLD_SILENCE_MSEC));
	assert_false(world_reaches(&lab, &red, "192.0.2.1", WORLD_SILENCE_MSEC));
	assert_false(world_reaches(&lab, &all, WORLD_NODE, WORLD_SILENCE_MSEC));
}

/* Nor by an address of the node's that its own rules lead elsewhere. */
static void what_the_node_publishes_is_not_reached(void **state)
{
	(void)state;
	free(lab_run(
		"nft \"table ip published { chain to { type nat hook prerouting priority -100; "
		"ip daddr " WORLD_NODE " tcp dport 8080 dnat to " LAN ":8080; }; }\""));
	assert_false(world_reaches(&lab, &red, WORLD_NODE, WORLD_SILENCE_MSEC));
	free(lab_run("nft delete table ip published"));
}

static void loopback_and_link_local_are_not_reached(void **state)
{
	const uint32_t gateway = 0x0a800001;
	uint8_t mac[6];

	(void)state;
	assert_true(pod_resolves(&red, gateway, WORLD_PATIENCE_MSEC, mac));
	assert_true(world_reaches(&lab, NULL, METADATA, WORLD_PATIENCE_MSEC));
	assert_false(world_reaches(&lab, &red, METADATA, WORLD_SILENCE_MSEC));
	assert_false(world_reaches(&lab, &all, METADATA, WORLD_SILENCE_MSEC));
	/* The node's kernel would take it for a stranger's with route_localnet alone. */
	free(lab_run("echo 1 >/proc/sys/net/ipv4/conf/br0/route_localnet"));
	world_run(&red, "ip route add 127.9.9.9/32 via " GATEWAY
			" && echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet");
	assert_false(world_reaches(&lab, &red, "127.9.9.9", WORLD_SILENCE_MSEC));
	free(lab_run("echo 0 >/proc/sys/net/ipv4/conf/br0/route_localnet"));
}

static void nobody_comes_in(void **state)
{
	cleanup_close int server = world_serve(&lab, &red, WORLD_PORT);
	char address[IPNET_TEXT_SIZE];

	(void)state;
	address_format(red.address, address);
	assert_true(world_reaches(&lab, &all, address, WORLD_PATIENCE_MSEC));
	assert_false(world_reaches(&lab, &outside, address, WORLD_SILENCE_MSEC));
	assert_false(world_reaches(&lab, &lan, address, WORLD_SILENCE_MSEC));
	assert_false(world_reaches(&lab, NULL, address, WORLD_SILENCE_MSEC));
}

/* The node was no router before, and is one for its pods alone. */
static void the_node_forwards_for_nobody_else(void **state)
{
	(void)state;
	assert_false(world_reaches(&lab, &outside, LAN, WORLD_SILENCE_MSEC));
	lab.egress = "shared";
	lab_kill(&lab.netd);
	lab_start_netd(&lab);
	lab_await_ready(&lab, true);
	/* Its rules stand as long as nobody changes them. */
	free(lab_run("nft delete table ip bulkhead-br0"));
	assert_true(world_reaches(&lab, &outside, LAN, WORLD_PATIENCE_MSEC));
	assert_true(world_reaches(&lab, &red, LAN, WORLD_PATIENCE_MSEC));
	lab.egress = "alone";
	lab_kill(&lab.netd);
	lab_start_netd(&lab);
	lab_await_ready(&lab, true);
	assert_false(world_reaches(&lab, &outside, LAN, WORLD_SILENCE_MSEC));
}

static void rules_that_go_come_back(void **state)
{
	cleanup_free char *rules = lab_run("nft list table ip bulkhead-br0");

	(void)state;
	free(lab_run("nft flush ruleset"));
	for (int i = 0; i < 50; i++) {
		cleanup_free char *now =
			lab_run("nft list table ip bulkhead-br0 2>/dev/null || true");

		if (strcmp(now, rules) == 0)
			return;
		usleep(20000);
	}
	fail_msg("the rules did not come back within a second");
}

static void connections_stand_while_netd_is_away(void **state)
{
	cleanup_close int client =
		world_reach(&lab, &red, WORLD_FAR, WORLD_PORT, WORLD_PATIENCE_MSEC);
	cleanup_free char *before = lab_flows(&lab);
	cleanup_free char *after = NULL;
	cleanup_close int server = -1;

	(void)state;
	assert_true(client >= 0);
	server = world_accept_last(servers[0]);
	assert_true(world_carries(client, server, WORLD_PATIENCE_MSEC));
	lab_kill(&lab.netd);
	assert_true(world_carries(client, server, WORLD_PATIENCE_MSEC));
	lab_start_netd(&lab);
	lab_await_ready(&lab, true);
	assert_true(world_carries(server, client, WORLD_PATIENCE_MSEC));
	after = lab_flows(&lab);
	assert_string_equal(before, after);
}

static void without_egress_there_is_no_way(void **state)
{
	cleanup_free char *address = NULL, *tables = NULL;

	(void)state;
	lab.egress = "off";
	lab_kill(&lab.netd);
	lab_start_netd(&lab);
	lab_await_ready(&lab, true);
	assert_false(world_reaches(&lab, &red, WORLD_FAR, WORLD_SILENCE_MSEC));
	address = lab_run("ip -4 -o address show dev br0");
	tables = lab_run("nft list tables ip");
	assert_string_equal(address, "");
	assert_string_equal(tables, "");
	lab.egress = "alone";
	lab_kill(&lab.netd);
	lab_start_netd(&lab);
	lab_await_ready(&lab, true);
	assert_true(world_reaches(&lab, &red, WORLD_FAR, WORLD_PATIENCE_MSEC));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pods_reach_what_is_outside),
		cmocka_unit_test(they_have_the_nodes_address_there),
		cmocka_unit_test(the_node_is_not_reached),
		cmocka_unit_test(what_the_node_publishes_is_not_reached),
		cmocka_unit_test(loopback_and_link_local_are_not_reached),
		cmocka_unit_test(nobody_comes_in),
		cmocka_unit_test(the_node_forwards_for_nobody_else),
		cmocka_unit_test(rules_that_go_come_back),
		cmocka_unit_test(connections_stand_while_netd_is_away),
		cmocka_unit_test(without_egress_there_is_no_way),
	};

	return cmocka_run_group_tests_name("egress", tests, setup, teardown);
}
