/* Removing trees that somebody else made: deep ones and odd ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"

/* One level takes any recursion some 400 bytes of an 8 MiB stack, and a descriptor. */
#define DEPTH 40000

static char dir[] = "/tmp/bh-fdio-XXXXXX";
static int top_fd = -1;

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/bh-fdio-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	top_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return top_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	char command[64];

	(void)state;
	close(top_fd);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* "tree/d/d/d...", which no path can name. */
static void make_deep(size_t depth)
{
	int fd;

	assert_int_equal(mkdirat(top_fd, "tree", 0700), 0);
	fd = openat(top_fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < depth; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "d", 0700), 0);
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	close(fd);
}

static void touch(const char *path)
{
	int fd = openat(top_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

/* In a child, so that a stack that overflows is a failure and not the end of the tests. */
static int remove_in_child(const char *name, rlim_t files)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		const struct rlimit limit = { files, files };
		struct error err = { 0 };

		if (files)
			setrlimit(RLIMIT_NOFILE, &limit);
		if (tree_remove_at(top_fd, name, &err) == 0)
			_exit(0);
		fprintf(stderr, "# %s\n", err.text);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool there(const char *name)
{
	return faccessat(top_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void depth_takes_no_descriptors(void **state)
{
	(void)state;
	make_deep(200);
	assert_int_equal(remove_in_child("tree", 32), 0);
	assert_false(there("tree"));
}

static void depth_takes_no_stack(void **state)
{
	(void)state;
	make_deep(DEPTH);
	assert_int_equal(remove_in_child("tree", 0), 0);
	assert_false(there("tree"));
}

static void what_lies_beside_or_behind_links_stays(void **state)
{
	(void)state;
	touch("kept");
	assert_int_equal(mkdirat(top_fd, "beside", 0700), 0);
	touch("beside/kept");
	assert_int_equal(mkdirat(top_fd, "tree", 0700), 0);
	assert_int_equal(mkdirat(top_fd, "tree/a", 0700), 0);
	assert_int_equal(mkdirat(top_fd, "tree/a/b", 0700), 0);
	assert_int_equal(mkdirat(top_fd, "tree/a/b/c", 0700), 0);
	/* Names that the removal might want for itself. */
	touch("tree/.removed-0");
	assert_int_equal(mkdirat(top_fd, "tree/.removed-1", 0700), 0);
	touch("tree/.removed-1/file");
	touch("tree/a/b/c/file");
	assert_int_equal(symlinkat("../beside", top_fd, "tree/link"), 0);
	assert_int_equal(symlinkat("../../../beside", top_fd, "tree/a/b/link"), 0);
	assert_int_equal(remove_in_child("tree", 0), 0);
	assert_false(there("tree"));
	assert_true(there("kept"));
	assert_true(there("beside/kept"));
}

static void files_links_and_nothing(void **state)
{
	(void)state;
	touch("file");
	assert_int_equal(mkdirat(top_fd, "kept", 0700), 0);
	touch("kept/file");
	assert_int_equal(symlinkat("kept", top_fd, "link"), 0);
	assert_int_equal(remove_in_child("file", 0), 0);
	assert_int_equal(remove_in_child("link", 0), 0);
	assert_int_equal(remove_in_child("absent", 0), 0);
	assert_false(there("file"));
	assert_false(there("link"));
	assert_true(there("kept/file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(depth_takes_no_descriptors),
		TEST(depth_takes_no_stack),
		TEST(what_lies_beside_or_behind_links_stays),
		TEST(files_links_and_nothing),
	};

	return cmocka_run_group_tests_name("fdio", tests, NULL, NULL);
}
