#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/ipnet.h"
#include "lib/parse.h"

static void networks(void **state)
{
	static const char *const good[] = { "10.128.0.0/14", "0.0.0.0/0", "255.255.255.255/32" };
	static const struct {
		const char *text;
		const char *says;
	} bad[] = {
		{ "10.0.0.0", "--net: '10.0.0.0' is not a network: write ADDRESS/PREFIX" },
		{ "10.0.0/8", "'10.0.0' is not an IPv4 address" },
		{ "10.0.0.1/8", "bits set behind its prefix of 8" },
		{ "10.0.0.0/33", "prefix '33' is not a number from 0 to 32" },
		{ "10.0.0.0/", "prefix ''" },
		{ "10.0.0.0/-1", "prefix '-1'" },
		{ "10.0.0.0/8x", "prefix '8x'" },
		{ "10.0.0.0/008", "prefix '008'" },
		{ "1234567890.1234567890.0.0/8", "is not a network" },
	};
	char text[IPNET_TEXT_SIZE];
	struct ipnet net;
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(ipnet_parse(good[i], "--net", &net, &err), 0);
		ipnet_format(&net, text);
		assert_string_equal(text, good[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(ipnet_parse(bad[i].text, "--net", &net, &err), -1);
		assert_int_equal(err.code, ERR_INVALID);
		if (!strstr(err.text, bad[i].says))
			fail_msg("'%s': %s", bad[i].text, err.text);
	}
}

static void what_lies_in_a_network(void **state)
{
	struct ipnet net;
	struct error err;

	(void)state;
	assert_int_equal(ipnet_parse("10.128.0.0/14", "net", &net, &err), 0);
	assert_true(ipnet_contains(&net, 0x0a800000));
	assert_true(ipnet_contains(&net, 0x0a83ffff));
	assert_false(ipnet_contains(&net, 0x0a840000));
	assert_false(ipnet_contains(&net, 0x0a7fffff));
	assert_int_equal(ipnet_parse("0.0.0.0/0", "net", &net, &err), 0);
	assert_true(ipnet_contains(&net, UINT32_MAX));
}

static void numbers(void **state)
{
	static const char *const bad[] = { "", "-1", "+1", " 1", "1 ", "0x1", "2", "11", "1e1",
		"18446744073709551617" };
	struct error err;
	uint32_t n = 0;

	(void)state;
	assert_int_equal(parse_u32("3", "--n", 3, 10, &n, &err), 0);
	assert_int_equal(n, 3);
	assert_int_equal(parse_u32("010", "--n", 3, 10, &n, &err), 0);
	assert_int_equal(n, 10);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(parse_u32(bad[i], "--n", 3, 10, &n, &err), -1);
		assert_int_equal(n, 10);
		assert_non_null(strstr(err.text, "--n: '"));
		assert_non_null(strstr(err.text, "is not a number from 3 to 10"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(networks),
		cmocka_unit_test(what_lies_in_a_network),
		cmocka_unit_test(numbers),
	};

	return cmocka_run_group_tests_name("ipnet", tests, NULL, NULL);
}
