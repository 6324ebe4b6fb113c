/* Ranges as the switch can match them: by masks. Pure. */
#ifndef NETPLUGIN_POLICY_COVER_H
#define NETPLUGIN_POLICY_COVER_H

#include <stddef.h>
#include <stdint.h>

#include "lib/ipnet.h"

/* A range of ports needs at most 2 * 16 - 2. */
#define COVER_PORTS_MAX 30

struct cover_port {
	uint16_t port;
	uint16_t mask;
};

/* Ports first..last by disjoint masks; returns how many. */
size_t cover_ports(uint16_t first, uint16_t last, struct cover_port ret[COVER_PORTS_MAX]);

/*
 * 'net' without the networks 'except' as disjoint networks, each given to 'each'; -1 as soon as
 * that says so.
 */
int cover_networks(const struct ipnet *net, const struct ipnet *except, size_t except_len,
	int (*each)(void *user, const struct ipnet *part), void *user);

#endif
