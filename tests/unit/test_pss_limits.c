/* Pod security standards: every way into a pod is judged; hostile text, and what is too much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/pss_finding.h"
#include "lib/cleanup.h"
#include "tests/unit/pss_pod.h"

static const struct pss_policy restricted = { PSS_RESTRICTED, false, PSS_MINOR_MAX };
static const struct pss_policy baseline = { PSS_BASELINE, false, PSS_MINOR_MAX };

/* ---- every way into a pod ------------------------------------------------------------------- */

static void ephemeral_containers_are_judged(void **state)
{
	cleanup_violations struct violations found = { 0 };
	cleanup_free char *message = pss_verdict(&baseline,
		"{'spec':{'ephemeralContainers':[{'name':'ok'},{'name':'bad','securityContext':"
		"{'privileged':true}}]}}",
		&found);

	(void)state;
	assert_int_equal(found.n, 1);
	assert_string_equal(
		found.items[0].field, "spec.ephemeralContainers[1].securityContext.privileged");
}

/* One that names only its target sets nothing, and that is what is judged. */
static void ephemeral_container_with_only_a_target(void **state)
{
	cleanup_violations struct violations found = { 0 };
	cleanup_free char *message = pss_verdict(&restricted,
		"{'spec':{'ephemeralContainers':[{'targetContainerName':'container1'}]}}", &found);

	(void)state;
	assert_int_equal(found.n, 2);
	assert_string_equal(found.items[0].field,
		"spec.ephemeralContainers[0].securityContext.allowPrivilegeEscalation");
	assert_string_equal(found.items[1].field,
		"spec.ephemeralContainers[0].securityContext.capabilities.drop");
}

static void pod_without_anything(void **state)
{
	cleanup_violations struct violations found = { 0 };
	K8sPod pod = K8S_POD_INIT;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(pss_judge(&restricted, &pod, &found, &err), 0);
	assert_int_equal(found.n, 0);
}

static void both_sources_of_a_volume_are_judged(void **state)
{
	static const struct {
		const char *source, *field;
	} rows[] = {
		{ "'hostPath':{'path':'/'}", "spec.volumes[0].hostPath" },    /* before emptyDir */
		{ "'nfs':{'server':'s','path':'/'}", "spec.volumes[0].nfs" }, /* behind it */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_violations struct violations found = { 0 };
		cleanup_free char *message = NULL;
		cleanup_free char *patch = NULL;

		assert_true(asprintf(&patch, "{'spec':{'volumes':[{'name':'v','emptyDir':{},%s}]}}",
				    rows[i].source) > 0);
		message = pss_verdict(&restricted, patch, &found);
		assert_int_equal(found.n, 1);
		assert_string_equal(found.items[0].field, rows[i].field);
	}
}

/* ---- bad text and limits -------------------------------------------------------------------- */

static void sentences_stay_one_line(void **state)
{
	cleanup_violations struct violations found = { 0 };
	cleanup_free char *message = pss_verdict(&baseline,
		"{'c':{'name':'a\\n\\u001b[2J\\u202eb\\u00e9','securityContext':{'privileged':true}"
		"}}",
		&found);

	(void)state;
	assert_string_equal(found.items[0].reason,
		"privileged (container \"a\\n\\x1b[2J\\u202eb\xc3\xa9\" must not set "
		"securityContext.privileged=true)");
}

static void fields_stay_one_line(void **state)
{
	cleanup_violations struct violations found = { 0 };
	cleanup_free char *message = pss_verdict(&baseline,
		"{'meta':{'annotations':{'container.apparmor.security.beta.kubernetes.io/"
		"a\\u202eb':'x'}}}",
		&found);

	(void)state;
	assert_string_equal(found.items[0].field,
		"metadata.annotations[container.apparmor.security.beta.kubernetes.io/a\\u202eb]");
	assert_non_null(strstr(found.items[0].reason, "/a\\u202eb="));
}

static void annotations_are_quoted_as_go_does(void **state)
{
	struct pss_finding f = { 0 };

	(void)state;
	pss_finding_annotation(&f, "k", "\a\t\"\\\x01\x7f\xc2\x85\xf3\xa0\x80\x81\xf0\x9f\x98\x80");
	assert_string_equal(f.values.items[0],
		"k=\"\\a\\t\\\"\\\\\\x01\\x7f\\u0085\\U000e0001\xf0\x9f\x98\x80\"");
	pss_finding_done(&f);
}

/* 'n' volumes whose names fill a sentence; 'path' for the hostPath that offends. */
static json_t *many_volumes(size_t n, const char *name)
{
	json_t *json = pss_least(PSS_RESTRICTED, PSS_MINOR_MAX);
	json_t *volumes = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(volumes,
			json_pack("{s:s, s:{s:s}}", "name", name, "hostPath", "path", "/"));
	json_object_set_new(json_object_get(json, "spec"), "volumes", volumes);
	return json;
}

static void judge_json(json_t *json, struct violations *found)
{
	struct error err = { 0 };
	K8sPod *pod = pss_pod_of(json);

	assert_int_equal(pss_judge(&restricted, pod, found, &err), 0);
	k8s_pod_free(pod);
	json_decref(json);
}

static void long_sentences_are_cut(void **state)
{
	cleanup_violations struct violations found = { 0 };
	char name[PSS_REASON_MAX];
	const char *reason;

	(void)state;
	for (size_t i = 0; i < sizeof(name) - 1; i++)
		name[i] = i % 2 ? '\xa9' : '\xc3';
	name[sizeof(name) - 2] = '\0'; /* whole characters only */
	judge_json(many_volumes(1, name), &found);
	reason = found.items[0].reason;
	assert_true(strlen(reason) < PSS_REASON_MAX);
	assert_true(strlen(reason) >= PSS_REASON_MAX - 6);
	assert_string_equal(reason + strlen(reason) - 5, "\xc3\xa9...");
}

static void sentence_that_just_fits_is_whole(void **state)
{
	static const char around[] = "restricted volume types (volume \"\" uses restricted volume "
				     "type \"hostPath\")";
	char name[PSS_REASON_MAX];

	(void)state;
	for (size_t more = 0; more < 2; more++) {
		cleanup_violations struct violations found = { 0 };
		size_t len = PSS_REASON_MAX - 1 - strlen(around) + more;
		const char *reason;

		memset(name, 'n', len);
		name[len] = '\0';
		judge_json(many_volumes(1, name), &found);
		reason = found.items[0].reason;
		assert_string_equal(reason + strlen(reason) - 3, more ? "..." : "h\")");
	}
}

/* One field too many for the list: counted, and no check is left out of it. */
static void too_many_fields_are_counted(void **state)
{
	for (size_t more = 0; more < 2; more++) {
		cleanup_violations struct violations found = { 0 };
		json_t *json = many_volumes(VIOLATIONS_MAX - 1 + more, "v");
		size_t users = 0;

		json_object_set_new(
			json_object_get(json_object_get(json, "spec"), "securityContext"),
			"runAsUser", json_integer(0));
		judge_json(json, &found);
		for (size_t i = 0; i < found.n; i++)
			users += strcmp(found.items[i].check, "runAsUser") == 0;
		assert_int_equal(users, 1);
		assert_int_equal(found.n + found.more, VIOLATIONS_MAX + more);
		assert_int_equal(found.more > 0, more);
	}
	(void)state;
}

static void full_list_only_counts(void **state)
{
	cleanup_violations struct violations found = { 0 };

	(void)state;
	for (size_t i = 0; i < VIOLATIONS_MAX; i++)
		violation_add(&found, ERR_INVALID, "other", "", "full");
	judge_json(many_volumes(3, "v"), &found);
	assert_int_equal(found.n, VIOLATIONS_MAX);
	assert_int_equal(found.more, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ephemeral_containers_are_judged),
		cmocka_unit_test(ephemeral_container_with_only_a_target),
		cmocka_unit_test(pod_without_anything),
		cmocka_unit_test(both_sources_of_a_volume_are_judged),
		cmocka_unit_test(sentences_stay_one_line),
		cmocka_unit_test(fields_stay_one_line),
		cmocka_unit_test(annotations_are_quoted_as_go_does),
		cmocka_unit_test(long_sentences_are_cut),
		cmocka_unit_test(sentence_that_just_fits_is_whole),
		cmocka_unit_test(too_many_fields_are_counted),
		cmocka_unit_test(full_list_only_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
