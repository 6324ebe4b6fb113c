/* What a manifest leaves out is filled in as an API server would, once. */
#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "proto/encode.h"
#include "tests/unit/pod_cases.h"

static struct error err;

static char *json_of(const K8sPod *pod)
{
	char *json;

	assert_int_equal(encode_json(&pod->base, NULL, NULL, false, &json, &err), 0);
	return json;
}

/* ---- single fields ------------------------------------------------------------------------- */

/* After defaulting, the pod has the first text as JSON, and lacks the second. */
struct row {
	const char *yaml;
	const char *has;
	const char *lacks;
};

/* clang-format off */
static const struct row rows[] = {
	{ POD(ONE), "\"namespace\":\"red\"", NULL },
	{ META("name: p, namespace: blue"), "\"namespace\":\"blue\"", "red" },
	{ META("name: p, namespace: \"\""), "\"namespace\":\"red\"", NULL },
	{ POD(ONE), "\"restartPolicy\":\"Always\"", NULL },
	{ SPEC("restartPolicy: Never"), "\"restartPolicy\":\"Never\"", "\"restartPolicy\":\"Always\"" },
	{ POD(ONE), "\"terminationGracePeriodSeconds\":30", NULL },
	{ SPEC("terminationGracePeriodSeconds: 0"), "\"terminationGracePeriodSeconds\":0", NULL },
	{ POD(ONE), "\"dnsPolicy\":\"ClusterFirst\"", NULL },
	{ SPEC("dnsPolicy: Default"), "\"dnsPolicy\":\"Default\"", "ClusterFirst" },
	{ POD(ONE), "\"schedulerName\":\"default-scheduler\"", NULL },
	{ POD(ONE), "\"enableServiceLinks\":true", NULL },
	{ SPEC("enableServiceLinks: false"), "\"enableServiceLinks\":false", NULL },
	{ POD(ONE), "\"priority\":0", NULL },
	{ POD(ONE), "\"securityContext\":{}", NULL },
	/* ours: a user namespace unless the pod asks for one of the host's */
	{ POD(ONE), "\"hostUsers\":false", NULL },
	{ SPEC("hostUsers: true"), "\"hostUsers\":true", NULL },
	{ SPEC("hostNetwork: true"), NULL, "hostUsers" },
	{ SPEC("hostPID: true"), NULL, "hostUsers" },
	{ SPEC("hostIPC: true"), NULL, "hostUsers" },
	{ POD(ONE), "\"serviceAccountName\":\"default\",\"serviceAccount\":\"default\"", NULL },
	{ SPEC("serviceAccountName: a"), "\"serviceAccountName\":\"a\",\"serviceAccount\":\"a\"", NULL },
	{ SPEC("serviceAccount: a"), "\"serviceAccountName\":\"a\",\"serviceAccount\":\"a\"", NULL },
	{ SPEC("serviceAccountName: a, serviceAccount: b"), "\"serviceAccountName\":\"a\",\"serviceAccount\":\"b\"", NULL },
	{ POD(ONE), "\"terminationMessagePath\":\"/dev/termination-log\"", NULL },
	{ POD(ONE), "\"terminationMessagePolicy\":\"File\"", NULL },
	{ POD(ONE), "\"imagePullPolicy\":\"Always\"", NULL },
	{ POD("containers: [{name: c, image: \"i:1\"}]"), "\"imagePullPolicy\":\"IfNotPresent\"", NULL },
	{ POD("containers: [{name: c, image: \"i:1\", imagePullPolicy: Never}]"), "\"imagePullPolicy\":\"Never\"", "IfNotPresent" },
	{ POD("initContainers: [{name: a, image: \"i:1\"}], containers: [{name: c, image: i}]"), "\"imagePullPolicy\":\"IfNotPresent\"", NULL },
	{ CONTAINER("ports: [{containerPort: 80}]"), "{\"containerPort\":80,\"protocol\":\"TCP\"}", "hostPort" },
	{ CONTAINER("ports: [{containerPort: 80, protocol: UDP}]"), "\"protocol\":\"UDP\"", "TCP" },
	{ POD("hostNetwork: true, containers: [{name: c, image: i, ports: [{containerPort: 80}]}]"), "\"hostPort\":80", NULL },
	{ CONTAINER("resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 500m}}"), "\"requests\":{\"cpu\":\"500m\",\"memory\":\"1Gi\"}", NULL },
	{ CONTAINER("resources: {requests: {cpu: 1}}"), NULL, "limits" },
	{ CONTAINER("env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]"), "\"fieldRef\":{\"apiVersion\":\"v1\",\"fieldPath\":\"metadata.name\"}", NULL },
	{ CONTAINER("livenessProbe: {exec: {command: [a]}}"), "\"timeoutSeconds\":1,\"periodSeconds\":10,\"successThreshold\":1,\"failureThreshold\":3", "initialDelay" },
	{ CONTAINER("startupProbe: {exec: {command: [a]}, periodSeconds: 0, timeoutSeconds: 5}"), "\"timeoutSeconds\":5,\"periodSeconds\":10", NULL },
	{ CONTAINER("readinessProbe: {httpGet: {port: 1}}"), "\"path\":\"/\"", NULL },
	{ CONTAINER("readinessProbe: {httpGet: {port: 1}}"), "\"scheme\":\"HTTP\"", NULL },
	{ CONTAINER("lifecycle: {postStart: {httpGet: {port: 1}}}"), "\"scheme\":\"HTTP\"", NULL },
	{ CONTAINER("lifecycle: {preStop: {httpGet: {port: 1, path: /x}}}"), "\"path\":\"/x\"", "\"path\":\"/\"" },
	{ SPEC("volumes: [{name: v}]"), "{\"name\":\"v\",\"emptyDir\":{}}", NULL },
	{ VOLUME("hostPath: {path: /a}"), "{\"name\":\"v\",\"hostPath\":{\"path\":\"/a\"}}", "emptyDir" },
	{ VOLUME("secret: {secretName: s}"), "\"secretName\":\"s\",\"defaultMode\":420", NULL },
	{ VOLUME("secret: {secretName: s, defaultMode: 0}"), "\"secretName\":\"s\",\"defaultMode\":0", NULL },
	{ VOLUME("configMap: {name: c}"), "\"defaultMode\":420", NULL },
	{ VOLUME("downwardAPI: {items: [{path: p, fieldRef: {fieldPath: metadata.name}}]}"), "\"fieldRef\":{\"apiVersion\":\"v1\"", NULL },
	{ VOLUME("projected: {sources: [{serviceAccountToken: {path: t}}]}"), "\"expirationSeconds\":3600,\"path\":\"t\"", NULL },
	{ VOLUME("projected: {sources: [{serviceAccountToken: {path: t, expirationSeconds: 700}}]}"), "\"expirationSeconds\":700", "3600" },
};
/* clang-format on */

static void test_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		K8sPod *pod = case_pod(rows[i].yaml);
		cleanup_free char *json = json_of(pod);

		if (rows[i].has && !strstr(json, rows[i].has))
			fail_msg("%s\nlacks %s\n%s", rows[i].yaml, rows[i].has, json);
		if (rows[i].lacks && strstr(json, rows[i].lacks))
			fail_msg("%s\nhas %s\n%s", rows[i].yaml, rows[i].lacks, json);
		k8s_pod_free(pod);
	}
}

/* Whatever the pod, a second time changes nothing, also with another suffix and project. */
static void test_idempotent(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		K8sPod *pod = case_pod(rows[i].yaml);
		cleanup_free char *before = json_of(pod);
		cleanup_free char *after = NULL;

		assert_int_equal(pod_default(pod, "blue", "zzzzz", &err), 0);
		after = json_of(pod);
		assert_string_equal(before, after);
		k8s_pod_free(pod);
	}
}

/* What was there in the manifest is there afterwards: defaulting only adds. */
static void test_nothing_at_all(void **state)
{
	K8sPod *pod = calloc(1, sizeof(*pod));

	(void)state;
	assert_non_null(pod);
	k8s__io__api__core__v1__pod__init(pod);
	assert_int_equal(pod_default(pod, "red", CASE_SUFFIX, &err), 0);
	assert_string_equal(pod->metadata->namespace_, "red");
	assert_int_equal(pod->spec->n_volumes, 0);
	k8s_pod_free(pod);
}

static void test_suffix(void **state)
{
	static const char *const bad[] = { "", "bcdf", "bcdfgh", "bcdfa", "BCDFG", "bcd/g" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		K8sPod *pod = case_decode(POD(ONE));

		assert_int_equal(pod_default(pod, "red", bad[i], &err), -1);
		assert_int_equal(err.code, ERR_INVALID);
		assert_int_equal(pod->spec->n_volumes, 0);
		k8s_pod_free(pod);
	}
}

static void test_pull_policy(void **state)
{
	static const struct {
		const char *image;
		bool always;
	} images[] = {
		{ "busybox", true },
		{ "busybox:latest", true },
		{ "busybox:1", false },
		{ "busybox:latest2", false },
		{ "busybox:lates", false },
		{ "host:5000/busybox", true },
		{ "host:5000/busybox:latest", true },
		{ "host:5000/busybox:1", false },
		{ "host:5000/a/b/busybox:1", false },
		{ "busybox@sha256:0123", false },
		{ "host:5000/busybox@sha256:0123", false },
		{ "busybox:1@sha256:0123", false },
		{ "busybox:latest@sha256:0123", true }, /* as upstream */
		{ "", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(images); i++)
		assert_string_equal(pod_pull_policy(images[i].image),
			images[i].always ? "Always" : "IfNotPresent");
}

/* ---- the token of the service account ------------------------------------------------------ */

static const K8sVolumeMount *token_mount(const K8sContainer *c)
{
	const K8sVolumeMount *found = NULL;

	for (size_t i = 0; i < c->n_volumemounts; i++) {
		if (strcmp(c->volumemounts[i]->mountpath, DEFAULTS_TOKEN_PATH) == 0) {
			assert_null(found);
			found = c->volumemounts[i];
		}
	}
	return found;
}

static void test_token(void **state)
{
	K8sPod *pod = case_pod(POD("initContainers: [{name: a, image: i}], "
				   "containers: [{name: c, image: i}, {name: d, image: i}]"));
	const K8sPodSpec *spec = pod->spec;
	const K8sProjectedVolumeSource *p;

	(void)state;
	assert_int_equal(spec->n_volumes, 1);
	assert_string_equal(spec->volumes[0]->name, "kube-api-access-bcdfg");
	p = spec->volumes[0]->volumesource->projected;
	assert_int_equal(p->defaultmode, 0644);
	assert_int_equal(p->n_sources, 3);
	assert_string_equal(p->sources[0]->serviceaccounttoken->path, "token");
	assert_int_equal(p->sources[0]->serviceaccounttoken->expirationseconds, 3607);
	assert_string_equal(
		p->sources[1]->configmap->localobjectreference->name, "kube-root-ca.crt");
	assert_string_equal(p->sources[1]->configmap->items[0]->key, "ca.crt");
	assert_string_equal(p->sources[1]->configmap->items[0]->path, "ca.crt");
	assert_string_equal(p->sources[2]->downwardapi->items[0]->path, "namespace");
	assert_string_equal(
		p->sources[2]->downwardapi->items[0]->fieldref->fieldpath, "metadata.namespace");
	for (size_t i = 0; i < 3; i++) {
		const K8sVolumeMount *m =
			token_mount(i == 0 ? spec->initcontainers[0] : spec->containers[i - 1]);

		assert_non_null(m);
		assert_string_equal(m->name, "kube-api-access-bcdfg");
		assert_true(m->readonly);
	}
	k8s_pod_free(pod);
}

#define OWN_MOUNT "volumeMounts: [{name: v, mountPath: " DEFAULTS_TOKEN_PATH "}]"

static void test_token_own_mount(void **state)
{
	K8sPod *all = case_pod(POD("containers: [{name: c, image: i, " OWN_MOUNT
				   "}], volumes: [{name: v, emptyDir: {}}]"));
	K8sPod *one = case_pod(POD("containers: [{name: c, image: i, " OWN_MOUNT
				   "}, {name: d, image: i}], volumes: [{name: v, emptyDir: {}}]"));

	(void)state;
	/* A pod whose every container mounts something there gets no volume. */
	assert_int_equal(all->spec->n_volumes, 1);
	assert_string_equal(token_mount(all->spec->containers[0])->name, "v");
	assert_int_equal(one->spec->n_volumes, 2);
	assert_string_equal(token_mount(one->spec->containers[0])->name, "v");
	assert_string_equal(token_mount(one->spec->containers[1])->name, "kube-api-access-bcdfg");
	k8s_pod_free(all);
	k8s_pod_free(one);
}

static void test_token_unwanted(void **state)
{
	K8sPod *no = case_pod(SPEC("automountServiceAccountToken: false"));
	K8sPod *yes = case_pod(SPEC("automountServiceAccountToken: true"));

	(void)state;
	assert_int_equal(no->spec->n_volumes, 0);
	assert_null(token_mount(no->spec->containers[0]));
	assert_string_equal(no->spec->serviceaccountname, "default");
	assert_int_equal(yes->spec->n_volumes, 1);
	k8s_pod_free(no);
	k8s_pod_free(yes);
}

/* ---- editing ------------------------------------------------------------------------------- */

static void test_annotation(void **state)
{
	K8sPod *pod = case_decode(POD(ONE));

	(void)state;
	assert_null(view_annotation(pod, "a"));
	assert_int_equal(edit_annotation(pod, "a", "1", &err), 0);
	assert_int_equal(edit_annotation(pod, "b", "2", &err), 0);
	assert_int_equal(edit_annotation(pod, "a", "3", &err), 0);
	assert_int_equal(pod->metadata->n_annotations, 2);
	assert_string_equal(view_annotation(pod, "a"), "3");
	k8s_pod_free(pod);
}

static void test_copy(void **state)
{
	K8sPod *pod = case_pod(rows[0].yaml);
	K8sPod *copy = edit_copy(pod, &err);
	cleanup_free char *before = json_of(pod);
	cleanup_free char *after = NULL;

	(void)state;
	assert_non_null(copy);
	assert_int_equal(edit_annotation(copy, "a", "1", &err), 0);
	k8s_pod_free(copy);
	after = json_of(pod);
	assert_string_equal(before, after);
	k8s_pod_free(pod);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_idempotent),
		cmocka_unit_test(test_nothing_at_all),
		cmocka_unit_test(test_suffix),
		cmocka_unit_test(test_pull_policy),
		cmocka_unit_test(test_token),
		cmocka_unit_test(test_token_own_mount),
		cmocka_unit_test(test_token_unwanted),
		cmocka_unit_test(test_annotation),
		cmocka_unit_test(test_copy),
	};

	return cmocka_run_group_tests_name("defaults", tests, NULL, NULL);
}
