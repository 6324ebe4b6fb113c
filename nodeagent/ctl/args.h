/*
 * The CLI's flags, kubectl's spelling: one table of flags, and each command says which of them it
 * takes. Pure: nothing is opened or printed here.
 */
#ifndef NODEAGENT_CTL_ARGS_H
#define NODEAGENT_CTL_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

#define ARGS_LIST_MAX 64

struct args_list {
	const char *items[ARGS_LIST_MAX];
	size_t len;
};

/* What the flags said; strings borrow from argv. Zero or NULL where a flag was not given. */
struct args {
	const char *context;
	const char *project;
	bool all_projects;
	const char *output;
	bool watch;
	bool no_headers;
	struct args_list files;
	const char *dry_run;
	struct args_list literals;
	struct args_list from_files;
	const char *type;
	bool replace;
	const char *container;
	bool follow;
	bool previous;
	bool timestamps;
	int64_t tail;  /* -1: all */
	int64_t since; /* seconds */
	int64_t limit_bytes;
	bool stdin_open;
	bool tty;
	const char *image;
	const char *target;
	int64_t user;
	struct args_list cap_add;
	int64_t grace_period; /* -1: the pod's own */
	bool now;
	bool force;
	bool all_of_kind;
	bool no_wait;
	bool ignore_not_found;
	const char *condition;
	int64_t timeout;  /* seconds; -1: not given */
	int64_t duration; /* seconds */
	const char *policy;
	const char *name;
	const char *state_dir;
	const char *run_dir;
	const char *node_name;
	const char *listen;
	const char *ovs;
	const char *datapath;
	const char *egress;
	const char *cluster_network;
	const char *cgroup_parent;
	const char *cgroup_driver;
	const char *hard;
	const char *to;
	const char *libexec_dir;
	const char *bridge;
	const char *address;
	const char *cluster_listen;
	int64_t ttl;
	bool no_start;
	bool purge;
	bool client_only;
	bool help;
	bool version;

	const char *words[ARGS_LIST_MAX]; /* what is no flag, the verb first */
	size_t words_len;
	const char *const *rest; /* behind "--", NULL-terminated, or NULL */
	size_t rest_len;
	uint64_t given; /* set of ARG_* */
};

/* One bit a flag, to say which a command takes. */
enum {
	ARG_CONTEXT,
	ARG_PROJECT,
	ARG_ALL,
	ARG_OUTPUT,
	ARG_WATCH,
	ARG_NO_HEADERS,
	ARG_FILE,
	ARG_DRY_RUN,
	ARG_LITERAL,
	ARG_FROM_FILE,
	ARG_TYPE,
	ARG_REPLACE,
	ARG_CONTAINER,
	ARG_FOLLOW,
	ARG_PREVIOUS,
	ARG_TIMESTAMPS,
	ARG_TAIL,
	ARG_SINCE,
	ARG_LIMIT_BYTES,
	ARG_STDIN,
	ARG_TTY,
	ARG_IMAGE,
	ARG_TARGET,
	ARG_USER,
	ARG_CAP_ADD,
	ARG_GRACE,
	ARG_NOW,
	ARG_FORCE,
	ARG_ALL_OF_KIND,
	ARG_WAIT,
	ARG_IGNORE_NOT_FOUND,
	ARG_FOR,
	ARG_TO,
	ARG_TIMEOUT,
	ARG_DURATION,
	ARG_POLICY,
	ARG_NAME,
	ARG_STATE_DIR,
	ARG_RUN_DIR,
	ARG_NODE_NAME,
	ARG_LISTEN,
	ARG_OVS,
	ARG_DATAPATH,
	ARG_EGRESS,
	ARG_CLUSTER_NETWORK,
	ARG_CGROUP_PARENT,
	ARG_CGROUP_DRIVER,
	ARG_HARD,
	ARG_LIBEXEC_DIR,
	ARG_BRIDGE,
	ARG_ADDRESS,
	ARG_CLUSTER_LISTEN,
	ARG_TTL,
	ARG_NO_START,
	ARG_PURGE,
	ARG_CLIENT,
	ARG_HELP,
	ARG_VERSION,
	ARG_COUNT,
};

#define ARG(x) (UINT64_C(1) << ARG_##x)

/*
 * Parses argv[1..]. Flags may stand anywhere before "--"; -it, -nred, -n red, --tail=5 and
 * --tail 5 are all understood. Errors: ERR_INVALID names the flag and, for a misspelt one, the
 * nearest. *ret borrows from argv.
 */
int args_parse(struct args *ret, int argc, char *const *argv, struct error *err);

/* Refuses flags that are not in 'allowed' (a set of ARG()): 'command' is for the text. */
int args_allow(const struct args *args, uint64_t allowed, const char *command, struct error *err);

/* The flag's long name ("project"), and its one-line help. */
const char *args_name(unsigned flag);
const char *args_help(unsigned flag);
char args_letter(unsigned flag);

/* "90", "90s", "5m", "2h", "1h30m" to seconds. Errors: ERR_INVALID. */
int args_duration(const char *text, int64_t *ret, struct error *err);

#endif
