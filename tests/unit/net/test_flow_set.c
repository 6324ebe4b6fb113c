/* Wanted flows by object: what replaces what, and what two objects cannot both have. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "netplugin/flow_set.h"

static int want(struct flow_set *set, unsigned object, const unsigned *priorities, size_t len,
	struct error *err)
{
	struct flow_list list = { 0 };
	int r;

	for (size_t i = 0; i < len; i++) {
		char *line;

		assert_true(asprintf(&line, "cookie=%u,table=5,priority=%u,ip,actions=drop", object,
				    priorities[i]) > 0);
		assert_int_equal(flow_list_add(&list, line, err), 0);
	}
	r = flow_set_want(set, object, &list, err);
	flow_list_done(&list);
	return r;
}

static void an_object_is_replaced_whole_and_alone(void **state)
{
	struct flow_set *set = flow_set_new();
	struct error err = { 0 };

	(void)state;
	assert_int_equal(want(set, 1, (unsigned[]){ 1, 2, 3 }, 3, &err), 0);
	assert_int_equal(want(set, 2, (unsigned[]){ 11, 12 }, 2, &err), 0);
	assert_int_equal(flow_set_wanted(set), 5);
	assert_int_equal(want(set, 1, (unsigned[]){ 3, 4 }, 2, &err), 0);
	assert_int_equal(flow_set_wanted(set), 4);
	assert_int_equal(flow_set_differences(set), 4);
	/* The same flow twice is one. */
	assert_int_equal(want(set, 1, (unsigned[]){ 3, 3 }, 2, &err), 0);
	assert_int_equal(flow_set_wanted(set), 3);
	assert_int_equal(want(set, 1, NULL, 0, &err), 0);
	assert_int_equal(flow_set_wanted(set), 2);
	assert_int_equal(want(set, 1, NULL, 0, &err), 0);
	assert_int_equal(want(set, 2, NULL, 0, &err), 0);
	assert_int_equal(flow_set_wanted(set), 0);
	assert_int_equal(flow_set_differences(set), 0);
	flow_set_free(set);
}

static void a_flow_has_one_object(void **state)
{
	struct flow_set *set = flow_set_new();
	struct error err = { 0 };

	(void)state;
	assert_int_equal(want(set, 1, (unsigned[]){ 1, 2 }, 2, &err), 0);
	assert_int_equal(want(set, 2, (unsigned[]){ 3, 2 }, 2, &err), -1);
	assert_int_equal(err.code, ERR_INTERNAL);
	assert_int_equal(flow_set_wanted(set), 2);
	/* Freed by its object, it is another's. */
	assert_int_equal(want(set, 1, (unsigned[]){ 1 }, 1, &err), 0);
	assert_int_equal(want(set, 2, (unsigned[]){ 3, 2 }, 2, &err), 0);
	assert_int_equal(flow_set_wanted(set), 3);
	flow_set_free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_object_is_replaced_whole_and_alone),
		cmocka_unit_test(a_flow_has_one_object),
	};

	return cmocka_run_group_tests_name("flow_set", tests, NULL, NULL);
}
