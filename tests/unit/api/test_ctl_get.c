/* What `get` prints of nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nodeagent/ctl/get.h"

/* One was named, and none is there: a list without items, and nothing behind its end is read. */
static void nothing_is_an_empty_list(void **state)
{
	static const char *const formats[] = { "json", "yaml" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct args args = { .output = formats[i] };
		struct error err = { 0 };

		assert_int_equal(get_print_objects(&args, NULL, 0, true, "Pod", &err), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_an_empty_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
