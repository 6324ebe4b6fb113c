/* Whose memory limit killed: the kernel's counts of a group and those above it, before and after.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/cgroup/cgroup_internal.h"

#define COUNTS_MAX 4096
#define PATH_SIZE  64
/* The kernel charges so much at once, and less when that does not fit. */
#define SLACK_SIZE (UINT64_C(64) * 4096)
/*
 * What the kernel keeps of a container is charged to its pod (v2), so that of two equal limits the
 * pod's is met first.
 */
#define NEAR_SIZE (UINT64_C(1) << 20)
#define PEAK_FILE "memory.max_usage_in_bytes"

/* The number behind 'key' at the start of a line; 0 found. */
static int count_of(const char *text, const char *key, uint64_t *ret)
{
	size_t len = strlen(key);

	for (const char *p = text; p && *p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, key, len) == 0 && p[len] == ' ' &&
			sscanf(p + len, "%" SCNu64, ret) == 1)
			return 0;
	}
	return -1;
}

static void path_up(unsigned up, const char *name, char ret[PATH_SIZE])
{
	size_t size = 0;

	for (unsigned i = 0; i < up && size + 3 < PATH_SIZE; i++)
		size += (size_t)snprintf(ret + size, PATH_SIZE - size, "../");
	snprintf(ret + size, PATH_SIZE - size, "%s", name);
}

static int text_read(int dirfd, unsigned up, const char *name, char **ret, struct error *err)
{
	char path[PATH_SIZE];
	size_t size;

	path_up(up, name, path);
	return file_read_at(dirfd, path, COUNTS_MAX, ret, &size, err);
}

/* "max", which is none, is 0 as well. */
static uint64_t number_read(int dirfd, unsigned up, const char *name)
{
	cleanup_free char *text = NULL;
	uint64_t value = 0;

	if (text_read(dirfd, up, name, &text, NULL) == 0)
		sscanf(text, "%" SCNu64, &value);
	return value;
}

/* Counts of the group alone; before Linux 5.2 only those with its children, which here has none. */
static int v2_read(int dirfd, unsigned up, struct cgroup_oom *ret, struct error *err)
{
	cleanup_free char *text = NULL;
	uint64_t max;

	if (text_read(dirfd, up, "memory.events.local", &text, NULL) < 0 &&
		text_read(dirfd, up, "memory.events", &text, err) < 0)
		return -1;
	if (count_of(text, "oom", &ret->hits) < 0 || count_of(text, "oom_kill", &ret->kills) < 0)
		return error_set(err, ERR_UNSUPPORTED, 0,
			"the kernel counts no oom_kill for a memory cgroup");
	max = number_read(dirfd, up, "memory.max");
	ret->near = max && number_read(dirfd, up, "memory.peak") + NEAR_SIZE >= max;
	return 0;
}

/*
 * v1 counts how often a limit was met, not how often in vain, of memory, or memory and swap; and
 * newer kernels (seen: 6.18) leave that count at 0. So the most that a group had is looked at too.
 */
static int v1_read(int dirfd, unsigned up, struct cgroup_oom *ret, struct error *err)
{
	cleanup_free char *text = NULL;

	if (text_read(dirfd, up, "memory.oom_control", &text, err) < 0)
		return -1;
	if (count_of(text, "oom_kill", &ret->kills) < 0)
		return error_set(err, ERR_UNSUPPORTED, 0,
			"the kernel counts no oom_kill for a memory cgroup");
	ret->hits = number_read(dirfd, up, "memory.failcnt") +
		    number_read(dirfd, up, "memory.memsw.failcnt");
	ret->full = number_read(dirfd, up, PEAK_FILE) + SLACK_SIZE >=
		    number_read(dirfd, up, "memory.limit_in_bytes");
	return 0;
}

int cgroup_oom_read(
	const struct cgroup *cgroup, unsigned up, struct cgroup_oom *ret, struct error *err)
{
	int dirfd = cgroup_dirfd_of(cgroup, CGROUP_MEMORY);
	struct cgroup_oom oom = { 0 };

	if (dirfd >= 0 && (cgroup->tree->mode == CGROUP_V2 ? v2_read(dirfd, up, &oom, err)
							   : v1_read(dirfd, up, &oom, err)) < 0)
		return -1;
	*ret = oom;
	return 0;
}

void cgroup_oom_end(const struct cgroup *container, unsigned project_up,
	struct cgroup_oom ret[CGROUP_OOM_LEVELS])
{
	const unsigned ups[CGROUP_OOM_LEVELS] = { 0, 1, project_up };

	for (size_t i = 0; i < CGROUP_OOM_LEVELS; i++) {
		ret[i] = (struct cgroup_oom){ 0 };
		cgroup_oom_read(container, ups[i], &ret[i], NULL);
	}
}

void cgroup_oom_begin(const struct cgroup *container, unsigned project_up,
	struct cgroup_oom ret[CGROUP_OOM_LEVELS])
{
	const unsigned ups[CGROUP_OOM_LEVELS] = { 0, 1, project_up };
	int dirfd = cgroup_dirfd_of(container, CGROUP_MEMORY);

	for (size_t i = 0; dirfd >= 0 && i < CGROUP_OOM_LEVELS; i++) {
		char path[PATH_SIZE];

		/* The kernel begins again with what there is now. v2 has no such file. */
		path_up(ups[i], PEAK_FILE, path);
		file_poke_at(dirfd, path, "0", NULL);
	}
	cgroup_oom_end(container, project_up, ret);
}

enum cgroup_oom_level cgroup_oom_judge(const struct cgroup_oom before[CGROUP_OOM_LEVELS],
	const struct cgroup_oom after[CGROUP_OOM_LEVELS])
{
	int i = 0;

	if (after[CGROUP_OOM_CONTAINER].kills <= before[CGROUP_OOM_CONTAINER].kills)
		return CGROUP_OOM_NONE;
	while (i < CGROUP_OOM_LEVELS && after[i].hits <= before[i].hits && !after[i].full)
		i++;
	if (i == CGROUP_OOM_POD && after[CGROUP_OOM_CONTAINER].near)
		return CGROUP_OOM_CONTAINER;
	return (enum cgroup_oom_level)i;
}

const char *cgroup_oom_level_name(enum cgroup_oom_level level)
{
	static const char *const names[] = { "container", "pod", "project", "node", "" };

	return names[level];
}
