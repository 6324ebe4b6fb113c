#include "nodeagent/image/spool.h"

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

#define BLOBS       "blobs/sha256/"
#define READ_SIZE   65536
#define ALIASES_MAX 8 /* links to links */
#define NUMBER_SIZE 24

/* One reading of the pipe. */
struct reading {
	struct spool *spool;
	const struct import_limits *limits;
	struct archive *archive;
	int fd;
	uint64_t in;  /* bytes from the pipe */
	uint64_t out; /* bytes of files */
	char buffer[READ_SIZE];
};

static int archive_failed(struct archive *a, struct error *err)
{
	const char *text = archive_error_string(a);

	return error_set(err, ERR_INVALID, 0, "the archive cannot be read: %s",
		text ? text : "unknown reason");
}

static ssize_t on_read(struct archive *a, void *user, const void **ret)
{
	struct reading *r = user;
	ssize_t n;

	do {
		n = read(r->fd, r->buffer, sizeof(r->buffer));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		archive_set_error(a, errno, "cannot read from the pipe");
	else
		r->in += (uint64_t)n;
	*ret = r->buffer;
	return n;
}

static int charge(struct reading *r, size_t size, const char *name, struct error *err)
{
	const struct import_limits *l = r->limits;

	r->out += size;
	if (r->out > l->archive)
		return error_set(err, ERR_EXHAUSTED, 0,
			"the archive holds more than %llu bytes (at '%.255s')",
			(unsigned long long)l->archive, name);
#ifndef BULKHEAD_WEAK_RATIO
	if (r->out > l->ratio_floor && r->out / l->ratio > r->in)
		return error_set(err, ERR_EXHAUSTED, 0,
			"the archive is compressed more than %llu to 1 (at '%.255s')",
			(unsigned long long)l->ratio, name);
#endif
	return 0;
}

static int copy_data(struct reading *r, int fd, struct spool_file *file, struct digest *digest,
	struct error *err)
{
	for (;;) {
		const void *data;
		size_t size;
		int64_t offset;
		int n = archive_read_data_block(r->archive, &data, &size, &offset);

		if (n == ARCHIVE_EOF)
			break;
		if (n < ARCHIVE_WARN)
			return archive_failed(r->archive, err);
		if (offset < 0 || (uint64_t)offset != file->size)
			return error_set(err, ERR_UNSUPPORTED, 0, "sparse files are not taken");
		file->size += size;
		if (charge(r, size, file->name, err) < 0 || digest_add(digest, data, size, err) < 0)
			return -1;
		if (fd_write_all(fd, data, size, err) < 0)
			return -1;
	}
	return digest_hex(digest, file->hex, err);
}

static int store_file(struct reading *r, struct spool_file *file, struct error *err)
{
	struct spool *s = r->spool;
	struct digest *digest;
	char number[NUMBER_SIZE];
	cleanup_close int fd = -1;
	int n;

	snprintf(number, sizeof(number), "%zu", (size_t)(file - s->files));
	fd = openat(s->dirfd, number, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set(err, error_code_of(errno), errno,
			"cannot make a file for '%.255s'", file->name);
	if (digest_new(&digest, err) < 0)
		return -1;
	n = copy_data(r, fd, file, digest, err);
	digest_free(digest);
	if (n < 0)
		return error_prefix(err, "'%.255s'", file->name);
#ifndef BULKHEAD_WEAK_DIGEST
	if (strncmp(file->name, BLOBS, strlen(BLOBS)) == 0 &&
		strcmp(file->name + strlen(BLOBS), file->hex) != 0)
		return error_set(err, ERR_INVALID, 0, "'%.255s' has digest sha256:%s", file->name,
			file->hex);
#endif
	return 0;
}

static struct spool_file *find_exact(const struct spool *spool, const char *name)
{
	for (size_t i = 0; i < spool->len; i++) {
		if (strcmp(spool->files[i].name, name) == 0)
			return &spool->files[i];
	}
	return NULL;
}

static struct spool_file *add_file(struct spool *s, const char *name, struct error *err)
{
	struct spool_file *file;
	char *copy;

	if (find_exact(s, name)) {
		error_set(err, ERR_INVALID, 0, "'%.255s' is in the archive twice", name);
		return NULL;
	}
	if (s->len == IMPORT_FILES_MAX) {
		error_set(err, ERR_EXHAUSTED, 0, "the archive holds more than %d files",
			IMPORT_FILES_MAX);
		return NULL;
	}
	copy = strdup(name);
	if (!copy) {
		error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot note '%.255s'", name);
		return NULL;
	}
	file = &s->files[s->len++];
	memset(file, 0, sizeof(*file));
	file->name = copy;
	return file;
}

static int store_entry(struct reading *r, struct archive_entry *entry, struct error *err)
{
	const char *hard = archive_entry_hardlink(entry);
	const char *soft = archive_entry_symlink(entry);
	char name[IMAGE_PATH_MAX + 1];
	char target[IMAGE_PATH_MAX + 1];
	struct spool_file *file;

	if (entry_path_clean(archive_entry_pathname(entry), name, err) < 0)
		return -1;
	if (archive_entry_filetype(entry) == AE_IFDIR)
		return 0;
	if (!hard && !soft && archive_entry_filetype(entry) != AE_IFREG)
		return error_set(
			err, ERR_INVALID, 0, "'%.255s' is neither file, directory nor link", name);
	/* Links are never made on disk: only names in the table, resolved in it. */
	if (hard && entry_path_clean(hard, target, err) < 0)
		return error_prefix(err, "'%.255s'", name);
	if (!hard && soft && entry_path_beside(name, soft, target, err) < 0)
		return error_prefix(err, "'%.255s'", name);
	file = add_file(r->spool, name, err);
	if (!file)
		return -1;
	if (!hard && !soft)
		return store_file(r, file, err);
	file->alias = strdup(target);
	return file->alias ? 0 : error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot note '%s'", name);
}

/* What stands behind the end of the tar must be read, or who writes would not see the end. */
static int drain(struct reading *r, struct error *err)
{
	uint64_t rest = 0;
	ssize_t n;

	while ((n = read(r->fd, r->buffer, sizeof(r->buffer))) != 0) {
		if (n < 0 && errno != EINTR)
			return error_set(err, ERR_INTERNAL, errno, "cannot read from the pipe");
		rest += n > 0 ? (uint64_t)n : 0;
		if (rest > IMPORT_TRAILER_MAX)
			return error_set(err, ERR_INVALID, 0,
				"more than %llu bytes follow the end of the archive",
				(unsigned long long)IMPORT_TRAILER_MAX);
	}
	return 0;
}

static int read_archive(struct reading *r, struct error *err)
{
	struct archive *a = r->archive;
	struct archive_entry *entry;
	int n;

	if (archive_read_support_filter_gzip(a) < ARCHIVE_WARN ||
		archive_read_support_filter_bzip2(a) < ARCHIVE_WARN ||
		archive_read_support_filter_xz(a) < ARCHIVE_WARN ||
		archive_read_support_filter_zstd(a) < ARCHIVE_WARN ||
		archive_read_support_format_tar(a) < ARCHIVE_WARN ||
		archive_read_open(a, r, NULL, on_read, NULL) != ARCHIVE_OK)
		return archive_failed(a, err);
	while ((n = archive_read_next_header(a, &entry)) >= ARCHIVE_WARN && n != ARCHIVE_EOF) {
		if (store_entry(r, entry, err) < 0)
			return -1;
	}
	return n == ARCHIVE_EOF ? drain(r, err) : archive_failed(a, err);
}

int spool_read(struct spool *ret, int archive_fd, int dirfd, const struct import_limits *limits,
	struct error *err)
{
	struct reading *r = calloc(1, sizeof(*r));
	int status = -1;

	memset(ret, 0, sizeof(*ret));
	ret->dirfd = dirfd;
	ret->files = calloc(IMPORT_FILES_MAX, sizeof(*ret->files));
	if (r) {
		r->spool = ret;
		r->limits = limits;
		r->fd = archive_fd;
		r->archive = archive_read_new();
	}
	if (!r || !ret->files || !r->archive)
		error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot read the archive");
	else
		status = read_archive(r, err);
	if (r)
		archive_read_free(r->archive);
	free(r);
	if (status < 0)
		spool_done(ret);
	return status;
}

void spool_done(struct spool *spool)
{
	for (size_t i = 0; i < spool->len; i++) {
		free(spool->files[i].name);
		free(spool->files[i].alias);
	}
	free(spool->files);
	memset(spool, 0, sizeof(*spool));
}

const struct spool_file *spool_find(const struct spool *spool, const char *name)
{
	const struct spool_file *file = find_exact(spool, name);

	for (int i = 0; file && file->alias && i < ALIASES_MAX; i++)
		file = find_exact(spool, file->alias);
	return file && !file->alias ? file : NULL;
}

const struct spool_file *spool_blob(
	const struct spool *spool, const char *hex, const char *what, struct error *err)
{
	char name[sizeof(BLOBS) + DIGEST_HEX_SIZE];
	const struct spool_file *file;

	snprintf(name, sizeof(name), BLOBS "%s", hex);
	file = spool_find(spool, name);
	if (!file) {
		error_set(err, ERR_NOT_FOUND, 0, "%s: '%s' is not in the archive", what, name);
		return NULL;
	}
#ifndef BULKHEAD_WEAK_DIGEST
	/* A link may have led to a file of another name. */
	if (strcmp(file->hex, hex) != 0) {
		error_set(err, ERR_INVALID, 0, "%s: '%s' has digest sha256:%s", what, name,
			file->hex);
		return NULL;
	}
#endif
	return file;
}

int spool_open(const struct spool *spool, const struct spool_file *file, struct error *err)
{
	char number[NUMBER_SIZE];
	int fd;

	snprintf(number, sizeof(number), "%zu", (size_t)(file - spool->files));
	fd = openat(spool->dirfd, number, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return error_set(
			err, error_code_of(errno), errno, "cannot open '%.255s'", file->name);
	return fd;
}

int spool_text(const struct spool *spool, const struct spool_file *file, size_t max, char **ret,
	size_t *ret_size, struct error *err)
{
	cleanup_close int fd = spool_open(spool, file, err);

	if (fd < 0)
		return -1;
	if (fd_read_all(fd, max, ret, ret_size, err) < 0)
		return error_prefix(err, "'%.255s'", file->name);
	return 0;
}

void spool_drop(const struct spool *spool, const struct spool_file *file)
{
	char number[NUMBER_SIZE];

	snprintf(number, sizeof(number), "%zu", (size_t)(file - spool->files));
	unlinkat(spool->dirfd, number, 0);
}
