#include "nodeagent/agent/quotas.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/pod_view.h"
#include "lib/cleanup.h"
#include "nodeagent/agent/cgroup_path.h"
#include "nodeagent/agent/cluster.h"
#include "nodeagent/agent/plan_resources.h"
#include "nodeagent/agent/scopes.h"

/* What was written for a project last. */
struct applied {
	struct applied *next;
	char *project;
	struct quota limits;
};

struct quotas {
	struct agent *agent;
	struct applied *first;
};

int quotas_new(struct quotas **ret, struct agent *agent, struct error *err)
{
	*ret = calloc(1, sizeof(**ret));
	if (!*ret)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot hold quotas");
	(*ret)->agent = agent;
	return 0;
}

void quotas_free(struct quotas *quotas)
{
	while (quotas && quotas->first) {
		struct applied *next = quotas->first->next;

		free(quotas->first->project);
		free(quotas->first);
		quotas->first = next;
	}
	free(quotas);
}

int quota_row(const char *row, char name[254], struct quota *ret, struct error *err)
{
	size_t len = strcspn(row, " ");

	if (!row[len] || len >= 254)
		return error_set(err, ERR_INTERNAL, 0, "'%.64s' is no quota", row);
	memcpy(name, row, len);
	name[len] = '\0';
	return quota_parse(row + len + 1, "hard", ret, err);
}

/* ---- admission ----------------------------------------------------------------------------- */

static bool counts(const struct pod *pod)
{
	return !pod->done && pod->state != POD_RETIRING && pod->state != POD_ENDED &&
	       pod->state != POD_REMOVED;
}

static int64_t sum(int64_t a, int64_t b)
{
	int64_t n;

	return __builtin_add_overflow(a, b, &n) ? INT64_MAX : n;
}

/* 'r' as a quota's resources. */
static void resources_take(const struct plan_resources *r, int64_t ret[QUOTA_RESOURCES])
{
	ret[QUOTA_LIMITS_CPU] = r->limit[PLAN_CPU];
	ret[QUOTA_LIMITS_MEMORY] = r->limit[PLAN_MEMORY];
	ret[QUOTA_REQUESTS_CPU] = r->request[PLAN_CPU];
	ret[QUOTA_REQUESTS_MEMORY] = r->request[PLAN_MEMORY];
	ret[QUOTA_PODS] = 1;
	ret[QUOTA_PIDS] = ret[QUOTA_INGRESS] = ret[QUOTA_EGRESS] = 0;
}

void quotas_used(const struct pods *pods, const char *project, int64_t ret[QUOTA_RESOURCES])
{
	memset(ret, 0, QUOTA_RESOURCES * sizeof(*ret));
	for (const struct pod *pod = pods->first; pod; pod = pod->next) {
		struct plan_resources r = { 0 };
		int64_t one[QUOTA_RESOURCES];

		if (!counts(pod) || strcmp(pod->subject.project, project) != 0)
			continue;
		/* What it declares was read when it was admitted. */
		plan_resources_pod(view_spec(pod->object), &r, NULL);
		resources_take(&r, one);
		for (size_t i = 0; i < QUOTA_RESOURCES; i++)
			ret[i] = sum(ret[i], one[i]);
	}
}

static int declared_note(const K8sPodSpec *spec, K8sContainer *const *list, size_t n,
	bool declared[QUOTA_RESOURCES], struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		struct plan_resources r = { 0 };
		int64_t one[QUOTA_RESOURCES];

		if (plan_resources_of(spec, list[i], &r, err) < 0)
			return -1;
		resources_take(&r, one);
		for (size_t k = 0; k < QUOTA_PODS; k++)
			declared[k] = declared[k] && one[k] != 0;
	}
	return 0;
}

int quotas_admit(const struct pods *pods, const K8sPod *pod, struct error *err)
{
	const char *project = pod->metadata->namespace_;
	const Bulkhead__V1__ClusterProject *row = cluster_project(pods->agent->cluster, project);
	const K8sPodSpec *spec = view_spec(pod);
	int64_t used[QUOTA_RESOURCES];
	int64_t asked[QUOTA_RESOURCES];
	bool declared[QUOTA_RESOURCES];
	struct plan_resources r = { 0 };

	if (!row || row->n_quotas == 0)
		return 0;
	memset(declared, true, sizeof(declared));
	if (plan_resources_pod(spec, &r, err) < 0 ||
		declared_note(spec, spec->containers, spec->n_containers, declared, err) < 0 ||
		declared_note(spec, spec->initcontainers, spec->n_initcontainers, declared, err) <
			0)
		return -1;
	resources_take(&r, asked);
	quotas_used(pods, project, used);
	for (size_t i = 0; i < row->n_quotas; i++) {
		char name[254];
		struct quota quota;

		if (quota_row(row->quotas[i], name, &quota, err) < 0)
			return -1;
		if (quota_check(name, &quota, used, asked, declared, err) < 0)
			return error_prefix(
				err, "pods \"%.253s\" is forbidden", pod->metadata->name);
	}
	return 0;
}

/* ---- the kernel's part --------------------------------------------------------------------- */

/* The least of all of a project's quotas, of the resources in 'kept'. */
static void merge_of(const Bulkhead__V1__ClusterProject *row, const enum quota_resource *kept,
	size_t len, struct quota *ret)
{
	*ret = (struct quota){ 0 };
	for (size_t i = 0; i < row->n_quotas; i++) {
		char name[254];
		struct quota q;

		if (quota_row(row->quotas[i], name, &q, NULL) < 0)
			continue;
		for (size_t k = 0; k < len; k++) {
			enum quota_resource r = kept[k];

			if (!q.set[r] || (ret->set[r] && ret->hard[r] <= q.hard[r]))
				continue;
			ret->set[r] = true;
			ret->hard[r] = q.hard[r];
		}
	}
}

/* Of what a cgroup can keep. */
static void merge(const Bulkhead__V1__ClusterProject *row, struct quota *ret)
{
	static const enum quota_resource kept[] = { QUOTA_LIMITS_CPU, QUOTA_LIMITS_MEMORY,
		QUOTA_PIDS };

	merge_of(row, kept, ARRAY_LEN(kept), ret);
}

void quotas_bandwidth(const Bulkhead__V1__ClusterProject *row, struct bandwidth *ret)
{
	static const enum quota_resource kept[] = { QUOTA_INGRESS, QUOTA_EGRESS };
	struct quota least;

	merge_of(row, kept, ARRAY_LEN(kept), &least);
	ret->rate[BANDWIDTH_INGRESS] = (uint64_t)least.hard[QUOTA_INGRESS];
	ret->rate[BANDWIDTH_EGRESS] = (uint64_t)least.hard[QUOTA_EGRESS];
}

static bool is_none(const struct quota *q)
{
	return !q->set[QUOTA_LIMITS_CPU] && !q->set[QUOTA_LIMITS_MEMORY] && !q->set[QUOTA_PIDS];
}

static bool same(const struct quota *a, const struct quota *b)
{
	for (size_t i = 0; i < QUOTA_RESOURCES; i++) {
		if (a->set[i] != b->set[i] || a->hard[i] != b->hard[i])
			return false;
	}
	return true;
}

static int write_group(
	const struct agent *agent, const char *project, const struct quota *q, struct error *err)
{
	struct cgroup_limits limits = {
		.cpu_quota_us = q->hard[QUOTA_LIMITS_CPU] * (PLAN_PERIOD_US / 1000),
		.cpu_period_us = PLAN_PERIOD_US,
		.memory_max = (uint64_t)q->hard[QUOTA_LIMITS_MEMORY],
		.pids_max = (uint64_t)q->hard[QUOTA_PIDS],
	};
	char path[CGROUP_PATH_SIZE];
	struct cgroup cgroup;
	int r;

	cgroup_path_project(agent->config, project, path);
	/* One that never was limited need not be made. */
	if (is_none(q) && cgroup_find(&cgroup, &agent->cgroups, path) == 0) {
		cgroup_done(&cgroup);
		return 0;
	}
	if (is_none(q))
		cgroup_done(&cgroup);
	if (cgroup_make(&cgroup, &agent->cgroups, path, 1, err) < 0)
		return -1;
	r = cgroup_limit_replace(&cgroup, &limits, err);
	cgroup_done(&cgroup);
	return r;
}

static int write_slice(
	const struct agent *agent, const char *project, const struct quota *q, struct error *err)
{
	char unit[CGROUP_UNIT_SIZE];
	const struct slice_limits limits = {
		.cpu_usec = q->set[QUOTA_LIMITS_CPU] ? (uint64_t)q->hard[QUOTA_LIMITS_CPU] * 1000
						     : UINT64_MAX,
		.memory = q->set[QUOTA_LIMITS_MEMORY] ? (uint64_t)q->hard[QUOTA_LIMITS_MEMORY]
						      : UINT64_MAX,
		.tasks = q->set[QUOTA_PIDS] ? (uint64_t)q->hard[QUOTA_PIDS] : UINT64_MAX,
	};

	cgroup_unit_slice(agent->config, project, unit);
	return scopes_limit_slice(agent->scopes, unit, &limits, err);
}

static struct applied *applied_find(struct quotas *quotas, const char *project)
{
	struct applied *a = quotas->first;

	while (a && strcmp(a->project, project) != 0)
		a = a->next;
	return a;
}

static void apply(struct quotas *quotas, const char *project, const struct quota *limits)
{
	const struct agent *agent = quotas->agent;
	struct applied *a = applied_find(quotas, project);
	struct error err = { 0 };

	if (a && same(&a->limits, limits))
		return;
#ifdef BULKHEAD_WEAK_PROJECT_GROUP
	if (!is_none(limits))
		return;
#endif
	/* Who never had one is not told so by systemd's runtime files. */
	if (!a && agent->scopes && is_none(limits))
		return;
	if ((agent->scopes ? write_slice(agent, project, limits, &err)
			   : write_group(agent, project, limits, &err)) < 0) {
		log_warning(
			"the quota of project '%s' is not in its cgroup: %s", project, err.text);
		return;
	}
	if (!a) {
		a = calloc(1, sizeof(*a));
		if (!a || !(a->project = strdup(project))) {
			free(a);
			return;
		}
		a->next = quotas->first;
		quotas->first = a;
	}
	a->limits = *limits;
}

void quotas_kick(struct quotas *quotas)
{
	const struct cluster *cluster = quotas->agent->cluster;
	const Bulkhead__V1__ClusterProject *row;

	for (size_t i = 0; (row = cluster_project_at(cluster, i)); i++) {
		struct quota limits;

		merge(row, &limits);
		apply(quotas, row->name, &limits);
	}
}
