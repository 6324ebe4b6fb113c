/* A container's root: image layers shown with the pod's ids, a writable directory on top. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/path.h"
#include "nodeagent/shim/launch.h"
#include "nodeagent/shim/mnt.h"
#include "nodeagent/shim/rootfs.h"
#include "nodeagent/shim/sys.h"
#include "nodeagent/shim/tmpfs.h"

#define SCRATCH_SIZE   (128u << 10)
#define SCRATCH_INODES 512
#define OPTIONS_MAX    4096 /* what mount(2) takes */

/* The directory 'path' without following a link in its last part. */
static int layer_open(const char *path, struct error *err)
{
	const char *name = strrchr(path, '/') + 1;
	cleanup_free char *parent = strndup(path, (size_t)(name - path));
	cleanup_close int parent_fd = -1;
	int fd;

	if (!parent)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot open layer '%s'", path);
	parent_fd = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (parent_fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open layer '%s'", path);
	fd = path_open_beneath(parent_fd, name, O_PATH | O_DIRECTORY, err);
	return fd < 0 ? error_prefix(err, "layer") : fd;
}

static int layer_attach(struct launch *l, size_t i, struct error *err)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV,
		.userns_fd = (uint64_t)l->sandbox->layer_userns_fd,
	};
	struct mnt_owner root = { 0, 0 };
	cleanup_close int layer_fd = layer_open(l->plan->layers[i], err);
	cleanup_close int tree_fd = -1;
	cleanup_close int at_fd = -1;
	char name[32];

	if (layer_fd < 0)
		return -1;
	tree_fd = sys_open_tree(layer_fd, "", OPEN_TREE_CLONE);
	if (tree_fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot clone layer '%s'",
			l->plan->layers[i]);
	if (sys_mount_setattr(tree_fd, "", 0, &attr) < 0)
		return error_set(err, ERR_UNSUPPORTED, errno,
			"cannot id-map layer '%s': its file system must take id-mapped mounts",
			l->plan->layers[i]);
	snprintf(name, sizeof(name), "%zu", i);
	at_fd = mnt_mkdir(l->scratch_fd, name, 0700, &root, err);
	return at_fd < 0 ? -1 : mnt_attach(tree_fd, at_fd, err);
}

/*
 * The working directory of the launch: a private tmpfs mounted over the container's own directory,
 * which comes back inside it as "c". All names in overlay's options are then short, ours, and
 * relative, and none of the host's appear in the pod's mountinfo.
 */
static int scratch_build(struct launch *l, struct error *err)
{
	struct tmpfs_options options = {
		.size = SCRATCH_SIZE, .inodes = SCRATCH_INODES, .mode = 0700
	};
	struct mnt_owner root = { 0, 0 };
	cleanup_close int own_fd =
		rootfs_directory_open(l->sandbox->plan->pod_dir, l->plan->name, err);
	cleanup_close int own_tree_fd = -1;
	cleanup_close int at_fd = -1;
	cleanup_free char *pod_scratch = NULL;

	if (own_fd < 0)
		return -1;
	own_tree_fd = mnt_clone(own_fd, MOUNT_ATTR_NODEV, err);
	l->scratch_fd = tmpfs_make(&options, err);
	if (own_tree_fd < 0 || l->scratch_fd < 0 || mnt_attach(l->scratch_fd, own_fd, err) < 0)
		return -1;
	at_fd = mnt_mkdir(l->scratch_fd, "c", 0700, &root, err);
	if (at_fd < 0 || mnt_attach(own_tree_fd, at_fd, err) < 0)
		return -1;
	if (asprintf(&pod_scratch, "%s/" SANDBOX_DIR, l->sandbox->plan->pod_dir) < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot open the pod's files");
	l->pod_scratch_fd = open(pod_scratch, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (l->pod_scratch_fd < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot open the pod's files");
	return 0;
}

/*
 * userxattr: the unpacker, which has no rights, marks opaque directories in user.overlay.*.
 * volatile: nothing here outlives the container, so nothing need be synced when it ends.
 */
static int overlay_mount(struct launch *l, struct error *err)
{
	cleanup_free char *options = malloc(OPTIONS_MAX);
	unsigned long flags = MS_NODEV | (l->plan->no_new_privs ? MS_NOSUID : 0);
	const char *context = l->sandbox->plan->selinux_mount_label;
	size_t n;

	if (!options)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot mount the root");
	n = (size_t)snprintf(
		options, OPTIONS_MAX, "upperdir=c/upper,workdir=c/work,userxattr,volatile");
	if (context[0])
		n += (size_t)snprintf(options + n, OPTIONS_MAX - n, ",context=\"%.512s\"", context);
	n += (size_t)snprintf(options + n, OPTIONS_MAX - n, ",lowerdir=");
	for (size_t i = l->plan->n_layers; i-- > 0;)
		n += (size_t)snprintf(options + n, OPTIONS_MAX - n, "%zu%s", i, i ? ":" : "");
	if (mkdirat(l->scratch_fd, "root", 0700) < 0 || fchdir(l->scratch_fd) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot mount the root");
	/* mount(2), not fsconfig(2), whose values end at 255 bytes on kernels before 6.7. */
	if (mount("overlay", "root", "overlay", flags, options) < 0)
		return error_set(err, ERR_PRECONDITION, errno,
			"cannot mount the root as overlay (%s)", options);
	l->root_fd = openat(l->scratch_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (l->root_fd < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot open the root");
	return 0;
}

int child_root_build(struct launch *l, struct error *err)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot make mounts private");
	if (scratch_build(l, err) < 0)
		return -1;
	for (size_t i = 0; i < l->plan->n_layers; i++) {
		if (layer_attach(l, i, err) < 0)
			return -1;
	}
	return overlay_mount(l, err);
}

/* The image's own /proc, /sys, /dev must be directories: a link would send our mounts elsewhere. */
int child_root_check(struct launch *l, struct error *err)
{
	static const char *const names[] = { "proc", "sys", "dev" };
	struct mnt_owner owner = { l->sandbox->root_uid, l->sandbox->root_gid };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		cleanup_close int fd = mnt_mkdir(l->root_fd, names[i], 0755, &owner, NULL);

#ifdef BULKHEAD_WEAK_REAL_DIR
		continue;
#endif
		if (fd < 0)
			return error_set(err, ERR_INVALID, 0,
				"the image's /%s is not a directory (%s); it must be a real one",
				names[i], strerror(errno));
	}
	return 0;
}

int child_user_resolve(struct launch *l, struct error *err)
{
	const Bulkhead__V1__ContainerPlan *plan = l->plan;
	struct user_request request = {
		.user = plan->user,
		.uid_set = plan->uid_set,
		.uid = plan->uid,
		.gid_set = plan->gid_set,
		.gid = plan->gid,
		.groups = plan->groups,
		.groups_len = plan->n_groups,
		.strict = plan->run_as_group_strict,
		.must_be_non_root = plan->must_be_non_root,
	};
	const struct id_map *map = &l->sandbox->map;
	cleanup_free char *passwd = NULL;
	cleanup_free char *group = NULL;

	if (user_file_read(l->root_fd, "/etc/passwd", &passwd, err) < 0 ||
		user_file_read(l->root_fd, "/etc/group", &group, err) < 0 ||
		user_resolve(&l->user, &request, passwd, group, err) < 0 ||
		id_map_outside(map, l->user.uid, &l->out_uid, err) < 0 ||
		id_map_outside(map, l->user.gid, &l->out_gid, err) < 0)
		return -1;
	for (size_t i = 0; i < l->user.groups_len; i++) {
		uint32_t outside;

		if (id_map_outside(map, l->user.groups[i], &outside, err) < 0)
			return error_prefix(err, "supplementary group");
	}
	return 0;
}

int child_root_seal(struct launch *l, struct error *err)
{
	return mnt_attr(l->root_fd, l->plan->read_only_root ? MOUNT_ATTR_RDONLY : 0, err);
}

int child_pivot(struct launch *l, struct error *err)
{
	/* The new root is put over the old one, which then is what "." names and goes. */
	if (fchdir(l->root_fd) < 0 || sys_pivot_root(".", ".") < 0 ||
		umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot change the root");
	return 0;
}
