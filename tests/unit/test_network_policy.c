/* What a network policy may say: upstream's defaults, each rule, and every limit with one past it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "auth/policy.h"
#include "lib/cleanup.h"
#include "proto/decode.h"

static K8sNetworkPolicy *decode(const char *metadata, const char *spec)
{
	cleanup_free char *text = NULL;
	ProtobufCMessage *message;
	struct error err = { 0 };

	assert_true(
		asprintf(&text,
			"{\"apiVersion\": \"networking.k8s.io/v1\", \"kind\": \"NetworkPolicy\","
			" \"metadata\": %s, \"spec\": %s}",
			metadata, spec) > 0);
	if (decode_object(K8S_NETWORK_POLICY_DESC, K8S_NETWORK_POLICY_VERSION,
		    K8S_NETWORK_POLICY_KIND, text, strlen(text), &message, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(policy_default((K8sNetworkPolicy *)message, &err), 0);
	return (K8sNetworkPolicy *)message;
}

#define META "{\"name\": \"p\", \"namespace\": \"red\"}"

/* One objection at most: "field: reason", "" for none. */
static const char *judge(const char *metadata, const char *spec)
{
	K8sNetworkPolicy *policy = decode(metadata, spec);
	static char text[1024];
	struct violations found = { 0 };
	struct error err = { 0 };

	assert_int_equal(policy_validate(policy, &found, &err), 0);
	text[0] = '\0';
	if (found.n > 0)
		snprintf(text, sizeof(text), "%s%s: %s",
			found.items[0].code == ERR_UNSUPPORTED ? "not honoured: " : "",
			found.items[0].field, found.items[0].reason);
	violations_done(&found);
	k8s_network_policy_free(policy);
	return text;
}

static void types_and_protocols_have_defaults(void **state)
{
	K8sNetworkPolicy *policy = decode(
		META, "{\"ingress\": [{\"ports\": [{\"port\": 80}, {\"protocol\": \"UDP\"}]}]}");

	(void)state;
	assert_int_equal(policy->spec->n_policytypes, 1);
	assert_string_equal(policy->spec->policytypes[0], "Ingress");
	assert_string_equal(policy->spec->ingress[0]->ports[0]->protocol, "TCP");
	assert_string_equal(policy->spec->ingress[0]->ports[1]->protocol, "UDP");
	k8s_network_policy_free(policy);
	policy = decode(META, "{\"egress\": [{}]}");
	assert_int_equal(policy->spec->n_policytypes, 2);
	assert_string_equal(policy->spec->policytypes[1], "Egress");
	k8s_network_policy_free(policy);
	policy = decode(META, "{\"egress\": [{}], \"policyTypes\": [\"Egress\"]}");
	assert_int_equal(policy->spec->n_policytypes, 1);
	k8s_network_policy_free(policy);
}

static void what_kubernetes_takes_is_taken(void **state)
{
	static const char *const specs[] = {
		"{}",
		"{\"podSelector\": {}}",
		"{\"podSelector\": {\"matchLabels\": {\"a.example/b\": \"\"}, \"matchExpressions\":"
		" [{\"key\": \"x\", \"operator\": \"NotIn\", \"values\": [\"1\"]}, {\"key\": \"y\","
		" \"operator\": \"DoesNotExist\"}]}, \"policyTypes\": [\"Egress\", \"Ingress\"]}",
		"{\"ingress\": [{}, {\"from\": [{\"namespaceSelector\": {}, \"podSelector\": {}},"
		" {\"ipBlock\": {\"cidr\": \"0.0.0.0/0\", \"except\": [\"10.0.0.0/8\"]}}], "
		"\"ports\":"
		" [{\"protocol\": \"SCTP\", \"port\": 1, \"endPort\": 65535}, {}]}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++)
		assert_string_equal(judge(META, specs[i]), "");
	assert_string_equal(
		judge("{\"name\": \"p\", \"namespace\": \"red\", \"labels\": {\"a\": \"b\"},"
		      " \"annotations\": {\"a/b\": \"any text\"}}",
			"{}"),
		"");
}

static void what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *spec;
		const char *reason;
	} rows[] = {
		{ "{\"podSelector\": {\"matchLabels\": {\"-\": \"b\"}}}",
			"spec.podSelector.matchLabels[-]: " },
		{ "{\"podSelector\": {\"matchLabels\": {\"a\": \"b c\"}}}",
			"spec.podSelector.matchLabels[a]: " },
		{ "{\"podSelector\": {\"matchExpressions\": [{\"key\": \"a\"}]}}",
			"spec.podSelector.matchExpressions[0].operator: must be given" },
		{ "{\"podSelector\": {\"matchExpressions\": [{\"key\": \"a\", \"operator\": "
		  "\"Gt\"}]}}",
			"spec.podSelector.matchExpressions[0].operator: " },
		{ "{\"podSelector\": {\"matchExpressions\": [{\"key\": \"a\", \"operator\": "
		  "\"In\"}]}}",
			"spec.podSelector.matchExpressions[0].values: must be given" },
		{ "{\"podSelector\": {\"matchExpressions\": [{\"key\": \"a\", \"operator\": "
		  "\"Exists\","
		  " \"values\": [\"b\"]}]}}",
			"spec.podSelector.matchExpressions[0].values: go with" },
		{ "{\"policyTypes\": [\"ingress\"]}", "spec.policyTypes[0]: " },
		{ "{\"policyTypes\": [\"Ingress\", \"Egress\", \"Ingress\"]}",
			"spec.policyTypes: 3 are too many" },
		{ "{\"egress\": [{\"to\": [{}]}]}", "spec.egress[0].to[0]: must have" },
		{ "{\"ingress\": [{\"from\": [{\"podSelector\": {}, \"ipBlock\": {\"cidr\":"
		  " \"10.0.0.0/8\"}}]}]}",
			"spec.ingress[0].from[0].ipBlock: must stand alone" },
		{ "{\"ingress\": [{\"from\": [{\"ipBlock\": {}}]}]}",
			"spec.ingress[0].from[0].ipBlock.cidr: must be given" },
		{ "{\"ingress\": [{\"from\": [{\"ipBlock\": {\"cidr\": \"10.0.0.1/8\"}}]}]}",
			"spec.ingress[0].from[0].ipBlock.cidr: '10.0.0.1/8' has bits set" },
		{ "{\"ingress\": [{\"from\": [{\"ipBlock\": {\"cidr\": \"10.0.0.0/33\"}}]}]}",
			"spec.ingress[0].from[0].ipBlock.cidr: prefix" },
		{ "{\"ingress\": [{\"from\": [{\"ipBlock\": {\"cidr\": \"10.0.0.0/8\", \"except\":"
		  " [\"10.0.0.0/8\"]}}]}]}",
			"spec.ingress[0].from[0].ipBlock.except[0]: must be a part of cidr" },
		{ "{\"ingress\": [{\"from\": [{\"ipBlock\": {\"cidr\": \"10.0.0.0/8\", \"except\":"
		  " [\"11.0.0.0/9\"]}}]}]}",
			"spec.ingress[0].from[0].ipBlock.except[0]: must be a part of cidr" },
		{ "{\"ingress\": [{\"ports\": [{\"port\": 0}]}]}",
			"spec.ingress[0].ports[0].port: 0" },
		{ "{\"ingress\": [{\"ports\": [{\"port\": 65536}]}]}",
			"spec.ingress[0].ports[0].port: 65536" },
		{ "{\"ingress\": [{\"ports\": [{\"endPort\": 9}]}]}",
			"spec.ingress[0].ports[0].endPort: needs port" },
		{ "{\"ingress\": [{\"ports\": [{\"port\": 9, \"endPort\": 8}]}]}",
			"spec.ingress[0].ports[0].endPort: 8 must not be less" },
		{ "{\"ingress\": [{\"ports\": [{\"port\": 9, \"endPort\": 65536}]}]}",
			"spec.ingress[0].ports[0].endPort: 65536" },
		{ "{\"ingress\": [{\"ports\": [{\"protocol\": \"ICMP\"}]}]}",
			"spec.ingress[0].ports[0].protocol: " },
		{ "{\"ingress\": [{\"ports\": [{\"port\": \"http\"}]}]}",
			"not honoured: spec.ingress[0].ports[0].port: is a port by name" },
		{ "{\"ingress\": [{\"from\": [{\"ipBlock\": {\"cidr\": \"fd00::/8\"}}]}]}",
			"not honoured: spec.ingress[0].from[0].ipBlock.cidr: is of IPv6" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *found = judge(META, rows[i].spec);

		if (strncmp(found, rows[i].reason, strlen(rows[i].reason)) != 0)
			fail_msg("%s: '%s' is not '%s...'", rows[i].spec, found, rows[i].reason);
	}
}

static void metadata_is_looked_at(void **state)
{
	static const struct {
		const char *metadata;
		const char *reason;
	} rows[] = {
		{ "{\"namespace\": \"red\"}", "metadata.name: must be given" },
		{ "{\"name\": \"p\"}", "metadata.namespace: must be given" },
		{ "{\"name\": \"../p\", \"namespace\": \"red\"}", "metadata.name: " },
		{ "{\"name\": \"p\", \"namespace\": \"red\", \"labels\": {\"a b\": \"c\"}}",
			"metadata.labels[a b]: " },
		{ "{\"name\": \"p\", \"namespace\": \"red\", \"annotations\": {\"a\": "
		  "\"\\u001b[2J\"}}",
			"metadata.annotations[a]: must not have control characters" },
		{ "{\"name\": \"p\", \"namespace\": \"red\", \"uid\": \"x\"}",
			"not honoured: metadata.uid: is set by the cluster" },
		{ "{\"name\": \"p\", \"namespace\": \"red\", \"finalizers\": [\"x\"]}",
			"not honoured: metadata.finalizers: is not honoured" },
		{ "{\"name\": \"p\", \"namespace\": \"red\", \"generateName\": \"x\"}",
			"not honoured: metadata.generateName: is not honoured" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *found = judge(rows[i].metadata, "{}");

		if (strncmp(found, rows[i].reason, strlen(rows[i].reason)) != 0)
			fail_msg(
				"%s: '%s' is not '%s...'", rows[i].metadata, found, rows[i].reason);
	}
}

/* 'n' times 'item' in 'around', which has one %s. */
static char *many(const char *around, const char *item, size_t n)
{
	cleanup_free char *items = NULL;
	size_t size;
	FILE *out = open_memstream(&items, &size);
	const char *hole = strstr(around, "%s");
	char *ret;

	for (size_t i = 0; i < n; i++)
		fprintf(out, "%s%s", i ? "," : "", item);
	fclose(out);
	assert_non_null(hole);
	assert_true(asprintf(&ret, "%.*s%s%s", (int)(hole - around), around, items, hole + 2) > 0);
	return ret;
}

static void limits_and_one_past_them(void **state)
{
	static const struct {
		const char *around;
		const char *item;
		size_t max;
		const char *field;
	} rows[] = {
		{ "{\"ingress\": [%s]}", "{}", POLICY_RULES_MAX, "spec.ingress" },
		{ "{\"egress\": [%s]}", "{}", POLICY_RULES_MAX, "spec.egress" },
		{ "{\"ingress\": [{\"from\": [%s]}]}", "{\"podSelector\": {}}", POLICY_PEERS_MAX,
			"spec.ingress[0].from" },
		{ "{\"egress\": [{\"ports\": [%s]}]}", "{\"port\": 1}", POLICY_PORTS_MAX,
			"spec.egress[0].ports" },
		{ "{\"ingress\": [{\"from\": [{\"ipBlock\": {\"cidr\": \"10.0.0.0/8\", \"except\":"
		  " [%s]}}]}]}",
			"\"10.0.0.0/9\"", POLICY_EXCEPTS_MAX,
			"spec.ingress[0].from[0].ipBlock.except" },
		{ "{\"podSelector\": {\"matchExpressions\": [%s]}}",
			"{\"key\": \"a\", \"operator\": \"Exists\"}", POLICY_LABELS_MAX,
			"spec.podSelector.matchExpressions" },
		{ "{\"podSelector\": {\"matchExpressions\": [{\"key\": \"a\", \"operator\": \"In\","
		  " \"values\": [%s]}]}}",
			"\"v\"", POLICY_VALUES_MAX, "spec.podSelector.matchExpressions[0].values" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cleanup_free char *fits = many(rows[i].around, rows[i].item, rows[i].max);
		cleanup_free char *over = many(rows[i].around, rows[i].item, rows[i].max + 1);
		const char *found;
		char wanted[128];

		assert_string_equal(judge(META, fits), "");
		snprintf(wanted, sizeof(wanted), "%s: %zu are too many", rows[i].field,
			rows[i].max + 1);
		found = judge(META, over);
		if (strncmp(found, wanted, strlen(wanted)) != 0)
			fail_msg("'%s' is not '%s...'", found, wanted);
	}
}

static void a_policy_has_a_size(void **state)
{
	static const char peer[] =
		"{\"podSelector\": {\"matchLabels\": {\"a\": "
		"\"0123456789012345678901234567890123456789012345678901234567890\"}}}";
	cleanup_free char *from = many("{\"from\": [%s]}", peer, POLICY_PEERS_MAX);
	cleanup_free char *fits = many("{\"ingress\": [%s]}", from, 3);
	cleanup_free char *over = many("{\"ingress\": [%s]}", from, 4);

	(void)state;
	assert_string_equal(judge(META, fits), "");
	assert_non_null(strstr(judge(META, over), "at most 16384 are allowed"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_and_protocols_have_defaults),
		cmocka_unit_test(what_kubernetes_takes_is_taken),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(metadata_is_looked_at),
		cmocka_unit_test(limits_and_one_past_them),
		cmocka_unit_test(a_policy_has_a_size),
	};

	return cmocka_run_group_tests_name("network_policy", tests, NULL, NULL);
}
