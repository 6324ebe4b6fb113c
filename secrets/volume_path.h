/* Where a file may lie in a secret or projected volume: Kubernetes' rules for paths. Pure. */
#ifndef SECRETS_VOLUME_PATH_H
#define SECRETS_VOLUME_PATH_H

#include "lib/error.h"

#define VOLUME_PATH_MAX  4096 /* bytes */
#define VOLUME_PART_MAX  255
#define VOLUME_DEPTH_MAX 16 /* parts */

/*
 * Relative, of parts between single '/' that are neither "." nor "..", the first not beginning with
 * ".." (those names are the volume's own). Errors: ERR_INVALID names path and rule.
 */
int volume_path_check(const char *path, struct error *err);

/*
 * Orders paths so that "a", "a/b" and "a/c" stand next to each other whatever else there is: as
 * strcmp(), with '/' before every other letter.
 */
int volume_path_compare(const char *a, const char *b);

/* 1 when 'inner' lies beneath 'outer' as a directory, or is the same. */
int volume_path_covers(const char *outer, const char *inner);

#endif
