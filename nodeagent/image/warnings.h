/*
 * What an import left out or changed, for its answer: at most IMPORT_WARNINGS_MAX lines.
 */
#ifndef NODEAGENT_IMAGE_WARNINGS_H
#define NODEAGENT_IMAGE_WARNINGS_H

#include <stddef.h>

#include "nodeagent/image/limits.h"

struct warnings {
	char *items[IMPORT_WARNINGS_MAX + 1]; /* the last one says how many more there were */
	size_t len;
	size_t more;
};

/* Printable ASCII stays, every other byte becomes \xNN. */
void warnings_add(struct warnings *warnings, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Makes the last line; nothing is added after. */
void warnings_finish(struct warnings *warnings);
void warnings_done(struct warnings *warnings);

/* 'text' in place of 'size' bytes of room, escaped as above and cut where the room ends. */
void text_escape(char *text, size_t size);

#endif
