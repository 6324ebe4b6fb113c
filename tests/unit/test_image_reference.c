#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "nodeagent/image/digest.h"
#include "nodeagent/image/reference.h"

static void test_good(void **state)
{
	static const char *const rows[][2] = {
		{ "busybox", "busybox:latest" },
		{ "busybox:demo", "busybox:demo" },
		{ "a", "a:latest" },
		{ "team/web_app.x--y__z", "team/web_app.x--y__z:latest" },
		{ "host.example/team/web:1.2-rc_3", "host.example/team/web:1.2-rc_3" },
		{ "host:5000/web", "host:5000/web:latest" },
		{ "HOST.example:5000/web:V1", "HOST.example:5000/web:V1" },
		{ "localhost/web", "localhost/web:latest" },
		{ "10.0.0.1:5000/web:_x", "10.0.0.1:5000/web:_x" },
	};
	char ret[IMAGE_NAME_MAX + 1];
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (reference_normalize(rows[i][0], ret, &err) < 0)
			fail_msg("%s: %s", rows[i][0], err.text);
		assert_string_equal(ret, rows[i][1]);
	}
}

static void test_bad(void **state)
{
	static const char *const rows[] = { "", "Busybox", "a b", "a//b", "/a", "a/", "../a",
		"a/../b", "-a", "a-", "a._b", "a___b", "a..b", "a:", "a:b:c", "a:.x", "a:-x",
		"a:x y", ":x", "a\n", "a/Upper", "host:port/a", "host:/a", "-host.example/a",
		"a\xc3\xa9", ".", "..", "a:x/y" };
	char ret[IMAGE_NAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct error err = { 0 };

		if (reference_normalize(rows[i], ret, &err) == 0)
			fail_msg("'%s' was taken as '%s'", rows[i], ret);
		assert_int_equal(err.code, ERR_INVALID);
	}
}

static void test_digest_beside_a_name(void **state)
{
	char ret[IMAGE_NAME_MAX + 1];
	struct error err = { 0 };

	(void)state;
	assert_int_equal(reference_normalize("a@sha256:0", ret, &err), -1);
	assert_int_equal(err.code, ERR_UNSUPPORTED);
}

static void test_length(void **state)
{
	char text[IMAGE_NAME_MAX + 2];
	char ret[IMAGE_NAME_MAX + 1];
	struct error err = { 0 };

	(void)state;
	memset(text, 'a', sizeof(text));
	/* with ":latest" it has exactly as many as it may */
	text[IMAGE_NAME_MAX - 7] = '\0';
	assert_int_equal(reference_normalize(text, ret, &err), 0);
	assert_int_equal(strlen(ret), IMAGE_NAME_MAX);
	text[IMAGE_NAME_MAX - 7] = 'a';
	text[IMAGE_NAME_MAX - 6] = '\0';
	assert_int_equal(reference_normalize(text, ret, &err), -1);
	assert_non_null(strstr(err.text, "255"));

	memset(text, 'a', sizeof(text));
	text[1] = ':';
	text[2 + IMAGE_TAG_MAX] = '\0';
	assert_int_equal(reference_normalize(text, ret, &err), 0);
	text[2 + IMAGE_TAG_MAX] = 'a';
	text[3 + IMAGE_TAG_MAX] = '\0';
	assert_int_equal(reference_normalize(text, ret, &err), -1);
}

static void test_digests(void **state)
{
	static const char empty[] =
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
	char text[DIGEST_TEXT_SIZE];
	char hex[DIGEST_HEX_SIZE];
	struct error err = { 0 };

	(void)state;
	assert_int_equal(digest_of("", 0, hex, &err), 0);
	assert_string_equal(hex, empty);
	snprintf(text, sizeof(text), "sha256:%s", empty);
	assert_string_equal(digest_parse("f", text, &err), empty);
	text[8] = 'G';
	assert_null(digest_parse("f", text, &err));
	assert_int_equal(err.code, ERR_INVALID);
	assert_null(digest_parse("f", "sha512:00", &err));
	assert_int_equal(err.code, ERR_UNSUPPORTED);
	assert_null(digest_parse("f", "sha256:", &err));
	assert_null(digest_parse("f", "sha256:../../../etc/passwd", &err));
	assert_null(digest_parse("f", "", &err));
	assert_int_equal(digest_is_hex("E3B0"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_digest_beside_a_name),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_digests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
