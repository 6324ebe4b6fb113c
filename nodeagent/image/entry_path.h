/*
 * Names in tar archives. Pure. This is the first of two walls: the kernel (openat2(2)) confines the
 * walk again when a name is used.
 */
#ifndef NODEAGENT_IMAGE_ENTRY_PATH_H
#define NODEAGENT_IMAGE_ENTRY_PATH_H

#include "lib/error.h"
#include "nodeagent/image/limits.h"

/*
 * "./a//b/" becomes "a/b", "./" becomes "". NULL (a name that libarchive cannot give), absolute
 * names, "..", parts over 255 bytes, more than IMAGE_PATH_MAX bytes or IMAGE_DEPTH_MAX parts are
 * ERR_INVALID.
 */
int entry_path_clean(const char *text, char ret[IMAGE_PATH_MAX + 1], struct error *err);

/* The relative target of a link at 'name', as a clean name; it may go up, but not out. */
int entry_path_beside(
	const char *name, const char *target, char ret[IMAGE_PATH_MAX + 1], struct error *err);

#endif
