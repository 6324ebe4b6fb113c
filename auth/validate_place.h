/*
 * Where in a pod a judge stands: a chain of frames on the stack, written out as upstream's JSON
 * path ("spec.containers[0].ports[1].hostPort") only when something is wrong there.
 */
#ifndef AUTH_VALIDATE_PLACE_H
#define AUTH_VALIDATE_PLACE_H

#include <stddef.h>

#define PLACE_SIZE     512 /* a longer path is cut */
#define PLACE_KEY_SIZE 80  /* of a map's key; a longer one ends in "..." */

struct place {
	const struct place *up; /* NULL at the top */
	const char *name;       /* a field's JSON name; NULL: a member of 'up' */
	const char *key;        /* a map entry's key; NULL: the element 'index' of a list */
	size_t index;
};

/* Live until the end of the block they are written in. */
#define AT(parent, field)     (&(const struct place){ .up = (parent), .name = (field) })
#define AT_ITEM(parent, i)    (&(const struct place){ .up = (parent), .index = (i) })
#define AT_KEY(parent, entry) (&(const struct place){ .up = (parent), .key = (entry) })

/* Returns 'buf'. Control bytes in keys become '?'. */
const char *place_text(const struct place *place, char buf[PLACE_SIZE]);

#endif
