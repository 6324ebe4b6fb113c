#include "secrets/deliver.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/path.h"
#include "secrets/volume_path.h"

#define DIR_MODE  0755
#define TRIES_MAX 16 /* of a random name that is taken */
#define DATA      "..data"
#define DATA_NEW  "..data_tmp"
#define CONFINED  (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV)

static int failed(struct error *err, const char *what, const char *name)
{
	return error_set(err, error_code_of(errno), errno, "cannot %s '%s'", what, name);
}

int deliver_open(int fd, struct error *err)
{
	struct statfs fs;
	struct statx st;
	int dirfd;

	if (fstatfs(fd, &fs) < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &st) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot look at the descriptor");
	if (fs.f_type != TMPFS_MAGIC || !S_ISDIR(st.stx_mode))
		return error_set(
			err, ERR_INVALID, 0, "the descriptor is not a directory of a tmpfs");
	if (!(st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) ||
		!(st.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return error_set(
			err, ERR_INVALID, 0, "the descriptor is not the root of its mount");
	dirfd = sys_openat2(fd, ".", O_RDONLY | O_DIRECTORY, 0, CONFINED);
	if (dirfd < 0)
		return failed(err, "open", "the volume");
	return dirfd;
}

/* ---- judging ------------------------------------------------------------------------------- */

static int by_path(const void *a, const void *b)
{
	const struct deliver_file *x = a, *y = b;

	return volume_path_compare(x->path, y->path);
}

int deliver_check(struct deliver_file *files, size_t len, struct error *err)
{
	if (len > DELIVER_FILES_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "%zu files, at most %d are allowed", len,
			DELIVER_FILES_MAX);
	for (size_t i = 0; i < len; i++) {
		if (volume_path_check(files[i].path, err) < 0)
			return error_prefix(err, "%s", files[i].source);
		if (files[i].mode > DELIVER_MODE_MAX)
			return error_set(err, ERR_INVALID, 0,
				"%s: path '%s': mode 0%o is not from 0 to 0777", files[i].source,
				files[i].path, files[i].mode);
	}
	if (len > 1)
		qsort(files, len, sizeof(*files), by_path);
	for (size_t i = 1; i < len; i++) {
		const struct deliver_file *one = &files[i - 1], *two = &files[i];

		if (volume_path_covers(one->path, two->path))
			return error_set(err, ERR_INVALID, 0,
				"path '%.256s' of %s and '%.256s' of %s exclude each other",
				one->path, one->source, two->path, two->source);
	}
	return 0;
}

/* ---- staging ------------------------------------------------------------------------------- */

/* Makes the directory if it is missing. Returns a descriptor or -1 with errno set. */
static int enter(int dirfd, const char *name)
{
	cleanup_close int fd = -1;
	int made = mkdirat(dirfd, name, DIR_MODE) == 0;

	if (!made && errno != EEXIST)
		return -1;
	fd = sys_openat2(dirfd, name, O_RDONLY | O_DIRECTORY, 0, CONFINED);
	if (fd < 0 || (made && fchmod(fd, DIR_MODE) < 0))
		return -1;
	return take_fd(&fd);
}

/* Opens the directory that 'path' lies in, making what is missing; *ret_name is its last part. */
static int enter_parent(int dirfd, const char *path, const char **ret_name)
{
	cleanup_close int at_fd = sys_openat2(dirfd, ".", O_RDONLY | O_DIRECTORY, 0, CONFINED);
	char part[VOLUME_PART_MAX + 1];

	while (at_fd >= 0) {
		size_t len = strcspn(path, "/");
		int next;

		if (!path[len]) {
			*ret_name = path;
			return take_fd(&at_fd);
		}
		snprintf(part, sizeof(part), "%.*s", (int)len, path);
		next = enter(at_fd, part);
		close(at_fd);
		at_fd = next;
		path += len + 1;
	}
	return -1;
}

static int write_file(int dirfd, const struct deliver_file *file, struct error *err)
{
	const char *name;
	cleanup_close int parent_fd = enter_parent(dirfd, file->path, &name);
	cleanup_close int fd = -1;

	if (parent_fd >= 0)
		fd = sys_openat2(
			parent_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, CONFINED);
	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "%s: file '%.256s'",
			file->source, file->path);
	if (fd_write_all(fd, file->data, file->size, err) < 0)
		return error_prefix(err, "%s: file '%.256s'", file->source, file->path);
	if (fchmod(fd, file->mode) < 0)
		return failed(err, "set the mode of", file->path);
	return 0;
}

static int stamp_name(char name[DELIVER_NAME_SIZE], int64_t now, struct error *err)
{
	time_t seconds = (time_t)now;
	uint32_t random;
	struct tm tm;
	size_t len;

	if (RAND_bytes((unsigned char *)&random, sizeof(random)) != 1 || !gmtime_r(&seconds, &tm))
		return error_set(err, ERR_INTERNAL, 0, "cannot name a directory");
	len = strftime(name, DELIVER_NAME_SIZE, "..%Y_%m_%d_%H_%M_%S.", &tm);
	snprintf(name + len, DELIVER_NAME_SIZE - len, "%010" PRIu32, random);
	return 0;
}

/* Whether 'name' is one that stamp_name() gives. */
static int is_stamp(const char *name)
{
	const char *form = "..dddd_dd_dd_dd_dd_dd.dddddddddd";

	for (; *form; form++, name++) {
		if (*form == 'd' ? *name < '0' || *name > '9' : *name != *form)
			return 0;
	}
	return *name == '\0';
}

static int new_directory(int dirfd, int64_t now, char name[DELIVER_NAME_SIZE], struct error *err)
{
	for (int i = 0; i < TRIES_MAX; i++) {
		if (stamp_name(name, now, err) < 0)
			return -1;
		if (mkdirat(dirfd, name, DIR_MODE) == 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	return failed(err, "make directory", name);
}

static int fill(int dirfd, const char *name, const struct deliver_file *files, size_t len,
	struct error *err)
{
	cleanup_close int fd = sys_openat2(dirfd, name, O_RDONLY | O_DIRECTORY, 0, CONFINED);

	if (fd < 0 || fchmod(fd, DIR_MODE) < 0)
		return failed(err, "open", name);
	for (size_t i = 0; i < len; i++) {
		if (write_file(fd, &files[i], err) < 0)
			return -1;
	}
	return 0;
}

int deliver_stage(int dirfd, const struct deliver_file *files, size_t len, int64_t now,
	char ret_name[DELIVER_NAME_SIZE], struct error *err)
{
	char name[DELIVER_NAME_SIZE];

	if (deliver_clean(dirfd, err) < 0 || new_directory(dirfd, now, name, err) < 0)
		return -1;
	if (fill(dirfd, name, files, len, err) < 0) {
		tree_remove_at(dirfd, name, NULL);
		return -1;
	}
	memcpy(ret_name, name, DELIVER_NAME_SIZE);
	return 0;
}

/* ---- publishing ---------------------------------------------------------------------------- */

/* What ..data points at, "" when there is none. */
static int current(int dirfd, char ret[DELIVER_NAME_SIZE], struct error *err)
{
	ssize_t n = readlinkat(dirfd, DATA, ret, DELIVER_NAME_SIZE - 1);

	if (n < 0 && errno != ENOENT)
		return failed(err, "read", DATA);
	ret[n > 0 ? n : 0] = '\0';
	return 0;
}

/* Points ..data at 'directory' by one rename, or at nothing for "". */
static int switch_to(int dirfd, const char *directory, struct error *err)
{
	if (!directory[0])
		return unlinkat(dirfd, DATA, 0) < 0 ? failed(err, "remove", DATA) : 0;
	if (unlinkat(dirfd, DATA_NEW, 0) < 0 && errno != ENOENT)
		return failed(err, "remove", DATA_NEW);
	if (symlinkat(directory, dirfd, DATA_NEW) < 0)
		return failed(err, "make", DATA_NEW);
	if (renameat(dirfd, DATA_NEW, dirfd, DATA) < 0) {
		int saved = errno;

		unlinkat(dirfd, DATA_NEW, 0);
		errno = saved;
		return failed(err, "rename to", DATA);
	}
	return 0;
}

typedef int (*entry_fn)(int dirfd, const char *name, const void *user, struct error *err);

/* Calls 'each' for every name in 'list_dirfd' but "." and "..", with 'dirfd' and 'user'. */
static int each_entry(int list_dirfd, entry_fn each, int dirfd, const void *user, struct error *err)
{
	int fd = sys_openat2(list_dirfd, ".", O_RDONLY | O_DIRECTORY, 0, CONFINED);
	cleanup_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		failed(err, "list", "the volume");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while ((errno = 0, entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (each(dirfd, entry->d_name, user, err) < 0)
			return -1;
	}
	return errno ? failed(err, "list", "the volume") : 0;
}

/* NAME -> ..data/NAME, unless it is that already. */
static int link_one(int dirfd, const char *name, const void *user, struct error *err)
{
	char target[sizeof(DATA) + 1 + VOLUME_PART_MAX], found[sizeof(target) + 1];
	ssize_t n;

	(void)user;
	snprintf(target, sizeof(target), DATA "/%.255s", name);
	if (symlinkat(target, dirfd, name) == 0)
		return 0;
	if (errno != EEXIST)
		return failed(err, "make link", name);
	n = readlinkat(dirfd, name, found, sizeof(found));
	if (n != (ssize_t)strlen(target) || memcmp(found, target, (size_t)n) != 0)
		return error_set(
			err, ERR_PRECONDITION, 0, "'%s' in the volume is not its own", name);
	return 0;
}

/* 'user' is the current directory's descriptor, -1 where there is none: then every link is stale.
 */
static int unlink_stale(int dirfd, const char *name, const void *user, struct error *err)
{
	const int *current_dirfd = user;
	struct stat st;

	if (strncmp(name, "..", 2) == 0 ||
		fstatat(*current_dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return unlinkat(dirfd, name, 0) < 0 ? failed(err, "remove link", name) : 0;
}

static int remove_other(int dirfd, const char *name, const void *user, struct error *err)
{
	const char *keep = user;

	if (strncmp(name, "..", 2) != 0 || strcmp(name, DATA) == 0 || strcmp(name, keep) == 0)
		return 0;
	return tree_remove_at(dirfd, name, err);
}

/* Removes links to what the directory 'name' ("" for none) does not have. */
static int remove_links(int dirfd, const char *name, struct error *err)
{
	cleanup_close int fd = -1;

	if (name[0]) {
		fd = sys_openat2(dirfd, name, O_RDONLY | O_DIRECTORY, 0, CONFINED);
		if (fd < 0)
			return failed(err, "open", name);
	}
	return each_entry(dirfd, unlink_stale, dirfd, &fd, err);
}

int deliver_clean(int dirfd, struct error *err)
{
	char name[DELIVER_NAME_SIZE];

	if (current(dirfd, name, err) < 0 || remove_links(dirfd, name, err) < 0)
		return -1;
	return each_entry(dirfd, remove_other, dirfd, name, err);
}

/* Links first: the inodes they free are what the way back needs. */
static void undo(int dirfd, const char *before)
{
	if (remove_links(dirfd, before, NULL) == 0 && switch_to(dirfd, before, NULL) == 0)
		deliver_clean(dirfd, NULL);
}

int deliver_publish(int dirfd, const char *directory, struct error *err)
{
	char before[DELIVER_NAME_SIZE];
	cleanup_close int fd = -1;

	if (!is_stamp(directory))
		return error_set(err, ERR_INVALID, 0,
			"directory: '%.64s' is not a staged one's name", directory);
	fd = sys_openat2(dirfd, directory, O_RDONLY | O_DIRECTORY, 0, CONFINED);
	if (fd < 0)
		return failed(err, "open", directory);
	if (current(dirfd, before, err) < 0 || switch_to(dirfd, directory, err) < 0)
		return -1;
	/* After the rename, as whoever waits for a new name to appear must find it readable. */
	if (each_entry(fd, link_one, dirfd, NULL, err) == 0)
		return 0;
	undo(dirfd, before);
	return -1;
}
