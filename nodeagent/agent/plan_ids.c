#include "nodeagent/agent/plan_ids.h"

#include <inttypes.h>

#include "auth/pod_view.h"
#include "lib/cleanup.h"

bool plan_host_users(const K8sPod *pod)
{
	const K8sPodSpec *spec = view_spec(pod);

	return !spec->has_hostusers || spec->hostusers;
}

static bool overlap(uint32_t a, uint32_t a_count, uint32_t b, uint32_t b_count)
{
	return a < (uint64_t)b + b_count && b < (uint64_t)a + a_count;
}

int plan_id_rows(
	const struct plan_pod *pod, struct plan_id_row ret[PLAN_ID_ROWS], struct error *err)
{
	const struct project_range *block = &pod->project.uids;

	if (pod->slice == 0)
		return error_set(err, ERR_INTERNAL, 0, "the pod has no slice of user ids");
	if (block->size == 0 || overlap(block->start, block->size, 0, PLAN_SLICE_SIZE) ||
		overlap(block->start, block->size, pod->slice, PLAN_SLICE_SIZE))
		return error_set(err, ERR_INVALID, 0,
			"project '%s': its uid range %" PRIu32 "/%" PRIu32
			" overlaps the ids 0-65535 or the pod's slice %" PRIu32
			"/65536; give the project another range, or the node another usernsStart",
			pod->project.name, block->start, block->size, pod->slice);
	ret[0] = (struct plan_id_row){ 0, pod->slice, PLAN_SLICE_SIZE };
	ret[1] = (struct plan_id_row){ block->start, block->start, block->size };
	return 0;
}

int plan_id_outside(
	const struct plan_pod *pod, const char *field, int64_t id, uint32_t *ret, struct error *err)
{
	struct plan_id_row rows[PLAN_ID_ROWS];

	if (id < 0 || id > PLAN_ID_MAX)
		return error_set(err, ERR_INVALID, 0, "%s: %" PRId64 " is not in 0-%u", field, id,
			PLAN_ID_MAX);
	if (plan_host_users(pod->pod)) {
		*ret = (uint32_t)id;
		return 0;
	}
	if (plan_id_rows(pod, rows, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (id >= rows[i].inside && id - rows[i].inside < rows[i].count) {
			*ret = rows[i].outside + (uint32_t)(id - rows[i].inside);
			return 0;
		}
	}
	return error_set(err, ERR_INVALID, 0,
		"%s: %" PRId64 " does not exist in the pod's user namespace; use 0-65535 or one of "
		"the project's %" PRIu32 "-%" PRIu32,
		field, id, rows[1].inside, rows[1].inside + rows[1].count - 1);
}

int plan_id_check(
	const struct plan_pod *pod, const char *field, int64_t id, uint32_t *ret, struct error *err)
{
	uint32_t outside;

	if (plan_id_outside(pod, field, id, &outside, err) < 0)
		return -1;
	*ret = (uint32_t)id;
	return 0;
}

bool plan_fs_group(const K8sPod *pod, int64_t *ret)
{
	const K8sPodSecurityContext *security = view_spec(pod)->securitycontext;

	if (!security || !security->has_fsgroup)
		return false;
	*ret = security->fsgroup;
	return true;
}
