/* Where a tmpfs may be made that must never be swapped, on kernels that cannot be told so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "nodeagent/shim/tmpfs.h"

#define HEADINGS "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
#define ACTIVE   HEADINGS "/dev/vda2                               partition\t1048572\t\t0\t\t-2\n"

static void swap_is_refused_where_nothing_keeps_a_tmpfs_off_it(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(tmpfs_swap_check(ACTIVE, 0, &err), -1);
	assert_int_equal(err.code, ERR_PRECONDITION);
	assert_non_null(strstr(err.text, "swapoff -a"));
	assert_non_null(strstr(err.text, "secrets_on_swap: allow"));
	/* What cannot be read as the kernel writes it is no promise. */
	assert_int_equal(tmpfs_swap_check("", 0, &err), -1);
	assert_int_equal(tmpfs_swap_check("Filename", 0, &err), -1);
}

static void no_swap_is_well(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(tmpfs_swap_check(HEADINGS, 0, &err), 0);
	assert_int_equal(tmpfs_swap_check(HEADINGS, 1, &err), 0);
}

static void who_allows_it_has_it(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(tmpfs_swap_check(ACTIVE, 1, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(swap_is_refused_where_nothing_keeps_a_tmpfs_off_it),
		cmocka_unit_test(no_swap_is_well),
		cmocka_unit_test(who_allows_it_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
