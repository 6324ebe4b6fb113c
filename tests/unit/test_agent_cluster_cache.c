/* Snapshots, deltas, parts of them, and what stays when the database is away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "nodeagent/agent/cluster_cache.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

/* Messages of at most a few rows, on the stack. */
struct rows {
	Bulkhead__V1__ClusterProject projects[4];
	Bulkhead__V1__ClusterProject *project_list[4];
	size_t projects_len;
	Bulkhead__V1__ClusterSecret secrets[4];
	Bulkhead__V1__ClusterSecret *secret_list[4];
	size_t secrets_len;
};

static void add_project(struct rows *rows, const char *name, uint32_t vnid)
{
	size_t i = rows->projects_len++;

	bulkhead__v1__cluster_project__init(&rows->projects[i]);
	rows->projects[i].name = TEXT(name);
	rows->projects[i].vnid = vnid;
	rows->project_list[i] = &rows->projects[i];
}

static void add_secret(struct rows *rows, const char *project, const char *name)
{
	size_t i = rows->secrets_len++;

	bulkhead__v1__cluster_secret__init(&rows->secrets[i]);
	rows->secrets[i].project = TEXT(project);
	rows->secrets[i].name = TEXT(name);
	rows->secret_list[i] = &rows->secrets[i];
}

static bool snapshot(struct cluster_cache *cache, struct rows *rows, bool connected, bool more)
{
	Bulkhead__V1__ClusterSnapshot message = BULKHEAD__V1__CLUSTER_SNAPSHOT__INIT;
	struct error err = { 0 };
	bool complete = !more;

	message.connected = connected;
	message.more = more;
	message.projects = rows->project_list;
	message.n_projects = rows->projects_len;
	message.secrets = rows->secret_list;
	message.n_secrets = rows->secrets_len;
	assert_int_equal(cluster_cache_snapshot(cache, &message, &complete, &err), 0);
	return complete;
}

static int delta(struct cluster_cache *cache, struct rows *rows, const char *project_gone,
	const char *secret_gone, bool more, struct error *err)
{
	Bulkhead__V1__ClusterDelta message = BULKHEAD__V1__CLUSTER_DELTA__INIT;
	char *project = TEXT(project_gone), *secret = TEXT(secret_gone);
	bool complete;

	message.connected = true;
	message.more = more;
	message.projects = rows->project_list;
	message.n_projects = rows->projects_len;
	message.secrets = rows->secret_list;
	message.n_secrets = rows->secrets_len;
	message.projects_gone = &project;
	message.n_projects_gone = project_gone ? 1 : 0;
	message.secrets_gone = &secret;
	message.n_secrets_gone = secret_gone ? 1 : 0;
	*err = (struct error){ 0 };
	return cluster_cache_delta(cache, &message, &complete, err);
}

static uint32_t vnid_of(const struct cluster_cache *cache, const char *name)
{
	const ProtobufCMessage *row = cluster_cache_find(cache, CLUSTER_PROJECTS, "", name);

	return row ? ((const Bulkhead__V1__ClusterProject *)row)->vnid : 0;
}

static void a_snapshot_is_sorted_and_found(void **state)
{
	struct cluster_cache cache = { 0 };
	struct rows rows = { 0 };
	const Bulkhead__V1__ClusterSecret *row;

	(void)state;
	add_project(&rows, "red", 11);
	add_project(&rows, "blue", 12);
	/* As text, "a-b/x" stands before "a/z"; as pairs it does not. */
	add_secret(&rows, "a-b", "x");
	add_secret(&rows, "a", "z");
	add_secret(&rows, "a", "b");
	assert_false(cache.known);
	assert_true(snapshot(&cache, &rows, true, false));
	assert_true(cache.known && cache.connected);
	assert_int_equal(vnid_of(&cache, "red"), 11);
	assert_int_equal(vnid_of(&cache, "blue"), 12);
	assert_null(cluster_cache_find(&cache, CLUSTER_PROJECTS, "", "green"));
	assert_null(cluster_cache_find(&cache, CLUSTER_NODES, "", "red"));
	row = (const Bulkhead__V1__ClusterSecret *)cluster_cache_at(&cache, CLUSTER_SECRETS, 0);
	assert_string_equal(row->name, "b");
	row = (const Bulkhead__V1__ClusterSecret *)cluster_cache_at(&cache, CLUSTER_SECRETS, 2);
	assert_string_equal(row->project, "a-b");
	assert_null(cluster_cache_at(&cache, CLUSTER_SECRETS, 3));
	assert_non_null(cluster_cache_find(&cache, CLUSTER_SECRETS, "a-b", "x"));
	assert_null(cluster_cache_find(&cache, CLUSTER_SECRETS, "a", "x"));
	cluster_cache_done(&cache);
}

static void deltas_put_replace_and_remove(void **state)
{
	struct cluster_cache cache = { 0 };
	struct rows first = { 0 }, second = { 0 }, none = { 0 }, again = { 0 };
	struct error err;

	(void)state;
	add_project(&first, "red", 11);
	add_secret(&first, "red", "s");
	snapshot(&cache, &first, true, false);
	add_project(&second, "red", 21);
	add_project(&second, "blue", 12);
	assert_int_equal(delta(&cache, &second, NULL, "red/s", false, &err), 0);
	assert_int_equal(vnid_of(&cache, "red"), 21);
	assert_int_equal(vnid_of(&cache, "blue"), 12);
	assert_null(cluster_cache_find(&cache, CLUSTER_SECRETS, "red", "s"));
	assert_int_equal(delta(&cache, &none, "red", "red/absent", false, &err), 0);
	assert_int_equal(vnid_of(&cache, "red"), 0);
	/* Gone and there in one delta: deleted and made anew. */
	add_project(&again, "blue", 13);
	assert_int_equal(delta(&cache, &again, "blue", NULL, false, &err), 0);
	assert_int_equal(vnid_of(&cache, "blue"), 13);
	assert_int_equal(delta(&cache, &none, NULL, "noslash", false, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	cluster_cache_done(&cache);
}

static void policies_come_and_go(void **state)
{
	Bulkhead__V1__ClusterSnapshot whole = BULKHEAD__V1__CLUSTER_SNAPSHOT__INIT;
	Bulkhead__V1__ClusterDelta change = BULKHEAD__V1__CLUSTER_DELTA__INIT;
	Bulkhead__V1__ClusterPolicy policy = BULKHEAD__V1__CLUSTER_POLICY__INIT;
	Bulkhead__V1__ClusterPolicy *policies = &policy;
	struct cluster_cache cache = { 0 };
	char *gone = TEXT("red/p");
	struct error err = { 0 };
	bool complete;

	(void)state;
	policy.project = TEXT("red");
	policy.name = TEXT("p");
	whole.connected = change.connected = true;
	whole.policies = &policies;
	whole.n_policies = 1;
	assert_int_equal(cluster_cache_snapshot(&cache, &whole, &complete, &err), 0);
	assert_non_null(cluster_cache_find(&cache, CLUSTER_POLICIES, "red", "p"));
	policy.name = TEXT("q");
	change.policies = &policies;
	change.n_policies = 1;
	change.policies_gone = &gone;
	change.n_policies_gone = 1;
	assert_int_equal(cluster_cache_delta(&cache, &change, &complete, &err), 0);
	assert_null(cluster_cache_find(&cache, CLUSTER_POLICIES, "red", "p"));
	assert_non_null(cluster_cache_find(&cache, CLUSTER_POLICIES, "red", "q"));
	gone = TEXT("noslash");
	assert_int_equal(cluster_cache_delta(&cache, &change, &complete, &err), -1);
	assert_non_null(strstr(err.text, "policies_gone: 'noslash'"));
	cluster_cache_done(&cache);
}

static void a_snapshot_in_parts_shows_whole(void **state)
{
	struct cluster_cache cache = { 0 };
	struct rows old = { 0 }, first = { 0 }, second = { 0 };
	struct error err;

	(void)state;
	add_project(&old, "old", 9);
	snapshot(&cache, &old, true, false);
	add_project(&first, "red", 11);
	assert_false(snapshot(&cache, &first, true, true));
	assert_int_equal(vnid_of(&cache, "old"), 9);
	assert_int_equal(vnid_of(&cache, "red"), 0);
	add_project(&second, "blue", 12);
	assert_int_equal(delta(&cache, &second, NULL, NULL, true, &err), 0);
	assert_int_equal(vnid_of(&cache, "old"), 9);
	second.projects[0].name = TEXT("green");
	assert_int_equal(delta(&cache, &second, NULL, NULL, false, &err), 0);
	assert_int_equal(vnid_of(&cache, "old"), 0);
	assert_int_equal(vnid_of(&cache, "red"), 11);
	assert_int_equal(vnid_of(&cache, "green"), 12);
	cluster_cache_done(&cache);
}

static void half_a_snapshot_is_dropped(void **state)
{
	struct cluster_cache cache = { 0 };
	struct rows old = { 0 }, first = { 0 }, second = { 0 };
	struct error err;

	(void)state;
	add_project(&old, "old", 9);
	snapshot(&cache, &old, true, false);
	add_project(&first, "red", 11);
	snapshot(&cache, &first, true, true);
	cluster_cache_lost(&cache);
	assert_true(cache.known);
	assert_false(cache.connected);
	assert_int_equal(vnid_of(&cache, "old"), 9);
	add_project(&second, "blue", 12);
	assert_int_equal(delta(&cache, &second, NULL, NULL, false, &err), 0);
	assert_int_equal(vnid_of(&cache, "red"), 0);
	cluster_cache_done(&cache);
}

static void an_absent_database_takes_nothing_away(void **state)
{
	struct cluster_cache cache = { 0 };
	Bulkhead__V1__ClusterDelta away = BULKHEAD__V1__CLUSTER_DELTA__INIT;
	struct rows rows = { 0 }, none = { 0 };
	struct error err = { 0 };
	bool complete;

	(void)state;
	assert_true(snapshot(&cache, &none, false, false));
	assert_false(cache.known);
	add_project(&rows, "red", 11);
	assert_int_equal(delta(&cache, &rows, NULL, NULL, false, &err), -1);
	assert_int_equal(err.code, ERR_PRECONDITION);
	snapshot(&cache, &rows, true, false);
	assert_int_equal(cluster_cache_delta(&cache, &away, &complete, &err), 0);
	assert_false(cache.connected);
	assert_int_equal(vnid_of(&cache, "red"), 11);
	snapshot(&cache, &none, false, false);
	assert_int_equal(vnid_of(&cache, "red"), 11);
	snapshot(&cache, &none, true, false);
	assert_int_equal(vnid_of(&cache, "red"), 0);
	cluster_cache_done(&cache);
}

static void many_rows_stay_sorted(void **state)
{
	struct cluster_cache cache = { 0 };
	struct rows none = { 0 };
	struct error err;
	char name[16];

	(void)state;
	snapshot(&cache, &none, true, false);
	for (uint32_t i = 0; i < 1000; i++) {
		struct rows one = { 0 };

		snprintf(name, sizeof(name), "p%03u", i * 7 % 1000);
		add_project(&one, name, i + 10);
		assert_int_equal(delta(&cache, &one, NULL, NULL, false, &err), 0);
	}
	for (size_t i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "p%03zu", i);
		assert_string_equal(((const Bulkhead__V1__ClusterProject *)cluster_cache_at(
					     &cache, CLUSTER_PROJECTS, i))
					    ->name,
			name);
	}
	assert_null(cluster_cache_at(&cache, CLUSTER_PROJECTS, 1000));
	cluster_cache_done(&cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_snapshot_is_sorted_and_found),
		cmocka_unit_test(deltas_put_replace_and_remove),
		cmocka_unit_test(policies_come_and_go),
		cmocka_unit_test(a_snapshot_in_parts_shows_whole),
		cmocka_unit_test(half_a_snapshot_is_dropped),
		cmocka_unit_test(an_absent_database_takes_nothing_away),
		cmocka_unit_test(many_rows_stay_sorted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
