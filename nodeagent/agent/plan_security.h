/*
 * A container's rights, from its security context and the pod's: who it is, capabilities, seccomp,
 * SELinux, what of /proc and /sys it sees. For the plan_*.c files only.
 */
#ifndef NODEAGENT_AGENT_PLAN_SECURITY_H
#define NODEAGENT_AGENT_PLAN_SECURITY_H

#include "nodeagent/agent/plan.h"

#define PLAN_SELINUX_FILE "system_u:object_r:container_file_t"
#define PLAN_CPUS_MAX     8192 /* the kernel's own limit on x86-64 */

/* Both contexts; either may be NULL. */
struct plan_security {
	const struct plan_node *node;
	const struct plan_pod *pod;
	const char *field; /* of the container: "spec.containers[0]" */
	const K8sPodSecurityContext *of_pod;
	const K8sSecurityContext *own;
};

/*
 * Sets uid, gid, groups, user, must_be_non_root and run_as_group_strict. An id that the pod's user
 * namespace does not have is refused here, by its field.
 */
int plan_identity(const struct plan_security *s, const struct image *image,
	Bulkhead__V1__ContainerPlan *plan, struct error *err);

/* runAsUser of the container, else of the pod. False when the image decides. */
bool plan_run_as_user(
	const K8sPodSecurityContext *of_pod, const K8sSecurityContext *own, int64_t *ret);

/*
 * The runtime's default set (CRI-O's), then drop and add as CRI-O does: ALL first, single names
 * after. Upper or lower case, with or without CAP_. ERR_INVALID names an unknown one.
 */
int plan_capabilities(
	const struct plan_security *s, Bulkhead__V1__ContainerPlan *plan, struct error *err);

/* Sets seccomp, seccomp_profile, no_new_privs, privileged and read_only_root. */
int plan_confinement(
	const struct plan_security *s, Bulkhead__V1__ContainerPlan *plan, struct error *err);

/* Sets masked_paths and read_only_paths, none when procMount is Unmasked. */
int plan_covers(
	const struct plan_security *s, Bulkhead__V1__ContainerPlan *plan, struct error *err);

/* Labels; nothing where the node has no SELinux. */
int plan_selinux_process(
	const struct plan_security *s, Bulkhead__V1__ContainerPlan *plan, struct error *err);
int plan_selinux_mount(const struct plan_node *node, const struct plan_pod *pod,
	Bulkhead__V1__SandboxPlan *plan, struct error *err);

#endif
