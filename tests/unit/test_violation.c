#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "auth/violation.h"
#include "lib/cleanup.h"

static struct error err;

static void test_empty(void **state)
{
	struct violations list = { 0 };

	(void)state;
	err = (struct error){ .code = ERR_TIMEOUT };
	assert_false(violations_any(&list));
	assert_int_equal(violations_end(&list, &err), 0);
	assert_int_equal(violations_error(&list, "x", &err), 0);
	assert_int_equal(err.code, ERR_TIMEOUT);
	violations_done(&list);
	violations_done(&list);
}

static void test_text(void **state)
{
	cleanup_violations struct violations list = { 0 };

	(void)state;
	violation_add(&list, ERR_INVALID, "validate", "spec.a", "must be %d", 5);
	violation_add(&list, ERR_DENIED, "scc", "", "none");
	assert_int_equal(list.n, 2);
	assert_true(violations_any(&list));
	assert_int_equal(violations_error(&list, "pod \"p\"", &err), -1);
	assert_string_equal(err.text, "pod \"p\": spec.a: must be 5; none");
	assert_int_equal(violations_error(&list, NULL, &err), -1);
	assert_string_equal(err.text, "validate: spec.a: must be 5; scc: none");
}

/* The code is the first of invalid, denied, unsupported that any has. */
static void test_code(void **state)
{
	static const enum error_code codes[] = { ERR_UNSUPPORTED, ERR_DENIED, ERR_INVALID,
		ERR_UNSUPPORTED, ERR_DENIED };
	static const enum error_code worst[] = { ERR_UNSUPPORTED, ERR_DENIED, ERR_INVALID,
		ERR_INVALID, ERR_INVALID };
	cleanup_violations struct violations list = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		violation_add(&list, codes[i], "c", "f", "r");
		assert_int_equal(violations_error(&list, "x", &err), -1);
		assert_int_equal(err.code, worst[i]);
	}
}

static void test_max(void **state)
{
	cleanup_violations struct violations list = { 0 };
	cleanup_violations struct violations other = { 0 };

	(void)state;
	for (size_t i = 0; i < VIOLATIONS_MAX; i++)
		violation_add(&list, ERR_DENIED, "c", "f", "%zu", i);
	assert_int_equal(list.n, VIOLATIONS_MAX);
	assert_int_equal(list.more, 0);
	violation_add(&list, ERR_DENIED, "c", "f", "one past");
	assert_int_equal(list.n, VIOLATIONS_MAX);
	assert_int_equal(list.more, 1);
	violation_add(&other, ERR_DENIED, "c", "f", "moved");
	violations_move(&list, &other);
	assert_false(violations_any(&other));
	assert_int_equal(list.more, 2);
	/* A text too long for an error is cut, not lost. */
	assert_int_equal(violations_error(&list, "x", &err), -1);
	assert_string_equal(err.text + strlen(err.text) - 3, "...");
}

static void test_move(void **state)
{
	cleanup_violations struct violations list = { 0 };
	struct violations from = { 0 };

	(void)state;
	violations_move(&list, &from);
	assert_false(violations_any(&list));
	violation_add(&list, ERR_DENIED, "c", "f", "1");
	violation_add(&from, ERR_DENIED, "c", "f", "2");
	from.more = 3;
	violations_move(&list, &from);
	assert_int_equal(list.n, 2);
	assert_string_equal(list.items[1].reason, "2");
	assert_int_equal(list.more, 3);
	assert_int_equal(violations_error(&list, "x", &err), -1);
	assert_string_equal(err.text, "x: f: 1; f: 2; and 3 more");
}

/* A list that lost something for want of memory is never taken for empty. */
static void test_no_memory(void **state)
{
	cleanup_violations struct violations list = { 0 };
	struct violations from = { .no_memory = true };

	(void)state;
	violations_move(&list, &from);
	assert_true(violations_any(&list));
	assert_int_equal(violations_end(&list, &err), -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
	assert_int_equal(violations_error(&list, "x", &err), -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_code),
		cmocka_unit_test(test_max),
		cmocka_unit_test(test_move),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests_name("violation", tests, NULL, NULL);
}
