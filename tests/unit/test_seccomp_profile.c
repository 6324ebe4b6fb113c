/* How large a seccomp profile may be: at the limit it compiles, one byte more is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "nodeagent/shim/seccomp_build.h"

static void the_size_has_a_limit(void **state)
{
	static const char profile[] = "{\"defaultAction\": \"SCMP_ACT_ALLOW\"}";
	cleanup_free char *text = malloc(SECCOMP_PROFILE_SIZE_MAX + 1);
	scmp_filter_ctx filter = NULL;
	struct error err = { 0 };

	(void)state;
	memset(text, ' ', SECCOMP_PROFILE_SIZE_MAX + 1);
	memcpy(text, profile, sizeof(profile) - 1);
	assert_int_equal(
		seccomp_profile_build(&filter, text, SECCOMP_PROFILE_SIZE_MAX, 0, 6 << 16, &err),
		0);
	seccomp_release(filter);
	assert_int_equal(seccomp_profile_build(
				 &filter, text, SECCOMP_PROFILE_SIZE_MAX + 1, 0, 6 << 16, &err),
		-1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
	assert_string_equal(err.text, "seccomp profile is larger than 262144 bytes");
	assert_int_equal(seccomp_profile_build(&filter, "", 0, 0, 6 << 16, &err), -1);
	assert_string_equal(err.text, "seccomp profile is empty");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_size_has_a_limit) };

	return cmocka_run_group_tests_name("seccomp profile", tests, NULL, NULL);
}
