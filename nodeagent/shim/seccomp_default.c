/* RuntimeDefault: what an ordinary container gets. Lists, one topic a row. */
#include <errno.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "lib/cleanup.h"
#include "nodeagent/shim/seccomp_build.h"

/* clang-format off */
static const char *const allowed[] = {
	/* files */
	"access", "chdir", "chmod", "chown", "chown32", "close", "close_range", "copy_file_range", "creat",
	"dup", "dup2", "dup3", "faccessat", "faccessat2", "fadvise64", "fadvise64_64", "fallocate",
	"fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchown32", "fchownat", "fcntl", "fcntl64",
	"fdatasync", "fgetxattr", "flistxattr", "flock", "fremovexattr", "fsetxattr", "fstat", "fstat64",
	"fstatat64", "fstatfs", "fstatfs64", "fsync", "ftruncate", "ftruncate64", "futimesat", "getcwd",
	"getdents", "getdents64", "getxattr", "getxattrat", "lchown", "lchown32", "lgetxattr", "link",
	"linkat", "listxattr", "listxattrat", "llistxattr", "_llseek", "lremovexattr", "lseek",
	"lsetxattr", "lstat", "lstat64", "mkdir", "mkdirat", "mknod", "mknodat", "newfstatat", "open",
	"openat", "openat2", "pread64", "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2", "read",
	"readahead", "readlink", "readlinkat", "readv", "removexattr", "removexattrat", "rename",
	"renameat", "renameat2", "rmdir", "sendfile", "sendfile64", "setxattr", "setxattrat", "splice",
	"stat", "stat64", "statfs", "statfs64", "statx", "symlink", "symlinkat", "sync",
	"sync_file_range", "syncfs", "tee", "truncate", "truncate64", "umask", "unlink", "unlinkat",
	"utime", "utimensat", "utimensat_time64", "utimes", "vmsplice", "write", "writev", "cachestat",
	/* memory */
	"brk", "get_mempolicy", "madvise", "map_shadow_stack", "mbind", "membarrier", "memfd_create",
	"memfd_secret", "mincore", "mlock", "mlock2", "mlockall", "mmap", "mmap2", "mprotect", "mremap",
	"mseal", "msync", "munlock", "munlockall", "munmap", "pkey_alloc", "pkey_free", "pkey_mprotect",
	"process_madvise", "process_mrelease", "remap_file_pages", "set_mempolicy",
	"set_mempolicy_home_node",
	/* processes, threads, signals; namespaces and clone3 are below */
	"alarm", "arch_prctl", "capget", "capset", "clone", "execve", "execveat", "exit", "exit_group",
	"fork", "futex", "futex_requeue", "futex_time64", "futex_wait", "futex_waitv", "futex_wake",
	"getcpu", "getegid", "getegid32", "geteuid", "geteuid32", "getgid", "getgid32", "getgroups",
	"getgroups32", "getitimer", "getpgid", "getpgrp", "getpid", "getppid", "getpriority",
	"getresgid", "getresgid32", "getresuid", "getresuid32", "getrlimit", "get_robust_list",
	"getrusage", "getsid", "get_thread_area", "gettid", "getuid", "getuid32", "ioprio_get",
	"ioprio_set", "kill", "pause", "pidfd_open", "pidfd_send_signal", "prctl", "prlimit64",
	"restart_syscall", "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask",
	"rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "rt_sigtimedwait_time64",
	"rt_tgsigqueueinfo", "sched_getaffinity", "sched_getattr", "sched_getparam",
	"sched_get_priority_max", "sched_get_priority_min", "sched_getscheduler",
	"sched_rr_get_interval", "sched_rr_get_interval_time64", "sched_setaffinity", "sched_setattr",
	"sched_setparam", "sched_setscheduler", "sched_yield", "setfsgid", "setfsgid32", "setfsuid",
	"setfsuid32", "setgid", "setgid32", "setgroups", "setgroups32", "setitimer", "setpgid",
	"setpriority", "setregid", "setregid32", "setresgid", "setresgid32", "setresuid",
	"setresuid32", "setreuid", "setreuid32", "setrlimit", "set_robust_list", "setsid",
	"set_thread_area", "set_tid_address", "setuid", "setuid32", "sigaltstack", "signalfd",
	"signalfd4", "sigprocmask", "sigreturn", "tgkill", "time", "times", "tkill", "ugetrlimit",
	"unshare", "vfork", "wait4", "waitid", "waitpid",
	/* these only ever take rights away */
	"landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self", "seccomp",
	/* waiting and time */
	"adjtimex", "clock_adjtime", "clock_adjtime64", "clock_getres", "clock_getres_time64",
	"clock_gettime", "clock_gettime64", "clock_nanosleep", "clock_nanosleep_time64", "epoll_create",
	"epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_pwait", "epoll_pwait2", "epoll_wait",
	"epoll_wait_old", "eventfd", "eventfd2", "gettimeofday", "inotify_add_watch", "inotify_init",
	"inotify_init1", "inotify_rm_watch", "ioctl", "_newselect", "nanosleep", "pipe", "pipe2", "poll",
	"ppoll", "ppoll_time64", "pselect6", "pselect6_time64", "select", "timer_create",
	"timer_delete", "timerfd_create", "timerfd_gettime", "timerfd_gettime64", "timerfd_settime",
	"timerfd_settime64", "timer_getoverrun", "timer_gettime", "timer_gettime64", "timer_settime",
	"timer_settime64", "io_cancel", "io_destroy", "io_getevents", "io_pgetevents",
	"io_pgetevents_time64", "io_setup", "io_submit",
	/* sockets; families are below */
	"accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen",
	"recv", "recvfrom", "recvmmsg", "recvmmsg_time64", "recvmsg", "send", "sendmmsg", "sendmsg",
	"sendto", "setsockopt", "shutdown", "socket", "socketcall", "socketpair",
	/* System V and POSIX IPC: the pod has its own namespace */
	"ipc", "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedreceive_time64",
	"mq_timedsend", "mq_timedsend_time64", "mq_unlink", "msgctl", "msgget", "msgrcv", "msgsnd",
	"semctl", "semget", "semop", "semtimedop", "semtimedop_time64", "shmat", "shmctl", "shmdt",
	"shmget",
	/* the system */
	"getrandom", "sysinfo", "uname", "fanotify_mark",
};

/* Known and refused, so that the caller learns that it may not, rather than that it cannot. */
static const char *const refused[] = {
	"acct", "add_key", "bpf", "chroot", "clock_settime", "clock_settime64", "create_module",
	"delete_module", "fanotify_init", "finit_module", "fsconfig", "fsmount", "fsopen", "fspick",
	"get_kernel_syms", "init_module", "io_uring_enter", "io_uring_register", "io_uring_setup",
	"ioperm", "iopl", "kcmp", "kexec_file_load", "kexec_load", "keyctl", "lookup_dcookie",
	"listmount", "migrate_pages", "mount", "mount_setattr", "move_mount", "move_pages",
	"name_to_handle_at", "nfsservctl", "open_by_handle_at", "open_tree", "open_tree_attr",
	"perf_event_open", "pidfd_getfd", "pivot_root", "process_vm_readv",
	"process_vm_writev", "ptrace", "query_module", "quotactl", "quotactl_fd", "reboot",
	"request_key", "setdomainname", "sethostname", "setns", "settimeofday", "statmount", "stime",
	"swapoff", "swapon", "_sysctl", "sysfs", "syslog", "umount", "umount2", "uselib", "userfaultfd",
	"ustat", "vhangup", "vm86", "vm86old", "lsm_set_self_attr",
};

/* Refused unless the container has the capability that the kernel asks for as well. */
static const struct { int cap; const char *name; } with_cap[] = {
	{ CAP_SYS_PTRACE, "ptrace" }, { CAP_SYS_PTRACE, "process_vm_readv" },
	{ CAP_SYS_PTRACE, "process_vm_writev" }, { CAP_SYS_PTRACE, "kcmp" },
	{ CAP_SYS_PTRACE, "pidfd_getfd" }, { CAP_SYS_CHROOT, "chroot" },
	{ CAP_SYS_TIME, "clock_settime" }, { CAP_SYS_TIME, "settimeofday" },
};
/* clang-format on */

/* personality(2) for PER_LINUX, PER_LINUX32, UNAME26 and asking; not for ADDR_NO_RANDOMIZE. */
static const uint64_t personalities[] = { 0x0, 0x0008, 0x20000, 0x20008, 0xffffffff };

static const int families[] = { AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET };

#ifndef BULKHEAD_WEAK_ABI
#define FOREIGN SCMP_ACT_KILL_PROCESS
#else
#define FOREIGN SCMP_ACT_ALLOW
#endif
#define FAMILIES_END 64
#define LOW32        UINT64_C(0xffffffff)
#define TIOCLINUX_NR 0x541cu

static const uint64_t namespace_flags[] = {
	CLONE_NEWNS,
	CLONE_NEWCGROUP,
	CLONE_NEWUTS,
	CLONE_NEWIPC,
	CLONE_NEWUSER,
	CLONE_NEWPID,
	CLONE_NEWNET,
};

static int has(uint64_t caps, int cap)
{
	return (caps & (UINT64_C(1) << cap)) != 0;
}

static int granted_by_cap(const char *name, uint64_t caps)
{
#ifdef BULKHEAD_WEAK_CALLS
	return 1;
#endif
	for (size_t i = 0; i < ARRAY_LEN(with_cap); i++) {
		if (has(caps, with_cap[i].cap) && strcmp(with_cap[i].name, name) == 0)
			return 1;
	}
	return 0;
}

static int add(scmp_filter_ctx ctx, uint32_t action, const char *name,
	const struct scmp_arg_cmp *arg, struct error *err)
{
	int nr = seccomp_syscall_resolve_name(name);
	int rc;

	/* Unknown to this libseccomp: then the filter's ENOSYS answers. */
	if (nr == __NR_SCMP_ERROR)
		return 0;
	rc = arg ? seccomp_rule_add_array(ctx, action, nr, 1, arg)
		 : seccomp_rule_add_array(ctx, action, nr, 0, NULL);
	/* Numbers below zero stand for system calls that this architecture lacks. */
	if (rc < 0 && nr >= 0)
		return error_set(err, ERR_INTERNAL, -rc, "seccomp: cannot add %s", name);
	return 0;
}

static int names_fill(scmp_filter_ctx ctx, uint64_t caps, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
		if (add(ctx, SCMP_ACT_ALLOW, allowed[i], NULL, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		uint32_t action =
			granted_by_cap(refused[i], caps) ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM);

		if (add(ctx, action, refused[i], NULL, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < ARRAY_LEN(personalities); i++) {
		struct scmp_arg_cmp arg = SCMP_A0(SCMP_CMP_EQ, personalities[i]);

		if (add(ctx, SCMP_ACT_ALLOW, "personality", &arg, err) < 0)
			return -1;
	}
	return 0;
}

/* socketpair(2) makes sockets of a family, and loads its module, before it asks for pairs. */
static int families_fill(scmp_filter_ctx ctx, struct error *err)
{
	for (int family = 0; family < FAMILIES_END; family++) {
		struct scmp_arg_cmp arg = SCMP_A0(SCMP_CMP_MASKED_EQ, LOW32, (uint64_t)family);
		uint32_t action = family == AF_ALG || family == AF_VSOCK
					  ? SCMP_ACT_ERRNO(EPERM)
					  : SCMP_ACT_ERRNO(EAFNOSUPPORT);
		int open = 0;

		for (size_t i = 0; i < ARRAY_LEN(families); i++)
			open |= families[i] == family;
		if (!open && (add(ctx, action, "socket", &arg, err) < 0 ||
				     add(ctx, action, "socketpair", &arg, err) < 0))
			return -1;
	}
	return 0;
}

static int arguments_fill(scmp_filter_ctx ctx, struct error *err)
{
	const uint32_t eperm = SCMP_ACT_ERRNO(EPERM);
	const struct scmp_arg_cmp sti = SCMP_A1(SCMP_CMP_MASKED_EQ, LOW32, TIOCSTI);
	const struct scmp_arg_cmp lin = SCMP_A1(SCMP_CMP_MASKED_EQ, LOW32, TIOCLINUX_NR);
	const struct scmp_arg_cmp newtime =
		SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NEWTIME, CLONE_NEWTIME);

#ifdef BULKHEAD_WEAK_ARGUMENTS
	return 0;
#endif
	for (size_t i = 0; i < ARRAY_LEN(namespace_flags); i++) {
		uint64_t flag = namespace_flags[i];
		struct scmp_arg_cmp arg = SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag);

		if (add(ctx, eperm, "clone", &arg, err) < 0 ||
			add(ctx, eperm, "unshare", &arg, err) < 0)
			return -1;
	}
	if (add(ctx, eperm, "unshare", &newtime, err) < 0 ||
		add(ctx, eperm, "ioctl", &sti, err) < 0 || add(ctx, eperm, "ioctl", &lin, err) < 0)
		return -1;
	return families_fill(ctx, err);
}

int seccomp_default_build(
	scmp_filter_ctx ret[SECCOMP_FILTERS_MAX], uint64_t caps, struct error *err)
{
#ifndef BULKHEAD_WEAK_UNKNOWN
	scmp_filter_ctx names = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
#else
	scmp_filter_ctx names = seccomp_init(SCMP_ACT_LOG);
#endif
	scmp_filter_ctx arguments = seccomp_init(SCMP_ACT_ALLOW);

	if (!names || !arguments) {
		error_set(err, ERR_INTERNAL, 0, "seccomp: cannot start a filter");
		goto fail;
	}
	/* 32-bit calls (and x32 ones, which libseccomp treats likewise) have other numbers: never
	 * let in. */
	seccomp_attr_set(names, SCMP_FLTATR_ACT_BADARCH, FOREIGN);
	seccomp_attr_set(arguments, SCMP_FLTATR_ACT_BADARCH, FOREIGN);
	seccomp_attr_set(names, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (names_fill(names, caps, err) < 0 || arguments_fill(arguments, err) < 0)
		goto fail;
	ret[0] = names;
	ret[1] = arguments;
	return 0;
fail:
	seccomp_release(names);
	seccomp_release(arguments);
	return -1;
}
