/*
 * The one socket that programs of others find by its name: bulkhead-cni asks bulkhead-netd there.
 * netd sees no folder, so the agent makes it and hands it over (netd_listen()).
 */
#ifndef NODEAGENT_AGENT_CNI_SOCKET_H
#define NODEAGENT_AGENT_CNI_SOCKET_H

#include "lib/error.h"

#define CNI_SOCKET "cni.sock" /* in the run folder */

/*
 * A listening SOCK_SEQPACKET socket in 'run_dir', root's alone (0600), in the place of one that a
 * former agent left. The caller holds the folder's lock and owns *ret_fd. Errors: ERR_INVALID (the
 * path is too long), else of the system.
 */
int cni_socket_open(int run_dirfd, const char *run_dir, int *ret_fd, struct error *err);

#endif
