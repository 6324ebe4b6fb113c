/*
 * Files of a volume that change all at once: the layout of Kubernetes' AtomicWriter.
 *
 *   ..2026_01_02_03_04_05.0123456789/   the files, each where its path says
 *   ..data -> ..2026_01_02_03_04_05.0123456789
 *   NAME -> ..data/NAME                 for the first part of each path
 *
 * Staging writes a directory that nothing points at; publishing turns ..data over with one rename.
 * Whoever opens ..data once and reads beneath it sees one version, never a mix.
 *
 * The directory is the root of a tmpfs that a pod may see: every walk is confined by the kernel
 * (openat2(2): beneath, no links, no other mount).
 */
#ifndef SECRETS_DELIVER_H
#define SECRETS_DELIVER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/error.h"

#define DELIVER_FILES_MAX 4096 /* in one volume */
#define DELIVER_NAME_SIZE 40   /* of a staged directory's name, with its NUL */
#define DELIVER_MODE_MAX  0777

/* One file. Borrowed. */
struct deliver_file {
	const char *path; /* volume_path.h */
	const void *data;
	size_t size;
	mode_t mode;
	const char *source; /* who wants it there, for messages: "secret 'db'" */
};

/*
 * Opens the volume for what follows from any descriptor of its root directory (O_PATH will do).
 * Returns a descriptor, which the caller owns, or -1. Errors: ERR_INVALID when it is not the root
 * of a tmpfs.
 */
int deliver_open(int fd, struct error *err);

/*
 * Judges paths and modes, and that no two files get in each other's way; sorts 'files'. Touches
 * nothing. Errors: ERR_INVALID names the paths and both sources, ERR_EXHAUSTED.
 */
int deliver_check(struct deliver_file *files, size_t len, struct error *err);

/*
 * Writes checked files into a new directory, whose name comes into 'ret_name' (from 'now', seconds
 * since 1970). Modes are exact, whatever the umask; directories are 0755. What was staged before
 * and not published is removed first. On failure nothing new is left. Errors: ERR_EXHAUSTED names
 * the file that did not fit.
 */
int deliver_stage(int dirfd, const struct deliver_file *files, size_t len, int64_t now,
	char ret_name[DELIVER_NAME_SIZE], struct error *err);

/*
 * Makes the staged directory the volume's content. On failure the content is as before and what
 * was staged may be gone. Publishing what is published already is success. Errors: ERR_NOT_FOUND
 * (never staged, or replaced since), ERR_INVALID (not a name that deliver_stage() gives).
 */
int deliver_publish(int dirfd, const char *directory, struct error *err);

/* Removes links to what is no longer there and all directories but the published one. */
int deliver_clean(int dirfd, struct error *err);

#endif
