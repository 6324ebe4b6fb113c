/* tmpfs mounts with an exact size, made without a path. */
#ifndef NODEAGENT_SHIM_TMPFS_H
#define NODEAGENT_SHIM_TMPFS_H

#include <stdint.h>

#include "lib/error.h"

struct tmpfs_options {
	uint64_t size; /* bytes */
	uint64_t inodes;
	uint32_t uid; /* of the root directory, as the kernel sees it */
	uint32_t gid;
	uint32_t mode;
	int noswap;          /* nothing of it is ever swapped; see tmpfs_swap_check() */
	int swap_allowed;    /* with 'noswap', where the kernel has no such thing: all the same */
	unsigned attr;       /* MOUNT_ATTR_* */
	const char *context; /* SELinux mount context, or NULL */
};

/* Returns the detached mount, which the caller owns, or -1. */
int tmpfs_make(const struct tmpfs_options *options, struct error *err);

/*
 * Whether a tmpfs that is not to be swapped may be made by a kernel without 'noswap' (before 6.4):
 * where nothing is swapped to ('swaps' is the text of /proc/swaps), or 'allowed' says so. What is
 * swapped on later is not noticed. Pure. Errors: ERR_PRECONDITION, with the ways out.
 */
int tmpfs_swap_check(const char *swaps, int allowed, struct error *err);

/*
 * Changes the limits of the tmpfs whose root 'dirfd' is. 'noswap' as it was made. Fails when more
 * is used than the new limits allow.
 */
int tmpfs_resize(int dirfd, uint64_t size, uint64_t inodes, int noswap, struct error *err);

/*
 * Gives the directory 'name' beneath 'dirfd' and all below to uid:gid, following no link and
 * crossing no mount; with 'group_readable' files get |0040 and directories |0050. Directories keep
 * their user: bulkhead-secretd, which has no rights over others' directories, must empty them
 * later. Errors: ERR_INVALID (something that is neither file, directory nor link; too deep).
 */
int tmpfs_own(int dirfd, const char *name, uint32_t uid, uint32_t gid, int group_readable,
	struct error *err);

#endif
