/*
 * An MCS pair of a pod's own, by the annotation bulkhead/selinux-level: pod. OpenShift's allocation
 * gives each project five pairs, of which its pods use the first; the other four are given to such
 * pods, each to one pod of the node at a time. It is written down with the pod before anything uses
 * it, and free again when the pod is removed.
 */
#ifndef NODEAGENT_AGENT_OWN_LEVEL_H
#define NODEAGENT_AGENT_OWN_LEVEL_H

#include "nodeagent/agent/pod.h"

/*
 * Puts the pair into 'file' where its pod asks for one: as its label, and as the level that
 * admission gave it. Errors: ERR_EXHAUSTED (all four are used), ERR_INVALID (a level was asked for
 * as well).
 */
int own_level_give(const struct pods *pods, Bulkhead__V1__PodFile *file, struct error *err);

#endif
