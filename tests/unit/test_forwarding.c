/* Forwarding is switched on and put back, whatever was there and whenever somebody is killed. */
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
#include "nodeagent/agent/forwarding.h"

static char dir[] = "/tmp/bulkhead-forwarding-XXXXXX";
static int root_fd, run_fd;

static void set(const char *value)
{
	cleanup_close int fd =
		openat(root_fd, FORWARDING_SYSCTL, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, value, strlen(value)), strlen(value));
}

static char now(void)
{
	cleanup_free char *text = NULL;
	struct error err;
	size_t size;

	assert_int_equal(file_read_at(root_fd, FORWARDING_SYSCTL, 16, &text, &size, &err), 0);
	return text[0];
}

static bool begin(void)
{
	struct error err;
	bool ours;

	if (forwarding_begin(root_fd, run_fd, &ours, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(now(), '1');
	return ours;
}

static void end(void)
{
	struct error err;

	if (forwarding_end(root_fd, run_fd, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(faccessat(run_fd, FORWARDING_FILE, F_OK, 0), -1);
}

static int setup(void **state)
{
	char path[96];
	struct error err;

	(void)state;
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/proc/sys/net/ipv4", dir);
	if (mkdir_parents(path, 0755, &err) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/run", dir);
	if (mkdir_parents(path, 0755, &err) < 0)
		return -1;
	root_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	run_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return 0;
}

static int teardown(void **state)
{
	struct error err;

	(void)state;
	close(root_fd);
	close(run_fd);
	return tree_remove_at(AT_FDCWD, dir, &err);
}

static void what_was_off_is_off_again(void **state)
{
	(void)state;
	set("0\n");
	assert_true(begin());
	assert_true(begin()); /* the agent starts again */
	end();
	assert_int_equal(now(), '0');
	end();
}

static void what_was_on_stays_on(void **state)
{
	(void)state;
	set("1\n");
	assert_false(begin());
	end();
	assert_int_equal(now(), '1');
}

/* Written down, killed before it was done; or somebody switched it off meanwhile. */
static void what_is_written_down_is_ours(void **state)
{
	struct error err;

	(void)state;
	set("0\n");
	assert_int_equal(file_replace_at(run_fd, FORWARDING_FILE, "0\n", 2, 0600, &err), 0);
	assert_true(begin());
	set("0\n");
	assert_true(begin());
	end();
	assert_int_equal(now(), '0');
}

static void without_the_file_nothing_is_done(void **state)
{
	struct error err;
	bool ours;

	(void)state;
	end();
	assert_int_equal(forwarding_begin(root_fd, run_fd, &ours, &err), -1);
	assert_int_equal(faccessat(run_fd, FORWARDING_FILE, F_OK, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_off_is_off_again, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_on_stays_on, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_written_down_is_ours, setup, teardown),
		cmocka_unit_test_setup_teardown(without_the_file_nothing_is_done, setup, teardown),
	};

	return cmocka_run_group_tests_name("forwarding", tests, NULL, NULL);
}
