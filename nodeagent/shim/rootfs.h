/* A container's directory on disk: <pod_dir>/containers/<name>/{upper,work}, fresh at each start.
 */
#ifndef NODEAGENT_SHIM_ROOTFS_H
#define NODEAGENT_SHIM_ROOTFS_H

#include <stdint.h>

#include "lib/error.h"

/* Opens it, O_PATH, by path: each mount namespace opens its own. The caller owns the descriptor. */
int rootfs_directory_open(const char *pod_dir, const char *name, struct error *err);

/*
 * Makes empty upper and work directories, upper's root owned by uid:gid. What an earlier run left
 * is moved aside; *ret_pidfd is the child that removes it, or -1.
 */
int rootfs_prepare(int pod_dirfd, const char *name, uint32_t uid, uint32_t gid, int *ret_pidfd,
	struct error *err);

/* Removes it, as far as it is there; *ret_pidfd is the child that does, or -1. */
int rootfs_remove(int pod_dirfd, const char *name, int *ret_pidfd, struct error *err);

/*
 * <pod_dir>/volumes/<name>, mode 0777, owned by uid:gid, where it is missing. With a 'group' other
 * than 0 it belongs to that instead of gid, and so does all that is made in it (set-group-ID). What
 * is made in it inherits the SELinux 'label' too; "" leaves labels alone.
 */
int rootfs_empty_dir(int pod_dirfd, const char *name, uint32_t uid, uint32_t gid, uint32_t group,
	const char *label, struct error *err);

#endif
