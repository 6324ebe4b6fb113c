/* Logs as the shim leaves them, and as a full disk or a crash does. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/api/log_reader.h"

#define AT "2026-01-02T03:04:05.000000000Z "

struct fixture {
	char dir[64];
	int dirfd;
	char text[4096];
	size_t size;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/bulkhead-logs-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->dirfd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	close(f->dirfd);
	tree_remove_at(AT_FDCWD, f->dir, NULL);
	free(f);
	return 0;
}

static void put(const struct fixture *f, const char *name, const char *text, size_t size)
{
	cleanup_close int fd = openat(f->dirfd, name, O_WRONLY | O_CREAT | O_APPEND, 0600);

	assert_int_equal(fd_write_all(fd, text, size, NULL), 0);
}

static void sink(void *user, int from_stderr, const char *data, size_t size)
{
	struct fixture *f = user;

	(void)from_stderr;
	assert_true(f->size + size < sizeof(f->text));
	memcpy(f->text + f->size, data, size);
	f->size += size;
	f->text[f->size] = '\0';
}

static void read_all(struct fixture *f)
{
	const struct log_options options = { .tail_lines = -1 };
	struct log_reader *reader;
	struct error err = { 0 };
	int n;

	f->size = 0;
	f->text[0] = '\0';
	assert_int_equal(log_reader_new(&reader, f->dirfd, &options, &err), 0);
	while ((n = log_reader_step(reader, sink, f, &err)) > 0)
		;
	assert_int_equal(n, 0);
	log_reader_free(reader);
}

static void whole_records(void **state)
{
	struct fixture *f = *state;
	const char text[] = AT "stdout F one\n" AT "stderr P tw\n" AT "stderr F o\n";

	put(f, "0.log", text, sizeof(text) - 1);
	read_all(f);
	assert_string_equal(f->text, "one\ntwo\n");
}

static void a_torn_record_ends_nothing(void **state)
{
	static const char *const torn[] = { AT "std", "2026-01-0", AT "stdout F", "\n", "x" };

	for (size_t i = 0; i < ARRAY_LEN(torn); i++) {
		struct fixture *f = *state;
		char text[512];
		/* What stands behind it in the same line goes with it. */
		int n = snprintf(text, sizeof(text),
			AT "stdout F before\n%s" AT "stdout F lost\n" AT "stdout F after\n",
			torn[i]);

		put(f, "0.log", text, (size_t)n);
		read_all(f);
		assert_non_null(strstr(f->text, "before\n"));
		assert_non_null(strstr(f->text, "after\n"));
		unlinkat(f->dirfd, "0.log", 0);
	}
}

static void a_torn_end_of_a_rotated_file(void **state)
{
	struct fixture *f = *state;
	const char older[] = AT "stdout F one\n" AT "stdo";
	const char newer[] = AT "stdout F two\n";

	put(f, "0.log.1", older, sizeof(older) - 1);
	put(f, "0.log", newer, sizeof(newer) - 1);
	read_all(f);
	assert_string_equal(f->text, "one\ntwo\n");
}

static void a_line_one_past_the_limit(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *text = malloc(LOG_READER_LINE_MAX + 2);
	const char after[] = AT "stdout F after\n";

	memset(text, 'x', LOG_READER_LINE_MAX + 1);
	text[LOG_READER_LINE_MAX + 1] = '\n';
	put(f, "0.log", text, LOG_READER_LINE_MAX + 2);
	put(f, "0.log", after, sizeof(after) - 1);
	read_all(f);
	assert_string_equal(f->text, "after\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(whole_records, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_torn_record_ends_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_torn_end_of_a_rotated_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_line_one_past_the_limit, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
