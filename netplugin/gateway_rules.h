/*
 * What the node's kernel does with packets that come in by the gateway link or go out by it: one
 * nf_tables table (ip/bulkhead-BRIDGE) that lets pods open connections to other machines, hides
 * them behind the node's address, and closes all else: the node itself, what others open, and,
 * where the node forwards for its pods alone, everybody else's packets. What it accepts, the tables
 * of others still judge.
 */
#ifndef NETPLUGIN_GATEWAY_RULES_H
#define NETPLUGIN_GATEWAY_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/ipnet.h"

#define GATEWAY_TABLE_PREFIX "bulkhead-"
#define GATEWAY_TABLE_SIZE   32

struct gateway_rules {
	const char *link;    /* the bridge, whose own port is the gateway */
	struct ipnet subnet; /* of the node's pods */
	bool alone;          /* the node forwards nothing but what pods send and are answered */
};

/* The table's name for the bridge 'link'. */
void gateway_table(const char *link, char ret[GATEWAY_TABLE_SIZE]);

/*
 * Puts the table in place of what it held, in one transaction. 'fd' is a NETLINK_NETFILTER socket.
 * Errors: ERR_PRECONDITION and the kernel's (a module that nf_tables needs is not there).
 */
int gateway_rules_put(int fd, const struct gateway_rules *rules, struct error *err);

/* Takes it away; succeeds when there is none. */
int gateway_rules_remove(int fd, const char *link, struct error *err);

/*
 * A number that tells the table's rules from what somebody else makes of them; 0 when there are
 * none. Errors: the kernel's.
 */
int gateway_rules_mark(int fd, const char *link, uint64_t *ret, struct error *err);

#endif
