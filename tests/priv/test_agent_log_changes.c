/* Following logs takes nothing of root's, however often it is done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "nodeagent/agent/log_changes.h"

#define OTHER_UID 64321 /* nobody's */
#define TRIES_MAX 20000

static void instances_are_the_other_users(void **state)
{
	cleanup_close int dirfd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int own_fd = -1;
	struct error err = { 0 };
	int first = -1, fd = -1;

	(void)state;
	for (int i = 0; i < TRIES_MAX; i++) {
		fd = log_changes_open(dirfd, OTHER_UID, &err);
		if (fd < 0)
			break;
		if (first < 0)
			first = fd;
	}
	own_fd = inotify_init1(IN_CLOEXEC);
	close_range((unsigned)first, ~0u, 0);
	assert_true(first >= 0);
	assert_int_equal(fd, -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
	assert_int_equal(geteuid(), 0);
	assert_true(own_fd >= 0);
	own_fd = -1; /* close_range() had it too */
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(instances_are_the_other_users) };

	return cmocka_run_group_tests_name("log changes", tests, NULL, NULL);
}
