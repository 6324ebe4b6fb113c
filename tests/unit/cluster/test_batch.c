/* How rows are spread over messages; each message is sent through the checks of its receiver. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "nodeagent/cluster/batch.h"
#include "proto/wire_check.h"

struct seen {
	size_t messages, snapshots, more, projects, secrets, nodes, policies, gone;
	size_t last_projects;
	bool gone_after_rows;
	bool fail;
};

static int see(
	void *context, enum ipc_type type, const ProtobufCMessage *message, struct error *err)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	cleanup_free uint8_t *bytes = malloc(size + 1);
	struct seen *seen = context;
	const Bulkhead__V1__ClusterDelta *d;
	ProtobufCMessage *unpacked;

	assert_non_null(bytes);
	assert_in_range(size, 0, IPC_PAYLOAD_MAX);
	assert_ptr_equal(message->descriptor, type == IPC_CLUSTER_SNAPSHOT
						      ? &bulkhead__v1__cluster_snapshot__descriptor
						      : &bulkhead__v1__cluster_delta__descriptor);
	protobuf_c_message_pack(message, bytes);
	if (message_unpack(message->descriptor, bytes, size, &unpacked, err) < 0)
		fail_msg("the receiver refuses it: %s", err->text);
	seen->messages++;
	if (type == IPC_CLUSTER_SNAPSHOT) {
		const Bulkhead__V1__ClusterSnapshot *s = (const void *)unpacked;

		seen->snapshots++;
		seen->projects += seen->last_projects = s->n_projects;
		seen->secrets += s->n_secrets;
		seen->nodes += s->n_nodes;
		seen->policies += s->n_policies;
		seen->more += (size_t)s->more;
		assert_true(s->connected);
	} else {
		d = (const void *)unpacked;
		seen->gone_after_rows |= d->n_secrets_gone > 0 && seen->projects > 0;
		seen->projects += seen->last_projects = d->n_projects;
		seen->secrets += d->n_secrets;
		seen->nodes += d->n_nodes;
		seen->policies += d->n_policies;
		seen->gone += d->n_projects_gone + d->n_secrets_gone + d->n_nodes_gone +
			      d->n_policies_gone;
		seen->more += (size_t)d->more;
		assert_true(d->connected);
	}
	protobuf_c_message_free_unpacked(unpacked, NULL);
	return seen->fail ? error_set(err, ERR_UNAVAILABLE, 0, "gone") : 0;
}

static Bulkhead__V1__ClusterProject *project(void)
{
	Bulkhead__V1__ClusterProject *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	bulkhead__v1__cluster_project__init(m);
	m->name = strdup("a-project-of-some-name");
	m->vnid = 16777215;
	m->block = 99999;
	m->uid_range = strdup("1000010000/10000");
	m->mcs = strdup("s0:c1000,c495");
	m->created_at = 1790000000;
	m->uid = strdup("00000000-0000-0000-0000-000000000000");
	return m;
}

static Bulkhead__V1__ClusterSecret *secret(size_t size, size_t keys)
{
	Bulkhead__V1__ClusterSecret *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	bulkhead__v1__cluster_secret__init(m);
	m->project = strdup("red");
	m->name = strdup("db");
	m->sealed = (ProtobufCBinaryData){ size, calloc(1, size + 1) };
	m->keys = calloc(keys + 1, sizeof(*m->keys));
	m->n_keys = keys;
	for (size_t i = 0; i < keys; i++) {
		m->keys[i] = calloc(1, sizeof(**m->keys));
		bulkhead__v1__cluster_secret_key__init(m->keys[i]);
		m->keys[i]->name = strdup("key");
		m->keys[i]->size = 1;
	}
	return m;
}

static void nothing_is_a_snapshot_but_no_delta(void **state)
{
	struct seen seen = { 0 };
	struct batch batch;

	(void)state;
	batch_init(&batch, false, see, &seen);
	assert_true(batch_is_empty(&batch));
	batch_done(&batch);
	batch_init(&batch, true, see, &seen);
	assert_false(batch_is_empty(&batch));
	assert_int_equal(batch_finish(&batch, NULL), 0);
	batch_done(&batch);
	assert_int_equal(seen.messages, 1);
	assert_int_equal(seen.snapshots, 1);
	assert_int_equal(seen.more, 0);
}

/* As many projects as there are blocks: the receiver counts fields, not only bytes. */
static void all_projects_there_can_be(void **state)
{
	struct seen seen = { 0 };
	struct error err = { 0 };
	struct batch batch;

	(void)state;
	batch_init(&batch, true, see, &seen);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(batch_project(&batch, project(), &err), 0);
	assert_int_equal(batch_finish(&batch, &err), 0);
	batch_done(&batch);
	assert_int_equal(seen.projects, 100000);
	assert_int_equal(seen.snapshots, 1);
	assert_int_equal(seen.messages, 25);
	assert_int_equal(seen.more, 24);
}

static void large_secrets(void **state)
{
	struct seen seen = { 0 };
	struct error err = { 0 };
	struct batch batch;

	(void)state;
	batch_init(&batch, false, see, &seen);
	for (int i = 0; i < 9; i++)
		assert_int_equal(batch_secret(&batch, secret(3u << 19, 1), &err), 0);
	assert_int_equal(batch_finish(&batch, &err), 0);
	batch_done(&batch);
	assert_int_equal(seen.secrets, 9);
	assert_int_equal(seen.messages, 5);
	assert_int_equal(seen.snapshots, 0);
}

static void many_keys(void **state)
{
	struct seen seen = { 0 };
	struct error err = { 0 };
	struct batch batch;

	(void)state;
	batch_init(&batch, false, see, &seen);
	for (int i = 0; i < 100; i++)
		assert_int_equal(batch_secret(&batch, secret(10, 1024), &err), 0);
	assert_int_equal(batch_finish(&batch, &err), 0);
	batch_done(&batch);
	assert_int_equal(seen.secrets, 100);
	assert_true(seen.messages > 1);
}

/* As large as they may be, in a snapshot and the deltas that go on with it. */
static void policies(void **state)
{
	struct seen seen = { 0 };
	struct error err = { 0 };
	struct batch batch;

	(void)state;
	batch_init(&batch, true, see, &seen);
	for (int i = 0; i < 600; i++) {
		Bulkhead__V1__ClusterPolicy *m = calloc(1, sizeof(*m));

		assert_non_null(m);
		bulkhead__v1__cluster_policy__init(m);
		m->project = strdup("red");
		m->name = strdup("p");
		m->policy = (ProtobufCBinaryData){ 16384, calloc(1, 16384) };
		assert_int_equal(batch_policy(&batch, m, &err), 0);
	}
	assert_int_equal(batch_finish(&batch, &err), 0);
	batch_done(&batch);
	assert_int_equal(seen.policies, 600);
	assert_int_equal(seen.messages, 3);
}

static void names_that_are_gone(void **state)
{
	struct seen seen = { 0 };
	struct error err = { 0 };
	struct batch batch;

	(void)state;
	batch_init(&batch, false, see, &seen);
	for (int i = 0; i < 60000; i++)
		assert_int_equal(batch_secret_gone(&batch, strdup("red/db"), &err), 0);
	assert_int_equal(batch_project_gone(&batch, strdup("red"), &err), 0);
	assert_int_equal(batch_node_gone(&batch, strdup("n1"), &err), 0);
	assert_int_equal(batch_policy_gone(&batch, strdup("red/p"), &err), 0);
	assert_int_equal(batch_project(&batch, project(), &err), 0);
	assert_int_equal(batch_finish(&batch, &err), 0);
	batch_done(&batch);
	assert_int_equal(seen.gone, 60003);
	assert_int_equal(seen.messages, 2);
	assert_int_equal(seen.projects, 1);
	assert_false(seen.gone_after_rows);
}

/* Just at the limit of bytes, and one past it. */
static void one_byte_decides(void **state)
{
	const size_t head = 64; /* what a row has beside 'sealed', at most */

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const size_t size = BATCH_SIZE_MAX / 2 - (i == 0 ? head : 0);
		struct seen seen = { 0 };
		struct error err = { 0 };
		struct batch batch;

		batch_init(&batch, false, see, &seen);
		assert_int_equal(batch_secret(&batch, secret(size, 0), &err), 0);
		assert_int_equal(batch_secret(&batch, secret(size, 0), &err), 0);
		assert_int_equal(batch_finish(&batch, &err), 0);
		batch_done(&batch);
		assert_int_equal(seen.messages, 1 + i);
	}
}

static void a_failure_is_passed_on(void **state)
{
	struct seen seen = { .fail = true };
	struct error err = { 0 };
	struct batch batch;

	(void)state;
	batch_init(&batch, false, see, &seen);
	assert_int_equal(batch_secret(&batch, secret(3u << 20, 0), &err), 0);
	assert_int_equal(batch_secret(&batch, secret(3u << 20, 0), &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	batch_done(&batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_a_snapshot_but_no_delta),
		cmocka_unit_test(all_projects_there_can_be),
		cmocka_unit_test(large_secrets),
		cmocka_unit_test(many_keys),
		cmocka_unit_test(policies),
		cmocka_unit_test(names_that_are_gone),
		cmocka_unit_test(one_byte_decides),
		cmocka_unit_test(a_failure_is_passed_on),
	};

	return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
