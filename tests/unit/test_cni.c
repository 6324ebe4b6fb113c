/* What the CNI plugin is asked, and what it answers: environment, configuration, results. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "netplugin/cni/result.h"

#define LONGEST_ID   129 /* with its NUL */
#define PREV(inside) ",\"prevResult\":{" inside "}"

static const struct cni_attached attached = {
	.address = "10.128.0.5",
	.prefix = 14,
	.mac = "0a:58:0a:80:00:05",
	.port = "bhabcdefghijklm",
	.mtu = 1450,
};
static const struct cni_env env = { .container = "c1", .netns = "/run/netns/c1", .ifname = "eth0" };

/* ---- names --------------------------------------------------------------------------------- */

static void names_have_their_grammar(void **state)
{
	static const char *const links[] = { "eth0", "a", "fifteen-letters", "x.1", "net_1" };
	static const char *const not_links[] = { "", ".", "..", "a/b", "a:1", "a b", "eth%d",
		"sixteen-letters-", "\xc3\xa4", "a\n" };
	static const char *const ids[] = { "a", "0", "A.b_c-d", "9..--__" };
	static const char *const not_ids[] = { "", "-a", ".a", "_a", "a/b", "a b", "\xc3\xa4",
		"a;b" };
	char longest[LONGEST_ID + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		assert_true(link_name_is_valid(links[i]));
	for (size_t i = 0; i < ARRAY_LEN(not_links); i++)
		assert_false(link_name_is_valid(not_links[i]));
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		assert_true(cni_name_is_valid(ids[i], CNI_ID_MAX));
	for (size_t i = 0; i < ARRAY_LEN(not_ids); i++)
		assert_false(cni_name_is_valid(not_ids[i], CNI_ID_MAX));
	memset(longest, 'a', sizeof(longest));
	longest[CNI_ID_MAX] = '\0';
	assert_true(cni_name_is_valid(longest, CNI_ID_MAX));
	longest[CNI_ID_MAX] = 'a';
	longest[CNI_ID_MAX + 1] = '\0';
	assert_false(cni_name_is_valid(longest, CNI_ID_MAX));
}

static void an_attachment_has_a_number_of_its_own(void **state)
{
	char a[POD_UID_MAX + 1], b[POD_UID_MAX + 1];

	(void)state;
	cni_uid_of("c1", "eth0", a);
	assert_true(pod_uid_is_valid(a));
	assert_memory_equal(a, "cni-", 4);
	cni_uid_of("c1", "eth1", b);
	assert_string_not_equal(a, b);
	cni_uid_of("c1/eth", "0", b);
	assert_string_not_equal(a, b);
	cni_uid_of("c1", "eth0", b);
	assert_string_equal(a, b);
}

/* ---- environment --------------------------------------------------------------------------- */

static const char *const good_env[] = { "PATH=/bin", "CNI_CONTAINERID=c1", "CNI_IFNAME=eth0",
	"CNI_NETNS=/run/netns/c1", "CNI_PATH=/opt/cni/bin" };

/* Those, with two more. */
static int parse_env(
	const char *command, const char *args, struct cni_env *ret, struct failure *failure)
{
	const char *variables[ARRAY_LEN(good_env) + 3] = { NULL };

	memcpy(variables, good_env, sizeof(good_env));
	variables[ARRAY_LEN(good_env)] = command;
	variables[ARRAY_LEN(good_env) + 1] = args;
	return cni_env_parse(ret, variables, failure);
}

static void the_environment_is_taken_apart(void **state)
{
	struct failure failure = { 0 };
	struct cni_env got;

	(void)state;
	assert_int_equal(parse_env("CNI_COMMAND=ADD",
				 "CNI_ARGS=K8S_POD_INFRA_CONTAINER_ID=c;;K8S_POD_NAMESPACE=red;"
				 "OTHER=;K8S_POD_NAME=web-0.x;IgnoreUnknown=true;",
				 &got, &failure),
		0);
	assert_int_equal(got.verb, CNI_VERB_ADD);
	assert_string_equal(got.container, "c1");
	assert_string_equal(got.netns, "/run/netns/c1");
	assert_string_equal(got.ifname, "eth0");
	assert_string_equal(got.project, "red");
	assert_string_equal(got.pod, "web-0.x");
	assert_int_equal(parse_env("CNI_COMMAND=ADD", NULL, &got, &failure), 0);
	assert_string_equal(got.project, "");
	assert_string_equal(got.pod, "c1");
	/* Nothing that only ADD needs keeps DEL from its work. */
	assert_int_equal(parse_env("CNI_COMMAND=DEL", "CNI_ARGS=nonsense", &got, &failure), 0);
	assert_int_equal(got.verb, CNI_VERB_DEL);
}

static void wrong_arguments_are_named(void **state)
{
	static const struct {
		const char *args;
		const char *says;
	} rows[] = {
		{ "K8S_POD_NAMESPACE=-", "K8S_POD_NAMESPACE '-'" },
		{ "K8S_POD_NAMESPACE="
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			"K8S_POD_NAMESPACE is longer than 63" },
		{ "K8S_POD_NAME=a/b", "K8S_POD_NAME 'a/b'" },
		{ "IgnoreUnknown=0;A=1;B=2", "'A' is unknown" },
		{ "A", "'A' is not KEY=VALUE" },
		{ "=a", "'=a' is not KEY=VALUE" },
		{ "K8S_POD_NAME=\xff\x01", "K8S_POD_NAME '?"
					   "?'" },
	};
	struct cni_env got;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct failure failure = { 0 };
		cleanup_free char *text = NULL;

		assert_true(asprintf(&text, "CNI_ARGS=%s", rows[i].args) > 0);
		assert_int_equal(parse_env("CNI_COMMAND=ADD", text, &got, &failure), -1);
		assert_int_equal(failure.code, CNI_INVALID_ENVIRONMENT);
		if (!strstr(failure.msg, rows[i].says))
			fail_msg("%s", failure.msg);
	}
}

static void each_verb_needs_its_variables(void **state)
{
	static const struct {
		const char *command;
		const char *says; /* NULL: nothing is missing */
	} rows[] = {
		{ "CNI_COMMAND=ADD",
			"CNI_CONTAINERID is missing, CNI_NETNS is missing, CNI_IFNAME is missing" },
		{ "CNI_COMMAND=CHECK",
			"CNI_CONTAINERID is missing, CNI_NETNS is missing, CNI_IFNAME is missing" },
		{ "CNI_COMMAND=DEL", "CNI_CONTAINERID is missing, CNI_IFNAME is missing" },
		{ "CNI_COMMAND=GC", NULL },
		{ "CNI_COMMAND=STATUS", NULL },
		{ "CNI_COMMAND=VERSION", NULL },
		{ "CNI_COMMAND=", "CNI_COMMAND: ''" },
		{ "CNI_COMMANDS=ADD", "CNI_COMMAND: ''" },
		{ "CNI_COMMAND=UPDATE", "CNI_COMMAND: 'UPDATE'" },
	};
	struct cni_env got;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *const variables[] = { rows[i].command, NULL };
		struct failure failure = { 0 };

		assert_int_equal(cni_env_parse(&got, variables, &failure), rows[i].says ? -1 : 0);
		if (rows[i].says && !strstr(failure.msg, rows[i].says))
			fail_msg("%s", failure.msg);
	}
}

/* ---- configuration ------------------------------------------------------------------------- */

static int parse_config(struct cni_config *ret, enum cni_verb verb, const char *version,
	const char *more, struct failure *failure)
{
	cleanup_free char *text = NULL;

	assert_true(asprintf(&text, "{\"cniVersion\":\"%s\",\"name\":\"pods\",\"type\":\"x\"%s}",
			    version, more) > 0);
	return cni_config_parse(ret, verb, text, strlen(text), failure);
}

static void a_configuration_is_taken_apart(void **state)
{
	struct failure failure = { 0 };
	struct cni_config config;

	(void)state;
	assert_int_equal(
		parse_config(&config, CNI_VERB_ADD, "1.1.0",
			",\"project\":\"red\",\"socket\":\"/x/y\",\"dns\":{\"domain\":\"d\"},"
			"\"args\":{\"any\":1},\"capabilities\":{\"ips\":true},"
			"\"runtimeConfig\":{\"ips\":[]}",
			&failure),
		0);
	assert_string_equal(config.name, "pods");
	assert_string_equal(config.project, "red");
	assert_string_equal(config.socket, "/x/y");
	assert_int_equal(config.level, CNI_LEVEL_1_1);
	assert_non_null(config.dns);
	cni_config_done(&config);
	assert_int_equal(parse_config(&config, CNI_VERB_STATUS, "1.1.0", "", &failure), 0);
	assert_string_equal(config.socket, CNI_SOCKET_DEFAULT);
	assert_string_equal(config.project, "");
	cni_config_done(&config);
}

static void wrong_configurations_are_named(void **state)
{
	static const struct {
		enum cni_verb verb;
		const char *version, *more;
		enum cni_code code;
		const char *says;
	} rows[] = {
		{ CNI_VERB_ADD, "0.3.1", "", 1, "cniVersion: '0.3.1' is not supported" },
		{ CNI_VERB_ADD, "1.2.0", "", 1, "0.4.0, 1.0.0 and 1.1.0 are" },
		{ CNI_VERB_GC, "1.0.0", ",\"cni.dev/valid-attachments\":[]", 1, "1.1.0 does" },
		{ CNI_VERB_STATUS, "1.0.0", "", 1, "1.1.0 does" },
		{ CNI_VERB_ADD, "1.1.0", ",\"mtu\":1400", 2, "mtu: 1400 is not supported" },
		{ CNI_VERB_CHECK, "1.1.0", ",\"ipMasq\":true", 2, "ipMasq: true" },
		{ CNI_VERB_STATUS, "1.1.0", ",\"ipam\":{}", 2, "ipam: {}" },
		{ CNI_VERB_ADD, "1.1.0", ",\"runtimeConfig\":{\"bandwidth\":{\"a\":1}}", 2,
			"runtimeConfig.bandwidth: {\"a\":1} is not supported: take it out of "
			"'capabilities'" },
		{ CNI_VERB_ADD, "1.1.0", ",\"project\":\"Red\"", 7, "project: 'Red'" },
		{ CNI_VERB_ADD, "1.1.0", ",\"project\":7", 7, "project: must be a string" },
		{ CNI_VERB_ADD, "1.1.0", ",\"socket\":\"run/x\"", 7, "socket: 'run/x'" },
		{ CNI_VERB_ADD, "1.1.0", ",\"dns\":[]", 7, "dns: must be an object" },
		{ CNI_VERB_ADD, "1.1.0", ",\"dns\":{\"search\":[7]}", 7, "dns.search" },
		{ CNI_VERB_ADD, "1.1.0", ",\"name\":\"x\"", 6, "duplicate" },
		{ CNI_VERB_GC, "1.1.0", "", 7, "must be a list" },
		{ CNI_VERB_GC, "1.1.0", ",\"cni.dev/valid-attachments\":{}", 7, "must be a list" },
		{ CNI_VERB_GC, "1.1.0", ",\"cni.dev/valid-attachments\":[{\"ifname\":\"e\"}]", 7,
			"cni.dev/valid-attachments[0]" },
	};
	struct cni_config config;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct failure failure = { 0 };

		assert_int_equal(parse_config(&config, rows[i].verb, rows[i].version, rows[i].more,
					 &failure),
			-1);
		if (failure.code != rows[i].code || !strstr(failure.msg, rows[i].says))
			fail_msg("%d: %s", failure.code, failure.msg);
	}
}

static void what_is_no_configuration_is_said_so(void **state)
{
	static const struct {
		const char *text;
		enum cni_code code;
		const char *says;
	} rows[] = {
		{ "", 6, "is not JSON" },
		{ "{", 6, "is not JSON" },
		{ "[]", 6, "is not a JSON object" },
		{ "{}", 1, "'0.1.0' is not supported" },
		{ "{\"cniVersion\":1}", 7, "cniVersion: must be a string" },
		{ "{\"cniVersion\":\"1.0.0\"}", 7, "name: is missing" },
		{ "{\"cniVersion\":\"1.0.0\",\"name\":\"a\"}", 7, "type: is missing" },
		{ "{\"cniVersion\":\"1.0.0\",\"name\":\"-\",\"type\":\"x\"}", 7, "name: '-'" },
	};
	struct cni_config config;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct failure failure = { 0 };

		assert_int_equal(cni_config_parse(&config, CNI_VERB_ADD, rows[i].text,
					 strlen(rows[i].text), &failure),
			-1);
		if (failure.code != rows[i].code || !strstr(failure.msg, rows[i].says))
			fail_msg("%d: %s", failure.code, failure.msg);
	}
}

/* So many attachments of a GC, as text; the caller frees. */
static char *valid_list(size_t n)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	assert_non_null(file);
	fputs(",\"cni.dev/valid-attachments\":[", file);
	for (size_t i = 0; i < n; i++)
		fprintf(file, "%s{\"containerID\":\"c%zu\",\"ifname\":\"eth0\"}", i ? "," : "", i);
	fputs("]", file);
	fclose(file);
	return text;
}

static void a_gc_has_a_limit(void **state)
{
	cleanup_free char *most = valid_list(CNI_VALID_MAX);
	cleanup_free char *more = valid_list(CNI_VALID_MAX + 1);
	struct failure failure = { 0 };
	struct cni_config config;

	(void)state;
	assert_int_equal(parse_config(&config, CNI_VERB_GC, "1.1.0", most, &failure), 0);
	assert_int_equal(json_array_size(config.valid), CNI_VALID_MAX);
	cni_config_done(&config);
	assert_int_equal(parse_config(&config, CNI_VERB_GC, "1.1.0", more, &failure), -1);
	assert_non_null(strstr(failure.msg, "more than the limit of 16384"));
	assert_int_equal(parse_config(&config, CNI_VERB_GC, "1.1.0",
				 ",\"cni.dev/valid-attachments\":null", &failure),
		0);
	assert_int_equal(json_array_size(config.valid), 0);
	cni_config_done(&config);
}

/* What became wrong with a configuration since ADD is no reason to keep a port. */
static void del_looks_at_no_more_than_it_needs(void **state)
{
	struct failure failure = { 0 };
	struct cni_config config;

	(void)state;
	assert_int_equal(parse_config(&config, CNI_VERB_DEL, "0.4.0",
				 ",\"mtu\":1,\"project\":7,\"dns\":7,\"prevResult\":7", &failure),
		0);
	cni_config_done(&config);
}

static void the_project_is_one(void **state)
{
	struct cni_env none = env, red = env;
	struct failure failure = { 0 };
	struct cni_config config;
	const char *project;

	(void)state;
	strcpy(red.project, "red");
	assert_int_equal(parse_config(&config, CNI_VERB_ADD, "1.1.0", "", &failure), 0);
	assert_int_equal(cni_config_project(&config, &none, &project, &failure), -1);
	assert_non_null(strstr(failure.msg, "no project"));
	assert_int_equal(cni_config_project(&config, &red, &project, &failure), 0);
	assert_string_equal(project, "red");
	cni_config_done(&config);
	assert_int_equal(
		parse_config(&config, CNI_VERB_ADD, "1.1.0", ",\"project\":\"blue\"", &failure), 0);
	assert_int_equal(cni_config_project(&config, &none, &project, &failure), 0);
	assert_string_equal(project, "blue");
	assert_int_equal(cni_config_project(&config, &red, &project, &failure), -1);
	assert_int_equal(failure.code, CNI_INVALID_CONFIG);
	cni_config_done(&config);
}

static void versions_are_listed(void **state)
{
	static const char *const inputs[][2] = {
		{ "{\"cniVersion\":\"0.4.0\"}", "0.4.0" },
		{ "{\"cniVersion\":\"9.0.0\"}", "1.1.0" },
		{ "", "1.1.0" },
		{ "nonsense", "1.1.0" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(inputs); i++) {
		json_t *answer = cni_config_versions(inputs[i][0], strlen(inputs[i][0]));

		assert_string_equal(
			json_string_value(json_object_get(answer, "cniVersion")), inputs[i][1]);
		assert_int_equal(json_array_size(json_object_get(answer, "supportedVersions")), 3);
		json_decref(answer);
	}
}

/* ---- results ------------------------------------------------------------------------------- */

static void result_is(const char *version, const char *more, const char *expected)
{
	struct failure failure = { 0 };
	struct cni_config config;
	cleanup_free char *text = NULL;
	json_t *result, *wanted = json_loads(expected, 0, NULL);

	assert_non_null(wanted);
	assert_int_equal(parse_config(&config, CNI_VERB_ADD, version, more, &failure), 0);
	assert_int_equal(cni_result_check_prev(&config, &env, &failure), 0);
	assert_int_equal(cni_result_make(&config, &env, &attached, &result, &failure), 0);
	text = json_dumps(result, 0);
	if (!json_equal(result, wanted))
		fail_msg("%s", text);
	config.prev_result = result;
	assert_int_equal(cni_result_compare(&config, &env, &attached, &failure), 0);
	json_decref(result);
	json_decref(wanted);
	cni_config_done(&config);
}

static void results_are_as_their_version_says(void **state)
{
	(void)state;
	result_is("0.4.0", "",
		"{\"cniVersion\":\"0.4.0\",\"interfaces\":[{\"name\":\"bhabcdefghijklm\"},"
		"{\"name\":\"eth0\",\"mac\":\"0a:58:0a:80:00:05\",\"sandbox\":\"/run/netns/c1\"}],"
		"\"ips\":[{\"version\":\"4\",\"address\":\"10.128.0.5/14\",\"interface\":1}]}");
	result_is("1.0.0", ",\"dns\":{\"domain\":\"d\"}",
		"{\"cniVersion\":\"1.0.0\",\"interfaces\":[{\"name\":\"bhabcdefghijklm\"},"
		"{\"name\":\"eth0\",\"mac\":\"0a:58:0a:80:00:05\",\"sandbox\":\"/run/netns/c1\"}],"
		"\"ips\":[{\"address\":\"10.128.0.5/14\",\"interface\":1}],"
		"\"dns\":{\"domain\":\"d\"}}");
	result_is("1.1.0",
		",\"dns\":{\"domain\":\"d\"}" PREV(
			"\"interfaces\":[{\"name\":\"lo\",\"sandbox\":\"/run/netns/c1\"}],"
			"\"ips\":[{\"address\":\"127.0.0.1/8\",\"interface\":0}],"
			"\"dns\":{\"domain\":\"e\"},\"routes\":[{\"dst\":\"0.0.0.0/0\"}]"),
		"{\"cniVersion\":\"1.1.0\",\"interfaces\":["
		"{\"name\":\"lo\",\"sandbox\":\"/run/netns/c1\"},{\"name\":\"bhabcdefghijklm\"},"
		"{\"name\":\"eth0\",\"mac\":\"0a:58:0a:80:00:05\",\"mtu\":1450,"
		"\"sandbox\":\"/run/netns/c1\"}],"
		"\"ips\":[{\"address\":\"127.0.0.1/8\",\"interface\":0},"
		"{\"address\":\"10.128.0.5/14\",\"interface\":2}],"
		"\"dns\":{\"domain\":\"e\"},\"routes\":[{\"dst\":\"0.0.0.0/0\"}]}");
}

static void wrong_prev_results_are_named(void **state)
{
	static const struct {
		const char *prev;
		const char *says;
	} rows[] = {
		{ ",\"prevResult\":7", "prevResult: must be an object" },
		{ PREV("\"cniVersion\":\"0.4.0\""), "prevResult.cniVersion: must be" },
		{ PREV("\"interfaces\":{}"), "prevResult.interfaces: must be a list" },
		{ PREV("\"interfaces\":[{}]"), "prevResult.interfaces[0]" },
		{ PREV("\"interfaces\":[{\"name\":\"a\",\"mac\":1}]"), "prevResult.interfaces[0]" },
		{ PREV("\"ips\":{}"), "prevResult.ips: must be a list" },
		{ PREV("\"ips\":[{}]"), "prevResult.ips[0].address" },
		{ PREV("\"ips\":[{\"address\":\"a\",\"interface\":0}]"),
			"prevResult.ips[0].interface: must be a number below 0" },
		{ PREV("\"interfaces\":[{\"name\":\"eth0\",\"sandbox\":\"/run/netns/c1\"}]"),
			"is another plugin's already" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct failure failure = { 0 };
		struct cni_config config;

		assert_int_equal(
			parse_config(&config, CNI_VERB_ADD, "1.1.0", rows[i].prev, &failure), 0);
		assert_int_equal(cni_result_check_prev(&config, &env, &failure), -1);
		assert_int_equal(failure.code, CNI_INVALID_CONFIG);
		if (!strstr(failure.msg, rows[i].says))
			fail_msg("%s", failure.msg);
		cni_config_done(&config);
	}
}

static void check_finds_what_differs(void **state)
{
	static const struct {
		const char *prev;
		enum cni_code code;
		const char *says;
	} rows[] = {
		{ "", CNI_INVALID_CONFIG, "prevResult: is missing" },
		{ PREV(""), CNI_DIFFERS, "no interface 'eth0' of '/run/netns/c1'" },
		{ PREV("\"interfaces\":[{\"name\":\"eth0\",\"sandbox\":\"/other\"}]"), CNI_DIFFERS,
			"no interface 'eth0'" },
		{ PREV("\"interfaces\":[{\"name\":\"eth0\",\"sandbox\":\"/run/netns/c1\","
		       "\"mac\":\"0a:58:0a:80:00:06\"}]"),
			CNI_DIFFERS, "mac: prevResult has '0a:58:0a:80:00:06'" },
		{ PREV("\"interfaces\":[{\"name\":\"eth0\",\"sandbox\":\"/run/netns/c1\"}]"),
			CNI_DIFFERS, "no interface 'bhabcdefghijklm'" },
		{ PREV("\"interfaces\":[{\"name\":\"eth0\",\"sandbox\":\"/run/netns/c1\"},"
		       "{\"name\":\"bhabcdefghijklm\"}]"),
			CNI_DIFFERS, "address: prevResult has none" },
		{ PREV("\"interfaces\":[{\"name\":\"eth0\",\"sandbox\":\"/run/netns/c1\"},"
		       "{\"name\":\"bhabcdefghijklm\",\"sandbox\":\"\"}],"
		       "\"ips\":[{\"address\":\"10.128.0.5/14\",\"interface\":0},"
		       "{\"address\":\"10.128.0.6/14\",\"interface\":0}]"),
			CNI_DIFFERS, "prevResult has '10.128.0.6/14', the node 10.128.0.5/14" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct failure failure = { 0 };
		struct cni_config config;

		assert_int_equal(
			parse_config(&config, CNI_VERB_CHECK, "1.1.0", rows[i].prev, &failure), 0);
		assert_int_equal(cni_result_compare(&config, &env, &attached, &failure), -1);
		if (failure.code != rows[i].code || !strstr(failure.msg, rows[i].says))
			fail_msg("%d: %s", failure.code, failure.msg);
		cni_config_done(&config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_have_their_grammar),
		cmocka_unit_test(an_attachment_has_a_number_of_its_own),
		cmocka_unit_test(the_environment_is_taken_apart),
		cmocka_unit_test(wrong_arguments_are_named),
		cmocka_unit_test(each_verb_needs_its_variables),
		cmocka_unit_test(a_configuration_is_taken_apart),
		cmocka_unit_test(wrong_configurations_are_named),
		cmocka_unit_test(what_is_no_configuration_is_said_so),
		cmocka_unit_test(a_gc_has_a_limit),
		cmocka_unit_test(del_looks_at_no_more_than_it_needs),
		cmocka_unit_test(the_project_is_one),
		cmocka_unit_test(versions_are_listed),
		cmocka_unit_test(results_are_as_their_version_says),
		cmocka_unit_test(wrong_prev_results_are_named),
		cmocka_unit_test(check_finds_what_differs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
