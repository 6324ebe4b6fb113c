/* What each change does to the database, and which are refused, against a real ovsdb-server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "secrets/envelope.h"
#include "tests/priv/cluster/lab.h"

#define SEALED_MAX (ENVELOPE_PLAIN_MAX + ENVELOPE_OVERHEAD)

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

#define REFUSED(code, wanted, ...)                                                                 \
	do {                                                                                       \
		char text_[ERROR_TEXT_SIZE];                                                       \
		unsigned code_ = __VA_ARGS__;                                                      \
                                                                                                   \
		if (code_ != (code) || !strstr(text_, wanted))                                     \
			fail_msg("code %u, '%s' (wanted %u, '%s')", code_, text_, (code), wanted); \
	} while (0)

static const Bulkhead__V1__ClusterProject *project(const char *key)
{
	const void *row = daemon_row(&d, key);

	assert_non_null(row);
	return row;
}

static void an_empty_database_is_an_empty_snapshot(void **state)
{
	(void)state;
	assert_int_equal(d.snapshots, 1);
	assert_true(d.connected);
	assert_int_equal(d.rows.len, 0);
}

static void projects_get_the_lowest_numbers(void **state)
{
	(void)state;
	assert_int_equal(daemon_create(&d, "default", NULL), 0);
	assert_int_equal(daemon_create(&d, "red", NULL), 0);
	assert_int_equal(daemon_create(&d, "blue", NULL), 0);
	/* The delta came before the answer: nothing is waited for here. */
	assert_int_equal(project("project:default")->vnid, 0);
	assert_int_equal(project("project:default")->block, 0);
	assert_string_equal(project("project:default")->mcs, "s0:c1,c0");
	assert_int_equal(project("project:red")->vnid, 10);
	assert_int_equal(project("project:red")->block, 1);
	assert_string_equal(project("project:red")->uid_range, "1000010000/10000");
	assert_string_equal(project("project:red")->mcs, "s0:c3,c2");
	assert_int_equal(project("project:blue")->vnid, 11);
	assert_int_equal(project("project:blue")->block, 2);
	assert_int_equal(strlen(project("project:red")->uid), 36);
	assert_string_not_equal(project("project:red")->uid, project("project:blue")->uid);
}

static void an_answer_carries_the_row(void **state)
{
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	Bulkhead__V1__ClusterTxnReply *reply;

	(void)state;
	txn.create_project = (char *)(uintptr_t) "green";
	reply = daemon_answer(&d, daemon_send(&d, &txn), 5000);
	assert_null(reply->error);
	assert_non_null(reply->project);
	assert_int_equal(reply->project->vnid, 12);
	assert_string_equal(reply->project->uid, project("project:green")->uid);
	protobuf_c_message_free_unpacked(&reply->base, NULL);
}

/* What an independent client of the database sees. */
static void the_database_agrees(void **state)
{
	cleanup_free char *text = lab_run(
		"ovsdb-client --timeout=20 --format=csv dump unix:%s/db.sock Bulkhead Project name "
		"vnid block uid_range mcs | sort",
		lab.dir);

	(void)state;
	assert_non_null(
		strstr(text, "0,\"\"\"s0:c1,c0\"\"\",default,\"\"\"1000000000/10000\"\"\",0"));
	assert_non_null(strstr(text, "1,\"\"\"s0:c3,c2\"\"\",red,\"\"\"1000010000/10000\"\"\",10"));
}

static void bad_projects_are_refused(void **state)
{
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;

	(void)state;
	REFUSED(ERR_EXISTS, "project 'red': exists already", daemon_create(&d, "red", text_));
	REFUSED(ERR_EXISTS, "project 'default': exists already",
		daemon_create(&d, "default", text_));
	REFUSED(ERR_INVALID, "'Red'", daemon_create(&d, "Red", text_));
	REFUSED(ERR_INVALID, "reserved", daemon_create(&d, "kube-x", text_));
	REFUSED(ERR_NOT_FOUND, "project 'grey': does not exist", daemon_delete(&d, "grey", text_));
	REFUSED(ERR_PRECONDITION, "'default' cannot be deleted",
		daemon_delete(&d, "default", text_));
	REFUSED(ERR_INVALID, "exactly one member, not 0", daemon_do(&d, &txn, text_));
	txn.create_project = (char *)(uintptr_t) "a";
	txn.delete_project = (char *)(uintptr_t) "b";
	REFUSED(ERR_INVALID, "exactly one member, not 2", daemon_do(&d, &txn, text_));
	assert_int_equal(daemon_count(&d, "project:"), 4);
}

static void secrets_come_and_go(void **state)
{
	const Bulkhead__V1__ClusterSecret *row;
	char uid[64];

	(void)state;
	REFUSED(ERR_NOT_FOUND, "secret 'grey/db': project 'grey' does not exist",
		daemon_put_secret(&d, &(struct secret){ "grey", "db", 10, false, 0 }, text_));
	assert_int_equal(
		daemon_put_secret(&d, &(struct secret){ "red", "db", 100, false, 0xa5 }, NULL), 0);
	row = daemon_row(&d, "secret:red/db");
	assert_non_null(row);
	assert_int_equal(row->sealed.len, 100);
	assert_int_equal(row->sealed.data[99], 0xa5);
	assert_int_equal(row->n_keys, 1);
	assert_string_equal(row->keys[0]->name, "password");
	assert_int_equal(row->keys[0]->size, 7);
	snprintf(uid, sizeof(uid), "%s", row->uid);
	REFUSED(ERR_EXISTS, "secret 'red/db': exists already",
		daemon_put_secret(&d, &(struct secret){ "red", "db", 10, false, 0 }, text_));
	assert_int_equal(
		daemon_put_secret(&d, &(struct secret){ "red", "db", 50, true, 1 }, NULL), 0);
	row = daemon_row(&d, "secret:red/db");
	assert_int_equal(row->sealed.len, 50);
	assert_string_equal(row->uid, uid);
	/* The same name in another project is another secret. */
	assert_int_equal(
		daemon_put_secret(&d, &(struct secret){ "blue", "db", 9, false, 2 }, NULL), 0);
	REFUSED(ERR_PRECONDITION, "project 'red': still has 1 secret: delete it first",
		daemon_delete(&d, "red", text_));
	REFUSED(ERR_NOT_FOUND, "secret 'red/nope': does not exist",
		daemon_delete_secret(&d, "red/nope", text_));
	REFUSED(ERR_INVALID, "is not PROJECT/NAME", daemon_delete_secret(&d, "red", text_));
	assert_int_equal(daemon_delete_secret(&d, "red/db", NULL), 0);
	assert_null(daemon_row(&d, "secret:red/db"));
	assert_non_null(daemon_row(&d, "secret:blue/db"));
	assert_int_equal(daemon_delete_secret(&d, "blue/db", NULL), 0);
}

static void sizes_have_limits(void **state)
{
	(void)state;
	assert_int_equal(
		daemon_put_secret(&d, &(struct secret){ "red", "big", SEALED_MAX, false, 3 }, NULL),
		0);
	REFUSED(ERR_EXHAUSTED, "secret 'red/more': sealed: 1572922 bytes are more than 1572921",
		daemon_put_secret(
			&d, &(struct secret){ "red", "more", SEALED_MAX + 1, false, 3 }, text_));
	REFUSED(ERR_INVALID, "secret 'red/none': sealed: is empty",
		daemon_put_secret(&d, &(struct secret){ "red", "none", 0, false, 3 }, text_));
	assert_int_equal(daemon_delete_secret(&d, "red/big", NULL), 0);
}

/* 1000 secrets, all requests sent at once; the daemon refuses one more. */
static void a_project_has_room_for_so_many_secrets(void **state)
{
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	Bulkhead__V1__ClusterSecret m = BULKHEAD__V1__CLUSTER_SECRET__INIT;
	uint8_t sealed[] = { 1, 2, 3 };
	uint32_t serials[1000];
	char name[32];

	(void)state;
	m.project = (char *)(uintptr_t) "red";
	m.name = name;
	m.node = (char *)(uintptr_t) "n1";
	m.sealed = (ProtobufCBinaryData){ sizeof(sealed), sealed };
	txn.put_secret = &m;
	for (size_t i = 0; i < ARRAY_LEN(serials); i++) {
		snprintf(name, sizeof(name), "s%zu", i);
		serials[i] = daemon_send(&d, &txn);
	}
	for (size_t i = 0; i < ARRAY_LEN(serials); i++) {
		Bulkhead__V1__ClusterTxnReply *reply = daemon_answer(&d, serials[i], 8000);

		assert_null(reply->error);
		assert_string_equal(reply->secret->type, "Opaque");
		protobuf_c_message_free_unpacked(&reply->base, NULL);
	}
	assert_int_equal(daemon_count(&d, "secret:red/s"), 1000);
	REFUSED(ERR_EXHAUSTED, "secret 'red/one-more': project 'red' has 1000 secrets already",
		daemon_put_secret(&d, &(struct secret){ "red", "one-more", 4, false, 0 }, text_));
	/* One that is there can still be replaced. */
	assert_int_equal(
		daemon_put_secret(&d, &(struct secret){ "red", "s7", 4, true, 0 }, NULL), 0);
	REFUSED(ERR_PRECONDITION, "still has 1000 secrets: delete them first",
		daemon_delete(&d, "red", text_));
	free(lab_transact(&lab, "{\"op\":\"delete\",\"table\":\"Secret\",\"where\":[]}"));
	daemon_listen(&d, 300);
	assert_int_equal(daemon_count(&d, "secret:"), 0);
}

static void deleted_numbers_are_held(void **state)
{
	(void)state;
	assert_int_equal(daemon_delete(&d, "red", NULL), 0);
	assert_null(daemon_row(&d, "project:red"));
	assert_int_equal(daemon_create(&d, "red", NULL), 0);
	assert_int_equal(project("project:red")->vnid, 13);
	assert_int_equal(project("project:red")->block, 4);
}

/* A daemon without hold time gives them out again, and the tombstone goes. */
static void held_numbers_come_back(void **state)
{
	cleanup_free char *tombstones = NULL;
	struct daemon other;

	(void)state;
	sleep(1);
	daemon_start(&other, &lab, "10.128.0.0/14", "1");
	daemon_await_snapshot(&other);
	assert_int_equal(daemon_create(&other, "brown", NULL), 0);
	assert_int_equal(daemon_stop(&other), 0);
	daemon_listen(&d, 200);
	assert_int_equal(project("project:brown")->vnid, 10);
	assert_int_equal(project("project:brown")->block, 1);
	tombstones = lab_run("ovsdb-client --timeout=20 --format=csv --no-headings dump "
			     "unix:%s/db.sock Bulkhead "
			     "Tombstone name",
		lab.dir);
	assert_null(strstr(tombstones, "red"));
}

static const Bulkhead__V1__ClusterNode *node(const char *key)
{
	const void *row = daemon_row(&d, key);

	assert_non_null(row);
	return row;
}

static void nodes_get_the_lowest_subnets(void **state)
{
	char uid[64];

	(void)state;
	assert_int_equal(daemon_put_node(&d, "n1", "192.0.2.1", 1, NULL), 0);
	assert_int_equal(daemon_put_node(&d, "n2", "192.0.2.2", 2, NULL), 0);
	assert_string_equal(node("node:n1")->subnet, "10.128.0.0/23");
	assert_string_equal(node("node:n2")->subnet, "10.128.2.0/23");
	assert_int_equal(node("node:n2")->sealing_key.len, 32);
	snprintf(uid, sizeof(uid), "%s", node("node:n1")->uid);
	assert_int_equal(daemon_put_node(&d, "n1", "192.0.2.9", 7, NULL), 0);
	assert_string_equal(node("node:n1")->address, "192.0.2.9");
	assert_int_equal(node("node:n1")->sealing_key.data[31], 7);
	assert_string_equal(node("node:n1")->subnet, "10.128.0.0/23");
	assert_string_equal(node("node:n1")->uid, uid);
	/* Put again as it is: answered without a change. */
	assert_int_equal(daemon_put_node(&d, "n1", "192.0.2.9", 7, NULL), 0);
	REFUSED(ERR_INVALID, "address: must have 1 to 253 characters",
		daemon_put_node(&d, "n3", "", 1, text_));
	REFUSED(ERR_INVALID, "name: 'N_3'", daemon_put_node(&d, "N_3", "192.0.2.3", 1, text_));
}

static void subnets_run_out(void **state)
{
	struct daemon small;

	(void)state;
	daemon_start(&small, &lab, "10.128.0.0/22", NULL);
	daemon_await_snapshot(&small);
	REFUSED(ERR_EXHAUSTED, "node 'n3': no subnet is free: all 2 of 10.128.0.0/22",
		daemon_put_node(&small, "n3", "192.0.2.3", 1, text_));
	assert_int_equal(daemon_stop(&small), 0);
}

/* ---- moves --------------------------------------------------------------------------------- */

static void move_init(Bulkhead__V1__ClusterTxn *txn, Bulkhead__V1__ClusterMove *m,
	Bulkhead__V1__ClusterMoveTo kind, const char *to, const char *const *names, size_t len)
{
	bulkhead__v1__cluster_txn__init(txn);
	bulkhead__v1__cluster_move__init(m);
	m->kind = kind;
	m->to = (char *)(uintptr_t)to;
	m->projects = (char **)(uintptr_t)names;
	m->n_projects = len;
	txn->move = m;
}

static unsigned move(Bulkhead__V1__ClusterMoveTo kind, const char *to, const char *const *names,
	size_t len, char *text)
{
	Bulkhead__V1__ClusterTxn txn;
	Bulkhead__V1__ClusterMove m;

	move_init(&txn, &m, kind, to, names, len);
	return daemon_do(&d, &txn, text);
}

static char *released(void)
{
	return lab_run("ovsdb-client --timeout=20 --format=csv --no-headings dump unix:%s/db.sock "
		       "Bulkhead Released_VNID vnid | sort -n | tr '\\n' ' '",
		lab.dir);
}

static void projects_move_between_networks(void **state)
{
	static const char *const both[] = { "m1", "m2" }, *const wrong[] = { "m1", "nobody" };
	cleanup_free char *none = NULL, *two = NULL;
	uint32_t first, second, fresh;
	int64_t epoch;

	(void)state;
	assert_int_equal(daemon_create(&d, "m1", NULL), 0);
	assert_int_equal(daemon_create(&d, "m2", NULL), 0);
	first = project("project:m1")->vnid;
	second = project("project:m2")->vnid;
	assert_int_equal(project("project:m1")->moved, 0);
	none = released();
	assert_null(strstr(none, "1"));
	/* Both at once, into blue's. */
	assert_int_equal(move(BULKHEAD__V1__CLUSTER_MOVE_TO__MOVE_JOIN, "blue", both, 2, NULL), 0);
	assert_int_equal(project("project:m1")->vnid, project("project:blue")->vnid);
	assert_int_equal(project("project:m2")->vnid, project("project:blue")->vnid);
	epoch = project("project:m1")->moved;
	assert_true(epoch > 0 && project("project:m2")->moved == epoch);
	assert_int_equal(project("project:blue")->moved, 0);
	/* The same again is no change. */
	assert_int_equal(move(BULKHEAD__V1__CLUSTER_MOVE_TO__MOVE_JOIN, "blue", both, 2, NULL), 0);
	assert_int_equal(project("project:m1")->moved, epoch);
	/* What they left is held, and what the move itself leaves is not given to another in it. */
	assert_int_equal(move(BULKHEAD__V1__CLUSTER_MOVE_TO__MOVE_ISOLATE, "", both, 2, NULL), 0);
	fresh = project("project:m1")->vnid;
	assert_true(fresh > second && second > first);
	assert_true(project("project:m2")->vnid > fresh);
	assert_true(project("project:m1")->moved > epoch);
	/* One that is alone keeps what it has. */
	assert_int_equal(move(BULKHEAD__V1__CLUSTER_MOVE_TO__MOVE_ISOLATE, "", both, 1, NULL), 0);
	assert_int_equal(project("project:m1")->vnid, fresh);
	assert_int_equal(move(BULKHEAD__V1__CLUSTER_MOVE_TO__MOVE_GLOBAL, "", both, 2, NULL), 0);
	assert_int_equal(project("project:m2")->vnid, 0);
	two = released();
	for (uint32_t vnid = first; vnid <= fresh + 1; vnid++) {
		char text[16];

		snprintf(text, sizeof(text), "%u ", vnid);
		if (!strstr(two, text))
			fail_msg("%u is not held: %s", vnid, two);
	}
	/* All or none. */
	REFUSED(ERR_NOT_FOUND, "project 'nobody' does not exist",
		move(BULKHEAD__V1__CLUSTER_MOVE_TO__MOVE_ISOLATE, "", wrong, 2, text_));
	assert_int_equal(project("project:m1")->vnid, 0);
}

static int64_t moved(
	Bulkhead__V1__ClusterMoveTo kind, const char *to, const char *const *names, size_t len)
{
	Bulkhead__V1__ClusterTxn txn;
	Bulkhead__V1__ClusterMove m;
	Bulkhead__V1__ClusterTxnReply *reply;
	int64_t epoch;

	move_init(&txn, &m, kind, to, names, len);
	reply = daemon_answer(&d, daemon_send(&d, &txn), 5000);
	assert_null(reply->error);
	assert_non_null(reply->project);
	epoch = reply->project->moved;
	protobuf_c_message_free_unpacked(&reply->base, NULL);
	return epoch;
}

/* Who waits for the answer's epoch waits for all projects, also where the first was not moved. */
static void an_answer_has_the_last_move(void **state)
{
	static const char *const both[] = { "m3", "m4" }, *const m3[] = { "m3" };
	int64_t epoch;

	(void)state;
	assert_int_equal(daemon_create(&d, "m3", NULL), 0);
	assert_int_equal(daemon_create(&d, "m4", NULL), 0);
	assert_int_equal(
		move(BULKHEAD__V1__CLUSTER_MOVE_TO__MOVE_JOIN, "blue", both + 1, 1, NULL), 0);
	epoch = moved(BULKHEAD__V1__CLUSTER_MOVE_TO__MOVE_ISOLATE, "", both, 2);
	assert_int_equal(project("project:m3")->moved, 0);
	assert_true(epoch > 0);
	assert_int_equal(project("project:m4")->moved, epoch);
	/* Nothing to do is not done before the other's move is. */
	epoch = moved(BULKHEAD__V1__CLUSTER_MOVE_TO__MOVE_JOIN, "m3", both + 1, 1);
	assert_true(epoch > 0);
	assert_int_equal(moved(BULKHEAD__V1__CLUSTER_MOVE_TO__MOVE_JOIN, "m4", m3, 1), epoch);
}

static void bad_moves_are_refused(void **state)
{
	static const char *const red[] = { "red" }, *const standard[] = { "red", "default" };
	static const char *const bad[] = { "Red" };

	(void)state;
	REFUSED(ERR_INVALID, "projects: name one at least",
		move(BULKHEAD__V1__CLUSTER_MOVE_TO__MOVE_GLOBAL, "", red, 0, text_));
	REFUSED(ERR_INVALID, "to: a join, and nothing else",
		move(BULKHEAD__V1__CLUSTER_MOVE_TO__MOVE_JOIN, "", red, 1, text_));
	REFUSED(ERR_INVALID, "to: a join, and nothing else",
		move(BULKHEAD__V1__CLUSTER_MOVE_TO__MOVE_ISOLATE, "blue", red, 1, text_));
	REFUSED(ERR_INVALID, "kind: 3 is none",
		move((Bulkhead__V1__ClusterMoveTo)3, "", red, 1, text_));
	REFUSED(ERR_PRECONDITION, "project 'default' is global",
		move(BULKHEAD__V1__CLUSTER_MOVE_TO__MOVE_ISOLATE, "", standard, 2, text_));
	REFUSED(ERR_INVALID, "'Red' is no project's name",
		move(BULKHEAD__V1__CLUSTER_MOVE_TO__MOVE_GLOBAL, "", bad, 1, text_));
	REFUSED(ERR_NOT_FOUND, "project 'nobody' does not exist",
		move(BULKHEAD__V1__CLUSTER_MOVE_TO__MOVE_JOIN, "nobody", red, 1, text_));
}

static void a_move_has_a_limit(void **state)
{
	cleanup_free const char **names = calloc(1001, sizeof(char *));

	(void)state;
	assert_non_null(names);
	for (size_t i = 0; i < 1001; i++)
		names[i] = "m1";
	REFUSED(ERR_EXHAUSTED, "projects: 1001 are more than 1000 at once",
		move(BULKHEAD__V1__CLUSTER_MOVE_TO__MOVE_GLOBAL, "", names, 1001, text_));
	assert_int_equal(
		move(BULKHEAD__V1__CLUSTER_MOVE_TO__MOVE_GLOBAL, "", names, 1000, NULL), 0);
}

/* Writers that know nothing of us: the schema stops them, or the agent hears of what they did. */
static void other_writers_are_held_to_the_schema(void **state)
{
	cleanup_free char *twice = lab_transact(&lab,
		"{\"op\":\"insert\",\"table\":\"Project\",\"row\":{\"name\":\"twice\",\"vnid\":77,"
		"\"block\":2}}");
	cleanup_free char *dangling =
		lab_transact(&lab, "{\"op\":\"insert\",\"table\":\"Secret\",\"row\":{\"name\":"
				   "\"s\",\"project\":[\"uuid\","
				   "\"00000000-0000-0000-0000-000000000001\"]}}");
	cleanup_free char *renamed = lab_transact(&lab,
		"{\"op\":\"update\",\"table\":\"Project\",\"where\":[],\"row\":{\"name\":\"x\"}}");

	(void)state;
	assert_non_null(strstr(twice, "constraint violation"));
	assert_non_null(strstr(dangling, "referential integrity violation"));
	assert_non_null(strstr(renamed, "constraint violation"));
}

static void others_changes_are_told(void **state)
{
	(void)state;
	free(lab_transact(&lab,
		"{\"op\":\"insert\",\"table\":\"Project\",\"uuid-name\":\"p\",\"row\":{\"name\":"
		"\"foreign\",\"vnid\":5000,\"block\":5000}},{\"op\":\"insert\",\"table\":"
		"\"Secret\","
		"\"row\":{\"name\":\"s\",\"sealed\":\"AAAA\",\"project\":[\"named-uuid\",\"p\"]}},"
		"{\"op\":\"insert\",\"table\":\"Secret\",\"row\":{\"name\":\"bad\",\"sealed\":\"?"
		"\","
		"\"project\":[\"named-uuid\",\"p\"]}}"));
	daemon_listen(&d, 300);
	assert_int_equal(project("project:foreign")->vnid, 5000);
	assert_non_null(daemon_row(&d, "secret:foreign/s"));
	assert_null(daemon_row(&d, "secret:foreign/bad")); /* logged, left out */
	/* Project and secret in one transaction: both are told by their names. */
	free(lab_transact(&lab, "{\"op\":\"delete\",\"table\":\"Secret\",\"where\":[]},{\"op\":"
				"\"delete\",\"table\":"
				"\"Project\",\"where\":[[\"name\",\"==\",\"foreign\"]]}"));
	daemon_listen(&d, 300);
	assert_null(daemon_row(&d, "project:foreign"));
	assert_null(daemon_row(&d, "secret:foreign/s"));
}

/* More than one frame holds: the snapshot comes in pieces, complete. */
static void a_large_snapshot_comes_in_pieces(void **state)
{
	struct daemon other;
	char name[32];

	(void)state;
	for (int i = 0; i < 7; i++) {
		snprintf(name, sizeof(name), "big%d", i);
		assert_int_equal(
			daemon_put_secret(&d,
				&(struct secret){ "red", name, SEALED_MAX, false, (uint8_t)i },
				NULL),
			0);
	}
	daemon_start(&other, &lab, "10.128.0.0/14", NULL);
	daemon_await_snapshot(&other);
	assert_int_equal(daemon_count(&other, "secret:red/big"), 7);
	assert_int_equal(other.pieces, 4);
	assert_int_equal(daemon_count(&other, "project:"), daemon_count(&d, "project:"));
	for (int i = 0; i < 7; i++) {
		const Bulkhead__V1__ClusterSecret *row;

		snprintf(name, sizeof(name), "secret:red/big%d", i);
		row = daemon_row(&other, name);
		assert_int_equal(row->sealed.len, SEALED_MAX);
		assert_int_equal(row->sealed.data[SEALED_MAX - 1], i);
	}
	assert_int_equal(daemon_stop(&other), 0);
}

/* Bytes of one project: 32 MiB of base64 are 16 of the largest. */
static void a_project_has_room_for_so_many_bytes(void **state)
{
	char name[32];

	(void)state;
	for (int i = 7; i < 15; i++) {
		snprintf(name, sizeof(name), "big%d", i);
		assert_int_equal(
			daemon_put_secret(
				&d, &(struct secret){ "red", name, SEALED_MAX, false, 0 }, NULL),
			0);
	}
	REFUSED(ERR_EXHAUSTED, "the secrets of project 'red' would take",
		daemon_put_secret(
			&d, &(struct secret){ "red", "big15", SEALED_MAX, false, 0 }, text_));
	/* Another tenant has its own room. */
	assert_int_equal(daemon_put_secret(
				 &d, &(struct secret){ "blue", "big", SEALED_MAX, false, 0 }, NULL),
		0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_database_is_an_empty_snapshot),
		cmocka_unit_test(projects_get_the_lowest_numbers),
		cmocka_unit_test(an_answer_carries_the_row),
		cmocka_unit_test(the_database_agrees),
		cmocka_unit_test(bad_projects_are_refused),
		cmocka_unit_test(secrets_come_and_go),
		cmocka_unit_test(sizes_have_limits),
		cmocka_unit_test(a_project_has_room_for_so_many_secrets),
		cmocka_unit_test(deleted_numbers_are_held),
		cmocka_unit_test(held_numbers_come_back),
		cmocka_unit_test(nodes_get_the_lowest_subnets),
		cmocka_unit_test(subnets_run_out),
		cmocka_unit_test(projects_move_between_networks),
		cmocka_unit_test(an_answer_has_the_last_move),
		cmocka_unit_test(bad_moves_are_refused),
		cmocka_unit_test(a_move_has_a_limit),
		cmocka_unit_test(other_writers_are_held_to_the_schema),
		cmocka_unit_test(others_changes_are_told),
		cmocka_unit_test(a_large_snapshot_comes_in_pieces),
		cmocka_unit_test(a_project_has_room_for_so_many_bytes),
	};

	return cmocka_run_group_tests_name("cluster changes", tests, setup, teardown);
}
