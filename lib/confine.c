#include "lib/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"

/*
 * What glibc (2.36 to 2.41) needs by itself, and what lib/ipc, lib/log and an event loop use on
 * descriptors that are already open. Nothing here makes a socket, a process or a thread, opens a
 * file, or changes who the process is. mmap, mprotect and prlimit64 are narrowed below.
 */
const char *const confine_base_syscalls[] = {
	/* descriptors */
	"read",
	"readv",
	"pread64",
	"write",
	"writev",
	"pwrite64",
	"close",
	"close_range",
	"lseek",
	"fcntl",
	"fstat",
	"newfstatat",
	"statx",
	"dup",
	"dup3",
	"pipe2",
	"ftruncate",
	"memfd_create",
	/* messages on sockets that were handed over */
	"recvmsg",
	"recvfrom",
	"sendmsg",
	"sendto",
	"getsockopt",
	"setsockopt",
	"shutdown",
	/* waiting */
	"poll",
	"ppoll",
	"select",
	"pselect6",
	"epoll_create1",
	"epoll_ctl",
	"epoll_wait",
	"epoll_pwait",
	"epoll_pwait2",
	"eventfd2",
	"signalfd4",
	"timerfd_create",
	"timerfd_settime",
	"timerfd_gettime",
	"nanosleep",
	"clock_nanosleep",
	"restart_syscall",
	/* memory */
	"brk",
	"mmap",
	"munmap",
	"mremap",
	"mprotect",
	"madvise",
	/* clocks, randomness, numbers of the machine */
	"clock_gettime",
	"clock_getres",
	"gettimeofday",
	"time",
	"getrandom",
	"uname",
	"sysinfo",
	"getcpu",
	"sched_getaffinity",
	"sched_yield",
	"prlimit64",
	"getrlimit",
	"getrusage",
	/* signals, threads' bookkeeping, the end */
	"rt_sigaction",
	"rt_sigprocmask",
	"rt_sigreturn",
	"rt_sigpending",
	"rt_sigtimedwait",
	"sigaltstack",
	"tgkill",
	"futex",
	"set_robust_list",
	"rseq",
	"membarrier",
	"getpid",
	"gettid",
	"getppid",
	"getuid",
	"geteuid",
	"getgid",
	"getegid",
	"exit",
	"exit_group",
};
const size_t confine_base_syscalls_len = ARRAY_LEN(confine_base_syscalls);

/* System calls allowed only where (argument 'arg' & mask) == value. */
static const struct narrowed {
	const char *name;
	unsigned arg;
	uint64_t mask;
	uint64_t value;
} narrowed[] = {
	{ "mmap", 2, PROT_EXEC, 0 }, { "mprotect", 2, PROT_EXEC, 0 },
	{ "prlimit64", 0, UINT32_MAX, 0 }, /* of the process itself */
};

/*
 * What libraries try by themselves and take a failure of: time zone and CPU count files, a terminal
 * behind stdio. Refused with an errno instead of the end of the process, unless the caller's list
 * has them.
 */
static const struct refused {
	const char *name;
	int sys;
} refused[] = {
	{ "open", ENOENT },
	{ "openat", ENOENT },
	{ "access", ENOENT },
	{ "readlink", ENOENT },
	{ "ioctl", ENOTTY },
};

/* The steps below keep errno in 'err' through this. */
static int failed(struct error *err, const char *what)
{
	return error_set(err, error_code_of(errno), errno, "%s", what);
}

static int check(const struct confine *c, struct error *err)
{
	if (c->uid == 0 || c->gid == 0)
		return error_set(err, ERR_INVALID, 0, "uid and gid must not be 0");
	if (!(c->flags & CONFINE_KEEP_ROOT) && !c->empty_root)
		return error_set(err, ERR_INVALID, 0, "no root directory is named");
	/* Namespaces, capabilities and no_new_privs are per thread: a second one would keep its
	 * rights. */
	if (unshare(CLONE_THREAD) < 0)
		return error_set(
			err, ERR_PRECONDITION, errno, "the process has more than one thread");
	return 0;
}

static int namespaces(const struct confine *c, struct error *err)
{
	int flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;

	if (!(c->flags & CONFINE_NO_NEWNET))
		flags |= CLONE_NEWNET;
	if (unshare(flags) < 0)
		return failed(err, "unshare");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return failed(err, "cannot make mounts private");
	return 0;
}

static int root(const struct confine *c, struct error *err)
{
	const unsigned long read_only = c->flags & CONFINE_WRITABLE ? 0 : MS_RDONLY;
	const unsigned long flags = read_only | MS_NOSUID | MS_NODEV | MS_NOEXEC;
	const char *dir = c->empty_root;

	if (c->flags & CONFINE_KEEP_ROOT)
		return 0;
	if (mount(dir, dir, NULL, MS_BIND, NULL) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot bind '%s'", dir);
	if (mount(NULL, dir, NULL, MS_REMOUNT | MS_BIND | flags, NULL) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot restrict '%s'", dir);
	/* pivot_root(2), "pivot_root(".", ".")": the old root ends up on top and is detached. */
	if (chdir(dir) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return error_set(err, error_code_of(errno), errno, "cannot pivot to '%s'", dir);
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return failed(err, "cannot leave the old root");
	return 0;
}

static int no_core(const struct confine *c, struct error *err)
{
	const struct rlimit none = { 0, 0 };

	(void)c;
	return setrlimit(RLIMIT_CORE, &none) < 0 ? failed(err, "setrlimit") : 0;
}

/*
 * MCL_ONFAULT: a page is locked when it is first touched, so library code that is never run costs
 * no memory. Without CAP_SYS_RESOURCE the limit of RLIMIT_MEMLOCK stays and would make later
 * mappings fail (CAP_IPC_LOCK goes in the next steps); then only what is mapped by now is locked.
 */
static int memory(const struct confine *c, struct error *err)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	int flags = MCL_CURRENT | MCL_ONFAULT;

	if (!(c->flags & CONFINE_LOCK_MEMORY))
		return 0;
	if (setrlimit(RLIMIT_MEMLOCK, &all) == 0)
		flags |= MCL_FUTURE;
	return mlockall(flags) < 0 ? failed(err, "mlockall") : 0;
}

static int user_namespace(const struct confine *c, struct error *err)
{
	if (!(c->flags & CONFINE_JOIN_USERNS))
		return 0;
	return setns(c->userns_fd, CLONE_NEWUSER) < 0 ? failed(err, "setns") : 0;
}

static int bounding(const struct confine *c, struct error *err)
{
	(void)c;
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return error_set(err, ERR_DENIED, errno, "cannot drop capability %lu", cap);
	}
	return 0;
}

static int ids(const struct confine *c, struct error *err)
{
	if (setgroups(0, NULL) < 0)
		return failed(err, "setgroups");
	if (c->capabilities && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return failed(err, "PR_SET_KEEPCAPS");
	if (setresgid(c->gid, c->gid, c->gid) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot become gid %u", c->gid);
	if (setresuid(c->uid, c->uid, c->uid) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot become uid %u", c->uid);
	return 0;
}

static int capabilities(const struct confine *c, struct error *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	for (size_t i = 0; i < 2; i++) {
		data[i].permitted = (uint32_t)(c->capabilities >> (32 * i));
		data[i].effective = data[i].permitted;
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return failed(err, "cannot clear ambient capabilities");
	if (syscall(SYS_capset, &header, data) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot keep 0x%llx alone",
			(unsigned long long)c->capabilities);
	return prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0 ? failed(err, "PR_SET_KEEPCAPS") : 0;
}

static int with_parent(const struct confine *c, struct error *err)
{
	if (!(c->flags & CONFINE_WITH_PARENT))
		return 0;
	return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ? failed(err, "PR_SET_PDEATHSIG") : 0;
}

static int no_new_privs(const struct confine *c, struct error *err)
{
	(void)c;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? failed(err, "PR_SET_NO_NEW_PRIVS") : 0;
}

static int not_dumpable(const struct confine *c, struct error *err)
{
	unsigned long on = c->flags & CONFINE_ALLOW_DUMP ? 1 : 0;

	return prctl(PR_SET_DUMPABLE, on, 0, 0, 0) < 0 ? failed(err, "PR_SET_DUMPABLE") : 0;
}

/*
 * What the empty root and the filter keep away by other means, once more: where one of them has a
 * hole, or a descriptor leads somewhere. A kernel that knows only the first version refuses every
 * hard link from one directory to another, which layers have.
 */
static int landlock(const struct confine *c, struct error *err)
{
	const uint64_t beneath =
		~(LANDLOCK_EXECUTE | LANDLOCK_MAKE_SOCK | LANDLOCK_MAKE_BLOCK | LANDLOCK_IOCTL_DEV);
	cleanup_close int root_fd = -1;

#ifdef BULKHEAD_WEAK_LANDLOCK
	return 0;
#endif
	if (c->flags & CONFINE_WRITABLE) {
		if (landlock_abi() < LANDLOCK_ABI_REFER)
			return 0;
		root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (root_fd < 0)
			return failed(err, "cannot open the root");
	}
	return landlock_restrict(c->files, root_fd, beneath, c->flags & CONFINE_CONNECT_TCP, err);
}

/* Adds the rule for 'name': narrowed where the table says so, else for any arguments. */
static int filter_allow(scmp_filter_ctx filter, const char *name, struct error *err)
{
	int number = seccomp_syscall_resolve_name(name);
	int r;

	if (number == __NR_SCMP_ERROR)
		return error_set(err, ERR_INVALID, 0, "system call '%s' is not known", name);
	for (size_t i = 0; i < ARRAY_LEN(narrowed); i++) {
		const struct narrowed *n = &narrowed[i];

		if (strcmp(n->name, name) != 0)
			continue;
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 1,
			SCMP_CMP64(n->arg, SCMP_CMP_MASKED_EQ, n->mask, n->value));
		return r < 0 && r != -EEXIST
			       ? error_set(err, ERR_INTERNAL, -r, "cannot allow '%s'", name)
			       : 0;
	}
	r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
	return r < 0 && r != -EEXIST ? error_set(err, ERR_INTERNAL, -r, "cannot allow '%s'", name)
				     : 0;
}

static int wanted(const struct confine *c, const char *name)
{
	for (size_t i = 0; i < c->syscalls_len; i++) {
		if (strcmp(c->syscalls[i], name) == 0)
			return 1;
	}
	return 0;
}

static int filter_refuse(scmp_filter_ctx filter, const struct confine *c, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		int number = seccomp_syscall_resolve_name(refused[i].name);
		int r;

		if (wanted(c, refused[i].name))
			continue;
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint16_t)refused[i].sys), number, 0);
		if (r < 0)
			return error_set(
				err, ERR_INTERNAL, -r, "cannot refuse '%s'", refused[i].name);
	}
	return 0;
}

static int filter_fill(scmp_filter_ctx filter, const struct confine *c, struct error *err)
{
	int r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	if (r < 0)
		return error_set(err, ERR_INTERNAL, -r, "cannot set up the filter");
	/* A balanced tree of numbers instead of a chain. */
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; i < confine_base_syscalls_len; i++) {
		if (filter_allow(filter, confine_base_syscalls[i], err) < 0)
			return -1;
	}
	for (size_t i = 0; i < c->syscalls_len; i++) {
		if (filter_allow(filter, c->syscalls[i], err) < 0)
			return -1;
	}
	if ((c->flags & CONFINE_CONNECT_TCP) && filter_allow(filter, "connect", err) < 0)
		return -1;
	return filter_refuse(filter, c, err);
}

static int seccomp_filter(const struct confine *c, struct error *err)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r;

	if (!filter)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot make a filter");
	r = filter_fill(filter, c, err);
	if (r == 0) {
		r = seccomp_load(filter);
		if (r < 0)
			error_set(err, error_code_of(-r), -r, "cannot load the filter");
	}
	seccomp_release(filter);
	return r < 0 ? -1 : 0;
}

static const struct step {
	const char *name;
	int (*apply)(const struct confine *c, struct error *err);
	const char *why; /* why it stands here */
} steps[] = {
	{ "parameters", check, "before anything is given up" },
	{ "namespaces", namespaces, "needs CAP_SYS_ADMIN" },
	{ "root", root, "needs CAP_SYS_ADMIN, and the mount namespace above" },
	{ "core limit", no_core, "before the process becomes another user's" },
	{ "memory lock", memory, "needs CAP_IPC_LOCK or the limit raised with CAP_SYS_RESOURCE" },
	{ "user namespace", user_namespace, "after the mounts, which must not become its own" },
	{ "bounding set", bounding, "needs CAP_SETPCAP" },
	{ "user and group", ids, "needs CAP_SETUID and CAP_SETGID, after all that needs others" },
	{ "capabilities", capabilities, "setresuid(2) has cleared the effective ones" },
	{ "parent", with_parent, "after what changes credentials, which resets it" },
	{ "no_new_privs", no_new_privs, "lets seccomp load without CAP_SYS_ADMIN" },
	{ "dumpable", not_dumpable, "after setresuid(2), which resets it" },
	{ "landlock", landlock, "needs no_new_privs; after the root is the one to be" },
	{ "seccomp", seccomp_filter, "last: the filter need not allow the steps above" },
};

int confine_apply(const struct confine *confine, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		if (steps[i].apply(confine, err) < 0)
			return error_prefix(err, "cannot confine the process: %s", steps[i].name);
	}
	return 0;
}
