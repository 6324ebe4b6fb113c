/*
 * Who follows a log is told of changes by inotify, of which each user of the machine has a small
 * number of instances (fs.inotify.max_user_instances, 128). Tenants decide how many are in use, so
 * they are bulkhead-api's, and root's are left to the machine.
 */
#ifndef NODEAGENT_AGENT_LOG_CHANGES_H
#define NODEAGENT_AGENT_LOG_CHANGES_H

#include <sys/types.h>

#include "lib/error.h"

/* An inotify descriptor on the directory 'log_dirfd', counted as one of 'uid'. -1: 'err' says. */
int log_changes_open(int log_dirfd, uid_t uid, struct error *err);

#endif
