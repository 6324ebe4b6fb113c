/* Managed files, volumes and the working directory: places in a tenant's own tree. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/path.h"
#include "nodeagent/shim/launch.h"
#include "nodeagent/shim/mnt.h"

#ifndef BULKHEAD_WEAK_NOSUID
#define ATTR_VOLUME (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#else
#define ATTR_VOLUME MOUNT_ATTR_NODEV
#endif

static struct mnt_owner pod_root(const struct launch *l)
{
	return (struct mnt_owner){ l->sandbox->root_uid, l->sandbox->root_gid };
}

/* Whether the plan mounts a volume on 'path' itself; then that is what the user wants there. */
static int volume_is_at(const struct launch *l, const char *path)
{
	for (size_t i = 0; i < l->plan->n_mounts; i++) {
		if (strcmp(l->plan->mounts[i]->target, path) == 0)
			return 1;
	}
	return 0;
}

int child_files_attach(struct launch *l, struct error *err)
{
	static const char *const files[][2] = {
		{ "hosts", "/etc/hosts" },
		{ "resolv.conf", "/etc/resolv.conf" },
		{ "hostname", "/etc/hostname" },
	};
	struct mnt_owner owner = pod_root(l);

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		cleanup_close int fd = -1;
		cleanup_close int at_fd = -1;
		cleanup_close int tree_fd = -1;

		if (volume_is_at(l, files[i][1]))
			continue;
		fd = openat(l->pod_scratch_fd, files[i][0], O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return error_set(
				err, ERR_INTERNAL, errno, "cannot open the pod's %s", files[i][0]);
		tree_fd = mnt_clone(
			fd, ATTR_VOLUME | (l->plan->read_only_root ? MOUNT_ATTR_RDONLY : 0), err);
		at_fd = mnt_target_file(l->root_fd, files[i][1], &owner, err);
		if (tree_fd < 0 || at_fd < 0 || mnt_attach(tree_fd, at_fd, err) < 0)
			return error_prefix(err, "%s", files[i][1]);
	}
	return 0;
}

/* The volume itself, as this mount namespace sees it. */
static int volume_open(struct launch *l, const Bulkhead__V1__Mount *m, struct error *err)
{
	int i = sandbox_tmpfs_find(l->sandbox, m->volume);
	cleanup_close int pod_fd = -1;
	cleanup_free char *path = NULL;
	char name[32];
	int fd, n;

	if (m->kind == BULKHEAD__V1__MOUNT_KIND__MOUNT_TMPFS) {
		snprintf(name, sizeof(name), "v%d", i);
		fd = openat(l->pod_scratch_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		return fd < 0 ? error_set(err, ERR_INTERNAL, errno, "cannot open a tmpfs") : fd;
	}
	if (sandbox_is_limited(l->sandbox, m->volume))
		n = asprintf(&path, SANDBOX_LIMITED "/%s/volumes/%s", m->volume, m->volume);
	else
		n = asprintf(&path, "volumes/%s", m->volume);
	if (n < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot open a volume");
	pod_fd = open(l->sandbox->plan->pod_dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (pod_fd < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot open the pod's directory");
	return path_open_beneath(pod_fd, path, O_PATH | O_DIRECTORY, err);
}

static int volume_attach(struct launch *l, const Bulkhead__V1__Mount *m, struct error *err)
{
	struct mnt_owner owner = pod_root(l);
	int i = m->kind == BULKHEAD__V1__MOUNT_KIND__MOUNT_TMPFS
			? sandbox_tmpfs_find(l->sandbox, m->volume)
			: -1;
	int secret = i >= 0 && l->sandbox->tmpfs[i].secret;
	uint64_t attr = ATTR_VOLUME;
	cleanup_close int fd = volume_open(l, m, err);
	cleanup_close int tree_fd = -1;
	cleanup_close int at_fd = -1;

	if (m->read_only || secret)
		attr |= MOUNT_ATTR_RDONLY;
	if (secret)
		attr |= MOUNT_ATTR_NOEXEC;
	if (fd < 0)
		return -1;
	tree_fd = mnt_clone(fd, attr, err);
	at_fd = mnt_target_dir(l->root_fd, m->target, &owner, err);
	if (tree_fd < 0 || at_fd < 0)
		return -1;
	return mnt_attach(tree_fd, at_fd, err);
}

int child_volumes_attach(struct launch *l, struct error *err)
{
	for (size_t i = 0; i < l->plan->n_mounts; i++) {
		const Bulkhead__V1__Mount *m = l->plan->mounts[i];

		if (volume_attach(l, m, err) < 0)
			return error_prefix(err, "volume '%s' on '%s'", m->volume, m->target);
	}
	return 0;
}

int child_cwd_make(struct launch *l, struct error *err)
{
	struct mnt_owner owner = pod_root(l);
	const char *cwd = l->plan->cwd;
	cleanup_close int fd = -1;

	/* Once it is there, child_cwd() judges it; here only what is missing is made. */
	fd = path_open_in_root(l->root_fd, cwd[0] ? cwd : "/", O_PATH | O_DIRECTORY, NULL);
	if (fd >= 0)
		return 0;
	fd = mnt_target_dir(l->root_fd, cwd, &owner, err);
	return fd < 0 ? error_prefix(err, "workingDir '%s'", cwd) : 0;
}
