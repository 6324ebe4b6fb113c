/* The connector, spoken to by somebody who is not the daemon it was made for. */
#include <dirent.h>
#include <errno.h>
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
#include "lib/connector.h"

#define TEST_UID 61235

/* The program is not linked with --wrap. */
int __real_connect(int fd, const struct sockaddr *address, socklen_t size);
int __real_connect(int fd, const struct sockaddr *address, socklen_t size)
{
	return connect(fd, address, size);
}

static size_t open_files(pid_t pid)
{
	char path[64];
	cleanup_dir DIR *dir = NULL;
	size_t n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir))
		n++;
	return n;
}

/* Asks for target 'target' with 'len' descriptors; what came back. */
static int ask(uint32_t target, uint32_t number, const int *fds, size_t len)
{
	char control[CMSG_SPACE(sizeof(int) * 4)] __attribute__((aligned(8))) = { 0 };
	struct connector_request request = { target, number };
	struct iovec iov = { &request, sizeof(request) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	int result = -1;

	if (len) {
		struct cmsghdr *c = (struct cmsghdr *)(void *)control;

		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * len);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * len);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * len);
	}
	assert_int_equal(sendmsg(connector_fd(), &message, MSG_NOSIGNAL), sizeof(request));
	assert_int_equal(recv(connector_fd(), &result, sizeof(result), 0), sizeof(result));
	return result;
}

static int listening(const char *dir, const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", dir, name);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static pid_t child_of(pid_t parent)
{
	char path[96];
	FILE *f;
	int pid = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	fclose(f);
	return pid;
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	return __wrap_connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? errno : 0;
}

static void number_in_a_name(void)
{
	static const char *const strange[] = { "/switch..ctl", "/switch.0.ctl", "/switch.077.ctl",
		"/switch.77.ctlx", "/switch.77", "/switch.-77.ctl", "/switch.4294967373.ctl",
		"/switch.*.ctl", "/other.77.ctl", "/switch.7 7.ctl" };

	assert_int_equal(connect_to("/switch.77.ctl"), 0);
	assert_int_equal(connect_to("/db.sock"), 0);
	assert_int_equal(connect_to("/switch.78.ctl"), ENOENT); /* asked, and not there */
	for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++)
		assert_int_equal(connect_to(strange[i]), EACCES);
}

static void more_descriptors_than_one_leave_none(void **state)
{
	char dir[] = "/tmp/bulkhead-connector-XXXXXX";
	struct connector_config config = { .uid = TEST_UID, .gid = TEST_UID, .directory = dir };
	struct error err = { 0 };
	char path[64];
	size_t before;
	int listen_fd, control_fd, sock_fd, fds[3];
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(dir));
	listen_fd = listening(dir, "db.sock");
	control_fd = listening(dir, "switch.77.ctl");
	config.targets[0] = "db.sock";
	config.targets[1] = "switch.*.ctl";
	if (connector_start(&config, &err) < 0)
		fail_msg("%s", err.text);
	pid = child_of(getpid());
	before = open_files(pid);
	sock_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	for (size_t i = 0; i < 3; i++)
		fds[i] = sock_fd;
	for (size_t len = 2; len <= 3; len++) {
		assert_int_equal(ask(0, 0, fds, len), EINVAL);
		assert_int_equal(open_files(pid), before);
	}
	assert_int_equal(ask(0, 0, NULL, 0), EINVAL);
	assert_int_equal(ask(0, 0, fds, 1), 0);
	assert_int_equal(ask(9, 0, fds, 1), EINVAL);
	assert_int_equal(ask(2, 0, fds, 1), EINVAL); /* not used */
	number_in_a_name();
	assert_int_equal(open_files(pid), before);
	close(sock_fd);
	close(listen_fd);
	close(control_fd);
	close(connector_fd());
	waitpid(pid, NULL, 0);
	snprintf(path, sizeof(path), "%s/db.sock", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/switch.77.ctl", dir);
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(more_descriptors_than_one_leave_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
