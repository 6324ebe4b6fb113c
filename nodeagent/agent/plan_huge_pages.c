#include "nodeagent/agent/plan_huge_pages.h"

#include <stdio.h>
#include <string.h>

#include "auth/pod_edit.h"
#include "nodeagent/agent/plan_resources.h"
#include "nodeagent/agent/plan_text.h"
#include "nodeagent/cgroup/cgroup.h"
#include "proto/quantity.h"

#define PREFIX    "hugepages-"
#define NAME_SIZE 64

/* "hugepages-2Mi", as Kubernetes writes a page size. */
static void name_of(uint64_t page_size, char ret[NAME_SIZE])
{
	static const char *const units[] = { "", "Ki", "Mi", "Gi" };
	size_t i = 0;

	for (; i + 1 < sizeof(units) / sizeof(units[0]) && page_size % 1024 == 0; i++)
		page_size /= 1024;
	snprintf(ret, NAME_SIZE, PREFIX "%llu%s", (unsigned long long)page_size, units[i]);
}

static bool has_size(const struct plan_node *node, int64_t page_size)
{
	for (size_t i = 0; i < node->huge_sizes_len; i++) {
		if (node->huge_sizes[i] == (uint64_t)page_size)
			return true;
	}
	return false;
}

static void sizes_text(const struct plan_node *node, char *ret, size_t size)
{
	size_t n = 0;

	snprintf(ret, size, "none");
	for (size_t i = 0; i < node->huge_sizes_len && n < size; i++) {
		char name[NAME_SIZE];

		name_of(node->huge_sizes[i], name);
		n += (size_t)snprintf(
			ret + n, size - n, "%s%s", n ? ", " : "", name + strlen(PREFIX));
	}
}

/* Everything that one container asks for is there and can be limited. */
static int check(const struct plan_node *node, const K8sPodSpec *spec,
	const K8sContainer *container, struct error *err)
{
	const K8sResourceRequirements *r = container->resources;
	char field[PLAN_FIELD_SIZE];
	char sizes[256];

	for (size_t i = 0; r && i < r->n_limits; i++) {
		const char *key = plan_or_empty(r->limits[i]->key);
		int64_t page_size;

		if (strncmp(key, PREFIX, strlen(PREFIX)) != 0)
			continue;
		if (node->missing_controllers & (1u << CGROUP_HUGETLB))
			return error_set(err, ERR_UNSUPPORTED, 0,
				"%s.resources.limits[%.64s]: needs the cgroup controller "
				"'hugetlb', "
				"which this node does not have; mount it, or remove the field",
				plan_container_field(spec, container, field), key);
		if (quantity_units(key + strlen(PREFIX), &page_size, NULL) == 0 &&
			has_size(node, page_size))
			continue;
		sizes_text(node, sizes, sizeof(sizes));
		return error_set(err, ERR_UNSUPPORTED, 0,
			"%s.resources.limits[%.64s]: this node has no huge pages of that size, but "
			"%s",
			plan_container_field(spec, container, field), key, sizes);
	}
	return 0;
}

static int asked(const K8sPodSpec *spec, const K8sContainer *container, uint64_t page_size,
	int64_t *ret, struct error *err)
{
	char name[NAME_SIZE];

	name_of(page_size, name);
	return plan_resource_get(spec, container, true, name, ret, err);
}

static void add(int64_t *to, int64_t value)
{
	if (__builtin_add_overflow(*to, value, to))
		*to = INT64_MAX;
}

/* What runs at a time: all containers and sidecars, or one init container beside the sidecars. */
static int pod_sum(const K8sPodSpec *spec, uint64_t page_size, int64_t *ret, struct error *err)
{
	int64_t sidecars = 0;
	int64_t starting = 0;
	int64_t sum, value;

	for (size_t i = 0; i < spec->n_initcontainers; i++) {
		if (asked(spec, spec->initcontainers[i], page_size, &value, err) < 0)
			return -1;
		if (plan_is_sidecar(spec->initcontainers[i]))
			add(&sidecars, value);
		else
			add(&value, sidecars);
		starting = value > starting ? value : starting;
	}
	sum = sidecars;
	for (size_t i = 0; i < spec->n_containers; i++) {
		if (asked(spec, spec->containers[i], page_size, &value, err) < 0)
			return -1;
		add(&sum, value);
	}
	*ret = sum > starting ? sum : starting;
	return 0;
}

static int limit_add(
	Bulkhead__V1__CgroupLimits *limits, uint64_t page_size, int64_t max, struct error *err)
{
	Bulkhead__V1__HugePages *added = edit_append(&limits->huge_pages, &limits->n_huge_pages,
		&bulkhead__v1__huge_pages__descriptor, err);

	if (!added)
		return -1;
	added->page_size = page_size;
	added->max = (uint64_t)max;
	return 0;
}

int plan_huge_pages_pod(const struct plan_node *node, const K8sPodSpec *spec,
	Bulkhead__V1__CgroupLimits *limits, struct error *err)
{
	int64_t max;

	for (size_t i = 0; i < spec->n_initcontainers; i++) {
		if (check(node, spec, spec->initcontainers[i], err) < 0)
			return -1;
	}
	for (size_t i = 0; i < spec->n_containers; i++) {
		if (check(node, spec, spec->containers[i], err) < 0)
			return -1;
	}
	if (node->missing_controllers & (1u << CGROUP_HUGETLB))
		return 0;
	for (size_t i = 0; i < node->huge_sizes_len; i++) {
		if (pod_sum(spec, node->huge_sizes[i], &max, err) < 0 ||
			limit_add(limits, node->huge_sizes[i], max, err) < 0)
			return -1;
	}
	return 0;
}

int plan_huge_pages_container(const struct plan_node *node, const K8sPodSpec *spec,
	const K8sContainer *container, Bulkhead__V1__CgroupLimits *limits, struct error *err)
{
	if (node->missing_controllers & (1u << CGROUP_HUGETLB))
		return 0;
	for (size_t i = 0; i < node->huge_sizes_len; i++) {
		int64_t pod, own;

		if (pod_sum(spec, node->huge_sizes[i], &pod, err) < 0 ||
			asked(spec, container, node->huge_sizes[i], &own, err) < 0)
			return -1;
		if (pod > 0 && limit_add(limits, node->huge_sizes[i], own, err) < 0)
			return -1;
	}
	return 0;
}
