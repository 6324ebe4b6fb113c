/*
 * Whole reads and writes on descriptors, and files replaced durably. Every descriptor made here is
 * close-on-exec.
 */
#ifndef LIB_FDIO_H
#define LIB_FDIO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/error.h"

/* Writes all of 'size' bytes, restarting after signals and short writes. */
int fd_write_all(int fd, const void *data, size_t size, struct error *err);

/*
 * Reads to end of file, at most 'max' bytes: one more is ERR_EXHAUSTED. On success the caller owns
 * *ret (NUL-terminated behind the last byte, also when empty) and *ret_size excludes that NUL.
 */
int fd_read_all(int fd, size_t max, char **ret, size_t *ret_size, struct error *err);

/* Opens 'name' beneath 'dirfd' (no symbolic link in the last part) and reads it as fd_read_all. */
int file_read_at(
	int dirfd, const char *name, size_t max, char **ret, size_t *ret_size, struct error *err);

/*
 * Replaces 'name' in 'dirfd' so that after a crash either the old or the whole new content is
 * there: temporary file, fsync, rename, fsync of the directory.
 */
int file_replace_at(
	int dirfd, const char *name, const void *data, size_t size, mode_t mode, struct error *err);

/* Writes 'text' to an existing kernel file (procfs, cgroupfs) in one write(2); never creates. */
int file_poke_at(int dirfd, const char *name, const char *text, struct error *err);

/*
 * Removes 'name' beneath 'dirfd' and all below it, however deep, crossing no mount; absent is
 * success. After an error what is left may lie elsewhere below 'name'.
 */
int tree_remove_at(int dirfd, const char *name, struct error *err);

/* mkdir -p of an absolute path; what is missing is made with 'mode'. */
int mkdir_parents(const char *path, mode_t mode, struct error *err);

/* Sets or clears O_NONBLOCK. */
int fd_set_nonblock(int fd, int on, struct error *err);

/* Microseconds on CLOCK_MONOTONIC. */
uint64_t monotonic_usec(void);

/* Microseconds since 1970, CLOCK_REALTIME. */
uint64_t realtime_usec(void);

#endif
