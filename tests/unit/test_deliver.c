/* Paths in volumes, files that get in each other's way, and the layout on an ordinary directory. */
#include <errno.h>
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
#include "secrets/deliver.h"
#include "secrets/volume_path.h"

#define NOW 1700000000 /* 2023-11-14 22:13:20 */

static struct error test_err;

struct fixture {
	char dir[64];
	int fd;
	mode_t mask;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/bulkhead-deliver-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->fd >= 0);
	f->mask = umask(077);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	umask(f->mask);
	close(f->fd);
	assert_int_equal(tree_remove_at(AT_FDCWD, f->dir, &test_err), 0);
	free(f);
	return 0;
}

/* ---- paths --------------------------------------------------------------------------------- */

static void paths_are_judged(void **state)
{
	static const char *const good[] = { "a", "a/b", ".a", "a..b", "a/..b", "a/...b", "a/.b/c",
		"1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16", "\xc3\xa9", "a b" };
	static const struct {
		const char *path;
		const char *why;
	} bad[] = {
		{ "", "is empty" },
		{ "/", "must be relative" },
		{ "/a", "must be relative" },
		{ "..", "must not begin with '..'" },
		{ "..a", "must not begin with '..'" },
		{ "..data/a", "must not begin with '..'" },
		{ "../a", "must not begin with '..'" },
		{ ".", "as a part" },
		{ "./a", "as a part" },
		{ "a/.", "as a part" },
		{ "a/..", "as a part" },
		{ "a/../b", "as a part" },
		{ "a//b", "an empty part" },
		{ "a/", "an empty part" },
		{ "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", "more than 16 parts" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		if (volume_path_check(good[i], &test_err) < 0)
			fail_msg("%s", test_err.text);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(volume_path_check(bad[i].path, &test_err), -1);
		assert_int_equal(test_err.code, ERR_INVALID);
		if (!strstr(test_err.text, bad[i].why))
			fail_msg("'%s': %s", bad[i].path, test_err.text);
	}
}

static void path_sizes_have_limits(void **state)
{
	char part[VOLUME_PART_MAX + 2], path[VOLUME_PATH_MAX + 2];

	(void)state;
	memset(part, 'a', sizeof(part));
	part[VOLUME_PART_MAX] = '\0';
	assert_int_equal(volume_path_check(part, &test_err), 0);
	part[VOLUME_PART_MAX] = 'a';
	part[VOLUME_PART_MAX + 1] = '\0';
	assert_int_equal(volume_path_check(part, &test_err), -1);
	assert_non_null(strstr(test_err.text, "more than 255 bytes"));
	/* 16 parts of 255 bytes are 4095 with their '/'. */
	memset(path, 'a', sizeof(path));
	for (size_t i = VOLUME_PART_MAX; i < VOLUME_PATH_MAX - 1; i += VOLUME_PART_MAX + 1)
		path[i] = '/';
	path[VOLUME_PATH_MAX - 1] = '\0';
	assert_int_equal(volume_path_check(path, &test_err), 0);
	path[VOLUME_PATH_MAX - 1] = path[VOLUME_PATH_MAX] = 'a';
	path[VOLUME_PATH_MAX + 1] = '\0';
	assert_int_equal(volume_path_check(path, &test_err), -1);
	assert_non_null(strstr(test_err.text, "more than 4096 bytes"));
}

/* ---- files that exclude each other --------------------------------------------------------- */

static int check_paths(const char *const *paths, size_t len)
{
	struct deliver_file files[8];

	for (size_t i = 0; i < len; i++)
		files[i] = (struct deliver_file){ .path = paths[i], .source = "a source" };
	return deliver_check(files, len, &test_err);
}

static void clashes_are_found(void **state)
{
	static const char *const fine[] = { "a/b", "a-", "a!", "ab", "a/c/d", "a.b" };
	static const char *const same[] = { "x", "a", "y", "a" };
	static const char *const below[] = { "a/b", "a!", "b", "a" };
	static const char *const deep[] = { "a/b/c", "a/b!", "a/b" };

	(void)state;
	assert_int_equal(check_paths(fine, ARRAY_LEN(fine)), 0);
	assert_int_equal(check_paths(same, ARRAY_LEN(same)), -1);
	assert_non_null(strstr(
		test_err.text, "path 'a' of a source and 'a' of a source exclude each other"));
	assert_int_equal(check_paths(below, ARRAY_LEN(below)), -1);
	assert_non_null(strstr(test_err.text, "path 'a' of a source and 'a/b' of a source"));
	assert_int_equal(check_paths(deep, ARRAY_LEN(deep)), -1);
	assert_int_equal(check_paths(NULL, 0), 0);
}

static void count_has_a_limit(void **state)
{
	struct deliver_file *files = calloc(DELIVER_FILES_MAX + 1, sizeof(*files));
	char(*names)[8] = calloc(DELIVER_FILES_MAX + 1, sizeof(*names));

	(void)state;
	for (size_t i = 0; i <= DELIVER_FILES_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "%zu", i);
		files[i] = (struct deliver_file){ .path = names[i], .source = "s" };
	}
	assert_int_equal(deliver_check(files, DELIVER_FILES_MAX, &test_err), 0);
	assert_int_equal(deliver_check(files, DELIVER_FILES_MAX + 1, &test_err), -1);
	assert_int_equal(test_err.code, ERR_EXHAUSTED);
	free(names);
	free(files);
}

/* ---- layout -------------------------------------------------------------------------------- */

static void stage(const struct fixture *f, const struct deliver_file *files, size_t len,
	char name[DELIVER_NAME_SIZE])
{
	if (deliver_stage(f->fd, files, len, NOW, name, &test_err) < 0)
		fail_msg("%s", test_err.text);
}

static void assert_content(const struct fixture *f, const char *path, const char *want)
{
	cleanup_close int fd = openat(f->fd, path, O_RDONLY | O_CLOEXEC);
	cleanup_free char *text = NULL;
	size_t size;

	assert_true(fd >= 0);
	assert_int_equal(fd_read_all(fd, 4096, &text, &size, &test_err), 0);
	assert_string_equal(text, want);
}

static void layout_is_the_atomic_writers(void **state)
{
	static const struct deliver_file files[] = {
		{ "a", "one", 3, 0640, "s" },
		{ "b/c", "two", 3, 0444, "s" },
		{ "b/d", "", 0, 0000, "s" },
	};
	struct fixture *f = *state;
	char name[DELIVER_NAME_SIZE], target[64] = "";
	struct stat st;

	stage(f, files, ARRAY_LEN(files), name);
	assert_memory_equal(name, "..2023_11_14_22_13_20.", 22);
	assert_int_equal(strspn(name + 22, "0123456789"), 10);
	assert_int_equal(name[32], '\0');
	assert_int_equal(deliver_publish(f->fd, name, &test_err), 0);
	assert_content(f, "a", "one");
	assert_content(f, "b/c", "two");
	assert_true(readlinkat(f->fd, "b", target, sizeof(target) - 1) > 0);
	assert_string_equal(target, "..data/b");
	assert_int_equal(fstatat(f->fd, "b/c", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0444);
	assert_int_equal(fstatat(f->fd, "b/d", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0);
	assert_int_equal(fstatat(f->fd, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(fstatat(f->fd, "b", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
}

static void an_empty_volume_is_one_too(void **state)
{
	static const struct deliver_file file = { "a", "one", 3, 0644, "s" };
	struct fixture *f = *state;
	char name[DELIVER_NAME_SIZE];

	stage(f, &file, 1, name);
	assert_int_equal(deliver_publish(f->fd, name, &test_err), 0);
	stage(f, NULL, 0, name);
	assert_int_equal(deliver_publish(f->fd, name, &test_err), 0);
	assert_int_equal(deliver_clean(f->fd, &test_err), 0);
	assert_int_equal(faccessat(f->fd, "a", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(faccessat(f->fd, "..data", F_OK, AT_SYMLINK_NOFOLLOW), 0);
}

/* What could only come from outside is not followed, not overwritten, and named. */
static void foreign_things_are_not_touched(void **state)
{
	static const struct deliver_file file = { "a", "one", 3, 0644, "s" };
	struct fixture *f = *state;
	char name[DELIVER_NAME_SIZE];

	stage(f, &file, 1, name);
	assert_int_equal(symlinkat("/etc/passwd", f->fd, "a"), 0);
	assert_int_equal(deliver_publish(f->fd, name, &test_err), -1);
	assert_non_null(strstr(test_err.text, "'a' in the volume is not its own"));
	assert_int_equal(faccessat(f->fd, "..data", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	/* A staged directory that is a link elsewhere is none. */
	assert_int_equal(symlinkat("/etc", f->fd, "..2023_11_14_22_13_20.0000000001"), 0);
	assert_int_equal(deliver_publish(f->fd, "..2023_11_14_22_13_20.0000000001", &test_err), -1);
	assert_non_null(strstr(test_err.text, "cannot open"));
	assert_int_equal(deliver_open(f->fd, &test_err), -1);
	assert_int_equal(test_err.code, ERR_INVALID);
}

static void only_staged_names_are_published(void **state)
{
	static const char *const bad[] = { "", ".", "..", "..data", "a", "/etc",
		"..2023_11_14_22_13_20.000000000", "..2023_11_14_22_13_20.00000000000",
		"..2023_11_14_22_13_20.000000000a", "x.2023_11_14_22_13_20.0000000000",
		"..2023_11_14_22_13_20./etc/passw", "..2023_11_14_22_13_20.0000000000/" };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(deliver_publish(f->fd, bad[i], &test_err), -1);
		assert_int_equal(test_err.code, ERR_INVALID);
	}
	assert_int_equal(deliver_publish(f->fd, "..2023_11_14_22_13_20.0000000000", &test_err), -1);
	assert_int_equal(test_err.code, ERR_NOT_FOUND);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_judged),
		cmocka_unit_test(path_sizes_have_limits),
		cmocka_unit_test(clashes_are_found),
		cmocka_unit_test(count_has_a_limit),
		T(layout_is_the_atomic_writers),
		T(an_empty_volume_is_one_too),
		T(foreign_things_are_not_touched),
		T(only_staged_names_are_published),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
