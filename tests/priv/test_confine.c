/*
 * Each case forks: confine_apply() cannot be undone. The child looks at itself from inside, the
 * parent at /proc/PID from outside.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/confine.h"
#include "lib/fdio.h"
#include "lib/path.h"
#include "nodeagent/image/import_spawn.h"

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
	char path[96];

	snprintf(path, sizeof(path), "%s/sock", f->dir);
	unlink(path);
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

static int apply(const struct fixture *f, unsigned flags, uint64_t capabilities,
	const char *const *syscalls, size_t syscalls_len)
{
	struct confine c = {
		.uid = TEST_UID,
		.gid = TEST_UID,
		.empty_root = f->dir,
		.flags = flags,
		.files = LANDLOCK_READ_FILE | LANDLOCK_READ_DIR,
		.capabilities = capabilities,
		.syscalls = syscalls,
		.syscalls_len = syscalls_len,
	};
	struct error err = { 0 };

	if (confine_apply(&c, &err) < 0) {
		fprintf(stderr, "# %s\n", err.text);
		return -1;
	}
	return 0;
}

static const char *const looking[] = { "openat", "mkdirat", "mkdir", "prctl", "capget", "getgroups",
	"ioctl", "socket", "access", "faccessat", "faccessat2" };

static int child_ids(const struct fixture *f)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	struct rlimit core;
	gid_t groups[1];

	REQUIRE(apply(f, 0, 0, looking, ARRAY_LEN(looking)) == 0);
	REQUIRE(getuid() == TEST_UID && geteuid() == TEST_UID);
	REQUIRE(getgid() == TEST_UID && getegid() == TEST_UID);
	REQUIRE(getgroups(1, groups) == 0);
	REQUIRE(syscall(SYS_capget, &header, data) == 0);
	for (int i = 0; i < 2; i++)
		REQUIRE((data[i].permitted | data[i].effective | data[i].inheritable) == 0);
	for (unsigned long cap = 0; cap < 41; cap++)
		REQUIRE(prctl(PR_CAPBSET_READ, cap, 0, 0, 0) <= 0);
	REQUIRE(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	REQUIRE(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	REQUIRE(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 && core.rlim_max == 0);
	return 0;
}

static void test_ids_and_capabilities(void **state)
{
	assert_child(child_ids, *state);
}

static int child_root(const struct fixture *f)
{
	REQUIRE(apply(f, 0, 0, looking, ARRAY_LEN(looking)) == 0);
	REQUIRE(mkdir("/x", 0755) == -1 && errno == EROFS);
	REQUIRE(open("/etc/passwd", O_RDONLY | O_CLOEXEC) == -1 && errno == ENOENT);
	REQUIRE(open("/proc/self/status", O_RDONLY | O_CLOEXEC) == -1 && errno == ENOENT);
	REQUIRE(open("../../../etc/passwd", O_RDONLY | O_CLOEXEC) == -1 && errno == ENOENT);
	return 0;
}

static void test_root_is_empty_and_read_only(void **state)
{
	assert_child(child_root, *state);
}

/* The parent compares namespaces by their links in /proc while the child waits. */
/* An empty root does not hold who was given a directory: ".." leads from it to the node's root. */
static int child_way_up(const struct fixture *f)
{
	static const char way[] = "../../../../../../../etc/passwd";
	struct error err = { 0 };
	int fd = open("/usr/share", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int detached_fd = path_open_detached(fd, &err);

	REQUIRE(fd >= 0 && detached_fd >= 0);
	REQUIRE(apply(f, 0, 0, looking, ARRAY_LEN(looking)) == 0);
	REQUIRE(openat(fd, way, O_RDONLY) >= 0);
	REQUIRE(openat(detached_fd, way, O_RDONLY) < 0 && errno == ENOENT);
	REQUIRE(openat(detached_fd, "..", O_RDONLY | O_DIRECTORY) >= 0);
	REQUIRE(openat(detached_fd, "../doc", O_RDONLY | O_DIRECTORY) >= 0);
	return 0;
}

static void test_a_detached_directory_has_no_way_up(void **state)
{
	assert_child(child_way_up, *state);
}

static void namespaces_differ(const struct fixture *f, unsigned flags, const char *ns, int differ)
{
	char path[64], ours[64] = "", theirs[64] = "";
	int ready[2], go[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(go[1]);
		byte = apply(f, flags, 0, NULL, 0) == 0;
		REQUIRE(write(ready[1], &byte, 1) == 1);
		REQUIRE(read(go[0], &byte, 1) == 0);
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 1);
	snprintf(path, sizeof(path), "/proc/self/ns/%s", ns);
	assert_true(readlink(path, ours, sizeof(ours) - 1) > 0);
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, ns);
	assert_true(readlink(path, theirs, sizeof(theirs) - 1) > 0);
	close(go[0]);
	close(go[1]);
	close(ready[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(strcmp(ours, theirs) != 0, differ);
}

static void test_namespaces_seen_from_outside(void **state)
{
	namespaces_differ(*state, 0, "mnt", 1);
	namespaces_differ(*state, 0, "ipc", 1);
	namespaces_differ(*state, 0, "uts", 1);
	namespaces_differ(*state, 0, "net", 1);
	namespaces_differ(*state, CONFINE_NO_NEWNET, "net", 0);
	namespaces_differ(*state, CONFINE_KEEP_ROOT, "mnt", 1);
}

static int child_capability(const struct fixture *f)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	REQUIRE(apply(f, 0, 1ull << CAP_NET_ADMIN, looking, ARRAY_LEN(looking)) == 0);
	REQUIRE(syscall(SYS_capget, &header, data) == 0);
	REQUIRE(data[0].permitted == 1u << CAP_NET_ADMIN &&
		data[0].effective == 1u << CAP_NET_ADMIN);
	REQUIRE(data[0].inheritable == 0 && data[1].permitted == 0 && data[1].inheritable == 0);
	REQUIRE(prctl(PR_CAPBSET_READ, CAP_NET_ADMIN, 0, 0, 0) == 0);
	REQUIRE(getuid() == TEST_UID);
	return 0;
}

static void test_one_capability_is_kept(void **state)
{
	assert_child(child_capability, *state);
}

static int child_socket_in_root(const struct fixture *f)
{
	static const char *const connecting[] = { "socket", "connect" };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/sock", f->dir);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	REQUIRE(listen(fd, 1) == 0 && chmod(addr.sun_path, 0666) == 0);
	REQUIRE(apply(f, CONFINE_NO_NEWNET, 0, connecting, ARRAY_LEN(connecting)) == 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/sock");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	return 0;
}

static void test_a_socket_in_the_root_serves(void **state)
{
	assert_child(child_socket_in_root, *state);
}

/* What an event loop and malloc do must pass the base list. */
static int child_base_list(const struct fixture *f)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct timespec now;
	sigset_t mask;
	void *blocks[64];
	int epoll, sig, pipefd[2];

	REQUIRE(apply(f, CONFINE_LOCK_MEMORY, 0, NULL, 0) == 0);
	for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
		blocks[i] = malloc((i + 1) * 16384);
		REQUIRE(blocks[i] != NULL);
		memset(blocks[i], 0xa5, (i + 1) * 16384);
	}
	for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
		free(blocks[i]);
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	REQUIRE(sigprocmask(SIG_BLOCK, &mask, NULL) == 0);
	sig = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	REQUIRE(sig >= 0 && epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, sig, &event) == 0);
	REQUIRE(epoll_wait(epoll, &event, 1, 1) == 0);
	REQUIRE(pipe2(pipefd, O_CLOEXEC) == 0);
	REQUIRE(poll(&(struct pollfd){ .fd = pipefd[0], .events = POLLIN }, 1, 1) == 0);
	REQUIRE(clock_gettime(CLOCK_BOOTTIME, &now) == 0 && monotonic_usec() > 0);
	REQUIRE(usleep(10) == 0 && sysconf(_SC_NPROCESSORS_ONLN) > 0);
	REQUIRE(gmtime(&now.tv_sec) && localtime(&now.tv_sec)); /* look for /etc/localtime */
	REQUIRE(open("/", O_RDONLY | O_CLOEXEC) == -1 && errno == ENOENT);
	REQUIRE(isatty(1) == 0 && errno == ENOTTY);
	fprintf(stderr, "# base list holds\n");
	return 0;
}

static void test_base_list_serves_an_event_loop(void **state)
{
	assert_child(child_base_list, *state);
}

static int child_locked(const struct fixture *f)
{
	int ready = apply(f, CONFINE_LOCK_MEMORY, 0, NULL, 0);

	REQUIRE(ready == 0);
	REQUIRE(raise(SIGSTOP) == 0 || 1);
	return 0;
}

static void test_memory_is_locked(void **state)
{
	char path[64], line[256];
	unsigned long locked = 0;
	int status;
	FILE *file;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(child_locked(*state));
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		sscanf(line, "VmLck: %lu", &locked);
	fclose(file);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_true(locked > 0);
}

static int killed_by_socket(const struct fixture *f)
{
	REQUIRE(apply(f, 0, 0, NULL, 0) == 0);
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 ? 0 : 1;
}

static int killed_by_fork(const struct fixture *f)
{
	REQUIRE(apply(f, 0, 0, NULL, 0) == 0);
	return fork() >= 0 ? 0 : 1;
}

static int killed_by_exec(const struct fixture *f)
{
	REQUIRE(apply(f, CONFINE_KEEP_ROOT, 0, NULL, 0) == 0);
	return execl("/bin/true", "true", NULL) < 0;
}

static int killed_by_executable_map(const struct fixture *f)
{
	REQUIRE(apply(f, 0, 0, NULL, 0) == 0);
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	       MAP_FAILED;
}

static int killed_by_executable_protect(const struct fixture *f)
{
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	REQUIRE(apply(f, 0, 0, NULL, 0) == 0);
	return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static int killed_by_foreign_limit(const struct fixture *f)
{
	struct rlimit limit;

	REQUIRE(apply(f, 0, 0, NULL, 0) == 0);
	return prlimit(1, RLIMIT_CORE, NULL, &limit);
}

/* i386's getpid by its own number: another architecture's table is no way round the filter. */
static int killed_by_int80(const struct fixture *f)
{
	REQUIRE(apply(f, 0, 0, NULL, 0) == 0);
#ifdef __x86_64__
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20L) : "memory");
	return r < 0;
#else
	raise(SIGSYS);
	return 0;
#endif
}

static void test_other_calls_kill(void **state)
{
	static int (*const bodies[])(const struct fixture *) = { killed_by_socket, killed_by_fork,
		killed_by_exec, killed_by_executable_map, killed_by_executable_protect,
		killed_by_foreign_limit, killed_by_int80 };

	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		int status = in_child(bodies[i], *state);

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGSYS);
		assert_false(WCOREDUMP(status));
	}
}

static void *sleeper(void *arg)
{
	(void)arg;
	pause();
	return NULL;
}

static int child_threads(const struct fixture *f)
{
	struct confine c = { .uid = TEST_UID, .gid = TEST_UID, .empty_root = f->dir };
	struct error err = { 0 };
	pthread_t thread;

	REQUIRE(pthread_create(&thread, NULL, sleeper, NULL) == 0);
	REQUIRE(confine_apply(&c, &err) == -1);
	REQUIRE(strstr(err.text, "more than one thread") && getuid() == 0);
	return 0;
}

static void test_threads_are_refused(void **state)
{
	assert_child(child_threads, *state);
}

static int child_bad(const struct fixture *f)
{
	static const char *const nonsense[] = { "no_such_call" };
	struct confine c = { .uid = 0, .gid = TEST_UID, .empty_root = f->dir };
	struct error err = { 0 };

	REQUIRE(confine_apply(&c, &err) == -1 && strstr(err.text, "uid and gid must not be 0"));
	c.uid = TEST_UID;
	c.empty_root = NULL;
	REQUIRE(confine_apply(&c, &err) == -1 && strstr(err.text, "no root directory"));
	c.empty_root = "/nonexistent-bulkhead";
	REQUIRE(confine_apply(&c, &err) == -1 && strstr(err.text, "root: cannot bind"));
	c.empty_root = f->dir;
	c.syscalls = nonsense;
	c.syscalls_len = 1;
	REQUIRE(confine_apply(&c, &err) == -1 && strstr(err.text, "'no_such_call' is not known"));
	return 0;
}

static void test_bad_parameters_are_named(void **state)
{
	assert_child(child_bad, *state);
}

/* A user namespace where one capability counts, one directory to write to, and no life alone. */
static int child_joins_userns(const struct fixture *f)
{
	static const char *const calls[] = { "openat", "unlinkat", "fchown", "prctl", "capget",
		"mkdirat" };
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	struct confine c = {
		.uid = UNPACK_OWN_ID,
		.gid = UNPACK_OWN_ID,
		.userns_fd = import_userns_make(1900000000, TEST_UID, NULL),
		.empty_root = f->dir,
		.flags = CONFINE_WRITABLE | CONFINE_JOIN_USERNS | CONFINE_WITH_PARENT,
		.capabilities = UINT64_C(1) << CAP_CHOWN,
		.syscalls = calls,
		.syscalls_len = ARRAY_LEN(calls),
	};
	struct stat st;
	int signal_number = 0;
	int fd;

	REQUIRE(c.userns_fd >= 0);
	REQUIRE(confine_apply(&c, NULL) == 0);
	REQUIRE(getuid() == UNPACK_OWN_ID && getgid() == UNPACK_OWN_ID);
	REQUIRE(syscall(SYS_capget, &header, data) == 0);
	REQUIRE(data[0].effective == 1u << CAP_CHOWN && data[0].permitted == 1u << CAP_CHOWN);
	REQUIRE((data[1].permitted | data[0].inheritable | data[1].inheritable) == 0);
	REQUIRE(prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) == 0);
	REQUIRE(prctl(PR_GET_PDEATHSIG, &signal_number, 0, 0, 0) == 0 && signal_number == SIGKILL);
	fd = open("/made", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	REQUIRE(fd >= 0);
	REQUIRE(fchown(fd, 5, 6) == 0 && fstat(fd, &st) == 0 && st.st_uid == 5);
	REQUIRE(fchown(fd, UNPACK_OWN_ID + 1, 0) < 0 && errno == EINVAL);
	REQUIRE(unlinkat(AT_FDCWD, "/made", 0) == 0);
	return 0;
}

static void test_user_namespace(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(chmod(f->dir, 0777), 0);
	assert_child(child_joins_userns, f);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_ids_and_capabilities),
		T(test_root_is_empty_and_read_only),
		T(test_a_detached_directory_has_no_way_up),
		T(test_namespaces_seen_from_outside),
		T(test_one_capability_is_kept),
		T(test_user_namespace),
		T(test_a_socket_in_the_root_serves),
		T(test_base_list_serves_an_event_loop),
		T(test_memory_is_locked),
		T(test_other_calls_kill),
		T(test_threads_are_refused),
		T(test_bad_parameters_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
