/*
 * Whether a plan can be carried out as it says, before anything is done. The agent decided what is
 * allowed; here only what would be half-done, or would leave the pod's own files, is refused.
 */
#ifndef NODEAGENT_SHIM_PLAN_CHECK_H
#define NODEAGENT_SHIM_PLAN_CHECK_H

#include <stdint.h>

#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/error.h"
#include "nodeagent/shim/id_map.h"

#define PLAN_LAYERS_MAX  128
#define PLAN_MOUNTS_MAX  128
#define PLAN_PATHS_MAX   8448 /* one mask a CPU of the largest machine, and others */
#define PLAN_ARGS_MAX    65536
#define PLAN_REQUEST_MAX 16384 /* of an HTTP probe */

struct sandbox;

/* Checks a plan and fills the (empty) map from it. Errors: ERR_INVALID, ERR_UNSUPPORTED. */
int plan_check_sandbox(
	const Bulkhead__V1__SandboxPlan *plan, struct id_map *map, struct error *err);

/* Checks against the sandbox's volumes too; *ret_caps is the capability set as bits. */
int plan_check_container(const Bulkhead__V1__ContainerPlan *plan, const struct sandbox *sandbox,
	uint64_t *ret_caps, struct error *err);

int plan_check_exec(const Bulkhead__V1__ExecPlan *plan, struct error *err);

#endif
