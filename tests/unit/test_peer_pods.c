/* What other nodes say of their pods: read as it is meant, and believed of their own alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "nodeagent/agent/peer_pods.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

static size_t add(Bulkhead__V1__NetPolicies *message, const char *subnet, const char *said)
{
	Bulkhead__V1__ClusterNode node = BULKHEAD__V1__CLUSTER_NODE__INIT;
	char *pods[] = { TEXT(said) };
	struct error err = { 0 };

	node.subnet = TEXT(subnet);
	node.pods = pods;
	node.n_pods = 1;
	assert_int_equal(peer_pods_add(message, &node, &err), 0);
	return message->n_pods;
}

static Bulkhead__V1__NetPolicies *message_new(void)
{
	Bulkhead__V1__NetPolicies *message = malloc(sizeof(*message));

	assert_non_null(message);
	bulkhead__v1__net_policies__init(message);
	return message;
}

static void a_pod_with_its_labels(void **state)
{
	Bulkhead__V1__NetPolicies *message = message_new();
	const Bulkhead__V1__NetPolicyPod *pod;

	(void)state;
	assert_int_equal(add(message, "10.128.2.0/23", "10.128.3.255 red app=web,a.example/b="), 1);
	pod = message->pods[0];
	assert_int_equal(pod->address, 0x0a8003ff);
	assert_string_equal(pod->pod_uid, "");
	assert_string_equal(pod->project, "red");
	assert_int_equal(pod->n_labels, 2);
	assert_string_equal(pod->labels[0]->key, "app");
	assert_string_equal(pod->labels[0]->value, "web");
	assert_string_equal(pod->labels[1]->key, "a.example/b");
	assert_string_equal(pod->labels[1]->value, "");
	assert_int_equal(add(message, "10.128.2.0/23", "10.128.2.2 blue "), 2);
	assert_int_equal(message->pods[1]->n_labels, 0);
	bulkhead__v1__net_policies__free_unpacked(message, NULL);
}

static void no_node_speaks_for_anothers_pods(void **state)
{
	Bulkhead__V1__NetPolicies *message = message_new();

	(void)state;
	assert_int_equal(add(message, "10.128.2.0/23", "10.128.0.2 red app=web"), 0);
	assert_int_equal(add(message, "10.128.2.0/23", "10.128.4.0 red app=web"), 0);
	assert_int_equal(add(message, "10.128.2.0/23", "203.0.113.7 red app=web"), 0);
	assert_int_equal(add(message, "", "10.128.2.2 red app=web"), 0);
	assert_int_equal(add(message, "10.128.2.0/23", "10.128.2.2 red app=web"), 1);
	bulkhead__v1__net_policies__free_unpacked(message, NULL);
}

static void what_has_no_form_is_left_out(void **state)
{
	static const char *const said[] = { "", "10.128.2.2", "10.128.2.2 red", "x red a=b",
		"10.128.2.2 Red a=b", "10.128.2.2  a=b", "10.128.2.2 ../x a=b" };
	Bulkhead__V1__NetPolicies *message = message_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(said); i++)
		assert_int_equal(add(message, "10.128.2.0/23", said[i]), 0);
	bulkhead__v1__net_policies__free_unpacked(message, NULL);
}

static void labels_have_a_limit(void **state)
{
	Bulkhead__V1__NetPolicies *message = message_new();
	char said[PEER_POD_SIZE_MAX] = "10.128.2.2 red a=";

	(void)state;
	for (int i = 1; i < PEER_POD_LABELS_MAX; i++)
		strcat(said, ",a=");
	assert_int_equal(add(message, "10.128.2.0/23", said), 1);
	assert_int_equal(message->pods[0]->n_labels, PEER_POD_LABELS_MAX);
	strcat(said, ",a=");
	assert_int_equal(add(message, "10.128.2.0/23", said), 1);
	bulkhead__v1__net_policies__free_unpacked(message, NULL);
}

static void a_row_is_compared_in_order(void **state)
{
	Bulkhead__V1__ClusterNode node = BULKHEAD__V1__CLUSTER_NODE__INIT;
	char *said[] = { TEXT("a"), TEXT("b") };
	struct peer_pods own = { said, 2 };

	(void)state;
	assert_false(peer_pods_same(&own, &node));
	node.pods = said;
	node.n_pods = 2;
	assert_true(peer_pods_same(&own, &node));
	own.len = 1;
	assert_false(peer_pods_same(&own, &node));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pod_with_its_labels),
		cmocka_unit_test(no_node_speaks_for_anothers_pods),
		cmocka_unit_test(what_has_no_form_is_left_out),
		cmocka_unit_test(labels_have_a_limit),
		cmocka_unit_test(a_row_is_compared_in_order),
	};

	return cmocka_run_group_tests_name("peer_pods", tests, NULL, NULL);
}
