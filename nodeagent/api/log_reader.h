/*
 * Reads one container run's log beneath a directory: "<restart>.log" and, when it was rotated,
 * "<restart>.log.<n>" before it (larger n is older). A file that is rotated while it is read is
 * read to its end, then the next one is taken: files are told apart by inode, not by name.
 */
#ifndef NODEAGENT_API_LOG_READER_H
#define NODEAGENT_API_LOG_READER_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

#define LOG_READER_CHUNK    65536u       /* bytes of a file read in one step */
#define LOG_READER_LINE_MAX (256u << 10) /* of one CRI line */

struct log_options {
	int previous;        /* the run before the newest */
	int timestamps;      /* before each line */
	int64_t tail_lines;  /* -1 all */
	int64_t since_usec;  /* since 1970; 0 all */
	int64_t limit_bytes; /* 0 no limit */
};

struct log_reader;

/* Takes what was read, in order. */
typedef void (*log_sink)(void *user, int from_stderr, const char *data, size_t size);

/*
 * Finds where to begin. 'dirfd' is borrowed and must outlive the reader. No file yet is no error.
 * Errors: ERR_NOT_FOUND (no previous run), others of the file system. The caller owns *ret.
 */
int log_reader_new(
	struct log_reader **ret, int dirfd, const struct log_options *options, struct error *err);
void log_reader_free(struct log_reader *reader);

/*
 * One step: reads at most LOG_READER_CHUNK bytes. 1: there may be more; 0: everything written so
 * far was read; -1: 'err'. At the byte limit: 0, and log_reader_full() says so.
 */
int log_reader_step(struct log_reader *reader, log_sink sink, void *user, struct error *err);

int log_reader_full(const struct log_reader *reader);

#endif
