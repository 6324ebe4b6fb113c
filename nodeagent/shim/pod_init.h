/*
 * The first process of a pid namespace that all containers of a pod share: it reaps what they leave
 * behind and does nothing else. Its end is the end of every process in the pod.
 */
#ifndef NODEAGENT_SHIM_POD_INIT_H
#define NODEAGENT_SHIM_POD_INIT_H

#include "lib/error.h"

struct sandbox;

/*
 * Starts it and opens its namespace: *ret_pidfd and *ret_ns_fd are the caller's. It has no rights,
 * an empty root, no descriptors and a filter of six system calls, and dies with the shim.
 */
int pod_init_start(
	const struct sandbox *sandbox, int *ret_pidfd, int *ret_ns_fd, struct error *err);

#endif
