/* Capability names and sets. Raw system calls: five lines instead of a library in every shim. */
#ifndef NODEAGENT_SHIM_CAPS_H
#define NODEAGENT_SHIM_CAPS_H

#include <stdint.h>

#include "lib/error.h"

/* Bit number of "CAP_CHOWN"..., or -1. */
int cap_number(const char *name);

/* "CAP_CHOWN"... of a bit number up to cap_last(). */
const char *cap_name(int cap);

/* Last capability this build knows. */
int cap_last(void);

/*
 * Drops from the bounding set everything that is not in 'keep' (bits 1 << CAP_*), as far as the
 * kernel knows capabilities, and empties the ambient set. Needs CAP_SETPCAP. -1 with errno.
 */
int caps_bound(uint64_t keep);

/* Sets permitted and effective to 'set', inheritable to nothing. -1 with errno. */
int caps_set(uint64_t set);

/* What this process is permitted. */
uint64_t caps_own(void);

/*
 * Gives up, for good, what the shim of a pod with a user namespace of its own needs for nothing:
 * the kernel's code, the machine's hardware, clock and logs. Its children get the pod's rights from
 * the user namespace that they join, whatever the shim holds. -1 with errno.
 */
int caps_drop_machine(void);

#endif
