/*
 * What init, join, up, down and token share: the files of a node, and the programs that are run for
 * them. Everything here works on this machine, as root, without the node's API.
 */
#ifndef NODEAGENT_CTL_NODE_FILES_H
#define NODEAGENT_CTL_NODE_FILES_H

#include <stdbool.h>
#include <sys/types.h>

#include "bulkhead/v1/config.pb-c.h"
#include "nodeagent/ctl/ctl.h"

#define NODE_STATE_DIR "/var/lib/bulkhead"
#define NODE_RUN_DIR   "/run/bulkhead"
#define NODE_LISTEN    "127.0.0.1:7443"
#define NODE_FILE_MAX  65536

/* Ids of the confined processes: high, so that no account of a distribution has them. */
#define UID_API      64201
#define UID_SECRETD  64202
#define UID_CLUSTERD 64203
#define UID_NETD     64204
#define UID_UNPACK   64205

const char *or_default(const char *given, const char *otherwise);

/* "ADDRESS:PORT" without the port, at most 'size'. */
void host_of(const char *listen, char *host, size_t size);

/* Runs a program to its end. Errors: ERR_INTERNAL when it exits with another status than 0. */
int run_tool(char *const *argv, struct error *err);

/* A node that is being made: what flags, host name and cluster say. Borrowed but 'libexec'. */
struct node_plan {
	const struct args *args;
	char name[254];
	const char *state; /* directories */
	const char *run;
	char *libexec;
	const char *listen;
	const char *address;         /* "": not said */
	const char *cluster_listen;  /* "": none */
	const char *manager;         /* "": this node has the database */
	const char *cluster_network; /* CIDR */
	uint32_t host_subnet_bits;
};

/* From the flags alone, checked; 'name' NULL: --node-name or the host's. 'what' is the command. */
int node_plan(struct node_plan *ret, const struct args *args, const char *name, const char *what,
	struct error *err);
void node_plan_done(struct node_plan *plan);
#define cleanup_node_plan __attribute__((cleanup(node_plan_done)))

/* Makes the state directory and lets the agent judge the configuration; flags that make no node
 * leave nothing. */
int node_check(const struct node_plan *plan, struct error *err);

/* <state>/node.yaml, <state>/context.yaml with certificate and key of these paths below <state>. */
int node_write_config(const struct node_plan *plan, struct error *err);
int node_write_context(
	const struct node_plan *plan, const char *certificate, const char *key, struct error *err);

/* Errors: ERR_EXISTS names the first thing of a node that lies in the state directory. */
int node_refuse_existing(const char *state, struct error *err);
/* Removes what a node is made of before it first starts; nothing else may be there to lose. */
void node_take_back(const char *state);
/* Keys are there, but no node.yaml: 'init' or 'join' ended amid its work. */
bool node_is_half_made(const char *state);

/* Reads <state>/node.yaml. The caller frees it with ctl_free(). */
int node_read_config(const char *state, Bulkhead__V1__NodeConfig **ret, struct error *err);

#endif
