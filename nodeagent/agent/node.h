/*
 * This node as a member of the cluster: writes its row, makes project "default", starts netd once
 * the row has a subnet, and says whether all that makes a node ready is there.
 */
#ifndef NODEAGENT_AGENT_NODE_H
#define NODEAGENT_AGENT_NODE_H

#include <stdbool.h>

#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/error.h"

#define NODE_ADDRESS_SIZE    46 /* INET6_ADDRSTRLEN */
#define NODE_REASON_SIZE     32
#define NODE_RETRY_USEC      UINT64_C(1000000)
#define NODE_DEFAULT_PROJECT "default"

struct agent;
struct node;

int node_new(struct node **ret, struct agent *agent, struct error *err);
void node_free(struct node *node);

/* Something it may wait for has changed. Tells the pods, too. */
void node_kick(struct node *node);

/* Its row; NULL before it is written. Borrowed until the next event. */
const Bulkhead__V1__ClusterNode *node_row(const struct node *node);

/* The address that pods and other nodes see it under. Borrowed. */
const char *node_address(const struct node *node);

/*
 * Whether pods can be started here. If not, 'reason' is one word ("NetworkNotReady") and err's text
 * says more.
 */
bool node_ready(const struct node *node, char reason[NODE_REASON_SIZE], struct error *err);

#endif
