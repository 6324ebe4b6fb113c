#include "nodeagent/agent/plan_storage.h"

#include <string.h>

#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "nodeagent/agent/plan_resources.h"
#include "nodeagent/agent/plan_text.h"
#include "nodeagent/agent/plan_volumes.h"

#define LIMITED_DESC (&bulkhead__v1__limited_volume__descriptor)
#define RESOURCE     "ephemeral-storage"

struct storage_sum {
	int64_t total;            /* of those that run together */
	int64_t most;             /* of an init container */
	bool limited;             /* one has a limit */
	const K8sContainer *open; /* the first that has none */
};

/* Roots and emptyDirs of all containers are one file system, so that all have a limit or none. */
static int total_add(const K8sPodSpec *spec, K8sContainer *const *list, size_t n, bool at_a_time,
	struct storage_sum *sum, struct error *err)
{
	char field[PLAN_FIELD_SIZE];

	for (size_t i = 0; i < n; i++) {
		int64_t limit = 0;

		if (plan_resource_get(spec, list[i], true, RESOURCE, &limit, err) < 0)
			return -1;
		if (limit && (limit < PLAN_STORAGE_MIN || limit > PLAN_STORAGE_MAX))
			return error_set(err, ERR_INVALID, 0,
				"%s.resources.limits['" RESOURCE "']: must be 1Mi to 8Ti",
				plan_container_field(spec, list[i], field));
		sum->limited = sum->limited || limit;
		if (!limit && !sum->open)
			sum->open = list[i];
		if (at_a_time)
			sum->most = limit > sum->most ? limit : sum->most;
		else if (__builtin_add_overflow(sum->total, limit, &sum->total))
			sum->total = PLAN_STORAGE_MAX;
	}
	return 0;
}

static int pod_total(const K8sPodSpec *spec, uint64_t *ret, struct error *err)
{
	struct storage_sum sum = { 0 };
	char field[PLAN_FIELD_SIZE];

	if (total_add(spec, spec->containers, spec->n_containers, false, &sum, err) < 0 ||
		total_add(spec, spec->initcontainers, spec->n_initcontainers, true, &sum, err) < 0)
		return -1;
	if (sum.limited && sum.open)
		return error_set(err, ERR_INVALID, 0,
			"%s.resources.limits['" RESOURCE "']: is not set, but another container's "
			"is; the pod's containers share the sum: set it for each or for none",
			plan_container_field(spec, sum.open, field));
	*ret = (uint64_t)(sum.most > sum.total ? sum.most : sum.total);
	if (*ret > (uint64_t)PLAN_STORAGE_MAX)
		*ret = (uint64_t)PLAN_STORAGE_MAX;
	return 0;
}

static int volume_add(
	const K8sPodSpec *spec, size_t i, Bulkhead__V1__SandboxPlan *plan, struct error *err)
{
	Bulkhead__V1__LimitedVolume *row;
	int64_t limit;

	if (plan_size_limit(spec->volumes[i], &limit, err) < 0)
		return error_prefix(err, "spec.volumes[%zu]", i);
	if (limit == 0)
		return 0;
	if (limit < PLAN_STORAGE_MIN || limit > PLAN_STORAGE_MAX)
		return error_set(err, ERR_INVALID, 0,
			"spec.volumes[%zu].emptyDir.sizeLimit: must be 1Mi to 8Ti", i);
	if (plan->n_limited_volumes == PLAN_LIMITED_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"spec.volumes[%zu].emptyDir.sizeLimit: a pod has at most %d of them on "
			"disk",
			i, PLAN_LIMITED_MAX);
	row = edit_append(&plan->limited_volumes, &plan->n_limited_volumes, LIMITED_DESC, err);
	if (!row || edit_string(&row->name, spec->volumes[i]->name, err) < 0)
		return -1;
	row->size = (uint64_t)limit;
	return 0;
}

int plan_storage(const K8sPodSpec *spec, Bulkhead__V1__SandboxPlan *plan, struct error *err)
{
	if (pod_total(spec, &plan->storage, err) < 0)
		return -1;
	for (size_t i = 0; i < spec->n_volumes; i++) {
		if (plan_volume_kind(spec->volumes[i]) == PLAN_VOLUME_DISK &&
			volume_add(spec, i, plan, err) < 0)
			return -1;
	}
	return 0;
}
