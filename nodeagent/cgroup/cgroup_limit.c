/* Limits and memory events, for both versions, as one table a limit. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/cgroup/cgroup_internal.h"

#define CPU_PERIOD_DEFAULT_US 100000
#define SHARES_MIN            2
#define SHARES_MAX            262144

/* Base-2 logarithm of x >= 1, to about 40 binary places; saves linking libm for one formula. */
static double log2_of(double x)
{
	double log = 0;
	double bit = 0.5;

	for (; x >= 2; x /= 2)
		log++;
	for (int i = 0; i < 40; i++, bit /= 2) {
		x *= x;
		if (x >= 2) {
			x /= 2;
			log += bit;
		}
	}
	return log;
}

/* 10 to the power of x >= 0, x < 10. */
static double pow10_of(double x)
{
	const double ln10 = 2.302585092994045684;
	double power = 1;
	double sum = 1;
	double term = 1;
	double rest;

	for (; x >= 1; x--)
		power *= 10;
	rest = x * ln10;
	for (int i = 1; i < 40; i++) {
		term *= rest / i;
		sum += term;
	}
	return power * sum;
}

uint64_t cgroup_weight_of_shares(uint64_t shares)
{
	double l;
	double weight;
	uint64_t whole;

	if (shares == 0)
		return 0;
	if (shares <= SHARES_MIN)
		return 1;
	if (shares >= SHARES_MAX)
		return 10000;
	l = log2_of((double)shares);
	/* crun's curve through (2, 1), (1024, 100), (262144, 10000); rounded up, but not by noise.
	 */
	weight = pow10_of((l * l + 125 * l) / 612 - 7.0 / 34) - 1e-6;
	whole = (uint64_t)weight;
	return (double)whole < weight ? whole + 1 : whole;
}

static int poke_u64(int dirfd, const char *name, uint64_t value, struct error *err)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return file_poke_at(dirfd, name, text, err);
}

static int shares_write(int dirfd, int v2, const struct cgroup_limits *l, struct error *err)
{
	if (v2)
		return poke_u64(dirfd, "cpu.weight", cgroup_weight_of_shares(l->cpu_shares), err);
	return poke_u64(dirfd, "cpu.shares", l->cpu_shares, err);
}

static int quota_write(int dirfd, int v2, const struct cgroup_limits *l, struct error *err)
{
	uint64_t period = l->cpu_period_us ? l->cpu_period_us : CPU_PERIOD_DEFAULT_US;
	char text[64];

	if (v2) {
		snprintf(text, sizeof(text), "%" PRId64 " %" PRIu64, l->cpu_quota_us, period);
		return file_poke_at(dirfd, "cpu.max", text, err);
	}
	if (poke_u64(dirfd, "cpu.cfs_period_us", period, err) < 0)
		return -1;
	return poke_u64(dirfd, "cpu.cfs_quota_us", (uint64_t)l->cpu_quota_us, err);
}

/* Memory and no swap beyond it: a limit that swaps would be none. */
static int memory_write(int dirfd, int v2, const struct cgroup_limits *l, struct error *err)
{
	const char *swap = v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes";

	if (poke_u64(dirfd, v2 ? "memory.max" : "memory.limit_in_bytes", l->memory_max, err) < 0)
		return -1;
	/* The file is absent where the kernel counts no swap. */
	if (faccessat(dirfd, swap, F_OK, 0) == 0 &&
		poke_u64(dirfd, swap, v2 ? 0 : l->memory_max, err) < 0)
		return -1;
	if (v2 && faccessat(dirfd, "memory.oom.group", F_OK, 0) == 0)
		return file_poke_at(dirfd, "memory.oom.group", "1", err);
	return 0;
}

static int pids_write(int dirfd, int v2, const struct cgroup_limits *l, struct error *err)
{
	(void)v2;
	return poke_u64(dirfd, "pids.max", l->pids_max, err);
}

static int cpuset_write(int dirfd, int v2, const struct cgroup_limits *l, struct error *err)
{
	(void)v2;
	return file_poke_at(dirfd, "cpuset.cpus", l->cpuset_cpus, err);
}

/* One line a device: v1 has a file for each limit, v2 one for all. */
static int io_write(int dirfd, int v2, const struct cgroup_limits *l, struct error *err)
{
	static const struct {
		const char *v1;
		const char *v2;
	} names[CGROUP_IO_LIMITS] = {
		[CGROUP_IO_READ_BPS] = { "blkio.throttle.read_bps_device", "rbps" },
		[CGROUP_IO_WRITE_BPS] = { "blkio.throttle.write_bps_device", "wbps" },
		[CGROUP_IO_READ_IOPS] = { "blkio.throttle.read_iops_device", "riops" },
		[CGROUP_IO_WRITE_IOPS] = { "blkio.throttle.write_iops_device", "wiops" },
	};
	char text[256];
	size_t size = (size_t)snprintf(
		text, sizeof(text), "%" PRIu32 ":%" PRIu32, l->io_major, l->io_minor);

	for (size_t i = 0; i < CGROUP_IO_LIMITS; i++) {
		if (!l->io[i])
			continue;
		if (v2) {
			size += (size_t)snprintf(text + size, sizeof(text) - size, " %s=%" PRIu64,
				names[i].v2, l->io[i]);
			continue;
		}
		snprintf(text + size, sizeof(text) - size, " %" PRIu64, l->io[i]);
		if (file_poke_at(dirfd, names[i].v1, text, err) < 0)
			return -1;
	}
	return v2 ? file_poke_at(dirfd, "io.max", text, err) : 0;
}

/* "2MB", "1GB", "64KB": how the kernel names its files. */
static void huge_name(uint64_t page_size, char ret[32])
{
	static const struct {
		unsigned shift;
		const char *unit;
	} units[] = { { 30, "GB" }, { 20, "MB" }, { 10, "KB" } };
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(units) && page_size >> units[i].shift == 0)
		i++;
	snprintf(ret, 32, "%" PRIu64 "%s", page_size >> units[i].shift, units[i].unit);
}

/*
 * What may be reserved as well, where the kernel counts that: mmap(2) then says there is no memory,
 * and not a signal when the page is touched.
 */
static int huge_write(int dirfd, int v2, const struct cgroup_limits *l, struct error *err)
{
	static const char *const suffixes[][2] = { { "limit_in_bytes", "rsvd.limit_in_bytes" },
		{ "max", "rsvd.max" } };

	for (size_t i = 0; i < l->huge_len; i++) {
		char size[32];
		char file[64];

		huge_name(l->huge[i].page_size, size);
		snprintf(file, sizeof(file), "hugetlb.%s.%s", size, suffixes[v2 != 0][0]);
		if (poke_u64(dirfd, file, l->huge[i].max, err) < 0)
			return -1;
		snprintf(file, sizeof(file), "hugetlb.%s.%s", size, suffixes[v2 != 0][1]);
		if (faccessat(dirfd, file, F_OK, 0) == 0 &&
			poke_u64(dirfd, file, l->huge[i].max, err) < 0)
			return -1;
	}
	return 0;
}

static int wants_huge(const struct cgroup_limits *l)
{
	return l->huge_len > 0;
}

static int wants_cpuset(const struct cgroup_limits *l)
{
	return l->cpuset_cpus != NULL;
}

static int wants_io(const struct cgroup_limits *l)
{
	for (size_t i = 0; i < CGROUP_IO_LIMITS; i++) {
		if (l->io[i])
			return 1;
	}
	return 0;
}

static int wants_shares(const struct cgroup_limits *l)
{
	return l->cpu_shares != 0;
}

static int wants_quota(const struct cgroup_limits *l)
{
	return l->cpu_quota_us != 0;
}

static int wants_memory(const struct cgroup_limits *l)
{
	return l->memory_max != 0;
}

static int wants_pids(const struct cgroup_limits *l)
{
	return l->pids_max != 0;
}

static const struct {
	const char *field;
	enum cgroup_controller controller;
	int (*wants)(const struct cgroup_limits *limits);
	int (*write)(int dirfd, int v2, const struct cgroup_limits *limits, struct error *err);
} rows[] = {
	{ "cpu_shares", CGROUP_CPU, wants_shares, shares_write },
	{ "cpu_quota_us", CGROUP_CPU, wants_quota, quota_write },
	{ "memory_max", CGROUP_MEMORY, wants_memory, memory_write },
	{ "pids_max", CGROUP_PIDS, wants_pids, pids_write },
	{ "cpuset_cpus", CGROUP_CPUSET, wants_cpuset, cpuset_write },
	{ "io", CGROUP_BLKIO, wants_io, io_write },
	{ "huge_pages", CGROUP_HUGETLB, wants_huge, huge_write },
};

int cgroup_limit(const struct cgroup *cgroup, const struct cgroup_limits *limits, struct error *err)
{
	if (limits->cpu_shares != 0 &&
		(limits->cpu_shares < SHARES_MIN || limits->cpu_shares > SHARES_MAX))
		return error_set(err, ERR_INVALID, 0,
			"limits.cpu_shares: %" PRIu64 " is not in %d..%d", limits->cpu_shares,
			SHARES_MIN, SHARES_MAX);
	if (limits->cpu_quota_us < 0)
		return error_set(err, ERR_INVALID, 0,
			"limits.cpu_quota_us: %" PRId64 " is negative", limits->cpu_quota_us);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].wants(limits) && cgroup_dirfd_of(cgroup, rows[i].controller) < 0)
			return error_set(err, ERR_PRECONDITION, 0,
				"limits.%s needs the cgroup controller '%s', which is not mounted",
				rows[i].field, cgroup_controller_name(rows[i].controller));
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int dirfd = cgroup_dirfd_of(cgroup, rows[i].controller);
		int v2 = cgroup_is_v2(cgroup->tree, rows[i].controller);

		if (rows[i].wants(limits) && rows[i].write(dirfd, v2, limits, err) < 0)
			return error_prefix(err, "limits.%s", rows[i].field);
	}
	return 0;
}

/* Memory with swap is never less than memory: so it is lifted first, and set last. */
static int memory_lift(int dirfd, int v2, struct error *err)
{
	if (v2)
		return file_poke_at(dirfd, "memory.max", "max", err) < 0 ||
				       (faccessat(dirfd, "memory.swap.max", F_OK, 0) == 0 &&
					       file_poke_at(dirfd, "memory.swap.max", "max", err) <
						       0)
			       ? -1
			       : 0;
	if (faccessat(dirfd, "memory.memsw.limit_in_bytes", F_OK, 0) == 0 &&
		file_poke_at(dirfd, "memory.memsw.limit_in_bytes", "-1", err) < 0)
		return -1;
	return file_poke_at(dirfd, "memory.limit_in_bytes", "-1", err);
}

static int memory_replace(int dirfd, int v2, const struct cgroup_limits *l, struct error *err)
{
	if (!l->memory_max)
		return memory_lift(dirfd, v2, err);
	if (v2)
		return poke_u64(dirfd, "memory.max", l->memory_max, err) < 0 ||
				       (faccessat(dirfd, "memory.swap.max", F_OK, 0) == 0 &&
					       file_poke_at(dirfd, "memory.swap.max", "0", err) < 0)
			       ? -1
			       : 0;
	if (faccessat(dirfd, "memory.memsw.limit_in_bytes", F_OK, 0) == 0 &&
		file_poke_at(dirfd, "memory.memsw.limit_in_bytes", "-1", err) < 0)
		return -1;
	return memory_write(dirfd, v2, l, err);
}

int cgroup_limit_replace(
	const struct cgroup *cgroup, const struct cgroup_limits *limits, struct error *err)
{
	int v2 = cgroup->tree->mode == CGROUP_V2;
	int cpu_dirfd = cgroup_dirfd_of(cgroup, CGROUP_CPU);
	int memory_dirfd = cgroup_dirfd_of(cgroup, CGROUP_MEMORY);
	int pids_dirfd = cgroup_dirfd_of(cgroup, CGROUP_PIDS);
	int n = 0;

	if (limits->cpu_quota_us && cpu_dirfd >= 0)
		n = quota_write(cpu_dirfd, v2, limits, err);
	else if (cpu_dirfd >= 0)
		n = file_poke_at(
			cpu_dirfd, v2 ? "cpu.max" : "cpu.cfs_quota_us", v2 ? "max" : "-1", err);
	if (n == 0 && memory_dirfd >= 0)
		n = memory_replace(memory_dirfd, v2, limits, err);
	if (n == 0 && pids_dirfd >= 0)
		n = limits->pids_max ? pids_write(pids_dirfd, v2, limits, err)
				     : file_poke_at(pids_dirfd, "pids.max", "max", err);
	return n;
}
