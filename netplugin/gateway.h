/*
 * The pods' way out of the cluster: the bridge's own port, as a link of the node with the first
 * address of the node's subnet. The flows send there what is for no pod (flows.c, tables 99 to
 * 101), the node's kernel forwards it by its routes, under the rules of gateway_rules.h. What is
 * not as it must be is mended when nf_tables says that it changed, and every GATEWAY_CHECK_MSEC;
 * until then no flow leads out.
 */
#ifndef NETPLUGIN_GATEWAY_H
#define NETPLUGIN_GATEWAY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"

#define GATEWAY_CHECK_MSEC 5000
#define GATEWAY_RETRY_MSEC 250

struct netd;

struct gateway {
	int fd;        /* NETLINK_NETFILTER */
	int events_fd; /* tells of changes of nf_tables; -1 without egress */
	uint64_t mark; /* of the rules as they were put; 0: not yet */
	long long check_at;
	bool removed; /* what an earlier life left, where there is no way out */
	struct error problem;
};

/* Opens the sockets; before the process gives up its rights. */
int gateway_open(struct netd *netd, struct error *err);

/* To be called in each round of the loop, before the flows'. */
void gateway_run(struct netd *netd);
void gateway_wait(struct netd *netd);

/* 0 when the way out is as configured, else -1 with the reason. */
int gateway_ready(const struct netd *netd, struct error *err);

#endif
