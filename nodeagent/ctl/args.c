#include "nodeagent/ctl/args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

enum kind { FLAG_BOOL, FLAG_STRING, FLAG_LIST, FLAG_INT, FLAG_DURATION, FLAG_WAIT };

struct flag {
	const char *name;
	char letter;
	enum kind kind;
	size_t offset;
	const char *help;
};

#define FLAG(id, name, letter, kind, member, help)                                                 \
	[ARG_##id] = { name, letter, kind, offsetof(struct args, member), help }

static const struct flag flags[ARG_COUNT] = {
	FLAG(CONTEXT, "context", 0, FLAG_STRING, context, "file that says how to reach the node"),
	FLAG(PROJECT, "project", 'n', FLAG_STRING, project, "project (namespace) to act in"),
	FLAG(ALL, "all-projects", 'A', FLAG_BOOL, all_projects, "every project"),
	FLAG(OUTPUT, "output", 'o', FLAG_STRING, output, "json, yaml, wide or name"),
	FLAG(WATCH, "watch", 'w', FLAG_BOOL, watch, "go on printing changes"),
	FLAG(NO_HEADERS, "no-headers", 0, FLAG_BOOL, no_headers, "leave out the line of headings"),
	FLAG(FILE, "filename", 'f', FLAG_LIST, files, "manifest file, '-' for standard input"),
	FLAG(DRY_RUN, "dry-run", 0, FLAG_STRING, dry_run, "'server': judge it, change nothing"),
	FLAG(HARD, "hard", 0, FLAG_STRING, hard, "RESOURCE=QUANTITY,...: limits.cpu=2,pods=10"),
	FLAG(LITERAL, "from-literal", 0, FLAG_LIST, literals, "key=value"),
	FLAG(FROM_FILE, "from-file", 0, FLAG_LIST, from_files, "[key=]path"),
	FLAG(TYPE, "type", 0, FLAG_STRING, type, "type of the secret (Opaque)"),
	FLAG(REPLACE, "replace", 0, FLAG_BOOL, replace, "replace one of the same name"),
	FLAG(CONTAINER, "container", 'c', FLAG_STRING, container, "container of the pod"),
	FLAG(FOLLOW, "follow", 'f', FLAG_BOOL, follow, "go on as the log grows"),
	FLAG(PREVIOUS, "previous", 'p', FLAG_BOOL, previous, "the container's previous run"),
	FLAG(TIMESTAMPS, "timestamps", 0, FLAG_BOOL, timestamps, "put the time before each line"),
	FLAG(TAIL, "tail", 0, FLAG_INT, tail, "only the last N lines"),
	FLAG(SINCE, "since", 0, FLAG_DURATION, since, "only what is younger (5m, 2h)"),
	FLAG(LIMIT_BYTES, "limit-bytes", 0, FLAG_INT, limit_bytes, "stop after N bytes"),
	FLAG(STDIN, "stdin", 'i', FLAG_BOOL, stdin_open, "pass standard input"),
	FLAG(TTY, "tty", 't', FLAG_BOOL, tty, "give the command a terminal"),
	FLAG(IMAGE, "image", 0, FLAG_STRING, image, "image of the debug container"),
	FLAG(TARGET, "target", 0, FLAG_STRING, target, "container whose processes it shall see"),
	FLAG(USER, "user", 0, FLAG_INT, user, "user id to run as"),
	FLAG(CAP_ADD, "cap-add", 0, FLAG_LIST, cap_add, "capability to have, as SYS_PTRACE"),
	FLAG(GRACE, "grace-period", 0, FLAG_INT, grace_period,
		"seconds between SIGTERM and SIGKILL"),
	FLAG(NOW, "now", 0, FLAG_BOOL, now, "a grace period of one second"),
	FLAG(FORCE, "force", 0, FLAG_BOOL, force, "no grace period: SIGKILL at once"),
	FLAG(ALL_OF_KIND, "all", 0, FLAG_BOOL, all_of_kind, "all of the project"),
	FLAG(WAIT, "wait", 0, FLAG_WAIT, no_wait, "wait until it is done (delete: default true)"),
	FLAG(IGNORE_NOT_FOUND, "ignore-not-found", 0, FLAG_BOOL, ignore_not_found,
		"absent is success"),
	FLAG(FOR, "for", 0, FLAG_STRING, condition, "condition=Ready, phase=PHASE or delete"),
	FLAG(TO, "to", 0, FLAG_STRING, to, "project whose network the others join"),
	FLAG(TIMEOUT, "timeout", 0, FLAG_DURATION, timeout, "give up after this long"),
	FLAG(DURATION, "duration", 0, FLAG_DURATION, duration, "watch for so long first"),
	FLAG(POLICY, "policy", 0, FLAG_STRING, policy, "baseline:v1.37 or restricted:v1.37"),
	FLAG(NAME, "name", 0, FLAG_STRING, name, "name to store the image under"),
	FLAG(STATE_DIR, "state-dir", 0, FLAG_STRING, state_dir, "what survives a reboot"),
	FLAG(RUN_DIR, "run-dir", 0, FLAG_STRING, run_dir, "sockets and pid files"),
	FLAG(NODE_NAME, "node-name", 0, FLAG_STRING, node_name, "name of this node"),
	FLAG(LISTEN, "listen", 0, FLAG_STRING, listen, "address:port of the API"),
	FLAG(OVS, "ovs", 0, FLAG_STRING, ovs, "auto, private or system"),
	FLAG(DATAPATH, "datapath", 0, FLAG_STRING, datapath, "auto, system or netdev"),
	FLAG(CLUSTER_NETWORK, "cluster-network", 0, FLAG_STRING, cluster_network,
		"CIDR of all pods"),
	FLAG(CGROUP_DRIVER, "cgroup-driver", 0, FLAG_STRING, cgroup_driver,
		"systemd or cgroupfs; default: what is there"),
	FLAG(CGROUP_PARENT, "cgroup-parent", 0, FLAG_STRING, cgroup_parent, "cgroup of all pods"),
	FLAG(LIBEXEC_DIR, "libexec-dir", 0, FLAG_STRING, libexec_dir, "where the daemons are"),
	FLAG(BRIDGE, "bridge", 0, FLAG_STRING, bridge, "name of the OVS bridge"),
	FLAG(EGRESS, "egress", 0, FLAG_STRING, egress, "on or off: pods' way out of the cluster"),
	FLAG(ADDRESS, "address", 0, FLAG_STRING, address,
		"IPv4 address that other nodes reach it at"),
	FLAG(CLUSTER_LISTEN, "cluster-listen", 0, FLAG_STRING, cluster_listen,
		"address:port at which other nodes find the cluster"),
	FLAG(TTL, "ttl", 0, FLAG_DURATION, ttl, "how long the token is good (default 1h)"),
	FLAG(NO_START, "no-start", 0, FLAG_BOOL, no_start, "only write the state"),
	FLAG(PURGE, "purge", 0, FLAG_BOOL, purge, "remove the state folder too"),
	FLAG(CLIENT, "client", 0, FLAG_BOOL, client_only, "do not ask the node"),
	FLAG(HELP, "help", 'h', FLAG_BOOL, help, "show help"),
	FLAG(VERSION, "version", 0, FLAG_BOOL, version, "what 'version' shows"),
};

const char *args_name(unsigned flag)
{
	return flags[flag].name;
}

const char *args_help(unsigned flag)
{
	return flags[flag].help;
}

char args_letter(unsigned flag)
{
	return flags[flag].letter;
}

int args_duration(const char *text, int64_t *ret, struct error *err)
{
	int64_t total = 0;
	const char *p = text;

	do {
		int64_t unit = 1;
		char *end;
		long long n;

		errno = 0;
		n = strtoll(p, &end, 10);
		if (end == p || n < 0 || n > 1000000000 || errno)
			return error_set(err, ERR_INVALID, 0,
				"'%s' is not a duration; write 90s, 5m or 1h30m", text);
		switch (*end) {
		case 'h':
			unit = 3600;
			end++;
			break;
		case 'm':
			unit = 60;
			end++;
			break;
		case 's':
			end++;
			break;
		case '\0':
			break;
		default:
			return error_set(err, ERR_INVALID, 0,
				"'%s' is not a duration; write 90s, 5m or 1h30m", text);
		}
		total += n * unit;
		p = end;
	} while (*p);
	*ret = total;
	return 0;
}

static int parse_int(const char *name, const char *text, int64_t *ret, struct error *err)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, 10);
	if (end == text || *end || errno)
		return error_set(
			err, ERR_INVALID, 0, "--%s takes a whole number, not '%s'", name, text);
	*ret = n;
	return 0;
}

static int parse_bool(const char *name, const char *text, bool *ret, struct error *err)
{
	if (!text || strcmp(text, "true") == 0)
		*ret = true;
	else if (strcmp(text, "false") == 0)
		*ret = false;
	else
		return error_set(
			err, ERR_INVALID, 0, "--%s takes true or false, not '%s'", name, text);
	return 0;
}

/* Stores one flag; 'value' is NULL for a flag without one. */
static int store(struct args *args, unsigned id, const char *value, struct error *err)
{
	const struct flag *f = &flags[id];
	void *member = (char *)args + f->offset;
	struct args_list *list = member;
	bool wait = true;

	args->given |= UINT64_C(1) << id;
	switch (f->kind) {
	case FLAG_BOOL:
		return parse_bool(f->name, value, member, err);
	case FLAG_WAIT:
		if (parse_bool(f->name, value, &wait, err) < 0)
			return -1;
		*(bool *)member = !wait;
		return 0;
	case FLAG_STRING:
		*(const char **)member = value;
		return 0;
	case FLAG_INT:
		return parse_int(f->name, value, member, err);
	case FLAG_DURATION:
		if (args_duration(value, member, err) < 0)
			return error_prefix(err, "--%s", f->name);
		return 0;
	case FLAG_LIST:
		if (list->len == ARGS_LIST_MAX)
			return error_set(err, ERR_EXHAUSTED, 0, "--%s given more than %d times",
				f->name, ARGS_LIST_MAX);
		list->items[list->len++] = value;
		return 0;
	}
	return error_set(err, ERR_INTERNAL, 0, "--%s has no kind", f->name);
}

static bool takes_value(unsigned id)
{
	return flags[id].kind != FLAG_BOOL && flags[id].kind != FLAG_WAIT;
}

/* How many single-letter edits lie between two words, up to 3. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[40];
	size_t n = strlen(b);

	if (n >= ARRAY_LEN(row))
		return 9;
	for (size_t j = 0; j <= n; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; a[i - 1]; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= n; j++) {
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[n];
}

static int unknown_flag(const char *name, struct error *err)
{
	const char *nearest = NULL;
	unsigned best = 3;

	for (unsigned i = 0; i < ARG_COUNT; i++) {
		unsigned d = distance(name, flags[i].name);

		if (d < best) {
			best = d;
			nearest = flags[i].name;
		}
	}
	if (nearest)
		return error_set(err, ERR_INVALID, 0, "unknown flag --%s; did you mean --%s?", name,
			nearest);
	return error_set(err, ERR_INVALID, 0, "unknown flag --%s; see 'bulkhead help'", name);
}

/* --name, --name=value, --name value. Moves *i past a value taken from the next word. */
static int parse_long(struct args *args, int argc, char *const *argv, int *i, struct error *err)
{
	const char *word = argv[*i] + 2;
	const char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	const char *value = equals ? equals + 1 : NULL;
	char name[40];

	if (len >= sizeof(name))
		return error_set(err, ERR_INVALID, 0, "unknown flag %s", argv[*i]);
	memcpy(name, word, len);
	name[len] = '\0';
	if (strcmp(name, "namespace") == 0) /* kubectl's words for it */
		snprintf(name, sizeof(name), "project");
	if (strcmp(name, "all-namespaces") == 0)
		snprintf(name, sizeof(name), "all-projects");
	for (unsigned id = 0; id < ARG_COUNT; id++) {
		if (strcmp(flags[id].name, name) != 0)
			continue;
		if (!value && takes_value(id)) {
			if (*i + 1 >= argc)
				return error_set(err, ERR_INVALID, 0, "--%s needs a value: %s",
					name, flags[id].help);
			value = argv[++*i];
		}
		return store(args, id, value, err);
	}
	return unknown_flag(name, err);
}

/* -f means --follow behind logs and --filename elsewhere, as with kubectl. */
static bool letter_fits(const struct args *args, unsigned id, char letter)
{
	bool logs = args->words_len > 0 && strcmp(args->words[0], "logs") == 0;

	if (flags[id].letter != letter)
		return false;
	if (id == ARG_FILE)
		return !logs;
	if (id == ARG_FOLLOW)
		return logs;
	return true;
}

/* -it, -n red, -nred. */
static int parse_short(struct args *args, int argc, char *const *argv, int *i, struct error *err)
{
	const char *p = argv[*i] + 1;

	while (*p) {
		unsigned id = 0;
		const char *value = NULL;

		while (id < ARG_COUNT && !letter_fits(args, id, *p))
			id++;
		if (id == ARG_COUNT)
			return error_set(err, ERR_INVALID, 0,
				"unknown flag -%c in '%s'; see 'bulkhead help'", *p, argv[*i]);
		p++;
		if (takes_value(id)) {
			value = *p == '=' ? p + 1 : p;
			if (!*value) {
				if (*i + 1 >= argc)
					return error_set(err, ERR_INVALID, 0,
						"-%c needs a value: %s", flags[id].letter,
						flags[id].help);
				value = argv[++*i];
			}
			p = "";
		}
		if (store(args, id, value, err) < 0)
			return -1;
	}
	return 0;
}

int args_parse(struct args *ret, int argc, char *const *argv, struct error *err)
{
	struct args args = { .tail = -1, .grace_period = -1, .timeout = -1 };

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0) {
			args.rest = (const char *const *)(argv + i + 1);
			args.rest_len = (size_t)(argc - i - 1);
			break;
		}
		if (strncmp(argv[i], "--", 2) == 0) {
			if (parse_long(&args, argc, argv, &i, err) < 0)
				return -1;
		} else if (argv[i][0] == '-' && argv[i][1]) {
			if (parse_short(&args, argc, argv, &i, err) < 0)
				return -1;
		} else {
			if (args.words_len == ARGS_LIST_MAX)
				return error_set(
					err, ERR_EXHAUSTED, 0, "more than %d words", ARGS_LIST_MAX);
			args.words[args.words_len++] = argv[i];
		}
	}
	*ret = args;
	return 0;
}

int args_allow(const struct args *args, uint64_t allowed, const char *command, struct error *err)
{
	uint64_t extra = args->given & ~(allowed | ARG(HELP) | ARG(CONTEXT));

	if (!extra)
		return 0;
	return error_set(err, ERR_INVALID, 0, "'%s' takes no --%s", command,
		flags[__builtin_ctzll(extra)].name);
}
