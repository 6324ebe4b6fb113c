/*
 * Disk space with a hard limit: an ext4 image of that size in a sparse file, mounted through a loop
 * device. It needs nothing of the file system beneath (no project quota), counts what is deleted
 * but open, limits inodes as well, and goes with its file, however deep the tree in it is.
 */
#ifndef NODEAGENT_SHIM_STORAGE_H
#define NODEAGENT_SHIM_STORAGE_H

#include <stdint.h>

#include "lib/error.h"

#define STORAGE_MIN (UINT64_C(1) << 20)
#define STORAGE_MAX (UINT64_C(1) << 43)

/*
 * A file system that holds at least 'bytes' (and at most a sixteenth and 8 MiB more), as the
 * detached mount *ret_fd (nosuid, nodev), which the caller owns. It lies in the file 'name' of
 * 'dirfd'; one of the same size from before the machine was started anew is used again with what it
 * holds. Under SELinux its root has the label of 'dirfd'. The device goes with the last mount.
 * Errors: ERR_PRECONDITION (the node has no loop devices, no ext4, no mke2fs), ERR_EXHAUSTED
 * (disk).
 */
int storage_make(int dirfd, const char *name, uint64_t bytes, int *ret_fd, struct error *err);

#endif
