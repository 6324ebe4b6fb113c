/*
 * The pod directories, <state>/pods/<uid>: what was accepted is there, whole, before it is answered
 * for, and a directory is there whole or not at all. Paths are walked anew at each call, beneath
 * 'state_dirfd'; every change is durable when the function returns.
 */
#ifndef NODEAGENT_AGENT_POD_STORE_H
#define NODEAGENT_AGENT_POD_STORE_H

#include <stdbool.h>

#include "bulkhead/v1/state.pb-c.h"
#include "lib/error.h"
#include "proto/k8s.h"

#define POD_UID_SIZE 37 /* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" */

/* Whether a text has the form of a pod's uid; nothing else becomes a path. */
bool pod_uid_valid(const char *uid);

/*
 * Makes <state>/pods where it is absent, and removes what an interrupted pod_store_add() left
 * there, as far as it can. What pod_store_remove() left takes as long as pods' users like: that is
 * pod_store_clear_all()'s.
 */
int pod_store_prepare(int state_dirfd, struct error *err);

/* Makes the directory of a new pod. On failure nothing is left. */
int pod_store_add(int state_dirfd, const Bulkhead__V1__PodFile *file, struct error *err);

/* Replaces the pod's progress. Needs no room on the disk unless it is larger than ever before. */
int pod_store_progress(int state_dirfd, const char *uid, const Bulkhead__V1__PodProgress *progress,
	struct error *err);

/*
 * Reads one pod's directory. The caller frees both; *ret_progress is NULL when there is none yet.
 * Errors: ERR_INVALID (not what was written), ERR_NOT_FOUND.
 */
int pod_store_read(int state_dirfd, const char *uid, Bulkhead__V1__PodFile **ret_file,
	Bulkhead__V1__PodProgress **ret_progress, struct error *err);

/*
 * The uids of all pod directories; the caller frees with pod_store_list_free(). What else lies
 * there is left alone.
 */
int pod_store_list(int state_dirfd, char ***ret, size_t *ret_len, struct error *err);
void pod_store_list_free(char **list, size_t len);

/* Gives the directory a name that makes no pod, ".bad-<uid>", for somebody to look at. */
int pod_store_set_aside(int state_dirfd, const char *uid, struct error *err);

/*
 * Takes the pod out: durable when it returns, while the content, which may be much, is still there
 * under a name that pod_store_clear() removes. Absent is success.
 */
int pod_store_remove(int state_dirfd, const char *uid, struct error *err);

/* Removes what pod_store_remove() left of 'uid'; it may take long. */
int pod_store_clear(int state_dirfd, const char *uid, struct error *err);
/* The same for all, as far as it can. */
int pod_store_clear_all(int state_dirfd, struct error *err);

#endif
