/*
 * Runs inside test containers, static, to try what a hostile program would. Prints one line a try,
 * "<name> <errno or result>", so that a test can compare. Usage: workload VERB [ARG...].
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define HIGH (1UL << 32) /* bits that the kernel cuts off an int */

static void say(const char *name, long result)
{
	printf("%s %d\n", name, result < 0 ? errno : 0);
	fflush(stdout);
}

/* As 'say', from a child: what kills the caller is reported as -signal. */
static void say_from_child(const char *name, long (*try)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		long result = try();

		_exit(result < 0 ? errno : 0);
	}
	waitpid(pid, &status, 0);
	printf("%s %d\n", name, WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
	fflush(stdout);
}

#ifdef __x86_64__
static long int80_getpid(void)
{
	long result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory");
	return result;
}

static long x32_getpid(void)
{
	return syscall(0x40000000 + SYS_getpid);
}
#endif

static void syscalls(void)
{
	struct {
		unsigned long a[8];
	} blank = { 0 };
	static char stack[65536];

	say("bpf", syscall(SYS_bpf, BPF_MAP_CREATE, &blank, sizeof(blank)));
	say("keyctl", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, -3, 1));
	say("add_key", syscall(SYS_add_key, "user", "k", "v", 1, -3));
	say("request_key", syscall(SYS_request_key, "user", "k", NULL, 0));
	say("userfaultfd", syscall(SYS_userfaultfd, 0));
	say("io_uring_setup", syscall(SYS_io_uring_setup, 1, &blank));
	say("perf_event_open", syscall(SYS_perf_event_open, &blank, 0, -1, -1, 0));
	say("open_by_handle_at", syscall(SYS_open_by_handle_at, AT_FDCWD, &blank, 0));
	say("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0));
	say("ptrace", syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0));
	say("mount", mount("none", "/tmp", "tmpfs", 0, NULL));
	say("umount2", umount2("/proc", MNT_DETACH));
	say("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
	say("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 1));
	say("move_mount", syscall(SYS_move_mount, -1, "", -1, "", 0));
	say("pivot_root", syscall(SYS_pivot_root, "/", "/"));
	say("setns", setns(0, 0));
	say("unshare_user", unshare(CLONE_NEWUSER));
	say("unshare_ns", unshare(CLONE_NEWNS));
	say("unshare_time", unshare(CLONE_NEWTIME));
	say("unshare_files", unshare(CLONE_FILES));
	say("clone_user", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0));
	say("clone3", syscall(SYS_clone3, &blank, sizeof(blank)));
	say("socket_alg", socket(AF_ALG, SOCK_SEQPACKET, 0));
	say("socket_vsock", socket(AF_VSOCK, SOCK_STREAM, 0));
	say("socket_vsock_high", syscall(SYS_socket, HIGH | AF_VSOCK, SOCK_STREAM, 0));
	say("socket_inet", socket(AF_INET, SOCK_STREAM, 0));
	say("tiocsti", ioctl(0, TIOCSTI, "x"));
	say("tiocsti_high", syscall(SYS_ioctl, 0, HIGH | TIOCSTI, "x"));
	say("unknown", syscall(9999));
	say("getpid", syscall(SYS_getpid));
	(void)stack;
#ifdef __x86_64__
	say_from_child("int80", int80_getpid);
	say_from_child("x32", x32_getpid);
#endif
}

/* Opens each path for writing and for reading. */
static void open_each(int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		int fd = open(argv[i], O_WRONLY | O_NONBLOCK | O_NOCTTY);
		int saved = errno;
		char byte;
		ssize_t n;

		printf("%s write %d", argv[i], fd < 0 ? saved : 0);
		if (fd >= 0)
			close(fd);
		fd = open(argv[i], O_RDONLY | O_NONBLOCK | O_NOCTTY);
		n = fd < 0 ? -1 : read(fd, &byte, 1);
		saved = errno;
		printf(" read %s %d\n",
			n > 0    ? "data"
			: n == 0 ? "empty"
				 : "error",
			n < 0 ? saved : 0);
		if (fd >= 0)
			close(fd);
	}
}

/* mknod of the host's first disk, and opening it. */
static void device(void)
{
	int fd;

	say("mknod", mknod("/tmp/disk", S_IFBLK | 0666, makedev(8, 0)));
	fd = open("/tmp/disk", O_RDONLY);
	say("open", fd);
	say("mknod_mem", mknod("/dev/mem", S_IFCHR | 0666, makedev(1, 1)));
	say("open_mem", open("/dev/mem", O_RDONLY));
}

static void eat(size_t mib)
{
	for (size_t i = 0; i < mib; i++) {
		char *p = mmap(
			NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			exit(3);
		memset(p, 1, 1 << 20);
	}
}

/* Traces every process it can see until killed; prints what it could attach to. */
static void trace_all(void)
{
	for (;;) {
		for (pid_t pid = 2; pid < 4000; pid++) {
			if (pid == getpid())
				continue;
			if (ptrace(PTRACE_SEIZE, pid, 0, 0) == 0) {
				printf("attached %d\n", pid);
				fflush(stdout);
				ptrace(PTRACE_DETACH, pid, 0, 0);
			}
		}
	}
}

/* Swaps the directory A and the link B for ever, by renameat2(RENAME_EXCHANGE). */
static void swap_for_ever(const char *a, const char *b)
{
	for (;;)
		renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
}

static void flood(size_t bytes)
{
	char line[4096];

	memset(line, 'x', sizeof(line));
	while (bytes > 0) {
		ssize_t n = write(1, line, bytes < sizeof(line) ? bytes : sizeof(line));

		if (n < 0)
			exit(1);
		bytes -= (size_t)n;
	}
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (strcmp(verb, "syscalls") == 0)
		syscalls();
	else if (strcmp(verb, "open") == 0)
		open_each(argc - 2, argv + 2);
	else if (strcmp(verb, "device") == 0)
		device();
	else if (strcmp(verb, "eat") == 0 && argc == 3)
		eat(strtoul(argv[2], NULL, 10));
	else if (strcmp(verb, "trace") == 0)
		trace_all();
	else if (strcmp(verb, "swap") == 0 && argc == 4)
		swap_for_ever(argv[2], argv[3]);
	else if (strcmp(verb, "flood") == 0 && argc == 3)
		flood(strtoul(argv[2], NULL, 10));
	else
		return 2;
	return 0;
}
