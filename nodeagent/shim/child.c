/* The child's life: an ordered table of steps, each with the reason why it stands there. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/shim/launch.h"
#include "nodeagent/shim/sys.h"

void launch_init(struct launch *launch)
{
	*launch = (struct launch){ .status_fd = -1,
		.stdio = { -1, -1, -1 },
		.scratch_fd = -1,
		.pod_scratch_fd = -1,
		.root_fd = -1,
		.dev_fd = -1,
		.devpts_fd = -1,
		.null_fd = -1,
		.master_fd = -1,
		.slave_fd = -1 };
}

void launch_report(const struct launch *launch, enum launch_report_kind kind,
	const struct error *err, const int *fds, size_t fds_len)
{
	struct launch_report report = {
		.kind = kind, .usec = monotonic_usec(), .user = launch->user
	};

	if (err)
		report.err = *err;
	sys_send_fds(launch->status_fd, &report, sizeof(report), fds, fds_len);
}

int pty_open(int devpts_dirfd, uint32_t uid, int *ret_master, int *ret_slave, struct error *err)
{
	cleanup_close int master_fd =
		openat(devpts_dirfd, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_close int slave_fd = -1;
	int locked = 0;

	if (master_fd < 0 || ioctl(master_fd, TIOCSPTLCK, &locked) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot allocate a terminal");
	slave_fd = ioctl(master_fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave_fd < 0 || fchown(slave_fd, uid, (gid_t)-1) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open a terminal");
	*ret_master = take_fd(&master_fd);
	*ret_slave = take_fd(&slave_fd);
	return 0;
}

int pty_resize(int master_fd, uint16_t rows, uint16_t columns)
{
	struct winsize size = { .ws_row = rows, .ws_col = columns };

	return rows && columns ? ioctl(master_fd, TIOCSWINSZ, &size) : 0;
}

static int clean_start(struct launch *l, struct error *err)
{
	(void)l;
	sys_signals_reset();
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || sys_not_dumpable() < 0)
		return error_set(err, ERR_INTERNAL, errno, "prctl");
	return 0;
}

static int join_pod(struct launch *l, struct error *err)
{
	const int fds[][2] = {
		{ l->sandbox->net_fd, CLONE_NEWNET },
		{ l->sandbox->ipc_fd, CLONE_NEWIPC },
		{ l->sandbox->uts_fd, CLONE_NEWUTS },
		{ l->sandbox->time_fd, CLONE_NEWTIME },
	};

	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		if (fds[i][0] >= 0 && setns(fds[i][0], fds[i][1]) < 0)
			return error_set(
				err, ERR_INTERNAL, errno, "cannot join a namespace of the pod");
	}
	return 0;
}

static int join_container(struct launch *l, struct error *err)
{
	if (setns(l->join_fds[LAUNCH_CGROUP_NS], CLONE_NEWCGROUP) < 0 ||
		setns(l->join_fds[LAUNCH_MNT_NS], CLONE_NEWNS) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot join the container");
	return 0;
}

static int report_mounted(struct launch *l, struct error *err)
{
	(void)err;
	launch_report(l, LAUNCH_MOUNTED, NULL, NULL, 0);
	return 0;
}

static int enter_cgroups(struct launch *l, struct error *err)
{
	return cgroup_enter(l->cgroup, l->cgroup_already, err);
}

static int new_cgroup_ns(struct launch *l, struct error *err)
{
	(void)l;
	if (unshare(CLONE_NEWCGROUP) < 0)
		return error_set(err, ERR_PRECONDITION, errno, "cannot make a cgroup namespace");
	return 0;
}

/* Output pipes belong to whoever writes them, so that /dev/stdout can be opened. */
static int own_output(struct launch *l, struct error *err)
{
	for (int i = 0; i < 3; i++) {
		if (l->stdio[i] >= 0 && fchown(l->stdio[i], l->out_uid, l->out_gid) < 0)
			return error_set(err, ERR_INTERNAL, errno, "cannot own descriptor %d", i);
	}
	return 0;
}

static int hand_back(struct launch *l, struct error *err)
{
	static const char *const names[] = {
		[LAUNCH_MNT_NS] = "self/ns/mnt",
		[LAUNCH_PID_NS] = "self/ns/pid",
		[LAUNCH_CGROUP_NS] = "self/ns/cgroup",
		[LAUNCH_MOUNTS] = "self/mountinfo",
	};
	int fds[LAUNCH_FDS];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		fds[i] = openat(l->sandbox->proc_fd, names[i], O_RDONLY | O_CLOEXEC);
		if (fds[i] < 0)
			return error_set(err, ERR_INTERNAL, errno, "cannot open %s", names[i]);
	}
	fds[LAUNCH_DEVPTS] = l->devpts_fd;
	fds[LAUNCH_NULL] = l->null_fd;
	fds[LAUNCH_MASTER] = l->master_fd;
	launch_report(l, LAUNCH_READY, NULL, fds, l->tty ? LAUNCH_FDS : LAUNCH_MASTER);
	return 0;
}

static int known_user(struct launch *l, struct error *err)
{
	l->user = *l->known_user;
	l->null_fd = l->join_fds[LAUNCH_NULL];
	if (id_map_outside(&l->sandbox->map, l->user.uid, &l->out_uid, err) < 0)
		return -1;
	return id_map_outside(&l->sandbox->map, l->user.gid, &l->out_gid, err);
}

static int report_ready(struct launch *l, struct error *err)
{
	(void)err;
	launch_report(l, LAUNCH_READY, NULL, NULL, 0);
	return 0;
}

/* clang-format off */
static const struct launch_step container_steps[] = {
	{ "start", clean_start, "no handler of the shim's runs, nobody may trace what follows" },
	{ "namespaces", join_pod, "before /sys and mqueue, which show the namespaces of who mounts them" },
	{ "root", child_root_build, "mounts need rights that end at the user namespace" },
	{ "image", child_root_check, "before anything is mounted on a path the image made" },
	{ "user", child_user_resolve, "by the image's files, before a volume can cover them" },
	{ "/dev", child_dev_build, "before the masks, which need its null device" },
	{ "/proc", child_proc_build, "in the new pid namespace" },
	{ "/sys", child_sys_build, "in the pod's network namespace" },
	{ "covers", child_paths_cover, "before volumes, so that no volume is in the way" },
	{ "files", child_files_attach, "/etc may itself be covered by a volume after this" },
	{ "volumes", child_volumes_attach, "what tenants share comes last: no later path leads through it" },
	{ "workingDir", child_cwd_make, "may lie in a volume; the root may be sealed next" },
	{ "read-only root", child_root_seal, "after the last mount point was made" },
	{ "mounted", report_mounted, "times this half" },
	{ "cgroups", enter_cgroups, "by the host's root, and before there is a program to limit" },
	{ "cgroup namespace", new_cgroup_ns, "its root is the cgroup the process is in now" },
	{ "pivot", child_pivot, "the host's tree goes; after this only descriptors lead to it" },
	{ "core dumps", child_no_core, "lowering a limit is everybody's right; raising it again is not" },
	{ "oom_score_adj", child_oom_score, "lowering it is a right of the host's root" },
	{ "output", own_output, "host ids can be set only from the host's user namespace" },
	{ "SELinux", child_label, "for the next execve; by the host's root" },
	{ "keyring", child_keyring, "charged to the host's root: a user of many pods has room for 200" },
	{ "user namespace", child_join_user, "all rights over the host end here" },
	{ "session", child_session, "the terminal becomes the pod's" },
	{ "bounding set", child_bounding, "needs CAP_SETPCAP" },
	{ "workingDir", child_cwd, "needs the rights to enter any directory" },
	{ "namespaces to hand back", hand_back, "the last use of the host's descriptors" },
	{ "ids", child_ids, "after everything that root had to do" },
	{ "descriptors", child_descriptors, "nothing after this opens one" },
	{ "no_new_privs", child_no_new_privs, "lets seccomp load without CAP_SYS_ADMIN" },
	{ "capabilities", child_caps, "after the last step that needs one" },
	{ "parent", child_parent_death, "credentials do not change any more" },
	{ "program", child_program_find, "with the rights of the container's user" },
	{ "seccomp", child_filter_and_exec, "last: the filter need not allow the steps above" },
};

static const struct launch_step exec_steps[] = {
	{ "start", clean_start, "no handler of the shim's runs, nobody may trace what follows" },
	{ "cgroups", enter_cgroups, "while /sys/fs/cgroup's root is still this process's" },
	{ "namespaces", join_pod, "by the descriptors of the pod" },
	{ "container", join_container, "by descriptors its first process handed back before it ran" },
	{ "user", known_user, "as resolved when the container started" },
	{ "core dumps", child_no_core, "lowering a limit is everybody's right; raising it again is not" },
	{ "oom_score_adj", child_oom_score, "lowering it is a right of the host's root" },
	{ "output", own_output, "host ids can be set only from the host's user namespace" },
	{ "SELinux", child_label, "for the next execve; by the host's root" },
	{ "keyring", child_keyring, "charged to the host's root: a user of many pods has room for 200" },
	{ "user namespace", child_join_user, "all rights over the host end here; not dumpable before" },
	{ "session", child_session, "the terminal becomes the pod's" },
	{ "bounding set", child_bounding, "needs CAP_SETPCAP" },
	{ "workingDir", child_cwd, "needs the rights to enter any directory" },
	{ "ids", child_ids, "after everything that root had to do" },
	{ "descriptors", child_descriptors, "nothing after this opens one" },
	{ "no_new_privs", child_no_new_privs, "lets seccomp load without CAP_SYS_ADMIN" },
	{ "capabilities", child_caps, "after the last step that needs one" },
	{ "parent", child_parent_death, "credentials do not change any more" },
	{ "program", child_program_find, "with the rights of the container's user" },
	{ "ready", report_ready, "the filter may forbid writing" },
	{ "seccomp", child_filter_and_exec, "last: the filter need not allow the steps above" },
};
/* clang-format on */

static _Noreturn void run(struct launch *l, const struct launch_step *steps, size_t len)
{
	struct error err = { .code = ERR_NONE };

	for (size_t i = 0; i < len; i++) {
		if (steps[i].run(l, &err) < 0) {
			error_prefix(&err, "%s", steps[i].name);
			break;
		}
	}
	launch_report(l, LAUNCH_FAILED, &err, NULL, 0);
	_exit(127);
}

_Noreturn void launch_container_child(struct launch *launch)
{
	run(launch, container_steps, ARRAY_LEN(container_steps));
}

_Noreturn void launch_exec_child(struct launch *launch)
{
	run(launch, exec_steps, ARRAY_LEN(exec_steps));
}
