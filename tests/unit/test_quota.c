/* Quotas: what is one, how it is written, and who is refused in which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "auth/quota.h"
#include "lib/cleanup.h"

static void test_parse(void **state)
{
	struct error err = { 0 };
	struct quota q;

	(void)state;
	assert_int_equal(quota_parse("limits.cpu=1500m,limits.memory=1Gi,cpu=1,memory=64Mi,"
				     "count/pods=10,count/pids=4",
				 "hard", &q, &err),
		0);
	assert_int_equal(q.hard[QUOTA_LIMITS_CPU], 1500);
	assert_int_equal(q.hard[QUOTA_LIMITS_MEMORY], 1 << 30);
	assert_int_equal(q.hard[QUOTA_REQUESTS_CPU], 1000);
	assert_int_equal(q.hard[QUOTA_REQUESTS_MEMORY], 64 << 20);
	assert_int_equal(q.hard[QUOTA_PODS], 10);
	assert_int_equal(q.hard[QUOTA_PIDS], 4);
	assert_int_equal(quota_parse("limits.bandwidth-ingress=1k,"
				     "limits.bandwidth-egress=4294967295k",
				 "hard", &q, &err),
		0);
	assert_int_equal(q.hard[QUOTA_INGRESS], 1000);
	assert_int_equal(q.hard[QUOTA_EGRESS], 4294967295000);
	assert_int_equal(quota_parse("pods=0", "hard", &q, &err), 0);
	assert_true(q.set[QUOTA_PODS]);
	assert_false(q.set[QUOTA_PIDS]);
}

static void test_refused(void **state)
{
	static const char *const rows[][2] = {
		{ "", "hard: names no resource" },
		{ "pods", "hard: 'pods' is not RESOURCE=QUANTITY" },
		{ "pods=1,", "hard: '' is not RESOURCE=QUANTITY" },
		{ "pods=x", "hard: pods: " },
		{ "pods=-1", "hard: pods: must be at least 0, not '-1'" },
		{ "pods=1,count/pods=2", "hard: pods is there twice" },
		{ "gpu=1", "hard: 'gpu' is no resource" },
		{ "limits.cpu=9m", "hard: limits.cpu: must be at least 10m, not '9m'" },
		{ "limits.memory=4194303", "limits.memory: must be at least 4Mi" },
		{ "count/pids=3", "count/pids: must be at least 4, not '3'" },
		{ "limits.cpu=99999999999999999999", "hard: limits.cpu: " },
		{ "limits.bandwidth-ingress=999",
			"hard: limits.bandwidth-ingress: must be at least 1k, not '999'" },
		{ "limits.bandwidth-egress=4294967295001",
			"hard: limits.bandwidth-egress: 4294967295001 bits a second are more" },
	};
	char text[QUOTA_HARD_MAX + 2];
	struct quota q;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct error err = { 0 };

		assert_int_equal(quota_parse(rows[i][0], "hard", &q, &err), -1);
		if (!strstr(err.text, rows[i][1]))
			fail_msg("%s: %s", rows[i][0], err.text);
	}
	memset(text, '0', sizeof(text));
	memcpy(text, "pods=", 5);
	text[QUOTA_HARD_MAX] = '\0';
	assert_int_equal(quota_parse(text, "hard", &q, NULL), 0);
	text[QUOTA_HARD_MAX] = '0';
	text[QUOTA_HARD_MAX + 1] = '\0';
	assert_int_equal(quota_parse(text, "hard", &q, NULL), -1);
}

static void test_values(void **state)
{
	static const struct {
		enum quota_resource resource;
		int64_t value;
		const char *text;
	} rows[] = {
		{ QUOTA_LIMITS_CPU, 0, "0" },
		{ QUOTA_LIMITS_CPU, 1500, "1500m" },
		{ QUOTA_REQUESTS_CPU, 2000, "2" },
		{ QUOTA_LIMITS_MEMORY, 1, "1" },
		{ QUOTA_LIMITS_MEMORY, 1536 << 20, "1536Mi" },
		{ QUOTA_REQUESTS_MEMORY, 0, "0" },
		{ QUOTA_PODS, 1024, "1024" },
		{ QUOTA_LIMITS_MEMORY, INT64_C(1) << 62, "4096Pi" },
		{ QUOTA_INGRESS, 1500, "1500" },
		{ QUOTA_INGRESS, 12000000, "12M" },
		{ QUOTA_EGRESS, 4294967295000, "4294967295k" },
	};
	char text[QUOTA_VALUE_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		quota_value(rows[i].resource, rows[i].value, text);
		assert_string_equal(text, rows[i].text);
	}
}

static void test_check(void **state)
{
	const bool all[QUOTA_RESOURCES] = { true, true, true, true, true, true };
	bool some[QUOTA_RESOURCES] = { false, true, false, true, true, true };
	int64_t used[QUOTA_RESOURCES] = { 500, 0, 0, 0, 1, 0 };
	int64_t asked[QUOTA_RESOURCES] = { 500, 1 << 20, 0, 0, 1, 0 };
	struct error err = { 0 };
	struct quota q;

	(void)state;
	assert_int_equal(quota_parse("limits.cpu=1,pods=2,count/pids=4", "hard", &q, &err), 0);
	assert_int_equal(quota_check("c", &q, used, asked, all, &err), 0);
	used[QUOTA_LIMITS_CPU] = 501;
	assert_int_equal(quota_check("c", &q, used, asked, all, &err), -1);
	assert_int_equal(err.code, ERR_DENIED);
	assert_string_equal(err.text, "exceeded quota: c, requested: limits.cpu=500m, used: "
				      "limits.cpu=501m, limited: limits.cpu=1");
	used[QUOTA_PODS] = 2;
	assert_int_equal(quota_check("c", &q, used, asked, all, &err), -1);
	assert_string_equal(err.text, "exceeded quota: c, requested: limits.cpu=500m,pods=1, used: "
				      "limits.cpu=501m,pods=2, limited: limits.cpu=1,pods=2");
	assert_int_equal(quota_check("c", &q, used, asked, some, &err), -1);
	assert_string_equal(err.text, "failed quota: c: must specify limits.cpu");
	/* Sums do not wrap around. */
	used[QUOTA_LIMITS_CPU] = INT64_MAX;
	assert_int_equal(quota_check("c", &q, used, asked, all, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
