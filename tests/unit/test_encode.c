#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "bulkhead/v1/config.pb-c.h"
#include "lib/cleanup.h"
#include "proto/base64.h"
#include "proto/decode.h"
#include "proto/encode.h"
#include "proto/k8s.h"
#include "proto/rfc3339.h"

/* Manifests as people write them. */
static const char nginx[] =
	"apiVersion: v1\n"
	"kind: Pod\n"
	"metadata:\n"
	"  name: web\n"
	"  namespace: shop\n"
	"  labels:\n"
	"    app.kubernetes.io/name: web\n"
	"    release: \"2024\"\n"
	"  annotations:\n"
	"    description: |\n"
	"      Serves the shop.\n"
	"\n"
	"      Second paragraph: \"quoted\" # not a comment\n"
	"spec:\n"
	"  restartPolicy: Always\n"
	"  containers:\n"
	"  - name: nginx\n"
	"    image: registry.example.com:5000/nginx:1.25.3\n"
	"    imagePullPolicy: IfNotPresent\n"
	"    ports:\n"
	"    - name: http\n"
	"      containerPort: 8080\n"
	"      protocol: TCP\n"
	"    resources:\n"
	"      requests: {cpu: 100m, memory: 64Mi}\n"
	"      limits: {cpu: '1', memory: 128Mi}\n"
	"    livenessProbe:\n"
	"      httpGet: {path: /healthz, port: http, httpHeaders: [{name: X-A, value: '1'}]}\n"
	"      initialDelaySeconds: 3\n"
	"    readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 10}\n"
	"    volumeMounts:\n"
	"    - {name: html, mountPath: /usr/share/nginx/html, readOnly: true}\n"
	"    - {name: tls, mountPath: /etc/tls, subPath: tls.crt}\n"
	"    - {name: cache, mountPath: /var/cache/nginx}\n"
	"  volumes:\n"
	"  - name: html\n"
	"    configMap: {name: html, items: [{key: index, path: index.html, mode: 0444}]}\n"
	"  - name: tls\n"
	"    secret: {secretName: web-tls, defaultMode: 0400}\n"
	"  - name: cache\n"
	"    emptyDir: {}\n";

static const char restricted[] =
	"apiVersion: v1\n"
	"kind: Pod\n"
	"metadata:\n"
	"  generateName: job-\n"
	"  ownerReferences: [{apiVersion: batch/v1, kind: Job, name: job, uid: 1-2-3, controller: "
	"true}]\n"
	"spec:\n"
	"  serviceAccountName: runner\n"
	"  automountServiceAccountToken: false\n"
	"  hostUsers: false\n"
	"  terminationGracePeriodSeconds: 0\n"
	"  securityContext:\n"
	"    runAsNonRoot: true\n"
	"    runAsUser: 1000660000\n"
	"    fsGroup: 1000660000\n"
	"    fsGroupChangePolicy: OnRootMismatch\n"
	"    supplementalGroups: [1, 4294967295]\n"
	"    seLinuxOptions: {level: 's0:c26,c5'}\n"
	"    seccompProfile: {type: RuntimeDefault}\n"
	"    sysctls: [{name: net.ipv4.ping_group_range, value: '0 0'}]\n"
	"  initContainers:\n"
	"  - name: setup\n"
	"    image: busybox@sha256:0000\n"
	"    restartPolicy: Always\n"
	"    command: [sh, -c, \"set -e\\nexec sleep 1d\\n\"]\n"
	"  containers:\n"
	"  - name: main\n"
	"    image: busybox\n"
	"    args: ['--flag', 'yes', '', '- dash', '#hash', 'a: b', '0644', 'null', '1e3', '~', "
	"'12:30:45']\n"
	"    stdin: true\n"
	"    tty: true\n"
	"    env:\n"
	"    - {name: EMPTY, value: ''}\n"
	"    - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}\n"
	"    - {name: MEM, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: "
	"1Mi}}}\n"
	"    - {name: PW, valueFrom: {secretKeyRef: {name: db, key: password, optional: false}}}\n"
	"    envFrom: [{prefix: A_, secretRef: {name: s}}, {configMapRef: {name: c}}]\n"
	"    lifecycle: {preStop: {exec: {command: [sleep, '5']}}, postStart: {httpGet: {port: "
	"80}}}\n"
	"    securityContext:\n"
	"      allowPrivilegeEscalation: false\n"
	"      readOnlyRootFilesystem: true\n"
	"      privileged: false\n"
	"      procMount: Default\n"
	"      capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}\n"
	"      appArmorProfile: {type: Localhost, localhostProfile: p}\n"
	"  tolerations: [{operator: Exists, tolerationSeconds: 300}]\n"
	"  nodeSelector: {kubernetes.io/os: linux}\n"
	"  dnsConfig: {nameservers: [1.1.1.1], options: [{name: ndots, value: '2'}]}\n"
	"  hostAliases: [{ip: 10.0.0.1, hostnames: [a, b]}]\n"
	"  volumes:\n"
	"  - name: kube-api-access\n"
	"    projected:\n"
	"      defaultMode: 420\n"
	"      sources:\n"
	"      - serviceAccountToken: {expirationSeconds: 3607, path: token}\n"
	"      - configMap: {name: ca, items: [{key: ca.crt, path: ca.crt}]}\n"
	"      - downwardAPI: {items: [{path: ns, fieldRef: {apiVersion: v1, fieldPath: "
	"metadata.namespace}}]}\n"
	"  - {name: pvc, persistentVolumeClaim: {claimName: data, readOnly: true}}\n"
	"  - name: eph\n"
	"    ephemeral: {volumeClaimTemplate: {spec: {accessModes: [RWO], storageClassName: '',\n"
	"      resources: {requests: {storage: 1Gi}}}}}\n"
	"  - {name: none}\n";

static const char running[] =
	"{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"p\", \"uid\": "
	"\"u\",\n"
	" \"creationTimestamp\": \"2024-05-01T12:00:00Z\", \"resourceVersion\": \"123\", "
	"\"generation\": 4,\n"
	" \"annotations\": {\"openshift.io/scc\": \"restricted-v2\", \"t\": \"\\ttab \\u2028 "
	"\\u007f \\ud83d\\ude00 \\u00e9\"}},\n"
	" \"status\": {\"phase\": \"Running\", \"podIP\": \"10.128.0.7\", \"podIPs\": [{\"ip\": "
	"\"10.128.0.7\"}],\n"
	"  \"startTime\": \"1969-12-31T23:59:59Z\", \"qosClass\": \"Burstable\",\n"
	"  \"conditions\": [{\"type\": \"Ready\", \"status\": \"False\", \"lastTransitionTime\": "
	"\"0001-01-01T00:00:00Z\"}],\n"
	"  \"containerStatuses\": [{\"name\": \"c\", \"ready\": false, \"restartCount\": 0, "
	"\"started\": true,\n"
	"   \"lastState\": {\"terminated\": {\"exitCode\": 137, \"finishedAt\": "
	"\"2024-05-01T12:00:00.000000001Z\"}},\n"
	"   \"state\": {\"waiting\": {\"reason\": \"CrashLoopBackOff\"}}, \"user\": {\"linux\": "
	"{\"uid\": 7}},\n"
	"   \"allocatedResources\": {\"cpu\": \"1\"}, \"imageID\": \"\"}]}}\n";

static const char *const manifests[] = { nginx, restricted, running };

static K8sPod *pod(const char *text)
{
	struct error err = { 0 };
	ProtobufCMessage *msg = NULL;

	if (decode_object(K8S_POD_DESC, "v1", "Pod", text, strlen(text), &msg, &err) < 0)
		fail_msg("%s\n%s", err.text, text);
	return (K8sPod *)msg;
}

static void assert_same(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
	size_t n = protobuf_c_message_get_packed_size(a);
	cleanup_free uint8_t *x = malloc(n + 1), *y = malloc(n + 1);

	assert_int_equal(protobuf_c_message_get_packed_size(b), n);
	protobuf_c_message_pack(a, x);
	protobuf_c_message_pack(b, y);
	assert_memory_equal(x, y, n);
}

static void assert_round_trip(const K8sPod *p)
{
	struct error err = { 0 };
	char *text[3] = { NULL };

	assert_int_equal(encode_yaml(&p->base, "v1", "Pod", &text[0], &err), 0);
	assert_int_equal(encode_json(&p->base, "v1", "Pod", false, &text[1], &err), 0);
	assert_int_equal(encode_json(&p->base, "v1", "Pod", true, &text[2], &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(text); i++) {
		K8sPod *again = pod(text[i]);

		assert_same(&p->base, &again->base);
		k8s_pod_free(again);
		free(text[i]);
	}
}

static void test_round_trips(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(manifests); i++) {
		K8sPod *p = pod(manifests[i]);

		assert_round_trip(p);
		k8s_pod_free(p);
	}
}

static void test_strict_json(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(manifests); i++) {
		K8sPod *p = pod(manifests[i]);
		json_error_t why;
		json_t *root;
		char *text;

		assert_int_equal(encode_json(&p->base, "v1", "Pod", i % 2, &text, NULL), 0);
		root = json_loads(text, JSON_REJECT_DUPLICATES, &why);
		if (!root)
			fail_msg("line %d: %s\n%s", why.line, why.text, text);
		assert_string_equal(json_string_value(json_object_get(root, "kind")), "Pod");
		json_decref(root);
		free(text);
		k8s_pod_free(p);
	}
}

static void test_exact_text(void **state)
{
	static const char manifest[] =
		"apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {z: '1', b: x}}\n"
		"spec: {hostPID: false, volumes: [{emptyDir: {sizeLimit: 1Gi}, name: v}],\n"
		" containers: [{args: ['yes', -x], name: c}]}\n";
	static const char yaml[] = "apiVersion: v1\n"
				   "kind: Pod\n"
				   "metadata:\n"
				   "  name: a\n"
				   "  labels:\n"
				   "    z: \"1\"\n"
				   "    b: x\n"
				   "spec:\n"
				   "  volumes:\n"
				   "  - name: v\n"
				   "    emptyDir:\n"
				   "      sizeLimit: 1Gi\n"
				   "  containers:\n"
				   "  - name: c\n"
				   "    args:\n"
				   "    - \"yes\"\n"
				   "    - -x\n"
				   "  hostPID: false\n";
	static const char json[] =
		"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\",\"labels\":{"
		"\"z\":\"1\",\"b\":"
		"\"x\"}},\"spec\":{\"volumes\":[{\"name\":\"v\",\"emptyDir\":{\"sizeLimit\":"
		"\"1Gi\"}}],"
		"\"containers\":[{\"name\":\"c\",\"args\":[\"yes\",\"-x\"]}],\"hostPID\":false}}";
	K8sPod *p = pod(manifest);
	char *text;

	(void)state;
	assert_int_equal(encode_yaml(&p->base, "v1", "Pod", &text, NULL), 0);
	assert_string_equal(text, yaml);
	free(text);
	assert_int_equal(encode_json(&p->base, "v1", "Pod", false, &text, NULL), 0);
	assert_string_equal(text, json);
	free(text);
	k8s_pod_free(p);
}

static void test_pretty(void **state)
{
	K8sPod *p = pod("{apiVersion: v1, kind: Pod, spec: {containers: [{name: c}], volumes: "
			"[{name: v, emptyDir: {}}]}}");
	char *text;

	(void)state;
	assert_int_equal(encode_json(&p->spec->base, NULL, NULL, true, &text, NULL), 0);
	assert_string_equal(text, "{\n    \"volumes\": [\n        {\n            \"name\": \"v\",\n"
				  "            \"emptyDir\": {}\n        }\n    ],\n"
				  "    \"containers\": [\n        {\n            \"name\": \"c\"\n "
				  "       }\n    ]\n}\n");
	free(text);
	k8s_pod_free(p);
}

static void test_lists(void **state)
{
	K8sPod *a = pod("{apiVersion: v1, kind: Pod, metadata: {name: a}}"), *b = pod(nginx);
	const ProtobufCMessage *msgs[] = { &a->base, &b->base };
	char *text;

	(void)state;
	assert_int_equal(encode_yaml_list(msgs, 1, "v1", "Pod", &text, NULL), 0);
	assert_string_equal(text, "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: "
				  "Pod\n  metadata:\n    name: a\n");
	free(text);
	assert_int_equal(encode_json_list(msgs, 2, "v1", "Pod", &text, NULL), 0);
	assert_non_null(strstr(text, "\"name\": \"web\""));
	free(text);
	assert_int_equal(encode_yaml_list(NULL, 0, "v1", "Pod", &text, NULL), 0);
	assert_string_equal(text, "apiVersion: v1\nkind: List\nitems: []\n");
	free(text);
	k8s_pod_free(a);
	k8s_pod_free(b);
}

static void test_secret(void **state)
{
	static const char text[] = "apiVersion: v1\nkind: Secret\ndata: {a: AAECAw==, b: ''}\n";
	ProtobufCMessage *msg;
	char *out;

	(void)state;
	assert_int_equal(
		decode_object(K8S_SECRET_DESC, "v1", "Secret", text, strlen(text), &msg, NULL), 0);
	assert_int_equal(encode_json(msg, NULL, NULL, false, &out, NULL), 0);
	assert_string_equal(out, "{\"data\":{\"a\":\"AAECAw==\",\"b\":\"\"}}");
	free(out);
	protobuf_c_message_free_unpacked(msg, NULL);
}

static void test_own_names(void **state)
{
	Bulkhead__V1__NodeConfig conf;
	char name[] = "n\xc3\xa9";
	char *text;

	(void)state;
	bulkhead__v1__node_config__init(&conf);
	conf.node_name = name;
	conf.host_subnet_bits = 9;
	assert_int_equal(encode_json(&conf.base, NULL, NULL, false, &text, NULL), 0);
	assert_string_equal(text, "{\"nodeName\":\"n\xc3\xa9\",\"hostSubnetBits\":9}");
	free(text);
}

static void test_refused(void **state)
{
	char bad[] = "\xff";
	K8sObjectMeta meta = K8S_OBJECT_META_INIT;
	K8sTime far = K8S_TIME_INIT;
	struct error err;
	char *text;

	(void)state;
	far.has_seconds = 1;
	far.seconds = INT64_MAX;
	meta.creationtimestamp = &far;
	assert_int_equal(encode_json(&meta.base, NULL, NULL, false, &text, &err), -1);
	assert_non_null(strstr(err.text, "creationTimestamp: 9223372036854775807 seconds"));
	meta.creationtimestamp = NULL;
	meta.name = bad;
	assert_int_equal(encode_yaml(&meta.base, NULL, NULL, &text, &err), -1);
	assert_int_equal(encode_json(&meta.base, NULL, NULL, false, &text, &err), -1);
}

static void test_times(void **state)
{
	static const char *const good[] = { "2024-02-29T23:59:59Z", "1970-01-01T00:00:00Z",
		"1969-12-31T23:59:59.5Z", "0001-01-01T00:00:00Z",
		"9999-12-31T23:59:59.999999999Z" };
	static const char *const bad[] = { "", "2024-02-29", "2023-02-29T00:00:00Z",
		"2024-13-01T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01T00:00:60Z",
		"2024-01-01T00:00:00", "2024-01-01 00:00:00Z", "2024-01-01T00:00:00.Z",
		"2024-01-01T00:00:00+2400", "0001-01-01T00:00:00+01:00", "2024-01-01T00:00:00Zx",
		"24-01-01T00:00:00Z", "2024-01-01T00:00:00.0000000001Z" };
	char buf[RFC3339_SIZE];
	int64_t seconds;
	int32_t nanos;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_true(rfc3339_parse(good[i], &seconds, &nanos));
		assert_true(rfc3339_format(buf, seconds, nanos));
		assert_string_equal(buf, good[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (rfc3339_parse(bad[i], &seconds, &nanos))
			fail_msg("'%s' was accepted", bad[i]);
	assert_true(rfc3339_parse("2024-05-01T12:00:00-05:30", &seconds, &nanos));
	assert_int_equal(seconds, 1714584600);
	assert_false(rfc3339_format(buf, 0, -1));
}

/* RFC 4648 section 10, and what must not pass. */
static void test_base64(void **state)
{
	static const char *const pairs[][2] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" },
		{ "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" } };
	static const char *const bad[] = { "Zg", "Zg=", "Zg===", "Z===", "====", "Zh==", "Zm9=",
		"Zm9v=", "Z g==", "Zg==Zg==", "Zm-v", "Zm9vY" };
	uint8_t bytes[32];
	char text[32];
	size_t size;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		size_t n = strlen(pairs[i][0]);

		base64_encode(text, (const uint8_t *)pairs[i][0], n);
		assert_string_equal(text, pairs[i][1]);
		assert_true(base64_decode(bytes, &size, text, strlen(text)));
		assert_int_equal(size, n);
		assert_memory_equal(bytes, pairs[i][0], n);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (base64_decode(bytes, &size, bad[i], strlen(bad[i])))
			fail_msg("'%s' was accepted", bad[i]);
	assert_true(base64_decode(bytes, &size, "Zm9v\nYmFy\r\n", 10));
	assert_int_equal(size, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_strict_json),
		cmocka_unit_test(test_exact_text),
		cmocka_unit_test(test_pretty),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_own_names),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
