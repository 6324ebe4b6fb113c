/* Reviews for a project: every constraint's opinion, and whether applying the pod would work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/explain.h"
#include "lib/cleanup.h"
#include "proto/text.h"
#include "tests/unit/pss_pod.h"

static const struct project_facts red = {
	.name = "red",
	.uids = { 1000010000, 10000 },
	.mcs = "s0:c3,c2",
};

static char *user_groups[] = { (char *)(uintptr_t) "system:authenticated" };
static const struct scc_subject user = {
	.name = (char *)(uintptr_t) "someone",
	.groups = user_groups,
	.groups_len = 1,
};
static const struct scc_subject master = { .name = (char *)(uintptr_t) "admin", .all = true };

/* The review of an ordinary pod with a change. To be freed by the caller. */
static Bulkhead__V1__ReviewPodResponse *review(const char *patch, const struct scc_subject *who)
{
	json_t *json = pss_json("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'web'},"
				"'spec':{'initContainers':[{'name':'i','image':'busybox:1'}],"
				"'containers':[{'name':'c','image':'busybox:1'}]}}");
	Bulkhead__V1__ReviewPodResponse *response = NULL;
	struct error err = { 0 };
	K8sPod *pod;

	pss_patch(json, patch);
	pod = pss_pod_of(json);
	json_decref(json);
	if (explain_review(pod, &red, who, "node1", &response, &err) < 0)
		fail_msg("%s: %s", patch, err.text);
	k8s_pod_free(pod);
	return response;
}

static void done(Bulkhead__V1__ReviewPodResponse *response)
{
	bulkhead__v1__review_pod_response__free_unpacked(response, NULL);
}

static const Bulkhead__V1__ConstraintReview *of(
	const Bulkhead__V1__ReviewPodResponse *response, const char *constraint)
{
	for (size_t i = 0; i < response->n_reviews; i++) {
		if (strcmp(response->reviews[i]->constraint, constraint) == 0)
			return response->reviews[i];
	}
	fail_msg("no review of %s", constraint);
	return NULL;
}

/* The one violation outside of constraints. */
static void assert_violation(const Bulkhead__V1__ReviewPodResponse *response, const char *check,
	const char *field, const char *reason)
{
	assert_false(response->allowed);
	for (size_t i = 0; i < response->n_violations; i++) {
		const Bulkhead__V1__Violation *v = response->violations[i];

		if (strcmp(v->check, check) == 0 && strcmp(v->field, field) == 0) {
			assert_non_null(strstr(v->reason, reason));
			return;
		}
	}
	fail_msg("nothing by %s on %s", check, field);
}

static void ordinary_pod_is_allowed(void **state)
{
	Bulkhead__V1__ReviewPodResponse *r = review("{}", &user);

	(void)state;
	assert_true(r->allowed);
	assert_string_equal(r->constraint, "restricted-v2");
	assert_int_equal(r->n_violations, 0);
	assert_int_equal(r->n_reviews, scc_count());
	for (size_t i = 0; i < r->n_reviews; i++)
		assert_string_equal(r->reviews[i]->constraint, scc_at(i)->name);
	assert_true(of(r, "restricted-v2")->usable);
	assert_true(of(r, "restricted-v2")->allowed);
	assert_false(of(r, "privileged")->usable);
	done(r);
}

static void denied_with_every_reason(void **state)
{
	Bulkhead__V1__ReviewPodResponse *r =
		review("{'c':{'securityContext':{'privileged':true}}}", &user);
	const Bulkhead__V1__ConstraintReview *v2 = of(r, "restricted-v2");
	struct error err = { 0 };
	cleanup_free char *text = NULL;

	(void)state;
	assert_false(r->allowed);
	assert_string_equal(r->constraint, "");
	assert_false(v2->allowed);
	assert_string_equal(
		v2->violations[0]->field, "spec.containers[0].securityContext.privileged");
	assert_true(of(r, "privileged")->allowed);
	assert_false(of(r, "privileged")->usable);
	assert_int_equal(explain_review_json(r, &text, &err), 0);
	assert_non_null(strstr(text, "\"allowed\": false"));
	assert_non_null(strstr(text, "\"check\": \"restricted-v2\""));
	done(r);
}

/* Who may use every constraint sees the one that would be taken. */
static void master_uses_what_the_account_may_not(void **state)
{
	Bulkhead__V1__ReviewPodResponse *r =
		review("{'c':{'securityContext':{'capabilities':{'add':['SETUID']}}}}", &master);

	(void)state;
	assert_string_equal(r->constraint, "nested-container");
	assert_true(of(r, "privileged")->usable);
	assert_false(of(r, "restricted-v2")->allowed);
	done(r);
}

static void nobody_but_the_account(void **state)
{
	Bulkhead__V1__ReviewPodResponse *r = review("{}", NULL);

	(void)state;
	assert_true(r->allowed);
	assert_string_equal(r->constraint, "restricted-v2");
	done(r);
}

static void invalid_pod_is_denied(void **state)
{
	Bulkhead__V1__ReviewPodResponse *r = review(
		"{'meta':{'name':'Not A Name'},'spec':{'restartPolicy':'Sometimes'}}", &user);

	(void)state;
	assert_violation(r, "validate", "metadata.name", "");
	assert_violation(r, "validate", "spec.restartPolicy", "");
	/* Constraints have their say nonetheless. */
	assert_string_equal(r->constraint, "restricted-v2");
	done(r);
}

static void what_is_not_honoured_is_denied(void **state)
{
	Bulkhead__V1__ReviewPodResponse *r =
		review("{'spec':{'runtimeClassName':'kata','nodeName':'elsewhere'}}", &user);

	(void)state;
	assert_violation(r, "honoured", "spec.runtimeClassName", "");
	assert_violation(r, "honoured", "spec.nodeName", "");
	done(r);
	r = review("{'spec':{'nodeName':'node1'}}", &user);
	assert_true(r->allowed);
	done(r);
}

static void other_namespace_is_said(void **state)
{
	Bulkhead__V1__ReviewPodResponse *r = review("{'meta':{'namespace':'blue'}}", &user);

	(void)state;
	assert_violation(r, "validate", "metadata.namespace", "'blue'");
	done(r);
	r = review("{'meta':{'namespace':'red'}}", &user);
	assert_true(r->allowed);
	done(r);
}

static void required_constraint(void **state)
{
	Bulkhead__V1__ReviewPodResponse *r = review(
		"{'meta':{'annotations':{'openshift.io/required-scc':'restricted-v3'}}}", &user);

	(void)state;
	assert_true(r->allowed);
	assert_string_equal(r->constraint, "restricted-v3");
	done(r);
	r = review("{'meta':{'annotations':{'openshift.io/required-scc':'no-such'}}}", &user);
	assert_violation(r, "scc", "metadata.annotations[openshift.io/required-scc]", "no-such");
	done(r);
}

/* 'n' privileged containers, for each of which every narrow constraint has an objection. */
static Bulkhead__V1__ReviewPodResponse *review_many(int n, const char *name)
{
	json_t *json = json_object(), *spec = json_object(), *list = json_array();
	Bulkhead__V1__ReviewPodResponse *r;
	cleanup_free char *patch = NULL;

	for (int i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:{s:b}}", "name", name, "image",
						    "i", "securityContext", "privileged", 1));
	json_object_set_new(spec, "containers", list);
	json_object_set_new(json, "spec", spec);
	patch = json_dumps(json, 0);
	json_decref(json);
	r = review(patch, &user);
	return r;
}

/* One too many is counted, not listed. */
static void too_many_objections(void **state)
{
	(void)state;
	for (int more = 0; more < 2; more++) {
		Bulkhead__V1__ReviewPodResponse *r = review_many(EXPLAIN_LISTED_MAX - 2, "x");
		const Bulkhead__V1__ConstraintReview *any = of(r, "anyuid");
		size_t base = any->n_violations;

		done(r);
		assert_true(base < EXPLAIN_LISTED_MAX);
		r = review_many(EXPLAIN_LISTED_MAX + more, "x");
		any = of(r, "anyuid");
		assert_int_equal(any->n_violations, EXPLAIN_LISTED_MAX + more);
		if (more)
			assert_string_equal(any->violations[EXPLAIN_LISTED_MAX]->reason,
				"and 1 more that are not listed");
		done(r);
	}
}

/* The answer fits into one message, whatever a manifest of the greatest size holds. */
static void answer_stays_small(void **state)
{
	cleanup_free char *name = malloc(2001);
	Bulkhead__V1__ReviewPodResponse *r;

	(void)state;
	for (size_t i = 0; i < 2000; i++)
		name[i] = i % 2 ? '\xa9' : '\xc3';
	name[2000] = '\0';
	r = review_many(30, name);
	assert_true(protobuf_c_message_get_packed_size(&r->base) < (1 << 20));
	for (size_t i = 0; i < r->n_violations; i++) {
		const char *reason = r->violations[i]->reason;

		assert_true(strlen(reason) <= EXPLAIN_TEXT_MAX);
		assert_true(text_utf8(reason, strlen(reason), NULL));
	}
	done(r);
}

/* An invalid pod that is too large is not put to the constraints, which says so by no reviews. */
static void large_invalid_pod(void **state)
{
	cleanup_free char *name = malloc(EXPLAIN_INVALID_SIZE_MAX);
	Bulkhead__V1__ReviewPodResponse *r;

	(void)state;
	memset(name, 'n', EXPLAIN_INVALID_SIZE_MAX);
	name[EXPLAIN_INVALID_SIZE_MAX - 1] = '\0';
	r = review_many(1, name);
	assert_false(r->allowed);
	assert_true(r->n_violations > 0);
	assert_int_equal(r->n_reviews, 0);
	done(r);
	name[EXPLAIN_INVALID_SIZE_MAX / 2] = '\0';
	r = review_many(1, name);
	assert_false(r->allowed);
	assert_int_equal(r->n_reviews, scc_count());
	done(r);
}

static void long_text_is_cut(void **state)
{
	char patch[2048] = "{'c':{'securityContext':{'capabilities':{'add':['";
	static const char around[] = "capability \"\" may not be added";
	size_t start = strlen(patch);

	(void)state;
	for (size_t more = 0; more < 2; more++) {
		size_t len = EXPLAIN_TEXT_MAX - strlen(around) + more;
		Bulkhead__V1__ReviewPodResponse *r;
		const char *reason;

		memset(patch + start, 'A', len);
		strcpy(patch + start + len, "']}}}}");
		r = review(patch, &user);
		reason = of(r, "restricted-v2")->violations[0]->reason;
		assert_int_equal(strlen(reason), EXPLAIN_TEXT_MAX);
		assert_string_equal(reason + EXPLAIN_TEXT_MAX - 5, more ? " a..." : "added");
		done(r);
	}
}

static void text_is_cut_between_characters(void **state)
{
	char patch[2048] = "{'c':{'securityContext':{'capabilities':{'add':['";
	size_t used = strlen(patch);
	Bulkhead__V1__ReviewPodResponse *r;
	const char *reason;

	(void)state;
	for (int i = 0; i < EXPLAIN_TEXT_MAX; i++, used += 2)
		memcpy(patch + used, "\xc3\xa9", 2);
	strcpy(patch + used, "']}}}}");
	r = review(patch, &user);
	reason = of(r, "restricted-v2")->violations[0]->reason;
	assert_true(text_utf8(reason, strlen(reason), NULL));
	assert_string_equal(reason + strlen(reason) - 5, "\xc3\xa9...");
	done(r);
}

static void pod_stays_as_it_is(void **state)
{
	json_t *json = pss_least(PSS_BASELINE, 0);
	K8sPod *pod = pss_pod_of(json);
	size_t size = protobuf_c_message_get_packed_size(&pod->base);
	cleanup_free uint8_t *before = malloc(size);
	cleanup_free uint8_t *after = NULL;
	Bulkhead__V1__ReviewPodResponse *r;
	struct error err = { 0 };

	(void)state;
	json_decref(json);
	protobuf_c_message_pack(&pod->base, before);
	assert_int_equal(explain_review(pod, &red, &user, "node1", &r, &err), 0);
	assert_int_equal(protobuf_c_message_get_packed_size(&pod->base), size);
	after = malloc(size);
	protobuf_c_message_pack(&pod->base, after);
	assert_memory_equal(before, after, size);
	done(r);
	k8s_pod_free(pod);
}

static void empty_pod_is_denied(void **state)
{
	Bulkhead__V1__ReviewPodResponse *r;
	K8sPod pod = K8S_POD_INIT;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(explain_review(&pod, &red, &user, "node1", &r, &err), 0);
	assert_violation(r, "validate", "spec.containers", "");
	done(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_pod_is_allowed),
		cmocka_unit_test(denied_with_every_reason),
		cmocka_unit_test(master_uses_what_the_account_may_not),
		cmocka_unit_test(nobody_but_the_account),
		cmocka_unit_test(invalid_pod_is_denied),
		cmocka_unit_test(what_is_not_honoured_is_denied),
		cmocka_unit_test(other_namespace_is_said),
		cmocka_unit_test(required_constraint),
		cmocka_unit_test(too_many_objections),
		cmocka_unit_test(answer_stays_small),
		cmocka_unit_test(large_invalid_pod),
		cmocka_unit_test(long_text_is_cut),
		cmocka_unit_test(text_is_cut_between_characters),
		cmocka_unit_test(pod_stays_as_it_is),
		cmocka_unit_test(empty_pod_is_denied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
