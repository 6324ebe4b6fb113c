/* Which log files of a container there are after how many runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/shim/cri_log.h"

static char dir[32];
static int top_fd = -1;

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/bh-cri-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	top_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return top_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	close(top_fd);
	return tree_remove_at(AT_FDCWD, dir, NULL);
}

static bool there(const char *name)
{
	return faccessat(top_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void run(uint32_t number, size_t size_max)
{
	static const char line[] = "0123456789012345678901234567890123456789\n";
	struct cri_log *log;
	struct error err = { 0 };

	if (cri_log_open(&log, top_fd, "main", number, size_max, &err) < 0)
		fail_msg("%s", err.text);
	for (int i = 0; i < 8; i++)
		cri_log_write(log, CRI_STDOUT, line, sizeof(line) - 1);
	cri_log_close(log);
}

static void two_runs_are_kept(void **state)
{
	(void)state;
	run(0, 100);
	run(1, 100);
	assert_true(there("main/0.log") && there("main/0.log.1"));
	run(2, 100);
	assert_false(there("main/0.log") || there("main/0.log.1") || there("main/0.log.4"));
	assert_true(there("main/1.log") && there("main/1.log.1") && there("main/2.log"));
	/* Numbers of runs that could not begin are left out. */
	run(9, 100);
	run(10, 100);
	assert_false(there("main/1.log") || there("main/2.log"));
	assert_true(there("main/9.log") && there("main/10.log"));
}

static void other_files_stay(void **state)
{
	int fd;

	(void)state;
	run(0, 100);
	fd = openat(top_fd, "main/notes.log", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	run(5, 100);
	assert_true(there("main/notes.log"));
	assert_false(there("main/0.log"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(two_runs_are_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(other_files_stay, setup, teardown),
	};

	return cmocka_run_group_tests_name("cri log runs", tests, NULL, NULL);
}
