/*
 * Opening what a tenant named: the kernel confines the walk (openat2(2)), no string check does.
 */
#ifndef LIB_PATH_H
#define LIB_PATH_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/error.h"

/*
 * openat2(2) of 'path' relative to 'dirfd'. 'resolve' is a set of RESOLVE_* flags, O_CLOEXEC is
 * added to 'flags'. Returns the descriptor, which the caller owns, or -1 with errno set.
 */
int sys_openat2(int dirfd, const char *path, uint64_t flags, mode_t mode, uint64_t resolve);

/*
 * Opens 'path' beneath 'dirfd': '..', absolute paths and symbolic links are refused by the kernel
 * (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS). Returns the descriptor or -1 with 'err' set.
 */
int path_open_beneath(int dirfd, const char *path, uint64_t flags, struct error *err);

/*
 * Opens 'path' as a process whose root directory is 'root_dirfd' would: absolute links and '..'
 * stay inside (RESOLVE_IN_ROOT), procfs magic links are refused. For content of an image.
 */
int path_open_in_root(int root_dirfd, const char *path, uint64_t flags, struct error *err);

/*
 * mkdir -p of 'path' inside 'root_dirfd' with RESOLVE_IN_ROOT at every step; existing parts may be
 * links that stay inside. Returns an O_PATH descriptor of the directory or -1 with 'err' set.
 */
int path_mkdirs_in_root(int root_dirfd, const char *path, mode_t mode, struct error *err);

/*
 * A descriptor of the directory 'dirfd' to hand to a process that is to see nothing else: the root
 * of a read-only mount of its own that hangs nowhere, so that ".." leads no further, whatever root
 * that process has. Needs CAP_SYS_ADMIN. Returns an O_PATH descriptor or -1 with 'err' set.
 */
int path_open_detached(int dirfd, struct error *err);

/* RFC 1123 label: 1 to 63 of [a-z0-9-], no '-' at either end. 1 if so, else 0. */
int name_is_dns_label(const char *name);

/* RFC 1123 subdomain: 1 to 253, labels joined by '.'. 1 if so, else 0. */
int name_is_dns_subdomain(const char *name);

#endif
