/*
 * The downward API: what a pod may be told about itself. For the plan_*.c files only.
 *
 * Source: pkg/fieldpath and pkg/api/v1/resource upstream.
 */
#ifndef NODEAGENT_AGENT_PLAN_FIELD_H
#define NODEAGENT_AGENT_PLAN_FIELD_H

#include "nodeagent/agent/plan.h"

/* Where the value goes: not everything may go everywhere. */
enum plan_field_use {
	PLAN_FIELD_ENV,
	PLAN_FIELD_VOLUME,
};

/*
 * The value of a fieldRef's path ("metadata.labels['app']"); the caller owns *ret. Errors do not
 * name the field that refers: ERR_INVALID (not a path that is served there), ERR_UNAVAILABLE (the
 * pod has no address yet).
 */
int plan_field_get(const struct plan_node *node, const struct plan_pod *pod,
	enum plan_field_use use, const char *path, char **ret, struct error *err);

/*
 * The value of a resourceFieldRef, rounded up to its divisor; the caller owns *ret. 'self' is the
 * container that refers, NULL in a volume.
 */
int plan_resource_field_get(const struct plan_node *node, const K8sPodSpec *spec,
	const K8sContainer *self, const K8sResourceFieldSelector *selector, char **ret,
	struct error *err);

#endif
