#include "nodeagent/shim/pod_init.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/shim/caps.h"
#include "nodeagent/shim/sandbox.h"
#include "nodeagent/shim/sys.h"
#include "nodeagent/shim/tmpfs.h"

#define INIT_ID 65534 /* nobody, in the pod */

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "name this architecture's AUDIT_ARCH"
#endif

/* Everything it does from then on; anything else kills it, and with it the pod. */
static int filter_load(void)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_wait4, 6, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigtimedwait, 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_restart_syscall, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { ARRAY_LEN(code), code };

	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

/* Whoever could look into its root finds nothing there. */
static int empty_root(void)
{
	struct tmpfs_options options = { .size = 4096,
		.inodes = 2,
		.mode = 0555,
		.attr = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			MOUNT_ATTR_NOEXEC };
	cleanup_close int fd = -1;
	cleanup_close int at_fd = -1;

	if (unshare(CLONE_NEWNS) < 0)
		return -1;
	fd = tmpfs_make(&options, NULL);
	at_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || at_fd < 0 || sys_move_mount(fd, at_fd) < 0 || fchdir(fd) < 0 ||
		sys_pivot_root(".", ".") < 0 || umount2(".", MNT_DETACH) < 0)
		return -1;
	return chdir("/");
}

static int confine(const struct sandbox *s)
{
	if (setns(s->net_fd, CLONE_NEWNET) < 0 || setns(s->ipc_fd, CLONE_NEWIPC) < 0 ||
		setns(s->uts_fd, CLONE_NEWUTS) < 0 || empty_root() < 0)
		return -1;
	if (s->user_fd >= 0 && setns(s->user_fd, CLONE_NEWUSER) < 0)
		return -1;
	if (setgroups(0, NULL) < 0 || setresgid(INIT_ID, INIT_ID, INIT_ID) < 0 ||
		caps_bound(0) < 0 || setresuid(INIT_ID, INIT_ID, INIT_ID) < 0 || caps_set(0) < 0)
		return -1;
	/* Another uid cleared the first and made it as dumpable as the host says. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || sys_not_dumpable() < 0 ||
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return 0;
}

/* Its arguments are the shim's, and name a folder of the host. */
static int rename_arguments(const struct sandbox *s)
{
	static const char name[] = "pod-init";
	cleanup_free char *text = NULL;
	size_t size;

	if (file_read_at(s->proc_fd, "self/cmdline", 4096, &text, &size, NULL) < 0 ||
		size < sizeof(name))
		return -1;
	memset(program_invocation_name, 0, size);
	memcpy(program_invocation_name, name, sizeof(name));
	return prctl(PR_SET_NAME, name);
}

static _Noreturn void child(const struct sandbox *s, int sock)
{
	char answer = 'y';
	sigset_t all;

	sys_signals_reset();
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (sys_not_dumpable() < 0 || rename_arguments(s) < 0 || confine(s) < 0 ||
		send(sock, &answer, 1, MSG_NOSIGNAL) != 1 || close_range(0, ~0U, 0) < 0 ||
		filter_load() < 0)
		_exit(1);
	for (;;) {
		while (wait4(-1, NULL, 0, NULL) > 0)
			;
		/* No child now: the next one to be given to it ends with a signal. */
		sigtimedwait(&all, NULL, NULL);
	}
}

int pod_init_start(const struct sandbox *sandbox, int *ret_pidfd, int *ret_ns_fd, struct error *err)
{
	struct clone_args args = { .flags = CLONE_PIDFD | CLONE_NEWPID };
	cleanup_close int pidfd = -1;
	cleanup_close int ns_fd = -1;
	char path[48], answer = 0;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set(err, ERR_EXHAUSTED, errno, "cannot make a socket pair");
	args.pidfd = (uint64_t)(uintptr_t)&pidfd;
	pid = sys_clone3(&args);
	if (pid == 0)
		child(sandbox, pair[1]);
	close(pair[1]);
	if (pid > 0) {
		snprintf(path, sizeof(path), "%d/ns/pid", pid);
		ns_fd = openat(sandbox->proc_fd, path, O_RDONLY | O_CLOEXEC);
	}
	if (pid < 0 || ns_fd < 0 || recv(pair[0], &answer, 1, 0) != 1) {
		error_set(err, ERR_PRECONDITION, 0, "cannot start the pod's first process");
		close(pair[0]);
		if (pid > 0) {
			sys_pidfd_kill(pidfd, SIGKILL);
			sys_pidfd_reap(pidfd, NULL);
		}
		return -1;
	}
	close(pair[0]);
	*ret_pidfd = take_fd(&pidfd);
	*ret_ns_fd = take_fd(&ns_fd);
	return 0;
}
