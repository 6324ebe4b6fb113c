/* Ethernet frames as a pod could forge them, and whether they arrive. */
#ifndef TESTS_PRIV_NET_FRAMES_H
#define TESTS_PRIV_NET_FRAMES_H

#include "tests/priv/net/lab.h"

struct frame {
	uint8_t data[256];
	size_t size;
};

/* An ARP message; 'to' NULL is broadcast. */
struct frame frame_arp(const uint8_t eth_src[6], const uint8_t *to, uint16_t op,
	const uint8_t sha[6], uint32_t spa, uint32_t tpa);

/* A UDP datagram with 'text' as payload. */
struct frame frame_udp(const uint8_t eth_src[6], const uint8_t eth_dst[6], uint32_t from,
	uint32_t to, uint16_t from_port, uint16_t to_port, const char *text);

/* A router advertisement's ethernet type and something that passes for it. */
struct frame frame_ipv6(const uint8_t eth_src[6], const char *text);

/* The same with a VLAN tag put in. */
struct frame frame_tagged(const struct frame *frame, uint16_t vlan);

void pod_send(const struct pod *pod, const struct frame *frame);

/* Whether 'pod' receives a frame that holds 'text' within 'timeout_ms'. */
bool pod_hears(const struct pod *pod, const char *text, int timeout_ms);

/* Drops what waits to be received. */
void pod_drain(const struct pod *pod);

/* Broadcasts a request and says whether an answer from 'target' came; its MAC goes to 'ret_mac'. */
bool pod_resolves(const struct pod *pod, uint32_t target, int timeout_ms, uint8_t ret_mac[6]);

#endif
