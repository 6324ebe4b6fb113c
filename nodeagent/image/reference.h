/*
 * Names of images: "busybox", "host:5000/team/web:1.2". Pure.
 */
#ifndef NODEAGENT_IMAGE_REFERENCE_H
#define NODEAGENT_IMAGE_REFERENCE_H

#include "lib/error.h"
#include "nodeagent/image/store.h"

#define IMAGE_TAG_MAX 128

/*
 * Checks a reference by the grammar that container tools share (a host, lower-case path parts
 * joined by '/', a tag) and writes it with its tag, ":latest" where it has none. Nothing else is
 * added: a host is part of the name. Errors: ERR_INVALID says what is wrong; ERR_UNSUPPORTED for
 * name@digest.
 */
int reference_normalize(const char *text, char ret[IMAGE_NAME_MAX + 1], struct error *err);

#endif
