/*
 * What a container is run with: its environment and its arguments, with $(NAME) replaced as
 * Kubernetes does. For the plan_*.c files only.
 */
#ifndef NODEAGENT_AGENT_PLAN_ENV_H
#define NODEAGENT_AGENT_PLAN_ENV_H

#include "nodeagent/agent/plan.h"

/* The kernel's MAX_ARG_STRLEN without the NUL: longer ones no execve(2) takes. */
#define PLAN_STRING_MAX (128 * 1024 - 1)
/* Arguments and environment together; leaves room below the kernel's 2 MiB of an 8 MiB stack. */
#define PLAN_EXEC_MAX (1024 * 1024)

/*
 * Sets plan->env (HOSTNAME, the image's, the pod's; the last of a name wins), plan->args and
 * plan->cwd. ERR_INVALID, ERR_UNSUPPORTED, ERR_EXHAUSTED name the field.
 */
int plan_env_and_args(const struct plan_node *node, const struct plan_pod *pod,
	const K8sContainer *container, const char *hostname, const struct image *image,
	Bulkhead__V1__ContainerPlan *plan, struct error *err);

#endif
