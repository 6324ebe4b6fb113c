#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "nodeagent/agent/userns.h"

#define FIRST 1000000u
#define COUNT 3u

static struct error err;

static int setup(void **state)
{
	return userns_new((struct userns **)state, FIRST, COUNT, &err);
}

static int teardown(void **state)
{
	userns_free(*state);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void test_all_differ_and_end(void **state)
{
	uint32_t ids[COUNT];
	uint32_t id = 7;

	for (uint32_t i = 0; i < COUNT; i++) {
		assert_int_equal(userns_reserve(*state, &ids[i], &err), 0);
		assert_true(ids[i] >= FIRST && (ids[i] - FIRST) % USERNS_SLICE_SIZE == 0);
		for (uint32_t k = 0; k < i; k++)
			assert_int_not_equal(ids[i], ids[k]);
	}
	assert_int_equal(userns_reserve(*state, &id, &err), -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
	assert_int_equal(id, 7);
	userns_release(*state, ids[1]);
	assert_int_equal(userns_reserve(*state, &id, &err), 0);
	assert_int_equal(id, ids[1]);
}

static void test_one_given_back_rests(void **state)
{
	uint32_t first, second;

	assert_int_equal(userns_reserve(*state, &first, &err), 0);
	userns_release(*state, first);
	assert_int_equal(userns_reserve(*state, &second, &err), 0);
	assert_int_not_equal(first, second);
}

static void test_taken_is_not_given(void **state)
{
	uint32_t id;

	assert_int_equal(userns_take(*state, FIRST + USERNS_SLICE_SIZE, &err), 0);
	assert_int_equal(userns_take(*state, FIRST + USERNS_SLICE_SIZE, &err), -1);
	assert_int_equal(err.code, ERR_EXISTS);
	for (uint32_t i = 0; i < COUNT - 1; i++) {
		assert_int_equal(userns_reserve(*state, &id, &err), 0);
		assert_int_not_equal(id, FIRST + USERNS_SLICE_SIZE);
	}
	assert_int_equal(userns_reserve(*state, &id, &err), -1);
}

static void test_foreign_ids(void **state)
{
	static const uint32_t bad[] = { 0, 1, FIRST - 1, FIRST + 1, FIRST - USERNS_SLICE_SIZE,
		FIRST + COUNT * USERNS_SLICE_SIZE, UINT32_MAX };
	uint32_t id;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(userns_take(*state, bad[i], &err), -1);
		assert_int_equal(err.code, ERR_INVALID);
		userns_release(*state, bad[i]);
	}
	for (uint32_t i = 0; i < COUNT; i++)
		assert_int_equal(userns_reserve(*state, &id, &err), 0);
	userns_release(*state, 0);
	assert_int_equal(userns_reserve(*state, &id, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_differ_and_end),
		TEST(test_one_given_back_rests),
		TEST(test_taken_is_not_given),
		TEST(test_foreign_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
