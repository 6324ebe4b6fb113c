/*
 * The start of one bulkhead-unpack. For import.c.
 */
#ifndef NODEAGENT_IMAGE_IMPORT_SPAWN_H
#define NODEAGENT_IMAGE_IMPORT_SPAWN_H

#include <sys/types.h>

#include "lib/error.h"
#include "nodeagent/image/unpack.h"

/*
 * A user namespace with nobody in it: ids 0 to IMAGE_IDS - 1 are image_base + n outside,
 * UNPACK_OWN_ID is 'uid'. Takes a child for a moment, no longer than a fork. The caller owns the
 * descriptor.
 */
int import_userns_make(uid_t image_base, uid_t uid, struct error *err);

/*
 * Starts 'program' on 'directory', as the first process of a pid namespace, with fds[i] (borrowed)
 * as its descriptor i; only those from UNPACK_LIFELINE_FD on are looked at. *ret_pidfd is the
 * caller's. No signal tells of its end.
 */
int import_spawn(const char *program, const char *directory, const int fds[UNPACK_FD_END],
	int *ret_pidfd, struct error *err);

/* Waits for the end of 'pidfd' (or with 'now' not at all) and reaps; as of waitpid(2) in
 * *ret_status. 1 when it ended, 0 when it still runs. */
int import_reap(int pidfd, int now, int *ret_status);

#endif
