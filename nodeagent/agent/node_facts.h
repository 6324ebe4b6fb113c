/*
 * What plans need to know of this node (plan.h), read from the kernel and the node's files.
 */
#ifndef NODEAGENT_AGENT_NODE_FACTS_H
#define NODEAGENT_AGENT_NODE_FACTS_H

#include "lib/error.h"
#include "nodeagent/agent/plan.h"

#define NODE_RESOLV_LINES_MAX 64

struct agent;

struct node_facts {
	struct plan_node node; /* its pointers lead to what is below, or to the agent's */
	char *ca_pem;
	char *resolv_text;
	char *cpus;
	const char *resolv[NODE_RESOLV_LINES_MAX + 1];
	char address[64];
	char journal_socket[108];
	char uid[64];
};

/* Reads all but what the cluster says. Errors: the cluster CA cannot be read. */
int node_facts_read(struct node_facts *ret, const struct agent *agent, struct error *err);
void node_facts_done(struct node_facts *facts);

/* Reads again what changes: resolv.conf, and this node's row in the cluster. */
void node_facts_refresh(struct node_facts *facts, const struct agent *agent);

#endif
