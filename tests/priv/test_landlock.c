/*
 * What lib/confine.c refuses by Landlock: each case forks, for it cannot be undone. The calls are
 * allowed by the filter, so that nothing but Landlock stands in the way.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/confine.h"

#define TEST_UID 61234

struct fixture {
	char dir[64];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/bulkhead-confine-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(chmod(f->dir, 0755), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

/* Runs 'body' in a child; its exit status as of waitpid(2). */
static int in_child(int (*body)(const struct fixture *f), const struct fixture *f)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(body(f));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void assert_child(int (*body)(const struct fixture *f), const struct fixture *f)
{
	int status = in_child(body, f);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* In a child: a false condition ends it with the line's number (mod 200), never 0. */
#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "# line %d: %s (errno %d)\n", __LINE__, #condition,        \
				errno);                                                            \
			_exit(1 + __LINE__ % 200);                                                 \
		}                                                                                  \
	} while (0)

static const char *const reaching[] = { "openat", "socket", "bind", "connect", "kill", "mkdirat" };

static int apply_landlock(const struct fixture *f, uint64_t files)
{
	struct confine c = {
		.uid = TEST_UID,
		.gid = TEST_UID,
		.empty_root = f->dir,
		.flags = CONFINE_NO_NEWNET,
		.files = files,
		.syscalls = reaching,
		.syscalls_len = ARRAY_LEN(reaching),
	};
	struct error err = { 0 };

	if (confine_apply(&c, &err) < 0) {
		fprintf(stderr, "# %s\n", err.text);
		return -1;
	}
	return 0;
}

/* A descriptor that was handed over leads nowhere, but where the list says so. */
static int child_landlock_files(const struct fixture *f)
{
	int dirfd = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	REQUIRE(dirfd >= 0 && apply_landlock(f, 0) == 0);
	REQUIRE(openat(dirfd, "stat", O_RDONLY) == -1 && errno == EACCES);
	REQUIRE(openat(dirfd, "task", O_RDONLY | O_DIRECTORY) == -1 && errno == EACCES);
	return 0;
}

static int child_landlock_reads(const struct fixture *f)
{
	int dirfd = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int own_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	REQUIRE(chmod(f->dir, 0777) == 0);
	REQUIRE(dirfd >= 0 && apply_landlock(f, LANDLOCK_READ_FILE | LANDLOCK_READ_DIR) == 0);
	REQUIRE(openat(dirfd, "passwd", O_RDONLY) >= 0);
	REQUIRE(openat(dirfd, ".", O_RDONLY | O_DIRECTORY) >= 0);
	REQUIRE(mkdirat(own_fd, "made", 0700) == -1 && errno == EACCES);
	return 0;
}

static int child_landlock_tcp(const struct fixture *f)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd;

	REQUIRE(apply_landlock(f, 0) == 0);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	REQUIRE(fd >= 0);
	REQUIRE(bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1 && errno == EACCES);
	addr.sin_port = htons(9);
	REQUIRE(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1 && errno == EACCES);
	return 0;
}

static socklen_t abstract_address(struct sockaddr_un *addr)
{
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(addr->sun_path + 1, sizeof(addr->sun_path) - 1, "bulkhead-confine-%d", getppid());
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(addr->sun_path + 1));
}

static int child_landlock_scope(const struct fixture *f)
{
	struct sockaddr_un addr;
	socklen_t size = abstract_address(&addr);
	int listen_fd = socket(AF_UNIX, SOCK_STREAM, 0);
	int life[2];
	pid_t other;
	int fd;

	REQUIRE(pipe(life) == 0);
	other = fork();
	if (other == 0) {
		char c;

		/* A parent's death is a signal, too, and Landlock keeps that one from it as well.
		 */
		close(life[1]);
		REQUIRE(setresuid(TEST_UID, TEST_UID, TEST_UID) == 0);
		_exit(read(life[0], &c, 1) == 0 ? 0 : 1);
	}
	REQUIRE(bind(listen_fd, (struct sockaddr *)&addr, size) == 0 && listen(listen_fd, 1) == 0);
	/* It must be of the same user by now, or kill(2) fails for that. */
	usleep(200000);
	REQUIRE(apply_landlock(f, 0) == 0);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	REQUIRE(connect(fd, (struct sockaddr *)&addr, size) == -1 && errno == EPERM);
	REQUIRE(kill(other, SIGKILL) == -1 && errno == EPERM);
	return 0;
}

static void test_landlock(void **state)
{
	int abi = landlock_abi();

	if (abi == 0) {
		print_message("# this kernel has no Landlock\n");
		return;
	}
	assert_child(child_landlock_files, *state);
	assert_child(child_landlock_reads, *state);
	if (abi >= LANDLOCK_ABI_NET)
		assert_child(child_landlock_tcp, *state);
	if (abi >= LANDLOCK_ABI_SCOPE)
		assert_child(child_landlock_scope, *state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_landlock, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
