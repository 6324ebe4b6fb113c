#include "nodeagent/agent/plan_cgroup.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "lib/cleanup.h"
#include "nodeagent/cgroup/cgroup.h"
#include "proto/quantity.h"

struct cpus {
	uint64_t bits[PLAN_CPUSET_CPUS_MAX / 64];
};

static bool cpus_has(const struct cpus *set, unsigned long cpu)
{
	return set->bits[cpu / 64] >> (cpu % 64) & 1;
}

/* A number at '*at'; false when there is none, or one past the last. */
static bool number(const char **at, unsigned long *ret)
{
	char *end;

	if (!isdigit((unsigned char)**at))
		return false;
	*ret = strtoul(*at, &end, 10);
	*at = end;
	return *ret < PLAN_CPUSET_CPUS_MAX;
}

/* "0-2,5", as cpuset(7)'s list format without strides; the kernel's own ends with a newline. */
static bool cpus_parse(const char *text, struct cpus *ret)
{
	const char *at = text;

	*ret = (struct cpus){ 0 };
	for (;; at++) {
		unsigned long first;
		unsigned long last;

		if (!number(&at, &first))
			return false;
		last = first;
		if (*at == '-' && (at++, !number(&at, &last)))
			return false;
		if (last < first)
			return false;
		for (unsigned long i = first; i <= last; i++)
			ret->bits[i / 64] |= UINT64_C(1) << (i % 64);
		if (*at != ',')
			break;
	}
	return *at == '\0' || (*at == '\n' && !at[1]);
}

static int cpuset_fill(const struct plan_node *node, const char *text,
	Bulkhead__V1__CgroupLimits *limits, struct error *err)
{
	struct cpus asked;
	struct cpus there;

	if (strlen(text) > PLAN_CPUSET_LEN_MAX || strchr(text, '\n') || !cpus_parse(text, &asked))
		return error_set(err, ERR_INVALID, 0,
			"metadata.annotations[" PLAN_CPUSET_ANNOTATION
			"]: '%.64s' is not a list of CPUs such as '0-2,5', each below %d",
			text, PLAN_CPUSET_CPUS_MAX);
	if (!node->cpus || !cpus_parse(node->cpus, &there))
		return error_set(err, ERR_UNSUPPORTED, 0,
			"metadata.annotations[" PLAN_CPUSET_ANNOTATION
			"]: the node does not know its CPUs; remove it");
	for (unsigned long i = 0; i < PLAN_CPUSET_CPUS_MAX; i++) {
		if (cpus_has(&asked, i) && !cpus_has(&there, i))
			return error_set(err, ERR_UNSUPPORTED, 0,
				"metadata.annotations[" PLAN_CPUSET_ANNOTATION
				"]: CPU %lu is not one of the node's, %.*s; name some of those",
				i, (int)strcspn(node->cpus, "\n"), node->cpus);
	}
	return edit_string(&limits->cpuset_cpus, text, err);
}

#define IO(name, member)                                                                           \
	{                                                                                          \
		"bulkhead/io-" name, offsetof(Bulkhead__V1__CgroupLimits, member)                  \
	}

static const struct {
	const char *annotation;
	size_t offset;
} io_rows[] = {
	IO("read-bps", io_read_bps),
	IO("write-bps", io_write_bps),
	IO("read-iops", io_read_iops),
	IO("write-iops", io_write_iops),
};

static int io_fill(const struct plan_node *node, const K8sPod *pod, size_t i,
	Bulkhead__V1__CgroupLimits *limits, struct error *err)
{
	const char *name = io_rows[i].annotation;
	const char *text = view_annotation(pod, name);
	int64_t value;

	if (!text)
		return 0;
	if (quantity_units(text, &value, err) < 0)
		return error_prefix(err, "metadata.annotations[%s]", name);
	if (value <= 0 || value > UINT32_MAX * INT64_C(1024))
		return error_set(err, ERR_INVALID, 0,
			"metadata.annotations[%s]: '%.64s' must be 1 to 4Ti a second", name, text);
	if (!node->has_disk)
		return error_set(err, ERR_UNSUPPORTED, 0,
			"metadata.annotations[%s]: the node's state directory '%.200s' is on no "
			"disk that can be limited; remove it",
			name, node->config->state_dir);
	*(uint64_t *)(void *)((char *)limits + io_rows[i].offset) = (uint64_t)value;
	limits->io_major = node->disk_major;
	limits->io_minor = node->disk_minor;
	return 0;
}

/* What each limit needs; said here, so that a pod is refused and not accepted to fail. */
static int controllers_check(
	const struct plan_node *node, const Bulkhead__V1__CgroupLimits *l, struct error *err)
{
	const struct {
		const char *field;
		bool wanted;
		enum cgroup_controller controller;
	} rows[] = {
		{ "spec.containers[*].resources.limits[cpu]", l->cpu_quota_us != 0, CGROUP_CPU },
		{ "spec.containers[*].resources", l->cpu_shares != 0, CGROUP_CPU },
		{ "spec.containers[*].resources.limits[memory]", l->memory_max != 0,
			CGROUP_MEMORY },
		{ "spec", l->pids_max != 0, CGROUP_PIDS },
		{ "metadata.annotations[" PLAN_CPUSET_ANNOTATION "]", l->cpuset_cpus[0] != '\0',
			CGROUP_CPUSET },
		{ "metadata.annotations[bulkhead/io-*]",
			l->io_read_bps || l->io_write_bps || l->io_read_iops || l->io_write_iops,
			CGROUP_BLKIO },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].wanted && (node->missing_controllers & (1u << rows[i].controller)))
			return error_set(err, ERR_UNSUPPORTED, 0,
				"%s: needs the cgroup controller '%s', which this node does not "
				"have; mount it, or remove the field",
				rows[i].field, cgroup_controller_name(rows[i].controller));
	}
	return 0;
}

int plan_cgroup(const struct plan_node *node, const K8sPod *pod, Bulkhead__V1__CgroupLimits *limits,
	struct error *err)
{
	const char *cpus = view_annotation(pod, PLAN_CPUSET_ANNOTATION);

	if (cpus && cpuset_fill(node, cpus, limits, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(io_rows); i++) {
		if (io_fill(node, pod, i, limits, err) < 0)
			return -1;
	}
	return controllers_check(node, limits, err);
}
