/*
 * What the agent says to clusterd, secretd and netd, and when: registration of the node, requests
 * whose daemon dies, NET_SYNC. The daemons are stood in for; what they would say is fed in.
 */
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
	agent = (struct agent){ .config = &config, .pods = (struct pods *)&fake };
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
}

static void say_synced(uint32_t serial, enum error_code code)
{
	Bulkhead__V1__NetSynced synced = BULKHEAD__V1__NET_SYNCED__INIT;
	Bulkhead__V1__Error error = BULKHEAD__V1__ERROR__INIT;

	error.code = code;
	error.text = TEXT("not yet");
	synced.error = code ? &error : NULL;
	assert_int_equal(say(&fake.netd, IPC_NET_SYNCED, serial, &synced.base), 0);
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

/* ---- tests --------------------------------------------------------------------------------- */

static void a_new_node_registers_step_by_step(void **state)
{
	const struct sent *sent;
	const Bulkhead__V1__ClusterTxn *txn;

	(void)state;
	assert_string_equal(reason(), "ClusterNotReady");
	say_snapshot(false, false);
	assert_string_equal(reason(), "SecretsNotReady");
	assert_null(next_sent());
	say_hello();
	assert_string_equal(reason(), "NotRegistered");
	sent = expect_sent(IPC_CLUSTER_TXN);
	txn = (const Bulkhead__V1__ClusterTxn *)sent->message;
	assert_string_equal(txn->put_node->name, "node1");
	assert_string_equal(txn->put_node->address, "2001:db8::1");
	assert_int_equal(txn->put_node->sealing_key.len, 32);
	/* The row comes before the answer; nothing is asked twice. */
	say_snapshot(true, false);
	assert_null(next_sent());
	reply(sent->serial, ERR_NONE);
	sent = expect_sent(IPC_CLUSTER_TXN);
	txn = (const Bulkhead__V1__ClusterTxn *)sent->message;
	assert_string_equal(txn->create_project, "default");
	assert_int_equal(fake.started, 2);
	say_snapshot(true, true);
	reply(sent->serial, ERR_EXISTS); /* somebody else was first */
	assert_int_equal(fake.started, 3);
	assert_string_equal(fake.netd.subnet, "10.128.0.0/23");
	assert_string_equal(reason(), "NetworkNotReady");
	say_net(false);
	assert_null(next_sent());
	say_net(true);
	sent = expect_sent(IPC_NET_SYNC);
	assert_string_equal(reason(), "NetworkNotReady");
	say_net(true); /* once a connection */
	assert_null(next_sent());
	say_synced(sent->serial, ERR_NONE);
	assert_int_equal(fake.synced, 1);
	assert_string_equal(reason(), "");
	assert_true(fake.kicks > 0);
}

static void a_refused_registration_is_tried_again(void **state)
{
	const struct sent *sent;
	struct error err = { 0 };
	char word[NODE_REASON_SIZE];
	uint64_t end = monotonic_usec() + WAIT_USEC;

	(void)state;
	say_hello();
	say_snapshot(false, false);
	sent = expect_sent(IPC_CLUSTER_TXN);
	reply(sent->serial, ERR_EXHAUSTED);
	assert_null(next_sent());
	assert_false(node_ready(agent.node, word, &err));
	assert_string_equal(err.text, "this node is not registered yet: no");
	while (fake.sent_len == 1 && monotonic_usec() < end)
		assert_true(sd_event_run(agent.event, 100000) >= 0);
	sent = expect_sent(IPC_CLUSTER_TXN);
	/* An answer without the row would ask again at once, for ever: it waits instead. */
	reply(sent->serial, ERR_NONE);
	assert_null(next_sent());
}

static void a_node_with_another_key_is_put_again(void **state)
{
	(void)state;
	say_hello();
	memset(key, 8, sizeof(key));
	say_snapshot(true, true);
	assert_non_null(((const Bulkhead__V1__ClusterTxn *)expect_sent(IPC_CLUSTER_TXN)->message)
				->put_node);
}

static void the_database_may_go_and_come(void **state)
{
	Bulkhead__V1__ClusterDelta away = BULKHEAD__V1__CLUSTER_DELTA__INIT;

	(void)state;
	make_ready();
	assert_int_equal(say(&fake.clusterd, IPC_CLUSTER_DELTA, 0, &away.base), 0);
	assert_string_equal(reason(), "ClusterNotReady");
	assert_true(cluster_known(agent.cluster));
	assert_non_null(cluster_project(agent.cluster, "default"));
	say_snapshot(true, true);
	assert_string_equal(reason(), "");
	lose(&fake.clusterd);
	assert_string_equal(reason(), "ClusterNotReady");
	assert_non_null(node_row(agent.node));
	assert_null(next_sent());
}

static void netd_is_told_again_after_each_start(void **state)
{
	const struct sent *sent;
	uint64_t end = monotonic_usec() + WAIT_USEC;

	(void)state;
	make_ready();
	lose(&fake.netd);
	assert_string_equal(reason(), "NetworkNotReady");
	assert_false(netd_ready(agent.netd));
	fake.netd.running = true;
	say_net(true);
	sent = expect_sent(IPC_NET_SYNC);
	say_synced(sent->serial + 100, ERR_NONE); /* of nobody's asking */
	assert_false(netd_ready(agent.netd));
	say_synced(sent->serial, ERR_UNAVAILABLE);
	assert_false(netd_ready(agent.netd));
	while (fake.sent_len == fake.taken && monotonic_usec() < end)
		assert_true(sd_event_run(agent.event, 100000) >= 0);
	sent = expect_sent(IPC_NET_SYNC);
	say_synced(sent->serial, ERR_NONE);
	assert_true(netd_ready(agent.netd));
	assert_int_equal(fake.synced, 2);
}

/* ---- requests ------------------------------------------------------------------------------ */

struct answer {
	unsigned times;
	enum error_code code;
	char text[64];
	int64_t refresh_at;
};

static void on_change(
	void *user, const Bulkhead__V1__ClusterTxnReply *message, const struct error *err)
{
	struct answer *answer = user;

	assert_true((message == NULL) == (err != NULL));
	answer->times++;
	answer->code = err ? err->code : ERR_NONE;
}

static void on_secrets(
	void *user, const char *directory, int64_t refresh_at, const struct error *err)
{
	struct answer *answer = user;

	answer->times++;
	answer->code = err ? err->code : ERR_NONE;
	answer->refresh_at = refresh_at;
	if (directory)
		strncat(answer->text, directory, sizeof(answer->text) - 1);
}

static void on_plug(void *user, const Bulkhead__V1__NetPlugged *plugged, const struct error *err)
{
	struct answer *answer = user;

	answer->times++;
	answer->code = err ? err->code : ERR_NONE;
	if (plugged)
		strncat(answer->text, plugged->address, sizeof(answer->text) - 1);
}

static void answers_find_who_asked(void **state)
{
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	struct answer first = { 0 }, second = { 0 }, third = { 0 };
	uint32_t serials[3];
	struct error err = { 0 };

	(void)state;
	make_ready();
	txn.create_project = TEXT("red");
	assert_int_equal(cluster_change(agent.cluster, &txn, on_change, &first, &err), 0);
	assert_int_equal(cluster_change(agent.cluster, &txn, on_change, &second, &err), 0);
	assert_int_equal(cluster_change(agent.cluster, &txn, on_change, &third, &err), 0);
	for (size_t i = 0; i < 3; i++)
		serials[i] = expect_sent(IPC_CLUSTER_TXN)->serial;
	reply(serials[1], ERR_EXISTS);
	assert_int_equal(second.times, 1);
	assert_int_equal(second.code, ERR_EXISTS);
	reply(serials[1], ERR_NONE); /* answered already */
	assert_int_equal(second.times, 1);
	cluster_forget(agent.cluster, &third);
	reply(serials[2], ERR_NONE);
	assert_int_equal(third.times, 0);
	lose(&fake.clusterd);
	assert_int_equal(first.times, 1);
	assert_int_equal(first.code, ERR_UNAVAILABLE);
	assert_int_equal(cluster_change(agent.cluster, &txn, on_change, &first, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_int_equal(first.times, 1);
}

static void secrets_are_staged_and_published(void **state)
{
	Bulkhead__V1__SecretsStage stage = BULKHEAD__V1__SECRETS_STAGE__INIT;
	Bulkhead__V1__SecretsPublish publish = BULKHEAD__V1__SECRETS_PUBLISH__INIT;
	Bulkhead__V1__SecretsStaged staged = BULKHEAD__V1__SECRETS_STAGED__INIT;
	Bulkhead__V1__SecretsPublished published = BULKHEAD__V1__SECRETS_PUBLISHED__INIT;
	struct answer first = { 0 }, second = { 0 }, third = { 0 };
	struct error err = { 0 };

	(void)state;
	make_ready();
	assert_int_equal(secretd_stage(agent.secretd, &stage, 0, on_secrets, &first, &err), 0);
	staged.directory = TEXT("..2026");
	staged.refresh_at = 99;
	say(&fake.secretd, IPC_SECRETS_STAGED, expect_sent(IPC_SECRETS_STAGE)->serial,
		&staged.base);
	assert_string_equal(first.text, "..2026");
	assert_int_equal(first.refresh_at, 99);
	assert_int_equal(secretd_publish(agent.secretd, &publish, 0, on_secrets, &second, &err), 0);
	say(&fake.secretd, IPC_SECRETS_PUBLISHED, expect_sent(IPC_SECRETS_PUBLISH)->serial,
		&published.base);
	assert_int_equal(second.times, 1);
	assert_int_equal(second.code, ERR_NONE);
	assert_int_equal(secretd_stage(agent.secretd, &stage, 0, on_secrets, &third, &err), 0);
	lose(&fake.secretd);
	assert_int_equal(third.code, ERR_UNAVAILABLE);
	assert_string_equal(reason(), "SecretsNotReady");
	assert_non_null(secretd_hello(agent.secretd));
}

static void plugs_wait_for_the_sync(void **state)
{
	Bulkhead__V1__NetPlug plug = BULKHEAD__V1__NET_PLUG__INIT;
	Bulkhead__V1__NetPlugged plugged = BULKHEAD__V1__NET_PLUGGED__INIT;
	Bulkhead__V1__NetUnplugged unplugged = BULKHEAD__V1__NET_UNPLUGGED__INIT;
	const int fds[3] = { 0, 1, 2 };
	struct answer first = { 0 }, second = { 0 }, third = { 0 };
	struct error err = { 0 };

	(void)state;
	assert_int_equal(netd_unplug(agent.netd, "uid", on_plug, &first, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	say_hello();
	say_snapshot(true, true);
	say_net(true);
	assert_int_equal(netd_plug(agent.netd, &plug, fds, on_plug, &first, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	say_synced(expect_sent(IPC_NET_SYNC)->serial, ERR_NONE);
	assert_int_equal(netd_plug(agent.netd, &plug, fds, on_plug, &first, &err), 0);
	plugged.address = TEXT("10.128.0.5");
	say(&fake.netd, IPC_NET_PLUGGED, expect_sent(IPC_NET_PLUG)->serial, &plugged.base);
	assert_string_equal(first.text, "10.128.0.5");
	assert_int_equal(netd_unplug(agent.netd, "uid", on_plug, &second, &err), 0);
	say(&fake.netd, IPC_NET_UNPLUGGED, expect_sent(IPC_NET_UNPLUG)->serial, &unplugged.base);
	assert_int_equal(second.times, 1);
	assert_int_equal(netd_plug(agent.netd, &plug, fds, on_plug, &third, &err), 0);
	lose(&fake.netd);
	assert_int_equal(third.code, ERR_UNAVAILABLE);
}

static void keys_of_a_wrong_size_are_refused(void **state)
{
	Bulkhead__V1__SecretsHello hello = BULKHEAD__V1__SECRETS_HELLO__INIT;

	(void)state;
	hello.sealing_key = (ProtobufCBinaryData){ sizeof(key) - 1, key };
	hello.key_id = TEXT("kid");
	assert_int_equal(say(&fake.secretd, IPC_SECRETS_HELLO, 0, &hello.base), -1);
	assert_null(secretd_hello(agent.secretd));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_node_registers_step_by_step),
		TEST(a_refused_registration_is_tried_again),
		TEST(a_node_with_another_key_is_put_again),
		TEST(the_database_may_go_and_come),
		TEST(netd_is_told_again_after_each_start),
		TEST(answers_find_who_asked),
		TEST(secrets_are_staged_and_published),
		TEST(plugs_wait_for_the_sync),
		TEST(keys_of_a_wrong_size_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
