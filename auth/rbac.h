/*
 * Who may do what: the groups in a client certificate decide. There are no stored roles yet.
 *
 *   system:masters                everything
 *   bulkhead:project:<p>:edit     pods, logs, exec, secrets and network policies of project <p>
 *   bulkhead:project:<p>:view     the same, only looking (no exec)
 */
#ifndef AUTH_RBAC_H
#define AUTH_RBAC_H

#include <stddef.h>

#include "auth/scc.h"
#include "lib/error.h"

#define RBAC_JOINERS       "system:joiners" /* machines with a token: may become a node */
#define RBAC_JOIN_PREFIX   "system:join:"   /* their names: and the node's */
#define RBAC_MASTERS       "system:masters"
#define RBAC_AUTHENTICATED "system:authenticated"
#define RBAC_GROUP_PREFIX  "bulkhead:project:"

/* Borrowed; the pointers of a Bulkhead__V1__Principal fit. */
struct principal {
	const char *name;
	char *const *groups;
	size_t groups_len;
};

/*
 * Verbs: get list watch create update delete. Resources: pods pods/log pods/exec secrets
 * networkpolicies projects nodes images; reviewing a pod is create of pods/review. 'project' is
 * NULL for what belongs to none (projects, nodes, images) and for all projects at once.
 *
 * -1 with ERR_DENIED: user "x" may not create pods in project "red". The text is the same whether
 * the project or the object exists. A verb or resource not listed here is denied to all but
 * masters.
 */
int rbac_authorize(const struct principal *principal, const char *verb, const char *resource,
	const char *project, struct error *err);

/*
 * The group that allows it, for the audit record: borrowed from 'principal'. NULL when it is
 * denied.
 */
const char *rbac_rule(const struct principal *principal, const char *verb, const char *resource,
	const char *project);

/*
 * The principal as one that may use constraints: with system:authenticated it has restricted-v2
 * and -v3, a master has all. To be freed by scc_subject_done().
 */
int rbac_scc_subject(const struct principal *principal, struct scc_subject *ret, struct error *err);

#endif
