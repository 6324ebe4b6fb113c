/* Removing a tree that something is mounted in: the mount and what it shows stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"

static int top_fd = -1;

/* All in a mount namespace of this process, on a tmpfs that goes with it. */
static int setup(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("test", "/mnt", "tmpfs", 0, "size=1m") < 0)
		return -1;
	top_fd = open("/mnt", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return top_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	close(top_fd);
	return umount2("/mnt", MNT_DETACH);
}

static void touch(const char *path)
{
	int fd = openat(top_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static void refused_where(const char *target)
{
	struct error err = { 0 };

	assert_int_equal(tree_remove_at(top_fd, "tree", &err), -1);
	assert_int_equal(err.code, ERR_PRECONDITION);
	if (!strstr(err.text, "is a mount point"))
		fail_msg("%s: %s", target, err.text);
}

static void make_tree(void)
{
	assert_int_equal(mkdirat(top_fd, "tree", 0700), 0);
	assert_int_equal(mkdirat(top_fd, "tree/a", 0700), 0);
	assert_int_equal(mkdirat(top_fd, "tree/a/b", 0700), 0);
}

static void a_mount_stays_whole(void **state)
{
	static const char *const targets[] = { "/mnt/tree", "/mnt/tree/a", "/mnt/tree/a/b" };
	struct error err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		cleanup_close int fd = -1;

		make_tree();
		assert_int_equal(mount("other", targets[i], "tmpfs", 0, "size=64k"), 0);
		fd = open(targets[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(openat(fd, "kept", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		assert_int_equal(mkdirat(fd, "dir", 0700), 0);
		close(openat(fd, "dir/kept", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		refused_where(targets[i]);
		assert_int_equal(faccessat(fd, "kept", F_OK, 0), 0);
		assert_int_equal(faccessat(fd, "dir/kept", F_OK, 0), 0);
		close(fd);
		fd = -1;
		assert_int_equal(umount2(targets[i], MNT_DETACH), 0);
		assert_int_equal(tree_remove_at(top_fd, "tree", &err), 0);
	}
}

/* A mount of the same file system has the same device number: the kernel alone knows it. */
static void a_bind_mount_stays_whole(void **state)
{
	struct error err = { 0 };

	(void)state;
	make_tree();
	assert_int_equal(mkdirat(top_fd, "beside", 0700), 0);
	touch("beside/kept");
	assert_int_equal(mount("/mnt/beside", "/mnt/tree/a/b", NULL, MS_BIND, NULL), 0);
	refused_where("bind");
	assert_int_equal(faccessat(top_fd, "beside/kept", F_OK, 0), 0);
	assert_int_equal(umount2("/mnt/tree/a/b", MNT_DETACH), 0);
	assert_int_equal(tree_remove_at(top_fd, "tree", &err), 0);
	assert_int_equal(faccessat(top_fd, "beside/kept", F_OK, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mount_stays_whole),
		cmocka_unit_test(a_bind_mount_stays_whole),
	};

	return cmocka_run_group_tests_name("tree_mounts", tests, setup, teardown);
}
