/*
 * OpenShift's security context constraints: which constraint lets a pod in, what it changes in it,
 * and why the others do not. The thirteen default constraints are a table; nothing is read.
 *
 * Source: openshift/apiserver-library-go pkg/securitycontextconstraints (sccadmission,
 * sccmatching), except where marked.
 */
#ifndef AUTH_SCC_H
#define AUTH_SCC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/project.h"
#include "auth/violation.h"
#include "lib/error.h"
#include "proto/k8s.h"

#define SCC_ANNOTATION          "openshift.io/scc"
#define SCC_ANNOTATION_REQUIRED "openshift.io/required-scc"
#define SCC_ANNOTATION_SUBJECT  "security.openshift.io/validated-scc-subject-type"

#define SCC_LIST_MAX 12 /* members of a list in a constraint */

enum scc_user {
	SCC_USER_ANY,
	SCC_USER_NON_ROOT,
	SCC_USER_RANGE, /* MustRunAsRange; min == max == 0: the project's block */
};

enum scc_group {
	SCC_GROUP_ANY,
	SCC_GROUP_MUST, /* MustRunAs; max == 0: the project's block */
};

struct scc_ids {
	int64_t min;
	int64_t max; /* inclusive */
};

/* One constraint. Lists end with NULL. All borrowed from the table. */
struct scc {
	const char *name;
	int priority;
	bool privileged; /* allowPrivilegedContainer */
	bool host_network;
	bool host_ports;
	bool host_pid;
	bool host_ipc;
	bool no_escalation;  /* allowPrivilegeEscalation: false */
	bool require_userns; /* userNamespaceLevel: RequirePodLevel */
	bool read_only_root;
	enum scc_user user;
	struct scc_ids user_range;
	bool selinux_must; /* MustRunAs, else RunAsAny */
	const char *selinux_type;
	enum scc_group fs_group;
	struct scc_ids fs_group_range;
	enum scc_group groups;
	struct scc_ids groups_range;
	const char *drop[SCC_LIST_MAX];    /* requiredDropCapabilities */
	const char *allow[SCC_LIST_MAX];   /* allowedCapabilities; "*" is any */
	const char *seccomp[SCC_LIST_MAX]; /* seccompProfiles; "*" is any */
	const char *volumes[SCC_LIST_MAX]; /* "*" is any */
	const char *unsafe_sysctls[SCC_LIST_MAX];
	const char *for_groups[SCC_LIST_MAX]; /* who may use it */
};

/* Who asks for a constraint. Made by scc_subject_service_account() or rbac_scc_subject(). */
struct scc_subject {
	char *name;
	char **groups;
	size_t groups_len;
	bool all; /* may use every constraint */
};

struct scc_result {
	const struct scc *scc;
	const char *subject; /* "serviceaccount" or "user" */
};

/* One constraint's opinion, whoever may use it. */
struct scc_review {
	const struct scc *scc;
	bool usable;
	bool allowed;
	struct violations violations;
};

/* The constraints in the order they are tried: priority down, score up, name. */
size_t scc_count(void);
const struct scc *scc_at(size_t i);
const struct scc *scc_find(const char *name); /* NULL when there is none */

/* How much a constraint permits; less is tried first. */
unsigned scc_score(const struct scc *scc);

bool scc_usable(const struct scc *scc, const struct scc_subject *subject);

/* system:serviceaccount:<project>:<account> and its groups. To be freed by scc_subject_done(). */
int scc_subject_service_account(
	struct scc_subject *ret, const char *project, const char *account, struct error *err);
void scc_subject_done(struct scc_subject *subject);

/*
 * Admits 'pod' (defaulted and valid) under the first constraint that lets all its containers in:
 * first those of 'account', then those of 'user' (may be NULL) that the account may not use. That
 * differs from upstream, which sorts both together, so that an administrator's anyuid does not
 * silently win over restricted-v2. openshift.io/required-scc pins one.
 *
 * On success 'pod' has what the constraint sets, and the annotations openshift.io/scc and
 * security.openshift.io/validated-scc-subject-type. On failure 'pod' is untouched; ERR_DENIED, and
 * 'ret_violations' (may be NULL) has every objection, its check the constraint's name.
 */
int scc_admit(const struct scc_subject *account, const struct scc_subject *user,
	const struct project_facts *project, K8sPod *pod, struct scc_result *ret,
	struct violations *ret_violations, struct error *err);

/*
 * Asks every constraint, in order, and changes nothing. The caller frees the array with
 * scc_reviews_free().
 */
int scc_review(const struct scc_subject *account, const struct scc_subject *user,
	const struct project_facts *project, const K8sPod *pod, struct scc_review **ret,
	size_t *ret_len, struct error *err);
void scc_reviews_free(struct scc_review *reviews, size_t n);

#endif
