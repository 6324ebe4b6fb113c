/*
 * Modification times of directories, set when everything is in them. For layer.c.
 */
#ifndef NODEAGENT_IMAGE_LAYER_TIMES_H
#define NODEAGENT_IMAGE_LAYER_TIMES_H

#include <stddef.h>
#include <time.h>

#include "lib/error.h"
#include "nodeagent/image/limits.h"

struct layer_times {
	char *names; /* one after the other, each with its NUL */
	size_t names_size, names_room;
	struct timespec *times;
	size_t len, room;
};

/* ERR_EXHAUSTED past IMPORT_DIR_BYTES_MAX. */
int layer_times_note(
	struct layer_times *times, const char *path, struct timespec mtime, struct error *err);
/* The last note of a directory wins; what is no directory any more is passed over. */
void layer_times_apply(const struct layer_times *times, int dirfd);
void layer_times_done(struct layer_times *times);

#endif
