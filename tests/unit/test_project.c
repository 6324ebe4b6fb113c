/* Ranges, labels, names and VNIDs of projects: OpenShift's formats (facts of section 1.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "auth/project.h"
#include "lib/cleanup.h"

static struct error err;

static void test_mcs(void **state)
{
	static const struct {
		uint32_t block;
		const char *label;
	} rows[] = {
		{ 0, "s0:c1,c0" },
		{ 1, "s0:c3,c2" },
		{ 2, "s0:c5,c0" },
		{ 3, "s0:c6,c0" },
		{ 4, "s0:c6,c5" },
		{ 5, "s0:c7,c4" },
		{ 10, "s0:c10,c5" },
		{ 26, "s0:c16,c10" },
		{ 100, "s0:c32,c4" },
		{ 1000, "s0:c100,c50" },
		{ 99999, "s0:c1000,c495" },
	};
	char label[PROJECT_MCS_SIZE] = "untouched";

	(void)state;
	assert_int_equal(project_mcs(PROJECT_BLOCKS, label, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_string_equal(label, "untouched");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(project_mcs(rows[i].block, label, &err), 0);
		assert_string_equal(label, rows[i].label);
		assert_int_equal(project_mcs_check(label, &err), 0);
	}
}

/* No two projects share a pair, and the spare ones of a project are no other's. */
static void test_mcs_unique(void **state)
{
	static unsigned char seen[PROJECT_MCS_CATS][PROJECT_MCS_CATS];
	char label[PROJECT_MCS_SIZE];

	(void)state;
	for (uint32_t i = 0; i < PROJECT_BLOCKS; i++) {
		unsigned high, low;

		assert_int_equal(project_mcs(i, label, &err), 0);
		assert_int_equal(sscanf(label, "s0:c%u,c%u", &high, &low), 2);
		assert_true(low < high && high < PROJECT_MCS_CATS);
		assert_int_equal(seen[high][low]++, 0);
	}
}

static void test_uid_range(void **state)
{
	char text[PROJECT_UID_RANGE_SIZE] = "untouched";
	struct project_range range;

	(void)state;
	assert_int_equal(project_uid_range(PROJECT_BLOCKS, text, &err), -1);
	assert_string_equal(text, "untouched");
	assert_int_equal(project_uid_range(0, text, &err), 0);
	assert_string_equal(text, "1000000000/10000");
	assert_int_equal(project_uid_range(66, text, &err), 0);
	assert_string_equal(text, "1000660000/10000");
	assert_int_equal(project_uid_range(PROJECT_BLOCKS - 1, text, &err), 0);
	assert_string_equal(text, "1999990000/10000");
	assert_int_equal(project_range_parse(text, &range, &err), 0);
	assert_int_equal(range.start, 1999990000);
	assert_int_equal(range.size, 10000);
}

static void test_range_parse(void **state)
{
	static const struct {
		const char *text;
		uint32_t start, size; /* 0: refused */
	} rows[] = {
		{ "1000000000/10000", 1000000000, 10000 },
		{ "1000000000-1000009999", 1000000000, 10000 },
		{ "5-5", 5, 1 },
		{ "0/1", 0, 1 },
		{ "2147483647/1", 2147483647, 1 },
		{ "0/2147483647", 0, 2147483647 },
		{ "0-2147483647", 0, 2147483648 },
		{ "2147483647/2", 0, 0 },
		{ "2147483648/1", 0, 0 },
		{ "4294967296/1", 0, 0 },
		{ "99999999999999999999/1", 0, 0 },
		{ "5-4", 0, 0 },
		{ "5/0", 0, 0 },
		{ "", 0, 0 },
		{ "5", 0, 0 },
		{ "5/", 0, 0 },
		{ "/5", 0, 0 },
		{ "5/5x", 0, 0 },
		{ "5/5/5", 0, 0 },
		{ "05/5", 0, 0 },
		{ "+5/5", 0, 0 },
		{ "5/-5", 0, 0 },
		{ " 5/5", 0, 0 },
		{ "5,6/1", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct project_range range = { 7, 7 };
		int r = project_range_parse(rows[i].text, &range, &err);

		if ((r == 0) != (rows[i].size != 0))
			fail_msg("'%s' gives %d", rows[i].text, r);
		assert_int_equal(range.start, r == 0 ? rows[i].start : 7);
		assert_int_equal(range.size, r == 0 ? rows[i].size : 7);
	}
}

static void test_mcs_check(void **state)
{
	static const char *const good[] = { "s0", "s15", "s0:c0", "s0:c1,c0", "s0:c0,c1,c2",
		"s0:c1023,c0" };
	static const char *const bad[] = { "", "s", "s16", "s00", "c0", "s0:", "s0:c", "s0:c1024",
		"s0:c1,", "s0:c1,c1", "s0:c1;c2", "s0:c1,c0 ", "s0:c01", "s0-s1", "S0",
		"s0:c1,c2,c3,c4,c5,c6,c7,c8,c9,c10,c11,c12,c13,c14,c15,c16,c17,c18" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(project_mcs_check(good[i], &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (project_mcs_check(bad[i], &err) == 0)
			fail_msg("'%s' is accepted", bad[i]);
		assert_int_equal(err.code, ERR_INVALID);
	}
}

static void test_facts(void **state)
{
	struct project_facts facts = { .name = "untouched" };

	(void)state;
	assert_int_equal(project_facts_parse("red", "x", "s0", &facts, &err), -1);
	assert_non_null(strstr(err.text, "project 'red'"));
	assert_int_equal(project_facts_parse("red", "5/5", "x", &facts, &err), -1);
	assert_int_equal(project_facts_parse("Red", "5/5", "s0", &facts, &err), -1);
	assert_string_equal(facts.name, "untouched");
	assert_int_equal(project_facts_parse("red", "5/5", "s0:c1,c0", &facts, &err), 0);
	assert_string_equal(facts.name, "red");
	assert_string_equal(facts.mcs, "s0:c1,c0");
	assert_int_equal(facts.uids.start, 5);
}

#define A63 "a23456789012345678901234567890123456789012345678901234567890123"

static void test_name(void **state)
{
	static const struct {
		const char *name;
		enum error_code code;
	} rows[] = {
		{ "red", ERR_NONE },
		{ "r", ERR_NONE },
		{ "9-red", ERR_NONE },
		{ A63, ERR_NONE },
		{ A63 "4", ERR_INVALID },
		{ "", ERR_INVALID },
		{ "Red", ERR_INVALID },
		{ "red.blue", ERR_INVALID },
		{ "-red", ERR_INVALID },
		{ "red-", ERR_INVALID },
		{ "red\n", ERR_INVALID },
		{ "../red", ERR_INVALID },
		{ "default", ERR_EXISTS },
		{ "default-2", ERR_NONE },
		{ "openshift", ERR_INVALID },
		{ "openshift-x", ERR_INVALID },
		{ "openshifts", ERR_NONE },
		{ "kubernetes", ERR_INVALID },
		{ "kube-system", ERR_INVALID },
		{ "kube", ERR_NONE },
		{ "bulkhead", ERR_INVALID },
		{ "bulkheads", ERR_NONE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		err.code = ERR_NONE;
		assert_int_equal(project_name_check(rows[i].name, &err), rows[i].code ? -1 : 0);
		if (err.code != rows[i].code)
			fail_msg("'%s' gives %s", rows[i].name, error_code_name(err.code));
	}
}

static void test_vnid(void **state)
{
	static const struct {
		const char *name;
		uint32_t vnid;
		bool good;
	} rows[] = {
		{ "default", 0, true },
		{ "default", 10, false },
		{ "red", 0, true }, /* global */
		{ "red", 1, false },
		{ "red", 9, false },
		{ "red", 10, true },
		{ "red", 0xffffff, true },
		{ "red", 0x1000000, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(project_vnid_check(rows[i].name, rows[i].vnid, &err),
			rows[i].good ? 0 : -1);
}

/* What a changed database could say of a project that a pod then runs as. */
static void test_numbers(void **state)
{
	static const struct {
		const char *name, *range, *mcs;
		uint32_t vnid;
		int ok;
	} rows[] = {
		{ "default", "1000000000/10000", "s0:c1,c0", 0, 1 },
		{ "red", "1000010000/10000", "s0:c3,c2", 10, 1 },
		{ "red", "1000010000-1000019999", "s0:c3,c2", 10, 1 },
		{ "red", "1999990000/10000", "s0:c1000,c495", PROJECT_VNID_MAX, 1 },
		{ "red", "0/10000", "s0:c3,c2", 10, 0 },
		{ "red", "1000010000/1", "s0:c3,c2", 10, 0 },
		{ "red", "1000010000/20000", "s0:c3,c2", 10, 0 },
		{ "red", "1000010001/10000", "s0:c3,c2", 10, 0 },
		{ "red", "999990000/10000", "s0:c3,c2", 10, 0 },
		{ "red", "2000000000/10000", "s0:c3,c2", 10, 0 },
		{ "red", "1000010000/10000", "s0:c1,c0", 10, 0 },
		{ "red", "1000010000/10000", "s0", 10, 0 },
		{ "red", "1000010000/10000", "s0:c3,c2", 0, 1 },
		{ "red", "1000010000/10000", "s0:c3,c2", 1, 0 },
		{ "red", "1000010000/10000", "s0:c3,c2", PROJECT_VNID_MAX + 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct project_facts facts;

		assert_int_equal(
			project_facts_parse(rows[i].name, rows[i].range, rows[i].mcs, &facts, &err),
			0);
		if ((project_numbers_check(&facts, rows[i].vnid, &err) == 0) != rows[i].ok)
			fail_msg("row %zu", i);
	}
}

/* Two pods have the same pair only when they have the same project and number, whatever these are.
 */
static void test_own_pairs(void **state)
{
	static uint8_t seen[PROJECT_MCS_CATS][PROJECT_MCS_CATS];
	char label[PROJECT_MCS_SIZE];
	char first[PROJECT_MCS_SIZE];

	(void)state;
	for (uint32_t block = 0; block < PROJECT_BLOCKS; block++) {
		for (uint32_t i = 0; i < PROJECT_MCS_LABELS; i++) {
			unsigned a, b;

			assert_int_equal(project_mcs_of(block, i, label, &err), 0);
			assert_int_equal(sscanf(label, "s0:c%u,c%u", &a, &b), 2);
			/* Two categories: neither of two different pairs holds the other. */
			assert_true(a != b && a < PROJECT_MCS_CATS && b < PROJECT_MCS_CATS);
			if (seen[a][b]++ || seen[b][a] > (a == b))
				fail_msg("block %u, number %u: '%s' again", block, i, label);
		}
	}
	assert_int_equal(project_mcs(7, first, &err), 0);
	assert_int_equal(project_mcs_of(7, 0, label, &err), 0);
	assert_string_equal(first, label);
	assert_int_equal(project_mcs_of(7, PROJECT_MCS_LABELS, label, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_pairs),
		cmocka_unit_test(test_mcs),
		cmocka_unit_test(test_mcs_unique),
		cmocka_unit_test(test_uid_range),
		cmocka_unit_test(test_range_parse),
		cmocka_unit_test(test_mcs_check),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_vnid),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests_name("project", tests, NULL, NULL);
}
