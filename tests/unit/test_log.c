/* What errors say, and that no text they carry can forge a record of the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"

/* ---- errors -------------------------------------------------------------------------------- */

static void an_error_says_what_and_why(void **state)
{
	struct error err = { 0 };

	(void)state;
	assert_int_equal(error_set(&err, ERR_DENIED, EACCES, "cannot open '%s'", "x"), -1);
	assert_int_equal(err.code, ERR_DENIED);
	assert_int_equal(err.sys, EACCES);
	assert_string_equal(err.text, "cannot open 'x': Permission denied");
	assert_int_equal(error_prefix(&err, "pod '%s'", "web"), -1);
	assert_string_equal(err.text, "pod 'web': cannot open 'x': Permission denied");
	assert_int_equal(err.code, ERR_DENIED);
	assert_int_equal(error_set(NULL, ERR_INVALID, 0, "nobody listens"), -1);
	assert_int_equal(error_prefix(NULL, "nobody"), -1);
}

/* One past what fits, by each of the three ways to get there. */
static void a_text_that_is_cut_says_so(void **state)
{
	char text[ERROR_TEXT_SIZE + 1];
	struct error err = { 0 };

	(void)state;
	memset(text, 'x', sizeof(text));
	text[ERROR_TEXT_SIZE - 1] = '\0';
	error_set(&err, ERR_INVALID, 0, "%s", text);
	assert_string_equal(err.text, text);
	error_prefix(&err, "p");
	assert_int_equal(strlen(err.text), ERROR_TEXT_SIZE - 1);
	assert_memory_equal(err.text, "p: xxx", 6);
	assert_string_equal(err.text + ERROR_TEXT_SIZE - 4, "...");
	error_set(&err, ERR_INVALID, EIO, "%s", text);
	assert_string_equal(err.text + ERROR_TEXT_SIZE - 4, "...");
	text[ERROR_TEXT_SIZE - 1] = 'x';
	text[ERROR_TEXT_SIZE] = '\0';
	error_set(&err, ERR_INVALID, 0, "%s", text);
	assert_int_equal(strlen(err.text), ERROR_TEXT_SIZE - 1);
	assert_string_equal(err.text + ERROR_TEXT_SIZE - 4, "...");
}

static void codes_have_names(void **state)
{
	(void)state;
	assert_int_equal(error_code_of(ENOENT), ERR_NOT_FOUND);
	assert_int_equal(error_code_of(EXDEV), ERR_DENIED);
	assert_int_equal(error_code_of(ENOSPC), ERR_EXHAUSTED);
	assert_int_equal(error_code_of(EPIPE), ERR_UNAVAILABLE);
	assert_int_equal(error_code_of(EIO), ERR_INTERNAL);
	for (int i = ERR_NONE; i <= ERR_TIMEOUT; i++)
		assert_string_not_equal(error_code_name((enum error_code)i), "unknown");
	assert_string_equal(error_code_name((enum error_code)(ERR_TIMEOUT + 1)), "unknown");
	assert_string_equal(error_code_name((enum error_code) - 1), "unknown");
}

/* ---- the log ------------------------------------------------------------------------------- */

/* What 'text' becomes on stderr, for the length of the test another file. */
static void logged(enum log_level level, const struct log_subject *subject, const char *text,
	char *ret, size_t size)
{
	cleanup_close int saved_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	cleanup_close int file_fd = memfd_create("log", MFD_CLOEXEC);
	ssize_t n;

	assert_true(saved_fd >= 0 && file_fd >= 0);
	fflush(stderr);
	dup2(file_fd, STDERR_FILENO);
	log_write(level, subject, "%s", text);
	dup2(saved_fd, STDERR_FILENO);
	n = pread(file_fd, ret, size - 1, 0);
	assert_true(n >= 0);
	ret[n] = '\0';
}

/* The record without its time: "name level: text\n". */
static const char *said(const char *text)
{
	static char line[8192];
	char *end;

	logged(LOG_LEVEL_ERROR, NULL, text, line, sizeof(line));
	assert_int_equal(line[10], 'T');
	assert_int_equal(line[23], 'Z');
	end = strchr(line, '\n');
	assert_non_null(end);
	assert_int_equal(end[1], '\0'); /* one record, one line */
	*end = '\0';
	return line + 25;
}

static void control_characters_are_shown(void **state)
{
	char every[32] = "";

	(void)state;
	assert_string_equal(said("plain, also \xc3\xa4"), "test-log error: plain, also \xc3\xa4");
	assert_string_equal(said("a\nb"), "test-log error: a\\x0ab");
	assert_string_equal(said("\x1b[2J\r\x7f"), "test-log error: \\x1b[2J\\x0d\\x7f");
	for (int c = 1; c < 32; c++)
		every[c - 1] = (char)c;
	for (const char *p = said(every); *p; p++)
		assert_in_range(*p, 0x20, 0x7e);
	assert_string_equal(said("ok\n2026-01-01T00:00:00.000Z bulkhead-agent error: forged"),
		"test-log error: ok\\x0a2026-01-01T00:00:00.000Z bulkhead-agent error: forged");
}

static void a_long_text_is_cut(void **state)
{
	char text[10000];
	const char *line;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	line = said(text);
	assert_in_range(strlen(line), 2000, 2100);
	/* Each grows to four: still one whole record that ends where a sign ends. */
	memset(text, '\n', sizeof(text) - 1);
	line = said(text);
	assert_in_range(strlen(line), 2000, 2100);
	assert_string_equal(line + strlen(line) - 4, "\\x0a");
}

static void levels_and_subjects(void **state)
{
	const struct log_subject pod = { "red", "web", "u-1" };
	const struct log_subject project = { "red", NULL, NULL };
	char line[256];

	(void)state;
	logged(LOG_LEVEL_DEBUG, NULL, "unseen", line, sizeof(line));
	assert_string_equal(line, "");
	logged(LOG_LEVEL_INFO, &pod, "runs", line, sizeof(line));
	assert_string_equal(line + 25, "test-log info: pod red/web: runs\n");
	logged(LOG_LEVEL_WARNING, &project, "new", line, sizeof(line));
	assert_string_equal(line + 25, "test-log warning: new\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_says_what_and_why),
		cmocka_unit_test(a_text_that_is_cut_says_so),
		cmocka_unit_test(codes_have_names),
		cmocka_unit_test(control_characters_are_shown),
		cmocka_unit_test(a_long_text_is_cut),
		cmocka_unit_test(levels_and_subjects),
	};

	unsetenv("JOURNAL_STREAM"); /* stderr it is, wherever this runs */
	log_init("test-log", LOG_LEVEL_INFO);
	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
