#include "nodeagent/shim/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/path.h"
#include "nodeagent/shim/mnt.h"
#include "nodeagent/shim/selinux.h"
#include "nodeagent/shim/sys.h"

#define ASIDE_MAX  64 /* roots of earlier runs that are being removed at a time */
#define ASIDE_SIZE 16

int rootfs_directory_open(const char *pod_dir, const char *name, struct error *err)
{
	cleanup_free char *path = NULL;
	int fd;

	if (asprintf(&path, "%s/containers/%s", pod_dir, name) < 0)
		return error_set(
			err, ERR_EXHAUSTED, ENOMEM, "cannot open the container's directory");
	fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open '%s'", path);
	return fd;
}

/* A tree may be large, so a child takes the time. It is the shim's to reap. */
static int remove_later(int dirfd, const char *name, int *ret_pidfd, struct error *err)
{
	struct clone_args args = { .flags = CLONE_PIDFD };
	pid_t pid;

	args.pidfd = (uint64_t)(uintptr_t)ret_pidfd;
	pid = sys_clone3(&args);
	if (pid < 0)
		return error_set(err, ERR_EXHAUSTED, errno, "cannot clone");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(tree_remove_at(dirfd, name, NULL) < 0);
	}
	return 0;
}

/* A folder that no other child is removing: each has its own. */
static int aside_make(int dirfd, char name[ASIDE_SIZE], struct error *err)
{
	for (int i = 0; i < ASIDE_MAX; i++) {
		snprintf(name, ASIDE_SIZE, "old.%d", i);
		if (mkdirat(dirfd, name, 0700) == 0)
			return 0;
		if (errno != EEXIST)
			return error_set(
				err, error_code_of(errno), errno, "cannot move the old root aside");
	}
	return error_set(err, ERR_EXHAUSTED, 0,
		"%d old roots are being removed; the container starts again when some are gone",
		ASIDE_MAX);
}

/* upper and work become old.<n>/, which goes meanwhile. */
static int move_aside(int dirfd, int *ret_pidfd, struct error *err)
{
	static const char *const names[] = { "upper", "work" };
	cleanup_close int aside_fd = -1;
	char aside[ASIDE_SIZE];

	if (faccessat(dirfd, "upper", F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
		faccessat(dirfd, "work", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (aside_make(dirfd, aside, err) < 0)
		return -1;
	aside_fd = openat(dirfd, aside, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (aside_fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open '%s'", aside);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (renameat(dirfd, names[i], aside_fd, names[i]) < 0 && errno != ENOENT)
			return error_set(err, error_code_of(errno), errno, "cannot move '%s' aside",
				names[i]);
	}
	return remove_later(dirfd, aside, ret_pidfd, err);
}

int rootfs_prepare(int pod_dirfd, const char *name, uint32_t uid, uint32_t gid, int *ret_pidfd,
	struct error *err)
{
	struct mnt_owner root = { 0, 0 };
	struct mnt_owner pod = { uid, gid };
	cleanup_close int all_fd = mnt_mkdir(pod_dirfd, "containers", 0700, &root, err);
	cleanup_close int fd = -1;
	cleanup_close int upper_fd = -1;
	cleanup_close int work_fd = -1;

	*ret_pidfd = -1;
	if (all_fd < 0)
		return -1;
	fd = mnt_mkdir(all_fd, name, 0700, &root, err);
	if (fd < 0 || move_aside(fd, ret_pidfd, err) < 0)
		return -1;
	upper_fd = mnt_mkdir(fd, "upper", 0755, &pod, err);
	work_fd = mnt_mkdir(fd, "work", 0700, &root, err);
	return upper_fd < 0 || work_fd < 0 ? -1 : 0;
}

int rootfs_remove(int pod_dirfd, const char *name, int *ret_pidfd, struct error *err)
{
	cleanup_close int all_fd =
		openat(pod_dirfd, "containers", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_close int aside_fd = -1;
	char aside[ASIDE_SIZE];

	*ret_pidfd = -1;
	if (all_fd < 0 || faccessat(all_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	/* Out of the way at once, for one of the same name; no container's name has a dot. */
	if (aside_make(all_fd, aside, err) < 0)
		return -1;
	aside_fd = openat(all_fd, aside, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (aside_fd < 0 || renameat(all_fd, name, aside_fd, name) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot move '%s' aside", name);
	return remove_later(all_fd, aside, ret_pidfd, err);
}

int rootfs_empty_dir(int pod_dirfd, const char *name, uint32_t uid, uint32_t gid, uint32_t group,
	const char *label, struct error *err)
{
	struct mnt_owner root = { 0, 0 };
	struct mnt_owner pod = { uid, group ? group : gid };
	cleanup_close int all_fd = mnt_mkdir(pod_dirfd, "volumes", 0711, &root, err);
	cleanup_close int fd = -1;
	int there;

	if (all_fd < 0)
		return -1;
	there = faccessat(all_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	fd = mnt_mkdir(all_fd, name, 0777, &pod, err);
	if (fd < 0)
		return error_prefix(err, "emptyDir '%s'", name);
	/* mkdir(2) takes no set-group-ID bit. Later the mode is the pod's own business. */
	if (!there && group && fchmodat(all_fd, name, 02777, 0) < 0)
		return error_set(
			err, error_code_of(errno), errno, "cannot chmod emptyDir '%s'", name);
	if (!there && label[0] && selinux_file_label(fd, label, err) < 0)
		return error_prefix(err, "emptyDir '%s'", name);
	return 0;
}
