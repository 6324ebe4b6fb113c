#include "nodeagent/image/layer.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/image/entry_path.h"
#include "nodeagent/image/layer_dir.h"
#include "nodeagent/image/layer_times.h"

#define WHITEOUT     ".wh."
#define WHITEOUT_LEN (sizeof(WHITEOUT) - 1)
#define OPAQUE_MARK  ".wh..wh..opq"
#define AUFS_PREFIX  ".wh..wh." /* bookkeeping of a file system long gone */
#define SET_ID       (S_ISUID | S_ISGID)

/* What is left out, told once a layer. */
enum left_out { LEFT_DEVICE, LEFT_SOCKET, LEFT_XATTR, LEFT_AUFS, LEFT_COUNT };
static const char *const left_out_names[LEFT_COUNT] = { "device nodes", "sockets",
	"files' extended attributes or ACLs", "bookkeeping files of aufs" };

struct unpack {
	struct layer_dir dir;
	struct archive *tar;
	struct layer_stream *stream;
	struct budget *budget;
	struct layer_times times;
	uint64_t size;
	size_t left[LEFT_COUNT];
	char first[LEFT_COUNT][64];
};

/* One entry, with a clean path. */
struct item {
	struct archive_entry *entry;
	const char *path;
	mode_t type;
	mode_t mode; /* permission bits */
	uid_t uid;
	gid_t gid;
	struct timespec mtime;
};

static int tar_failed(struct unpack *u, struct error *err)
{
	const char *text = archive_error_string(u->tar);

	if (layer_stream_failed(u->stream, err) < 0)
		return -1;
	return error_set(
		err, ERR_INVALID, 0, "the tar cannot be read: %s", text ? text : "unknown reason");
}

static void leave_out(struct unpack *u, enum left_out what, const char *path)
{
	if (u->left[what]++ == 0)
		snprintf(u->first[what], sizeof(u->first[what]), "%.60s", path);
}

static int item_read(struct item *ret, struct unpack *u, struct archive_entry *entry,
	const char *path, struct error *err)
{
	int64_t uid = archive_entry_uid(entry);
	int64_t gid = archive_entry_gid(entry);

	if (uid < 0 || uid >= IMAGE_IDS || gid < 0 || gid >= IMAGE_IDS)
		return error_set(err, ERR_UNSUPPORTED, 0,
			"its owner %lld:%lld is beyond %d, the last id of an image", (long long)uid,
			(long long)gid, IMAGE_IDS - 1);
	*ret = (struct item){
		.entry = entry,
		.path = path,
		.type = archive_entry_filetype(entry),
		.mode = archive_entry_perm(entry) & 07777,
		.uid = (uid_t)uid,
		.gid = (gid_t)gid,
		.mtime = { archive_entry_mtime(entry), archive_entry_mtime_nsec(entry) },
	};
	if (u->dir.flags & LAYER_KEEP_OWNER) {
		ret->mode &= (mode_t)~SET_ID;
		ret->mode |= ret->type == AE_IFDIR ? S_IRWXU : 0;
	}
	if (archive_entry_xattr_reset(entry) > 0 || archive_entry_acl_types(entry) != 0)
		leave_out(u, LEFT_XATTR, path);
	return 0;
}

static void set_mtime(int dirfd, const char *name, struct timespec mtime)
{
	const struct timespec times[2] = { mtime, mtime };

	/* A time that the file system cannot hold is no reason to refuse an image. */
	utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW);
}

/* Owner, then mode: changing the owner clears the set-id bits. */
static int finish_file(
	struct unpack *u, const struct item *item, const struct layer_place *p, struct error *err)
{
	if (layer_own(&u->dir, p->parent_fd, p->name, item->uid, item->gid, err) < 0)
		return -1;
	if (item->type != AE_IFLNK && fchmodat(p->parent_fd, p->name, item->mode, 0) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot set its mode");
	set_mtime(p->parent_fd, p->name, item->mtime);
	return 0;
}

/* The layer's root, or a directory: one that is there is changed, anything else replaced. */
static int put_root(struct unpack *u, const struct item *item, struct error *err)
{
	if (item->type != AE_IFDIR)
		return error_set(err, ERR_INVALID, 0, "the root of a layer must be a directory");
	if (!(u->dir.flags & LAYER_KEEP_OWNER) && fchown(u->dir.dirfd, item->uid, item->gid) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot give it to %u:%u",
			item->uid, item->gid);
	if (fchmod(u->dir.dirfd, item->mode) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot set its mode");
	return layer_times_note(&u->times, ".", item->mtime, err);
}

static int put_directory(
	struct unpack *u, const struct item *item, struct layer_place *p, struct error *err)
{
	int hidden = layer_place_is_whiteout(p);

	if (p->exists && !S_ISDIR(p->st.st_mode) && layer_place_clear(p, err) < 0)
		return -1;
	if (!p->exists && mkdirat(p->parent_fd, p->name, 0700) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot make it");
	if (hidden && layer_mark_opaque(p->parent_fd, p->name, err) < 0)
		return -1;
	if (finish_file(u, item, p, err) < 0)
		return -1;
	return layer_times_note(&u->times, item->path, item->mtime, err);
}

static int write_data(struct unpack *u, int fd, uint64_t size, struct error *err)
{
	const void *data;
	size_t len;
	int64_t offset;
	int r;

	while ((r = archive_read_data_block(u->tar, &data, &len, &offset)) == ARCHIVE_OK) {
		if (offset < 0 || (uint64_t)offset > size || len > size - (uint64_t)offset)
			return error_set(
				err, ERR_INVALID, 0, "it has more data than its header says");
		while (len > 0) {
			ssize_t n = pwrite(fd, data, len, offset);

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return error_set(
					err, error_code_of(errno), errno, "cannot write it");
			data = (const char *)data + n;
			len -= (size_t)n;
			offset += n;
		}
	}
	if (r != ARCHIVE_EOF)
		return tar_failed(u, err);
	return ftruncate(fd, (off_t)size) < 0
		       ? error_set(err, error_code_of(errno), errno, "cannot write it")
		       : 0;
}

static int put_file(
	struct unpack *u, const struct item *item, struct layer_place *p, struct error *err)
{
	int64_t size = archive_entry_size(item->entry);
	cleanup_close int fd = -1;

	if (size < 0)
		return error_set(err, ERR_INVALID, 0, "its size is negative");
	if (budget_entry(u->budget, (uint64_t)size, err) < 0 || layer_place_clear(p, err) < 0)
		return -1;
	u->size += (uint64_t)size;
	fd = openat(
		p->parent_fd, p->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot make it");
	if (write_data(u, fd, (uint64_t)size, err) < 0)
		return -1;
	return finish_file(u, item, p, err);
}

static int put_link(
	struct unpack *u, const struct item *item, struct layer_place *p, struct error *err)
{
	const char *target = archive_entry_symlink(item->entry);

	if (!target || !target[0] || strlen(target) > IMAGE_PATH_MAX)
		return error_set(err, ERR_INVALID, 0, "its target is empty or too long");
	if (layer_place_clear(p, err) < 0)
		return -1;
	/* Stored as it is: it means something in the pod only, and is never followed here. */
	if (symlinkat(target, p->parent_fd, p->name) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot make it");
	return finish_file(u, item, p, err);
}

static int link_to(const struct layer_place *at, struct layer_place *p, struct error *err)
{
	if (layer_place_clear(p, err) < 0)
		return -1;
	if (linkat(at->parent_fd, at->name, p->parent_fd, p->name, 0) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot make it");
	return 0;
}

static int put_hardlink(
	struct unpack *u, struct layer_place *p, const char *target, struct error *err)
{
	char path[IMAGE_PATH_MAX + 1];
	struct layer_place at = { .parent_fd = -1 };
	int r = 0;

	if (entry_path_clean(target, path, err) < 0)
		return error_prefix(err, "its target");
	if (!path[0])
		return error_set(err, ERR_INVALID, 0, "its target is the layer itself");
	if (layer_place_look(&at, &u->dir, path, err) < 0)
		return error_prefix(err, "its target '%.255s'", path);
	if (!at.exists || S_ISDIR(at.st.st_mode) || layer_place_is_whiteout(&at))
		r = error_set(err, ERR_INVALID, 0,
			"its target '%.255s' is no file before it in the layer", path);
	else if (!p->exists || p->st.st_ino != at.st.st_ino) /* not to itself */
		r = link_to(&at, p, err);
	layer_place_done(&at);
	return r;
}

static int put_fifo(
	struct unpack *u, const struct item *item, struct layer_place *p, struct error *err)
{
	if (layer_place_clear(p, err) < 0)
		return -1;
	if (mkfifoat(p->parent_fd, p->name, 0600) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot make it");
	return finish_file(u, item, p, err);
}

/* ".wh.NAME": what this layer takes away from those below. */
static int put_whiteout(struct layer_place *p, struct error *err)
{
	const char *name = p->name + WHITEOUT_LEN;
	struct stat st;

	if (strcmp(p->name, OPAQUE_MARK) == 0)
		return layer_mark_opaque(p->parent_fd, ".", err);
	if (!name[0] || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return error_set(err, ERR_INVALID, 0, "it whites out no name");
	if (fstatat(p->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		/* This layer's own stays; as a directory it no longer shows what is below. */
		return S_ISDIR(st.st_mode) ? layer_mark_opaque(p->parent_fd, name, err) : 0;
	}
	if (mknodat(p->parent_fd, name, S_IFCHR, 0) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot white out '%s'", name);
	return 0;
}

static int put_by_type(
	struct unpack *u, const struct item *item, struct layer_place *p, struct error *err)
{
	const char *hard = archive_entry_hardlink(item->entry);

	if (hard)
		return put_hardlink(u, p, hard, err);
	switch (item->type) {
	case AE_IFREG:
		return put_file(u, item, p, err);
	case AE_IFDIR:
		return put_directory(u, item, p, err);
	case AE_IFLNK:
		return put_link(u, item, p, err);
	case AE_IFIFO:
		return put_fifo(u, item, p, err);
	default:
		return error_set(err, ERR_INVALID, 0, "it is of unknown type 0%o", item->type);
	}
}

/* Whether a directory of 'path' has the name of a whiteout. */
static int has_reserved_part(const char *path)
{
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		if (strncmp(path, WHITEOUT, WHITEOUT_LEN) == 0)
			return 1;
		path = slash + 1;
	}
	return 0;
}

/* Whether it needs no place, and why: LEFT_COUNT when it needs one. */
static enum left_out left_out_why(const struct item *item)
{
	const char *name = strrchr(item->path, '/');

	name = name ? name + 1 : item->path;
	if (strncmp(item->path, AUFS_PREFIX, sizeof(AUFS_PREFIX) - 1) == 0 &&
		strcmp(name, OPAQUE_MARK) != 0)
		return LEFT_AUFS;
	if (strncmp(name, WHITEOUT, WHITEOUT_LEN) == 0 || archive_entry_hardlink(item->entry))
		return LEFT_COUNT;
#ifndef BULKHEAD_WEAK_DEVICES
	if (item->type == AE_IFCHR || item->type == AE_IFBLK)
		return LEFT_DEVICE;
#endif
	return item->type == AE_IFSOCK ? LEFT_SOCKET : LEFT_COUNT;
}

static int put(struct unpack *u, struct archive_entry *entry, const char *path, struct error *err)
{
	struct layer_place place = { .parent_fd = -1 };
	struct item item = { .path = path };
	enum left_out why;
	int r;

	if (item_read(&item, u, entry, path, err) < 0)
		return -1;
	if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry)) {
		if (budget_entry(u->budget, 0, err) < 0)
			return -1;
	}
	why = left_out_why(&item);
	if (why != LEFT_COUNT) {
		leave_out(u, why, path);
		return 0;
	}
	if (!path[0])
		return put_root(u, &item, err);
	if (has_reserved_part(path))
		return error_set(err, ERR_INVALID, 0,
			"is in a directory whose name begins with '" WHITEOUT "'");
	if (layer_place_find(&place, &u->dir, path, err) < 0)
		return -1;
	if (strncmp(place.name, WHITEOUT, WHITEOUT_LEN) == 0)
		r = put_whiteout(&place, err);
	else
		r = put_by_type(u, &item, &place, err);
	layer_place_done(&place);
	return r;
}

static int unpack_all(struct unpack *u, struct error *err)
{
	struct archive_entry *entry;
	int r;

	while ((r = archive_read_next_header(u->tar, &entry)) >= ARCHIVE_WARN && r != ARCHIVE_EOF) {
		const char *name = archive_entry_pathname(entry);
		char path[IMAGE_PATH_MAX + 1];

		if (entry_path_clean(name, path, err) < 0)
			return -1;
		if (put(u, entry, path, err) < 0)
			return error_prefix(err, "'%.255s'", path[0] ? path : "/");
	}
	if (r != ARCHIVE_EOF)
		return tar_failed(u, err);
	layer_times_apply(&u->times, u->dir.dirfd);
	return 0;
}

static void warn(const struct unpack *u, const char *label, struct warnings *warnings)
{
	for (size_t i = 0; i < LEFT_COUNT; i++) {
		if (u->left[i])
			warnings_add(warnings, "%s: %zu %s left out (the first: '%s')", label,
				u->left[i], left_out_names[i], u->first[i]);
	}
}

int layer_unpack(struct layer_stream *stream, int dirfd, unsigned flags, const char *label,
	uint64_t *ret_size, struct warnings *warnings, struct error *err)
{
	struct unpack *u = calloc(1, sizeof(*u));
	int r = -1;

	if (u)
		u->tar = archive_read_new();
	if (!u || !u->tar) {
		free(u);
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot unpack a layer");
	}
	u->dir = (struct layer_dir){ dirfd, flags };
	u->stream = stream;
	u->budget = layer_stream_budget(stream);
	if (archive_read_support_format_tar(u->tar) < ARCHIVE_WARN ||
		archive_read_support_format_empty(u->tar) < ARCHIVE_WARN)
		tar_failed(u, err);
	else if (layer_stream_attach(stream, u->tar, err) == 0)
		r = unpack_all(u, err);
	if (r == 0) {
		*ret_size = u->size;
		warn(u, label, warnings);
	}
	layer_times_done(&u->times);
	archive_read_free(u->tar);
	free(u);
	return r;
}
