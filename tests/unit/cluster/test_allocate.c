#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/project.h"
#include "lib/cleanup.h"
#include "nodeagent/cluster/allocate.h"

#define NOW  1000000
#define HOLD 100

static void pick(const struct allocate_owner *owners, size_t len, uint32_t block, uint32_t vnid)
{
	uint32_t got_block = 0, got_vnid = 0;
	struct error err = { 0 };

	if (allocate_project(owners, len, NOW, HOLD, &got_block, &got_vnid, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(got_block, block);
	assert_int_equal(got_vnid, vnid);
}

static void the_lowest_free_numbers(void **state)
{
	const struct allocate_owner owners[] = {
		{ .block = 3, .vnid = 12 },
		{ .block = 0, .vnid = 0 },
		{ .block = 1, .vnid = 10 },
		{ .block = 2, .vnid = 14 },
		{ .block = 5, .vnid = 11 },
	};

	(void)state;
	pick(NULL, 0, 1, 10);
	pick(owners, 2, 1, 10);
	pick(owners, 3, 2, 11);
	pick(owners, 4, 4, 11);
	pick(owners, 5, 4, 13);
}

static void held_numbers_are_not_given_out(void **state)
{
	struct allocate_owner owners[] = {
		{ .block = 1, .vnid = 10, .deleted = true, .deleted_at = NOW - HOLD + 1 },
		{ .block = 2, .vnid = 11, .deleted = true, .deleted_at = NOW - HOLD },
	};

	(void)state;
	pick(owners, 1, 2, 11);
	pick(owners, 2, 2, 11); /* the second is held no longer */
	owners[0].deleted_at--;
	pick(owners, 2, 1, 10);
}

static void a_strange_clock_holds_longer(void **state)
{
	(void)state;
	assert_true(allocate_is_held(NOW + 5000, NOW, HOLD));
	assert_true(allocate_is_held(INT64_MAX, NOW, HOLD));
	assert_true(allocate_is_held(NOW - HOLD + 1, NOW, HOLD));
	assert_false(allocate_is_held(NOW - HOLD, NOW, HOLD));
	assert_false(allocate_is_held(INT64_MIN, NOW, HOLD));
}

/* All blocks but the last, then all. */
static void blocks_run_out(void **state)
{
	cleanup_free struct allocate_owner *owners = calloc(PROJECT_BLOCKS, sizeof(*owners));
	struct error err = { 0 };
	uint32_t block, vnid;

	(void)state;
	assert_non_null(owners);
	for (uint32_t i = 0; i < PROJECT_BLOCKS; i++)
		owners[i] = (struct allocate_owner){ .block = i, .vnid = i ? i + 9 : 0 };
	pick(owners, PROJECT_BLOCKS - 1, PROJECT_BLOCKS - 1, PROJECT_BLOCKS + 8);
	assert_int_equal(
		allocate_project(owners, PROJECT_BLOCKS, NOW, HOLD, &block, &vnid, &err), -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
	assert_non_null(strstr(err.text, "no block of user ids is free: all 99999"));
}

static struct ipnet net(const char *text)
{
	struct ipnet n;

	assert_int_equal(ipnet_parse(text, "test", &n, NULL), 0);
	return n;
}

static void subnet(const char *cluster, unsigned bits, const struct ipnet *taken, size_t len,
	const char *wanted)
{
	const struct ipnet c = net(cluster);
	char text[IPNET_TEXT_SIZE] = "";
	struct error err = { 0 };
	struct ipnet got;

	if (allocate_subnet(&c, bits, taken, len, &got, &err) < 0)
		fail_msg("%s", err.text);
	ipnet_format(&got, text);
	assert_string_equal(text, wanted);
}

static void the_lowest_free_subnet(void **state)
{
	const struct ipnet taken[] = { net("10.128.2.0/23"), net("10.128.0.0/23"),
		net("10.128.6.0/23") };

	(void)state;
	subnet("10.128.0.0/14", 9, NULL, 0, "10.128.0.0/23");
	subnet("10.128.0.0/14", 9, taken, 1, "10.128.0.0/23");
	subnet("10.128.0.0/14", 9, taken, 2, "10.128.4.0/23");
	subnet("10.128.0.0/14", 9, taken, 3, "10.128.4.0/23");
	subnet("10.0.0.0/29", 3, NULL, 0, "10.0.0.0/29");
	subnet("128.0.0.0/1", 15, NULL, 0, "128.0.0.0/17");
}

/* Nodes of another time, when the network or the number of bits was another. */
static void other_sizes_are_stepped_over(void **state)
{
	const struct ipnet larger[] = { net("10.128.0.0/20") };
	const struct ipnet smaller[] = { net("10.128.1.128/25"), net("10.128.2.0/32") };
	const struct ipnet elsewhere[] = { net("192.168.0.0/23"), net("10.127.254.0/23"),
		net("10.132.0.0/23") };
	const struct ipnet around[] = { net("10.0.0.0/8") };
	struct ipnet c = net("10.128.0.0/14"), got;
	struct error err = { 0 };

	(void)state;
	subnet("10.128.0.0/14", 9, larger, 1, "10.128.16.0/23");
	subnet("10.128.0.0/14", 9, smaller, 2, "10.128.4.0/23");
	subnet("10.128.0.0/14", 9, elsewhere, 3, "10.128.0.0/23");
	assert_int_equal(allocate_subnet(&c, 9, around, 1, &got, &err), -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
}

static void subnets_run_out(void **state)
{
	const struct ipnet taken[] = { net("10.0.0.0/23"), net("10.0.2.0/23") };
	const struct ipnet c = net("10.0.0.0/22");
	struct error err = { 0 };
	struct ipnet got;

	(void)state;
	subnet("10.0.0.0/22", 9, taken, 1, "10.0.2.0/23");
	assert_int_equal(allocate_subnet(&c, 9, taken, 2, &got, &err), -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
	assert_string_equal(
		err.text, "no subnet is free: all 2 of 10.0.0.0/22 with 9 host bits are in use");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lowest_free_numbers),
		cmocka_unit_test(held_numbers_are_not_given_out),
		cmocka_unit_test(a_strange_clock_holds_longer),
		cmocka_unit_test(blocks_run_out),
		cmocka_unit_test(the_lowest_free_subnet),
		cmocka_unit_test(other_sizes_are_stepped_over),
		cmocka_unit_test(subnets_run_out),
	};

	return cmocka_run_group_tests_name("allocate", tests, NULL, NULL);
}
