/* Who the process is when it execs: what container and exec have in common. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/path.h"
#include "nodeagent/shim/caps.h"
#include "nodeagent/shim/launch.h"
#include "nodeagent/shim/record.h"
#include "nodeagent/shim/selinux.h"
#include "nodeagent/shim/sys.h"

#define STATUS_FD 3

/*
 * A tenant's memory, secrets in it, is no business of whatever program the host's core_pattern
 * names, and that runs as the host's root. The kernel does not apply a limit of 0 to such a
 * program, but gives up at 1 (core(5)); a file of one byte it does not begin.
 */
int child_no_core(struct launch *l, struct error *err)
{
	(void)l;
#ifndef BULKHEAD_WEAK_CORE
	const struct rlimit limit = { 1, 1 };

	/* EPERM: it is 0 already, and not ours to raise. */
	if (setrlimit(RLIMIT_CORE, &limit) < 0 && errno != EPERM)
		return error_set(err, ERR_INTERNAL, errno, "cannot set a limit");
#endif
	return 0;
}

int child_oom_score(struct launch *l, struct error *err)
{
#ifndef BULKHEAD_WEAK_PROC
	int proc_fd = l->sandbox->proc_fd;
#else
	int proc_fd = open("/proc", O_PATH | O_CLOEXEC);
#endif
	struct error poke_err;
	char text[16];

	snprintf(text, sizeof(text), "%" PRId32, l->plan->oom_score_adj);
	if (file_poke_at(proc_fd, "self/oom_score_adj", text, &poke_err) == 0)
		return 0;
	/*
	 * Without CAP_SYS_RESOURCE (nested machines) it cannot go below what was inherited. That
	 * spares nobody but this pod, so it goes on with what it has, as the other runtimes do.
	 */
	if (poke_err.sys == EACCES)
		return 0;
	*err = poke_err;
	return -1;
}

int child_label(struct launch *l, struct error *err)
{
	if (l->plan->selinux_label[0] == '\0')
		return 0;
	return selinux_exec_label(l->sandbox->proc_fd, l->plan->selinux_label, err);
}

/* From here on the process has no right outside the pod. */
int child_join_user(struct launch *l, struct error *err)
{
	if (l->sandbox->user_fd >= 0 && setns(l->sandbox->user_fd, CLONE_NEWUSER) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot join the pod's user namespace");
	return 0;
}

int child_session(struct launch *l, struct error *err)
{
	int fds[3];

	setsid();
	umask(022);
	for (int i = 0; i < 3; i++) {
		fds[i] = l->tty ? l->slave_fd : l->stdio[i] >= 0 ? l->stdio[i] : l->null_fd;
		if (dup2(fds[i], i) < 0)
			return error_set(err, ERR_INTERNAL, errno, "cannot place descriptor %d", i);
	}
	if (l->tty && ioctl(0, TIOCSCTTY, 0) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot take the terminal");
	return 0;
}

int child_bounding(struct launch *l, struct error *err)
{
	if (caps_bound(l->caps) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot drop capabilities");
	return 0;
}

/*
 * Into the working directory, while still able to enter any. RESOLVE_NO_MAGICLINKS refuses
 * /proc/self/fd/N (CVE-2024-21626), and getcwd(2) must see a way from the root, or the kernel
 * says "(unreachable)".
 */
int child_cwd(struct launch *l, struct error *err)
{
	const char *cwd = l->plan->cwd[0] ? l->plan->cwd : "/";
	cleanup_close int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
#ifndef BULKHEAD_WEAK_CWD
	cleanup_close int fd = path_open_in_root(root_fd, cwd, O_PATH | O_DIRECTORY, err);
#else
	cleanup_close int fd = open(cwd, O_PATH | O_DIRECTORY | O_CLOEXEC);
#endif
	char at[PATH_MAX];

	if (fd < 0)
		return error_prefix(err, "workingDir '%s'", cwd);
	if (fchdir(fd) < 0)
		return error_set(
			err, error_code_of(errno), errno, "workingDir: cannot enter '%s'", cwd);
#ifdef BULKHEAD_WEAK_CWD
	return 0;
#endif
	if (syscall(SYS_getcwd, at, sizeof(at)) < 0 || at[0] != '/')
		return error_set(err, ERR_DENIED, 0,
			"workingDir: '%s' is outside the container's root", cwd);
	return 0;
}

int child_ids(struct launch *l, struct error *err)
{
	const struct user *u = &l->user;
	gid_t groups[USER_GROUPS_MAX];

	for (size_t i = 0; i < u->groups_len; i++)
		groups[i] = u->groups[i];
	if (setgroups(u->groups_len, groups) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot set supplementary groups");
	if (setresgid(u->gid, u->gid, u->gid) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot become gid %" PRIu32, u->gid);
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresuid(u->uid, u->uid, u->uid) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot become uid %" PRIu32, u->uid);
	/* Believed only after looking: a uid that wrapped would be root's. */
	if (getuid() != u->uid || geteuid() != u->uid ||
		(l->plan->must_be_non_root && getuid() == 0))
		return error_set(err, ERR_DENIED, 0, "did not become uid %" PRIu32, u->uid);
	return 0;
}

int child_keyring(struct launch *l, struct error *err)
{
	(void)l;
#ifdef BULKHEAD_WEAK_KEYRING
	return 0;
#endif
	/* ENOSYS: a kernel without keys has none to share. */
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
		return error_set(err, ERR_INTERNAL, errno, "cannot make a session keyring");
	return 0;
}

int child_descriptors(struct launch *l, struct error *err)
{
	if (l->status_fd != STATUS_FD) {
		if (dup3(l->status_fd, STATUS_FD, O_CLOEXEC) < 0)
			return error_set(err, ERR_INTERNAL, errno, "cannot move a descriptor");
		l->status_fd = STATUS_FD;
	}
#ifndef BULKHEAD_WEAK_DESCRIPTORS
	if (close_range(STATUS_FD + 1, ~0U, 0) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot close descriptors");
#endif
	return 0;
}

int child_no_new_privs(struct launch *l, struct error *err)
{
	if (l->plan->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot set no_new_privs");
	return 0;
}

int child_caps(struct launch *l, struct error *err)
{
	uint64_t set = l->user.uid == 0 ? l->caps : 0;

	/* Loading the filter asks for one of the two. execve(2) takes this one away by the bounding
	 * set. */
	if (!l->plan->no_new_privs && (l->filters_count > 0 || l->record))
		set |= UINT64_C(1) << CAP_SYS_ADMIN;
	if (caps_set(set) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot set capabilities");
	return 0;
}

int child_parent_death(struct launch *l, struct error *err)
{
	struct pollfd p = { .fd = l->status_fd };

	/* Changing credentials cleared the first and made the process as dumpable as the host says.
	 */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || sys_not_dumpable() < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot tie the process to the shim");
	/* Gone in between: nobody would ever kill this process. */
	if (poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)))
		_exit(1);
	return 0;
}

static const char *env_find(char **env, const char *name)
{
	size_t len = strlen(name);

	for (; *env; env++) {
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			return *env + len + 1;
	}
	return NULL;
}

/* The container's environment, with HOME, PATH and TERM where it has none. */
static int env_build(struct launch *l, struct error *err)
{
	size_t n = l->plan->n_env;
	char **env = calloc(n + 4, sizeof(*env));

	if (!env)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot make the environment");
	if (n > 0)
		memcpy(env, l->plan->env, n * sizeof(*env));
	if (!env_find(env, "HOME") && asprintf(&env[n++], "HOME=%s", l->user.home) < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot make the environment");
	if (!env_find(env, "PATH"))
		env[n++] = (char *)(uintptr_t) "PATH=" LAUNCH_PATH_DEFAULT;
	if (l->tty && !env_find(env, "TERM") &&
		asprintf(&env[n++], "TERM=%s", l->term && l->term[0] ? l->term : "xterm") < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot make the environment");
	l->env = env;
	l->argv = calloc(l->args_len + 1, sizeof(*l->argv));
	if (!l->argv)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot make the arguments");
	memcpy(l->argv, l->args, l->args_len * sizeof(*l->argv));
	return 0;
}

static int executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return 0;
	if (!S_ISREG(st.st_mode)) {
		errno = EACCES;
		return 0;
	}
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

/* Found before the filter is loaded, so that the filter need allow one execve(2) and no search. */
int child_program_find(struct launch *l, struct error *err)
{
	const char *name = l->args[0];
	const char *path;
	int found_errno = ENOENT;

	if (env_build(l, err) < 0)
		return -1;
	if (strchr(name, '/')) {
		if (!executable(name))
			return error_set(err, error_code_of(errno), errno, "cannot run '%s'", name);
		l->program = l->args[0];
		return 0;
	}
	for (path = env_find(l->env, "PATH"); path && *path; path += strspn(path, ":")) {
		size_t len = strcspn(path, ":");
		char *candidate;

		if (asprintf(&candidate, "%.*s/%s", (int)len, path, name) < 0)
			return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot search $PATH");
		if (executable(candidate)) {
			l->program = candidate;
			return 0;
		}
		if (errno != ENOENT && errno != ENOTDIR)
			found_errno = errno;
		free(candidate);
		path += len;
	}
	return error_set(
		err, error_code_of(found_errno), found_errno, "cannot find '%s' in $PATH", name);
}

/* First of the filters, so that its listener is there when the container's own begin to judge. */
static int recorder_load(const struct launch *l, struct error *err)
{
	struct sock_filter code[RECORD_FILTER_LEN];
	struct sock_fprog program = { record_filter(code, l->status_fd), code };
	int fd = (int)syscall(
		SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);

	if (fd < 0)
		return error_set(err, ERR_PRECONDITION, errno,
			"cannot record: the kernel hands no system calls over");
	launch_report(l, LAUNCH_LISTENER, NULL, &fd, 1);
	close(fd);
	return 0;
}

int child_filter_and_exec(struct launch *l, struct error *err)
{
	if (l->record && recorder_load(l, err) < 0)
		return -1;
	for (size_t i = 0; i < l->filters_count; i++) {
		struct sock_fprog program = { l->filters_len[i], l->filters[i] };

		if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
			return error_set(
				err, ERR_INTERNAL, errno, "cannot load the seccomp filter");
	}
	execve(l->program, l->argv, l->env);
	return error_set(err, error_code_of(errno), errno, "cannot run '%s'", l->program);
}
