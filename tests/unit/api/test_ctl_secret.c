/* Keys and values of `create secret`, as kubectl users give them, and what is refused. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/ctl/secret_input.h"

struct fixture {
	char dir[64];
	struct secret_input input;
};

static struct error test_err;

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/bulkhead-secret-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(secret_input_init(&f->input, &test_err), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	secret_input_done(&f->input);
	assert_int_equal(tree_remove_at(AT_FDCWD, f->dir, &test_err), 0);
	free(f);
	return 0;
}

static void put_file(const struct fixture *f, const char *name, const void *data, size_t size)
{
	char path[512];
	cleanup_close int fd = -1;

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, data, size, &test_err), 0);
}

static const char *spec(const struct fixture *f, const char *prefix, const char *name)
{
	static char text[512];

	snprintf(text, sizeof(text), "%s%s/%s", prefix, f->dir, name);
	return text;
}

static const struct secret_value *find(const struct fixture *f, const char *key)
{
	for (size_t i = 0; i < f->input.len; i++) {
		if (strcmp(f->input.values[i].key, key) == 0)
			return &f->input.values[i];
	}
	fail_msg("no key '%s'", key);
	return NULL;
}

static void assert_value(const struct fixture *f, const char *key, const char *want)
{
	assert_int_equal(find(f, key)->size, strlen(want));
	assert_memory_equal(find(f, key)->data, want, strlen(want));
}

static void assert_refused(int r, enum error_code code, const char *why)
{
	assert_int_equal(r, -1);
	assert_int_equal(test_err.code, code);
	if (!strstr(test_err.text, why))
		fail_msg("'%s' does not say '%s'", test_err.text, why);
	assert_null(strstr(test_err.text, "hunter2"));
}

static void literals(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(secret_input_literal(&f->input, "password=hunter2", &test_err), 0);
	assert_int_equal(secret_input_literal(&f->input, "url=a=b?c=d", &test_err), 0);
	assert_int_equal(secret_input_literal(&f->input, "empty=", &test_err), 0);
	assert_int_equal(f->input.len, 3);
	assert_value(f, "password", "hunter2");
	assert_value(f, "url", "a=b?c=d");
	assert_value(f, "empty", "");
}

static void bad_literals_are_not_repeated(void **state)
{
	struct fixture *f = *state;

	assert_refused(secret_input_literal(&f->input, "hunter2", &test_err), ERR_INVALID,
		"takes KEY=VALUE");
	assert_refused(
		secret_input_literal(&f->input, "=hunter2", &test_err), ERR_INVALID, "KEY=VALUE");
	assert_refused(secret_input_literal(&f->input, "a/b=hunter2", &test_err), ERR_INVALID,
		"--from-literal: key 'a/b': only letters");
	assert_refused(
		secret_input_literal(&f->input, "..=hunter2", &test_err), ERR_INVALID, "key '..'");
	assert_int_equal(f->input.len, 0);
}

static void files(void **state)
{
	struct fixture *f = *state;

	put_file(f, "tls.crt", "certificate", 11);
	put_file(f, "nul", "a\0b", 3);
	put_file(f, "odd name", "odd", 3);
	assert_int_equal(secret_input_file(&f->input, spec(f, "", "tls.crt"), &test_err), 0);
	assert_int_equal(secret_input_file(&f->input, spec(f, "bytes=", "nul"), &test_err), 0);
	assert_int_equal(secret_input_file(&f->input, spec(f, "odd=", "odd name"), &test_err), 0);
	assert_value(f, "tls.crt", "certificate");
	assert_value(f, "odd", "odd");
	assert_int_equal(find(f, "bytes")->size, 3);
	assert_memory_equal(find(f, "bytes")->data, "a\0b", 3);
}

static void bad_files_are_named(void **state)
{
	struct fixture *f = *state;

	put_file(f, "odd name", "hunter2", 7);
	assert_refused(secret_input_file(&f->input, spec(f, "", "odd name"), &test_err),
		ERR_INVALID, "key 'odd name': only letters");
	assert_refused(secret_input_file(&f->input, spec(f, "", "absent"), &test_err),
		ERR_NOT_FOUND, "absent");
	assert_refused(secret_input_file(&f->input, "key=", &test_err), ERR_INVALID, "KEY=PATH");
	assert_refused(secret_input_file(&f->input, "=path", &test_err), ERR_INVALID, "KEY=PATH");
	assert_refused(secret_input_file(&f->input, spec(f, "key=", ""), &test_err), ERR_INVALID,
		"a directory's files");
}

static void a_directory_gives_its_files(void **state)
{
	struct fixture *f = *state;
	char path[128];

	put_file(f, "one", "1", 1);
	put_file(f, ".two", "2", 1);
	put_file(f, "odd name", "3", 1);
	snprintf(path, sizeof(path), "%s/sub", f->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	put_file(f, "sub/below", "4", 1);
	assert_int_equal(secret_input_file(&f->input, f->dir, &test_err), 0);
	assert_int_equal(f->input.len, 2);
	assert_value(f, "one", "1");
	assert_value(f, ".two", "2");
}

static void the_largest_and_one_more(void **state)
{
	struct fixture *f = *state;
	cleanup_free uint8_t *bytes = calloc(1, SECRET_DATA_MAX + 1);

	put_file(f, "full", bytes, SECRET_DATA_MAX);
	put_file(f, "over", bytes, SECRET_DATA_MAX + 1);
	put_file(f, "one", "1", 1);
	assert_refused(secret_input_file(&f->input, spec(f, "", "over"), &test_err), ERR_EXHAUSTED,
		"at most 1048576 bytes");
	f->input.used = 0;
	assert_int_equal(secret_input_file(&f->input, spec(f, "", "full"), &test_err), 0);
	assert_refused(secret_input_file(&f->input, spec(f, "", "one"), &test_err), ERR_EXHAUSTED,
		"one: a secret's values have at most 1048576 bytes");
	for (size_t i = f->input.len; i < SECRET_KEYS_MAX; i++)
		assert_int_equal(secret_input_literal(&f->input, "k=v", &test_err), 0);
	assert_refused(secret_input_literal(&f->input, "k=v", &test_err), ERR_EXHAUSTED,
		"more than 1024 keys");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(literals),
		T(bad_literals_are_not_repeated),
		T(files),
		T(bad_files_are_named),
		T(a_directory_gives_its_files),
		T(the_largest_and_one_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
