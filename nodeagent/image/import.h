/*
 * One import: starts bulkhead-unpack, hands out the pipe that the archive is written to, and takes
 * its verdict. Used by the agent, which never reads a byte of the archive.
 */
#ifndef NODEAGENT_IMAGE_IMPORT_H
#define NODEAGENT_IMAGE_IMPORT_H

#include <sys/types.h>

#include "bulkhead/v1/node.pb-c.h"
#include "lib/error.h"

#define IMPORTS_MAX 4 /* under way at a time; the agent counts */

struct image_import_config {
	const char *program;   /* absolute path of bulkhead-unpack */
	const char *store_dir; /* <state>/images */
	const char *name;      /* reference to store it under; "" takes the archive's */
	uid_t uid;             /* whom the unpacker runs as outside its user namespace */
	uid_t image_base;      /* host id that an image's id 0 gets on disk */
};

struct image_import;

/*
 * Starts the child. *ret_data_fd is the write end of the archive's pipe, the caller's; closing it
 * ends the archive. On success the caller owns *ret.
 */
int image_import_start(struct image_import **ret, const struct image_import_config *config,
	int *ret_data_fd, struct error *err);

/* Readable when the child has said its verdict or is gone. Borrowed. */
int image_import_fd(const struct image_import *import);

/*
 * The verdict, once image_import_fd() was readable: commits the staged layers and names and gives
 * the answer, or says why not. On success the caller frees *ret.
 */
int image_import_finish(
	struct image_import *import, Bulkhead__V1__ImportImageResponse **ret, struct error *err);

/* Kills the child if it still runs, reaps it, removes what it staged. NULL is allowed. */
void image_import_free(struct image_import *import);

#endif
