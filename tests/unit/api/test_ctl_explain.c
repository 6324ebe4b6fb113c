/* `bulkhead explain --policy`: what it prints and its exit codes, without a context or a daemon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "lib/cleanup.h"
#include "nodeagent/ctl/ctl.h"

#define GOOD                                                                                       \
	"apiVersion: v1\nkind: Pod\nmetadata: {name: good}\nspec:\n"                               \
	"  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}\n"        \
	"  containers:\n  - {name: a, image: i, securityContext: {allowPrivilegeEscalation: "      \
	"false, capabilities: {drop: [ALL]}}}\n"
#define BAD                                                                                        \
	"apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec:\n"                                \
	"  containers:\n  - {name: a, image: i, ports: [{containerPort: 80, hostPort: 80}]}\n"

/* One run: what came out, and the code as main() gives it. */
struct run {
	char path[32];
	char out[16384];
	char tail[64]; /* the end of what came out */
	struct error err;
	int code;
};

static void write_manifest(struct run *r, const char *text, size_t size)
{
	int fd;

	strcpy(r->path, "/tmp/test_ctl_explain.XXXXXX");
	fd = mkstemp(r->path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, size), (ssize_t)size);
	close(fd);
}

/* Runs the command with standard output in a file, and puts everything back. */
static void run_captured(struct run *r, const struct args *args)
{
	struct ctl ctl = { .args = args };
	FILE *file = tmpfile();
	int saved = dup(STDOUT_FILENO);
	size_t n;

	assert_non_null(file);
	fflush(stdout);
	dup2(fileno(file), STDOUT_FILENO);
	r->code = ctl_explain(&ctl, &r->err);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	rewind(file);
	n = fread(r->out, 1, sizeof(r->out) - 1, file);
	r->out[n] = '\0';
	if (n == sizeof(r->out) - 1) {
		fseek(file, 1 - (long)sizeof(r->tail), SEEK_END);
		r->tail[fread(r->tail, 1, sizeof(r->tail) - 1, file)] = '\0';
	}
	fclose(file);
	if (r->code < 0)
		r->code = r->err.code == ERR_INVALID ? CTL_INVALID : CTL_FAILED;
	assert_null(ctl.context);
	assert_null(ctl.client);
}

static struct run explain_sized(
	const char *policy, const char *output, const char *text, size_t size)
{
	struct run r = { 0 };
	struct args args = { .policy = policy, .output = output };

	write_manifest(&r, text, size);
	args.files.items[args.files.len++] = r.path;
	run_captured(&r, &args);
	unlink(r.path);
	return r;
}

static struct run explain(const char *policy, const char *output, const char *text)
{
	return explain_sized(policy, output, text, strlen(text));
}

/* No context file can be found: whoever looks for one fails. */
static int without_context(void **state)
{
	(void)state;
	setenv("BULKHEAD_CONTEXT", "/nonexistent/context.yaml", 1);
	return 0;
}

static void allowed_is_0(void **state)
{
	struct run r = explain("restricted:v1.37", NULL, GOOD);

	(void)state;
	assert_int_equal(r.code, CTL_OK);
	assert_string_equal(r.out, "pod/good: allowed by restricted:v1.37\n");
}

static void denied_is_1(void **state)
{
	struct run r = explain("baseline:v1.37", NULL, BAD);

	(void)state;
	assert_int_equal(r.code, CTL_FAILED);
	assert_string_equal(r.out,
		"pod/bad: denied by baseline:v1.37\n"
		"  hostPorts                    spec.containers[0].ports[0].hostPort: hostPort "
		"(container \"a\" uses hostPort 80)\n");
}

static void one_denied_of_many_is_1(void **state)
{
	struct run r = explain("baseline:latest", NULL, BAD "---\n" GOOD);

	(void)state;
	assert_int_equal(r.code, CTL_FAILED);
	assert_non_null(strstr(r.out, "pod/bad: denied by baseline:latest\n"));
	assert_non_null(strstr(r.out, "pod/good: allowed by baseline:latest\n"));
}

static void as_json(void **state)
{
	struct run r = explain("restricted:v1.37", "json", BAD);
	json_t *json = json_loads(r.out, 0, NULL);
	json_t *list = json_object_get(json, "violations");

	(void)state;
	assert_int_equal(r.code, CTL_FAILED);
	assert_non_null(json);
	assert_true(json_is_false(json_object_get(json, "allowed")));
	assert_int_equal(json_array_size(list), 5);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(list, 0), "check")), "hostPorts");
	json_decref(json);
	r = explain("restricted:v1.37", "json", GOOD);
	assert_int_equal(r.code, CTL_OK);
	json = json_loads(r.out, 0, NULL);
	assert_true(json_is_true(json_object_get(json, "allowed")));
	json_decref(json);
}

static void invalid_input_is_2(void **state)
{
	static const struct {
		const char *policy, *output, *text, *want;
	} rows[] = {
		{ "baseline:v1.37", NULL, "apiVersion: v1\nkind: Pod\nspec: {containerz: []}\n",
			"spec.containerz" },
		{ "baseline:v1.37", NULL, "apiVersion: apps/v1\nkind: Deployment\n", "kind" },
		{ "baseline:v1.37", NULL, "apiVersion: v1\nkind: Pod\nkind: Pod\n", "kind" },
		{ "baseline:v1.37", NULL, "a: [", "line" },
		{ "baseline:v1.37", NULL, "", "holds no object" },
		{ "baseline:v1.37", NULL, "# only this\n", "holds no object" },
		{ "baseline:v1.x", NULL, GOOD, "LEVEL:VERSION" },
		{ "strict", NULL, GOOD, "LEVEL:VERSION" },
		{ "baseline:v1.37", "yaml", GOOD, "-o json" },
		{ NULL, NULL, GOOD, "--policy" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct run r = explain(rows[i].policy, rows[i].output, rows[i].text);

		if (r.code != CTL_INVALID || !strstr(r.err.text, rows[i].want))
			fail_msg("row %zu: exit %d, %s", i, r.code, r.err.text);
		assert_string_equal(r.out, "");
	}
}

/* Not a verdict, so not 1. */
static void what_cannot_be_read_is_2(void **state)
{
	struct run r = { 0 };
	struct args args = { .policy = "baseline:v1.37" };

	(void)state;
	run_captured(&r, &args);
	assert_int_equal(r.code, CTL_INVALID);
	assert_non_null(strstr(r.err.text, "-f FILE"));
	args.files.items[args.files.len++] = "/nonexistent/pod.yaml";
	run_captured(&r, &args);
	assert_int_equal(r.code, CTL_INVALID);
	assert_non_null(strstr(r.err.text, "/nonexistent/pod.yaml"));
	args.files.items[0] = "/tmp";
	run_captured(&r, &args);
	assert_int_equal(r.code, CTL_INVALID);
}

/* 'size' bytes of a good manifest and blanks. */
static char *padded(size_t size)
{
	char *text = malloc(size);

	assert_non_null(text);
	memset(text, '\n', size);
	memcpy(text, GOOD, strlen(GOOD));
	return text;
}

static void manifest_of_1_mib_and_one_byte_more(void **state)
{
	cleanup_free char *text = padded((1 << 20) + 1);
	struct run r = explain_sized("restricted:v1.37", NULL, text, 1 << 20);

	(void)state;
	if (r.code != CTL_OK)
		fail_msg("%s", r.err.text);
	r = explain_sized("restricted:v1.37", NULL, text, (1 << 20) + 1);
	assert_int_equal(r.code, CTL_INVALID);
	assert_string_equal(r.out, "");
}

static void both_policy_and_project(void **state)
{
	struct run r = { 0 };
	struct args args = { .policy = "baseline", .project = "red" };

	(void)state;
	run_captured(&r, &args);
	assert_int_equal(r.code, CTL_INVALID);
	assert_non_null(strstr(r.err.text, "one of them"));
}

/* Names that nobody has validated neither move the cursor nor make lines of their own. */
static void names_cannot_drive_the_terminal(void **state)
{
	struct run r = explain("baseline", NULL,
		"apiVersion: v1\nkind: Pod\nmetadata: {name: \"a\\e[2J\\npod/b\"}\nspec:\n"
		"  containers: [{name: \"c\\r\\e[H\\x9b\", securityContext: {privileged: "
		"true}}]\n");

	(void)state;
	assert_int_equal(r.code, CTL_FAILED);
	assert_null(strpbrk(r.out, "\r\033"));
	assert_non_null(strstr(r.out, "pod/a\\x1b[2J\\x0apod/b: denied"));
	assert_non_null(strstr(r.out, "\"c\\r\\x1b[H\\u009b\""));
}

/* Thousands of fields: the list ends, and says so. */
static void what_is_not_listed_is_counted(void **state)
{
	char text[40000] = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n";
	size_t used = strlen(text);
	struct run r;

	(void)state;
	for (int i = 0; i < 300; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
			"  - {name: c%d, securityContext: {privileged: true}}\n", i);
	r = explain("baseline", NULL, text);
	assert_int_equal(r.code, CTL_FAILED);
	assert_non_null(strstr(r.tail, "\n  and 44 more\n"));
}

/* Asking a node needs a context: the only thing here that looks for one. */
static void project_needs_a_context(void **state)
{
	struct run r = { 0 };
	struct args args = { .project = "red" };

	(void)state;
	write_manifest(&r, GOOD, strlen(GOOD));
	args.files.items[args.files.len++] = r.path;
	run_captured(&r, &args);
	unlink(r.path);
	assert_int_equal(r.code, CTL_INVALID);
	assert_non_null(strstr(r.err.text, "BULKHEAD_CONTEXT"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allowed_is_0),
		cmocka_unit_test(denied_is_1),
		cmocka_unit_test(one_denied_of_many_is_1),
		cmocka_unit_test(as_json),
		cmocka_unit_test(invalid_input_is_2),
		cmocka_unit_test(what_cannot_be_read_is_2),
		cmocka_unit_test(manifest_of_1_mib_and_one_byte_more),
		cmocka_unit_test(both_policy_and_project),
		cmocka_unit_test(names_cannot_drive_the_terminal),
		cmocka_unit_test(what_is_not_listed_is_counted),
		cmocka_unit_test(project_needs_a_context),
	};

	return cmocka_run_group_tests(tests, without_context, NULL);
}
