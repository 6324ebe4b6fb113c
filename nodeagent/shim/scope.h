/*
 * The pod's scope as its shim finds it when systemd makes the cgroups: systemd put the shim in it,
 * and handed over all beneath. A group with processes has no controllers for its children (cgroup
 * v2's rule), so the shim steps aside into a group of its own, which the pod's limits do not reach.
 */
#ifndef NODEAGENT_SHIM_SCOPE_H
#define NODEAGENT_SHIM_SCOPE_H

#include "nodeagent/cgroup/cgroup.h"

#define SCOPE_SHIM "shim"
#define SCOPE_POD  "pod"

/*
 * Moves the calling process, which must have no children, into SCOPE_SHIM beneath 'scope'. Errors:
 * ERR_PRECONDITION when it is not in that scope.
 */
int scope_step_aside(const char *scope, struct error *err);

/* Makes SCOPE_POD with the controllers that systemd gave; 'tree' forgets the others. */
int scope_divide(
	struct cgroup *ret, struct cgroup_tree *tree, const char *scope, struct error *err);

#endif
