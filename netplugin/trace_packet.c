#include "netplugin/trace_packet.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/ipnet.h"
#include "netplugin/flows.h"
#include "netplugin/names.h"

/* Every text that is possible fits: the unit test writes the longest. */
static __attribute__((format(printf, 2, 3))) void add(char *text, const char *format, ...)
{
	size_t len = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + len, TRACE_PACKET_SIZE - len, format, args);
	va_end(args);
}

static void add_mac(char *text, const char *field, uint32_t address)
{
	uint8_t mac[6];
	char mac_text[MAC_TEXT_SIZE];

	mac_of_address(address, mac);
	mac_format(mac, mac_text);
	add(text, ",%s=%s", field, mac_text);
}

static void add_address(char *text, const char *field, uint32_t address)
{
	char address_text[IPNET_TEXT_SIZE];

	address_format(address, address_text);
	add(text, ",%s=%s", field, address_text);
}

void trace_packet_arp(const struct trace_packet *packet, char text[TRACE_PACKET_SIZE])
{
	text[0] = '\0';
	add(text, "arp,in_port=%u", packet->in_port);
	add_mac(text, "dl_src", packet->source);
	add(text, ",dl_dst=ff:ff:ff:ff:ff:ff,arp_op=1");
	add_address(text, "arp_spa", packet->source);
	add_address(text, "arp_tpa", packet->next_hop);
	add_mac(text, "arp_sha", packet->source);
}

static void add_tunnel(const struct trace_packet *packet, char *text)
{
	if (!packet->tunnel_source)
		return;
	add(text, ",tun_id=%u,tun_ttl=64", packet->vnid);
	add_address(text, "tun_src", packet->tunnel_source);
	add_address(text, "tun_dst", packet->tunnel_destination);
}

static void add_payload(const struct trace_packet *packet, char *text)
{
	const unsigned opener = TRACE_SOURCE_PORT, target = packet->port;
	const char *name = packet->protocol == IPPROTO_TCP ? "tcp" : "udp";

	if (packet->protocol == IPPROTO_ICMP) {
		add(text, ",icmp_type=%d,icmp_code=0", packet->answer ? 0 : 8);
		return;
	}
	add(text, ",%s_src=%u,%s_dst=%u", name, packet->answer ? target : opener, name,
		packet->answer ? opener : target);
	if (packet->protocol == IPPROTO_TCP)
		add(text, ",tcp_flags=%s", packet->answer ? "syn|ack" : "syn");
}

static void add_ip(const struct trace_packet *packet, char *text)
{
	const char *protocol = packet->protocol == IPPROTO_TCP   ? "tcp"
			       : packet->protocol == IPPROTO_UDP ? "udp"
								 : "icmp";

	add(text, "%s,in_port=%u", protocol, packet->in_port);
	add_tunnel(packet, text);
	add_mac(text, "dl_src", packet->source);
	add_mac(text, "dl_dst", packet->next_hop);
	add_address(text, "nw_src", packet->source);
	add_address(text, "nw_dst", packet->destination);
	add(text, ",nw_ttl=64");
	add_payload(packet, text);
}

void trace_packet_ip(const struct trace_packet *packet, char text[TRACE_PACKET_SIZE])
{
	text[0] = '\0';
	add_ip(packet, text);
}

/* The tuple is the opener's, whichever end sends. */
void trace_packet_tracked(const struct trace_packet *packet, const struct trace_text *before,
	char text[TRACE_PACKET_SIZE])
{
	text[0] = '\0';
	add(text, "ct_state=%s,ct_zone=%u,", packet->answer ? "trk|est|rpl" : "trk|new",
		FLOWS_CT_ZONE);
	add_ip(packet, text);
	for (unsigned i = 0; i < TRACE_REGS; i++) {
		if (before->regs[i])
			add(text, ",reg%u=%u", i, before->regs[i]);
	}
	add_address(text, "ct_nw_src", packet->answer ? packet->destination : packet->source);
	add_address(text, "ct_nw_dst", packet->answer ? packet->source : packet->destination);
	add(text, ",ct_nw_proto=%u", packet->protocol);
	if (packet->protocol == IPPROTO_ICMP)
		add(text, ",ct_tp_src=8,ct_tp_dst=0");
	else
		add(text, ",ct_tp_src=%u,ct_tp_dst=%u", TRACE_SOURCE_PORT, packet->port);
}
