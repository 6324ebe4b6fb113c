/* The socket that the agent makes for CNI plugins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/agent/cni_socket.h"

static char dir[64];
static int dirfd_ = -1;

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/bulkhead-cni-XXXXXX");
	assert_non_null(mkdtemp(dir));
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dirfd_ < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct error err;

	(void)state;
	close(dirfd_);
	return tree_remove_at(AT_FDCWD, dir, &err);
}

static int connects(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/" CNI_SOCKET, dir);
	return connect(fd, (struct sockaddr *)&address, sizeof(address));
}

static void is_its_users_alone(void)
{
	struct stat st;

	assert_int_equal(fstatat(dirfd_, CNI_SOCKET, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void a_former_ones_place_is_taken(void **state)
{
	int first_fd, second_fd;
	struct error err;

	(void)state;
	assert_int_equal(cni_socket_open(dirfd_, dir, &first_fd, &err), 0);
	is_its_users_alone();
	assert_int_equal(connects(), 0);
	close(first_fd);
	assert_int_equal(connects(), -1);
	assert_int_equal(cni_socket_open(dirfd_, dir, &second_fd, &err), 0);
	is_its_users_alone();
	assert_int_equal(connects(), 0);
	close(second_fd);
}

/* Nor is it followed, if somebody had put a link there. */
static void a_link_is_replaced(void **state)
{
	struct error err;
	int fd;

	(void)state;
	unlinkat(dirfd_, CNI_SOCKET, 0);
	assert_int_equal(symlinkat("elsewhere", dirfd_, CNI_SOCKET), 0);
	assert_int_equal(cni_socket_open(dirfd_, dir, &fd, &err), 0);
	is_its_users_alone();
	assert_int_equal(faccessat(dirfd_, "elsewhere", F_OK, 0), -1);
	close(fd);
}

static void a_path_has_a_limit(void **state)
{
	char longest[128];
	struct error err;
	int fd = -1;

	(void)state;
	/* With "/cni.sock", one more than a socket's address has room for. */
	memset(longest, 'a', sizeof(longest));
	longest[0] = '/';
	longest[99] = '\0';
	assert_int_equal(cni_socket_open(dirfd_, longest, &fd, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_non_null(strstr(err.text, "longer than 107 bytes; use a shorter run_dir"));
	longest[98] = '\0';
	assert_int_equal(cni_socket_open(dirfd_, longest, &fd, &err), -1);
	assert_int_not_equal(err.code, ERR_INVALID);
	assert_int_equal(fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_former_ones_place_is_taken),
		cmocka_unit_test(a_link_is_replaced),
		cmocka_unit_test(a_path_has_a_limit),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
