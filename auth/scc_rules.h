/*
 * What one constraint sets in a pod and what it demands of it: the two halves of scc_admit(). Each
 * field has one row in a table of rules.
 *
 * Closed here though upstream's library has no rule for them: procMount Unmasked and an AppArmor
 * profile Unconfined need a constraint that allows any seccomp profile; a host in a probe or hook
 * needs the host's network. Left open as upstream: runAsGroup (group 0 is what images for arbitrary
 * user ids rely on, and the user namespace makes it nobody's on the host) and
 * supplementalGroupsPolicy (groups of the image are inside the user namespace, too).
 */
#ifndef AUTH_SCC_RULES_H
#define AUTH_SCC_RULES_H

#include "auth/scc.h"

/* Fills in what is unset. Errors: ERR_EXHAUSTED. */
int scc_rules_apply(
	const struct scc *scc, const struct project_facts *project, K8sPod *pod, struct error *err);

/* Adds what is not allowed; check is the constraint's name, code ERR_DENIED. */
void scc_rules_judge(const struct scc *scc, const struct project_facts *project, const K8sPod *pod,
	struct violations *ret);

/* The ranges of a constraint, with the project's block in place of none. Inclusive. */
struct scc_ids scc_user_ids(const struct scc *scc, const struct project_facts *project);
struct scc_ids scc_fs_group_ids(const struct scc *scc, const struct project_facts *project);
struct scc_ids scc_group_ids(const struct scc *scc, const struct project_facts *project);

/* Whether a list that ends with NULL has 'text', or "*". */
bool scc_list_has(const char *const *list, const char *text);

#endif
