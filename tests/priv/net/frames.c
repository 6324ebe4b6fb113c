#include "tests/priv/net/frames.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };

static void put_ether(struct frame *frame, const uint8_t *dst, const uint8_t *src, uint16_t type)
{
	struct ether_header header = { .ether_type = htons(type) };

	memcpy(header.ether_dhost, dst, 6);
	memcpy(header.ether_shost, src, 6);
	memcpy(frame->data, &header, sizeof(header));
	frame->size = sizeof(header);
}

static void put(struct frame *frame, const void *data, size_t size)
{
	memcpy(frame->data + frame->size, data, size);
	frame->size += size;
}

struct frame frame_arp(const uint8_t eth_src[6], const uint8_t *to, uint16_t op,
	const uint8_t sha[6], uint32_t spa, uint32_t tpa)
{
	struct ether_arp arp = {
		.ea_hdr = { htons(ARPHRD_ETHER), htons(ETH_P_IP), 6, 4, htons(op) },
	};
	struct frame frame;

	spa = htonl(spa);
	tpa = htonl(tpa);
	memcpy(arp.arp_sha, sha, 6);
	memcpy(arp.arp_spa, &spa, 4);
	memcpy(arp.arp_tpa, &tpa, 4);
	put_ether(&frame, to ? to : broadcast, eth_src, ETH_P_ARP);
	put(&frame, &arp, sizeof(arp));
	return frame;
}

static uint16_t ip_checksum(const struct iphdr *ip)
{
	uint16_t words[10];
	uint32_t sum = 0;

	memcpy(words, ip, sizeof(words));
	for (size_t i = 0; i < 10; i++)
		sum += words[i];
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t) ~(sum + (sum >> 16));
}

struct frame frame_udp(const uint8_t eth_src[6], const uint8_t eth_dst[6], uint32_t from,
	uint32_t to, uint16_t from_port, uint16_t to_port, const char *text)
{
	size_t len = strlen(text);
	struct udphdr udp = {
		.source = htons(from_port),
		.dest = htons(to_port),
		.len = htons((uint16_t)(sizeof(udp) + len)),
	};
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.tot_len = htons((uint16_t)(sizeof(ip) + sizeof(udp) + len)),
		.saddr = htonl(from),
		.daddr = htonl(to),
	};
	struct frame frame;

	ip.check = ip_checksum(&ip);
	put_ether(&frame, eth_dst, eth_src, ETH_P_IP);
	put(&frame, &ip, sizeof(ip));
	put(&frame, &udp, sizeof(udp));
	put(&frame, text, len);
	return frame;
}

struct frame frame_ipv6(const uint8_t eth_src[6], const char *text)
{
	/* Version 6, ICMPv6, hop limit 255, from fe80::1 to ff02::1, type 134. */
	uint8_t packet[48] = { 0x60, 0, 0, 0, 0, 8, 58, 255, [8] = 0xfe,
		0x80, [23] = 1, [24] = 0xff, 0x02, [39] = 1, [40] = 134 };
	struct frame frame;

	put_ether(&frame, broadcast, eth_src, ETH_P_IPV6);
	put(&frame, packet, sizeof(packet));
	put(&frame, text, strlen(text));
	return frame;
}

struct frame frame_tagged(const struct frame *frame, uint16_t vlan)
{
	const uint16_t tag[2] = { htons(ETH_P_8021Q), htons(vlan) };
	struct frame tagged = { .size = frame->size + 4 };

	memcpy(tagged.data, frame->data, 12);
	memcpy(tagged.data + 12, tag, 4);
	memcpy(tagged.data + 16, frame->data + 12, frame->size - 12);
	return tagged;
}

void pod_send(const struct pod *pod, const struct frame *frame)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = pod->link_index };

	if (sendto(pod->packet_fd, frame->data, frame->size, 0, (struct sockaddr *)&to,
		    sizeof(to)) != (ssize_t)frame->size) {
		perror("lab: cannot send a frame");
		exit(99);
	}
}

/* The next frame that came in (not one that went out); 0 when time is over. */
static ssize_t next_frame(const struct pod *pod, uint8_t *data, size_t size, uint64_t end)
{
	for (;;) {
		struct pollfd p = { .fd = pod->packet_fd, .events = POLLIN };
		int64_t left = (int64_t)(end - lab_msec());
		struct sockaddr_ll from;
		socklen_t from_size = sizeof(from);
		ssize_t n;

		if (left < 0 || poll(&p, 1, (int)left) != 1)
			return 0;
		n = recvfrom(pod->packet_fd, data, size, MSG_DONTWAIT, (struct sockaddr *)&from,
			&from_size);
		if (n > 0 && from.sll_pkttype != PACKET_OUTGOING &&
			from.sll_ifindex == pod->link_index)
			return n;
	}
}

bool pod_hears(const struct pod *pod, const char *text, int timeout_ms)
{
	uint64_t end = lab_msec() + (uint64_t)timeout_ms;
	uint8_t data[2048];
	ssize_t n;

	while ((n = next_frame(pod, data, sizeof(data), end)) > 0) {
		if (memmem(data, (size_t)n, text, strlen(text)))
			return true;
	}
	return false;
}

void pod_drain(const struct pod *pod)
{
	uint8_t data[16];

	while (recv(pod->packet_fd, data, sizeof(data), MSG_DONTWAIT) >= 0)
		;
}

bool pod_resolves(const struct pod *pod, uint32_t target, int timeout_ms, uint8_t ret_mac[6])
{
	struct frame request =
		frame_arp(pod->mac, NULL, ARPOP_REQUEST, pod->mac, pod->address, target);
	uint64_t end = lab_msec() + (uint64_t)timeout_ms;
	uint8_t data[2048];
	ssize_t n;

	target = htonl(target);
	pod_drain(pod);
	pod_send(pod, &request);
	while ((n = next_frame(pod, data, sizeof(data), end)) > 0) {
		struct ether_arp arp;

		if (n < (ssize_t)(ETH_HLEN + sizeof(arp)) || data[12] != 8 || data[13] != 6)
			continue;
		memcpy(&arp, data + ETH_HLEN, sizeof(arp));
		if (arp.ea_hdr.ar_op == htons(ARPOP_REPLY) &&
			memcmp(arp.arp_spa, &target, 4) == 0) {
			memcpy(ret_mac, arp.arp_sha, 6);
			return true;
		}
	}
	return false;
}
