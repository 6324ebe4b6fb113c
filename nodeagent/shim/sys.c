#include "nodeagent/shim/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define FDS_MAX 8

pid_t sys_clone3(struct clone_args *args)
{
	if (args->exit_signal == 0)
		args->exit_signal = SIGCHLD;
	return (pid_t)syscall(SYS_clone3, args, sizeof(*args));
}

int sys_pidfd_kill(int pidfd, int sig)
{
	if (syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 && errno != ESRCH)
		return -1;
	return 0;
}

static int reap(int pidfd, int options, int *ret_status)
{
	siginfo_t info = { 0 };
	int n;

	do {
		n = waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | options);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -1;
	if (info.si_pid == 0)
		return 0;
	if (ret_status)
		*ret_status = info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0)
							 : W_EXITCODE(0, info.si_status);
	return 1;
}

int sys_pidfd_reap(int pidfd, int *ret_status)
{
	return reap(pidfd, 0, ret_status) < 0 ? -1 : 0;
}

int sys_pidfd_try_reap(int pidfd, int *ret_status)
{
	return reap(pidfd, WNOHANG, ret_status);
}

int sys_open_tree(int dirfd, const char *path, unsigned flags)
{
	return open_tree(dirfd, path, flags | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
}

int sys_move_mount(int from_fd, int to_fd)
{
	return move_mount(
		from_fd, "", to_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

int sys_mount_setattr(int dirfd, const char *path, unsigned flags, const struct mount_attr *attr)
{
	return (int)syscall(
		SYS_mount_setattr, dirfd, path, flags | AT_EMPTY_PATH, attr, sizeof(*attr));
}

int sys_fsopen(const char *fs)
{
	return fsopen(fs, FSOPEN_CLOEXEC);
}

int sys_fsconfig_string(int fd, const char *key, const char *value)
{
	return fsconfig(fd, FSCONFIG_SET_STRING, key, value, 0);
}

int sys_fsconfig_flag(int fd, const char *key)
{
	return fsconfig(fd, FSCONFIG_SET_FLAG, key, NULL, 0);
}

int sys_fsconfig_create(int fd)
{
	return fsconfig(fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

int sys_fsmount(int fd, unsigned attr)
{
	return fsmount(fd, FSMOUNT_CLOEXEC, attr);
}

int sys_fspick(int dirfd)
{
	return fspick(dirfd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
}

int sys_fsconfig_reconfigure(int fd)
{
	return fsconfig(fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0);
}

int sys_pivot_root(const char *new_root, const char *put_old)
{
	return (int)syscall(SYS_pivot_root, new_root, put_old);
}

void sys_signals_reset(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	/* Signals that cannot be caught answer EINVAL, which is as good. */
	for (int i = 1; i < NSIG; i++)
		sigaction(i, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int sys_not_dumpable(void)
{
#ifndef BULKHEAD_WEAK_DUMPABLE
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#else
	return 0;
#endif
}

int sys_proc_open(void)
{
	cleanup_close int fs_fd = sys_fsopen("proc");

	if (fs_fd < 0 || sys_fsconfig_create(fs_fd) < 0)
		return -1;
	return sys_fsmount(fs_fd, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

int sys_is_chardev(int fd, unsigned major_no, unsigned minor_no)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && major(st.st_rdev) == major_no &&
	       minor(st.st_rdev) == minor_no;
}

uint64_t sys_fs_magic(int fd)
{
	struct statfs st;

	return fstatfs(fd, &st) < 0 ? 0 : (uint64_t)st.f_type;
}

int sys_send_fds(int sock, const void *data, size_t size, const int *fds, size_t fds_len)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (fds_len > FDS_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (fds_len > 0) {
		struct cmsghdr *cmsg;

		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * fds_len);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * fds_len);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * fds_len);
	}
	do {
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

ssize_t sys_recv_fds(int sock, void *data, size_t size, int *fds, size_t *ret_len, int flags)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} control;
	struct iovec iov = { .iov_base = data, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	size_t room = *ret_len;
	size_t got = 0;
	ssize_t n;

	do {
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | flags);
	} while (n < 0 && errno == EINTR);
	*ret_len = 0;
	if (n < 0)
		return -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		size_t len;
		int each[FDS_MAX];

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		len = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(each, CMSG_DATA(c), len * sizeof(int));
		for (size_t i = 0; i < len; i++) {
			if (got < room)
				fds[got++] = each[i];
			else
				close(each[i]);
		}
	}
	*ret_len = got;
	return n;
}
