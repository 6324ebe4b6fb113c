/* What a runtime asks bulkhead-cni by its environment: the verb, and what it is about. Pure. */
#ifndef NETPLUGIN_CNI_ENV_H
#define NETPLUGIN_CNI_ENV_H

#include "netplugin/cni/failure.h"
#include "netplugin/names.h"

#define CNI_PROJECT_MAX 63

enum cni_verb {
	CNI_VERB_ADD,
	CNI_VERB_CHECK,
	CNI_VERB_DEL,
	CNI_VERB_GC,
	CNI_VERB_STATUS,
	CNI_VERB_VERSION,
};

/* Strings are borrowed from the environment, or "" where they are not needed and not given. */
struct cni_env {
	enum cni_verb verb;
	const char *container;
	const char *netns; /* absolute path */
	const char *ifname;
	char project[CNI_PROJECT_MAX + 1]; /* K8S_POD_NAMESPACE of CNI_ARGS; "" */
	char pod[POD_NAME_MAX + 1];        /* K8S_POD_NAME of it; else the container's id */
};

/*
 * 'envp' is as environ(7). Errors: CNI_INVALID_ENVIRONMENT, with the names of all variables that
 * are missing or wrong. CNI_ARGS counts for ADD alone: no other verb needs it, and DEL must not
 * fail.
 */
int cni_env_parse(struct cni_env *ret, const char *const *envp, struct failure *failure);

#endif
