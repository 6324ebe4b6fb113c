/* What the shim puts into every root: /dev, /proc, /sys, and covers over parts of them. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/path.h"
#include "nodeagent/shim/launch.h"
#include "nodeagent/shim/mnt.h"
#include "nodeagent/shim/selinux.h"
#include "nodeagent/shim/sys.h"
#include "nodeagent/shim/tmpfs.h"

#define DEV_SIZE       (64u << 10)
#define DEV_INODES     256
#define DEV_SIZE_ALL   (1u << 20) /* with the host's devices */
#define DEV_INODES_ALL 8192
#define COVER_SIZE     4096
#define TTY_GID        5
#define TERMINALS_MAX  "192" /* of a container: SHIM_EXECS_MAX, and some of its own */

#define ATTR_KERNEL (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/* What a mount made for this pod is labelled with; NULL where SELinux is off. */
static const char *context_of(const struct launch *l)
{
	const char *label = l->sandbox->plan->selinux_mount_label;

	return label[0] ? label : NULL;
}

static struct mnt_owner pod_root(const struct launch *l)
{
	return (struct mnt_owner){ l->sandbox->root_uid, l->sandbox->root_gid };
}

/* Opens a directory of the root that child_root_check() has seen to be real. */
static int real_dir(int root_fd, const char *name, struct error *err)
{
#ifndef BULKHEAD_WEAK_REAL_DIR
	const uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
#else
	const uint64_t resolve = RESOLVE_IN_ROOT;
#endif
	int fd = sys_openat2(root_fd, name, O_PATH | O_DIRECTORY, 0, resolve);

	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open /%s", name);
	return fd;
}

static int nodes_make(struct launch *l, struct error *err)
{
	static const struct {
		const char *name;
		unsigned major_no;
		unsigned minor_no;
	} nodes[] = {
		{ "null", 1, 3 },
		{ "zero", 1, 5 },
		{ "full", 1, 7 },
		{ "random", 1, 8 },
		{ "urandom", 1, 9 },
		{ "tty", 5, 0 },
	};
	static const char *const links[][2] = {
		{ "fd", "/proc/self/fd" },
		{ "stdin", "/proc/self/fd/0" },
		{ "stdout", "/proc/self/fd/1" },
		{ "stderr", "/proc/self/fd/2" },
		{ "ptmx", "pts/ptmx" },
	};
	struct mnt_owner owner = pod_root(l);

	for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
		dev_t dev = makedev(nodes[i].major_no, nodes[i].minor_no);

		if (mknodat(l->dev_fd, nodes[i].name, S_IFCHR | 0666, dev) < 0 ||
			fchownat(l->dev_fd, nodes[i].name, owner.uid, owner.gid,
				AT_SYMLINK_NOFOLLOW) < 0)
			return error_set(
				err, ERR_PRECONDITION, errno, "cannot make /dev/%s", nodes[i].name);
	}
	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		if (symlinkat(links[i][1], l->dev_fd, links[i][0]) < 0)
			return error_set(
				err, ERR_INTERNAL, errno, "cannot make /dev/%s", links[i][0]);
	}
	l->null_fd = openat(l->dev_fd, "null", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (l->null_fd < 0 || !sys_is_chardev(l->null_fd, 1, 3))
		return error_set(err, ERR_INTERNAL, errno, "cannot open /dev/null");
	return 0;
}

/* Attaches 'mount_fd' on a new directory of /dev. */
static int dev_attach(struct launch *l, const char *name, int mount_fd, struct error *err)
{
	struct mnt_owner owner = pod_root(l);
	cleanup_close int at_fd = mnt_mkdir(l->dev_fd, name, 0755, &owner, err);

	if (at_fd < 0 || mnt_attach(mount_fd, at_fd, err) < 0)
		return error_prefix(err, "/dev/%s", name);
	return 0;
}

/* All of the machine share kernel.pty.max, 4,096 terminals; one instance gets these at most. */
static int terminals_limit(int fs_fd)
{
#ifndef BULKHEAD_WEAK_TERMINALS
	return sys_fsconfig_string(fs_fd, "max", TERMINALS_MAX);
#else
	return fs_fd < 0;
#endif
}

static int devpts_make(struct launch *l, struct error *err)
{
	cleanup_close int fs_fd = sys_fsopen("devpts");
	const char *context = context_of(l);
	uint32_t tty_gid;
	char gid[16];

	if (id_map_outside(&l->sandbox->map, TTY_GID, &tty_gid, err) < 0)
		return error_prefix(err, "devpts");
	snprintf(gid, sizeof(gid), "%" PRIu32, tty_gid);
	if (fs_fd < 0 || sys_fsconfig_string(fs_fd, "source", "devpts") < 0 ||
		sys_fsconfig_flag(fs_fd, "newinstance") < 0 ||
		sys_fsconfig_string(fs_fd, "ptmxmode", "0666") < 0 ||
		sys_fsconfig_string(fs_fd, "mode", "0620") < 0 ||
		sys_fsconfig_string(fs_fd, "gid", gid) < 0 || terminals_limit(fs_fd) < 0 ||
		(context && sys_fsconfig_string(fs_fd, "context", context) < 0) ||
		sys_fsconfig_create(fs_fd) < 0)
		return error_set(err, ERR_PRECONDITION, errno, "cannot make a devpts instance");
	l->devpts_fd = sys_fsmount(fs_fd, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	if (l->devpts_fd < 0)
		return error_set(err, ERR_PRECONDITION, errno, "cannot mount devpts");
	return dev_attach(l, "pts", l->devpts_fd, err);
}

/* The pty is opened by descriptor in an instance no image code has seen (CVE-2025-52565). */
static int console_make(struct launch *l, struct error *err)
{
	cleanup_close int at_fd = -1;
	cleanup_close int tree_fd = -1;

	if (pty_open(l->devpts_fd, l->out_uid, &l->master_fd, &l->slave_fd, err) < 0)
		return -1;
	if (pty_resize(l->master_fd, l->rows, l->columns) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot set the size of the terminal");
	if (mknodat(l->dev_fd, "console", S_IFREG | 0600, 0) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot make /dev/console");
	at_fd = openat(l->dev_fd, "console", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	tree_fd = mnt_clone(l->slave_fd, 0, err);
	if (tree_fd < 0 || at_fd < 0 || mnt_attach(tree_fd, at_fd, err) < 0)
		return error_prefix(err, "/dev/console");
	return 0;
}

static int shm_attach(struct launch *l, struct error *err)
{
	cleanup_close int shm_fd =
		openat(l->pod_scratch_fd, "shm", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int tree_fd = mnt_clone(shm_fd, 0, err);

	return tree_fd < 0 ? error_prefix(err, "/dev/shm") : dev_attach(l, "shm", tree_fd, err);
}

/* Over a file that is there for it: a mount point is neither removed nor replaced. */
static int log_attach(struct launch *l, struct error *err)
{
	cleanup_free char *path = NULL;
	cleanup_close int fd = -1;
	cleanup_close int at_fd = -1;
	cleanup_close int tree_fd = -1;

	if (!l->sandbox->plan->journal_socket[0])
		return 0;
	if (asprintf(&path, SANDBOX_LOG_DIR "/%s", l->plan->name) < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "/dev/log");
	fd = openat(l->pod_scratch_fd, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || mknodat(l->dev_fd, "log", S_IFREG | 0600, 0) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot make /dev/log");
	at_fd = openat(l->dev_fd, "log", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	tree_fd = mnt_clone(fd, ATTR_KERNEL, err);
	if (tree_fd < 0 || at_fd < 0 || mnt_attach(tree_fd, at_fd, err) < 0)
		return error_prefix(err, "/dev/log");
	return 0;
}

int child_dev_build(struct launch *l, struct error *err)
{
	int all = l->plan->privileged && l->sandbox->plan->all_devices;
	struct tmpfs_options options = { .size = all ? DEV_SIZE_ALL : DEV_SIZE,
		.inodes = all ? DEV_INODES_ALL : DEV_INODES,
		.mode = 0755,
		.uid = l->sandbox->root_uid,
		.gid = l->sandbox->root_gid,
		.attr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
		.context = context_of(l) };
	cleanup_close int at_fd = real_dir(l->root_fd, "dev", err);
	cleanup_close int mqueue_fd = -1;

	if (at_fd < 0)
		return -1;
	l->dev_fd = tmpfs_make(&options, err);
	if (l->dev_fd < 0 || mnt_attach(l->dev_fd, at_fd, err) < 0)
		return error_prefix(err, "/dev");
	if (nodes_make(l, err) < 0 || devpts_make(l, err) < 0 || shm_attach(l, err) < 0 ||
		(all && child_devices_copy(l->dev_fd, err) < 0))
		return -1;
	mqueue_fd = mnt_simple("mqueue", ATTR_KERNEL, err);
	if (mqueue_fd < 0 || dev_attach(l, "mqueue", mqueue_fd, err) < 0)
		return -1;
	/* The kernel made it with the ipc namespace; a mount option would come too late. */
	if (context_of(l) && selinux_file_label(mqueue_fd, context_of(l), err) < 0)
		return error_prefix(err, "/dev/mqueue");
	if (log_attach(l, err) < 0)
		return -1;
	return l->tty ? console_make(l, err) : 0;
}

int child_proc_build(struct launch *l, struct error *err)
{
	cleanup_close int at_fd = real_dir(l->root_fd, "proc", err);
	cleanup_close int proc_fd = mnt_simple("proc", ATTR_KERNEL, err);

	if (at_fd < 0 || proc_fd < 0)
		return -1;
	return mnt_attach(proc_fd, at_fd, err);
}

/* The container's own directory of hierarchy 'i', read-only. */
static int cgroup_attach_one(struct launch *l, size_t i, int at_fd, struct error *err)
{
	const char *hierarchy = l->sandbox->tree.hierarchies[i].name;
	cleanup_free char *path = NULL;
	cleanup_close int dir_fd = -1;
	cleanup_close int tree_fd = -1;

	if (asprintf(&path, "/sys/fs/cgroup/%s/%s/%s", hierarchy, l->sandbox->plan->cgroup,
		    l->plan->name) < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot mount cgroups");
	dir_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot open '%s'", path);
#ifndef BULKHEAD_WEAK_CGROUP_FILES
	tree_fd =
		mnt_clone(dir_fd, ATTR_KERNEL | (l->plan->privileged ? 0 : MOUNT_ATTR_RDONLY), err);
#else
	tree_fd = mnt_clone(dir_fd, ATTR_KERNEL, err);
#endif
	return tree_fd < 0 ? -1 : mnt_attach(tree_fd, at_fd, err);
}

static int cgroups_attach(struct launch *l, int at_fd, struct error *err)
{
	const struct cgroup_tree *tree = &l->sandbox->tree;
	struct tmpfs_options options = { .size = COVER_SIZE,
		.inodes = 32,
		.mode = 0755,
		.uid = l->sandbox->root_uid,
		.gid = l->sandbox->root_gid,
		.attr = ATTR_KERNEL };
	struct mnt_owner owner = pod_root(l);
	cleanup_close int tmpfs_fd = -1;

	if (tree->mode == CGROUP_V2)
		return cgroup_attach_one(l, 0, at_fd, err);
	tmpfs_fd = tmpfs_make(&options, err);
	if (tmpfs_fd < 0 || mnt_attach(tmpfs_fd, at_fd, err) < 0)
		return -1;
	for (size_t i = 0; i < tree->len; i++) {
		cleanup_close int fd =
			mnt_mkdir(tmpfs_fd, tree->hierarchies[i].name, 0555, &owner, err);

		if (fd < 0 || cgroup_attach_one(l, i, fd, err) < 0)
			return -1;
	}
	return mnt_attr(tmpfs_fd, MOUNT_ATTR_RDONLY, err);
}

int child_sys_build(struct launch *l, struct error *err)
{
	cleanup_close int at_fd = real_dir(l->root_fd, "sys", err);
	cleanup_close int sys_fd = mnt_simple(
		"sysfs", ATTR_KERNEL | (l->plan->privileged ? 0 : MOUNT_ATTR_RDONLY), err);
	cleanup_close int cgroup_fd = -1;

	if (at_fd < 0 || sys_fd < 0 || mnt_attach(sys_fd, at_fd, err) < 0)
		return -1;
	cgroup_fd = openat(sys_fd, "fs/cgroup", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (cgroup_fd < 0)
		return error_set(
			err, ERR_PRECONDITION, errno, "the kernel's /sys has no fs/cgroup");
	if (cgroups_attach(l, cgroup_fd, err) < 0)
		return error_prefix(err, "/sys/fs/cgroup");
	return 0;
}

/* An empty read-only directory to lay over others; attached, so that it can be cloned. */
static int empty_make(struct launch *l, struct error *err)
{
	struct tmpfs_options options = { .size = COVER_SIZE,
		.inodes = 2,
		.mode = 0555,
		.attr = ATTR_KERNEL | MOUNT_ATTR_RDONLY,
		.context = context_of(l) };
	struct mnt_owner root = { 0, 0 };
	cleanup_close int at_fd = mnt_mkdir(l->scratch_fd, "empty", 0700, &root, err);
	cleanup_close int fd = tmpfs_make(&options, err);

	if (at_fd < 0 || fd < 0 || mnt_attach(fd, at_fd, err) < 0)
		return -1;
	return take_fd(&fd);
}

/*
 * What covers is a descriptor of our own null device or our own empty directory, never the image's
 * (CVE-2025-31133). A path that this kernel lacks needs no cover; any other failure is one.
 */
static int mask(struct launch *l, const char *path, int empty_fd, struct error *err)
{
	cleanup_close int fd =
		sys_openat2(l->root_fd, path, O_PATH, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
	cleanup_close int tree_fd = -1;
	struct stat st;

#ifdef BULKHEAD_WEAK_MASK
	return 0;
#endif
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open '%s'", path);
	tree_fd = mnt_clone(S_ISDIR(st.st_mode) ? empty_fd : l->null_fd, 0, err);
	if (tree_fd < 0 || mnt_attach(tree_fd, fd, err) < 0)
		return error_prefix(err, "'%s'", path);
	return 0;
}

static int make_read_only(struct launch *l, const char *path, struct error *err)
{
	cleanup_close int fd =
		sys_openat2(l->root_fd, path, O_PATH, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
	cleanup_close int tree_fd = -1;

#ifdef BULKHEAD_WEAK_READ_ONLY
	return 0;
#endif
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open '%s'", path);
	tree_fd = mnt_clone(fd, MOUNT_ATTR_RDONLY, err);
	if (tree_fd < 0 || mnt_attach(tree_fd, fd, err) < 0)
		return error_prefix(err, "'%s'", path);
	return 0;
}

int child_paths_cover(struct launch *l, struct error *err)
{
	cleanup_close int empty_fd = -1;

	/* Read-only ones first: a mask beneath must not be copied along with its cover's rights. */
	for (size_t i = 0; i < l->plan->n_read_only_paths; i++) {
		if (make_read_only(l, l->plan->read_only_paths[i], err) < 0)
			return error_prefix(err, "read_only_paths");
	}
	if (l->plan->n_masked_paths == 0)
		return 0;
	empty_fd = empty_make(l, err);
	if (empty_fd < 0)
		return -1;
	for (size_t i = 0; i < l->plan->n_masked_paths; i++) {
		if (mask(l, l->plan->masked_paths[i], empty_fd, err) < 0)
			return error_prefix(err, "masked_paths");
	}
	return 0;
}
