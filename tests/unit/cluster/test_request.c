#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "nodeagent/cluster/request.h"

/* A packed copy: request_init() takes over what was unpacked. */
static Bulkhead__V1__ClusterTxn *copy(const Bulkhead__V1__ClusterTxn *txn)
{
	size_t size = bulkhead__v1__cluster_txn__get_packed_size(txn);
	cleanup_free uint8_t *bytes = malloc(size + 1);

	assert_non_null(bytes);
	bulkhead__v1__cluster_txn__pack(txn, bytes);
	return bulkhead__v1__cluster_txn__unpack(NULL, size, bytes);
}

static void accepted(const Bulkhead__V1__ClusterTxn *txn, struct request *ret)
{
	struct error err = { 0 };

	if (request_init(ret, copy(txn), &err) < 0)
		fail_msg("%s", err.text);
}

static void refused(const Bulkhead__V1__ClusterTxn *txn, enum error_code code, const char *part)
{
	Bulkhead__V1__ClusterTxn *c = copy(txn);
	struct request request;
	struct error err = { 0 };

	if (request_init(&request, c, &err) == 0)
		fail_msg("accepted; wanted '%s'", part);
	if (!strstr(err.text, part) || err.code != code)
		fail_msg("%d: '%s' lacks '%s'", err.code, err.text, part);
	bulkhead__v1__cluster_txn__free_unpacked(c, NULL);
}

/* A secret that is accepted, to be spoilt. */
struct good {
	Bulkhead__V1__ClusterTxn txn;
	Bulkhead__V1__ClusterSecret secret;
	Bulkhead__V1__ClusterSecretKey keys[2];
	Bulkhead__V1__ClusterSecretKey *key_at[2];
	uint8_t sealed[4];
};

#define TEXT(s) ((char *)(uintptr_t)(s))

static void good_init(struct good *g)
{
	*g = (struct good){
		.txn = BULKHEAD__V1__CLUSTER_TXN__INIT,
		.secret = BULKHEAD__V1__CLUSTER_SECRET__INIT,
		.keys = { BULKHEAD__V1__CLUSTER_SECRET_KEY__INIT,
			BULKHEAD__V1__CLUSTER_SECRET_KEY__INIT },
	};
	g->secret.project = TEXT("red");
	g->secret.name = TEXT("db.prod");
	g->secret.type = TEXT("kubernetes.io/tls");
	g->secret.node = TEXT("n1");
	g->secret.sealed = (ProtobufCBinaryData){ sizeof(g->sealed), g->sealed };
	g->keys[0].name = TEXT("tls.crt");
	g->keys[1].name = TEXT("tls.key");
	g->key_at[0] = &g->keys[0];
	g->key_at[1] = &g->keys[1];
	g->secret.n_keys = 2;
	g->secret.keys = g->key_at;
	g->txn.put_secret = &g->secret;
}

static void good_requests(void **state)
{
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	struct request r;
	struct good g;

	(void)state;
	txn.create_project = TEXT("default");
	accepted(&txn, &r);
	assert_int_equal(r.kind, REQUEST_CREATE_PROJECT);
	assert_string_equal(r.project, "default");
	request_done(&r);
	txn.create_project = TEXT("");
	txn.delete_secret = TEXT("red/db.prod");
	accepted(&txn, &r);
	assert_int_equal(r.kind, REQUEST_DELETE_SECRET);
	assert_string_equal(r.project, "red");
	assert_string_equal(r.name, "db.prod");
	request_done(&r);
	good_init(&g);
	accepted(&g.txn, &r);
	request_done(&r);
	g.txn.replace = 1;
	g.secret.type = TEXT("");
	accepted(&g.txn, &r);
	assert_int_equal(r.kind, REQUEST_PUT_SECRET);
	request_done(&r);
}

static void one_change_at_a_time(void **state)
{
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;

	(void)state;
	refused(&txn, ERR_INVALID, "exactly one member, not 0");
	txn.create_project = TEXT("a");
	txn.replace = 1;
	refused(&txn, ERR_INVALID, "replace: goes with put_secret and put_quota only");
	txn.replace = 0;
	txn.delete_secret = TEXT("a/b");
	refused(&txn, ERR_INVALID, "exactly one member, not 2");
}

static void names_of_projects(void **state)
{
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;

	(void)state;
	txn.create_project = TEXT("-a");
	refused(&txn, ERR_INVALID, "'-a'");
	txn.create_project = TEXT("openshift-x");
	refused(&txn, ERR_INVALID, "reserved");
	txn.create_project = TEXT("");
	txn.delete_project = TEXT("default");
	refused(&txn, ERR_PRECONDITION, "cannot be deleted");
	txn.delete_project = TEXT("a.b");
	refused(&txn, ERR_INVALID, "not an RFC 1123 label");
	txn.delete_project = TEXT("");
	txn.delete_secret = TEXT("nothing");
	refused(&txn, ERR_INVALID, "not PROJECT/NAME");
	txn.delete_secret = TEXT("red/");
	refused(&txn, ERR_INVALID, "delete_secret: name: ''");
	txn.delete_secret = TEXT("/db");
	refused(&txn, ERR_INVALID, "delete_secret: project: ''");
	txn.delete_secret = TEXT("red/a/b");
	refused(&txn, ERR_INVALID, "name: 'a/b'");
	txn.delete_secret =
		TEXT("red64567890123456789012345678901234567890123456789012345678901234/x");
	refused(&txn, ERR_INVALID, "not PROJECT/NAME");
}

#define SPOILT(change, code, part)                                                                 \
	do {                                                                                       \
		good_init(&g);                                                                     \
		change;                                                                            \
		refused(&g.txn, code, part);                                                       \
	} while (0)

static void fields_of_secrets(void **state)
{
	struct good g;

	(void)state;
	SPOILT(g.secret.project = TEXT("Red"), ERR_INVALID, "project: 'Red'");
	SPOILT(g.secret.project = TEXT(""), ERR_INVALID, "project: ''");
	SPOILT(g.secret.name = TEXT("DB"), ERR_INVALID, "secret 'red': name: 'DB'");
	SPOILT(g.secret.type = TEXT("a b"), ERR_INVALID, "secret 'red/db.prod': type: must be");
	SPOILT(g.secret.node = TEXT(""), ERR_INVALID, "node: ''");
	SPOILT(g.secret.sealed.len = 0, ERR_INVALID, "sealed: is empty");
	SPOILT(g.keys[1].name = TEXT("a/b"), ERR_INVALID, "keys: key 'a/b'");
	SPOILT(g.keys[1].name = TEXT(".."), ERR_INVALID, "keys: key '..'");
	SPOILT(g.keys[1].name = TEXT("tls.crt"), ERR_INVALID, "keys: 'tls.crt' is there twice");
	SPOILT((g.keys[0].size = SECRET_DATA_MAX, g.keys[1].size = 1), ERR_EXHAUSTED,
		"keys: their values have 1048577 bytes together");
	SPOILT((g.keys[0].size = UINT32_MAX, g.keys[1].size = UINT32_MAX), ERR_EXHAUSTED,
		"8589934590 bytes");
}

static void limits_of_secrets(void **state)
{
	cleanup_free uint8_t *sealed = calloc(1, SECRET_SEALED_MAX + 1);
	Bulkhead__V1__ClusterSecretKey keys[SECRET_KEYS_MAX + 1];
	Bulkhead__V1__ClusterSecretKey *key_at[SECRET_KEYS_MAX + 1];
	char names[SECRET_KEYS_MAX + 1][8];
	struct request r;
	struct good g;

	(void)state;
	good_init(&g);
	g.secret.sealed = (ProtobufCBinaryData){ SECRET_SEALED_MAX, sealed };
	g.keys[0].size = SECRET_DATA_MAX;
	accepted(&g.txn, &r);
	request_done(&r);
	g.secret.sealed.len++;
	refused(&g.txn, ERR_EXHAUSTED, "sealed: 1572922 bytes are more than 1572921");

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		bulkhead__v1__cluster_secret_key__init(&keys[i]);
		snprintf(names[i], sizeof(names[i]), "k%zu", i);
		keys[i].name = names[i];
		key_at[i] = &keys[i];
	}
	good_init(&g);
	g.secret.keys = key_at;
	g.secret.n_keys = SECRET_KEYS_MAX;
	accepted(&g.txn, &r);
	request_done(&r);
	g.secret.n_keys++;
	refused(&g.txn, ERR_EXHAUSTED, "keys: 1025 are more than 1024");
}

static void fields_of_nodes(void **state)
{
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	Bulkhead__V1__ClusterNode node = BULKHEAD__V1__CLUSTER_NODE__INIT;
	uint8_t key[33] = { 0 }, signature[73] = { 0 };
	struct request r;

	(void)state;
	node.name = TEXT("n1.example");
	node.address = TEXT("192.0.2.1:7443");
	node.sealing_key = (ProtobufCBinaryData){ 32, key };
	txn.put_node = &node;
	accepted(&txn, &r);
	assert_string_equal(r.name, "n1.example");
	assert_string_equal(r.project, "");
	request_done(&r);
	node.sealing_key.len = 33;
	refused(&txn, ERR_INVALID, "node 'n1.example': sealing_key: has 33 bytes");
	node.sealing_key.len = 31;
	refused(&txn, ERR_INVALID, "sealing_key: has 31 bytes");
	node.sealing_key.len = 32;
	node.sealing_key_signature = (ProtobufCBinaryData){ 72, signature };
	accepted(&txn, &r);
	request_done(&r);
	node.sealing_key_signature.len = 73;
	refused(&txn, ERR_INVALID, "sealing_key_signature: has 73 bytes; at most 72");
	node.sealing_key_signature.len = 0;
	node.address = TEXT("\x1b[2J");
	refused(&txn, ERR_INVALID, "address: must be printable");
	node.address = TEXT("");
	refused(&txn, ERR_INVALID, "address: must have 1 to 253");
	node.name = TEXT("n_1");
	refused(&txn, ERR_INVALID, "name: 'n_1'");
}

static void labels(void **state)
{
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	Bulkhead__V1__ClusterLabels labels = BULKHEAD__V1__CLUSTER_LABELS__INIT;
	char *set[] = { TEXT("a.example/team=b") }, *removed[] = { TEXT("tier") };
	struct request r;

	(void)state;
	labels.project = TEXT("red");
	labels.set = set;
	labels.n_set = 1;
	labels.remove = removed;
	labels.n_remove = 1;
	txn.label_project = &labels;
	accepted(&txn, &r);
	assert_int_equal(r.kind, REQUEST_LABEL_PROJECT);
	assert_string_equal(r.project, "red");
	request_done(&r);
	removed[0] = TEXT("tier=front");
	refused(&txn, ERR_INVALID,
		"label 'tier=front': is set as KEY=VALUE and removed by its KEY");
	labels.n_remove = 0;
	set[0] = TEXT("team");
	refused(&txn, ERR_INVALID, "label 'team': is set as");
	set[0] = TEXT("a b=c");
	refused(&txn, ERR_INVALID, "label 'a b=c': must");
	set[0] = TEXT("team=b,c");
	refused(&txn, ERR_INVALID, "label 'team=b,c': must");
	set[0] = TEXT("kubernetes.io/metadata.name=blue");
	refused(&txn, ERR_PRECONDITION, "is the project's name, and stays");
}

static void policies(void **state)
{
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	Bulkhead__V1__ClusterPolicy policy = BULKHEAD__V1__CLUSTER_POLICY__INIT;
	static uint8_t bytes[POLICY_SIZE_MAX + 1];
	struct request r;

	(void)state;
	policy.project = TEXT("red");
	policy.name = TEXT("from.web");
	policy.policy = (ProtobufCBinaryData){ POLICY_SIZE_MAX, bytes };
	txn.put_policy = &policy;
	accepted(&txn, &r);
	assert_int_equal(r.kind, REQUEST_PUT_POLICY);
	assert_string_equal(r.project, "red");
	assert_string_equal(r.name, "from.web");
	request_done(&r);
	policy.policy.len++;
	refused(&txn, ERR_EXHAUSTED,
		"network policy 'red/from.web': policy: 16385 bytes are more than 16384");
	policy.policy.len = 0;
	refused(&txn, ERR_INVALID, "policy: is empty");
	policy.name = TEXT("From");
	refused(&txn, ERR_INVALID, "'From'");
	txn.put_policy = NULL;
	txn.delete_policy = TEXT("red/from.web");
	accepted(&txn, &r);
	assert_int_equal(r.kind, REQUEST_DELETE_POLICY);
	request_done(&r);
	txn.delete_policy = TEXT("from.web");
	refused(&txn, ERR_INVALID, "delete_policy: 'from.web' is not PROJECT/NAME");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_requests),
		cmocka_unit_test(one_change_at_a_time),
		cmocka_unit_test(names_of_projects),
		cmocka_unit_test(fields_of_secrets),
		cmocka_unit_test(limits_of_secrets),
		cmocka_unit_test(fields_of_nodes),
		cmocka_unit_test(labels),
		cmocka_unit_test(policies),
	};

	return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
