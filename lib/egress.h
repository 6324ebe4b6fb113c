/*
 * A project's egress firewall as text, as the cluster database has it and netd is told it: rules in
 * the order in which they are tried, the first that matches decides. Pure.
 *
 *   allow 10.0.0.0/8 tcp/80-90 udp/53;deny 0.0.0.0/0
 *
 * A rule without ports matches every protocol; one with ports those of TCP, UDP or SCTP alone.
 */
#ifndef LIB_EGRESS_H
#define LIB_EGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/ipnet.h"

#define EGRESS_RULES_MAX 1000  /* of a project: rules, and ranges of ports in them */
#define EGRESS_PORTS_MAX 16    /* ranges of one rule */
#define EGRESS_TEXT_MAX  65536 /* bytes */

struct egress_ports {
	uint8_t protocol; /* IPPROTO_* */
	uint16_t first, last;
};

struct egress_rule {
	bool allow;
	struct ipnet to;
	struct egress_ports ports[EGRESS_PORTS_MAX];
	size_t ports_len; /* 0: all there is */
};

struct egress_rules {
	struct egress_rule *rules;
	size_t len;
};

void egress_done(struct egress_rules *egress);

/* "tcp", "udp", "sctp"; NULL: none of them. The other way round 0 says so; case does not matter. */
const char *egress_protocol_name(uint8_t protocol);
uint8_t egress_protocol(const char *name);

/* How many rules and ranges count towards EGRESS_RULES_MAX. */
size_t egress_size(const struct egress_rules *egress);

/* "" is no rule. Errors: ERR_INVALID, ERR_EXHAUSTED (EGRESS_*_MAX, memory). */
int egress_parse(const char *text, struct egress_rules *ret, struct error *err);

/* What egress_parse() reads; the caller frees *ret. Errors: ERR_EXHAUSTED. */
int egress_format(const struct egress_rules *egress, char **ret, struct error *err);

#endif
