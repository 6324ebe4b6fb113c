/*
 * The agent's node, cluster, secretd and netd modules with their daemons stood in for: what these
 * would say is fed in. For the tests of one program alone: all of it is static or a fake symbol.
 */
#ifndef TESTS_UNIT_NODE_RIG_H
#define TESTS_UNIT_NODE_RIG_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/cluster.h"
#include "nodeagent/agent/daemon.h"
#include "nodeagent/agent/netd.h"
#include "nodeagent/agent/node.h"
#include "nodeagent/agent/ovs.h"
#include "nodeagent/agent/pods.h"
#include "nodeagent/agent/secretd.h"

#define TEXT(s)   ((char *)(uintptr_t)(s))
#define SENT_MAX  64
#define WAIT_USEC UINT64_C(5000000)

/* ---- in place of the daemons --------------------------------------------------------------- */

struct daemon {
	const struct daemon_ops *ops;
	void *user;
	bool running;
	bool crowded;
	char subnet[32]; /* netd's */
};

struct sent {
	enum ipc_role role;
	enum ipc_type type;
	uint32_t serial;
	ProtobufCMessage *message;
};

static struct {
	struct daemon clusterd, secretd, netd;
	struct sent sent[SENT_MAX];
	size_t sent_len;
	size_t taken;
	unsigned kicks;
	unsigned synced;
	unsigned started;
	unsigned policies; /* NET_POLICIES taken by say_net() */
} fake;

static struct daemon *daemon_of(enum ipc_role role)
{
	if (role == IPC_CLUSTERD)
		return &fake.clusterd;
	return role == IPC_SECRETD ? &fake.secretd : &fake.netd;
}

int daemon_new(struct daemon **ret, const struct daemon_config *config,
	const struct daemon_ops *ops, void *user, struct error *err)
{
	struct daemon *daemon = daemon_of(config->role);

	(void)err;
	*daemon = (struct daemon){ .ops = ops, .user = user, .running = true };
	for (size_t i = 0; config->args[i]; i++) {
		if (strcmp(config->args[i], "--subnet") == 0)
			strncat(daemon->subnet, config->args[i + 1], sizeof(daemon->subnet) - 1);
	}
	fake.started++;
	*ret = daemon;
	return 0;
}

void daemon_free(struct daemon *daemon)
{
	(void)daemon;
}

int daemon_send(struct daemon *daemon, enum ipc_type type, const ProtobufCMessage *message,
	const int *fds, size_t fds_len, uint32_t *ret_serial, struct error *err)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	cleanup_free uint8_t *bytes = malloc(size + 1);
	struct sent *sent = &fake.sent[fake.sent_len];

	(void)fds;
	(void)fds_len;
	if (!daemon->running)
		return error_set(err, ERR_UNAVAILABLE, 0, "away");
	assert_true(fake.sent_len < SENT_MAX);
	assert_non_null(bytes);
	protobuf_c_message_pack(message, bytes);
	sent->message = protobuf_c_message_unpack(message->descriptor, NULL, size, bytes);
	sent->type = type;
	sent->serial = (uint32_t)++fake.sent_len;
	if (ret_serial)
		*ret_serial = sent->serial;
	return 0;
}

bool daemon_crowded(const struct daemon *daemon)
{
	return daemon->crowded;
}

bool daemon_running(const struct daemon *daemon)
{
	return daemon->running;
}

const char *daemon_reason(const struct daemon *daemon)
{
	(void)daemon;
	return "was killed by signal 9";
}

/* ---- in place of pods and Open vSwitch ----------------------------------------------------- */

void pods_kick(struct pods *pods)
{
	(void)pods;
	fake.kicks++;
}

bool pods_use_project(const struct pods *pods, const char *project)
{
	(void)pods;
	return strcmp(project, "default") != 0;
}

int pods_net_sync(const struct pods *pods, Bulkhead__V1__NetSync **ret, struct error *err)
{
	(void)pods;
	(void)err;
	*ret = malloc(sizeof(**ret));
	assert_non_null(*ret);
	bulkhead__v1__net_sync__init(*ret);
	return 0;
}

void pods_net_synced(struct pods *pods, const Bulkhead__V1__NetSynced *synced)
{
	(void)pods;
	(void)synced;
	fake.synced++;
}

bool ovs_running(const struct ovs *ovs, struct error *err)
{
	(void)ovs;
	(void)err;
	return true;
}

const char *ovs_switch_dir(const Bulkhead__V1__NodeConfig *config, char buf[OVS_DIR_SIZE])
{
	(void)config;
	memcpy(buf, "/x", 3);
	return buf;
}

/* ---- the rig ------------------------------------------------------------------------------- */

static struct agent agent;
static Bulkhead__V1__NodeConfig config;
static uint8_t key[32];

static int setup(void **state)
{
	struct error err = { 0 };

	(void)state;
	log_init("test", LOG_LEVEL_ERROR - 1);
	memset(&fake, 0, sizeof(fake));
	bulkhead__v1__node_config__init(&config);
	config.node_name = TEXT("node1");
	config.state_dir = config.run_dir = config.libexec_dir = TEXT("/x");
	config.listen = TEXT("[2001:db8::1]:7443");
	config.cluster_network = TEXT("10.128.0.0/14");
	config.datapath = TEXT("auto");
	config.bridge = TEXT("br0");
	config.token_issuer = TEXT("https://node1");
	agent = (struct agent){
		.config = &config, .pods = (struct pods *)&fake, .run_dirfd = AT_FDCWD
	};
	assert_true(sd_event_new(&agent.event) >= 0);
	assert_int_equal(cluster_new(&agent.cluster, &agent, &err), 0);
	assert_int_equal(secretd_new(&agent.secretd, &agent, &err), 0);
	assert_int_equal(netd_new(&agent.netd, &agent, &err), 0);
	assert_int_equal(node_new(&agent.node, &agent, &err), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	node_free(agent.node);
	netd_free(agent.netd);
	secretd_free(agent.secretd);
	cluster_free(agent.cluster);
	sd_event_unref(agent.event);
	for (size_t i = 0; i < fake.sent_len; i++)
		protobuf_c_message_free_unpacked(fake.sent[i].message, NULL);
	return 0;
}

/* A frame from a daemon. */
static int say(struct daemon *daemon, enum ipc_type type, uint32_t reply_to,
	const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	cleanup_free uint8_t *bytes = malloc(size + 1);
	struct ipc_frame frame = {
		.type = type, .serial = 1, .reply_to = reply_to, .data = bytes, .size = size
	};
	struct error err = { 0 };

	assert_non_null(bytes);
	protobuf_c_message_pack(message, bytes);
	return daemon->ops->frame(daemon->user, &frame, message, &err);
}

static void lose(struct daemon *daemon)
{
	struct error err = { 0 };

	error_set(&err, ERR_UNAVAILABLE, 0, "it was killed");
	daemon->running = false;
	daemon->ops->lost(daemon->user, &err);
}

/* The next message that the agent sent; NULL when there is none. */
static const struct sent *next_sent(void)
{
	return fake.taken < fake.sent_len ? &fake.sent[fake.taken++] : NULL;
}

static const struct sent *expect_sent(enum ipc_type type)
{
	const struct sent *sent = next_sent();

	assert_non_null(sent);
	assert_int_equal(sent->type, type);
	return sent;
}

static void say_hello(void)
{
	Bulkhead__V1__SecretsHello hello = BULKHEAD__V1__SECRETS_HELLO__INIT;

	memset(key, 7, sizeof(key));
	hello.sealing_key = (ProtobufCBinaryData){ sizeof(key), key };
	hello.key_id = TEXT("kid");
	assert_int_equal(say(&fake.secretd, IPC_SECRETS_HELLO, 0, &hello.base), 0);
}

static void say_snapshot(bool with_node, bool with_default)
{
	Bulkhead__V1__ClusterSnapshot snapshot = BULKHEAD__V1__CLUSTER_SNAPSHOT__INIT;
	Bulkhead__V1__ClusterNode node = BULKHEAD__V1__CLUSTER_NODE__INIT, *nodes = &node;
	Bulkhead__V1__ClusterProject project = BULKHEAD__V1__CLUSTER_PROJECT__INIT;
	Bulkhead__V1__ClusterProject *projects = &project;

	node.name = TEXT("node1");
	node.address = TEXT("2001:db8::1");
	node.subnet = TEXT("10.128.0.0/23");
	node.sealing_key = (ProtobufCBinaryData){ sizeof(key), key };
	project.name = TEXT("default");
	snapshot.connected = true;
	snapshot.nodes = &nodes;
	snapshot.n_nodes = with_node;
	snapshot.projects = &projects;
	snapshot.n_projects = with_default;
	assert_int_equal(say(&fake.clusterd, IPC_CLUSTER_SNAPSHOT, 0, &snapshot.base), 0);
}

static void reply(uint32_t serial, enum error_code code)
{
	Bulkhead__V1__ClusterTxnReply message = BULKHEAD__V1__CLUSTER_TXN_REPLY__INIT;
	Bulkhead__V1__Error error = BULKHEAD__V1__ERROR__INIT;

	error.code = code;
	error.text = TEXT("no");
	message.error = code ? &error : NULL;
	assert_int_equal(say(&fake.clusterd, IPC_CLUSTER_TXN_REPLY, serial, &message.base), 0);
}

static void say_net(bool ready)
{
	Bulkhead__V1__NetState net = BULKHEAD__V1__NET_STATE__INIT;

	net.ready = ready;
	net.reason = TEXT(ready ? "" : "no bridge");
	assert_int_equal(say(&fake.netd, IPC_NET_STATE, 0, &net.base), 0);
	/* Policies go first, once a connection. */
	if (fake.taken < fake.sent_len && fake.sent[fake.taken].type == IPC_NET_POLICIES) {
		next_sent();
		fake.policies++;
	}
}

static void say_projects_set(uint32_t serial, enum error_code code)
{
	Bulkhead__V1__NetProjectsSet set = BULKHEAD__V1__NET_PROJECTS_SET__INIT;
	Bulkhead__V1__Error error = BULKHEAD__V1__ERROR__INIT;

	error.code = code;
	error.text = TEXT("the switch is slow");
	set.error = code ? &error : NULL;
	assert_int_equal(say(&fake.netd, IPC_NET_PROJECTS_SET, serial, &set.base), 0);
}

/* Success is followed by the projects' networks, which the switch takes. */
static void say_synced(uint32_t serial, enum error_code code)
{
	Bulkhead__V1__NetSynced synced = BULKHEAD__V1__NET_SYNCED__INIT;
	Bulkhead__V1__Error error = BULKHEAD__V1__ERROR__INIT;

	error.code = code;
	error.text = TEXT("not yet");
	synced.error = code ? &error : NULL;
	assert_int_equal(say(&fake.netd, IPC_NET_SYNCED, serial, &synced.base), 0);
	if (!code && fake.taken < fake.sent_len && fake.sent[fake.taken].type == IPC_NET_PROJECTS)
		say_projects_set(next_sent()->serial, ERR_NONE);
}

static const char *reason(void)
{
	static char word[NODE_REASON_SIZE];
	struct error err = { 0 };

	return node_ready(agent.node, word, &err) ? "" : word;
}

/* Everything there, netd synced. */
static void make_ready(void)
{
	say_hello();
	say_snapshot(true, true);
	say_net(true);
	say_synced(expect_sent(IPC_NET_SYNC)->serial, ERR_NONE);
	assert_string_equal(reason(), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
