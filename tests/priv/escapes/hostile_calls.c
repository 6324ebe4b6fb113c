/* System calls that an ordinary container has no business with, in each of the machine's ABIs. */
#include "tests/priv/escapes/hostile.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HIGH        (1L << 32) /* bits that the kernel cuts off an int */
#define X32         0x40000000L
#define I386_LAST   470
#define X32_LAST    547
#define UNKNOWN_LO  480
#define UNKNOWN_HI  1023
#define FAMILY_LAST 63

struct row {
	const char *name;
	long number;
	long args[3];
};

static long native(const void *of)
{
	const struct row *r = of;

	return syscall(r->number, r->args[0], r->args[1], r->args[2], 0L, 0L, 0L);
}

static void rows_try(const struct row *rows, size_t len)
{
	for (size_t i = 0; i < len; i++)
		printf("%s %d\n", rows[i].name, in_child(native, &rows[i]));
	fflush(stdout);
}

#define CALL(name)                                                                                 \
	{                                                                                          \
#name, SYS_##name,                                                                 \
		{                                                                                  \
			-1, -1, -1                                                                 \
		}                                                                                  \
	}

/* All of them are harmless with these arguments, should they be let through. */
void verb_refused(int argc, char **argv)
{
	static const struct row rows[] = { CALL(acct), CALL(add_key), CALL(bpf), CALL(chroot),
		CALL(clock_settime), CALL(create_module), CALL(delete_module), CALL(fanotify_init),
		CALL(finit_module), CALL(fsconfig), CALL(fsmount), CALL(fsopen), CALL(fspick),
		CALL(init_module), CALL(io_uring_enter), CALL(io_uring_register),
		CALL(io_uring_setup), CALL(ioperm), CALL(iopl), CALL(kcmp), CALL(kexec_file_load),
		CALL(kexec_load), CALL(keyctl), CALL(lookup_dcookie), CALL(migrate_pages),
		CALL(mount), CALL(mount_setattr), CALL(move_mount), CALL(move_pages),
		CALL(name_to_handle_at), CALL(nfsservctl), CALL(open_by_handle_at), CALL(open_tree),
		CALL(perf_event_open), CALL(pidfd_getfd), CALL(pivot_root), CALL(process_vm_readv),
		CALL(process_vm_writev), CALL(ptrace), CALL(query_module), CALL(quotactl),
		CALL(quotactl_fd), CALL(reboot), CALL(request_key), CALL(setdomainname),
		CALL(sethostname), CALL(setns), CALL(settimeofday), CALL(swapoff), CALL(swapon),
		CALL(sysfs), CALL(syslog), CALL(umount2), CALL(uselib), CALL(userfaultfd),
		CALL(ustat), CALL(vhangup) };

	(void)argc;
	(void)argv;
	rows_try(rows, sizeof(rows) / sizeof(*rows));
}

#define UNSHARE(flag)                                                                              \
	{                                                                                          \
		"unshare " #flag, SYS_unshare,                                                     \
		{                                                                                  \
			flag, 0, 0                                                                 \
		}                                                                                  \
	}
#define CLONE(flag)                                                                                \
	{                                                                                          \
		"clone " #flag, SYS_clone,                                                         \
		{                                                                                  \
			flag | SIGCHLD, 0, 0                                                       \
		}                                                                                  \
	}

static void families_try(void)
{
	for (int family = 0; family <= FAMILY_LAST; family++) {
		const struct row row = { "", SYS_socket, { family, SOCK_RAW, 0 } };
		const struct row high = { "", SYS_socket, { HIGH | family, SOCK_RAW, 0 } };

		const struct row pair = { "", SYS_socketpair, { family, SOCK_RAW, 0 } };
		const struct row high_pair = { "", SYS_socketpair, { HIGH | family, SOCK_RAW, 0 } };

		printf("socket %d %d %d\n", family, in_child(native, &row),
			in_child(native, &high));
		printf("socketpair %d %d %d\n", family, in_child(native, &pair),
			in_child(native, &high_pair));
	}
}

/* Calls that are allowed, with arguments that are not. */
void verb_arguments(int argc, char **argv)
{
	static const struct row rows[] = { UNSHARE(CLONE_NEWUSER), UNSHARE(CLONE_NEWNS),
		UNSHARE(CLONE_NEWCGROUP), UNSHARE(CLONE_NEWUTS), UNSHARE(CLONE_NEWIPC),
		UNSHARE(CLONE_NEWPID), UNSHARE(CLONE_NEWNET), UNSHARE(CLONE_NEWTIME),
		{ "unshare high CLONE_NEWUSER", SYS_unshare, { HIGH | CLONE_NEWUSER, 0, 0 } },
		UNSHARE(CLONE_FILES), CLONE(CLONE_NEWUSER), CLONE(CLONE_NEWNS),
		CLONE(CLONE_NEWCGROUP), CLONE(CLONE_NEWUTS), CLONE(CLONE_NEWIPC),
		CLONE(CLONE_NEWPID), CLONE(CLONE_NEWNET),
		{ "clone high CLONE_NEWUSER", SYS_clone, { HIGH | CLONE_NEWUSER | SIGCHLD, 0, 0 } },
		{ "clone SIGCHLD", SYS_clone, { SIGCHLD, 0, 0 } },
		{ "clone3 null", SYS_clone3, { 0, 0, 0 } },
		{ "ioctl TIOCSTI", SYS_ioctl, { 0, TIOCSTI, 0 } },
		{ "ioctl high TIOCSTI", SYS_ioctl, { 0, HIGH | TIOCSTI, 0 } },
		{ "ioctl TIOCLINUX", SYS_ioctl, { 0, TIOCLINUX, 0 } },
		{ "personality ADDR_NO_RANDOMIZE", SYS_personality, { ADDR_NO_RANDOMIZE, 0, 0 } },
		{ "personality READ_IMPLIES_EXEC", SYS_personality, { READ_IMPLIES_EXEC, 0, 0 } },
		{ "personality ask", SYS_personality, { 0xffffffff, 0, 0 } },
		{ "getpid", SYS_getpid, { 0, 0, 0 } } };

	(void)argc;
	(void)argv;
	rows_try(rows, sizeof(rows) / sizeof(*rows));
	families_try();
	fflush(stdout);
}

/* How many calls of a range ended in which way. */
static void range_try(long (*call)(const void *of), long first, long last)
{
	int ended[512] = { 0 };

	for (long number = first; number <= last; number++) {
		int n = in_child(call, &number);

		if (n < 256 && n > -256)
			ended[n + 256]++;
	}
	for (int i = 0; i < 512; i++) {
		if (ended[i])
			printf("%d: %d\n", i - 256, ended[i]);
	}
	fflush(stdout);
}

static long by_number(const void *of)
{
	return syscall(*(const long *)of, -1L, -1L, -1L, -1L, -1L, -1L);
}

void verb_unknown(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	range_try(by_number, UNKNOWN_LO, UNKNOWN_HI);
}

#ifdef __x86_64__
static long by_int80(const void *of)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(*(const long *)of), "b"(0L), "c"(0L), "d"(0L)
			 : "memory");
	return result < 0 ? -1 : result;
}

static long by_x32(const void *of)
{
	return syscall(X32 | *(const long *)of, 0L, 0L, 0L, 0L, 0L, 0L);
}
#endif

void verb_int80(int argc, char **argv)
{
	(void)argc;
	(void)argv;
#ifdef __x86_64__
	range_try(by_int80, 0, I386_LAST);
#endif
}

void verb_x32(int argc, char **argv)
{
	(void)argc;
	(void)argv;
#ifdef __x86_64__
	range_try(by_x32, 0, X32_LAST);
#endif
}

/* Into each keyring it can name; the serials are for others to try. */
void verb_keys_add(int argc, char **argv)
{
	static const struct {
		const char *name;
		long ring;
	} rings[] = { { "session", KEY_SPEC_SESSION_KEYRING }, { "user", KEY_SPEC_USER_KEYRING },
		{ "user-session", KEY_SPEC_USER_SESSION_KEYRING } };

	(void)argc;
	for (size_t i = 0; i < sizeof(rings) / sizeof(*rings); i++) {
		long serial =
			syscall(SYS_add_key, "user", argv[0], "canary", (size_t)6, rings[i].ring);

		say(rings[i].name, serial);
		printf("serial %ld\n", serial);
	}
	fflush(stdout);
	pause();
}

/* By description argv[0], then by each serial. */
void verb_keys_find(int argc, char **argv)
{
	char data[16];

	say("request_key", syscall(SYS_request_key, "user", argv[0], NULL, 0));
	say("search session",
		syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", argv[0], 0));
	say("search user",
		syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, "user", argv[0], 0));
	say("search user-session", syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_USER_SESSION_KEYRING,
					   "user", argv[0], 0));
	for (int i = 1; i < argc; i++)
		say("read serial",
			syscall(SYS_keyctl, KEYCTL_READ, atol(argv[i]), data, sizeof(data)));
}
