#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bulkhead/v1/config.pb-c.h"
#include "lib/cleanup.h"
#include "proto/decode.h"
#include "proto/k8s.h"
#include "proto/yaml_tree.h"

#define HEAD "apiVersion: v1\nkind: Pod\n"

static int decode_pod(const char *text, K8sPod **ret, struct error *err)
{
	return decode_object(
		K8S_POD_DESC, "v1", "Pod", text, strlen(text), (ProtobufCMessage **)ret, err);
}

static K8sPod *pod(const char *text)
{
	struct error err = { 0 };
	K8sPod *p = NULL;

	if (decode_pod(text, &p, &err) < 0)
		fail_msg("%s\n%s", err.text, text);
	return p;
}

/* The document is refused, its message contains 'part', and the output is untouched. */
static void refused(const char *text, const char *part)
{
	struct error err = { 0 };
	K8sPod *p = (K8sPod *)&err;

	if (decode_pod(text, &p, &err) == 0)
		fail_msg("accepted:\n%s", text);
	if (!strstr(err.text, part))
		fail_msg("'%s' lacks '%s'", err.text, part);
	assert_ptr_equal(p, &err);
}

static void test_fields(void **state)
{
	K8sPod *p = pod(
		HEAD "metadata:\n"
		     "  name: web\n"
		     "  namespace: shop\n"
		     "  labels: {app: web, tier: \"1\"}\n"
		     "spec:\n"
		     "  hostNetwork: false\n"
		     "  terminationGracePeriodSeconds: 0x1e\n"
		     "  containers:\n"
		     "  - name: c\n"
		     "    image: nginx:1.25\n"
		     "    args: [\"--port\", \"80\"]\n"
		     "    ports: [{containerPort: 80, protocol: TCP}]\n"
		     "  securityContext: {runAsUser: 1000660000, supplementalGroups: [5, 6]}\n");

	(void)state;
	assert_string_equal(p->metadata->name, "web");
	assert_string_equal(p->metadata->namespace_, "shop");
	assert_int_equal(p->metadata->n_labels, 2);
	assert_string_equal(p->metadata->labels[0]->key, "app");
	assert_string_equal(p->metadata->labels[1]->value, "1");
	assert_true(p->spec->has_hostnetwork);
	assert_false(p->spec->hostnetwork);
	assert_false(p->spec->has_hostpid);
	assert_int_equal(p->spec->terminationgraceperiodseconds, 30);
	assert_int_equal(p->spec->n_containers, 1);
	assert_string_equal(p->spec->containers[0]->args[1], "80");
	assert_int_equal(p->spec->containers[0]->ports[0]->containerport, 80);
	assert_int_equal(p->spec->securitycontext->supplementalgroups[1], 6);
	k8s_pod_free(p);
}

static void test_inline(void **state)
{
	K8sPod *p =
		pod(HEAD "spec:\n"
			 "  volumes:\n"
			 "  - emptyDir: {medium: Memory, sizeLimit: 64Mi}\n"
			 "    name: tmp\n"
			 "  - name: conf\n"
			 "    configMap: {name: cm, defaultMode: 0644}\n"
			 "  - name: all\n"
			 "    projected: {sources: [{secret: {name: s}}]}\n"
			 "  containers:\n"
			 "  - name: c\n"
			 "    env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k, "
			 "optional: true}}}]\n"
			 "    envFrom: [{configMapRef: {name: e}}]\n"
			 "    livenessProbe: {httpGet: {port: http, path: /}, periodSeconds: 5}\n"
			 "    readinessProbe: {tcpSocket: {port: 8080}}\n"
			 "  ephemeralContainers: [{name: d, image: i, targetContainerName: c}]\n");
	K8sContainer *c = p->spec->containers[0];

	(void)state;
	assert_string_equal(p->spec->volumes[0]->volumesource->emptydir->medium, "Memory");
	assert_string_equal(p->spec->volumes[0]->volumesource->emptydir->sizelimit->string, "64Mi");
	assert_string_equal(
		p->spec->volumes[1]->volumesource->configmap->localobjectreference->name, "cm");
	assert_int_equal(p->spec->volumes[1]->volumesource->configmap->defaultmode, 0644);
	assert_string_equal(p->spec->volumes[2]
				    ->volumesource->projected->sources[0]
				    ->secret->localobjectreference->name,
		"s");
	assert_string_equal(c->env[0]->valuefrom->secretkeyref->localobjectreference->name, "s");
	assert_true(c->env[0]->valuefrom->secretkeyref->optional);
	assert_string_equal(c->envfrom[0]->configmapref->localobjectreference->name, "e");
	assert_string_equal(c->livenessprobe->handler->httpget->port->strval, "http");
	assert_int_equal(c->livenessprobe->handler->httpget->port->type, 1);
	assert_int_equal(c->readinessprobe->handler->tcpsocket->port->intval, 8080);
	assert_string_equal(p->spec->ephemeralcontainers[0]->ephemeralcontainercommon->name, "d");
	assert_string_equal(p->spec->ephemeralcontainers[0]->targetcontainername, "c");
	k8s_pod_free(p);
	refused(HEAD "spec: {volumes: [{name: a, volumeSource: {emptyDir: {}}}]}",
		"volumeSource: unknown field");
}

static void test_special(void **state)
{
	static const char secret[] =
		"apiVersion: v1\nkind: Secret\n"
		"data: {a: aGVsbG8=, b: '', c: }\nstringData: {d: x}\ntype: Opaque\n";
	struct error err = { 0 };
	K8sSecret *s;
	K8sPod *p;

	(void)state;
	p = pod(HEAD "metadata: {creationTimestamp: 2024-02-29T13:00:00.5+01:00, "
		     "deletionTimestamp: null}\n"
		     "spec: {overhead: {cpu: 0.5, memory: 0x10, x: 1e3, y: 250m}}\n");
	assert_int_equal(p->metadata->creationtimestamp->seconds, 1709208000);
	assert_int_equal(p->metadata->creationtimestamp->nanos, 500000000);
	assert_null(p->metadata->deletiontimestamp);
	assert_string_equal(p->spec->overhead[0]->value->string, "0.5");
	assert_string_equal(p->spec->overhead[1]->value->string, "16");
	assert_string_equal(p->spec->overhead[2]->value->string, "1e3");
	assert_string_equal(p->spec->overhead[3]->value->string, "250m");
	k8s_pod_free(p);
	refused(HEAD "spec: {overhead: {cpu: 5 apples}}",
		"spec.overhead[\"cpu\"]: \"5 apples\" is not a quantity");
	refused(HEAD "metadata: {creationTimestamp: yesterday}", "expected a time");
	refused(HEAD "metadata: {creationTimestamp: 2023-02-29T00:00:00Z}", "expected a time");
	assert_int_equal(decode_object(K8S_SECRET_DESC, "v1", "Secret", secret, strlen(secret),
				 (ProtobufCMessage **)&s, &err),
		0);
	assert_int_equal(s->n_data, 3);
	assert_int_equal(s->data[0]->value.len, 5);
	assert_memory_equal(s->data[0]->value.data, "hello", 5);
	assert_int_equal(s->data[2]->value.len, 0);
	protobuf_c_message_free_unpacked(&s->base, NULL);
}

/* What kubectl's YAML 1.1 makes of plain scalars. */
static void test_plain_scalars(void **state)
{
	K8sPod *p = pod(
		HEAD "metadata: {labels: {a: \"yes\", on: 'no', 7: x, 0x10: z, b: ~}, name: 1:30}\n"
		     "spec: {hostNetwork: yes, hostPID: Off, hostIPC: n, priority: -0b11}\n");

	(void)state;
	assert_string_equal(p->metadata->labels[0]->value, "yes");
	assert_string_equal(p->metadata->labels[1]->key, "true");
	assert_string_equal(p->metadata->labels[2]->key, "7");
	assert_string_equal(p->metadata->labels[3]->key, "16");
	assert_string_equal(p->metadata->labels[4]->value, "");
	assert_string_equal(p->metadata->name, "1:30");
	assert_true(p->spec->hostnetwork);
	assert_false(p->spec->hostpid);
	assert_false(p->spec->hostipc);
	assert_int_equal(p->spec->priority, -3);
	k8s_pod_free(p);
	refused(HEAD "metadata: {name: 12}",
		"metadata.name: expected a string, got a number; quote it: \"12\"");
	refused(HEAD "metadata: {name: yes}", "got a boolean; quote it");
	refused(HEAD "metadata: {labels: {version: 1.10}}",
		"metadata.labels[\"version\"]: expected a string");
	refused(HEAD "spec: {hostPID: \"true\"}", "expected a boolean");
	refused(HEAD "spec: {hostPID: 1}", "expected a boolean");
	refused(HEAD "spec: {priority: \"1\"}", "expected an integer, got a string \"1\"");
	refused(HEAD "spec: {priority: 1.5}", "expected an integer");
	refused(HEAD "spec: {priority: 08}", "expected an integer");
}

static void test_wrong_shapes(void **state)
{
	(void)state;
	refused(HEAD "spec: {containers: {name: c}}",
		"spec.containers: expected a list, got a map (line 3)");
	refused(HEAD "spec: [a]", "spec: expected a map, got a list");
	refused(HEAD "metadata: {name: [a]}", "metadata.name: expected a string, got a list");
	refused(HEAD "metadata: {labels: [a]}", "metadata.labels: expected a map, got a list");
	refused(HEAD "metadata: text", "metadata: expected a map, got a string \"text\"");
	refused(HEAD "spec:\n  containers:\n  -\n", "spec.containers[0]: an empty list item");
	refused(HEAD "spec: {containers: [{args: [a, 1]}]}",
		"spec.containers[0].args[1]: expected a string");
	refused("[1, 2]", "not a map");
	refused("text", "not a map");
	refused("", "empty");
	refused("# nothing\n", "empty");
}

static void test_ranges(void **state)
{
	K8sPod *p = pod(
		HEAD "spec: {priority: -2147483648, activeDeadlineSeconds: 9223372036854775807}");

	(void)state;
	assert_int_equal(p->spec->priority, INT32_MIN);
	assert_true(p->spec->activedeadlineseconds == INT64_MAX);
	k8s_pod_free(p);
	refused(HEAD "spec: {priority: 2147483648}",
		"\"2147483648\" is out of range (-2147483648 to 2147483647)");
	refused(HEAD "spec: {activeDeadlineSeconds: 9223372036854775808}", "out of range");
	refused(HEAD "spec: {activeDeadlineSeconds: 99999999999999999999}", "expected an integer");
	refused(HEAD "spec: {containers: [{readinessProbe: {tcpSocket: {port: 4294967296}}}]}",
		"out of range");
}

static void test_unknown(void **state)
{
	(void)state;
	refused(HEAD "spec:\n  containers:\n  - imagee: x\n",
		"spec.containers[0].imagee: unknown field; did you mean \"image\"? (line 5)");
	refused(HEAD "spec: {volumes: [{name: a, hostpath: {}}]}",
		"spec.volumes[0].hostpath: unknown field; did you mean \"hostPath\"?");
	refused(HEAD "spec: {zzzzzzzzzz: 1}", "spec.zzzzzzzzzz: unknown field (line 3)");
	refused(HEAD "spec: {\"bad\\nkey\": 1}", "a key with a control character");
	refused(HEAD "metadata: {managedFields: []}", "metadata.managedFields: unknown field");
	refused(HEAD "status: {containerStatuses: [{user: {linux_: {}}}]}",
		"did you mean \"linux\"");
}

static void test_kind(void **state)
{
	static const char text[] = "kind: Secret\napiVersion: v1\n";
	struct decode_kind kind;
	struct error err;
	ProtobufCMessage *msg;

	(void)state;
	refused("metadata: {name: a}", "kind: missing; expected kind: Pod");
	refused("kind: Pod\n", "apiVersion: missing");
	refused("apiVersion: v1\nkind: Deployment\n", "kind: expected Pod, got \"Deployment\"");
	refused("apiVersion: v2\nkind: Pod\n", "apiVersion: expected v1, got \"v2\"");
	refused("apiVersion: 1\nkind: Pod\n", "apiVersion: expected the string v1");
	assert_int_equal(decode_kind(text, strlen(text), &kind, &err), 0);
	assert_string_equal(kind.kind, "Secret");
	assert_string_equal(kind.api_version, "v1");
	assert_int_equal(decode_kind("{}", 2, &kind, &err), 0);
	assert_string_equal(kind.kind, "");
	assert_int_equal(decode_yaml(K8S_POD_DESC, text, strlen(text), &msg, &err), -1);
	assert_non_null(strstr(err.text, "kind: unknown field"));
}

static void test_bombs(void **state)
{
	static const char laughs[] = "a: &a [lol, lol]\nb: &b [*a, *a]\nc: &c [*b, *b]\n";
	char deep[2 * YAML_TREE_DEPTH_MAX + 64] = "{apiVersion: v1, kind: Pod, x: ";

	(void)state;
	refused(laughs, "the YAML alias \"a\" is refused");
	refused("<<: {apiVersion: v1}\nkind: Pod\n", "merge keys");
	refused(HEAD "metadata: {name: a, name: b}", "duplicate key \"name\"");
	refused(HEAD "metadata: {labels: {yes: a, \"true\": b}}", "duplicate key \"true\"");
	refused("apiVersion: v1\nkind: Pod\nkind: Pod\n",
		"duplicate key \"kind\", first given on line 2");
	memset(deep + strlen(deep), '[', YAML_TREE_DEPTH_MAX);
	refused(deep, "nested deeper than 64 levels");
	refused(HEAD "---\n" HEAD, "a second document");
	refused(HEAD "metadata: {? [a] : b}", "a key must be a scalar");
	refused(HEAD "metadata: {name: !!binary aGk=}", "is not supported here");
	refused(HEAD "metadata: {name: !foo x}", "the YAML tag \"!foo\"");
}

/* As deep as allowed is no parser error; one deeper is. */
static void test_depth_limit(void **state)
{
	char text[512];
	struct yaml_tree *tree;
	struct error err;

	(void)state;
	for (int n = YAML_TREE_DEPTH_MAX; n <= YAML_TREE_DEPTH_MAX + 1; n++) {
		memset(text, '[', (size_t)n);
		memset(text + n, ']', (size_t)n);
		if (n > YAML_TREE_DEPTH_MAX) {
			assert_int_equal(yaml_tree_parse(&tree, text, 2 * (size_t)n, &err), -1);
			assert_int_equal(err.code, ERR_EXHAUSTED);
			continue;
		}
		assert_int_equal(yaml_tree_parse(&tree, text, 2 * (size_t)n, &err), 0);
		yaml_tree_free(tree);
	}
}

static void test_sizes(void **state)
{
	const size_t size = DECODE_SIZE_MAX + 1;
	cleanup_free char *text = malloc(size + 1);
	struct error err;
	K8sPod *p;

	(void)state;
	memset(text, '\n', size);
	text[size] = '\0';
	memcpy(text, HEAD, strlen(HEAD));
	assert_int_equal(decode_pod(text, &p, &err), -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
	assert_non_null(strstr(err.text, "limit of 1048576"));
	text[size - 1] = '\0';
	assert_int_equal(decode_pod(text, &p, &err), 0);
	k8s_pod_free(p);
	/* Many nodes in few bytes. */
	memset(text, ',', size - 1);
	text[0] = '[';
	for (size_t i = 1; i + 1 < size; i += 2)
		text[i] = 'a';
	assert_int_equal(decode_pod(text, &p, &err), -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
	assert_non_null(strstr(err.text, "more than 100000 YAML nodes"));
}

/* A map of many keys must not take a time that grows with its square. */
static void test_many_keys(void **state)
{
	const int n = YAML_TREE_NODES_MAX - 100;
	cleanup_free char *text = malloc(DECODE_SIZE_MAX);
	size_t at = (size_t)sprintf(text, HEAD "metadata:\n labels:\n");
	K8sPod *p;

	(void)state;
	for (int i = 0; i < n && at + 12 < DECODE_SIZE_MAX; i++)
		at += (size_t)sprintf(text + at, "  k%x: \n", i);
	p = pod(text);
	assert_true(p->metadata->n_labels > 80000);
	k8s_pod_free(p);
}

static void test_long_keys(void **state)
{
	char text[YAML_TREE_KEY_MAX + 128];
	struct error err;
	K8sPod *p;

	(void)state;
	for (int n = YAML_TREE_KEY_MAX; n <= YAML_TREE_KEY_MAX + 1; n++) {
		snprintf(text, sizeof(text), HEAD "metadata: {labels: {%0*d: a}}", n, 0);
		memset(strchr(text, '0'), 'k', (size_t)n);
		if (n > YAML_TREE_KEY_MAX) {
			assert_int_equal(decode_pod(text, &p, &err), -1);
			assert_int_equal(err.code, ERR_EXHAUSTED);
			continue;
		}
		p = pod(text);
		k8s_pod_free(p);
	}
	refused(HEAD "metadata: {labels: {\"a\\tb\": c}}", "a key with a control character");
}

static void test_bytes(void **state)
{
	static const char nul[] = HEAD "metadata: {name: \"a\0b\"}";
	struct error err;
	ProtobufCMessage *msg;

	(void)state;
	assert_int_equal(
		decode_object(K8S_POD_DESC, "v1", "Pod", nul, sizeof(nul) - 1, &msg, &err), -1);
	assert_non_null(strstr(err.text, "NUL"));
	refused(HEAD "metadata: {name: \"a\\0b\"}", "NUL");
	refused(HEAD "metadata: {name: \"a\\x00\"}", "NUL");
	refused(HEAD "metadata: {name: \xc3\x28}", "bad UTF-8");
	refused(HEAD "metadata: {name: \xed\xa0\x80}", "bad UTF-8");
	refused("\xff\xfe{\0}\0", "bad UTF-8");
}

static void test_json(void **state)
{
	K8sPod *p = pod("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\n\t\"metadata\":{\"name\":\"j\","
			"\"annotations\":"
			"{\"e\":\"\\ud83d\\ude00\",\"s\":\"\\/"
			"\\\\ud83d\\\\ude00\"}},\"spec\":{\"hostNetwork\":true,"
			"\"containers\":[{\"name\":\"c\",\"args\":[]}]}}");

	(void)state;
	assert_string_equal(p->metadata->annotations[0]->value, "\xf0\x9f\x98\x80");
	assert_string_equal(p->metadata->annotations[1]->value, "/\\ud83d\\ude00");
	assert_true(p->spec->hostnetwork);
	k8s_pod_free(p);
	refused("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"\\ud83d\"}}",
		"not YAML");
}

/* Our own messages: both spellings, but not both at once. */
static void test_own_messages(void **state)
{
	static const char good[] = "node_name: n1\nstateDir: /var/lib/x\napi_uid: 4294967295\n";
	static const char twice[] = "node_name: a\nnodeName: b\n";
	static const char negative[] = "max_pods: -1\n";
	Bulkhead__V1__NodeConfig *conf;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(decode_yaml(&bulkhead__v1__node_config__descriptor, good, strlen(good),
				 (ProtobufCMessage **)&conf, &err),
		0);
	assert_string_equal(conf->node_name, "n1");
	assert_string_equal(conf->state_dir, "/var/lib/x");
	assert_string_equal(conf->run_dir, "");
	assert_true(conf->api_uid == UINT32_MAX);
	protobuf_c_message_free_unpacked(&conf->base, NULL);
	assert_int_equal(decode_yaml(&bulkhead__v1__node_config__descriptor, twice, strlen(twice),
				 (ProtobufCMessage **)&conf, &err),
		-1);
	assert_non_null(strstr(err.text, "given twice"));
	assert_int_equal(decode_yaml(&bulkhead__v1__node_config__descriptor, negative,
				 strlen(negative), (ProtobufCMessage **)&conf, &err),
		-1);
	assert_non_null(strstr(err.text, "out of range"));
}

static void test_documents(void **state)
{
	static const char text[] =
		"# file\n---\n---\na: 1\n--- # c\nb: |\n  x\n  ---y\n...\n%YAML 1.1\n---\nc: 3\n"
		"--- {d: 4}\n---\n# end\n";
	static const struct {
		const char *start;
		unsigned line;
	} want[] = { { "---\na: 1\n", 3 }, { "--- # c\nb: |", 5 }, { "%YAML 1.1\n---\nc: 3\n", 10 },
		{ "--- {d: 4}\n", 13 } };
	struct decode_documents docs = { .text = text, .size = strlen(text) };
	struct decode_document doc;
	size_t n = 0;

	(void)state;
	for (; decode_documents_next(&docs, &doc); n++) {
		struct yaml_tree *tree;
		struct error err = { 0 };

		assert_true(n < ARRAY_LEN(want));
		assert_memory_equal(doc.text, want[n].start, strlen(want[n].start));
		assert_int_equal(doc.line, want[n].line);
		if (yaml_tree_parse(&tree, doc.text, doc.size, &err) < 0)
			fail_msg("%s", err.text);
		assert_int_equal(yaml_tree_root(tree)->type, YAML_MAP);
		yaml_tree_free(tree);
	}
	assert_int_equal(n, ARRAY_LEN(want));
	docs = (struct decode_documents){ .text = "a: 1", .size = 4 };
	assert_true(decode_documents_next(&docs, &doc));
	assert_int_equal(doc.size, 4);
	assert_false(decode_documents_next(&docs, &doc));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_inline),
		cmocka_unit_test(test_special),
		cmocka_unit_test(test_plain_scalars),
		cmocka_unit_test(test_wrong_shapes),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_kind),
		cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_depth_limit),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_many_keys),
		cmocka_unit_test(test_long_keys),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_own_messages),
		cmocka_unit_test(test_documents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
