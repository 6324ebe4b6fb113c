/* Rows are plain structures: no database is needed to make one. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/bulkhead-idl.h"
#include "lib/cleanup.h"
#include "nodeagent/cluster/request.h"
#include "nodeagent/cluster/row.h"
#include "proto/base64.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

static struct bhrec_project red(void)
{
	return (struct bhrec_project){
		.name = TEXT("red"),
		.vnid = 10,
		.block = 1,
		.uid_range = TEXT("1000010000/10000"),
		.mcs = TEXT("s0:c3,c2"),
		.created_at = 1234567890123,
		.uid = TEXT("u-1"),
		.egress = TEXT("deny 0.0.0.0/0"),
	};
}

static void a_project(void **state)
{
	const struct bhrec_project row = red();
	Bulkhead__V1__ClusterProject *m = row_project(&row);

	(void)state;
	assert_string_equal(m->name, "red");
	assert_int_equal(m->vnid, 10);
	assert_int_equal(m->block, 1);
	assert_string_equal(m->uid_range, "1000010000/10000");
	assert_string_equal(m->mcs, "s0:c3,c2");
	assert_int_equal(m->created_at, 1234567890123);
	assert_string_equal(m->uid, "u-1");
	assert_string_equal(m->egress, "deny 0.0.0.0/0");
	assert_ptr_not_equal(m->name, row.name);
	protobuf_c_message_free_unpacked(&m->base, NULL);
}

static void a_secret(void **state)
{
	char *names[] = { TEXT("password"), TEXT("user") };
	int64_t sizes[] = { 7, 1048576 };
	struct bhrec_project project = red();
	struct bhrec_secret row = {
		.project = &project,
		.name = TEXT("db"),
		.type = TEXT("Opaque"),
		.uid = TEXT("u-2"),
		.node = TEXT("n1"),
		.created_at = 5,
		.sealed = TEXT("AAECAw=="),
		.key_keys = names,
		.value_keys = sizes,
		.n_keys = 2,
	};
	cleanup_free char *key = row_secret_key(&row);
	Bulkhead__V1__ClusterSecret *m;
	struct error err = { 0 };

	(void)state;
	assert_string_equal(key, "red/db");
	assert_int_equal(row_secret(&row, &m, &err), 0);
	assert_string_equal(m->project, "red");
	assert_string_equal(m->type, "Opaque");
	assert_string_equal(m->node, "n1");
	assert_int_equal(m->sealed.len, 4);
	assert_memory_equal(m->sealed.data, "\0\1\2\3", 4);
	assert_int_equal(m->n_keys, 2);
	assert_string_equal(m->keys[1]->name, "user");
	assert_int_equal(m->keys[1]->size, 1048576);
	protobuf_c_message_free_unpacked(&m->base, NULL);
	row.project = NULL;
	assert_int_equal(row_secret(&row, &m, &err), -1);
	assert_non_null(strstr(err.text, "has no project"));
}

static void sealed_is_judged(void **state)
{
	const size_t size = SECRET_SEALED_MAX + 3;
	cleanup_free uint8_t *bytes = calloc(1, size);
	cleanup_free char *text = malloc(BASE64_SIZE(size));
	struct bhrec_project project = red();
	struct bhrec_secret row = {
		.project = &project,
		.name = TEXT("db"),
		.type = TEXT(""),
		.uid = TEXT(""),
		.node = TEXT(""),
		.sealed = text,
	};
	Bulkhead__V1__ClusterSecret *m;
	struct error err = { 0 };

	(void)state;
	base64_encode(text, bytes, SECRET_SEALED_MAX);
	assert_int_equal(row_secret(&row, &m, &err), 0);
	assert_int_equal(m->sealed.len, SECRET_SEALED_MAX);
	protobuf_c_message_free_unpacked(&m->base, NULL);
	base64_encode(text, bytes, size);
	assert_int_equal(row_secret(&row, &m, &err), -1);
	assert_non_null(strstr(err.text, "secret 'red/db': column sealed: more than"));
	row.sealed = TEXT("AAE*");
	assert_int_equal(row_secret(&row, &m, &err), -1);
	assert_non_null(strstr(err.text, "is not base64"));
}

static void unusable(const struct bhrec_secret *row, const char *why)
{
	Bulkhead__V1__ClusterSecret *m;
	struct error err = { 0 };

	assert_int_equal(row_secret(row, &m, &err), -1);
	if (!strstr(err.text, why))
		fail_msg("'%s' does not say '%s'", err.text, why);
}

/* What a node writes past its own daemon: no other must choke on it. */
static void a_secret_of_a_hostile_node(void **state)
{
	cleanup_free char *large = calloc(1, 5000001);
	char *names[] = { TEXT("a") };
	int64_t sizes[] = { 1 };
	struct bhrec_project project = red();
	const struct bhrec_secret good = {
		.project = &project,
		.name = TEXT("db"),
		.type = TEXT("Opaque"),
		.uid = TEXT("u"),
		.node = TEXT("n1"),
		.sealed = TEXT("AAAA"),
		.key_keys = names,
		.value_keys = sizes,
		.n_keys = 1,
	};
	struct bhrec_secret row = good;
	Bulkhead__V1__ClusterSecret *m;
	struct error err = { 0 };

	(void)state;
	memset(large, 't', 5000000);
	assert_int_equal(row_secret(&row, &m, &err), 0);
	protobuf_c_message_free_unpacked(&m->base, NULL);
	row.type = large;
	unusable(&row, "secret 'red/db': column type: must be printable");
	row.type = TEXT("a\nb");
	unusable(&row, "column type");
	row = good;
	row.node = large;
	unusable(&row, "column node");
	row = good;
	row.uid = large;
	unusable(&row, "column uid");
	row = good;
	row.name = TEXT("../x");
	unusable(&row, "column name: is not an RFC 1123 subdomain");
	row = good;
	names[0] = TEXT("..");
	unusable(&row, "column keys");
	names[0] = large;
	unusable(&row, "column keys");
	row.n_keys = SECRET_KEYS_MAX + 1;
	unusable(&row, "column keys: 1025 are more than 1024");
}

static void a_node(void **state)
{
	struct bhrec_node row = {
		.name = TEXT("n1"),
		.address = TEXT("192.0.2.1"),
		.subnet = TEXT("10.128.0.0/23"),
		.uid = TEXT("u-3"),
		.created_at = 6,
		.sealing_key = TEXT("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE="),
		.sealing_key_signature = TEXT("AAE="),
	};
	Bulkhead__V1__ClusterNode *m;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(row_node(&row, &m, &err), 0);
	assert_string_equal(m->address, "192.0.2.1");
	assert_string_equal(m->subnet, "10.128.0.0/23");
	assert_int_equal(m->sealing_key.len, 32);
	assert_int_equal(m->sealing_key.data[31], 1);
	assert_int_equal(m->sealing_key_signature.len, 2);
	protobuf_c_message_free_unpacked(&m->base, NULL);
	row.sealing_key_signature = TEXT("nonsense!");
	assert_int_equal(row_node(&row, &m, &err), -1);
	assert_non_null(strstr(err.text, "column sealing_key_signature: is not base64"));
	/* It is a node nevertheless, with a key that nobody uses. */
	assert_string_equal(m->name, "n1");
	assert_string_equal(m->subnet, "10.128.0.0/23");
	assert_int_equal(m->sealing_key.len, 0);
	protobuf_c_message_free_unpacked(&m->base, NULL);
	row.sealing_key = TEXT("nonsense!");
	assert_int_equal(row_node(&row, &m, &err), -1);
	assert_non_null(strstr(err.text, "node 'n1': column sealing_key: is not base64"));
	assert_int_equal(m->sealing_key.len, 0);
	protobuf_c_message_free_unpacked(&m->base, NULL);
}

/* 1024 pods of 4096 characters, as the schema takes them, fit in no message. */
static void the_pods_of_a_hostile_node(void **state)
{
	char *pods[NODE_PODS_SIZE_MAX / NODE_POD_SIZE_MAX + 1];
	const size_t fit = ARRAY_LEN(pods) - 1;
	cleanup_free char *pod = calloc(1, NODE_POD_SIZE_MAX + 1);
	struct bhrec_node row = {
		.name = TEXT("n1"),
		.address = TEXT("192.0.2.1"),
		.subnet = TEXT("10.128.0.0/23"),
		.uid = TEXT("u-3"),
		.sealing_key = TEXT("AAE="),
		.sealing_key_signature = TEXT("AAE="),
		.pods = pods,
		.n_pods = fit,
	};
	Bulkhead__V1__ClusterNode *m;
	struct error err = { 0 };

	(void)state;
	memset(pod, 'p', NODE_POD_SIZE_MAX);
	for (size_t i = 0; i < ARRAY_LEN(pods); i++)
		pods[i] = pod;
	assert_int_equal(row_node(&row, &m, &err), 0);
	assert_int_equal(m->n_pods, fit);
	assert_string_equal(m->pods[fit - 1], pod);
	protobuf_c_message_free_unpacked(&m->base, NULL);
	row.n_pods++;
	assert_int_equal(row_node(&row, &m, &err), -1);
	assert_non_null(strstr(err.text, "node 'n1': column pods: has 1052672 bytes"));
	assert_string_equal(m->name, "n1");
	assert_int_equal(m->n_pods, 0);
	protobuf_c_message_free_unpacked(&m->base, NULL);
}

static void a_policy(void **state)
{
	struct bhrec_project project = red();
	struct bhrec_network_policy row = {
		.project = &project,
		.name = TEXT("p"),
		.uid = TEXT("u-3"),
		.created_at = 7,
		.policy = TEXT("AAECAw=="),
	};
	cleanup_free char *key = row_policy_key(&row);
	cleanup_free char *large = calloc(1, BASE64_SIZE(POLICY_SIZE_MAX + 3));
	Bulkhead__V1__ClusterPolicy *m;
	struct error err = { 0 };

	(void)state;
	assert_string_equal(key, "red/p");
	assert_int_equal(row_policy(&row, &m, &err), 0);
	assert_string_equal(m->project, "red");
	assert_string_equal(m->name, "p");
	assert_string_equal(m->uid, "u-3");
	assert_int_equal(m->created_at, 7);
	assert_int_equal(m->policy.len, 4);
	assert_memory_equal(m->policy.data, "\0\1\2\3", 4);
	protobuf_c_message_free_unpacked(&m->base, NULL);
	row.policy = TEXT("no base64");
	assert_int_equal(row_policy(&row, &m, &err), -1);
	assert_non_null(strstr(err.text, "network policy 'red/p': column policy: is not base64"));
	memset(large, 'A', BASE64_SIZE(POLICY_SIZE_MAX + 3) - 1);
	row.policy = large;
	assert_int_equal(row_policy(&row, &m, &err), -1);
	assert_non_null(strstr(err.text, "more than 16384 bytes"));
	row.project = NULL;
	assert_int_equal(row_policy(&row, &m, &err), -1);
	assert_non_null(strstr(err.text, "has no project"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_project),
		cmocka_unit_test(a_secret),
		cmocka_unit_test(a_policy),
		cmocka_unit_test(sealed_is_judged),
		cmocka_unit_test(a_secret_of_a_hostile_node),
		cmocka_unit_test(a_node),
		cmocka_unit_test(the_pods_of_a_hostile_node),
	};

	return cmocka_run_group_tests_name("row", tests, NULL, NULL);
}
