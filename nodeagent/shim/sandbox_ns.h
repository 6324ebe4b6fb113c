/* The namespaces of a sandbox: made by a short-lived child, handed back as descriptors. */
#ifndef NODEAGENT_SHIM_SANDBOX_NS_H
#define NODEAGENT_SHIM_SANDBOX_NS_H

#include "nodeagent/shim/sandbox.h"

struct sandbox_ns {
	int pidfd;
	int sock;
};

/* Starts the child. Ended by sandbox_ns_finish(), also on failure of what the caller did meanwhile.
 */
int sandbox_ns_start(struct sandbox_ns *ret, const struct sandbox *sandbox, struct error *err);

/* Waits for the child and moves its descriptors into 'sandbox'. */
int sandbox_ns_finish(struct sandbox_ns *ns, struct sandbox *sandbox, struct error *err);

#endif
