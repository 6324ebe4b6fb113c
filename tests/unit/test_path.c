/* Opening what somebody else named: the kernel keeps the walk inside. */
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
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/path.h"

/*
 * top/outside        what must not be reached
 * top/root/etc/file  what may be
 * top/root/...       links of every kind
 */
struct tree {
	char dir[32];
	int top_fd;
	int root_fd;
};

static void put(int dirfd, const char *name, const char *text)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void make_links(struct tree *t)
{
	static const char *const links[][2] = {
		{ "etc/file", "relative" },
		{ "/etc/file", "absolute" },
		{ "../outside", "up" },
		{ "../../../../../../etc/passwd", "far-up" },
		{ "/etc", "etc-link" },
		{ "loop", "loop" },
		{ "/proc/self/root/etc/passwd", "magic" },
		{ "/absent", "dangling" },
	};

	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		assert_int_equal(symlinkat(links[i][0], t->root_fd, links[i][1]), 0);
}

static int setup(void **state)
{
	struct tree *t = calloc(1, sizeof(*t));

	*state = t;
	if (!t)
		return -1;
	strcpy(t->dir, "/tmp/bulkhead-path.XXXXXX");
	if (!mkdtemp(t->dir))
		return -1;
	t->top_fd = open(t->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(t->top_fd, "outside", "outside");
	mkdirat(t->top_fd, "root", 0700);
	mkdirat(t->top_fd, "root/etc", 0700);
	put(t->top_fd, "root/etc/file", "inside");
	t->root_fd = openat(t->top_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	make_links(t);
	return 0;
}

static int teardown(void **state)
{
	struct tree *t = *state;
	char command[64];

	close(t->root_fd);
	close(t->top_fd);
	snprintf(command, sizeof(command), "rm -rf %s", t->dir);
	free(t);
	return system(command);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

typedef int open_fn(int dirfd, const char *path, uint64_t flags, struct error *err);

static void opens(open_fn *open_it, int dirfd, const char *path)
{
	struct error err = { 0 };
	char text[16] = "";
	int fd = open_it(dirfd, path, O_RDONLY, &err);

	if (fd < 0)
		fail_msg("%s", err.text);
	assert_int_equal(read(fd, text, sizeof(text) - 1), 6);
	assert_string_equal(text, "inside");
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

static void refuses(open_fn *open_it, int dirfd, const char *path, enum error_code code)
{
	struct error err = { 0 };
	int fd = open_it(dirfd, path, O_RDONLY, &err);

	if (fd >= 0)
		fail_msg("'%s' was opened", path);
	if (err.code != code)
		fail_msg("'%s': %s, code %d", path, err.text, err.code);
	assert_non_null(strstr(err.text, path));
}

static void beneath_follows_no_link_and_leaves_by_none(void **state)
{
	static const struct {
		const char *path;
		enum error_code code;
	} rows[] = {
		{ "../outside", ERR_DENIED },
		{ "etc/../../outside", ERR_DENIED },
		{ "/etc/passwd", ERR_DENIED },
		{ "relative", ERR_INVALID },
		{ "absolute", ERR_INVALID },
		{ "up", ERR_INVALID },
		{ "etc-link/file", ERR_INVALID },
		{ "loop", ERR_INVALID },
		{ "absent", ERR_NOT_FOUND },
		{ "etc/file/x", ERR_INTERNAL },
	};
	const struct tree *t = *state;

	opens(path_open_beneath, t->root_fd, "etc/file");
	opens(path_open_beneath, t->root_fd, "etc/../etc/file");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		refuses(path_open_beneath, t->root_fd, rows[i].path, rows[i].code);
}

static void in_root_keeps_links_inside(void **state)
{
	static const char *const inside[] = { "etc/file", "/etc/file", "../../etc/file", "relative",
		"absolute", "etc-link/file", "../etc-link/../etc/file" };
	static const char *const absent[] = { "up", "../outside", "far-up", "dangling", "magic" };
	const struct tree *t = *state;

	for (size_t i = 0; i < ARRAY_LEN(inside); i++)
		opens(path_open_in_root, t->root_fd, inside[i]);
	for (size_t i = 0; i < ARRAY_LEN(absent); i++)
		refuses(path_open_in_root, t->root_fd, absent[i], ERR_NOT_FOUND);
	refuses(path_open_in_root, t->root_fd, "loop", ERR_INVALID);
}

/* /proc/self/root, /proc/PID/fd/N and the like lead out of any root; none is followed. */
static void magic_links_are_refused(void **state)
{
	cleanup_close int proc_fd = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct tree *t = *state;
	char path[32];

	snprintf(path, sizeof(path), "fd/%d", t->top_fd);
	assert_true(proc_fd >= 0);
	refuses(path_open_in_root, proc_fd, "root", ERR_INVALID);
	refuses(path_open_in_root, proc_fd, "cwd/.", ERR_INVALID);
	refuses(path_open_in_root, proc_fd, path, ERR_INVALID);
	refuses(path_open_beneath, proc_fd, path, ERR_INVALID);
	refuses(path_open_beneath, proc_fd, "root/etc", ERR_INVALID);
}

static int makes(const struct tree *t, const char *path, struct error *err)
{
	struct stat made, seen;
	int fd = path_mkdirs_in_root(t->root_fd, path, 0755, err);

	if (fd < 0)
		return -1;
	assert_int_equal(fstat(fd, &made), 0);
	assert_true(S_ISDIR(made.st_mode));
	close(fd);
	fd = path_open_in_root(t->root_fd, path[0] ? path : ".", O_PATH, err);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &seen), 0);
	assert_int_equal(made.st_ino, seen.st_ino);
	close(fd);
	return 0;
}

static void directories_are_made_inside(void **state)
{
	static const char *const good[] = { "", "/", "a", "a/b/c", "/a//b/d/", "etc-link/new",
		"a/b/c" };
	const struct tree *t = *state;
	struct error err = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(makes(t, good[i], &err), 0);
	assert_int_equal(faccessat(t->root_fd, "etc/new", F_OK, 0), 0);
	assert_int_equal(makes(t, "etc/file/x", &err), -1);
	assert_int_equal(makes(t, "loop/x", &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	/* A link to nothing is no place to make something. */
	assert_int_equal(makes(t, "dangling/x", &err), -1);
	assert_int_equal(makes(t, "up/x", &err), -1);
	assert_int_not_equal(faccessat(t->top_fd, "outside/x", F_OK, 0), 0);
}

static void directories_have_longest_names(void **state)
{
	const struct tree *t = *state;
	char path[PATH_MAX + NAME_MAX] = "";
	struct error err = { 0 };

	memset(path, 'n', NAME_MAX);
	assert_int_equal(makes(t, path, &err), 0);
	path[NAME_MAX] = 'n';
	assert_int_equal(makes(t, path, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	for (size_t i = 0; i + 2 < PATH_MAX; i += 2)
		memcpy(path + i, "d/", 3);
	path[PATH_MAX - 2] = '\0'; /* 4094, and the '/' that a walk begins with */
	assert_int_equal(makes(t, path, &err), 0);
	strcat(path, "d");
	assert_int_equal(makes(t, path, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
}

static void names_are_of_dns(void **state)
{
	static const struct {
		const char *name;
		int label, subdomain;
	} rows[] = { { "a", 1, 1 }, { "0", 1, 1 }, { "a-1", 1, 1 }, { "", 0, 0 }, { "-a", 0, 0 },
		{ "a-", 0, 0 }, { "A", 0, 0 }, { "a_b", 0, 0 }, { "a/b", 0, 0 }, { "..", 0, 0 },
		{ "a.b", 0, 1 }, { "a..b", 0, 0 }, { ".a", 0, 0 }, { "a.", 0, 0 }, { "a.-b", 0, 0 },
		{ "a\n", 0, 0 }, { "\xc3\xa4", 0, 0 } };
	char name[260];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(name_is_dns_label(rows[i].name), rows[i].label);
		assert_int_equal(name_is_dns_subdomain(rows[i].name), rows[i].subdomain);
	}
	memset(name, 'a', sizeof(name));
	name[63] = '\0';
	assert_true(name_is_dns_label(name));
	name[63] = 'a';
	name[64] = '\0';
	assert_false(name_is_dns_label(name));
	name[64] = 'a';
	name[60] = name[120] = name[180] = name[240] = '.';
	name[253] = '\0';
	assert_true(name_is_dns_subdomain(name));
	name[253] = 'a';
	name[254] = '\0';
	assert_false(name_is_dns_subdomain(name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(beneath_follows_no_link_and_leaves_by_none),
		TEST(in_root_keeps_links_inside),
		TEST(magic_links_are_refused),
		TEST(directories_are_made_inside),
		TEST(directories_have_longest_names),
		cmocka_unit_test(names_are_of_dns),
	};

	return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
