/*
 * System calls without a wrapper in glibc 2.36, and the few patterns around them. Each returns what
 * the kernel does: -1 with errno set. Descriptors returned are close-on-exec and the caller's.
 */
#ifndef NODEAGENT_SHIM_SYS_H
#define NODEAGENT_SHIM_SYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct clone_args;
struct mount_attr;

/* clone3(2) as fork: 0 in the child. No thread, no shared memory. */
pid_t sys_clone3(struct clone_args *args);

/* pidfd_send_signal(2); a process that is gone already counts as success. */
int sys_pidfd_kill(int pidfd, int sig);

/* Waits for the process and reaps it; *ret_status (may be NULL) as of waitpid(2). */
int sys_pidfd_reap(int pidfd, int *ret_status);

/* As sys_pidfd_reap without waiting: 1 reaped, 0 still alive. */
int sys_pidfd_try_reap(int pidfd, int *ret_status);

/* Mount API. */
int sys_open_tree(int dirfd, const char *path, unsigned flags);
int sys_move_mount(int from_fd, int to_fd);
int sys_mount_setattr(int dirfd, const char *path, unsigned flags, const struct mount_attr *attr);
int sys_fsopen(const char *fs);
int sys_fsconfig_string(int fd, const char *key, const char *value);
int sys_fsconfig_flag(int fd, const char *key);
int sys_fsconfig_create(int fd);
int sys_fsmount(int fd, unsigned attr);
/* What is mounted at 'dirfd', to be configured anew; then sys_fsconfig_reconfigure(). */
int sys_fspick(int dirfd);
int sys_fsconfig_reconfigure(int fd);
int sys_pivot_root(const char *new_root, const char *put_old);

/* Clears the signal mask, restores every handler, so that exec'd code starts clean. */
void sys_signals_reset(void);

/* Until its next execve(2) nobody without the host's CAP_SYS_PTRACE looks into this process. */
int sys_not_dumpable(void);

/* Opens a fresh procfs of the caller's pid namespace that no path leads to. */
int sys_proc_open(void);

/* Whether 'fd' is character device major:minor. */
int sys_is_chardev(int fd, unsigned major_no, unsigned minor_no);

/* The f_type of the file system 'fd' lies on, or 0. */
uint64_t sys_fs_magic(int fd);

/* One descriptor (or none: -1) and 'size' bytes over a SOCK_SEQPACKET socket; blocks. */
int sys_send_fds(int sock, const void *data, size_t size, const int *fds, size_t fds_len);
/* Bytes received, 0 at the peer's end. *ret_len: in room of 'fds', out number received. */
ssize_t sys_recv_fds(int sock, void *data, size_t size, int *fds, size_t *ret_len, int flags);

#endif
