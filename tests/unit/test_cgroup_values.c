/* A tree of plain files in place of cgroups: what is read for drift, and names that cannot be. */
#include <fcntl.h>
#include <limits.h>
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
#include "nodeagent/cgroup/cgroup.h"

struct fixture {
	char dir[64];
	int dirfd;
	struct cgroup_tree tree;
};

static void put(const struct fixture *f, const char *name, const char *text)
{
	cleanup_close int fd = openat(f->dirfd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(fd_write_all(fd, text, strlen(text), NULL), 0);
}

static void folder(const struct fixture *f, const char *name)
{
	assert_int_equal(mkdirat(f->dirfd, name, 0700), 0);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct error err;

	snprintf(f->dir, sizeof(f->dir), "/tmp/bulkhead-cgroup-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->dirfd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	folder(f, "cpu");
	folder(f, "memory");
	put(f, "cpu/cgroup.procs", "");
	put(f, "memory/cgroup.procs", "");
	assert_int_equal(cgroup_tree_open(&f->tree, f->dirfd, &err), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	cgroup_tree_done(&f->tree);
	close(f->dirfd);
	tree_remove_at(AT_FDCWD, f->dir, NULL);
	free(f);
	return 0;
}

static void values_of_each_controller(void **state)
{
	struct fixture *f = *state;
	struct cgroup cgroup;
	struct error err;
	cleanup_free char *text = NULL;

	assert_int_equal(cgroup_make(&cgroup, &f->tree, "pod", 0, &err), 0);
	put(f, "cpu/pod/cpu.shares", "1024\n");
	put(f, "memory/pod/memory.limit_in_bytes", "4096\n");
	/* Of another controller's hierarchy, and a counter: neither is looked at. */
	put(f, "memory/pod/cpu.cfs_quota_us", "5\n");
	put(f, "memory/pod/memory.usage_in_bytes", "5\n");
	assert_int_equal(cgroup_values_read(&cgroup, &text, &err), 0);
	assert_string_equal(text, "cpu.shares=1024\nmemory.limit_in_bytes=4096\n");
	cgroup_done(&cgroup);
}

static void lines_become_one(void **state)
{
	struct fixture *f = *state;
	struct cgroup cgroup;
	struct error err;
	cleanup_free char *text = NULL;

	assert_int_equal(cgroup_make(&cgroup, &f->tree, "pod", 0, &err), 0);
	put(f, "cpu/pod/cpu.shares", "a\nb\n\n");
	assert_int_equal(cgroup_values_read(&cgroup, &text, &err), 0);
	assert_string_equal(text, "cpu.shares=a;b\n");
	cgroup_done(&cgroup);
}

/* Were it waited for, the alarm would end the test. */
static void a_bad_name_is_not_waited_for(void **state)
{
	static const char *const names[] = { "", "..", ".a", "/a" };
	struct fixture *f = *state;
	struct error err;

	alarm(20);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_int_equal(cgroup_reap(&f->tree, names[i], INT_MAX, &err), -1);
		assert_int_equal(err.code, ERR_INVALID);
	}
	assert_int_equal(cgroup_reap(&f->tree, "absent", INT_MAX, &err), 0);
	alarm(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(values_of_each_controller, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lines_become_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_bad_name_is_not_waited_for, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
