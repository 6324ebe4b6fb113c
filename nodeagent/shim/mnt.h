/*
 * Mounting by descriptor: what is attached is a descriptor, where it goes is a descriptor, and no
 * path is walked twice.
 */
#ifndef NODEAGENT_SHIM_MNT_H
#define NODEAGENT_SHIM_MNT_H

#include <stdint.h>

#include "lib/error.h"

/* An owner for what is made on the way, as the kernel sees it. */
struct mnt_owner {
	uint32_t uid;
	uint32_t gid;
};

/*
 * A detached copy of the mount and subtree at 'fd' (which must lie in the caller's mount
 * namespace), with attributes 'set' (MOUNT_ATTR_*) added to it. The caller owns it. -1 on error.
 */
int mnt_clone(int fd, uint64_t set, struct error *err);

/* Adds attributes to the one mount 'fd'. */
int mnt_attr(int fd, uint64_t set, struct error *err);

/* Attaches the detached mount 'mount_fd' on 'target_fd'. */
int mnt_attach(int mount_fd, int target_fd, struct error *err);

/* mkdirat(2) and O_PATH open of 'name'; an existing directory is taken, a link refused. */
int mnt_mkdir(int dirfd, const char *name, uint32_t mode, const struct mnt_owner *owner,
	struct error *err);

/*
 * The directory 'path' inside 'root_dirfd' (RESOLVE_IN_ROOT at every step: links lead nowhere
 * else), made where it is missing. Refuses to end on procfs, sysfs or a cgroup file system,
 * whatever links lead there. Returns an O_PATH descriptor.
 */
int mnt_target_dir(
	int root_dirfd, const char *path, const struct mnt_owner *owner, struct error *err);

/* As mnt_target_dir for a file; a link that leads nowhere is replaced by an empty file. */
int mnt_target_file(
	int root_dirfd, const char *path, const struct mnt_owner *owner, struct error *err);

/* A file system without options worth naming ("proc", "sysfs", "mqueue"): detached mount or -1. */
int mnt_simple(const char *fs, uint64_t attr, struct error *err);

#endif
