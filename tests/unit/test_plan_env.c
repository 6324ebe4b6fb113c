#include "plan_fixture.h"

#include "nodeagent/agent/plan_env.h"
#include "nodeagent/agent/plan_expand.h"

static const char *lookup(void *user, const char *name, size_t len)
{
	static const char *const rows[][2] = { { "A", "a" }, { "EMPTY", "" }, { "DOLLAR", "$(A)" },
		{ "", "nameless" } };

	(void)user;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strlen(rows[i][0]) == len && memcmp(rows[i][0], name, len) == 0)
			return rows[i][1];
	}
	return NULL;
}

/* After third_party/forked/golang/expansion/expand_test.go, by its rules. */
static void test_expand(void **state)
{
	static const char *const rows[][2] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "$(A)", "a" },
		{ "$(A)$(A)", "aa" },
		{ "x$(A)y", "xay" },
		{ "$(EMPTY)", "" },
		{ "$(NONE)", "$(NONE)" },
		{ "$(NONE)$(A)", "$(NONE)a" },
		{ "$$", "$" },
		{ "$$$$", "$$" },
		{ "$$(A)", "$(A)" },
		{ "$$$(A)", "$a" },
		{ "$$$$(A)", "$$(A)" },
		{ "$", "$" },
		{ "$$$", "$$" },
		{ "$A", "$A" },
		{ "$(A", "$(A" },
		{ "$(", "$(" },
		{ "$()", "nameless" },
		{ "$($(A))", "$($(A))" },
		{ "$(A))", "a)" },
		{ "$(A$(A)", "$(A$(A)" },
		{ "(A)", "(A)" },
		{ "$ (A)", "$ (A)" },
		{ "\\$(A)", "\\a" },
		{ "$(DOLLAR)", "$(A)" }, /* once, not again */
		{ "$x$(A)", "$xa" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_free char *text = NULL;
		struct error err;

		if (plan_expand(rows[i][0], lookup, NULL, 100, &text, &err) < 0)
			fail_msg("%s: %s", rows[i][0], err.text);
		if (strcmp(text, rows[i][1]) != 0)
			fail_msg("'%s' became '%s', not '%s'", rows[i][0], text, rows[i][1]);
	}
}

static void test_expand_limit(void **state)
{
	char *text = NULL;
	struct error err;

	(void)state;
	assert_int_equal(plan_expand("12345678$(A)$$", lookup, NULL, 10, &text, &err), 0);
	assert_string_equal(text, "12345678a$");
	free(text);
	text = NULL;
	assert_int_equal(plan_expand("123456789$(A)$$", lookup, NULL, 10, &text, &err), -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
	assert_null(text);
}

/* Each with an image of entrypoint /entry and command serve. */
static void test_args(void **state)
{
	static const char *const rows[][2] = {
		{ "", "/entry|serve" },
		{ "args: [a, b]", "/entry|a|b" },
		{ "command: [/run]", "/run" },
		{ "command: [/run], args: [a]", "/run|a" },
		{ "command: [/run, -x], args: [a, b]", "/run|-x|a|b" },
		{ "env: [{name: X, value: v}], command: [\"$(X)\"], args: [\"$(X)$$(X)\", "
		  "\"$(NO)\", \"$(FROM)\"]",
			"v|v$(X)|$(NO)|$(FROM)" },
		{ "env: [{name: X, value: one}, {name: X, value: two}], args: [\"$(X)\"]",
			"/entry|two" },
	};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fixture_container(&f, rows[i][0], "");
		fixture_planned(&f);
		assert_list(f.container->args, f.container->n_args, rows[i][1]);
	}
	/* Entrypoint or command alone. */
	fixture_container(&f, "", "");
	f.entrypoint[0] = NULL;
	fixture_planned(&f);
	assert_list(f.container->args, f.container->n_args, "serve");
	f.cmd[0] = NULL;
	fixture_refused(&f, ERR_INVALID,
		"spec.containers[0].command: image 'app:1' does not say what to run");
	fixture_container(&f, "command: [\"\"]", "");
	fixture_refused(&f, ERR_INVALID, "spec.containers[0].command");
	fixture_done(&f);
}

static void test_env(void **state)
{
	static const char *const rows[][2] = {
		{ "", "HOSTNAME=web|PATH=/usr/bin:/bin|FROM=image" },
		{ "env: [{name: X, value: v}]", "HOSTNAME=web|PATH=/usr/bin:/bin|FROM=image|X=v" },
		{ "env: [{name: X}]", "HOSTNAME=web|PATH=/usr/bin:/bin|FROM=image|X=" },
		/* The pod's wins, in the pod's place. */
		{ "env: [{name: FROM, value: pod}, {name: X, value: v}]",
			"HOSTNAME=web|PATH=/usr/bin:/bin|FROM=pod|X=v" },
		{ "env: [{name: FRO, value: pod}]",
			"HOSTNAME=web|PATH=/usr/bin:/bin|FROM=image|FRO=pod" },
		{ "env: [{name: HOSTNAME, value: mine}]",
			"PATH=/usr/bin:/bin|FROM=image|HOSTNAME=mine" },
		{ "env: [{name: A, value: 1a}, {name: B, value: \"$(A)$(C)$(FROM)\"}, {name: C, "
		  "value: \"$(B)\"}]",
			"HOSTNAME=web|PATH=/usr/bin:/"
			"bin|FROM=image|A=1a|B=1a$(C)$(FROM)|C=1a$(C)$(FROM)" },
		{ "env: [{name: A, value: \"1\"}, {name: A, value: \"$(A)2\"}]",
			"HOSTNAME=web|PATH=/usr/bin:/bin|FROM=image|A=12" },
		{ "env: [{name: A, value: \"x=y\"}, {name: \"A B\", value: \"$(A)\"}]",
			"HOSTNAME=web|PATH=/usr/bin:/bin|FROM=image|A=x=y|A B=x=y" },
	};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fixture_container(&f, rows[i][0], "");
		fixture_planned(&f);
		assert_list(f.container->env, f.container->n_env, rows[i][1]);
	}
	/* What an image has that is no variable is left out; its HOSTNAME counts. */
	fixture_container(&f, "", "");
	f.env[0] = S("NOTHING");
	f.env[1] = S("=x");
	f.env[2] = S("HOSTNAME=image");
	fixture_planned(&f);
	assert_list(f.container->env, f.container->n_env, "HOSTNAME=image");
	fixture_done(&f);
}

/* valueFrom of the one variable X. */
static void test_value_from(void **state)
{
	static const char *const rows[][2] = {
		{ "fieldRef: {fieldPath: metadata.name}", "web" },
		{ "fieldRef: {fieldPath: metadata.namespace}", "red" },
		{ "fieldRef: {fieldPath: metadata.uid}", POD_UID },
		{ "fieldRef: {fieldPath: \"metadata.labels['app']\"}", "web" },
		{ "fieldRef: {fieldPath: \"metadata.labels['ap']\"}", "" },
		{ "fieldRef: {fieldPath: \"metadata.labels['example.com/tier']\"}", "front" },
		{ "fieldRef: {fieldPath: \"metadata.annotations['note']\"}", "a $(b) c" },
		{ "fieldRef: {fieldPath: spec.nodeName}", "node-1" },
		{ "fieldRef: {fieldPath: spec.serviceAccountName}", "default" },
		{ "fieldRef: {fieldPath: status.podIP}", "10.128.0.5" },
		{ "fieldRef: {fieldPath: status.podIPs}", "10.128.0.5" },
		{ "fieldRef: {fieldPath: status.hostIP}", "192.0.2.1" },
		{ "fieldRef: {fieldPath: status.hostIPs}", "192.0.2.1" },
		{ "resourceFieldRef: {resource: limits.cpu}", "1" },
		{ "resourceFieldRef: {resource: limits.cpu, divisor: 1m}", "500" },
		{ "resourceFieldRef: {resource: limits.cpu, divisor: \"0\"}", "1" },
		{ "resourceFieldRef: {resource: requests.cpu, divisor: 1m}", "250" },
		{ "resourceFieldRef: {resource: requests.cpu, divisor: 100m}", "3" },
		{ "resourceFieldRef: {resource: limits.memory}", "67108864" },
		{ "resourceFieldRef: {resource: limits.memory, divisor: 1Mi}", "64" },
		{ "resourceFieldRef: {resource: limits.memory, divisor: 1G}", "1" },
		{ "resourceFieldRef: {resource: requests.memory, divisor: 1Ki}", "65536" },
		{ "resourceFieldRef: {resource: requests.ephemeral-storage}", "0" },
		{ "resourceFieldRef: {resource: limits.hugepages-2Mi}", "0" },
		{ "resourceFieldRef: {containerName: b, resource: limits.cpu}", "2" },
		{ "resourceFieldRef: {containerName: b, resource: limits.memory, divisor: 1Gi}",
			"8" },
		{ "resourceFieldRef: {containerName: b, resource: requests.memory}", "0" },
	};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char yaml[1024];
		const char *last;

		snprintf(yaml, sizeof(yaml),
			"apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: red, labels: "
			"{app: "
			"web, example.com/tier: front}, annotations: {note: 'a $(b) c'}}\n"
			"spec: {containers: [{name: a, image: i, resources: {requests: {cpu: "
			"250m}, "
			"limits: {cpu: 500m, memory: 64Mi}}, env: [{name: X, valueFrom: {%s}}]}, "
			"{name: b, image: i}]}",
			rows[i][0]);
		fixture_take(&f, pod_decode(yaml), 0);
		fixture_planned(&f);
		last = f.container->env[f.container->n_env - 1];
		if (strncmp(last, "X=", 2) != 0 || strcmp(last + 2, rows[i][1]) != 0)
			fail_msg("%s is '%s', not '%s'", rows[i][0], last, rows[i][1]);
	}
	fixture_done(&f);
}

static void test_value_from_refused(void **state)
{
	static const struct {
		const char *from;
		enum error_code code;
		const char *text;
	} rows[] = {
		{ "fieldRef: {fieldPath: metadata.labels}", ERR_INVALID,
			"spec.containers[0].env[0] (X): valueFrom: fieldRef.fieldPath: "
			"'metadata.labels' is not" },
		{ "fieldRef: {fieldPath: \"metadata.labels['']\"}", ERR_INVALID,
			"metadata.labels['']" },
		{ "fieldRef: {fieldPath: \"metadata.labelsx\"}", ERR_INVALID, "metadata.labelsx" },
		{ "fieldRef: {fieldPath: status.phase}", ERR_INVALID, "status.phase" },
		{ "fieldRef: {fieldPath: \"\"}", ERR_INVALID, "fieldRef.fieldPath: ''" },
		{ "resourceFieldRef: {resource: cpu}", ERR_INVALID,
			"resourceFieldRef: resource: 'cpu'" },
		{ "resourceFieldRef: {resource: limits.pods}", ERR_INVALID, "'limits.pods'" },
		{ "resourceFieldRef: {containerName: z, resource: limits.cpu}", ERR_INVALID,
			"containerName: 'z' is not a container" },
		{ "resourceFieldRef: {resource: limits.cpu, divisor: \"-1\"}", ERR_INVALID,
			"divisor: '-1' is negative" },
		{ "resourceFieldRef: {resource: limits.ephemeral-storage}", ERR_UNSUPPORTED,
			"limits.ephemeral-storage: the container has no such limit" },
		{ "secretKeyRef: {name: db, key: password}", ERR_UNSUPPORTED,
			"spec.containers[0].env[0] (X): valueFrom: secretKeyRef: secrets are not "
			"put into environments" },
		{ "configMapKeyRef: {name: db, key: password}", ERR_UNSUPPORTED,
			"configMapKeyRef" },
		{ "", ERR_INVALID, "valueFrom: names no source" },
	};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[512];

		snprintf(text, sizeof(text), "env: [{name: X, valueFrom: {%s}}]", rows[i].from);
		fixture_container(&f, text, "");
		fixture_refused(&f, rows[i].code, rows[i].text);
	}
	fixture_container(
		&f, "env: [{name: X, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]", "");
	f.pod.address = "";
	fixture_refused(&f, ERR_UNAVAILABLE, "status.podIP is not known yet");
	fixture_done(&f);
}

static void test_env_refused(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	fixture_container(&f, "env: [{name: \"\", value: x}]", "");
	fixture_refused(&f, ERR_INVALID, "spec.containers[0].env[0] (): name:");
	fixture_container(&f, "env: [{name: \"A=B\", value: x}]", "");
	fixture_refused(&f, ERR_INVALID, "spec.containers[0].env[0] (A=B): name:");
	fixture_container(&f, "envFrom: [{secretRef: {name: db}}]", "");
	fixture_refused(&f, ERR_UNSUPPORTED, "spec.containers[0].envFrom: not honoured");
	fixture_container(&f, "workingDir: data", "");
	fixture_refused(
		&f, ERR_INVALID, "spec.containers[0].workingDir: 'data' is not an absolute path");
	fixture_done(&f);
}

static void test_cwd(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	fixture_container(&f, "", "");
	fixture_planned(&f);
	assert_string_equal(f.container->cwd, "/");
	f.image.working_dir = S("/srv");
	fixture_planned(&f);
	assert_string_equal(f.container->cwd, "/srv");
	fixture_container(&f, "workingDir: /data", "");
	fixture_planned(&f);
	assert_string_equal(f.container->cwd, "/data");
	fixture_done(&f);
}

/* Few lines that would become exabytes, and the last size that execve(2) takes. */
static void test_limits(void **state)
{
	struct fixture f;
	cleanup_free char *text = malloc(PLAN_STRING_MAX + 100);
	size_t n;

	(void)state;
	assert_non_null(text);
	fixture_init(&f);
	n = (size_t)sprintf(text, "env: [{name: A0, value: 0123456789abcdef}");
	for (int i = 1; i < 60; i++)
		n += (size_t)sprintf(
			text + n, ", {name: A%d, value: \"$(A%d)$(A%d)\"}", i, i - 1, i - 1);
	sprintf(text + n, "]");
	fixture_container(&f, text, "");
	fixture_refused(&f, ERR_EXHAUSTED,
		"spec.containers[0].env[13] (A13): value: longer than 131071 bytes");
	for (size_t over = 0; over < 2; over++) {
		n = (size_t)sprintf(text, "args: [\"");
		memset(text + n, 'x', PLAN_STRING_MAX + over);
		strcpy(text + n + PLAN_STRING_MAX + over, "\"]");
		fixture_container(&f, text, "");
		if (over)
			fixture_refused(&f, ERR_EXHAUSTED,
				"spec.containers[0].args[0]: longer than 131071 bytes");
		else
			fixture_planned(&f);
	}
	/* Together: 8 strings of 128 KiB are over a mebibyte. */
	n = (size_t)sprintf(text, "env: [{name: A, value: \"");
	memset(text + n, 'x', 65536);
	strcpy(text + n + 65536, "\"}], args: [\"$(A)\", \"$(A)\", \"$(A)\", \"$(A)\", \"$(A)\", "
				 "\"$(A)\", \"$(A)\", \"$(A)\", "
				 "\"$(A)\", \"$(A)\", \"$(A)\", \"$(A)\", \"$(A)\", \"$(A)\"]");
	fixture_container(&f, text, "");
	fixture_planned(&f);
	strcpy(text + n + 65536,
		"\"}], args: [\"$(A)\", \"$(A)\", \"$(A)\", \"$(A)\", \"$(A)\", \"$(A)\", "
		"\"$(A)\", \"$(A)\", "
		"\"$(A)\", \"$(A)\", \"$(A)\", \"$(A)\", \"$(A)\", \"$(A)\", \"$(A)\"]");
	fixture_container(&f, text, "");
	fixture_refused(&f, ERR_EXHAUSTED,
		"spec.containers[0]: arguments and environment are more than 1048576");
	fixture_done(&f);
}

/* It ends where it is too much, and is not written out to be measured. */
static void test_repetition_stops_at_once(void **state)
{
	struct fixture f;
	cleanup_free char *text = malloc(PLAN_STRING_MAX);
	size_t n;

	(void)state;
	assert_non_null(text);
	fixture_init(&f);
	n = (size_t)sprintf(text, "env: [{name: A, value: \"");
	memset(text + n, 'x', 65536);
	n += 65536;
	n += (size_t)sprintf(text + n, "\"}");
	for (int i = 0; i < 1000; i++)
		n += (size_t)sprintf(text + n, ", {name: B%d, value: $(A)}", i);
	sprintf(text + n, "]");
	fixture_container(&f, text, "");
	fixture_refused(&f, ERR_EXHAUSTED,
		"spec.containers[0].env[15] (B14): arguments and environment are more than");
	/* The same name again replaces, and takes no more. */
	n = (size_t)sprintf(text, "env: [{name: A, value: \"");
	memset(text + n, 'x', 65536);
	n += 65536;
	n += (size_t)sprintf(text + n, "\"}");
	for (int i = 0; i < 100; i++)
		n += (size_t)sprintf(text + n, ", {name: B, value: $(A)}");
	sprintf(text + n, "]");
	fixture_container(&f, text, "");
	fixture_planned(&f);
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expand),
		cmocka_unit_test(test_expand_limit),
		cmocka_unit_test(test_args),
		cmocka_unit_test(test_env),
		cmocka_unit_test(test_value_from),
		cmocka_unit_test(test_value_from_refused),
		cmocka_unit_test(test_env_refused),
		cmocka_unit_test(test_cwd),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_repetition_stops_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
