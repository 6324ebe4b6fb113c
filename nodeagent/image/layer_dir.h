/*
 * The directory that a layer is unpacked into: walking it without following anything, and the marks
 * that overlayfs reads. For layer.c.
 */
#ifndef NODEAGENT_IMAGE_LAYER_DIR_H
#define NODEAGENT_IMAGE_LAYER_DIR_H

#include <sys/stat.h>

#include "lib/error.h"
#include "nodeagent/image/limits.h"

struct layer_dir {
	int dirfd; /* borrowed */
	unsigned flags;
};

/* Where an entry goes. */
struct layer_place {
	int parent_fd; /* owned: layer_place_done() */
	char name[256];
	int exists;
	struct stat st; /* of what is there, when it exists */
};

/*
 * Opens the directory of 'path' (clean, not empty), making what is missing as root's, 0755. A part
 * that is a link or a file is ERR_INVALID; one that is a whiteout becomes an opaque directory.
 */
int layer_place_find(
	struct layer_place *ret, const struct layer_dir *dir, const char *path, struct error *err);
/* As layer_place_find(), but nothing is made: ERR_INVALID when a directory is missing. */
int layer_place_look(
	struct layer_place *ret, const struct layer_dir *dir, const char *path, struct error *err);
void layer_place_done(struct layer_place *place);

int layer_place_is_whiteout(const struct layer_place *place);
/* Removes what is there, a directory with all that is in it. */
int layer_place_clear(struct layer_place *place, struct error *err);

/* Marks the directory 'name' in 'dirfd' ("." is 'dirfd' itself) as hiding all below it. */
int layer_mark_opaque(int dirfd, const char *name, struct error *err);

/* Owner of 'name' in 'dirfd', a link itself. Does nothing with LAYER_KEEP_OWNER. */
int layer_own(const struct layer_dir *dir, int dirfd, const char *name, uid_t uid, gid_t gid,
	struct error *err);

#endif
