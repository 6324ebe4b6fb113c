/* Who reaches whom through the bridge, and what a pod may not forge. Each refusal has a control
 * that passes. */
#include <arpa/inet.h>
#include <net/if_arp.h>
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
#include "netplugin/guard.h"
#include "tests/priv/net/frames.h"
#include "tests/priv/net/lab.h"

#define SILENCE_MSEC 300
#define RED          11
#define BLUE         12
#define NODE_ADDRESS "203.0.113.7"

static struct lab lab;

/* Two pods of red, one of blue, one of the project that reaches all. */
static struct pod red, red2, blue, all;

static void plug(struct pod *pod, const char *uid, uint32_t vnid)
{
	char text[ERROR_TEXT_SIZE];

	pod_open(&lab, pod, uid, vnid);
	if (pod_plug(&lab, pod, text) != 0)
		fail_msg("%s", text);
}

static int setup(void **state)
{
	(void)state;
	lab_start(&lab, "10.128.0.0/23", "netdev");
	plug(&red, "pod-red", RED);
	plug(&red2, "pod-red-2", RED);
	plug(&blue, "pod-blue", BLUE);
	plug(&all, "pod-all", 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pod_close(&red);
	pod_close(&red2);
	pod_close(&blue);
	pod_close(&all);
	lab_stop(&lab);
	return 0;
}

/* Packets counted by the flow that 'match' (a pattern for grep -E) finds. */
static unsigned long count(unsigned table, const char *match)
{
	cleanup_free char *text =
		lab_run("ovs-ofctl -O OpenFlow15 dump-flows unix:%s/br0.mgmt table=%u"
			" | grep -E '%s' | sed 's/.*n_packets=\\([0-9]*\\).*/\\1/'",
			lab.dir, table, match);

	return strtoul(text, NULL, 10);
}

static void addresses_follow_the_rules(void **state)
{
	const uint8_t mac[6] = { 0x0a, 0x58, 10, 128, 0, 2 };

	(void)state;
	assert_int_equal(red.address, 0x0a800002); /* .0 is the network, .1 the gateway */
	assert_memory_equal(red.mac, mac, 6);
	assert_int_equal(red.ofport, 2);
	assert_true(strlen(red.port) <= 15);
	assert_string_not_equal(red.port, red2.port);
}

static void same_vnid_talks(void **state)
{
	(void)state;
	assert_true(pod_pings(&lab, &red, red2.address, 1000));
	assert_true(pod_pings(&lab, &red2, red.address, 1000));
}

static void tcp_carries_data(void **state)
{
	cleanup_close int listener = pod_socket(&lab, &red2, AF_INET, SOCK_STREAM, 0);
	cleanup_close int client = pod_socket(&lab, &red, AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(8080),
		.sin_addr.s_addr = htonl(red2.address) };
	const struct timeval patience = { .tv_sec = 5 };
	cleanup_close int server = -1;
	static char data[256 << 10];
	size_t got = 0;

	(void)state;
	assert_int_equal(bind(listener, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(listen(listener, 1), 0);
	setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(client, (struct sockaddr *)&to, sizeof(to)), 0);
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(server >= 0);
	setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	for (int i = 0; i < 8; i++) {
		char chunk[32 << 10];

		memset(chunk, 'a' + i, sizeof(chunk));
		assert_int_equal(send(client, chunk, sizeof(chunk), MSG_NOSIGNAL), sizeof(chunk));
		while (got < (size_t)(i + 1) * sizeof(chunk)) {
			ssize_t n = recv(server, data + got, sizeof(data) - got, 0);

			assert_true(n > 0);
			got += (size_t)n;
		}
	}
	for (size_t i = 0; i < got; i++)
		assert_int_equal(data[i], 'a' + (int)(i / (32 << 10)));
}

static void other_vnid_has_no_arp(void **state)
{
	uint8_t mac[6];

	(void)state;
	assert_true(pod_resolves(&red, red2.address, 1000, mac));
	assert_memory_equal(mac, red2.mac, 6);
	pod_drain(&blue);
	assert_false(pod_resolves(&red, blue.address, SILENCE_MSEC, mac));
	assert_false(pod_resolves(&blue, red.address, SILENCE_MSEC, mac));
	assert_false(pod_pings(&lab, &red, blue.address, SILENCE_MSEC));
}

/* With the right MAC address, known by other means, so that only the verdict stands between them.
 */
static void other_vnid_has_no_ip(void **state)
{
	struct frame stranger = frame_udp(
		red.mac, blue.mac, red.address, blue.address, 1000, 2000, "to-a-stranger");
	struct frame neighbour = frame_udp(
		red.mac, red2.mac, red.address, red2.address, 1000, 2000, "to-a-neighbour");
	unsigned long dropped = count(80, "priority=0 ");

	(void)state;
	/* What other tests sent may have filled the sockets: then the kernel drops what comes next.
	 */
	pod_drain(&red2);
	pod_drain(&blue);
	pod_send(&red, &neighbour);
	assert_true(pod_hears(&red2, "to-a-neighbour", 1000));
	pod_send(&red, &stranger);
	assert_false(pod_hears(&blue, "to-a-stranger", SILENCE_MSEC));
	/* ovs-vswitchd takes over the datapath's counters about once a second. */
	for (int i = 0; i < 30 && count(80, "priority=0 ") == dropped; i++)
		usleep(100000);
	assert_int_equal(count(80, "priority=0 "), dropped + 1);
}

static void vnid_0_reaches_all(void **state)
{
	(void)state;
	assert_true(pod_pings(&lab, &all, red.address, 1000));
	assert_true(pod_pings(&lab, &all, blue.address, 1000));
	assert_true(pod_pings(&lab, &red, all.address, 1000));
	assert_true(pod_pings(&lab, &blue, all.address, 1000));
	assert_false(pod_pings(&lab, &red, blue.address, SILENCE_MSEC));
}

static void forged_mac_and_ip_are_dropped(void **state)
{
	const uint8_t other[6] = { 0x0a, 0x58, 10, 128, 0, 99 };
	const struct {
		struct frame frame;
		bool arrives;
	} cases[] = {
		{ frame_udp(red.mac, red2.mac, red.address, red2.address, 1, 2, "forge-0"), true },
		{ frame_udp(other, red2.mac, red.address, red2.address, 1, 2, "forge-1"), false },
		{ frame_udp(red.mac, red2.mac, red.address + 50, red2.address, 1, 2, "forge-2"),
			false },
		{ frame_udp(blue.mac, red2.mac, blue.address, red2.address, 1, 2, "forge-3"),
			false },
		{ frame_udp(all.mac, red2.mac, all.address, red2.address, 1, 2, "forge-4"), false },
		{ frame_udp(red.mac, blue.mac, red.address, red2.address, 1, 2, "forge-5"), false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[16];

		snprintf(text, sizeof(text), "forge-%zu", i);
		pod_send(&red, &cases[i].frame);
		if (pod_hears(&red2, text, cases[i].arrives ? 1000 : SILENCE_MSEC) !=
			cases[i].arrives)
			fail_msg("case %zu", i);
	}
}

/* Whether a forged ARP message is answered to the forger or shown to anyone. */
static void forged_arp_is_dropped(void **state)
{
	const uint32_t gateway = 0x0a800001;
	const struct {
		const char *what;
		struct frame frame;
	} cases[] = {
		{ "sender hardware address", frame_arp(red.mac, NULL, ARPOP_REQUEST, blue.mac,
						     red.address, red2.address) },
		{ "sender protocol address", frame_arp(red.mac, NULL, ARPOP_REQUEST, red.mac,
						     blue.address, red2.address) },
		{ "ethernet source", frame_arp(blue.mac, NULL, ARPOP_REQUEST, red.mac, red.address,
					     red2.address) },
		{ "gratuitous, for the gateway",
			frame_arp(red.mac, NULL, ARPOP_REQUEST, red.mac, gateway, gateway) },
		{ "reply for the gateway",
			frame_arp(red.mac, red2.mac, ARPOP_REPLY, red.mac, gateway, red2.address) },
		{ "reply for itself", frame_arp(red.mac, red2.mac, ARPOP_REPLY, red.mac,
					      red.address, red2.address) },
	};
	const char ether_type_arp[] = "\x08\x06";
	uint8_t mac[6];

	(void)state;
	assert_true(pod_resolves(&red, red2.address, 1000, mac));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		pod_drain(&red);
		pod_drain(&red2);
		pod_drain(&blue);
		pod_send(&red, &cases[i].frame);
		if (pod_hears(&red, ether_type_arp, SILENCE_MSEC) ||
			pod_hears(&red2, ether_type_arp, 0) || pod_hears(&blue, ether_type_arp, 0))
			fail_msg("forged %s", cases[i].what);
	}
	assert_false(pod_resolves(&red, gateway, SILENCE_MSEC, mac));
}

static void what_no_pod_may_send(void **state)
{
	struct frame plain =
		frame_udp(red.mac, red2.mac, red.address, red2.address, 68, 4790, "may-plain");
	struct frame cases[] = {
		frame_udp(
			red.mac, red2.mac, red.address, red2.address, 5000, 4789, "may-not-vxlan"),
		frame_udp(red.mac, red2.mac, red.address, red2.address, 67, 68, "may-not-dhcp"),
		frame_ipv6(red.mac, "may-not-ipv6"),
		frame_tagged(&plain, 100),
		frame_tagged(&plain, 0),
		frame_udp(red.mac, red2.mac, red.address, 0xe0000001, 1, 2, "may-not-multicast"),
		frame_udp(red.mac, red2.mac, red.address, 0x0a8001ff, 1, 2, "may-not-broadcast"),
		frame_udp(red.mac, red2.mac, red.address, 0x0a800001, 1, 2, "may-not-gateway"),
		frame_udp(red.mac, red2.mac, red.address, 0x7f000001, 1, 2, "may-not-loopback"),
		frame_udp(red.mac, red2.mac, red.address, 0x08080808, 1, 2, "may-not-outside"),
	};

	(void)state;
	pod_send(&red, &plain);
	assert_true(pod_hears(&red2, "may-plain", 1000));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		pod_send(&red, &cases[i]);
		if (pod_hears(&red2, "may-", SILENCE_MSEC))
			fail_msg("case %zu", i);
	}
}

/* The link's MAC address on the node's side. */
static void port_mac(const char *port, uint8_t mac[6])
{
	cleanup_free char *text =
		lab_run("ip -o link show dev %s | sed 's/.*ether \\([^ ]*\\).*/\\1/'", port);
	unsigned bytes[6];

	assert_int_equal(sscanf(text, "%x:%x:%x:%x:%x:%x", &bytes[0], &bytes[1], &bytes[2],
				 &bytes[3], &bytes[4], &bytes[5]),
		6);
	for (size_t i = 0; i < 6; i++)
		mac[i] = (uint8_t)bytes[i];
}

/* Whether the node's kernel, around Open vSwitch, answers ARP or takes a datagram sent to it. */
static void reach_node(bool *ret_arp, bool *ret_ip)
{
	cleanup_close int node = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in local = { .sin_family = AF_INET, .sin_port = htons(5353) };
	const struct timeval patience = { .tv_usec = SILENCE_MSEC * 1000 };
	uint8_t mac[6], link_mac[6];
	struct frame frame;
	char byte;

	inet_pton(AF_INET, NODE_ADDRESS, &local.sin_addr);
	assert_int_equal(bind(node, (struct sockaddr *)&local, sizeof(local)), 0);
	setsockopt(node, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	port_mac(red.port, link_mac);
	*ret_arp = pod_resolves(&red, ntohl(local.sin_addr.s_addr), SILENCE_MSEC, mac);
	frame = frame_udp(red.mac, link_mac, red.address, ntohl(local.sin_addr.s_addr), 1000, 5353,
		"to-the-node");
	pod_send(&red, &frame);
	*ret_ip = recv(node, &byte, 1, 0) == 1;
}

/*
 * With the userspace datapath the node's kernel sees every frame too. The guard closes that way;
 * taken away, the way is there: this is what shows that the test would notice.
 */
static void no_way_around_the_switch(void **state)
{
	struct error err = { 0 };
	cleanup_close int guard_fd = -1;
	bool arp, ip;

	(void)state;
	free(lab_run("ip address add " NODE_ADDRESS "/32 dev lo"));
	reach_node(&arp, &ip);
	assert_false(arp);
	assert_false(ip);
	assert_int_equal(guard_open(&guard_fd, &err), 0);
	assert_int_equal(guard_remove(guard_fd, red.port, &err), 0);
	reach_node(&arp, &ip);
	assert_true(arp);
	assert_true(ip);
	assert_int_equal(guard_add(guard_fd, red.port, &err), 0);
	reach_node(&arp, &ip);
	assert_false(arp);
	assert_false(ip);
	assert_true(pod_pings(&lab, &red, red2.address, 1000));
	free(lab_run("ip address del " NODE_ADDRESS "/32 dev lo"));
}

static void ports_have_no_ipv6(void **state)
{
	cleanup_free char *node = lab_run("ip -6 -o address show dev %s", red.port);
	cleanup_free char *pod =
		lab_run("nsenter --net=/proc/%d/fd/%d ip -6 -o address show dev eth0", getpid(),
			red.netns_fd);

	(void)state;
	assert_string_equal(node, "");
	assert_string_equal(pod, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_follow_the_rules),
		cmocka_unit_test(same_vnid_talks),
		cmocka_unit_test(tcp_carries_data),
		cmocka_unit_test(other_vnid_has_no_arp),
		cmocka_unit_test(other_vnid_has_no_ip),
		cmocka_unit_test(vnid_0_reaches_all),
		cmocka_unit_test(forged_mac_and_ip_are_dropped),
		cmocka_unit_test(forged_arp_is_dropped),
		cmocka_unit_test(what_no_pod_may_send),
		cmocka_unit_test(no_way_around_the_switch),
		cmocka_unit_test(ports_have_no_ipv6),
	};

	return cmocka_run_group_tests_name("isolation", tests, setup, teardown);
}
