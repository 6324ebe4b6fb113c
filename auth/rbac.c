#include "auth/rbac.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

enum role {
	ROLE_VIEW = 1,
	ROLE_EDIT = 2,
};

/* What the two roles of a project may do; masters may do everything. */
struct rule {
	const char *resource;
	const char *verb;
	unsigned roles;
};

static const struct rule rules[] = {
	{ "pods", "get", ROLE_VIEW | ROLE_EDIT },
	{ "pods", "list", ROLE_VIEW | ROLE_EDIT },
	{ "pods", "watch", ROLE_VIEW | ROLE_EDIT },
	{ "pods", "create", ROLE_EDIT },
	{ "pods", "update", ROLE_EDIT },
	{ "pods", "delete", ROLE_EDIT },
	{ "pods/log", "get", ROLE_VIEW | ROLE_EDIT },
	{ "pods/exec", "create", ROLE_EDIT },
	{ "pods/ephemeralcontainers", "update", ROLE_EDIT },
	{ "pods/review", "create", ROLE_VIEW | ROLE_EDIT },
	{ "secrets", "get", ROLE_VIEW | ROLE_EDIT }, /* names and sizes; content has no call */
	{ "secrets", "list", ROLE_VIEW | ROLE_EDIT },
	{ "secrets", "create", ROLE_EDIT },
	{ "secrets", "update", ROLE_EDIT },
	{ "secrets", "delete", ROLE_EDIT },
	{ "networkpolicies", "get", ROLE_VIEW | ROLE_EDIT },
	{ "networkpolicies", "list", ROLE_VIEW | ROLE_EDIT },
	{ "networkpolicies", "create", ROLE_EDIT },
	{ "networkpolicies", "update", ROLE_EDIT },
	{ "networkpolicies", "delete", ROLE_EDIT },
	{ "egressnetworkpolicies", "get", ROLE_VIEW | ROLE_EDIT }, /* set by administrators */
	{ "egressnetworkpolicies", "list", ROLE_VIEW | ROLE_EDIT },
	{ "resourcequotas", "get", ROLE_VIEW | ROLE_EDIT }, /* set by the node's administrators */
	{ "resourcequotas", "list", ROLE_VIEW | ROLE_EDIT },
};

static const char *group_of(const struct principal *principal, const char *group)
{
	for (size_t i = 0; i < principal->groups_len; i++) {
		if (strcmp(principal->groups[i], group) == 0)
			return principal->groups[i];
	}
	return NULL;
}

/* bulkhead:project:<project>:<role>, compared part by part: a project's name may be anything. */
static const char *role_of(const struct principal *principal, const char *project, const char *role)
{
	size_t prefix = strlen(RBAC_GROUP_PREFIX);
	size_t len = strlen(project);

	for (size_t i = 0; i < principal->groups_len; i++) {
		const char *group = principal->groups[i];

		if (strncmp(group, RBAC_GROUP_PREFIX, prefix) == 0 &&
			strncmp(group + prefix, project, len) == 0 && group[prefix + len] == ':' &&
			strcmp(group + prefix + len + 1, role) == 0)
			return group;
	}
	return NULL;
}

static unsigned roles_that_may(const char *verb, const char *resource)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		if (strcmp(rules[i].resource, resource) == 0 && strcmp(rules[i].verb, verb) == 0)
			return rules[i].roles;
	}
	return 0;
}

const char *rbac_rule(const struct principal *principal, const char *verb, const char *resource,
	const char *project)
{
	const char *group = group_of(principal, RBAC_MASTERS);
	unsigned roles = roles_that_may(verb, resource);

	if (!principal->name || !*principal->name)
		return NULL;
	if (group)
		return group;
	/* A ':' in a project's name could pose as another project's role. */
	if (!project && strcmp(resource, "nodes") == 0 && strcmp(verb, "create") == 0)
		return group_of(principal, RBAC_JOINERS);
	if (!project || !*project || strchr(project, ':'))
		return NULL;
	if (roles & ROLE_VIEW)
		group = role_of(principal, project, "view");
	if (!group && (roles & ROLE_EDIT))
		group = role_of(principal, project, "edit");
	return group;
}

int rbac_authorize(const struct principal *principal, const char *verb, const char *resource,
	const char *project, struct error *err)
{
	const char *name = principal->name ? principal->name : "";

	if (rbac_rule(principal, verb, resource, project))
		return 0;
	if (project && *project)
		return error_set(err, ERR_DENIED, 0,
			"user \"%.253s\" may not %s %s in project \"%.253s\"", name, verb, resource,
			project);
	return error_set(err, ERR_DENIED, 0, "user \"%.253s\" may not %s %s", name, verb, resource);
}

int rbac_scc_subject(const struct principal *principal, struct scc_subject *ret, struct error *err)
{
	struct scc_subject s = { 0 };

	s.groups = calloc(principal->groups_len + 1, sizeof(*s.groups));
	s.name = strdup(principal->name ? principal->name : "");
	if (!s.groups || !s.name)
		goto no_memory;
	for (size_t i = 0; i <= principal->groups_len; i++) {
		bool own = i < principal->groups_len;

		s.groups[i] = strdup(own ? principal->groups[i] : RBAC_AUTHENTICATED);
		s.groups_len = i + 1;
		if (!s.groups[i])
			goto no_memory;
	}
	s.all = group_of(principal, RBAC_MASTERS) != NULL;
	*ret = s;
	return 0;
no_memory:
	scc_subject_done(&s);
	return error_set(err, ERR_EXHAUSTED, 0, "no memory for a user");
}
