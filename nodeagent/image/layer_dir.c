#include "nodeagent/image/layer_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/path.h"
#include "nodeagent/image/layer.h"

#define OPAQUE "user.overlay.opaque" /* the shim mounts with userxattr */

static int is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

int layer_own(const struct layer_dir *dir, int dirfd, const char *name, uid_t uid, gid_t gid,
	struct error *err)
{
	if (dir->flags & LAYER_KEEP_OWNER)
		return 0;
	if (fchownat(dirfd, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set(
			err, error_code_of(errno), errno, "cannot give it to %u:%u", uid, gid);
	return 0;
}

int layer_mark_opaque(int dirfd, const char *name, struct error *err)
{
	cleanup_close int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fsetxattr(fd, OPAQUE, "y", 1, 0) < 0)
		return error_set(
			err, error_code_of(errno), errno, "cannot mark '%.255s' opaque", name);
	return 0;
}

static int open_dir(int dirfd, const char *path)
{
#ifdef BULKHEAD_WEAK_BENEATH
	return openat(dirfd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
#else
	return sys_openat2(dirfd, path, O_PATH | O_DIRECTORY, 0,
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
#endif
}

/* The directory 'name' in 'dirfd', made when it is missing or was whited out. */
static int step_into(const struct layer_dir *dir, int dirfd, const char *name, struct error *err)
{
	struct stat st;
	int hidden = 0;
	int fd = open_dir(dirfd, name);

	if (fd >= 0)
		return fd;
	if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
		return error_set(
			err, error_code_of(errno), errno, "cannot open directory '%s'", name);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISLNK(st.st_mode))
			return error_set(err, ERR_INVALID, 0,
				"goes through '%s', which is a symbolic link", name);
		hidden = is_whiteout(&st);
		if (!hidden)
			return error_set(err, ERR_INVALID, 0,
				"goes through '%s', which is no directory", name);
		unlinkat(dirfd, name, 0);
	}
	if (mkdirat(dirfd, name, 0755) < 0)
		return error_set(
			err, error_code_of(errno), errno, "cannot make directory '%s'", name);
	if (layer_own(dir, dirfd, name, 0, 0, err) < 0)
		return -1;
	if (hidden && layer_mark_opaque(dirfd, name, err) < 0)
		return -1;
	fd = open_dir(dirfd, name);
	return fd < 0 ? error_set(err, error_code_of(errno), errno, "cannot open '%s'", name) : fd;
}

/* Walks the directories of 'path' one by one; 'path' is cut into its parts. */
static int walk(const struct layer_dir *dir, char *path, struct error *err)
{
	cleanup_close int at_fd = open_dir(dir->dirfd, ".");
	char *rest = path;
	char *part;

	if (at_fd < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot open the layer's directory");
	while ((part = strtok_r(rest, "/", &rest))) {
		int next = step_into(dir, at_fd, part, err);

		if (next < 0)
			return -1;
		close(at_fd);
		at_fd = next;
	}
	return take_fd(&at_fd);
}

static int find(struct layer_place *ret, const struct layer_dir *dir, const char *path, int make,
	struct error *err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char parents[IMAGE_PATH_MAX + 1] = ".";

	memset(ret, 0, sizeof(*ret));
	if (slash) {
		memcpy(parents, path, (size_t)(slash - path));
		parents[slash - path] = '\0';
	}
	memcpy(ret->name, name, strlen(name) + 1);
	/* Nearly always the whole way is there: one call. */
	ret->parent_fd = open_dir(dir->dirfd, parents);
	if (ret->parent_fd < 0 && make)
		ret->parent_fd = walk(dir, parents, err);
	else if (ret->parent_fd < 0)
		error_set(err, ERR_INVALID, errno, "cannot open its directory");
	if (ret->parent_fd < 0)
		return -1;
	ret->exists = fstatat(ret->parent_fd, name, &ret->st, AT_SYMLINK_NOFOLLOW) == 0;
	return 0;
}

int layer_place_find(
	struct layer_place *ret, const struct layer_dir *dir, const char *path, struct error *err)
{
	return find(ret, dir, path, 1, err);
}

int layer_place_look(
	struct layer_place *ret, const struct layer_dir *dir, const char *path, struct error *err)
{
	return find(ret, dir, path, 0, err);
}

void layer_place_done(struct layer_place *place)
{
	if (place->parent_fd >= 0)
		close(place->parent_fd);
	place->parent_fd = -1;
}

int layer_place_is_whiteout(const struct layer_place *place)
{
	return place->exists && is_whiteout(&place->st);
}

int layer_place_clear(struct layer_place *place, struct error *err)
{
	if (place->exists && tree_remove_at(place->parent_fd, place->name, err) < 0)
		return error_prefix(err, "cannot replace what was there");
	place->exists = 0;
	return 0;
}
