/*
 * Pods that other nodes' network policies may select: what this node says of its own in its row of
 * the cluster, and what others say of theirs. Nobody says anything while there is one node, or no
 * policy.
 *
 * One pod is "ADDRESS PROJECT LABELS", LABELS as "a=b,c=d" or nothing.
 */
#ifndef NODEAGENT_AGENT_PEER_PODS_H
#define NODEAGENT_AGENT_PEER_PODS_H

#include <stdbool.h>
#include <stddef.h>

#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/error.h"

struct agent;

/* Characters of one: a pod with more labels is nobody's peer elsewhere. */
#define PEER_POD_SIZE_MAX 4096

#define PEER_PODS_SIZE_MAX                                                                         \
	(1u << 20)              /* bytes of all of a node: what does not fit is nobody's peer */
#define PEER_POD_LABELS_MAX 256 /* as many as a pod may have: one with more is nobody's peer */

/* Sorted, to be freed by peer_pods_free(). Before the ports are known: as the row has it. */
struct peer_pods {
	char **items;
	size_t len;
};

int peer_pods_own(const struct agent *agent, struct peer_pods *ret, struct error *err);
void peer_pods_free(struct peer_pods *pods);

/* Whether the row of a node says the same. */
bool peer_pods_same(const struct peer_pods *pods, const Bulkhead__V1__ClusterNode *row);

/*
 * Appends to 'message' what another node says of its pods. What does not lie in its subnet, or is
 * not of that form, is left out: no node speaks for another's pods. Errors: ERR_EXHAUSTED.
 */
int peer_pods_add(Bulkhead__V1__NetPolicies *message, const Bulkhead__V1__ClusterNode *node,
	struct error *err);

#endif
