/* What 'image import' reads: files as they are, a layout's directory as a tar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/ctl/archive.h"

struct fixture {
	char dir[64];
	struct error err;
};

static void write_at(const char *dir, const char *name, const char *text, off_t size)
{
	char path[128];
	cleanup_close int fd = -1;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text), NULL), 0);
	if (size)
		assert_int_equal(ftruncate(fd, size), 0);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[96];

	strcpy(f->dir, "/tmp/bulkhead-archive-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(path, sizeof(path), "%s/blobs", f->dir);
	assert_int_equal(mkdir(path, 0755), 0);
	write_at(f->dir, "index.json", "{}", 0);
	write_at(f->dir, "blobs/holes", "start", 1 << 20);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(tree_remove_at(AT_FDCWD, f->dir, NULL), 0);
	free(f);
	return 0;
}

/* The sizes of index.json and blobs/holes as a reader of the tar finds them; others fail. */
static void assert_tar(int fd)
{
	struct archive *a = archive_read_new();
	struct archive_entry *entry;
	int64_t index = -1;
	int64_t holes = -1;

	archive_read_support_format_tar(a);
	assert_int_equal(archive_read_open_fd(a, fd, 4096), ARCHIVE_OK);
	while (archive_read_next_header(a, &entry) == ARCHIVE_OK) {
		const char *name = archive_entry_pathname(entry);

		assert_int_equal(archive_entry_sparse_count(entry), 0);
		if (strcmp(name, "index.json") == 0)
			index = archive_entry_size(entry);
		else if (strcmp(name, "blobs/holes") == 0)
			holes = archive_entry_size(entry);
		else if (strcmp(name, "blobs/") != 0 && strcmp(name, "blobs") != 0)
			fail_msg("unexpected '%s'", name);
	}
	archive_read_free(a);
	assert_int_equal(index, 2);
	assert_int_equal(holes, 1 << 20);
}

static void test_directory(void **state)
{
	static const char *const endings[] = { "", "/", "//" };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
		struct archive_source source;
		char path[96];

		snprintf(path, sizeof(path), "%s%s", f->dir, endings[i]);
		if (archive_source_open(&source, path, &f->err) < 0)
			fail_msg("%s", f->err.text);
		assert_tar(source.fd);
		if (archive_source_close(&source, &f->err) < 0)
			fail_msg("%s: %s", path, f->err.text);
	}
}

/* Nobody reads on: the packing ends, and does not hang. */
static void test_given_up(void **state)
{
	struct fixture *f = *state;
	struct archive_source source;
	char byte;

	write_at(f->dir, "blobs/holes", "", 64 << 20);
	assert_int_equal(archive_source_open(&source, f->dir, &f->err), 0);
	assert_int_equal(read(source.fd, &byte, 1), 1);
	assert_int_equal(archive_source_close(&source, &f->err), -1);
	assert_non_null(strstr(f->err.text, "cannot pack"));
}

static void test_file(void **state)
{
	struct fixture *f = *state;
	struct archive_source source;
	char path[96];
	char text[8] = { 0 };

	snprintf(path, sizeof(path), "%s/index.json", f->dir);
	assert_int_equal(archive_source_open(&source, path, &f->err), 0);
	assert_int_equal(read(source.fd, text, sizeof(text) - 1), 2);
	assert_string_equal(text, "{}");
	assert_int_equal(archive_source_close(&source, &f->err), 0);
	snprintf(path, sizeof(path), "%s/absent", f->dir);
	assert_int_equal(archive_source_open(&source, path, &f->err), -1);
	assert_int_equal(f->err.code, ERR_NOT_FOUND);
	assert_non_null(strstr(f->err.text, "absent"));
}

#define CASE(x) cmocka_unit_test_setup_teardown(x, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_directory),
		CASE(test_given_up),
		CASE(test_file),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
