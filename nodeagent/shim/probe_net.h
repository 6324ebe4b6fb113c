/*
 * One TCP or HTTP probe: a child that connects from within the pod's network namespace and has no
 * rights but to talk on that one connection. The shim never reads a byte that a container sent.
 */
#ifndef NODEAGENT_SHIM_PROBE_NET_H
#define NODEAGENT_SHIM_PROBE_NET_H

#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/error.h"
#include "nodeagent/shim/sandbox.h"

enum probe_net_kind {
	PROBE_NET_OK = 1,
	PROBE_NET_ERROR,  /* value: errno of the system call that failed */
	PROBE_NET_HTTP,   /* value: enum probe_http_end */
	PROBE_NET_STATUS, /* value: an HTTP status that is no success */
	PROBE_NET_SETUP,  /* it could not give up its rights */
};

/* What the child writes to its pipe. Believed only as far as it is one of these. */
struct probe_net_result {
	int kind;
	int value;
};

/*
 * Starts the child in 'cgroup', which pays for it. The caller owns both descriptors: the pidfd, and
 * the pipe, which holds the result once the process has ended, or nothing. The caller bounds the
 * time.
 */
int probe_net_start(const struct sandbox *sandbox, const struct cgroup *cgroup,
	const Bulkhead__V1__ProbePlan *plan, int *ret_pidfd, int *ret_fd, struct error *err);

#endif
