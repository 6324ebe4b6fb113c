/*
 * Shims whose pod is not there any more: they are told to end, and their run folders go.
 */
#ifndef NODEAGENT_AGENT_ORPHAN_H
#define NODEAGENT_AGENT_ORPHAN_H

#include "lib/error.h"

struct pods;

/* Ends the shim of <run>/pods/<uid>; without one only the folder is removed. */
int orphan_end(struct pods *pods, const char *uid, struct error *err);

/* Frees those that have ended. */
void orphans_bury(struct pods *pods);
/* Lets go of all. */
void orphans_free(struct pods *pods);

#endif
