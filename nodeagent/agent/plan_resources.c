#include "nodeagent/agent/plan_resources.h"

#include <string.h>

#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "lib/cleanup.h"
#include "nodeagent/agent/plan_text.h"
#include "proto/quantity.h"

#define LIMITS_DESC (&bulkhead__v1__cgroup_limits__descriptor)

static const char *const names[PLAN_RESOURCES] = { "cpu", "memory" };

bool plan_is_sidecar(const K8sContainer *container)
{
	return container->restartpolicy && strcmp(container->restartpolicy, "Always") == 0;
}

static const char *find(const K8sResourceRequirements *r, bool limit, const char *name)
{
	for (size_t i = 0; r && limit && i < r->n_limits; i++) {
		if (strcmp(plan_or_empty(r->limits[i]->key), name) == 0 && r->limits[i]->value)
			return r->limits[i]->value->string;
	}
	for (size_t i = 0; r && !limit && i < r->n_requests; i++) {
		if (strcmp(plan_or_empty(r->requests[i]->key), name) == 0 && r->requests[i]->value)
			return r->requests[i]->value->string;
	}
	return NULL;
}

int plan_resource_get(const K8sPodSpec *spec, const K8sContainer *container, bool limit,
	const char *name, int64_t *ret, struct error *err)
{
	const char *text = find(container->resources, limit, name);
	char field[PLAN_FIELD_SIZE];
	int64_t value = 0;
	int n = 0;

	if (text && strcmp(name, names[PLAN_CPU]) == 0)
		n = quantity_milli(text, &value, err);
	else if (text)
		n = quantity_units(text, &value, err);
	if (n == 0 && value < 0)
		n = error_set(err, ERR_INVALID, 0, "'%.64s' is negative", text);
	if (n < 0)
		return error_prefix(err, "%s.resources.%s['%.64s']",
			plan_container_field(spec, container, field), limit ? "limits" : "requests",
			name);
	*ret = value;
	return 0;
}

int plan_resources_of(const K8sPodSpec *spec, const K8sContainer *container,
	struct plan_resources *ret, struct error *err)
{
	for (size_t i = 0; i < PLAN_RESOURCES; i++) {
		if (plan_resource_get(spec, container, false, names[i], &ret->request[i], err) <
				0 ||
			plan_resource_get(spec, container, true, names[i], &ret->limit[i], err) < 0)
			return -1;
	}
	return 0;
}

static void add(int64_t *to, int64_t value)
{
	if (__builtin_add_overflow(*to, value, to))
		*to = INT64_MAX;
}

static void resources_add(struct plan_resources *to, const struct plan_resources *from)
{
	for (size_t i = 0; i < PLAN_RESOURCES; i++) {
		add(&to->request[i], from->request[i]);
		add(&to->limit[i], from->limit[i]);
	}
}

static void resources_max(struct plan_resources *to, const struct plan_resources *from)
{
	for (size_t i = 0; i < PLAN_RESOURCES; i++) {
		if (from->request[i] > to->request[i])
			to->request[i] = from->request[i];
		if (from->limit[i] > to->limit[i])
			to->limit[i] = from->limit[i];
	}
}

struct pod_sum {
	struct plan_resources running; /* containers and sidecars */
	struct plan_resources sidecars;
	struct plan_resources starting; /* most that an init container needs, with the sidecars */
	bool unlimited[PLAN_RESOURCES];
};

static void note_unlimited(struct pod_sum *sum, const struct plan_resources *r)
{
	for (size_t i = 0; i < PLAN_RESOURCES; i++)
		sum->unlimited[i] = sum->unlimited[i] || r->limit[i] == 0;
}

static int sum_init(const K8sPodSpec *spec, struct pod_sum *sum, struct error *err)
{
	for (size_t i = 0; i < spec->n_initcontainers; i++) {
		const K8sContainer *c = spec->initcontainers[i];
		struct plan_resources r = { 0 };

		if (plan_resources_of(spec, c, &r, err) < 0)
			return -1;
		note_unlimited(sum, &r);
		if (plan_is_sidecar(c)) {
			resources_add(&sum->sidecars, &r);
			r = sum->sidecars;
		} else {
			resources_add(&r, &sum->sidecars);
		}
		resources_max(&sum->starting, &r);
	}
	return 0;
}

int plan_resources_pod(const K8sPodSpec *spec, struct plan_resources *ret, struct error *err)
{
	struct pod_sum sum = { 0 };

	if (sum_init(spec, &sum, err) < 0)
		return -1;
	sum.running = sum.sidecars;
	for (size_t i = 0; i < spec->n_containers; i++) {
		struct plan_resources r = { 0 };

		if (plan_resources_of(spec, spec->containers[i], &r, err) < 0)
			return -1;
		note_unlimited(&sum, &r);
		resources_add(&sum.running, &r);
	}
	resources_max(&sum.running, &sum.starting);
	for (size_t i = 0; i < PLAN_RESOURCES; i++) {
		if (sum.unlimited[i])
			sum.running.limit[i] = 0;
	}
	*ret = sum.running;
	return 0;
}

static uint64_t shares_of(int64_t millis)
{
	if (millis >= PLAN_SHARES_MAX / 1024 * 1000)
		return PLAN_SHARES_MAX;
	millis = millis * 1024 / 1000;
	return millis < PLAN_SHARES_MIN ? PLAN_SHARES_MIN : (uint64_t)millis;
}

static int64_t quota_of(int64_t millis)
{
	if (millis >= PLAN_QUOTA_MAX_US / (PLAN_PERIOD_US / 1000))
		return PLAN_QUOTA_MAX_US;
	millis *= PLAN_PERIOD_US / 1000;
	return millis < PLAN_QUOTA_MIN_US ? PLAN_QUOTA_MIN_US : millis;
}

static int limits_make(const struct plan_resources *r, uint64_t pids,
	Bulkhead__V1__CgroupLimits **ret, struct error *err)
{
	Bulkhead__V1__CgroupLimits *limits = NULL;

	if (edit_message(&limits, LIMITS_DESC, err) < 0)
		return -1;
	limits->cpu_shares =
		shares_of(r->request[PLAN_CPU] ? r->request[PLAN_CPU] : r->limit[PLAN_CPU]);
	if (r->limit[PLAN_CPU]) {
		limits->cpu_quota_us = quota_of(r->limit[PLAN_CPU]);
		limits->cpu_period_us = PLAN_PERIOD_US;
	}
	limits->memory_max = (uint64_t)r->limit[PLAN_MEMORY];
	limits->pids_max = pids;
	*ret = limits;
	return 0;
}

int plan_limits_container(const K8sPodSpec *spec, const K8sContainer *container,
	Bulkhead__V1__CgroupLimits **ret, struct error *err)
{
	struct plan_resources r;

	if (plan_resources_of(spec, container, &r, err) < 0)
		return -1;
	return limits_make(&r, 0, ret, err);
}

int plan_limits_pod(const K8sPodSpec *spec, Bulkhead__V1__CgroupLimits **ret, struct error *err)
{
	struct plan_resources r;

	if (plan_resources_pod(spec, &r, err) < 0)
		return -1;
	return limits_make(&r, PLAN_PIDS_MAX, ret, err);
}

/* What a pod counts for its quality of service: everything, init containers too. */
struct qos_sum {
	struct plan_resources sum;
	bool unlimited;
};

static void qos_add(const K8sPodSpec *spec, K8sContainer *const *list, size_t n, struct qos_sum *q)
{
	for (size_t i = 0; i < n; i++) {
		struct plan_resources r = { 0 };

		/* A quantity that cannot be read was refused before; here it counts for nothing. */
		plan_resources_of(spec, list[i], &r, NULL);
		for (size_t k = 0; k < PLAN_RESOURCES; k++)
			q->unlimited = q->unlimited || r.limit[k] == 0;
		resources_add(&q->sum, &r);
	}
}

const char *plan_qos(const K8sPod *pod)
{
	const K8sPodSpec *spec = view_spec(pod);
	struct qos_sum q = { 0 };
	bool any = false;
	bool equal = true;

	qos_add(spec, spec->initcontainers, spec->n_initcontainers, &q);
	qos_add(spec, spec->containers, spec->n_containers, &q);
	for (size_t i = 0; i < PLAN_RESOURCES; i++) {
		any = any || q.sum.request[i] || q.sum.limit[i];
		equal = equal && q.sum.request[i] == q.sum.limit[i];
	}
	if (!any)
		return "BestEffort";
	return !q.unlimited && equal ? "Guaranteed" : "Burstable";
}

static int burstable_score(const struct plan_node *node, const K8sPodSpec *spec,
	const K8sContainer *container, int32_t *ret, struct error *err)
{
	int64_t request;
	__int128 score;

	if (plan_resource_get(spec, container, false, names[PLAN_MEMORY], &request, err) < 0)
		return -1;
	score = 1000;
	if (node->memory_bytes > 0)
		score -= (__int128)1000 * request / node->memory_bytes;
	/* Never as safe as a guaranteed pod, never as doomed as one that asks for nothing. */
	if (score < 1000 + PLAN_OOM_GUARANTEED)
		score = 1000 + PLAN_OOM_GUARANTEED;
	if (score >= PLAN_OOM_BEST_EFFORT)
		score = PLAN_OOM_BEST_EFFORT - 1;
	*ret = (int32_t)score;
	return 0;
}

int plan_oom_score_adj(const struct plan_node *node, const K8sPod *pod,
	const K8sContainer *container, int32_t *ret, struct error *err)
{
	const K8sPodSpec *spec = view_spec(pod);
	const char *qos = plan_qos(pod);
	int32_t score;

	if (strcmp(qos, "Burstable") != 0) {
		*ret = strcmp(qos, "Guaranteed") == 0 ? PLAN_OOM_GUARANTEED : PLAN_OOM_BEST_EFFORT;
		return 0;
	}
	if (burstable_score(node, spec, container, &score, err) < 0)
		return -1;
	/* A sidecar must not go before what it serves. */
	for (size_t i = 0; plan_is_sidecar(container) && i < spec->n_containers; i++) {
		int32_t other;

		if (burstable_score(node, spec, spec->containers[i], &other, err) < 0)
			return -1;
		score = other < score ? other : score;
	}
	*ret = score;
	return 0;
}
