/*
 * Who a container runs as: numbers, or names looked up in the image's own /etc/passwd and
 * /etc/group. The files are a tenant's: parsed here by hand, never by the C library's NSS.
 */
#ifndef NODEAGENT_SHIM_USER_H
#define NODEAGENT_SHIM_USER_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

#define USER_FILE_MAX   (1u << 20)
#define USER_GROUPS_MAX 128

struct user_request {
	const char *user; /* the image's USER: "", "uid", "name", "uid:gid", "name:group"... */
	int uid_set;      /* 'uid' wins over 'user' */
	uint32_t uid;
	int gid_set;
	uint32_t gid;
	const uint32_t *groups;
	size_t groups_len;
	int strict; /* only 'groups', none of the image's */
	int must_be_non_root;
};

struct user {
	uint32_t uid;
	uint32_t gid;
	uint32_t groups[USER_GROUPS_MAX];
	size_t groups_len;
	char home[PATH_MAX]; /* "/" when the image says nothing */
};

/*
 * Decides by the texts of passwd and group ("" when the image has none). Pure.
 * Errors: ERR_INVALID (unknown name, number beyond 2^31-1, uid 0 although must_be_non_root),
 * ERR_EXHAUSTED (more than USER_GROUPS_MAX groups).
 */
int user_resolve(struct user *ret, const struct user_request *request, const char *passwd,
	const char *group, struct error *err);

/*
 * Reads 'path' inside 'root_dirfd' for user_resolve(): an absent file is "". The caller frees *ret.
 * Errors: ERR_INVALID (not a regular file), ERR_EXHAUSTED (over USER_FILE_MAX).
 */
int user_file_read(int root_dirfd, const char *path, char **ret, struct error *err);

#endif
