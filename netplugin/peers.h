/*
 * The other nodes of the cluster, as the agent says them. Each has one object of flows: its packets
 * are let in from its address and its subnet alone, and what goes to its subnet is sent to it.
 */
#ifndef NETPLUGIN_PEERS_H
#define NETPLUGIN_PEERS_H

#include <stdbool.h>

#include "bulkhead/v1/ipc.pb-c.h"
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "netplugin/flows.h"

#define PEERS_MAX 4096

struct netd;
struct peers;

/* None, and not known yet. Lives as long as the process. */
struct peers *peers_new(void);

/* Whether the agent has said them: before that the flows of each would look stale. */
bool peers_known(const struct peers *peers);

/* The node whose subnet has 'address', NULL when none does. Borrowed until the next peers_set(). */
const struct flow_peer *peers_find(const struct peers *peers, uint32_t address);

/* The i-th, NULL past the last. Borrowed as above. */
const struct flow_peer *peers_at(const struct peers *peers, size_t i);

/*
 * Replaces all of them; the flows that differ go out with the next bundle. Errors: ERR_INVALID
 * (address or subnet of one, or it is given twice), ERR_EXHAUSTED. Nothing is changed then.
 */
int peers_set(struct netd *netd, const Bulkhead__V1__NetPeers *message, struct error *err);

#endif
