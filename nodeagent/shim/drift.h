/*
 * Drift: what the kernel says of a running container beside what was admitted. A pure comparer of
 * two structs, readers of the texts they are filled from, and (shim.h) the shim's timer that does
 * both for its containers.
 *
 * Only what the container's first process gained counts. A process may give rights up, and with
 * the right to it may change more: drift_compare() says for each field what is let pass.
 */
#ifndef NODEAGENT_SHIM_DRIFT_H
#define NODEAGENT_SHIM_DRIFT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "nodeagent/shim/id_map.h"
#include "nodeagent/shim/user.h"

#define DRIFT_ROWS_MAX   32 /* told of one container; the rest is counted */
#define DRIFT_FIELD_SIZE 160
#define DRIFT_TEXT_SIZE  256
#define DRIFT_FILE_MAX   (1u << 20) /* of mountinfo; a longer one is drift by itself */
#define DRIFT_MOUNTS_MAX 4096
#define DRIFT_LABEL_SIZE 256

/* One difference: "mounts./proc/kcore", what was admitted, what is there. Printable ASCII. */
struct drift_row {
	char field[DRIFT_FIELD_SIZE];
	char expected[DRIFT_TEXT_SIZE];
	char found[DRIFT_TEXT_SIZE];
};

struct drift_list {
	struct drift_row rows[DRIFT_ROWS_MAX];
	size_t len;
	size_t more; /* that had no room */
};

enum drift_cap_set {
	DRIFT_INHERITABLE,
	DRIFT_PERMITTED,
	DRIFT_EFFECTIVE,
	DRIFT_BOUNDING,
	DRIFT_AMBIENT,
	DRIFT_CAP_SETS,
};

enum drift_ns {
	DRIFT_NS_USER,
	DRIFT_NS_MNT,
	DRIFT_NS_PID,
	DRIFT_NS_NET,
	DRIFT_NS_IPC,
	DRIFT_NS_UTS,
	DRIFT_NS_CGROUP,
	DRIFT_NS_LEN,
};

/* To whom a namespace other than the admitted one belongs. */
enum drift_owner {
	DRIFT_OWNER_OTHER = 0,
	DRIFT_OWNER_POD,   /* the pod's user namespace */
	DRIFT_OWNER_BELOW, /* one made inside the pod's */
};

struct drift_ns_fact {
	uint64_t inode;
	enum drift_owner owner; /* judged only where the inode is not the admitted one */
};

#define DRIFT_LIMITS 16 /* RLIMIT_NLIMITS */

/* What /proc says of one process, and of its cgroup. */
struct drift_facts {
	uint32_t uids[4]; /* real, effective, saved, file system; as the host sees them */
	uint32_t gids[4];
	uint32_t groups[USER_GROUPS_MAX];
	size_t groups_len;
	size_t groups_more; /* beyond USER_GROUPS_MAX */
	uint64_t caps[DRIFT_CAP_SETS];
	unsigned no_new_privs;
	unsigned seccomp; /* mode: 0, 1, 2 */
	unsigned filters;
	char state; /* 'Z': it has ended */
	int oom_score_adj;
	uint64_t limits[DRIFT_LIMITS]; /* hard, RLIM_INFINITY as it is */
	struct drift_ns_fact ns[DRIFT_NS_LEN];
	char label[DRIFT_LABEL_SIZE]; /* "" where there is none */
	struct id_map uid_map;
	struct id_map gid_map;
	char *cgroups; /* /proc/PID/cgroup; owned */
	char *values;  /* cgroup_values_read(); owned */
	char *mounts;  /* mountinfo; owned */
};

/* What was admitted. 'facts' holds what is compared as it is; the rest says what may differ. */
struct drift_plan {
	struct drift_facts facts;
	uint64_t caps; /* the bounding set */
	int host_users;
	char *pod_values; /* of the pod's cgroup; owned */
	uint64_t filter_hash;
};

void drift_facts_done(struct drift_facts *facts);
void drift_plan_done(struct drift_plan *plan);

/* Appends a row; texts are cut and made printable. */
void drift_add(struct drift_list *list, const char *field, const char *expected, const char *found);
int drift_same(const struct drift_list *a, const struct drift_list *b);

/* drift_compare.c. Pure. Differences are appended to '*ret'. */
void drift_compare(
	const struct drift_plan *plan, const struct drift_facts *found, struct drift_list *ret);
/* "name=value" lines of cgroup_values_read(); fields are 'prefix' and the name. */
void drift_compare_values(
	const char *prefix, const char *plan, const char *found, struct drift_list *ret);
/* drift_mounts.c. Two texts as of mountinfo; fields are "mounts.<mount point>". */
void drift_compare_mounts(const char *plan, const char *found, struct drift_list *ret);

/*
 * drift_parse.c: from the texts of procfs. Pure; a text that is not as the kernel writes it is
 * ERR_INVALID and names the line, and '*ret' may be half filled.
 */
int drift_parse_status(struct drift_facts *ret, const char *text, struct error *err);
int drift_parse_limits(struct drift_facts *ret, const char *text, struct error *err);
int drift_parse_map(struct id_map *ret, const char *text, struct error *err);
/* RLIMIT_* by its number, as /proc/PID/limits calls it: "Max open files". */
const char *drift_limit_name(size_t resource);
const char *drift_ns_name(enum drift_ns ns);

/*
 * drift_read.c: everything but mounts and cgroup values of the process behind 'proc_dirfd', its
 * /proc/PID. 'plan' says which namespaces are the admitted ones. The caller ends *ret with
 * drift_facts_done(). Errors: ERR_NOT_FOUND (it has ended), ERR_INVALID.
 */
int drift_read(
	struct drift_facts *ret, int proc_dirfd, const struct drift_plan *plan, struct error *err);
/* The text behind a held procfs descriptor from its start; DRIFT_FILE_MAX cuts it. Owned by the
 * caller. */
int drift_read_text(int fd, char **ret, struct error *err);

#endif
