/*
 * Whether the node's kernel forwards IPv4: pods' way out of the cluster needs it. Switched on where
 * it was off, which <run>/ip_forward remembers until it is put back (both go with a reboot). While
 * the file is there, netd's rules let nothing be forwarded but what pods send and are answered.
 */
#ifndef NODEAGENT_AGENT_FORWARDING_H
#define NODEAGENT_AGENT_FORWARDING_H

#include <stdbool.h>

#include "lib/error.h"

struct agent;

#define FORWARDING_FILE   "ip_forward" /* in <run> */
#define FORWARDING_SYSCTL "proc/sys/net/ipv4/ip_forward"

/*
 * Switches it on. 'root_dirfd' is where /proc is beneath. *ret_ours: it was off, and was
 * so when an earlier agent of this node began.
 */
int forwarding_begin(int root_dirfd, int run_dirfd, bool *ret_ours, struct error *err);

/* Puts it back, where it was off; else does nothing. */
int forwarding_end(int root_dirfd, int run_dirfd, struct error *err);

/* The value of netd's --egress for this node, which forwards from now on, or no longer. NULL:
 * error. */
const char *forwarding_egress(const struct agent *agent, struct error *err);

#endif
