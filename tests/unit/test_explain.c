/* What explain says, as data: verdicts, and the JSON that a machine reads back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/explain.h"
#include "lib/cleanup.h"
#include "tests/unit/pss_pod.h"

static K8sPod *pod_with(const char *patch)
{
	json_t *json = pss_least(PSS_RESTRICTED, PSS_MINOR_MAX);
	K8sPod *pod;

	pss_patch(json, patch);
	pod = pss_pod_of(json);
	json_decref(json);
	return pod;
}

static const char *string_at(const json_t *list, size_t i, const char *key)
{
	return json_string_value(json_object_get(json_array_get(list, i), key));
}

static json_t *read_back(const char *text)
{
	json_error_t error;
	json_t *json;

	assert_int_equal(text[strlen(text) - 1], '\n');
	json = json_loads(text, 0, &error);
	if (!json)
		fail_msg("%s: %s", error.text, text);
	return json;
}

static void policy_verdicts(void **state)
{
	K8sPod *pod = pod_with("{'spec':{'hostPID':true}}");
	struct violations found = { 0 };
	struct error err = { 0 };

	(void)state;
	assert_int_equal(explain_policy(pod, "privileged:v1.37", &found, &err), 0);
	assert_false(violations_any(&found));
	assert_int_equal(explain_policy(pod, "baseline:v1.0", &found, &err), 0);
	assert_int_equal(found.n, 1);
	assert_string_equal(found.items[0].field, "spec.hostPID");
	violations_done(&found);
	assert_int_equal(explain_policy(pod, "restricted:v9", &found, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_false(violations_any(&found));
	k8s_pod_free(pod);
}

/* hostUsers is false by our own default; what upstream relaxes for it must not be relaxed by it. */
static void pod_is_judged_as_written(void **state)
{
	K8sPod *pod = pod_with("{'spec':{'securityContext':{'runAsUser':0}}}");
	struct violations found = { 0 };
	struct error err = { 0 };

	(void)state;
	assert_int_equal(explain_policy(pod, "restricted:v1.37", &found, &err), 0);
	assert_int_equal(found.n, 1);
	assert_string_equal(found.items[0].check, "runAsUser");
	violations_done(&found);
	k8s_pod_free(pod);
}

static void json_of_a_verdict(void **state)
{
	struct violations found = { 0 };
	struct error err = { 0 };
	cleanup_free char *text = NULL;
	json_t *json, *list;

	(void)state;
	violation_add(&found, ERR_DENIED, "hostPorts", "spec.a", "a \"quoted\"\n\xc3\xa9 reason");
	violation_add(&found, ERR_DENIED, "other", "", "b");
	assert_int_equal(explain_json(false, &found, &text, &err), 0);
	violations_done(&found);
	json = read_back(text);
	list = json_object_get(json, "violations");
	assert_true(json_is_false(json_object_get(json, "allowed")));
	assert_int_equal(json_object_size(json), 2);
	assert_int_equal(json_array_size(list), 2);
	assert_int_equal(json_object_size(json_array_get(list, 0)), 3);
	assert_string_equal(string_at(list, 0, "check"), "hostPorts");
	assert_string_equal(string_at(list, 0, "field"), "spec.a");
	assert_string_equal(string_at(list, 0, "reason"), "a \"quoted\"\n\xc3\xa9 reason");
	assert_string_equal(string_at(list, 1, "field"), "");
	json_decref(json);
}

static void json_when_allowed(void **state)
{
	struct violations found = { 0 };
	struct error err = { 0 };
	cleanup_free char *text = NULL;
	json_t *json;

	(void)state;
	assert_int_equal(explain_json(true, &found, &text, &err), 0);
	json = read_back(text);
	assert_true(json_is_true(json_object_get(json, "allowed")));
	assert_true(json_is_array(json_object_get(json, "violations")));
	assert_int_equal(json_array_size(json_object_get(json, "violations")), 0);
	json_decref(json);
}

/* One too many for the list is said; half a character at the end of a cut reason is dropped. */
static void json_of_what_is_too_much(void **state)
{
	struct violations found = { 0 };
	struct error err = { 0 };
	cleanup_free char *text = NULL;
	json_t *json, *list;

	(void)state;
	for (size_t i = 0; i <= VIOLATIONS_MAX; i++)
		violation_add(&found, ERR_DENIED, "c", "f", "cut \xc3");
	assert_int_equal(explain_json(false, &found, &text, &err), 0);
	violations_done(&found);
	json = read_back(text);
	list = json_object_get(json, "violations");
	assert_int_equal(json_array_size(list), VIOLATIONS_MAX + 1);
	assert_string_equal(string_at(list, 0, "reason"), "cut ");
	assert_string_equal(string_at(list, VIOLATIONS_MAX, "check"), "more");
	assert_non_null(strstr(string_at(list, VIOLATIONS_MAX, "reason"), "1 more"));
	json_decref(json);
}

static void incomplete_list_is_no_verdict(void **state)
{
	struct violations found = { .no_memory = true };
	struct error err = { 0 };
	char *text = NULL;

	(void)state;
	assert_int_equal(explain_json(true, &found, &text, &err), -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
	assert_null(text);
}

/* ---- reviews, as they come over the wire ---------------------------------------------------- */

#define T(s) ((char *)(uintptr_t)(s))

struct answer {
	Bulkhead__V1__ReviewPodResponse response;
	Bulkhead__V1__ConstraintReview usable, other;
	Bulkhead__V1__Violation of_usable, of_other, of_validation;
	Bulkhead__V1__Violation *lists[3];
	Bulkhead__V1__ConstraintReview *reviews[2];
};

static void violation_init(Bulkhead__V1__Violation *v, const char *check, const char *reason)
{
	bulkhead__v1__violation__init(v);
	v->check = T(check);
	v->field = T("spec");
	v->reason = T(reason);
}

/* A usable constraint and another, each with an objection, and one of validation. */
static void answer_init(struct answer *a, bool invalid)
{
	bulkhead__v1__review_pod_response__init(&a->response);
	bulkhead__v1__constraint_review__init(&a->usable);
	bulkhead__v1__constraint_review__init(&a->other);
	violation_init(&a->of_usable, "restricted-v2", "u");
	violation_init(&a->of_other, "privileged", "o");
	violation_init(&a->of_validation, "validate", "v");
	a->lists[0] = &a->of_usable;
	a->lists[1] = &a->of_other;
	a->lists[2] = &a->of_validation;
	a->usable.constraint = T("restricted-v2");
	a->usable.usable = true;
	a->usable.violations = &a->lists[0];
	a->usable.n_violations = 1;
	a->other.constraint = T("privileged");
	a->other.violations = &a->lists[1];
	a->other.n_violations = 1;
	a->reviews[0] = &a->usable;
	a->reviews[1] = &a->other;
	a->response.reviews = a->reviews;
	a->response.n_reviews = 2;
	a->response.violations = &a->lists[2];
	a->response.n_violations = invalid;
}

static void json_of_a_denied_review(void **state)
{
	struct answer a;
	struct error err = { 0 };
	cleanup_free char *text = NULL;
	json_t *json, *list, *reviews;

	(void)state;
	answer_init(&a, true);
	assert_int_equal(explain_review_json(&a.response, &text, &err), 0);
	json = read_back(text);
	list = json_object_get(json, "violations");
	reviews = json_object_get(json, "reviews");
	assert_true(json_is_false(json_object_get(json, "allowed")));
	assert_null(json_object_get(json, "constraint"));
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(string_at(list, 0, "check"), "validate");
	assert_string_equal(string_at(list, 1, "check"), "restricted-v2");
	assert_int_equal(json_array_size(reviews), 2);
	assert_string_equal(string_at(reviews, 1, "constraint"), "privileged");
	assert_true(json_is_false(json_object_get(json_array_get(reviews, 1), "usable")));
	list = json_object_get(json_array_get(reviews, 1), "violations");
	assert_string_equal(string_at(list, 0, "reason"), "o");
	json_decref(json);
}

static void json_of_an_allowed_review(void **state)
{
	struct answer a;
	struct error err = { 0 };
	cleanup_free char *text = NULL;
	json_t *json;

	(void)state;
	answer_init(&a, false);
	a.response.allowed = true;
	a.response.constraint = T("anyuid");
	assert_int_equal(explain_review_json(&a.response, &text, &err), 0);
	json = read_back(text);
	assert_true(json_is_true(json_object_get(json, "allowed")));
	assert_string_equal(json_string_value(json_object_get(json, "constraint")), "anyuid");
	assert_int_equal(json_array_size(json_object_get(json, "violations")), 0);
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policy_verdicts),
		cmocka_unit_test(pod_is_judged_as_written),
		cmocka_unit_test(json_of_a_verdict),
		cmocka_unit_test(json_when_allowed),
		cmocka_unit_test(json_of_what_is_too_much),
		cmocka_unit_test(incomplete_list_is_no_verdict),
		cmocka_unit_test(json_of_a_denied_review),
		cmocka_unit_test(json_of_an_allowed_review),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
