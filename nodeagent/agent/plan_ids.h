/*
 * Which user ids a pod has and what the kernel makes of them. For the plan_*.c files only.
 */
#ifndef NODEAGENT_AGENT_PLAN_IDS_H
#define NODEAGENT_AGENT_PLAN_IDS_H

#include <stdbool.h>
#include <stdint.h>

#include "nodeagent/agent/plan.h"

#define PLAN_SLICE_SIZE 65536u
#define PLAN_ID_MAX     0x7fffffffu
#define PLAN_ID_ROWS    2

struct plan_id_row {
	uint32_t inside;
	uint32_t outside;
	uint32_t count;
};

/* The pod lives in the node's own user namespace. */
bool plan_host_users(const K8sPod *pod);

/*
 * The pod's slice, and the project's block mapped to itself. Errors: ERR_INTERNAL (no slice was
 * reserved), ERR_INVALID (block and slice overlap).
 */
int plan_id_rows(
	const struct plan_pod *pod, struct plan_id_row ret[PLAN_ID_ROWS], struct error *err);

/*
 * The host's id of an id that 'field' gives. ERR_INVALID names the field and the ids that the pod
 * has.
 */
int plan_id_outside(const struct plan_pod *pod, const char *field, int64_t id, uint32_t *ret,
	struct error *err);

/* Only whether there is one; *ret is the id itself. */
int plan_id_check(const struct plan_pod *pod, const char *field, int64_t id, uint32_t *ret,
	struct error *err);

/* spec.securityContext.fsGroup. False when the pod has none. */
bool plan_fs_group(const K8sPod *pod, int64_t *ret);

#endif
