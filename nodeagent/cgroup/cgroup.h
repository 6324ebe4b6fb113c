/*
 * A pod's cgroups: one directory a pod, one beneath it a container, in every hierarchy that is
 * mounted. Speaks cgroup v1 (controllers mounted one by one or together), v2, and the hybrid of
 * both, where v2 serves to hold and kill processes, and for hugetlb where no v1 has it.
 *
 * Everything is reached beneath a root dirfd (normally /sys/fs/cgroup), so tests hand in a tree of
 * plain files. Nothing here moves or mounts hierarchies.
 */
#ifndef NODEAGENT_CGROUP_CGROUP_H
#define NODEAGENT_CGROUP_CGROUP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/error.h"

enum cgroup_mode {
	CGROUP_V1 = 1, /* controllers by themselves, no v2 */
	CGROUP_V2 = 2, /* the unified hierarchy holds the controllers */
	CGROUP_HYBRID =
		3, /* v1 controllers, and a v2 hierarchy with none but hugetlb beneath "unified" */
};

/* Controllers in use. The order is that of the v1 directories tried. */
enum cgroup_controller {
	CGROUP_CPU,
	CGROUP_CPUACCT,
	CGROUP_MEMORY,
	CGROUP_PIDS,
	CGROUP_DEVICES,
	CGROUP_FREEZER,
	CGROUP_BLKIO,
	CGROUP_CPUSET,
	CGROUP_HUGETLB,
	CGROUP_CONTROLLERS,
};

#define CGROUP_HIERARCHIES_MAX (CGROUP_CONTROLLERS + 1)

/* Bytes and requests a second. */
enum cgroup_io_limit {
	CGROUP_IO_READ_BPS,
	CGROUP_IO_WRITE_BPS,
	CGROUP_IO_READ_IOPS,
	CGROUP_IO_WRITE_IOPS,
	CGROUP_IO_LIMITS,
};

#define CGROUP_HUGE_SIZES_MAX 8

/* What a group may have of the huge pages of one size; 0 is nothing. */
struct cgroup_huge {
	uint64_t page_size; /* bytes */
	uint64_t max;
};

/* Limits as the kernel takes them; 0 means none. */
struct cgroup_limits {
	uint64_t cpu_shares; /* v1 scale, 2..262144 */
	int64_t cpu_quota_us;
	uint64_t cpu_period_us;
	uint64_t memory_max; /* bytes */
	uint64_t pids_max;
	const char *cpuset_cpus; /* "0-2,5"; NULL: none. Borrowed */
	uint64_t io[CGROUP_IO_LIMITS];
	uint32_t io_major; /* the whole disk that 'io' is about */
	uint32_t io_minor;
	struct cgroup_huge huge[CGROUP_HUGE_SIZES_MAX]; /* sizes that are not there have no limit */
	size_t huge_len;
};

struct cgroup_hierarchy {
	char name[32];        /* directory beneath the root: "memory"; "" for pure v2 */
	unsigned controllers; /* set of 1 << enum cgroup_controller */
	int fd;               /* its root, O_PATH */
};

/* The mounted hierarchies. */
struct cgroup_tree {
	enum cgroup_mode mode;
	size_t len;
	struct cgroup_hierarchy hierarchies[CGROUP_HIERARCHIES_MAX];
	int unified; /* index of the v2 hierarchy, or -1 */
};

/* One group: a directory in each hierarchy of 'tree', which must outlive it. */
struct cgroup {
	const struct cgroup_tree *tree;
	int fds[CGROUP_HIERARCHIES_MAX]; /* O_PATH, -1 where there is none */
};

/*
 * Looks at what is mounted beneath 'root_dirfd'. Done with cgroup_tree_done().
 * Errors: ERR_PRECONDITION (no cgroup hierarchy there).
 */
int cgroup_tree_open(struct cgroup_tree *ret, int root_dirfd, struct error *err);
void cgroup_tree_done(struct cgroup_tree *tree);

/*
 * Lets go of the v1 hierarchies that have no other controllers than those of the set (of
 * 1 << enum cgroup_controller): each one more costs every start a directory, and a move into it.
 */
void cgroup_tree_drop(struct cgroup_tree *tree, unsigned controllers);

/* "cpu", "memory"... as v1 names its directories. */
const char *cgroup_controller_name(enum cgroup_controller controller);

/*
 * Makes the group 'path' ("bulkhead/red/pod1"; no "..", no leading '/') with all its parents in
 * every hierarchy; on v2 hands the controllers down to it and, when 'delegate', to its children.
 * A group that exists already is opened as it is. Done with cgroup_done().
 */
int cgroup_make(struct cgroup *ret, const struct cgroup_tree *tree, const char *path, int delegate,
	struct error *err);

/* As cgroup_make for 'name' directly beneath 'parent'. */
int cgroup_make_child(
	struct cgroup *ret, const struct cgroup *parent, const char *name, struct error *err);

/*
 * As cgroup_make for 'name' beneath 'path', which somebody else made and handed over with all
 * controllers it has: those are handed down, and nothing above is touched. Cgroup v2 alone.
 */
int cgroup_make_beneath(struct cgroup *ret, const struct cgroup_tree *tree, const char *path,
	const char *name, struct error *err);

/*
 * Opens the group 'path' where it is; a hierarchy without it keeps -1. Returns how many have it.
 * Done with cgroup_done() also when that is 0.
 */
int cgroup_find(struct cgroup *ret, const struct cgroup_tree *tree, const char *path);

/*
 * Hands 'controller', if there is such a one in v2, down from the root to the group 'path', which
 * somebody else made: systemd has never heard of hugetlb, and lets it pass.
 */
int cgroup_hand_down(const struct cgroup_tree *tree, const char *path,
	enum cgroup_controller controller, struct error *err);

/* Forgets controllers that the v2 group 'path' was not given, so that limits which need them are
 * refused. */
int cgroup_tree_narrow(struct cgroup_tree *tree, const char *path, struct error *err);

/* Closes descriptors; the directories stay. A zeroed struct is allowed. */
void cgroup_done(struct cgroup *cgroup);

/*
 * Writes the limits. A limit whose controller is not mounted is ERR_PRECONDITION and names both;
 * checked for all limits before the first is written.
 */
int cgroup_limit(
	const struct cgroup *cgroup, const struct cgroup_limits *limits, struct error *err);

/*
 * Writes CPU quota, memory and processes as 'limits' has them, and lifts those that it has not: for
 * a group whose limits change while it is used. Errors: also ERR_PRECONDITION and the like when the
 * kernel does not take a limit below what is in use; what was written before stays.
 */
int cgroup_limit_replace(
	const struct cgroup *cgroup, const struct cgroup_limits *limits, struct error *err);

/*
 * The group's files that set something ("memory.max=max" a line, in all hierarchies), for comparing
 * with what they say later. The caller frees *ret.
 */
int cgroup_values_read(const struct cgroup *cgroup, char **ret, struct error *err);

/*
 * Denies every device but null, zero, full, random, urandom, tty, console, ptmx and pts: v1
 * devices.deny/allow, v2 a BPF program. For a group without children; they inherit it.
 */
int cgroup_restrict_devices(const struct cgroup *cgroup, struct error *err);

/*
 * Moves the calling process, which must have one thread, into the group in every hierarchy whose
 * bit is not in 'already' (a set of 1 << index: where clone3(2) put it). A thread that moves itself
 * is the one move for which cgroup v1 takes no global lock: moving another process, or all threads,
 * waits for an RCU grace period of some 10 ms (cgroup_procs_write_start() in the kernel).
 */
int cgroup_enter(const struct cgroup *cgroup, unsigned already, struct error *err);

/* The descriptor for clone3(2) CLONE_INTO_CGROUP, or -1 where there is no v2. Borrowed. */
int cgroup_clone_fd(const struct cgroup *cgroup);

/* What the kernel counted so far of a group for itself, without those below. */
struct cgroup_oom {
	uint64_t kills; /* of its processes, for memory, whoever's limit it was */
	uint64_t hits;  /* of its limit: v2, without room found; v1, also when some was found */
	int full;       /* v1: it was as large as its limit since cgroup_oom_begin() */
	int near;       /* v2: it once was nearly so */
};

/* Groups of which one's limit killed a container, from the inside to the outside. */
enum cgroup_oom_level {
	CGROUP_OOM_CONTAINER,
	CGROUP_OOM_POD,
	CGROUP_OOM_PROJECT,
	CGROUP_OOM_LEVELS,
	CGROUP_OOM_NODE = CGROUP_OOM_LEVELS, /* nobody's limit: the machine had no memory left */
	CGROUP_OOM_NONE,                     /* no process of the container was killed so */
};

/* Of the group 'up' steps above it. Without a memory controller all is 0. */
int cgroup_oom_read(
	const struct cgroup *cgroup, unsigned up, struct cgroup_oom *ret, struct error *err);

/*
 * Of a container, its pod, and its project, 'project_up' above it, before it starts and when it has
 * ended; what cannot be read is 0.
 */
void cgroup_oom_begin(const struct cgroup *container, unsigned project_up,
	struct cgroup_oom ret[CGROUP_OOM_LEVELS]);
void cgroup_oom_end(const struct cgroup *container, unsigned project_up,
	struct cgroup_oom ret[CGROUP_OOM_LEVELS]);

/* Whose limit killed between the two looks: the innermost that was met. Pure. */
enum cgroup_oom_level cgroup_oom_judge(const struct cgroup_oom before[CGROUP_OOM_LEVELS],
	const struct cgroup_oom after[CGROUP_OOM_LEVELS]);

/* "container", "pod", "project", "node"; "" for none. */
const char *cgroup_oom_level_name(enum cgroup_oom_level level);

/*
 * Lifts the CPU quota of the group and those below: ending takes time on a CPU, too, and thousands
 * of processes that share half of one are not gone for a minute. For a group that is to end.
 */
void cgroup_unthrottle(const struct cgroup *cgroup);

/*
 * Kills every process of the group and below: cgroup.kill where v2 has it, else freezer and pidfds
 * until the group is empty. Does not wait for the processes to be reaped.
 */
int cgroup_kill(const struct cgroup *cgroup, struct error *err);

/*
 * Removes the group 'path' and every group below it. Absent is success; ERR_PRECONDITION when
 * processes are left. Kills nothing.
 */
int cgroup_remove(const struct cgroup_tree *tree, const char *path, struct error *err);

/*
 * For whoever finds a pod without its shim: kills what is left in 'path' and removes it, waiting up
 * to 'timeout_ms' for the processes to go. Absent is success.
 */
int cgroup_reap(
	const struct cgroup_tree *tree, const char *path, int timeout_ms, struct error *err);

/* cpu.weight for v1 shares, by crun's formula (1024 -> 100). 0 stays 0. */
uint64_t cgroup_weight_of_shares(uint64_t shares);

#endif
