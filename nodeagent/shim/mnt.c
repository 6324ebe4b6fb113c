#include "nodeagent/shim/mnt.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/path.h"
#include "nodeagent/shim/sys.h"

int mnt_attr(int fd, uint64_t set, struct error *err)
{
	struct mount_attr attr = { .attr_set = set };

	if (set != 0 && sys_mount_setattr(fd, "", 0, &attr) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot set mount attributes");
	return 0;
}

int mnt_clone(int fd, uint64_t set, struct error *err)
{
	struct mount_attr attr = { .attr_set = set };
	cleanup_close int tree_fd = sys_open_tree(fd, "", OPEN_TREE_CLONE | AT_RECURSIVE);

	if (tree_fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot clone a mount");
	if (set != 0 && sys_mount_setattr(tree_fd, "", AT_RECURSIVE, &attr) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot set mount attributes");
	return take_fd(&tree_fd);
}

int mnt_attach(int mount_fd, int target_fd, struct error *err)
{
	if (sys_move_mount(mount_fd, target_fd) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot attach a mount");
	return 0;
}

int mnt_mkdir(int dirfd, const char *name, uint32_t mode, const struct mnt_owner *owner,
	struct error *err)
{
	int made = mkdirat(dirfd, name, mode) == 0;
	cleanup_close int fd = -1;

	if (!made && errno != EEXIST)
		return error_set(err, error_code_of(errno), errno, "cannot make '%s'", name);
	fd = sys_openat2(
		dirfd, name, O_PATH | O_DIRECTORY, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open '%s'", name);
	if (made && fchownat(fd, "", owner->uid, owner->gid, AT_EMPTY_PATH) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot chown '%s'", name);
	return take_fd(&fd);
}

/* Kernel file systems are no place for a volume, whichever way the walk came there. */
static int target_fs_check(int fd, const char *path, struct error *err)
{
#ifdef BULKHEAD_WEAK_TARGET_FS
	return 0;
#endif
	switch (sys_fs_magic(fd)) {
	case PROC_SUPER_MAGIC:
	case SYSFS_MAGIC:
	case CGROUP_SUPER_MAGIC:
	case CGROUP2_SUPER_MAGIC:
		return error_set(err, ERR_DENIED, 0, "'%s' leads into a kernel file system", path);
	default:
		return 0;
	}
}

/* 'walked' names the same directory as 'dirfd'/'name'; it is made in 'dirfd' when it is missing. */
static int step_into(int root_dirfd, const char *walked, int dirfd, const char *name,
	const struct mnt_owner *owner, struct error *err)
{
#ifndef BULKHEAD_WEAK_WALK
	int fd = sys_openat2(root_dirfd, walked, O_PATH | O_DIRECTORY, 0,
		RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
#else
	int fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
#endif

	if (fd >= 0)
		return fd;
	if (errno != ENOENT)
		return error_set(
			err, error_code_of(errno), errno, "cannot open '%s' in the root", walked);
	return mnt_mkdir(dirfd, name, 0755, owner, err);
}

/* Walks all parts of 'path' but the last 'leave' ones. */
static int walk(int root_dirfd, const char *path, size_t leave, const struct mnt_owner *owner,
	struct error *err)
{
	char walked[PATH_MAX] = "";
	size_t size = 0;
	size_t parts = 0;
	cleanup_close int at_fd =
		sys_openat2(root_dirfd, ".", O_PATH | O_DIRECTORY, 0, RESOLVE_IN_ROOT);

	if (at_fd < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot open the root");
	for (const char *p = path + strspn(path, "/"); *p;
		p += strcspn(p, "/"), p += strspn(p, "/"))
		parts++;
	for (size_t i = 0; i + leave < parts; i++) {
		char name[NAME_MAX + 1];
		size_t len;
		int next;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (len > NAME_MAX || size + len + 2 > sizeof(walked))
			return error_set(
				err, ERR_INVALID, ENAMETOOLONG, "cannot walk '%.128s'", path);
		memcpy(name, path, len);
		name[len] = '\0';
		size += (size_t)snprintf(walked + size, sizeof(walked) - size, "/%s", name);
		next = step_into(root_dirfd, walked, at_fd, name, owner, err);
		if (next < 0)
			return -1;
		close(at_fd);
		at_fd = next;
		path += len;
	}
	return take_fd(&at_fd);
}

int mnt_target_dir(
	int root_dirfd, const char *path, const struct mnt_owner *owner, struct error *err)
{
	cleanup_close int fd = walk(root_dirfd, path, 0, owner, err);

	if (fd < 0 || target_fs_check(fd, path, err) < 0)
		return -1;
	return take_fd(&fd);
}

int mnt_target_file(
	int root_dirfd, const char *path, const struct mnt_owner *owner, struct error *err)
{
	const char *name = strrchr(path, '/') + 1;
	cleanup_close int dirfd = walk(root_dirfd, path, 1, owner, err);
	cleanup_close int made_fd = -1;
	cleanup_close int fd = -1;

	if (dirfd < 0 || target_fs_check(dirfd, path, err) < 0)
		return -1;
	fd = sys_openat2(root_dirfd, path, O_PATH, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
	if (fd < 0) {
		if (errno != ENOENT)
			return error_set(err, error_code_of(errno), errno,
				"cannot open '%s' in the root", path);
		/* Nothing there, or a link to nothing. */
		unlinkat(dirfd, name, 0);
		made_fd = openat(
			dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
		if (made_fd < 0 || fchown(made_fd, owner->uid, owner->gid) < 0)
			return error_set(
				err, error_code_of(errno), errno, "cannot make '%s'", path);
		fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return error_set(
				err, error_code_of(errno), errno, "cannot open '%s'", path);
	}
	if (target_fs_check(fd, path, err) < 0)
		return -1;
	return take_fd(&fd);
}

int mnt_simple(const char *fs, uint64_t attr, struct error *err)
{
	cleanup_close int fs_fd = sys_fsopen(fs);
	int fd;

	if (fs_fd < 0 || sys_fsconfig_string(fs_fd, "source", fs) < 0 ||
		sys_fsconfig_create(fs_fd) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot make a %s mount", fs);
	fd = sys_fsmount(fs_fd, (unsigned)attr);
	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot mount %s", fs);
	return fd;
}
