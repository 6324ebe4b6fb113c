/*
 * Which constraint admits a pod: the order and scores of OpenShift's defaults, who may use which,
 * the first that fits wins, required-scc, and what is left when none does.
 */
#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "auth/rbac.h"
#include "auth/scc.h"
#include "proto/encode.h"
#include "tests/unit/pod_cases.h"

static struct error err;

static const struct project_facts red = {
	.name = "red",
	.uids = { 1000010000, 10000 },
	.mcs = "s0:c3,c2",
};

static struct scc_subject account;

static int setup(void **state)
{
	(void)state;
	return scc_subject_service_account(&account, "red", "default", &err);
}

static int teardown(void **state)
{
	(void)state;
	scc_subject_done(&account);
	return 0;
}

static struct scc_subject user_in(const char *group)
{
	char *groups[] = { (char *)(uintptr_t)group };
	const struct principal who = { "jane", groups, 1 };
	struct scc_subject s;

	assert_int_equal(rbac_scc_subject(&who, &s, &err), 0);
	return s;
}

/* ---- the table ----------------------------------------------------------------------------- */

/* OpenShift's defaults, scored by byrestrictions.go and sorted by hand. */
static const struct {
	const char *name;
	int priority;
	unsigned score;
} order[] = {
	{ "anyuid", 10, 154950 },
	{ "restricted-v2", 0, 132010 },
	{ "restricted-v3", 0, 132010 },
	{ "restricted", 0, 134800 },
	{ "nested-container", 0, 135020 },
	{ "nonroot-v2", 0, 142010 },
	{ "nonroot", 0, 144800 },
	{ "hostmount-anyuid", 0, 254950 },
	{ "hostmount-anyuid-v2", 0, 284950 },
	{ "hostnetwork-v2", 0, 1332010 },
	{ "hostnetwork", 0, 1334800 },
	{ "hostaccess", 0, 1434800 },
	{ "privileged", 0, 3089000 },
};

static void test_order(void **state)
{
	(void)state;
	assert_int_equal(scc_count(), ARRAY_LEN(order));
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		const struct scc *scc = scc_at(i);

		assert_string_equal(scc->name, order[i].name);
		assert_int_equal(scc->priority, order[i].priority);
		if (scc_score(scc) != order[i].score)
			fail_msg("%s scores %u, not %u", scc->name, scc_score(scc), order[i].score);
		assert_ptr_equal(scc_find(scc->name), scc);
	}
	assert_null(scc_find("nosuch"));
	assert_null(scc_find(""));
}

/* By rule: priority down, score up, name. */
static void test_sorted(void **state)
{
	(void)state;
	for (size_t i = 1; i < scc_count(); i++) {
		const struct scc *a = scc_at(i - 1), *b = scc_at(i);

		assert_true(a->priority >= b->priority);
		if (a->priority != b->priority)
			continue;
		assert_true(scc_score(a) <= scc_score(b));
		if (scc_score(a) == scc_score(b))
			assert_true(strcmp(a->name, b->name) < 0);
	}
}

/* ---- who may use which --------------------------------------------------------------------- */

static void test_account(void **state)
{
	(void)state;
	assert_string_equal(account.name, "system:serviceaccount:red:default");
	assert_int_equal(account.groups_len, 3);
	assert_string_equal(account.groups[2], "system:serviceaccounts:red");
	for (size_t i = 0; i < scc_count(); i++) {
		const char *name = scc_at(i)->name;

		assert_int_equal(scc_usable(scc_at(i), &account),
			strcmp(name, "restricted-v2") == 0 || strcmp(name, "restricted-v3") == 0);
		assert_false(scc_usable(scc_at(i), NULL));
	}
}

static void test_groups(void **state)
{
	static const struct {
		const char *group;
		const char *usable; /* besides restricted-v2 and -v3 */
	} rows[] = {
		{ "system:cluster-admins", "anyuid privileged" },
		{ "system:nodes", "privileged" },
		{ "system:masters", NULL }, /* all */
		{ "bulkhead:project:red:edit", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct scc_subject user = user_in(rows[i].group);

		for (size_t k = 0; k < scc_count(); k++) {
			const char *name = scc_at(k)->name;
			bool want = !rows[i].usable || strstr(rows[i].usable, name) ||
				    strncmp(name, "restricted-v", 12) == 0;

			if (scc_usable(scc_at(k), &user) != want)
				fail_msg("%s: %s", rows[i].group, name);
		}
		scc_subject_done(&user);
	}
}

/* ---- admission ----------------------------------------------------------------------------- */

/* What a plain pod becomes under restricted-v2. */
static void test_restricted_v2(void **state)
{
	K8sPod *pod = case_pod(POD("containers: [{name: c, image: i}, {name: d, image: i}]"));
	struct scc_result result;
	K8sPodSecurityContext *p;

	(void)state;
	assert_int_equal(scc_admit(&account, NULL, &red, pod, &result, NULL, &err), 0);
	assert_string_equal(result.scc->name, "restricted-v2");
	assert_string_equal(result.subject, "serviceaccount");
	assert_string_equal(view_annotation(pod, SCC_ANNOTATION), "restricted-v2");
	assert_string_equal(view_annotation(pod, SCC_ANNOTATION_SUBJECT), "serviceaccount");
	assert_string_equal(view_annotation(pod, VIEW_SECCOMP_ANNOTATION), "runtime/default");
	p = pod->spec->securitycontext;
	assert_true(p->has_fsgroup);
	assert_int_equal(p->fsgroup, 1000010000);
	assert_int_equal(p->n_supplementalgroups, 0);
	assert_string_equal(p->selinuxoptions->level, "s0:c3,c2");
	assert_string_equal(p->seccompprofile->type, "RuntimeDefault");
	assert_false(p->has_runasuser);
	for (size_t i = 0; i < pod->spec->n_containers; i++) {
		K8sSecurityContext *s = pod->spec->containers[i]->securitycontext;

		assert_true(s->has_runasuser);
		assert_int_equal(s->runasuser, 1000010000);
		assert_true(s->has_runasnonroot && s->runasnonroot);
		assert_true(s->has_allowprivilegeescalation && !s->allowprivilegeescalation);
		assert_false(s->has_readonlyrootfilesystem);
		assert_false(s->has_privileged);
		assert_int_equal(s->capabilities->n_drop, 1);
		assert_string_equal(s->capabilities->drop[0], "ALL");
		assert_int_equal(s->capabilities->n_add, 0);
	}
	k8s_pod_free(pod);
}

/* Admitting what was admitted changes nothing more. */
static void test_again(void **state)
{
	K8sPod *pod = case_pod(POD(ONE));
	struct scc_result result;
	char *before, *after;

	(void)state;
	assert_int_equal(scc_admit(&account, NULL, &red, pod, &result, NULL, &err), 0);
	assert_int_equal(encode_json(&pod->base, NULL, NULL, false, &before, &err), 0);
	assert_int_equal(scc_admit(&account, NULL, &red, pod, &result, NULL, &err), 0);
	assert_int_equal(encode_json(&pod->base, NULL, NULL, false, &after, &err), 0);
	assert_string_equal(before, after);
	free(before);
	free(after);
	k8s_pod_free(pod);
}

/* By whom and by what each is admitted; NULL: by nothing. */
struct row {
	const char *group; /* of the user; NULL: no user */
	const char *yaml;
	const char *scc;
	const char *subject;
};

#define SC(fields)   CONTAINER("securityContext: {" fields "}")
#define REQUIRE(scc) META("name: p, annotations: {openshift.io/required-scc: " scc "}")

/* clang-format off */
static const struct row rows[] = {
	{ NULL, POD(ONE), "restricted-v2", "serviceaccount" },
	/* upstream an administrator's anyuid would win here; ours tries the account first */
	{ "system:cluster-admins", POD(ONE), "restricted-v2", "serviceaccount" },
	{ "system:masters", POD(ONE), "restricted-v2", "serviceaccount" },
	{ NULL, SC("runAsUser: 0"), NULL, NULL },
	{ "bulkhead:project:red:edit", SC("runAsUser: 0"), NULL, NULL },
	{ "system:cluster-admins", SC("runAsUser: 0"), "anyuid", "user" },
	{ "system:nodes", SC("runAsUser: 0"), "privileged", "user" },
	{ NULL, SC("runAsUser: 1000015000"), "restricted-v2", "serviceaccount" },
	{ NULL, SC("runAsUser: 1000020000"), NULL, NULL },
	/* small ids are restricted-v3's, for the pod has a user namespace */
	{ NULL, SC("runAsUser: 1000"), "restricted-v3", "serviceaccount" },
	{ NULL, POD("hostUsers: true, containers: [{name: c, image: i, securityContext: {runAsUser: 1000}}]"), NULL, NULL },
	{ "system:masters", SC("privileged: true"), "privileged", "user" },
	{ "system:cluster-admins", SC("privileged: true"), "privileged", "user" },
	{ NULL, SC("privileged: true"), NULL, NULL },
	{ "system:masters", SPEC("hostNetwork: true"), "hostnetwork-v2", "user" },
	{ "system:masters", SPEC("hostPID: true"), "hostaccess", "user" },
	{ "system:masters", VOLUME("hostPath: {path: /a}"), "hostmount-anyuid", "user" },
	{ NULL, VOLUME("hostPath: {path: /a}"), NULL, NULL },
	/* one container that fits does not help another that does not */
	{ "system:cluster-admins", POD("containers: [{name: c, image: i}, {name: d, image: i, securityContext: {runAsUser: 0}}]"), "anyuid", "user" },
	{ NULL, POD("initContainers: [{name: a, image: i, securityContext: {runAsUser: 0}}], containers: [{name: c, image: i}]"), NULL, NULL },
	{ NULL, POD("containers: [{name: c, image: i}], ephemeralContainers: [{name: e, image: i, securityContext: {runAsUser: 0}}]"), NULL, NULL },
	{ NULL, REQUIRE("restricted-v3"), "restricted-v3", "serviceaccount" },
	{ NULL, REQUIRE("anyuid"), NULL, NULL },
	{ "system:cluster-admins", REQUIRE("anyuid"), "anyuid", "user" },
	{ "system:masters", REQUIRE("restricted"), "restricted", "user" },
	{ "system:masters", REQUIRE("nosuch"), NULL, NULL },
	{ "system:masters", REQUIRE("\"\""), NULL, NULL },
	/* what an author writes of the outcome is overwritten */
	{ NULL, META("name: p, annotations: {openshift.io/scc: privileged}"), "restricted-v2", "serviceaccount" },
};
/* clang-format on */

static void check_row(const struct row *row)
{
	cleanup_violations struct violations list = { 0 };
	struct scc_subject user = { 0 };
	K8sPod *pod = case_pod(row->yaml);
	struct scc_result result = { 0 };
	char *before, *after;
	int r;

	if (row->group)
		user = user_in(row->group);
	assert_int_equal(encode_json(&pod->base, NULL, NULL, false, &before, &err), 0);
	r = scc_admit(&account, row->group ? &user : NULL, &red, pod, &result, &list, &err);
	assert_int_equal(encode_json(&pod->base, NULL, NULL, false, &after, &err), 0);
	if (r == 0 && (!row->scc || strcmp(result.scc->name, row->scc) != 0))
		fail_msg("admitted by %s: %s", result.scc->name, row->yaml);
	if (r < 0 && row->scc) {
		case_print(&list);
		fail_msg("denied: %s", row->yaml);
	}
	if (r == 0) {
		assert_string_equal(result.subject, row->subject);
		assert_string_equal(view_annotation(pod, SCC_ANNOTATION), row->scc);
		assert_string_equal(view_annotation(pod, SCC_ANNOTATION_SUBJECT), row->subject);
		assert_false(violations_any(&list));
	} else {
		assert_int_equal(err.code, ERR_DENIED);
		assert_true(violations_any(&list));
		assert_string_equal(before, after);
		assert_null(result.scc);
	}
	free(before);
	free(after);
	scc_subject_done(&user);
	k8s_pod_free(pod);
}

static void test_admit(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_row(&rows[i]);
}

static void test_denied_text(void **state)
{
	cleanup_violations struct violations list = { 0 };
	K8sPod *pod = case_pod(SC("runAsUser: 0"));
	struct scc_result result;
	const struct violation *v;

	(void)state;
	assert_int_equal(scc_admit(&account, NULL, &red, pod, &result, &list, &err), -1);
	assert_memory_equal(
		err.text, "unable to validate against any security context constraint: [", 61);
	v = case_find(&list, "spec.containers[0].securityContext.runAsUser",
		"0 is not in the range 1000010000 to 1000019999");
	assert_non_null(v);
	assert_string_equal(v->check, "restricted-v2");
	assert_int_equal(v->code, ERR_DENIED);
	k8s_pod_free(pod);
}

/* Neither may use any: that is said, and not an empty list. */
static void test_nobody(void **state)
{
	cleanup_violations struct violations list = { 0 };
	struct scc_subject nobody = { 0 };
	K8sPod *pod = case_pod(POD(ONE));
	struct scc_result result;

	(void)state;
	assert_int_equal(scc_admit(&nobody, NULL, &red, pod, &result, &list, &err), -1);
	assert_int_equal(err.code, ERR_DENIED);
	assert_int_equal(list.n, 1);
	assert_non_null(strstr(list.items[0].reason, "neither the service account nor the user"));
	k8s_pod_free(pod);
}

static void test_required_text(void **state)
{
	cleanup_violations struct violations list = { 0 };
	K8sPod *pod = case_pod(REQUIRE("nosuch"));
	struct scc_result result;

	(void)state;
	assert_int_equal(scc_admit(&account, NULL, &red, pod, &result, &list, &err), -1);
	assert_non_null(case_find(&list, "metadata.annotations[openshift.io/required-scc]",
		"there is no constraint \"nosuch\""));
	k8s_pod_free(pod);
}

/* ---- review -------------------------------------------------------------------------------- */

static void test_review(void **state)
{
	K8sPod *pod = case_pod(SC("runAsUser: 0"));
	struct scc_review *reviews;
	size_t n;

	(void)state;
	assert_int_equal(scc_review(&account, NULL, &red, pod, &reviews, &n, &err), 0);
	assert_int_equal(n, scc_count());
	for (size_t i = 0; i < n; i++) {
		static const char root[] = "anyuid nested-container hostmount-anyuid "
					   "hostmount-anyuid-v2 privileged";

		assert_ptr_equal(reviews[i].scc, scc_at(i));
		assert_int_equal(reviews[i].usable, scc_usable(scc_at(i), &account));
		if (reviews[i].allowed != (strstr(root, scc_at(i)->name) != NULL)) {
			case_print(&reviews[i].violations);
			fail_msg("%s: allowed %d", scc_at(i)->name, reviews[i].allowed);
		}
		assert_int_equal(reviews[i].allowed, !violations_any(&reviews[i].violations));
	}
	assert_null(view_annotation(pod, SCC_ANNOTATION));
	assert_null(pod->spec->securitycontext->selinuxoptions);
	scc_reviews_free(reviews, n);
	scc_reviews_free(NULL, 0);
	k8s_pod_free(pod);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_sorted),
		cmocka_unit_test(test_account),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_restricted_v2),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_admit),
		cmocka_unit_test(test_denied_text),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_required_text),
		cmocka_unit_test(test_review),
	};

	return cmocka_run_group_tests_name("scc", tests, setup, teardown);
}
