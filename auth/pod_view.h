/*
 * All containers of a pod, init and ephemeral ones included, behind one face, so that no judge
 * forgets a kind; and the volumes' sources by name.
 */
#ifndef AUTH_POD_VIEW_H
#define AUTH_POD_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"
#include "proto/k8s.h"

#define VIEW_PATH_SIZE 160 /* "spec.containers[0].securityContext.capabilities.add[3]" fits */

/* Everything is borrowed from the pod. */
struct view_container {
	char path[48]; /* "spec.initContainers[3]" */
	const char *name;
	K8sSecurityContext **security; /* where it hangs, to be set by admission */
	K8sContainerPort **ports;
	size_t ports_len;
	const K8sProbe *probes[3]; /* liveness, readiness, startup; NULL when absent */
	const K8sLifecycle *lifecycle;
};

struct view_walk {
	const K8sPod *pod;
	size_t next;
};

/* The next container in upstream's order (init, main, ephemeral); false at the end. */
bool view_next(struct view_walk *walk, struct view_container *ret);

/* The JSON name of the source a volume has ("hostPath"), of its number'th; NULL when no more. */
const char *view_volume_source(const K8sVolume *volume, size_t number);

/* Never NULL: the spec of a pod, or an empty one. */
const K8sPodSpec *view_spec(const K8sPod *pod);

/* An annotation's value, NULL when absent. */
const char *view_annotation(const K8sPod *pod, const char *key);

/* Ours begin like that. */
#define VIEW_OWN_PREFIX             "bulkhead/"
#define VIEW_TIME_NAMESPACE         VIEW_OWN_PREFIX "time-namespace"
#define VIEW_TIME_NAMESPACE_PRIVATE "private"

#define VIEW_RECORD_PROFILE VIEW_OWN_PREFIX "record-profile"

/* Whether the pod's system calls are to be noted. */
bool view_records_profile(const K8sPod *pod);

#define VIEW_SELINUX_LEVEL     VIEW_OWN_PREFIX "selinux-level"
#define VIEW_SELINUX_LEVEL_POD "pod"

/* Whether the pod asks for an MCS pair that no other pod of its project has. */
bool view_own_level(const K8sPod *pod);

/* Whether the pod asks for clocks of its own. */
bool view_time_namespace(const K8sPod *pod);

#define VIEW_SECCOMP_ANNOTATION        "seccomp.security.alpha.kubernetes.io/pod"
#define VIEW_SECCOMP_ANNOTATION_PREFIX "container.seccomp.security.alpha.kubernetes.io/"
#define VIEW_SECCOMP_SIZE              512

/*
 * A seccomp profile as security context constraints spell it: runtime/default, unconfined,
 * localhost/<path>; the type itself when unknown. Borrowed from 'buf',
 * the profile, or static.
 */
const char *view_seccomp(const K8sSeccompProfile *profile, char buf[VIEW_SECCOMP_SIZE]);

#endif
