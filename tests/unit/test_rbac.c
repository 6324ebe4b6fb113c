/* Who may do what: the whole table of verbs, resources and roles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "auth/rbac.h"
#include "lib/cleanup.h"

static struct error err;

static const char *const verbs[] = { "get", "list", "watch", "create", "update", "delete", "patch",
	"*", "" };
static const char *const resources[] = { "pods", "pods/log", "pods/exec",
	"pods/ephemeralcontainers", "pods/review", "secrets", "networkpolicies",
	"egressnetworkpolicies", "resourcequotas", "projects", "nodes", "images", "*", "" };

#define MAY(who, verb, resource, project) (rbac_authorize(who, verb, resource, project, &err) == 0)

/* What each role may do in its project: verbs as letters of get list watch create update delete. */
static const struct {
	const char *resource;
	const char *view;
	const char *edit;
} table[] = {
	{ "pods", "glw", "glwcud" },
	{ "pods/log", "g", "g" },
	{ "pods/exec", "", "c" },
	{ "pods/ephemeralcontainers", "", "u" },
	{ "pods/review", "c", "c" },
	{ "secrets", "gl", "glcud" },
	{ "networkpolicies", "gl", "glcud" },
	{ "egressnetworkpolicies", "gl", "gl" },
	{ "resourcequotas", "gl", "gl" },
};

static bool in_table(bool edit, const char *verb, const char *resource)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const char *letters = edit ? table[i].edit : table[i].view;

		if (strcmp(table[i].resource, resource) == 0)
			return *verb && strcmp(verb, "patch") != 0 && strchr(letters, *verb);
	}
	return false;
}

static void check_all(const struct principal *who, const char *project, int role)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		for (size_t k = 0; k < ARRAY_LEN(resources); k++) {
			bool want =
				role == 2 || (role >= 0 && in_table(role, verbs[i], resources[k]));

			if (MAY(who, verbs[i], resources[k], project) != want)
				fail_msg("%s: %s %s in %s is not %d", who->name, verbs[i],
					resources[k], project ? project : "-", want);
			if (!want)
				assert_int_equal(err.code, ERR_DENIED);
		}
	}
}

static void test_table(void **state)
{
	char *view_groups[] = { "x", "bulkhead:project:red:view" };
	char *edit_groups[] = { "bulkhead:project:red:edit" };
	char *master_groups[] = { "system:masters" };
	const struct principal view = { "v", view_groups, 2 };
	const struct principal edit = { "e", edit_groups, 1 };
	const struct principal master = { "m", master_groups, 1 };
	const struct principal nobody = { "n", NULL, 0 };

	(void)state;
	check_all(&view, "red", 0);
	check_all(&edit, "red", 1);
	check_all(&master, "red", 2);
	check_all(&master, NULL, 2);
	check_all(&nobody, "red", -1);
	check_all(&view, "blue", -1);
	check_all(&edit, "blue", -1);
	check_all(&view, NULL, -1);
	check_all(&edit, NULL, -1);
	check_all(&edit, "", -1);
}

/* Groups and projects that look alike but are not. */
static void test_near_misses(void **state)
{
	static const struct {
		const char *group;
		const char *project;
	} rows[] = {
		{ "bulkhead:project:red", "red" },
		{ "bulkhead:project:red:", "red" },
		{ "bulkhead:project:red:edit:", "red" },
		{ "bulkhead:project:red:edits", "red" },
		{ "bulkhead:project:red:Edit", "red" },
		{ "bulkhead:project:reds:edit", "red" },
		{ "bulkhead:project:re:edit", "red" },
		{ "bulkhead:project::edit", "" },
		{ "bulkhead:project:*:edit", "red" },
		{ "bulkhead:project:red:view:edit", "red:view" },
		{ "xbulkhead:project:red:edit", "red" },
		{ "system:masters:", "red" },
		{ "system:master", "red" },
		{ "system:authenticated", "red" },
		{ "system:cluster-admins", "red" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *groups[] = { (char *)(uintptr_t)rows[i].group };
		const struct principal who = { "u", groups, 1 };

		if (MAY(&who, "get", "pods", rows[i].project))
			fail_msg("%s may see project %s", rows[i].group, rows[i].project);
	}
}

static void test_text(void **state)
{
	char *groups[] = { "system:masters" };
	const struct principal who = { "jane", NULL, 0 };
	const struct principal nameless = { "", groups, 1 };
	const struct principal none = { NULL, groups, 1 };

	(void)state;
	assert_false(MAY(&who, "create", "pods", "red"));
	assert_string_equal(err.text, "user \"jane\" may not create pods in project \"red\"");
	assert_false(MAY(&who, "list", "nodes", NULL));
	assert_string_equal(err.text, "user \"jane\" may not list nodes");
	/* A certificate without a name is nobody, whatever its groups. */
	assert_false(MAY(&nameless, "get", "pods", "red"));
	assert_false(MAY(&none, "get", "pods", "red"));
}

static void test_subject(void **state)
{
	char *groups[] = { "team", "system:masters" };
	const struct principal master = { "m", groups, 2 };
	const struct principal plain = { "p", groups, 1 };
	struct scc_subject s;

	(void)state;
	assert_int_equal(rbac_scc_subject(&plain, &s, &err), 0);
	assert_string_equal(s.name, "p");
	assert_int_equal(s.groups_len, 2);
	assert_string_equal(s.groups[0], "team");
	assert_string_equal(s.groups[1], "system:authenticated");
	assert_false(s.all);
	assert_true(scc_usable(scc_find("restricted-v2"), &s));
	assert_true(scc_usable(scc_find("restricted-v3"), &s));
	for (size_t i = 0; i < scc_count(); i++) {
		if (strncmp(scc_at(i)->name, "restricted-v", 12) != 0)
			assert_false(scc_usable(scc_at(i), &s));
	}
	scc_subject_done(&s);
	scc_subject_done(&s);

	assert_int_equal(rbac_scc_subject(&master, &s, &err), 0);
	for (size_t i = 0; i < scc_count(); i++)
		assert_true(scc_usable(scc_at(i), &s));
	scc_subject_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_near_misses),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_subject),
	};

	return cmocka_run_group_tests_name("rbac", tests, NULL, NULL);
}
