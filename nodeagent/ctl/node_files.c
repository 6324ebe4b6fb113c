#include "nodeagent/ctl/node_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/path.h"
#include "proto/decode.h"
#include "proto/encode.h"

/* Above the sub-ids that shadow-utils hands to users, below the projects' blocks (1000000000). */
#define USERNS_START  268435456u
#define USERNS_SLICES 11000u
#define IMAGE_BASE    268369920u

extern char **environ;

const char *or_default(const char *given, const char *otherwise)
{
	return given ? given : otherwise;
}

void host_of(const char *listen, char *host, size_t size)
{
	const char *colon = strrchr(listen, ':');

	snprintf(host, size, "%.*s", colon ? (int)(colon - listen) : (int)strlen(listen), listen);
}

int run_tool(char *const *argv, struct error *err)
{
	pid_t pid;
	int status;
	int r = posix_spawn(&pid, argv[0], NULL, NULL, argv, environ);

	if (r != 0)
		return error_set(err, error_code_of(r), r, "cannot run '%s'", argv[0]);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return error_set(err, ERR_INTERNAL, errno, "cannot wait for '%s'", argv[0]);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return error_set(err, ERR_INTERNAL, 0, "'%s' failed", argv[0]);
	return 0;
}

/* ---- what is to be made --------------------------------------------------------------------- */

/* Where the daemons are: --libexec-dir, beside this program, or the installed place. */
static char *libexec_dir(const struct args *args)
{
	char self[PATH_MAX];
	char probe[PATH_MAX + 32];
	ssize_t n;
	char *slash;

	if (args->libexec_dir)
		return realpath(args->libexec_dir, NULL);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		return NULL;
	self[n] = '\0';
	slash = strrchr(self, '/');
	*slash = '\0';
	snprintf(probe, sizeof(probe), "%s/bulkhead-agent", self);
	if (access(probe, X_OK) == 0)
		return strdup(self);
	slash = strrchr(self, '/');
	if (!slash || asprintf(&slash, "%.*s/libexec/bulkhead", (int)(slash - self), self) < 0)
		return NULL;
	return slash;
}

static const char *choose_ovs(const struct args *args)
{
	const char *ovs = or_default(args->ovs, "auto");

	if (strcmp(ovs, "auto") != 0)
		return ovs;
	return access("/run/openvswitch/db.sock", F_OK) == 0 ? "system" : "private";
}

static int check_listen(const char *listen, struct error *err)
{
	const char *colon = strrchr(listen, ':');
	char *end;
	long port = colon ? strtol(colon + 1, &end, 10) : 0;

	if (!colon || colon == listen || *end || port < 1 || port > 65535)
		return error_set(
			err, ERR_INVALID, 0, "--listen takes ADDRESS:PORT, not '%s'", listen);
	return 0;
}

static int check_choice(
	const char *flag, const char *value, const char *const *choices, struct error *err)
{
	for (size_t i = 0; choices[i]; i++) {
		if (strcmp(value, choices[i]) == 0)
			return 0;
	}
	return error_set(err, ERR_INVALID, 0, "--%s does not know '%s'; see 'bulkhead help init'",
		flag, value);
}

static int check_flags(const struct node_plan *plan, const char *what, struct error *err)
{
	const struct args *args = plan->args;
	static const char *const ovs[] = { "auto", "private", "system", NULL };
	static const char *const drivers[] = { "systemd", "cgroupfs", NULL };
	static const char *const datapaths[] = { "auto", "system", "netdev", NULL };
	static const char *const egress[] = { "on", "off", NULL };

	if (geteuid() != 0)
		return error_set(err, ERR_DENIED, 0,
			"%s needs root: it makes keys, devices and cgroups", what);
	if (!name_is_dns_subdomain(plan->name))
		return error_set(err, ERR_INVALID, 0,
			"'%s' is no node name: lower-case letters, digits, '-' and '.' (RFC 1123); "
			"use --node-name",
			plan->name);
	if (check_listen(plan->listen, err) < 0 ||
		check_choice("ovs", or_default(args->ovs, "auto"), ovs, err) < 0 ||
		check_choice("datapath", or_default(args->datapath, "auto"), datapaths, err) < 0 ||
		check_choice("egress", or_default(args->egress, "on"), egress, err) < 0 ||
		(args->cgroup_driver &&
			check_choice("cgroup-driver", args->cgroup_driver, drivers, err) < 0))
		return -1;
	return 0;
}

int node_plan(struct node_plan *ret, const struct args *args, const char *name, const char *what,
	struct error *err)
{
	struct node_plan plan = {
		.args = args,
		.state = or_default(args->state_dir, NODE_STATE_DIR),
		.run = or_default(args->run_dir, NODE_RUN_DIR),
		.listen = or_default(args->listen, NODE_LISTEN),
		.address = or_default(args->address, ""),
		.cluster_listen = or_default(args->cluster_listen, ""),
		.manager = "",
		.cluster_network = or_default(args->cluster_network, "10.128.0.0/14"),
		.host_subnet_bits = 9,
	};

	if (!name)
		name = args->node_name;
	if (name && strlen(name) >= sizeof(plan.name))
		return error_set(err, ERR_INVALID, 0, "the node's name is too long");
	if (name)
		snprintf(plan.name, sizeof(plan.name), "%s", name);
	else
		gethostname(plan.name, sizeof(plan.name) - 1);
	if (plan.state[0] != '/' || plan.run[0] != '/')
		return error_set(
			err, ERR_INVALID, 0, "--state-dir and --run-dir take absolute paths");
	if (check_flags(&plan, what, err) < 0)
		return -1;
	plan.libexec = libexec_dir(args);
	if (!plan.libexec)
		return error_set(
			err, ERR_NOT_FOUND, 0, "cannot find the daemons; use --libexec-dir");
	*ret = plan;
	return 0;
}

void node_plan_done(struct node_plan *plan)
{
	free(plan->libexec);
}

/* ---- files ---------------------------------------------------------------------------------- */

static int write_message(const char *dir, const char *name, const ProtobufCMessage *message,
	const char *head, mode_t mode, struct error *err)
{
	cleanup_close int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_free char *yaml = NULL;
	cleanup_free char *text = NULL;

	if (dir_fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open %s", dir);
	if (encode_yaml(message, NULL, NULL, &yaml, err) < 0)
		return -1;
	if (asprintf(&text, "%s%s", head, yaml) < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot write %s", name);
	return file_replace_at(dir_fd, name, text, strlen(text), mode, err);
}

int node_write_config(const struct node_plan *plan, struct error *err)
{
	const struct args *args = plan->args;
	Bulkhead__V1__NodeConfig config;
	char issuer[512];
	char seccomp[PATH_MAX];

	bulkhead__v1__node_config__init(&config);
	snprintf(issuer, sizeof(issuer), "https://%s", plan->name);
	snprintf(seccomp, sizeof(seccomp), "%s/seccomp", plan->state);
	config.node_name = (char *)(uintptr_t)plan->name;
	config.state_dir = (char *)(uintptr_t)plan->state;
	config.run_dir = (char *)(uintptr_t)plan->run;
	config.listen = (char *)(uintptr_t)plan->listen;
	config.cluster_network = (char *)(uintptr_t)plan->cluster_network;
	config.host_subnet_bits = plan->host_subnet_bits;
	config.address = (char *)(uintptr_t)plan->address;
	config.cluster_listen = (char *)(uintptr_t)plan->cluster_listen;
	config.manager = (char *)(uintptr_t)plan->manager;
	config.ovs = (char *)(uintptr_t)choose_ovs(args);
	config.datapath = (char *)(uintptr_t)or_default(args->datapath, "auto");
	config.egress = (char *)(uintptr_t)or_default(args->egress, "on");
	config.cgroup_parent = (char *)(uintptr_t)or_default(args->cgroup_parent, "bulkhead");
	config.cgroup_driver = (char *)(uintptr_t)or_default(args->cgroup_driver, "");
	config.api_uid = UID_API;
	config.secretd_uid = UID_SECRETD;
	config.clusterd_uid = UID_CLUSTERD;
	config.netd_uid = UID_NETD;
	config.unpack_uid = UID_UNPACK;
	config.userns_start = USERNS_START;
	config.userns_slices = USERNS_SLICES;
	config.image_base = IMAGE_BASE;
	config.bridge = (char *)(uintptr_t)or_default(args->bridge, "br0");
	config.libexec_dir = plan->libexec;
	config.seccomp_dir = seccomp;
	config.token_issuer = issuer;
	config.max_pods = 250;
	config.drift_interval = 30;
	config.journal_socket = (char *)(uintptr_t) "auto";
	config.log_driver = (char *)(uintptr_t) "cri";
	return write_message(plan->state, "node.yaml", &config.base,
		"# Written by 'bulkhead init' or 'join'; read by bulkhead-agent when it starts.\n",
		0600, err);
}

int node_write_context(const struct node_plan *plan, const char *certificate_name,
	const char *key_name, struct error *err)
{
	Bulkhead__V1__Context context;
	char ca[PATH_MAX];
	char certificate[PATH_MAX];
	char key[PATH_MAX];

	bulkhead__v1__context__init(&context);
	snprintf(ca, sizeof(ca), "%s/pki/ca.pem", plan->state);
	snprintf(certificate, sizeof(certificate), "%s/%s", plan->state, certificate_name);
	snprintf(key, sizeof(key), "%s/%s", plan->state, key_name);
	context.server = (char *)(uintptr_t)plan->listen;
	context.server_name = (char *)(uintptr_t)plan->name;
	context.ca = ca;
	context.certificate = certificate;
	context.key = key;
	context.project = (char *)(uintptr_t) "default";
	return write_message(plan->state, "context.yaml", &context.base,
		"# The way to this node: BULKHEAD_CONTEXT names this file.\n", 0600, err);
}

int node_read_config(const char *state, Bulkhead__V1__NodeConfig **ret, struct error *err)
{
	char path[PATH_MAX];
	cleanup_free char *text = NULL;
	ProtobufCMessage *message;
	size_t size;

	snprintf(path, sizeof(path), "%s/node.yaml", state);
	if (file_read_at(AT_FDCWD, path, NODE_FILE_MAX, &text, &size, err) < 0)
		return error_prefix(err,
			"no node in %s (run 'bulkhead init', or name it with --state-dir)", state);
	if (decode_yaml(&bulkhead__v1__node_config__descriptor, text, size, &message, err) < 0)
		return error_prefix(err, "%s", path);
	*ret = (Bulkhead__V1__NodeConfig *)message;
	return 0;
}

/* ---- what is there already, and what must not stay ------------------------------------------ */

static const char *const made[] = { "keys", "pki", "cluster", "node.yaml", "context.yaml" };

int node_refuse_existing(const char *state, struct error *err)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(made); i++) {
		snprintf(path, sizeof(path), "%s/%s", state, made[i]);
		if (access(path, F_OK) == 0)
			return error_set(err, ERR_EXISTS, 0,
				"%s is there already: 'bulkhead down --purge' removes a node, or "
				"use "
				"another --state-dir",
				path);
	}
	return 0;
}

void node_take_back(const char *state)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(made); i++) {
		snprintf(path, sizeof(path), "%s/%s", state, made[i]);
		tree_remove_at(AT_FDCWD, path, NULL);
	}
	rmdir(state);
}

bool node_is_half_made(const char *state)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/node.yaml", state);
	if (access(path, F_OK) == 0)
		return false;
	/* bulkhead-secretd makes the folder its user's before it puts anything in any. */
	snprintf(path, sizeof(path), "%s/keys", state);
	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == UID_SECRETD;
}

int node_check(const struct node_plan *plan, struct error *err)
{
	const char *state = plan->state;
	char program[PATH_MAX];
	char file[PATH_MAX];
	char *argv[] = { program, (char *)(uintptr_t) "--check", (char *)(uintptr_t) "--config",
		file, NULL };
	int r;

	snprintf(program, sizeof(program), "%s/bulkhead-agent", plan->libexec);
	snprintf(file, sizeof(file), "%s/node.yaml", state);
	if (mkdir_parents(state, 0755, err) < 0)
		return -1;
	if (chmod(state, 0711) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot make %s", state);
	r = node_write_config(plan, err);
	if (r == 0 && run_tool(argv, err) < 0)
		r = error_set(err, ERR_INVALID, 0, "no node can be made of these flags");
	unlink(file);
	if (r < 0)
		rmdir(state);
	return r;
}
