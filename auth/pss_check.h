/*
 * The checks of the Pod Security Standards, one function for each that differs. auth/pss.c has the
 * table of which level and version runs which.
 *
 * Sources: k8s.io/pod-security-admission, policy/check_*.go. Two ways to read a pod are closed here
 * that an API server closes before any check: a volume with two sources is judged by each of them
 * (upstream looks at the first it knows), and an ephemeral container with nothing but a target is
 * one that sets nothing.
 */
#ifndef AUTH_PSS_CHECK_H
#define AUTH_PSS_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "auth/pod_view.h"
#include "auth/pss_finding.h"
#include "proto/k8s.h"

struct pss_container {
	struct view_container view;
	const K8sSecurityContext *security; /* never NULL */
};

/* A pod as the checks see it. Everything but the array is borrowed from the pod. */
struct pss_pod {
	const K8sPod *pod;
	const K8sPodSpec *spec;                /* never NULL */
	const K8sPodSecurityContext *security; /* never NULL */
	struct pss_container *containers;      /* init, main and ephemeral ones */
	size_t n;
	unsigned minor; /* the version to judge by, at most PSS_MINOR_MAX */
};

#define pss_each_container(c, p)                                                                   \
	for (const struct pss_container *c = (p)->containers; c < (p)->containers + (p)->n; c++)

typedef void pss_check(const struct pss_pod *pod, struct pss_finding *f);

/* pss_baseline.c. A number after the name is the minor version since which it reads so. */
pss_check pss_app_armor;
pss_check pss_capabilities_baseline;
pss_check pss_host_namespaces;
pss_check pss_host_path;
pss_check pss_host_ports;
pss_check pss_host_probes;
pss_check pss_privileged;
pss_check pss_proc_mount;
pss_check pss_proc_mount_35;
pss_check pss_selinux;
pss_check pss_selinux_31;
pss_check pss_seccomp_baseline;
pss_check pss_seccomp_baseline_19;
pss_check pss_sysctls;
pss_check pss_windows_host_process;

/* pss_restricted.c */
pss_check pss_escalation;
pss_check pss_escalation_25;
pss_check pss_capabilities_restricted;
pss_check pss_capabilities_restricted_25;
pss_check pss_volumes;
pss_check pss_non_root;
pss_check pss_non_root_35;
pss_check pss_user;
pss_check pss_user_35;
pss_check pss_seccomp_restricted;
pss_check pss_seccomp_restricted_25;

/* Notes an offending container and the field of it that offends. */
static inline void pss_found(
	struct pss_finding *f, const struct pss_container *c, const char *field)
{
	pss_finding_subject(f, c->view.name);
	pss_finding_field(f, "%s.%s", c->view.path, field);
}

/* spec.hostUsers is false: root in the pod is not root on the host. */
bool pss_in_user_namespace(const struct pss_pod *pod);

/*
 * What both checks of seccompProfile have in common: adds who sets a type that is not allowed.
 * Returns whether there is any.
 */
bool pss_seccomp_bad_types(const struct pss_pod *pod, struct pss_finding *f);

#endif
