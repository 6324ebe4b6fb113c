/* Packets in ofproto/trace's syntax, as a pod's kernel would send them. Pure. */
#ifndef NETPLUGIN_TRACE_PACKET_H
#define NETPLUGIN_TRACE_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "netplugin/trace_text.h"

#define TRACE_PACKET_SIZE 1024
#define TRACE_SOURCE_PORT 40000 /* of TCP and UDP */

struct trace_packet {
	uint32_t source; /* addresses */
	uint32_t destination;
	uint32_t next_hop; /* whose MAC address it is sent to */
	uint32_t in_port;
	uint32_t tunnel_source; /* 0: it comes from a pod here */
	uint32_t tunnel_destination;
	uint32_t vnid; /* with tunnel_source */
	uint8_t protocol;
	uint16_t port; /* that the connection is opened to */
	bool answer;   /* of the one who was asked: source and destination are the answer's */
};

/* The request for the address 'next_hop'. */
void trace_packet_arp(const struct trace_packet *packet, char text[TRACE_PACKET_SIZE]);

/* The first packet of a connection, or the answer to it. */
void trace_packet_ip(const struct trace_packet *packet, char text[TRACE_PACKET_SIZE]);

/* The same behind conntrack, with the registers that 'before' left. */
void trace_packet_tracked(const struct trace_packet *packet, const struct trace_text *before,
	char text[TRACE_PACKET_SIZE]);

#endif
