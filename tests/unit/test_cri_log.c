/* CRI log files: form of a record, pieces of long lines, rotation, hostile text, a full disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/shim/cri_log.h"

struct place {
	char path[64];
	int dirfd;
};

static int setup(void **state)
{
	static struct place place;

	strcpy(place.path, "/tmp/bulkhead-test-cri.XXXXXX");
	if (!mkdtemp(place.path))
		return -1;
	place.dirfd = open(place.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = &place;
	return place.dirfd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct place *place = *state;

	close(place->dirfd);
	return tree_remove_at(AT_FDCWD, place->path, NULL);
}

static struct cri_log *open_log(const struct place *place, size_t size_max)
{
	struct cri_log *log;
	struct error err = { 0 };

	if (cri_log_open(&log, place->dirfd, "main", 0, size_max, &err) < 0)
		fail_msg("%s", err.text);
	return log;
}

/* The content of main/<name>; the caller frees it. NULL: there is no such file. */
static char *content(const struct place *place, const char *name)
{
	char path[64];
	char *text;
	size_t size;

	snprintf(path, sizeof(path), "main/%s", name);
	return file_read_at(place->dirfd, path, 1 << 20, &text, &size, NULL) < 0 ? NULL : text;
}

/* Checks the stamp's form and moves behind it and its space. */
static const char *behind_stamp(const char *p)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddddddddZ ";

	for (const char *f = form; *f; f++, p++) {
		if (*f == 'd' ? *p < '0' || *p > '9' : *p != *f)
			fail_msg("no stamp at '%.40s'", p);
	}
	return p;
}

static void records_have_the_form(void **state)
{
	struct place *place = *state;
	struct cri_log *log = open_log(place, CRI_FILE_SIZE_MAX);
	cleanup_free char *text = NULL;
	const char *p;

	cri_log_write(log, CRI_STDOUT, "one\ntw", 6);
	cri_log_write(log, CRI_STDERR, "error\n", 6);
	cri_log_write(log, CRI_STDOUT, "o\nrest", 6);
	cri_log_close(log);
	text = content(place, "0.log");
	p = behind_stamp(text);
	assert_memory_equal(p, "stdout F one\n", 13);
	p = behind_stamp(p + 13);
	assert_memory_equal(p, "stderr F error\n", 15);
	p = behind_stamp(p + 15);
	assert_memory_equal(p, "stdout F two\n", 13);
	p = behind_stamp(p + 13);
	assert_string_equal(p, "stdout P rest\n");
}

static void a_line_past_the_limit_comes_in_pieces(void **state)
{
	struct place *place = *state;
	struct cri_log *log = open_log(place, CRI_FILE_SIZE_MAX);
	cleanup_free char *line = malloc(CRI_PIECE_MAX + 2);
	cleanup_free char *text = NULL;
	const char *p;

	/* As long as a record takes: one; a byte more: two. */
	memset(line, 'x', CRI_PIECE_MAX + 1);
	line[CRI_PIECE_MAX] = '\n';
	cri_log_write(log, CRI_STDOUT, line, CRI_PIECE_MAX + 1);
	line[CRI_PIECE_MAX] = 'y';
	line[CRI_PIECE_MAX + 1] = '\n';
	cri_log_write(log, CRI_STDOUT, line, CRI_PIECE_MAX + 2);
	cri_log_close(log);
	text = content(place, "0.log");
	p = behind_stamp(text);
	assert_memory_equal(p, "stdout F xxx", 12);
	p = behind_stamp(p + 9 + CRI_PIECE_MAX + 1);
	assert_memory_equal(p, "stdout P xxx", 12);
	p = behind_stamp(p + 9 + CRI_PIECE_MAX + 1);
	assert_string_equal(p, "stdout F y\n");
}

static void text_cannot_begin_a_record(void **state)
{
	struct place *place = *state;
	struct cri_log *log = open_log(place, CRI_FILE_SIZE_MAX);
	cleanup_free char *text = NULL;
	static const char forged[] = "2026-01-02T03:04:05.123456789Z stderr F forged\r\n";

	cri_log_write(log, CRI_STDOUT, forged, sizeof(forged) - 1);
	cri_log_close(log);
	text = content(place, "0.log");
	assert_memory_equal(behind_stamp(text), "stdout F 2026-01-02", 19);
}

/* Four records of 60 bytes fill a file; the sixth file's worth pushes the first out. */
static void files_rotate_and_five_are_kept(void **state)
{
	static const char *const kept[] = { "0.log", "0.log.1", "0.log.2", "0.log.3", "0.log.4" };
	struct place *place = *state;
	struct cri_log *log = open_log(place, 240);
	cleanup_free char *gone = NULL;

	for (int i = 0; i < 24; i++) {
		char line[32];

		/* "<stamp> stdout F line-NNN............\n" is 60 bytes. */
		snprintf(line, sizeof(line), "line-%03d...........\n", i);
		cri_log_write(log, CRI_STDOUT, line, strlen(line));
	}
	assert_int_equal(cri_log_dropped(log), 0);
	cri_log_close(log);
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		cleanup_free char *text = content(place, kept[i]);
		char first[16];

		if (!text)
			fail_msg("%s is not there", kept[i]);
		assert_true(strlen(text) <= 240);
		snprintf(first, sizeof(first), "line-%03d", 20 - 4 * (int)i);
		if (!strstr(text, first))
			fail_msg("%s has no %s", kept[i], first);
	}
	gone = content(place, "0.log.5");
	assert_null(gone);
}

static void a_link_in_the_way_is_refused(void **state)
{
	struct place *place = *state;
	struct cri_log *log;
	struct error err = { 0 };

	assert_int_equal(mkdirat(place->dirfd, "main", 0750), 0);
	assert_int_equal(symlinkat("/etc/passwd", place->dirfd, "main/0.log"), 0);
	assert_int_equal(cri_log_open(&log, place->dirfd, "main", 0, CRI_FILE_SIZE_MAX, &err), -1);
	assert_int_equal(err.sys, ELOOP);
}

#define log_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		log_test(records_have_the_form),
		log_test(a_line_past_the_limit_comes_in_pieces),
		log_test(text_cannot_begin_a_record),
		log_test(files_rotate_and_five_are_kept),
		log_test(a_link_in_the_way_is_refused),
	};

	return cmocka_run_group_tests_name("cri log", tests, NULL, NULL);
}
