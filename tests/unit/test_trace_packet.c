/* Packets for ofproto/trace. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "netplugin/flow_names.h"
#include "netplugin/flows.h"
#include "netplugin/trace_packet.h"

#define IP(a, b, c, d)                                                                             \
	((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

static const struct trace_packet web = {
	.source = IP(10, 128, 0, 2),
	.destination = IP(10, 128, 0, 3),
	.next_hop = IP(10, 128, 0, 3),
	.in_port = 2,
	.protocol = IPPROTO_TCP,
	.port = 80,
};

static void who_has(void **state)
{
	char text[TRACE_PACKET_SIZE];

	(void)state;
	trace_packet_arp(&web, text);
	assert_string_equal(text,
		"arp,in_port=2,dl_src=0a:58:0a:80:00:02,dl_dst=ff:ff:ff:ff:ff:ff,arp_op=1,"
		"arp_spa=10.128.0.2,arp_tpa=10.128.0.3,arp_sha=0a:58:0a:80:00:02");
}

static void openings_and_answers(void **state)
{
	struct trace_packet packet = web;
	char text[TRACE_PACKET_SIZE];

	(void)state;
	trace_packet_ip(&packet, text);
	assert_string_equal(text,
		"tcp,in_port=2,dl_src=0a:58:0a:80:00:02,dl_dst=0a:58:0a:80:00:03,"
		"nw_src=10.128.0.2,nw_dst=10.128.0.3,nw_ttl=64,tcp_src=40000,tcp_dst=80,"
		"tcp_flags=syn");
	packet.answer = true;
	trace_packet_ip(&packet, text);
	assert_non_null(strstr(text, ",tcp_src=80,tcp_dst=40000,tcp_flags=syn|ack"));
	packet.protocol = IPPROTO_UDP;
	trace_packet_ip(&packet, text);
	assert_non_null(strstr(text, ",nw_ttl=64,udp_src=80,udp_dst=40000"));
	assert_null(strstr(text, "tcp"));
	packet.protocol = IPPROTO_ICMP;
	trace_packet_ip(&packet, text);
	assert_non_null(strstr(text, ",icmp_type=0,icmp_code=0"));
	packet.answer = false;
	trace_packet_ip(&packet, text);
	assert_non_null(strstr(text, ",icmp_type=8,icmp_code=0"));
}

static void behind_conntrack_the_tuple_is_the_openers(void **state)
{
	struct trace_text before = { .regs = { 10, 0, 7 } };
	struct trace_packet packet = web;
	char text[TRACE_PACKET_SIZE];

	(void)state;
	trace_packet_tracked(&packet, &before, text);
	assert_memory_equal(text, "ct_state=trk|new,ct_zone=25192,tcp,in_port=2,", 45);
	assert_non_null(strstr(text, ",reg0=10,reg2=7,ct_nw_src=10.128.0.2,ct_nw_dst=10.128.0.3,"
				     "ct_nw_proto=6,ct_tp_src=40000,ct_tp_dst=80"));
	packet.source = web.destination;
	packet.destination = web.source;
	packet.answer = true;
	trace_packet_tracked(&packet, &before, text);
	assert_memory_equal(text, "ct_state=trk|est|rpl,", 21);
	assert_non_null(strstr(text, "nw_src=10.128.0.3,nw_dst=10.128.0.2"));
	assert_non_null(strstr(text, "ct_nw_src=10.128.0.2,ct_nw_dst=10.128.0.3,"
				     "ct_nw_proto=6,ct_tp_src=40000,ct_tp_dst=80"));
}

static void the_longest_fits(void **state)
{
	struct trace_text before = { 0 };
	struct trace_packet packet = {
		.source = UINT32_MAX,
		.destination = UINT32_MAX,
		.next_hop = UINT32_MAX,
		.in_port = UINT32_MAX,
		.tunnel_source = UINT32_MAX,
		.tunnel_destination = UINT32_MAX,
		.vnid = UINT32_MAX,
		.protocol = IPPROTO_TCP,
		.port = 65535,
		.answer = true,
	};
	char text[TRACE_PACKET_SIZE];

	(void)state;
	for (size_t i = 0; i < TRACE_REGS; i++)
		before.regs[i] = UINT32_MAX;
	trace_packet_tracked(&packet, &before, text);
	assert_true(strlen(text) < TRACE_PACKET_SIZE - 100);
	assert_non_null(strstr(text, ",tun_id=4294967295,tun_ttl=64,tun_src=255.255.255.255,"
				     "tun_dst=255.255.255.255"));
	assert_string_equal(text + strlen(text) - strlen(",ct_tp_dst=65535"), ",ct_tp_dst=65535");
}

static void names_of_tables_and_cookies(void **state)
{
	const uint64_t cookie = flow_cookie(FLOW_VNID, 10);

	(void)state;
	assert_string_equal(flow_table_name(80), "verdict");
	assert_string_equal(flow_table_name(1), "");
	assert_int_equal(flow_cookie_class(cookie), FLOW_VNID);
	assert_int_equal(flow_cookie_object(cookie), 10);
	assert_int_equal(flow_cookie_class(0x1234), 0);
	assert_int_equal(flow_cookie_class(cookie + (UINT64_C(1) << 48)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_has),
		cmocka_unit_test(openings_and_answers),
		cmocka_unit_test(behind_conntrack_the_tuple_is_the_openers),
		cmocka_unit_test(the_longest_fits),
		cmocka_unit_test(names_of_tables_and_cookies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
