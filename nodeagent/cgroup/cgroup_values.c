/* What a group's files say that somebody may have set, as text to be compared later. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/cgroup/cgroup_internal.h"

#define VALUE_MAX 4096

/* Names of both versions; a hierarchy has those of its controllers. Counters have no place here. */
static const char *const files[] = {
	"cpu.shares",
	"cpu.cfs_period_us",
	"cpu.cfs_quota_us",
	"cpu.rt_runtime_us",
	"cpu.weight",
	"cpu.max",
	"cpu.idle",
	"memory.limit_in_bytes",
	"memory.memsw.limit_in_bytes",
	"memory.swappiness",
	"memory.min",
	"memory.low",
	"memory.high",
	"memory.max",
	"memory.swap.max",
	"memory.oom.group",
	"pids.max",
	"devices.list",
	"blkio.weight",
	"blkio.throttle.read_bps_device",
	"blkio.throttle.write_bps_device",
	"blkio.throttle.read_iops_device",
	"blkio.throttle.write_iops_device",
	"io.weight",
	"io.max",
	"cpuset.cpus",
	"cpuset.mems",
	"cpuset.cpus.partition",
	"hugetlb.2MB.max",
	"hugetlb.1GB.max",
	"hugetlb.2MB.limit_in_bytes",
	"hugetlb.1GB.limit_in_bytes",
	"hugetlb.2MB.rsvd.max",
	"hugetlb.1GB.rsvd.max",
	"hugetlb.2MB.rsvd.limit_in_bytes",
	"hugetlb.1GB.rsvd.limit_in_bytes",
};

/* One line, whatever it had: the file's last newline goes, those within become ';'. */
static void put(FILE *out, const char *name, char *value, size_t size)
{
	while (size > 0 && value[size - 1] == '\n')
		size--;
	fprintf(out, "%s=", name);
	for (size_t i = 0; i < size; i++)
		fputc(value[i] == '\n' ? ';' : value[i], out);
	fputc('\n', out);
}

/* Where a file would be: v1 has a directory a controller, which is the first part of the name. */
static int dirfd_of(const struct cgroup *cgroup, const char *file)
{
	if (cgroup->tree->mode == CGROUP_V2)
		return cgroup->fds[cgroup->tree->unified];
	for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
		const char *name = cgroup_controller_name((enum cgroup_controller)i);
		size_t len = strlen(name);

		if (strncmp(file, name, len) == 0 && file[len] == '.')
			return cgroup_dirfd_of(cgroup, (enum cgroup_controller)i);
	}
	return -1;
}

static int value_put(FILE *out, const struct cgroup *cgroup, const char *file, struct error *err)
{
	int dirfd = dirfd_of(cgroup, file);
	cleanup_free char *value = NULL;
	struct error why = { 0 };
	size_t size;

	if (dirfd < 0)
		return 0;
	if (file_read_at(dirfd, file, VALUE_MAX, &value, &size, &why) == 0) {
		put(out, file, value, size);
		return 0;
	}
	/* The kernel has not this one, or has the file without what it is for. */
	if (why.sys == ENOENT || why.sys == EOPNOTSUPP)
		return 0;
	*err = why;
	return error_prefix(err, "cgroup file '%s'", file);
}

int cgroup_values_read(const struct cgroup *cgroup, char **ret, struct error *err)
{
	cleanup_free char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int n = 0;

	if (!out)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot read a cgroup");
	for (size_t i = 0; n == 0 && i < ARRAY_LEN(files); i++)
		n = value_put(out, cgroup, files[i], err);
	if (fclose(out) != 0 && n == 0)
		n = error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot read a cgroup");
	if (n == 0)
		*ret = take_ptr(text);
	return n;
}
