/*
 * $(NAME) in arguments and values of the environment (k8s.io/kubernetes third_party/forked/golang/
 * expansion): $$ is a $, what is not defined stays as it is written. For the plan_*.c files only.
 */
#ifndef NODEAGENT_AGENT_PLAN_EXPAND_H
#define NODEAGENT_AGENT_PLAN_EXPAND_H

#include <stddef.h>

#include "lib/error.h"

/* The value of the 'len' bytes at 'name', or NULL. Borrowed. */
typedef const char *(*plan_lookup)(void *user, const char *name, size_t len);

/*
 * The caller owns *ret. ERR_EXHAUSTED: longer than 'max' bytes, which a few lines can reach by
 * naming each other.
 */
int plan_expand(const char *text, plan_lookup lookup, void *user, size_t max, char **ret,
	struct error *err);

#endif
