/*
 * The pods' way out of the cluster, with network namespaces as the world outside: who is reached,
 * who is not, and what stands while netd is away. Each refusal has a control that passes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
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

#define SILENCE_MSEC  500
#define PATIENCE_MSEC 5000
#define RED           11
#define PORT          8080
#define NODE          "198.51.100.1"
#define OUTSIDE       "198.51.100.2" /* the node's way to all else */
#define FAR           "203.0.113.9"  /* behind it */
#define METADATA      "169.254.169.254"
#define GATEWAY       "10.128.0.1"
#define LAN           "192.0.2.2" /* of another link of the node */

static struct lab lab;
static struct pod red, all, outside, lan;
static int servers[3];

/* ---- the world ----------------------------------------------------------------------------- */

static void plug(struct pod *pod, const char *uid, uint32_t vnid)
{
	char text[ERROR_TEXT_SIZE];

	pod_open(&lab, pod, uid, vnid);
	if (pod_plug(&lab, pod, text) != 0)
		fail_msg("%s", text);
}

static void run_in(const struct pod *place, const char *command)
{
	free(lab_run(
		"nsenter --net=/proc/%d/fd/%d sh -c '%s'", getpid(), place->netns_fd, command));
}

/* A cable from the node's 'link' to a place that is no pod. */
static void wire(struct pod *place, const char *link, const char *address, const char *theirs)
{
	pod_open(&lab, place, link, 0);
	free(lab_run("ip link add %s type veth peer name wire netns /proc/%d/fd/%d", link, getpid(),
		place->netns_fd));
	free(lab_run("ip address add %s/24 dev %s && ip link set %s up", address, link, link));
	free(lab_run("nsenter --net=/proc/%d/fd/%d sh -c 'ip address add %s/24 dev wire && "
		     "ip link set wire up'",
		getpid(), place->netns_fd, theirs));
}

static int serve(const struct pod *place)
{
	const struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	const int on = 1;
	int fd;

	if (place)
		fd = pod_socket(&lab, place, AF_INET, SOCK_STREAM, 0);
	else
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, (const struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

/* A connection to it, or -1 when none came to be. */
static int reach(const struct pod *place, const char *address, int timeout_ms)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	cleanup_close int fd = -1;
	struct pollfd p = { .events = POLLOUT };
	int failure = 0;
	socklen_t size = sizeof(failure);

	if (place)
		fd = pod_socket(&lab, place, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	else
		fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	inet_pton(AF_INET, address, &to.sin_addr);
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
		return -1;
	p.fd = fd;
	if (poll(&p, 1, timeout_ms) != 1 ||
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) < 0 || failure)
		return -1;
	return take_fd(&fd);
}

static bool reaches(const struct pod *place, const char *address, int timeout_ms)
{
	cleanup_close int fd = reach(place, address, timeout_ms);

	return fd >= 0;
}

/* What is sent into one end comes out of the other. */
static bool carries(int from, int to, int timeout_ms)
{
	struct pollfd p = { .fd = to, .events = POLLIN };
	char byte = 'x', got = 0;

	assert_int_equal(send(from, &byte, 1, MSG_NOSIGNAL), 1);
	return poll(&p, 1, timeout_ms) == 1 && recv(to, &got, 1, 0) == 1 && got == byte;
}

static void start_world(void)
{
	wire(&outside, "up0", NODE, OUTSIDE);
	wire(&lan, "up1", "192.0.2.1", LAN);
	run_in(&outside, "ip address add " FAR "/32 dev lo; ip address add " METADATA
			 "/32 dev lo; ip route add 10.128.0.0/14 via " NODE
			 "; ip route add 192.0.2.0/24 via " NODE);
	run_in(&lan, "ip route add default via 192.0.2.1");
	free(lab_run(
		"ip route add default via " OUTSIDE " && echo 1 >/proc/sys/net/ipv4/ip_forward"));
	servers[0] = serve(&outside);
	servers[1] = serve(&lan);
	servers[2] = serve(NULL);
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
	assert_true(reaches(&red, OUTSIDE, PATIENCE_MSEC));
	assert_true(reaches(&red, FAR, PATIENCE_MSEC));
	assert_true(reaches(&red, LAN, PATIENCE_MSEC));
	assert_true(reaches(&all, FAR, PATIENCE_MSEC));
	assert_int_equal(address_parse(FAR, &far, NULL), 0);
	assert_true(pod_pings(&lab, &red, far, PATIENCE_MSEC));
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
	inet_pton(AF_INET, OUTSIDE, &at.sin_addr);
	setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
	server = accept4(listener, (struct sockaddr *)&from, &size, SOCK_CLOEXEC);
	assert_true(server >= 0);
	inet_ntop(AF_INET, &from.sin_addr, text, sizeof(text));
	assert_string_equal(text, NODE);
}

static void the_node_is_not_reached(void **state)
{
	(void)state;
	assert_true(reaches(NULL, NODE, PATIENCE_MSEC));
	assert_false(reaches(&red, NODE, SILENCE_MSEC));
	assert_false(reaches(&red, GATEWAY, SILENCE_MSEC));
	assert_false(reaches(&red, "192.0.2.1", SILENCE_MSEC));
	assert_false(reaches(&all, NODE, SILENCE_MSEC));
}

/* Nor by an address of the node's that its own rules lead elsewhere. */
static void what_the_node_publishes_is_not_reached(void **state)
{
	(void)state;
	free(lab_run(
		"nft \"table ip published { chain to { type nat hook prerouting priority -100; "
		"ip daddr " NODE " tcp dport 8080 dnat to " LAN ":8080; }; }\""));
	assert_false(reaches(&red, NODE, SILENCE_MSEC));
	free(lab_run("nft delete table ip published"));
}

static void loopback_and_link_local_are_not_reached(void **state)
{
	const uint32_t gateway = 0x0a800001;
	uint8_t mac[6];

	(void)state;
	assert_true(pod_resolves(&red, gateway, PATIENCE_MSEC, mac));
	assert_true(reaches(NULL, METADATA, PATIENCE_MSEC));
	assert_false(reaches(&red, METADATA, SILENCE_MSEC));
	assert_false(reaches(&all, METADATA, SILENCE_MSEC));
	/* The node's kernel would take it for a stranger's with route_localnet alone. */
	free(lab_run("echo 1 >/proc/sys/net/ipv4/conf/br0/route_localnet"));
	run_in(&red, "ip route add 127.9.9.9/32 via " GATEWAY
		     " && echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet");
	assert_false(reaches(&red, "127.9.9.9", SILENCE_MSEC));
	free(lab_run("echo 0 >/proc/sys/net/ipv4/conf/br0/route_localnet"));
}

static void nobody_comes_in(void **state)
{
	cleanup_close int server = serve(&red);
	char address[IPNET_TEXT_SIZE];

	(void)state;
	address_format(red.address, address);
	assert_true(reaches(&all, address, PATIENCE_MSEC));
	assert_false(reaches(&outside, address, SILENCE_MSEC));
	assert_false(reaches(&lan, address, SILENCE_MSEC));
	assert_false(reaches(NULL, address, SILENCE_MSEC));
}

/* The node was no router before, and is one for its pods alone. */
static void the_node_forwards_for_nobody_else(void **state)
{
	(void)state;
	assert_false(reaches(&outside, LAN, SILENCE_MSEC));
	lab.egress = "shared";
	lab_kill(&lab.netd);
	lab_start_netd(&lab);
	lab_await_ready(&lab, true);
	/* Its rules stand as long as nobody changes them. */
	free(lab_run("nft delete table ip bulkhead-br0"));
	assert_true(reaches(&outside, LAN, PATIENCE_MSEC));
	assert_true(reaches(&red, LAN, PATIENCE_MSEC));
	lab.egress = "alone";
	lab_kill(&lab.netd);
	lab_start_netd(&lab);
	lab_await_ready(&lab, true);
	assert_false(reaches(&outside, LAN, SILENCE_MSEC));
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
	cleanup_close int client = reach(&red, FAR, PATIENCE_MSEC);
	cleanup_free char *before = lab_flows(&lab);
	cleanup_free char *after = NULL;
	cleanup_close int server = -1;
	struct pollfd p = { .fd = servers[0], .events = POLLIN };

	(void)state;
	assert_true(client >= 0);
	while (poll(&p, 1, SILENCE_MSEC) == 1) { /* the last is ours */
		cleanup_close_fn(&server);
		server = accept4(servers[0], NULL, NULL, SOCK_CLOEXEC);
	}
	assert_true(carries(client, server, PATIENCE_MSEC));
	lab_kill(&lab.netd);
	assert_true(carries(client, server, PATIENCE_MSEC));
	lab_start_netd(&lab);
	lab_await_ready(&lab, true);
	assert_true(carries(server, client, PATIENCE_MSEC));
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
	assert_false(reaches(&red, FAR, SILENCE_MSEC));
	address = lab_run("ip -4 -o address show dev br0");
	tables = lab_run("nft list tables ip");
	assert_string_equal(address, "");
	assert_string_equal(tables, "");
	lab.egress = "alone";
	lab_kill(&lab.netd);
	lab_start_netd(&lab);
	lab_await_ready(&lab, true);
	assert_true(reaches(&red, FAR, PATIENCE_MSEC));
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
