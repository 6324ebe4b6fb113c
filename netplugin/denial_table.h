/*
 * Who was denied what, each once with a count. Bounded, and one port cannot push out what others
 * were denied: when it has DENIALS_PORT_MAX, its oldest goes. Pure.
 */
#ifndef NETPLUGIN_DENIAL_TABLE_H
#define NETPLUGIN_DENIAL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DENIALS_MAX      512
#define DENIALS_PORT_MAX 32

struct denial_key {
	uint32_t in_port; /* of the switch, where it came in */
	uint32_t source;  /* addresses, as the packet has them */
	uint32_t destination;
	uint8_t table;    /* that denied it */
	uint8_t protocol; /* 0: an ARP request */
	uint16_t port;    /* of the destination */
};

struct denial {
	struct denial_key key;
	uint64_t count;                /* packets that came to netd: few of a flood */
	int64_t first_msec, last_msec; /* since 1970 */
	bool used;
};

struct denial_table {
	struct denial rows[DENIALS_MAX];
};

/* Counts one; true when it was not there before. */
bool denial_table_note(struct denial_table *table, const struct denial_key *key, int64_t now_msec);

#endif
