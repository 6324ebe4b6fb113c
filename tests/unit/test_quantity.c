#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "proto/quantity.h"

struct row {
	const char *text;
	int64_t milli;
	int64_t units;
};

static const struct row good[] = {
	{ "0", 0, 0 },
	{ "1", 1000, 1 },
	{ "+1", 1000, 1 },
	{ "-1", -1000, -1 },
	{ "500m", 500, 1 },
	{ "0.5", 500, 1 },
	{ ".5", 500, 1 },
	{ "1.", 1000, 1 },
	{ "1500m", 1500, 2 },
	{ "100u", 1, 1 },
	{ "1n", 1, 1 },
	{ "1k", 1000000, 1000 },
	{ "1Ki", 1024000, 1024 },
	{ "1.5Gi", 1610612736000, 1610612736 },
	{ "64Mi", 67108864000, 67108864 },
	{ "2M", 2000000000, 2000000 },
	{ "1e3", 1000000, 1000 },
	{ "1E3", 1000000, 1000 },
	{ "12e-1", 1200, 2 },
	{ "1e+2", 100000, 100 },
	{ "000010", 10000, 10 },
	{ "0.0000000001", 1, 1 },
	{ "0.50000000000000000000000000000000000000000000000000", 500, 1 },
	{ "0Ei", 0, 0 },
};

static void test_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct error err = { 0 };
		int64_t milli = -7, units = -7;

		if (quantity_milli(good[i].text, &milli, &err) < 0 ||
			quantity_units(good[i].text, &units, &err) < 0)
			fail_msg("%s: %s", good[i].text, err.text);
		if (milli != good[i].milli || units != good[i].units)
			fail_msg("%s: got %ld and %ld", good[i].text, (long)milli, (long)units);
		assert_int_equal(quantity_check(good[i].text, &err), 0);
	}
}

static void test_largest(void **state)
{
	int64_t v;

	(void)state;
	assert_int_equal(quantity_units("9223372036854775807", &v, NULL), 0);
	assert_true(v == INT64_MAX);
	assert_int_equal(quantity_units("7Ei", &v, NULL), 0);
	assert_true(v == INT64_C(7) << 60);
	assert_int_equal(quantity_milli("9223372036854775807m", &v, NULL), 0);
	assert_true(v == INT64_MAX);
}

static void test_overflow(void **state)
{
	static const char *const large[] = {
		"9223372036854775808",
		"8Ei",
		"10E",
		"1e19",
		"1e99",
		"99999999999999999999999999999Ei",
		"1000000000000000000000000000000000000000",
	};
	struct error err;
	int64_t v = 42;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(large); i++) {
		assert_int_equal(quantity_units(large[i], &v, &err), -1);
		assert_non_null(strstr(err.text, "too large"));
	}
	assert_int_equal(quantity_milli("9223372036854775807", &v, &err), -1);
	assert_int_equal(v, 42);
	/* Too large for us is a quantity all the same. */
	assert_int_equal(quantity_check("8Ei", &err), 0);
}

static void test_invalid(void **state)
{
	static const char *const bad[] = {
		"",
		"m",
		".",
		"-",
		"1 ",
		" 1",
		"1Kb",
		"1ki",
		"1KI",
		"1mi",
		"1e",
		"1e+",
		"1e1m",
		"1.2.3",
		"0x10",
		"1,5",
		"--1",
		"1_000",
		"ten",
		"1e100",
		"NaN",
		"inf",
		"1M\n",
		"٣",
	};
	struct error err;
	int64_t v;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (quantity_check(bad[i], &err) == 0 || quantity_milli(bad[i], &v, &err) == 0)
			fail_msg("'%s' was accepted", bad[i]);
		assert_int_equal(err.code, ERR_INVALID);
		assert_non_null(strstr(err.text, "is not a quantity"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_invalid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
