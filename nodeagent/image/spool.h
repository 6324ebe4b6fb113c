/*
 * The archive as it comes through the pipe, once: every file in it is written to a numbered file,
 * with its SHA-256, because a tar may have its blobs in any order and what names them last.
 */
#ifndef NODEAGENT_IMAGE_SPOOL_H
#define NODEAGENT_IMAGE_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "nodeagent/image/digest.h"
#include "nodeagent/image/limits.h"

struct spool_file {
	char *name;  /* in the archive, without "./" */
	char *alias; /* the file that a link stands for, else NULL */
	char hex[DIGEST_HEX_SIZE];
	uint64_t size;
};

struct spool {
	int dirfd; /* borrowed: files 0, 1, 2 ... are in it */
	struct spool_file *files;
	size_t len;
};

/*
 * Reads 'archive_fd' to its end: a tar, plain or compressed with gzip, bzip2, xz or zstd. A blob
 * below blobs/sha256/ must have the digest of its name. On failure *ret is empty. Errors name the
 * file: ERR_INVALID, ERR_EXHAUSTED (a limit, no space).
 */
int spool_read(struct spool *ret, int archive_fd, int dirfd, const struct import_limits *limits,
	struct error *err);
void spool_done(struct spool *spool);

/* Borrowed; NULL when the archive has no such file. Links inside the archive are resolved. */
const struct spool_file *spool_find(const struct spool *spool, const char *name);
/* blobs/sha256/<hex>; ERR_NOT_FOUND. 'what' is for the text. */
const struct spool_file *spool_blob(
	const struct spool *spool, const char *hex, const char *what, struct error *err);

/* The caller owns the descriptor. */
int spool_open(const struct spool *spool, const struct spool_file *file, struct error *err);
/* As fd_read_all(). */
int spool_text(const struct spool *spool, const struct spool_file *file, size_t max, char **ret,
	size_t *ret_size, struct error *err);
/* Gives the disk space back. */
void spool_drop(const struct spool *spool, const struct spool_file *file);

#endif
