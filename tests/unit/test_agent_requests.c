/* Requests to clusterd, secretd and netd: who gets which answer, and which are none. */
#include "tests/unit/node_rig.h"

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

/* A daemon that was taken over must not make the agent read what is not there. */
static void answers_to_something_else_are_refused(void **state)
{
	Bulkhead__V1__SecretsStage stage = BULKHEAD__V1__SECRETS_STAGE__INIT;
	Bulkhead__V1__SecretsStaged staged = BULKHEAD__V1__SECRETS_STAGED__INIT;
	Bulkhead__V1__SecretsPublished published = BULKHEAD__V1__SECRETS_PUBLISHED__INIT;
	Bulkhead__V1__NetPlug plug = BULKHEAD__V1__NET_PLUG__INIT;
	Bulkhead__V1__NetUnplugged unplugged = BULKHEAD__V1__NET_UNPLUGGED__INIT;
	const int fds[3] = { 0, 1, 2 };
	struct answer first = { 0 }, second = { 0 };
	struct error err = { 0 };
	uint32_t serial;

	(void)state;
	make_ready();
	assert_int_equal(secretd_stage(agent.secretd, &stage, 0, on_secrets, &first, &err), 0);
	serial = expect_sent(IPC_SECRETS_STAGE)->serial;
	assert_int_equal(say(&fake.secretd, IPC_SECRETS_PUBLISHED, serial, &published.base), -1);
	staged.directory = TEXT("..2026");
	staged.refresh_at = INT64_MAX / 1000;
	assert_int_equal(say(&fake.secretd, IPC_SECRETS_STAGED, serial, &staged.base), -1);
	assert_int_equal(first.times, 0);
	lose(&fake.secretd); /* as what follows */
	assert_int_equal(first.times, 1);
	assert_int_equal(first.code, ERR_UNAVAILABLE);

	assert_int_equal(netd_plug(agent.netd, &plug, fds, on_plug, &second, &err), 0);
	serial = expect_sent(IPC_NET_PLUG)->serial;
	assert_int_equal(say(&fake.netd, IPC_NET_UNPLUGGED, serial, &unplugged.base), -1);
	assert_int_equal(second.times, 0);
	lose(&fake.netd);
	assert_int_equal(second.times, 1);
	assert_int_equal(second.code, ERR_UNAVAILABLE);
}

/* What waits for a slow daemon waits in the agent's memory. */
static void slow_daemons_are_asked_no_more(void **state)
{
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	Bulkhead__V1__SecretsStage stage = BULKHEAD__V1__SECRETS_STAGE__INIT;
	struct answer answer = { 0 };
	struct error err = { 0 };

	(void)state;
	make_ready();
	txn.create_project = TEXT("red");
	fake.clusterd.crowded = fake.secretd.crowded = true;
	assert_int_equal(cluster_change(agent.cluster, &txn, on_change, &answer, &err), -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
	assert_int_equal(secretd_stage(agent.secretd, &stage, 0, on_secrets, &answer, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_null(next_sent());
}

static void addresses_are_addresses(void **state)
{
	static const char *const wrong[] = { "", "10.128.0", "10.128.0.5\n1.2.3.4\thost",
		" 10.128.0.5" };
	Bulkhead__V1__NetPlug plug = BULKHEAD__V1__NET_PLUG__INIT;
	Bulkhead__V1__NetPlugged plugged = BULKHEAD__V1__NET_PLUGGED__INIT, *ports = &plugged;
	Bulkhead__V1__NetSynced synced = BULKHEAD__V1__NET_SYNCED__INIT;
	const int fds[3] = { 0, 1, 2 };
	struct answer answer = { 0 };
	struct error err = { 0 };
	uint32_t serial;

	(void)state;
	make_ready();
	assert_int_equal(netd_plug(agent.netd, &plug, fds, on_plug, &answer, &err), 0);
	serial = expect_sent(IPC_NET_PLUG)->serial;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		plugged.address = TEXT(wrong[i]);
		assert_int_equal(say(&fake.netd, IPC_NET_PLUGGED, serial, &plugged.base), -1);
		assert_int_equal(answer.times, 0);
	}
	lose(&fake.netd);
	fake.netd.running = true;
	say_net(true);
	synced.ports = &ports;
	synced.n_ports = 1;
	assert_int_equal(
		say(&fake.netd, IPC_NET_SYNCED, expect_sent(IPC_NET_SYNC)->serial, &synced.base),
		-1);
	assert_int_equal(fake.synced, 1); /* make_ready()'s */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers_find_who_asked),
		TEST(secrets_are_staged_and_published),
		TEST(plugs_wait_for_the_sync),
		TEST(answers_to_something_else_are_refused),
		TEST(slow_daemons_are_asked_no_more),
		TEST(addresses_are_addresses),
		TEST(keys_of_a_wrong_size_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
