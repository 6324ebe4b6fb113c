/* How a node registers itself, and what becomes of it when a daemon goes. */
#include <fcntl.h>

#include "tests/unit/node_rig.h"

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
	assert_int_equal(fake.policies, 2);
}

static void say_moved(int64_t epoch, uint32_t vnid)
{
	Bulkhead__V1__ClusterDelta delta = BULKHEAD__V1__CLUSTER_DELTA__INIT;
	Bulkhead__V1__ClusterProject project = BULKHEAD__V1__CLUSTER_PROJECT__INIT;
	Bulkhead__V1__ClusterProject *projects = &project;

	project.name = TEXT("red");
	project.vnid = vnid;
	project.moved = epoch;
	delta.connected = true;
	delta.projects = &projects;
	delta.n_projects = 1;
	assert_int_equal(say(&fake.clusterd, IPC_CLUSTER_DELTA, 0, &delta.base), 0);
}

static uint32_t expect_projects(uint32_t vnid)
{
	const struct sent *sent = expect_sent(IPC_NET_PROJECTS);
	const Bulkhead__V1__NetProjects *message = (const Bulkhead__V1__NetProjects *)sent->message;

	/* Project default, too, though it has no pod here: a CNI plugin may name it. */
	assert_int_equal(message->n_projects, 2);
	assert_false(message->more);
	for (size_t i = 0; i < message->n_projects; i++) {
		if (strcmp(message->projects[i]->name, "red") == 0)
			assert_int_equal(message->projects[i]->vnid, vnid);
		else
			assert_string_equal(message->projects[i]->name, "default");
	}
	return sent->serial;
}

static void moves_are_told_one_after_the_other_and_reported(void **state)
{
	uint64_t end = monotonic_usec() + WAIT_USEC;
	const struct sent *sent;
	uint32_t serial;

	(void)state;
	make_ready();
	say_moved(5, 20);
	serial = expect_projects(20);
	say_moved(8, 21);
	assert_null(next_sent());
	say_projects_set(serial + 100, ERR_NONE); /* of nobody's asking */
	assert_int_equal(netd_projects_epoch(agent.netd), 0);
	say_projects_set(serial, ERR_NONE);
	assert_int_equal(netd_projects_epoch(agent.netd), 5);
	serial = expect_projects(21);
	/* What the switch has is told to the cluster. */
	sent = expect_sent(IPC_CLUSTER_TXN);
	assert_int_equal(
		((const Bulkhead__V1__ClusterTxn *)sent->message)->put_node->network_epoch, 5);
	/* What it did not take is tried again, and not reported. */
	say_projects_set(serial, ERR_UNAVAILABLE);
	assert_int_equal(netd_projects_epoch(agent.netd), 5);
	while (fake.sent_len == fake.taken && monotonic_usec() < end)
		assert_true(sd_event_run(agent.event, 100000) >= 0);
	serial = expect_projects(21);
	/* A netd that starts anew is told all again. */
	lose(&fake.netd);
	fake.netd.running = true;
	say_net(true);
	say_synced(expect_sent(IPC_NET_SYNC)->serial, ERR_NONE);
	assert_int_equal(netd_projects_epoch(agent.netd), 8);
}

/* More than one frame takes: all of them, once each, and only the last one's answer counts. */
static void many_projects_go_in_parts(void **state)
{
	enum { MANY = 20000, PARTS = 3 };
	Bulkhead__V1__ClusterProject *rows = calloc(MANY, sizeof(*rows));
	Bulkhead__V1__ClusterProject **list = calloc(MANY, sizeof(rows));
	Bulkhead__V1__ClusterDelta delta = BULKHEAD__V1__CLUSTER_DELTA__INIT;
	char(*names)[16] = calloc(MANY, sizeof(*names));
	uint8_t *seen = calloc(MANY, 1);
	const struct sent *sent = NULL;
	size_t total = 0;

	(void)state;
	make_ready();
	for (size_t i = 0; i < MANY; i++) {
		bulkhead__v1__cluster_project__init(&rows[i]);
		snprintf(names[i], sizeof(names[i]), "p%zu", i);
		rows[i].name = names[i];
		rows[i].vnid = (uint32_t)i;
		rows[i].moved = i == MANY - 1;
		list[i] = &rows[i];
	}
	delta.connected = true;
	delta.projects = list;
	delta.n_projects = MANY;
	assert_int_equal(say(&fake.clusterd, IPC_CLUSTER_DELTA, 0, &delta.base), 0);
	for (uint32_t part = 0; part < PARTS; part++) {
		const Bulkhead__V1__NetProjects *message;

		sent = expect_sent(IPC_NET_PROJECTS);
		message = (const Bulkhead__V1__NetProjects *)sent->message;
		assert_int_equal(message->part, part);
		assert_int_equal(message->more, part < PARTS - 1);
		total += message->n_projects;
		for (size_t i = 0; i < message->n_projects; i++) {
			const Bulkhead__V1__NetProject *row = message->projects[i];

			if (row->name[0] == 'p')
				assert_int_equal(seen[row->vnid]++, 0);
		}
	}
	assert_null(next_sent());
	assert_int_equal(total, MANY + 1);
	say_projects_set(sent->serial - 1, ERR_NONE);
	assert_int_equal(netd_projects_epoch(agent.netd), 0);
	say_projects_set(sent->serial, ERR_NONE);
	assert_int_equal(netd_projects_epoch(agent.netd), 1);
	free(rows);
	free(list);
	free(names);
	free(seen);
}

/* Each netd that runs gets the socket at which CNI plugins ask. */
static void each_netd_is_told_where_to_listen(void **state)
{
	(void)state;
	netd_listen(agent.netd, open("/dev/null", O_RDONLY | O_CLOEXEC));
	say_hello();
	say_snapshot(true, true);
	say_net(false);
	expect_sent(IPC_NET_CNI);
	say_net(true);
	expect_sent(IPC_NET_SYNC);
	assert_null(next_sent());
	lose(&fake.netd);
	fake.netd.running = true;
	say_net(false);
	expect_sent(IPC_NET_CNI);
	assert_null(next_sent());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_node_registers_step_by_step),
		TEST(a_refused_registration_is_tried_again),
		TEST(a_node_with_another_key_is_put_again),
		TEST(the_database_may_go_and_come),
		TEST(netd_is_told_again_after_each_start),
		TEST(moves_are_told_one_after_the_other_and_reported),
		TEST(many_projects_go_in_parts),
		TEST(each_netd_is_told_where_to_listen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
