/*
 * The link to bulkhead-netd: plugs pods in and out, and after every (re)start of either tells it
 * which pods live.
 */
#ifndef NODEAGENT_AGENT_NETD_H
#define NODEAGENT_AGENT_NETD_H

#include <stdbool.h>

#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/error.h"
#include "nodeagent/agent/netd_trace.h"

struct agent;
struct netd;

/* Prepares the link; the daemon is started by netd_begin() once the node has a subnet. */
int netd_new(struct netd **ret, struct agent *agent, struct error *err);
void netd_free(struct netd *netd);
/*
 * Each daemon from now on serves CNI plugins at 'fd', a listening socket (cni_socket.h), which is
 * taken over: what connects while none runs waits for the next.
 */
void netd_listen(struct netd *netd, int fd);
/* Starts the supervised daemon for 'subnet' ("10.128.0.0/23"). Again with the same: nothing. */
int netd_begin(struct netd *netd, const char *subnet, struct error *err);

/* What it said last; NULL before the first time. Borrowed. */
const Bulkhead__V1__NetState *netd_state(const struct netd *netd);
/* Connected, ready, and NET_SYNC of this connection answered: only then plugs are sent. */
bool netd_ready(const struct netd *netd);

/* Whether the ports it has are known. Once they are they stay so until it is lost. */
bool netd_synced(const struct netd *netd);

/*
 * Tells netd of network policies (or the pods that they are about), of other nodes, and of projects
 * moved between networks, as the cluster's rows have it, when it is not told already.
 */
void netd_cluster_kick(struct netd *netd);

/* The epoch ('moved' of a project) up to which the switch has all moves; 0 before it is known to
 * have any. */
int64_t netd_projects_epoch(const struct netd *netd);

/* Why the daemon is away; NULL while it runs. Borrowed. */
const char *netd_away(const struct netd *netd);

/* 'plugged' is NULL when 'err' is set, and always for an unplug. */
typedef void (*netd_done_fn)(
	void *user, const Bulkhead__V1__NetPlugged *plugged, const struct error *err);

/* fds: network namespace, NETLINK_ROUTE and AF_INET sockets in it; borrowed. 'done' comes once. */
int netd_plug(struct netd *netd, const Bulkhead__V1__NetPlug *plug, const int fds[3],
	netd_done_fn done, void *user, struct error *err);
int netd_unplug(
	struct netd *netd, const char *pod_uid, netd_done_fn done, void *user, struct error *err);
/* Tells it that a pod's limits are others; 'plugged' is NULL. */
int netd_limit(struct netd *netd, const Bulkhead__V1__NetLimit *limit, netd_done_fn done,
	void *user, struct error *err);
void netd_forget(struct netd *netd, const void *user);

/* Asks what becomes of a packet; 'done' comes once, and not after netd_forget(). */
int netd_trace(struct netd *netd, const Bulkhead__V1__NetTrace *trace, netd_traced_fn done,
	void *user, struct error *err);
int netd_check(struct netd *netd, const Bulkhead__V1__NetCheck *check, netd_checked_fn done,
	void *user, struct error *err);
int netd_denials(struct netd *netd, netd_denied_fn done, void *user, struct error *err);

#endif
