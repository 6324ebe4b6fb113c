/*
 * bulkhead, the CLI: one table of commands; each says which flags and how many words it takes.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "nodeagent/ctl/ctl.h"
#include "nodeagent/ctl/print.h"

struct command {
	const char *verb;
	const char *noun; /* second word, or NULL when any or none */
	int (*run)(struct ctl *ctl, struct error *err);
	size_t words_min; /* the verb counts */
	size_t words_max;
	uint64_t flags;
	const char *usage;
	const char *help;
};

#define SELECT (ARG(PROJECT))
#define NODE_FLAGS                                                                                 \
	(ARG(STATE_DIR) | ARG(RUN_DIR) | ARG(NODE_NAME) | ARG(LISTEN) | ARG(OVS) | ARG(DATAPATH) | \
		ARG(EGRESS) | ARG(CLUSTER_NETWORK) | ARG(CGROUP_PARENT) | ARG(CGROUP_DRIVER) |     \
		ARG(LIBEXEC_DIR) | ARG(BRIDGE) | ARG(ADDRESS) | ARG(NO_START))

static int help_command(struct ctl *ctl, struct error *err);

static const struct command commands[] = {
	{ "init", NULL, ctl_init, 1, 1, NODE_FLAGS | ARG(CLUSTER_LISTEN),
		"init [--cluster-listen ADDRESS:PORT --address ADDRESS] [--state-dir DIR] ...",
		"make a cluster whose first node is this machine, and start it" },
	{ "token", "create", ctl_token_create, 3, 3, ARG(STATE_DIR) | ARG(TTL),
		"token create NODE [--ttl=1h] [--state-dir DIR] > FILE",
		"what one machine needs to join the cluster as NODE" },
	{ "join", NULL, ctl_join, 1, 1,
		(NODE_FLAGS & ~(ARG(NODE_NAME) | ARG(CLUSTER_NETWORK))) | ARG(FILE),
		"join -f FILE --listen ADDRESS:PORT [--address ADDRESS] [--state-dir DIR] ...",
		"make this machine a node of the cluster that FILE is a token of" },
	{ "up", NULL, ctl_up, 1, 1, ARG(STATE_DIR), "up [--state-dir DIR]",
		"start an initialised node" },
	{ "down", NULL, ctl_down, 1, 1, ARG(STATE_DIR) | ARG(PURGE),
		"down [--state-dir DIR] [--purge]", "end all pods and stop the node" },
	{ "create", "project", ctl_create_project, 3, 3, 0, "create project NAME",
		"a project: VNID, UID range and MCS label of its own" },
	{ "create", "secret", ctl_create_secret, 4, 4,
		SELECT | ARG(LITERAL) | ARG(FROM_FILE) | ARG(TYPE) | ARG(REPLACE),
		"create secret generic NAME [--from-literal=K=V] [--from-file=[K=]PATH]",
		"a secret, sealed here to the node's key" },
	{ "create", "quota", ctl_create_quota, 3, 3, SELECT | ARG(HARD) | ARG(REPLACE),
		"create quota NAME --hard=RESOURCE=QUANTITY[,...] [--replace]",
		"what the pods of a project may have together" },
	{ "apply", NULL, ctl_apply, 1, 1, SELECT | ARG(FILE) | ARG(DRY_RUN) | ARG(OUTPUT),
		"apply -f FILE [--dry-run=server]",
		"run the pods, set the network policies and egress firewalls of a manifest" },
	{ "get", NULL, ctl_get, 2, ARGS_LIST_MAX,
		SELECT | ARG(ALL) | ARG(OUTPUT) | ARG(WATCH) | ARG(NO_HEADERS),
		"get pods|projects|secrets|quotas|networkpolicies|egressnetworkpolicies|\n"
		"          nodes|images [NAME...]\n"
		"          [-o wide|json|yaml|name] "
		"[-w]",
		"list objects" },
	{ "describe", NULL, ctl_describe, 2, ARGS_LIST_MAX, SELECT,
		"describe pod|quota|networkpolicy|egressnetworkpolicy NAME...",
		"a pod with its stages and events, a quota with what is used, a policy" },
	{ "drift", NULL, ctl_drift, 1, ARGS_LIST_MAX,
		SELECT | ARG(ALL) | ARG(ALL_OF_KIND) | ARG(OUTPUT),
		"drift POD... | --all | -A [-o json|yaml]",
		"compare running containers with what was admitted" },
	{ "label", "project", ctl_label, 4, ARGS_LIST_MAX, 0,
		"label project NAME KEY=VALUE... [KEY-...]",
		"what network policies select a project by" },
	{ "network", "join-projects", ctl_network_join, 3, ARGS_LIST_MAX,
		ARG(TO) | ARG(WAIT) | ARG(TIMEOUT),
		"network join-projects --to=PROJECT NAME... [--wait]",
		"let projects share another's network" },
	{ "network", "isolate-projects", ctl_network_isolate, 3, ARGS_LIST_MAX,
		ARG(WAIT) | ARG(TIMEOUT), "network isolate-projects NAME... [--wait]",
		"give each project a network of its own" },
	{ "network", "make-projects-global", ctl_network_global, 3, ARGS_LIST_MAX,
		ARG(WAIT) | ARG(TIMEOUT), "network make-projects-global NAME... [--wait]",
		"let projects reach all others, and be reached" },
	{ "network", "why", ctl_network_why, 4, 4, SELECT | ARG(OUTPUT),
		"network why [PROJECT/]POD [PROJECT/]POD|ADDRESS[:PORT[/udp]] [-o json|yaml]",
		"whether a pod reaches another, and which flow decides" },
	{ "network", "trace", ctl_network_trace, 4, 4, SELECT | ARG(OUTPUT),
		"network trace [PROJECT/]POD [PROJECT/]POD|ADDRESS[:PORT[/udp]] [-o json|yaml]",
		"each step of the switch with a packet" },
	{ "network", "check", ctl_network_check, 2, 2, ARG(OUTPUT), "network check [-o json|yaml]",
		"whether the switch lets pass what projects' networks say, and nothing else" },
	{ "network", "denials", ctl_network_denials, 2, 2, ARG(OUTPUT) | ARG(NO_HEADERS),
		"network denials [-o json|yaml]",
		"what the switch denied pods, where deny_log is on" },
	{ "profile", "record", ctl_profile, 3, 3, SELECT | ARG(CONTAINER) | ARG(DURATION),
		"profile record POD [-c NAME] [--duration TIME]",
		"the least seccomp profile for what a recorded pod did" },
	{ "logs", NULL, ctl_logs, 2, 3,
		SELECT | ARG(CONTAINER) | ARG(FOLLOW) | ARG(PREVIOUS) | ARG(TIMESTAMPS) |
			ARG(TAIL) | ARG(SINCE) | ARG(LIMIT_BYTES),
		"logs POD [-c CONTAINER] [-f] [-p] [--tail N] [--since 5m]",
		"what a container wrote" },
	{ "exec", NULL, ctl_exec, 2, 2, SELECT | ARG(CONTAINER) | ARG(STDIN) | ARG(TTY),
		"exec [-it] POD [-c CONTAINER] -- COMMAND [ARG...]",
		"run a command in a container" },
	{ "debug", NULL, ctl_debug, 2, 2,
		SELECT | ARG(CONTAINER) | ARG(STDIN) | ARG(TTY) | ARG(IMAGE) | ARG(TARGET) |
			ARG(USER) | ARG(CAP_ADD),
		"debug [-it] POD --image=IMAGE [--target=CONTAINER] [-- COMMAND [ARG...]]",
		"a container of another image in a running pod" },
	{ "delete", NULL, ctl_delete, 1, ARGS_LIST_MAX,
		SELECT | ARG(FILE) | ARG(GRACE) | ARG(NOW) | ARG(FORCE) | ARG(WAIT) |
			ARG(IGNORE_NOT_FOUND) | ARG(ALL_OF_KIND) | ARG(TIMEOUT),
		"delete pod|project|secret|quota|networkpolicy|egressnetworkpolicy|image|node "
		"NAME...\n"
		"          | pod|secret "
		"--all | -f FILE",
		"delete objects" },
	{ "wait", NULL, ctl_wait, 2, ARGS_LIST_MAX, SELECT | ARG(FOR) | ARG(TIMEOUT),
		"wait pod NAME... --for=condition=Ready|phase=PHASE|delete", "wait for a pod" },
	{ "image", NULL, ctl_image, 2, 3, ARG(NAME), "image import FILE|DIRECTORY|- [--name NAME]",
		"verify and unpack an OCI or docker archive" },
	{ "explain", NULL, ctl_explain, 1, 1, SELECT | ARG(FILE) | ARG(POLICY) | ARG(OUTPUT),
		"explain -f FILE --policy LEVEL:VERSION | --project NAME",
		"judge a manifest: Pod Security Standards offline, or the node's constraints" },
	{ "version", NULL, ctl_version, 1, 1, ARG(CLIENT) | ARG(OUTPUT) | ARG(VERSION),
		"version [--client] [-o json]", "versions" },
	{ "completion", NULL, ctl_completion, 2, 2, 0, "completion bash",
		"completion for a shell" },
	{ "help", NULL, help_command, 1, 2, 0, "help [COMMAND]", "this" },
};

static void print_flags(uint64_t set)
{
	for (unsigned i = 0; i < ARG_COUNT; i++) {
		if (!(set & (UINT64_C(1) << i)))
			continue;
		if (args_letter(i))
			printf("  -%c, --%-18s %s\n", args_letter(i), args_name(i), args_help(i));
		else
			printf("      --%-18s %s\n", args_name(i), args_help(i));
	}
}

static void print_usage(const struct command *c)
{
	printf("bulkhead %s\n    %s\n", c->usage, c->help);
	print_flags(c->flags | ARG(CONTEXT));
}

static void print_overview(void)
{
	puts("bulkhead runs Kubernetes pods on this node, each project apart from the others.\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		char name[32];

		snprintf(name, sizeof(name), "%s%s%s", commands[i].verb,
			commands[i].noun ? " " : "", commands[i].noun ? commands[i].noun : "");
		printf("  %-16s %s\n", name, commands[i].help);
	}
	puts("\n'bulkhead help COMMAND' shows its flags.");
}

static int help_command(struct ctl *ctl, struct error *err)
{
	const struct args *args = ctl->args;
	const char *verb = args->words_len > 1 ? args->words[1] : NULL;
	bool found = false;

	for (size_t i = 0; verb && i < ARRAY_LEN(commands); i++) {
		if (strcmp(commands[i].verb, verb) == 0) {
			print_usage(&commands[i]);
			found = true;
		}
	}
	if (verb && !found)
		return error_set(
			err, ERR_INVALID, 0, "'%s' is no command; see 'bulkhead help'", verb);
	if (!verb)
		print_overview();
	return 0;
}

/* A project is a namespace, in kubectl's words. */
static bool noun_fits(const char *noun, const char *word)
{
	return strcmp(noun, word) == 0 ||
	       (strcmp(noun, "project") == 0 &&
		       (strcmp(word, "namespace") == 0 || strcmp(word, "ns") == 0));
}

static const struct command *command_of(const struct args *args, struct error *err)
{
	const struct command *same_verb = NULL;

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		const struct command *c = &commands[i];

		if (strcmp(c->verb, args->words[0]) != 0)
			continue;
		same_verb = c;
		if (!c->noun || (args->words_len > 1 && noun_fits(c->noun, args->words[1])))
			return c;
	}
	if (same_verb)
		error_set(err, ERR_INVALID, 0, "'%s %s' is no command; see 'bulkhead help %s'",
			same_verb->verb, args->words_len > 1 ? args->words[1] : "",
			same_verb->verb);
	else
		error_set(err, ERR_INVALID, 0, "'%s' is no command; see 'bulkhead help'",
			args->words[0]);
	return NULL;
}

static int run(const struct args *args, struct ctl *ctl, struct error *err)
{
	const struct command *c = command_of(args, err);

	if (!c)
		return -1;
	if (args->help) {
		print_usage(c);
		return CTL_OK;
	}
	if (args_allow(args, c->flags, c->verb, err) < 0)
		return -1;
	if (args->words_len < c->words_min || args->words_len > c->words_max)
		return error_set(err, ERR_INVALID, 0, "usage: bulkhead %s", c->usage);
	return c->run(ctl, err);
}

/* explain says by 1 that a manifest is denied: whatever keeps it from judging is 2. */
static int failed(int argc, char **argv, const struct error *err)
{
	int verb = 1;

	/* It may cite what a manifest, an image or the node says. */
	fputs("bulkhead: ", stderr);
	print_text(stderr, err->text);
	fputc('\n', stderr);
	while (verb < argc && argv[verb][0] == '-')
		verb++;
	return verb < argc && strcmp(argv[verb], "explain") == 0 ? CTL_INVALID : CTL_FAILED;
}

int main(int argc, char **argv)
{
	struct error err = { 0 };
	struct args args;
	struct ctl ctl = { .args = &args };
	int code;

	signal(SIGPIPE, SIG_IGN);
	if (args_parse(&args, argc, argv, &err) < 0)
		return failed(argc, argv, &err);
	if (args.version && args.words_len == 0)
		args.words[args.words_len++] = "version";
	if (args.words_len == 0) {
		print_overview();
		return args.help || argc == 1 ? CTL_OK : CTL_FAILED;
	}
	code = run(&args, &ctl, &err);
	if (code >= 0 && print_flush(&err) < 0)
		code = -1;
	client_free(ctl.client);
	ctl_free(ctl.context);
	return code >= 0 ? code : failed(argc, argv, &err);
}
