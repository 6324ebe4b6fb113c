/* Its rights, and what happens when the database, the agent, another daemon or itself goes away. */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "tests/priv/cluster/lab.h"
#include "tests/priv/cluster/relay.h"

static struct lab lab;
static struct daemon d;

static int setup(void **state)
{
	(void)state;
	lab_open(&lab);
	daemon_start(&d, &lab, "10.128.0.0/14", NULL);
	daemon_await_snapshot(&d);
	return 0;
}

static int teardown(void **state)
{
	int status = daemon_stop(&d);

	(void)state;
	lab_close(&lab);
	return status;
}

/* ---- rights -------------------------------------------------------------------------------- */

/* The value of 'name' in /proc/PID/status. */
static void status_of(pid_t pid, const char *name, char *ret, size_t size)
{
	char path[64], line[256];
	cleanup_file FILE *f = NULL;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, name, strlen(name)) != 0 || line[strlen(name)] != ':')
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(ret, size, "%s", line + strlen(name) + 2);
		return;
	}
	fail_msg("no %s in %s", name, path);
}

static void assert_status(pid_t pid, const char *name, const char *wanted)
{
	char value[256];

	status_of(pid, name, value, sizeof(value));
	assert_string_equal(value, wanted);
}

static void assert_confined(pid_t pid, const char *capabilities)
{
	assert_status(pid, "Uid", "61235\t61235\t61235\t61235");
	assert_status(pid, "Gid", "61235\t61235\t61235\t61235");
	assert_status(pid, "Groups", " ");
	assert_status(pid, "CapInh", "0000000000000000");
	assert_status(pid, "CapPrm", capabilities);
	assert_status(pid, "CapEff", capabilities);
	assert_status(pid, "CapBnd", "0000000000000000");
	assert_status(pid, "CapAmb", "0000000000000000");
	assert_status(pid, "NoNewPrivs", "1");
	assert_status(pid, "Seccomp", "2");
	assert_status(pid, "Threads", "1");
}

static pid_t connector_of(pid_t pid)
{
	cleanup_free char *text = lab_run("cat /proc/%d/task/%d/children", pid, pid);

	return (pid_t)atoi(text);
}

static void it_has_no_rights(void **state)
{
	(void)state;
	assert_confined(d.pid, "0000000000000000");
	/* Its helper may connect to the database's socket, and nothing else: CAP_DAC_OVERRIDE. */
	assert_confined(connector_of(d.pid), "0000000000000002");
}

static void it_sees_nothing(void **state)
{
	static const char *const spaces[] = { "net", "mnt", "ipc", "uts" };
	char path[64], ours[64], its[64];
	ssize_t n, m;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(spaces); i++) {
		snprintf(path, sizeof(path), "/proc/self/ns/%s", spaces[i]);
		n = readlink(path, ours, sizeof(ours));
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", d.pid, spaces[i]);
		m = readlink(path, its, sizeof(its));
		assert_true(n > 0 && m > 0);
		assert_false(n == m && memcmp(ours, its, (size_t)n) == 0);
	}
	free(lab_run("test -z \"$(ls -A /proc/%d/root/)\"", d.pid));
}

/* Beyond stdio: the agent, the connector, the database, and what only waits. No file, no network.
 */
static void it_holds_three_sockets(void **state)
{
	cleanup_free char *fds = lab_run("cd /proc/%d/fd && for fd in *; do test $fd -lt 3 || "
					 "readlink $fd; done | sed 's/:.*//' "
					 "| sort | uniq -c | tr -s ' '",
		d.pid);
	cleanup_free char *network = lab_run("cat /proc/%d/net/tcp /proc/%d/net/udp "
					     "/proc/%d/net/raw /proc/%d/net/packet | wc -l",
		d.pid, d.pid, d.pid, d.pid);

	(void)state;
	assert_string_equal(fds, " 2 pipe\n 3 socket\n");
	assert_int_equal(atoi(network), 4); /* headings */
}

/* ---- two at once --------------------------------------------------------------------------- */

#define EACH 100

static void send_creates(struct daemon *daemon, const char *prefix)
{
	for (int i = 0; i < EACH; i++) {
		Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
		char name[32];

		snprintf(name, sizeof(name), "%s-%d", prefix, i);
		txn.create_project = name;
		daemon_send(daemon, &txn);
	}
}

static void take_created(struct daemon *daemon, unsigned *vnids, unsigned *blocks)
{
	for (int i = 0; i < EACH; i++) {
		Bulkhead__V1__ClusterTxnReply *reply = daemon_answer(daemon, 0, 10000);

		if (reply->error)
			fail_msg("%s", reply->error->text);
		assert_in_range(reply->project->vnid, 10, 10 + 2 * EACH - 1);
		assert_in_range(reply->project->block, 1, 2 * EACH);
		vnids[reply->project->vnid]++;
		blocks[reply->project->block]++;
		protobuf_c_message_free_unpacked(&reply->base, NULL);
	}
}

/* Each number once, none left out: nobody gave up a number that it had taken. */
static void two_daemons_never_collide(void **state)
{
	unsigned vnids[10 + 2 * EACH] = { 0 }, blocks[1 + 2 * EACH] = { 0 };
	cleanup_free char *count = NULL;
	struct daemon other;

	(void)state;
	daemon_start(&other, &lab, "10.128.0.0/14", NULL);
	daemon_await_snapshot(&other);
	send_creates(&d, "one");
	send_creates(&other, "two");
	take_created(&d, vnids, blocks);
	take_created(&other, vnids, blocks);
	for (size_t i = 10; i < ARRAY_LEN(vnids); i++)
		assert_int_equal(vnids[i], 1);
	for (size_t i = 1; i < ARRAY_LEN(blocks); i++)
		assert_int_equal(blocks[i], 1);
	daemon_listen(&d, 200);
	daemon_listen(&other, 200);
	assert_int_equal(daemon_count(&d, "project:"), 2 * EACH);
	assert_int_equal(daemon_count(&other, "project:"), 2 * EACH);
	count = lab_run("ovsdb-client --timeout=20 --format=csv --no-headings dump unix:%s/db.sock "
			"Bulkhead Project vnid | grep '^[0-9]' | sort -u | wc -l",
		lab.dir);
	assert_int_equal(atoi(count), 2 * EACH);
	assert_int_equal(daemon_stop(&other), 0);
}

/* Both are asked for one name: one makes it, the other hears that it exists. */
static void one_name_is_given_once(void **state)
{
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	struct daemon other;

	(void)state;
	daemon_start(&other, &lab, "10.128.0.0/14", NULL);
	daemon_await_snapshot(&other);
	for (int i = 0; i < 50; i++) {
		Bulkhead__V1__ClusterTxnReply *a, *b;
		char name[32];

		snprintf(name, sizeof(name), "same-%d", i);
		txn.create_project = name;
		daemon_send(&d, &txn);
		daemon_send(&other, &txn);
		a = daemon_answer(&d, 0, 8000);
		b = daemon_answer(&other, 0, 8000);
		assert_true(!a->error != !b->error);
		assert_int_equal((a->error ? a : b)->error->code, ERR_EXISTS);
		protobuf_c_message_free_unpacked(&a->base, NULL);
		protobuf_c_message_free_unpacked(&b->base, NULL);
	}
	assert_int_equal(daemon_stop(&other), 0);
}

static void send_secret(struct daemon *daemon, const char *project, const char *name)
{
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	Bulkhead__V1__ClusterSecret m = BULKHEAD__V1__CLUSTER_SECRET__INIT;
	uint8_t sealed[] = { 1, 2, 3 };

	m.project = (char *)(uintptr_t)project;
	m.name = (char *)(uintptr_t)name;
	m.node = (char *)(uintptr_t) "n1";
	m.sealed = (ProtobufCBinaryData){ sizeof(sealed), sealed };
	txn.put_secret = &m;
	daemon_send(daemon, &txn);
}

static unsigned take_code(struct daemon *daemon)
{
	Bulkhead__V1__ClusterTxnReply *reply = daemon_answer(daemon, 0, 8000);
	unsigned code = reply->error ? reply->error->code : 0;

	protobuf_c_message_free_unpacked(&reply->base, NULL);
	return code;
}

/*
 * What no index of the schema could refuse: both decide on one content, with room for one secret,
 * and only one may have it.
 */
static void limits_hold_between_two_daemons(void **state)
{
	struct daemon other;

	(void)state;
	assert_int_equal(daemon_create(&d, "full", NULL), 0);
	for (int i = 0; i < 999; i++) {
		char name[32];

		snprintf(name, sizeof(name), "s%d", i);
		assert_int_equal(
			daemon_put_secret(&d, &(struct secret){ "full", name, 8, false, 1 }, NULL),
			0);
	}
	daemon_start(&other, &lab, "10.128.0.0/14", NULL);
	daemon_await_snapshot(&other);
	kill(lab.ovsdb, SIGSTOP);
	send_secret(&d, "full", "mine");
	send_secret(&other, "full", "its");
	usleep(200000);
	kill(lab.ovsdb, SIGCONT);
	assert_int_equal(take_code(&d) + take_code(&other), ERR_EXHAUSTED);
	free(lab_transact(&lab, "{\"op\":\"delete\",\"table\":\"Secret\",\"where\":[]}"));
	assert_int_equal(daemon_stop(&other), 0);
}

/* A project is deleted while a secret is put into it: never both. */
static void a_secret_never_loses_its_project(void **state)
{
	Bulkhead__V1__ClusterTxn removal = BULKHEAD__V1__CLUSTER_TXN__INIT;
	struct daemon other;

	(void)state;
	daemon_start(&other, &lab, "10.128.0.0/14", NULL);
	daemon_await_snapshot(&other);
	for (int i = 0; i < 50; i++) {
		unsigned put, removed;
		char name[32], key[64];

		snprintf(name, sizeof(name), "race-%d", i);
		snprintf(key, sizeof(key), "%s/s", name);
		assert_int_equal(daemon_create(&d, name, NULL), 0);
		daemon_listen(&other, 5);
		removal.delete_project = name;
		daemon_send(&other, &removal);
		put = daemon_put_secret(&d, &(struct secret){ name, "s", 8, false, 1 }, NULL);
		removed = take_code(&other);
		assert_true((put == 0 && removed == ERR_PRECONDITION) ||
			    (put == ERR_NOT_FOUND && removed == 0));
		if (put == 0)
			assert_int_equal(daemon_delete_secret(&d, key, NULL), 0);
	}
	assert_int_equal(daemon_stop(&other), 0);
}

/* ---- the database goes away ---------------------------------------------------------------- */

static void it_comes_back_after_the_database(void **state)
{
	const size_t projects = daemon_count(&d, "project:");
	const unsigned snapshots = d.snapshots;
	char text[ERROR_TEXT_SIZE];
	uint64_t start, took;

	(void)state;
	lab_kill_ovsdb(&lab);
	daemon_await_connected(&d, false);
	assert_int_equal(daemon_count(&d, "project:"), projects);

	start = lab_msec();
	assert_int_equal(daemon_create(&d, "while-away", text), ERR_UNAVAILABLE);
	took = lab_msec() - start;
	assert_non_null(strstr(text, "project 'while-away': the cluster database is away"));
	assert_in_range(took, 3000, 6000);
	/* Away for long by now: no need to wait again. */
	start = lab_msec();
	assert_int_equal(daemon_create(&d, "while-away", text), ERR_UNAVAILABLE);
	assert_in_range(lab_msec() - start, 0, 500);

	lab_start_ovsdb(&lab);
	start = lab_msec();
	daemon_await_snapshot(&d);
	took = lab_msec() - start;
	print_message("# a new snapshot %d ms after the database was back\n", (int)took);
	assert_in_range(took, 0, 2000);
	assert_int_equal(d.snapshots, snapshots + 1);
	assert_int_equal(daemon_count(&d, "project:"), projects);
	assert_null(daemon_row(&d, "project:while-away"));
	assert_int_equal(daemon_create(&d, "after", NULL), 0);
}

/* Asked for while the database is away, done when it is back in time. */
static void a_short_absence_is_not_an_error(void **state)
{
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	Bulkhead__V1__ClusterTxnReply *reply;
	uint32_t serial;

	(void)state;
	lab_kill_ovsdb(&lab);
	daemon_await_connected(&d, false);
	txn.create_project = (char *)(uintptr_t) "patient";
	serial = daemon_send(&d, &txn);
	usleep(500000);
	lab_start_ovsdb(&lab);
	reply = daemon_answer(&d, serial, 8000);
	assert_null(reply->error);
	assert_string_equal(reply->project->name, "patient");
	assert_non_null(daemon_row(&d, "project:patient"));
	protobuf_c_message_free_unpacked(&reply->base, NULL);
}

/* The server is stopped with the request in its socket, then killed: nobody knows, until it is
 * back. */
static void a_lost_answer_is_not_an_error(void **state)
{
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	Bulkhead__V1__ClusterTxnReply *reply;
	uint32_t serial;

	(void)state;
	kill(lab.ovsdb, SIGSTOP);
	txn.create_project = (char *)(uintptr_t) "in-flight";
	serial = daemon_send(&d, &txn);
	usleep(300000);
	lab_kill_ovsdb(&lab);
	lab_start_ovsdb(&lab);
	reply = daemon_answer(&d, serial, 8000);
	if (reply->error)
		fail_msg("%s", reply->error->text);
	assert_string_equal(reply->project->name, "in-flight");
	protobuf_c_message_free_unpacked(&reply->base, NULL);
}

/* The change is made, but its answer is lost: found out when the database is back, for each kind.
 */
static void a_made_change_is_recognized(void **state)
{
	const struct secret secret = { "lossy", "s", 8, false, 1 };
	struct daemon other;
	pid_t relay;

	(void)state;
	relay = relay_start(lab.dir);
	lab.socket = "relay.sock";
	daemon_start(&other, &lab, "10.128.0.0/14", NULL);
	lab.socket = "db.sock";
	daemon_await_snapshot(&other);
	relay_lose_next(relay);
	assert_int_equal(daemon_create(&other, "lossy", NULL), 0);
	assert_int_equal(other.snapshots, 2);
	relay_lose_next(relay);
	assert_int_equal(daemon_put_secret(&other, &secret, NULL), 0);
	relay_lose_next(relay);
	assert_int_equal(daemon_delete_secret(&other, "lossy/s", NULL), 0);
	relay_lose_next(relay);
	assert_int_equal(daemon_delete(&other, "lossy", NULL), 0);
	relay_lose_next(relay);
	assert_int_equal(daemon_put_node(&other, "lossy", "192.0.2.1", 1, NULL), 0);
	assert_int_equal(other.snapshots, 6);
	/* Without a loss the same are refused: it was not forgiven too much. */
	assert_int_equal(daemon_delete(&other, "lossy", NULL), ERR_NOT_FOUND);
	assert_int_equal(daemon_stop(&other), 0);
	kill(relay, SIGKILL);
	waitpid(relay, NULL, 0);
	daemon_listen(&d, 200);
	assert_null(daemon_row(&d, "project:lossy"));
}

/* Killed at any moment of a stream of changes: what was answered is there, each once. */
static void killed_amid_changes_nothing_is_lost(void **state)
{
	unsigned made = 0;

	(void)state;
	for (int round = 0; round < 5; round++) {
		send_creates(&d, round == 0   ? "r0"
				 : round == 1 ? "r1"
				 : round == 2 ? "r2"
				 : round == 3 ? "r3"
					      : "r4");
		usleep(5000 + 7000 * (useconds_t)round);
		lab_kill_ovsdb(&lab);
		lab_start_ovsdb(&lab);
		for (int i = 0; i < EACH; i++) {
			Bulkhead__V1__ClusterTxnReply *reply = daemon_answer(&d, 0, 10000);

			if (reply->error)
				fail_msg("%s", reply->error->text);
			made++;
			protobuf_c_message_free_unpacked(&reply->base, NULL);
		}
	}
	assert_int_equal(made, 5 * EACH);
	assert_int_equal(
		daemon_count(&d, "project:r"), 5 * EACH + daemon_count(&d, "project:race"));
}

/* It hangs: the answer says that nobody knows; what it did becomes known when it goes on. */
static void a_database_that_hangs_is_not_waited_for(void **state)
{
	char text[ERROR_TEXT_SIZE];
	uint64_t start;

	(void)state;
	assert_int_equal(daemon_create(&d, "before", NULL), 0); /* it is there */
	start = lab_msec();
	kill(lab.ovsdb, SIGSTOP);
	assert_int_equal(daemon_create(&d, "hung", text), ERR_UNAVAILABLE);
	if (!strstr(text, "it may be made or not"))
		fail_msg("%s", text);
	assert_in_range(lab_msec() - start, 4000, 6500);
	kill(lab.ovsdb, SIGCONT);
	daemon_listen(&d, 500);
	daemon_await_connected(&d, true);
	assert_non_null(daemon_row(&d, "project:hung"));
}

/* ---- itself and the agent ------------------------------------------------------------------ */

/* Gone, or a zombie where nobody takes in orphans. */
static bool has_ended(pid_t pid)
{
	cleanup_free char *text =
		lab_run("grep '^State:' /proc/%d/status 2>/dev/null || true", pid);

	return !strchr(text, ':') || strchr(text, 'Z');
}

static void killed_it_starts_again(void **state)
{
	const size_t projects = daemon_count(&d, "project:");
	const pid_t connector = connector_of(d.pid);

	(void)state;
	assert_true(connector > 0);
	daemon_kill(&d);
	for (int i = 0; i < 100 && !has_ended(connector); i++)
		usleep(10000);
	assert_true(has_ended(connector)); /* by itself */
	daemon_start(&d, &lab, "10.128.0.0/14", NULL);
	daemon_await_snapshot(&d);
	assert_int_equal(daemon_count(&d, "project:"), projects);
}

static void it_ends_with_the_agent(void **state)
{
	(void)state;
	assert_int_equal(daemon_stop(&d), 0);
	daemon_start(&d, &lab, "10.128.0.0/14", NULL);
	daemon_await_snapshot(&d);
}

/* Any directory serves as root: the connector has its own. */
static void the_root_may_hold_the_socket(void **state)
{
	struct lab there = lab;
	struct daemon other;

	(void)state;
	snprintf(there.empty, sizeof(there.empty), "%s", lab.dir);
	daemon_start(&other, &there, "10.128.0.0/14", NULL);
	daemon_await_snapshot(&other);
	assert_int_equal(daemon_stop(&other), 0);
}

/* Without its connector it could not connect again: better it starts anew. */
static void it_ends_with_its_connector(void **state)
{
	int status;

	(void)state;
	kill(connector_of(d.pid), SIGKILL);
	assert_int_equal(waitpid(d.pid, &status, 0), d.pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	d.pid = 0;
	daemon_kill(&d);
	daemon_start(&d, &lab, "10.128.0.0/14", NULL);
	daemon_await_snapshot(&d);
}

static void a_foreign_frame_ends_it(void **state)
{
	Bulkhead__V1__NetUnplug message = BULKHEAD__V1__NET_UNPLUG__INIT;
	struct ipc *wrong;
	struct error err;
	int status;

	(void)state;
	/* A second view of our end of the pair, which takes clusterd for netd. */
	assert_int_equal(
		ipc_table_connect(&wrong, dup(ipc_fd(d.ipc)), IPC_AGENT, IPC_NETD, &err), 0);
	assert_int_equal(
		ipc_table_send(wrong, IPC_NET_UNPLUG, 0, &message.base, NULL, 0, NULL, &err), 0);
	assert_int_equal(waitpid(d.pid, &status, 0), d.pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	ipc_free(wrong);
	d.pid = 0;
	daemon_kill(&d);
	daemon_start(&d, &lab, "10.128.0.0/14", NULL);
	daemon_await_snapshot(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_has_no_rights),
		cmocka_unit_test(it_sees_nothing),
		cmocka_unit_test(it_holds_three_sockets),
		cmocka_unit_test(two_daemons_never_collide),
		cmocka_unit_test(one_name_is_given_once),
		cmocka_unit_test(limits_hold_between_two_daemons),
		cmocka_unit_test(a_secret_never_loses_its_project),
		cmocka_unit_test(it_comes_back_after_the_database),
		cmocka_unit_test(a_short_absence_is_not_an_error),
		cmocka_unit_test(a_lost_answer_is_not_an_error),
		cmocka_unit_test(a_made_change_is_recognized),
		cmocka_unit_test(killed_amid_changes_nothing_is_lost),
		cmocka_unit_test(a_database_that_hangs_is_not_waited_for),
		cmocka_unit_test(killed_it_starts_again),
		cmocka_unit_test(it_ends_with_the_agent),
		cmocka_unit_test(the_root_may_hold_the_socket),
		cmocka_unit_test(it_ends_with_its_connector),
		cmocka_unit_test(a_foreign_frame_ends_it),
	};

	return cmocka_run_group_tests_name("cluster life", tests, setup, teardown);
}
