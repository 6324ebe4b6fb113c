/* Whole reads and writes, each limit at it and one past it; files replaced as a whole or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"

static char dir[] = "/tmp/bulkhead-file.XXXXXX";
static int dir_fd = -1;

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/bulkhead-file.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	char command[64];

	(void)state;
	close(dir_fd);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void holds(const char *name, const char *text)
{
	cleanup_free char *data = NULL;
	struct error err = { 0 };
	size_t size;

	assert_int_equal(file_read_at(dir_fd, name, 1 << 20, &data, &size, &err), 0);
	assert_int_equal(size, strlen(text));
	assert_string_equal(data, text);
}

static void replace(const char *name, const char *text)
{
	struct error err = { 0 };

	assert_int_equal(file_replace_at(dir_fd, name, text, strlen(text), 0640, &err), 0);
}

static void reading_ends_at_the_limit(void **state)
{
	static const size_t limits[] = { 0, 1, 4095, 4096, 4097, 100000 };
	struct error err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		cleanup_free char *text = calloc(1, limits[i] + 2);
		char *data = NULL;
		size_t size;

		memset(text, 'x', limits[i]);
		replace("f", text);
		assert_int_equal(file_read_at(dir_fd, "f", limits[i], &data, &size, &err), 0);
		assert_int_equal(size, limits[i]);
		assert_string_equal(data, text);
		free(data);
		data = NULL;
		text[limits[i]] = 'x';
		replace("f", text);
		assert_int_equal(file_read_at(dir_fd, "f", limits[i], &data, &size, &err), -1);
		assert_int_equal(err.code, ERR_EXHAUSTED);
		assert_null(data);
	}
	assert_non_null(strstr(err.text, "'f': larger than 100000 bytes"));
}

static void reading_follows_no_link(void **state)
{
	struct error err = { 0 };
	char *data = NULL;
	size_t size;

	(void)state;
	replace("f", "x");
	assert_int_equal(symlinkat("f", dir_fd, "link"), 0);
	assert_int_equal(file_read_at(dir_fd, "link", 10, &data, &size, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_int_equal(file_poke_at(dir_fd, "link", "y", &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_int_equal(file_poke_at(dir_fd, "absent", "y", &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(faccessat(dir_fd, "absent", F_OK, 0), -1);
	holds("f", "x");
}

static void a_replaced_file_is_another(void **state)
{
	cleanup_close int old_fd = -1;
	struct stat st, other;
	char text[8] = "";

	(void)state;
	replace("f", "old");
	old_fd = openat(dir_fd, "f", O_RDONLY | O_CLOEXEC);
	assert_int_equal(linkat(dir_fd, "f", dir_fd, "hard", 0), 0);
	umask(0077); /* the mode that was asked for counts */
	replace("f", "newer");
	holds("f", "newer");
	/* Whoever reads the old one reads it to its end; what else it was called, it still is. */
	assert_int_equal(read(old_fd, text, sizeof(text)), 3);
	assert_string_equal(text, "old");
	holds("hard", "old");
	assert_int_equal(fstatat(dir_fd, "f", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(fstatat(dir_fd, "hard", &other, 0), 0);
	assert_true(st.st_ino != other.st_ino);
}

static void links_are_replaced_and_not_followed(void **state)
{
	struct error err = { 0 };

	(void)state;
	replace("kept", "kept");
	assert_int_equal(symlinkat("kept", dir_fd, "f"), 0);
	replace("f", "new");
	holds("kept", "kept");
	holds("f", "new");
	/* Nor where the temporary file goes. */
	assert_int_equal(symlinkat("kept", dir_fd, ".f.new"), 0);
	assert_int_equal(file_replace_at(dir_fd, "f", "x", 1, 0600, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	holds("kept", "kept");
	holds("f", "new");
}

static void what_a_crash_left_is_no_hindrance(void **state)
{
	int fd = openat(dir_fd, ".f.new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	(void)state;
	assert_int_equal(write(fd, "half of something longer", 24), 24);
	close(fd);
	replace("f", "whole");
	holds("f", "whole");
	assert_int_equal(faccessat(dir_fd, ".f.new", F_OK, 0), -1);
}

/* In a child whose files may have no more than 'max' bytes. */
static int replace_limited(rlim_t max, const char *text)
{
	const struct rlimit limit = { max, max };
	struct error err = { 0 };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		_exit(file_replace_at(dir_fd, "f", text, strlen(text), 0600, &err) < 0 ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

static void a_write_that_fails_leaves_the_old(void **state)
{
	struct error err = { 0 };
	char name[NAME_MAX + 1] = "";

	(void)state;
	replace("f", "old");
	assert_int_equal(replace_limited(4, "new"), 0);
	assert_int_equal(replace_limited(4, "newer"), 1);
	holds("f", "new");
	assert_int_equal(faccessat(dir_fd, ".f.new", F_OK, 0), -1);
	/* A directory in the way. */
	assert_int_equal(mkdirat(dir_fd, "d", 0700), 0);
	assert_int_equal(file_replace_at(dir_fd, "d", "x", 1, 0600, &err), -1);
	assert_int_equal(faccessat(dir_fd, ".d.new", F_OK, 0), -1);
	/* The longest name that leaves room for the temporary's, and one more. */
	memset(name, 'n', NAME_MAX - 6);
	replace(name, "x");
	name[NAME_MAX - 6] = 'n';
	assert_int_equal(file_replace_at(dir_fd, name, "x", 1, 0600, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
}

static void parents_are_made(void **state)
{
	struct error err = { 0 };
	char path[64];
	struct stat st;

	(void)state;
	umask(0022);
	snprintf(path, sizeof(path), "%s/a/b/c", dir);
	assert_int_equal(mkdir_parents(path, 0750, &err), 0);
	assert_int_equal(mkdir_parents(path, 0700, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0750);
	replace("f", "x");
	snprintf(path, sizeof(path), "%s/f/c", dir);
	assert_int_equal(mkdir_parents(path, 0700, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reading_ends_at_the_limit),
		TEST(reading_follows_no_link),
		TEST(a_replaced_file_is_another),
		TEST(links_are_replaced_and_not_followed),
		TEST(what_a_crash_left_is_no_hindrance),
		TEST(a_write_that_fails_leaves_the_old),
		TEST(parents_are_made),
	};

	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
