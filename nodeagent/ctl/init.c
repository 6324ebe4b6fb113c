/* init, up and down: a node's life as the operator sees it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bulkhead/v1/node.pb-c.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/path.h"
#include "nodeagent/ctl/ctl.h"
#include "proto/decode.h"
#include "proto/encode.h"

#define STATE_DIR     "/var/lib/bulkhead"
#define RUN_DIR       "/run/bulkhead"
#define CONFIG_MAX    65536
#define READY_TIMEOUT 60 /* seconds until a node must answer */

/* Ids of the confined processes: high, so that no account of a distribution has them. */
#define UID_API      64201
#define UID_SECRETD  64202
#define UID_CLUSTERD 64203
#define UID_NETD     64204
#define UID_UNPACK   64205

/* Above the sub-ids that shadow-utils hands to users, below the projects' blocks (1000000000). */
#define USERNS_START  268435456u
#define USERNS_SLICES 11000u
#define IMAGE_BASE    268369920u

extern char **environ;

static const char *or_default(const char *given, const char *otherwise)
{
	return given ? given : otherwise;
}

static int run_tool(char *const *argv, struct error *err)
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

static int check_flags(const struct args *args, const char *node, struct error *err)
{
	static const char *const ovs[] = { "auto", "private", "system", NULL };
	static const char *const drivers[] = { "systemd", "cgroupfs", NULL };
	static const char *const datapaths[] = { "auto", "system", "netdev", NULL };

	if (geteuid() != 0)
		return error_set(
			err, ERR_DENIED, 0, "init needs root: it makes keys, devices and cgroups");
	if (!name_is_dns_subdomain(node))
		return error_set(err, ERR_INVALID, 0,
			"'%s' is no node name: lower-case letters, digits, '-' and '.' (RFC 1123); "
			"use --node-name",
			node);
	if (check_listen(or_default(args->listen, "127.0.0.1:7443"), err) < 0 ||
		check_choice("ovs", or_default(args->ovs, "auto"), ovs, err) < 0 ||
		check_choice("datapath", or_default(args->datapath, "auto"), datapaths, err) < 0 ||
		(args->cgroup_driver &&
			check_choice("cgroup-driver", args->cgroup_driver, drivers, err) < 0))
		return -1;
	return 0;
}

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

static int write_config(const struct args *args, const char *node, const char *state,
	const char *run, const char *libexec, struct error *err)
{
	Bulkhead__V1__NodeConfig config;
	char issuer[512];
	char seccomp[PATH_MAX];

	bulkhead__v1__node_config__init(&config);
	snprintf(issuer, sizeof(issuer), "https://%s", node);
	snprintf(seccomp, sizeof(seccomp), "%s/seccomp", state);
	config.node_name = (char *)(uintptr_t)node;
	config.state_dir = (char *)(uintptr_t)state;
	config.run_dir = (char *)(uintptr_t)run;
	config.listen = (char *)(uintptr_t)or_default(args->listen, "127.0.0.1:7443");
	config.cluster_network =
		(char *)(uintptr_t)or_default(args->cluster_network, "10.128.0.0/14");
	config.host_subnet_bits = 9;
	config.ovs = (char *)(uintptr_t)choose_ovs(args);
	config.datapath = (char *)(uintptr_t)or_default(args->datapath, "auto");
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
	config.libexec_dir = (char *)(uintptr_t)libexec;
	config.seccomp_dir = seccomp;
	config.token_issuer = issuer;
	config.max_pods = 250;
	config.drift_interval = 30;
	config.journal_socket = (char *)(uintptr_t) "auto";
	config.log_driver = (char *)(uintptr_t) "cri";
	return write_message(state, "node.yaml", &config.base,
		"# Written by 'bulkhead init'; read by bulkhead-agent when it starts.\n", 0600,
		err);
}

static int write_context(
	const struct args *args, const char *node, const char *state, struct error *err)
{
	Bulkhead__V1__Context context;
	char ca[PATH_MAX];
	char certificate[PATH_MAX];
	char key[PATH_MAX];

	bulkhead__v1__context__init(&context);
	snprintf(ca, sizeof(ca), "%s/pki/ca.pem", state);
	snprintf(certificate, sizeof(certificate), "%s/pki/admin.pem", state);
	snprintf(key, sizeof(key), "%s/pki/admin.key", state);
	context.server = (char *)(uintptr_t)or_default(args->listen, "127.0.0.1:7443");
	context.server_name = (char *)(uintptr_t)node;
	context.ca = ca;
	context.certificate = certificate;
	context.key = key;
	context.project = (char *)(uintptr_t) "default";
	return write_message(state, "context.yaml", &context.base,
		"# The administrator's way to this node: BULKHEAD_CONTEXT names this file.\n", 0600,
		err);
}

static int make_keys(const struct args *args, const char *node, const char *state,
	const char *libexec, struct error *err)
{
	const char *listen = or_default(args->listen, "127.0.0.1:7443");
	char program[PATH_MAX];
	char keys[PATH_MAX];
	char pki[PATH_MAX];
	char address[128];
	char uid[16];
	char *argv[] = { program, (char *)(uintptr_t) "--init", (char *)(uintptr_t) "--keys", keys,
		(char *)(uintptr_t) "--pki", pki, (char *)(uintptr_t) "--node",
		(char *)(uintptr_t)node, (char *)(uintptr_t) "--address", address,
		(char *)(uintptr_t) "--uid", uid, NULL };

	snprintf(program, sizeof(program), "%s/bulkhead-secretd", libexec);
	snprintf(keys, sizeof(keys), "%s/keys", state);
	snprintf(pki, sizeof(pki), "%s/pki", state);
	snprintf(address, sizeof(address), "%.*s", (int)(strrchr(listen, ':') - listen), listen);
	snprintf(uid, sizeof(uid), "%d", UID_SECRETD);
	return run_tool(argv, err);
}

static int open_log(const char *state, int flags, struct error *err)
{
	char log[PATH_MAX];
	int fd;

	snprintf(log, sizeof(log), "%s/agent.log", state);
	fd = open(log, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		error_set(err, error_code_of(errno), errno, "cannot open %s", log);
	return fd;
}

/* Where the last 'size' bytes of the file begin. */
static off_t tail_offset(int fd, size_t size)
{
	off_t end = lseek(fd, 0, SEEK_END);

	return end > (off_t)size ? end - (off_t)size : 0;
}

/*
 * Starts the agent in a session of its own with its messages in <state>/agent.log, forked twice, so
 * that it is nobody's child and outlives the terminal. *ret_pidfd tells when it ends.
 */
static int start_agent(const Bulkhead__V1__NodeConfig *config, int *ret_pidfd, struct error *err)
{
	char program[PATH_MAX];
	char file[PATH_MAX];
	char *argv[] = { program, (char *)(uintptr_t) "--config", file, NULL };
	cleanup_close int log_fd = open_log(config->state_dir, O_WRONLY | O_CREAT | O_APPEND, err);
	cleanup_close int told_fd = -1;
	int pair[2];
	pid_t pid, agent = -1;

	snprintf(program, sizeof(program), "%s/bulkhead-agent", config->libexec_dir);
	snprintf(file, sizeof(file), "%s/node.yaml", config->state_dir);
	if (log_fd < 0)
		return -1;
	if (access(program, X_OK) < 0 || pipe2(pair, O_CLOEXEC) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot run '%s'", program);
	told_fd = pair[0];
	pid = fork();
	if (pid == 0) {
		int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		if (null_fd < 0 || setsid() < 0)
			_exit(1);
		agent = fork();
		if (agent != 0)
			_exit(write(pair[1], &agent, sizeof(agent)) != sizeof(agent));
		dup2(null_fd, STDIN_FILENO);
		dup2(log_fd, STDOUT_FILENO);
		dup2(log_fd, STDERR_FILENO);
		close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
		execv(program, argv);
		_exit(127);
	}
	close(pair[1]);
	if (pid < 0 || read(told_fd, &agent, sizeof(agent)) != sizeof(agent) || agent < 0)
		return error_set(err, ERR_EXHAUSTED, errno, "cannot fork");
	waitpid(pid, NULL, 0);
	*ret_pidfd = (int)syscall(SYS_pidfd_open, agent, 0);
	return 0;
}

/* 1 ready, 0 not yet; *err then says why not. */
static int node_is_ready(struct ctl *ctl, struct error *err)
{
	Bulkhead__V1__ListNodesRequest request;
	cleanup_message ProtobufCMessage *response = NULL;
	const Bulkhead__V1__ListNodesResponse *list;

	bulkhead__v1__list_nodes_request__init(&request);
	if (ctl_connect(ctl, err) < 0 ||
		client_unary(ctl->client, "ListNodes", &request.base, &response, 2000, err) < 0)
		return 0;
	list = (Bulkhead__V1__ListNodesResponse *)response;
	for (size_t i = 0; i < list->n_nodes; i++) {
		const Bulkhead__V1__NodeInfo *node = list->nodes[i];

		for (size_t j = 0; j < node->n_conditions; j++) {
			const Bulkhead__V1__NodeCondition *c = node->conditions[j];

			if (strcmp(c->type, "Ready") != 0)
				continue;
			if (strcmp(c->status, "True") == 0)
				return 1;
			error_set(err, ERR_UNAVAILABLE, 0, "%s",
				*c->message ? c->message : c->reason);
			return 0;
		}
	}
	error_set(err, ERR_UNAVAILABLE, 0, "the node has not registered itself yet");
	return 0;
}

/* The agent ended while it was waited for: the last thing it logged says why. */
static int ended_early(const char *state, struct error *err)
{
	cleanup_close int fd = open_log(state, O_RDONLY, NULL);
	char tail[1024] = "";
	ssize_t n =
		fd < 0 ? 0 : pread(fd, tail, sizeof(tail) - 1, tail_offset(fd, sizeof(tail) - 1));
	char *line;

	while (n > 0 && tail[n - 1] == '\n')
		tail[--n] = '\0';
	line = strrchr(tail, '\n');
	return error_set(err, ERR_PRECONDITION, 0, "the agent ended: %s", line ? line + 1 : tail);
}

/* 'pidfd' is the agent's, or -1. */
static int wait_ready(const char *state, int pidfd, struct error *err)
{
	char path[PATH_MAX];
	struct args args = { .context = path };
	struct ctl ctl = { .args = &args };
	struct pollfd agent = { .fd = pidfd, .events = POLLIN };
	uint64_t start = monotonic_usec();
	int ready = 0;

	snprintf(path, sizeof(path), "%s/context.yaml", state);
	while (!ready && !agent.revents &&
		monotonic_usec() - start < READY_TIMEOUT * UINT64_C(1000000)) {
		ready = node_is_ready(&ctl, err);
		if (!ready)
			poll(&agent, 1, 100);
	}
	client_free(ctl.client);
	ctl_free(ctl.context);
	if (!ready && agent.revents)
		return ended_early(state, err);
	if (!ready)
		return error_prefix(err, "the node is not ready after %d s (see %s/agent.log)",
			READY_TIMEOUT, state);
	printf("node is ready after %.1f s\n", (double)(monotonic_usec() - start) / 1e6);
	return 0;
}

static int read_config(const char *state, Bulkhead__V1__NodeConfig **ret, struct error *err)
{
	char path[PATH_MAX];
	cleanup_free char *text = NULL;
	ProtobufCMessage *message;
	size_t size;

	snprintf(path, sizeof(path), "%s/node.yaml", state);
	if (file_read_at(AT_FDCWD, path, CONFIG_MAX, &text, &size, err) < 0)
		return error_prefix(err,
			"no node in %s (run 'bulkhead init', or name it with --state-dir)", state);
	if (decode_yaml(&bulkhead__v1__node_config__descriptor, text, size, &message, err) < 0)
		return error_prefix(err, "%s", path);
	*ret = (Bulkhead__V1__NodeConfig *)message;
	return 0;
}

int ctl_up(struct ctl *ctl, struct error *err)
{
	const char *state = or_default(ctl->args->state_dir, STATE_DIR);
	cleanup_message Bulkhead__V1__NodeConfig *config = NULL;
	cleanup_close int pidfd = -1;

	if (read_config(state, &config, err) < 0 || start_agent(config, &pidfd, err) < 0)
		return -1;
	return wait_ready(state, pidfd, err);
}

/* Before there is anything to take back: flags that make no node leave nothing. */
static int check_config(const struct args *args, const char *node, const char *state,
	const char *run, const char *libexec, struct error *err)
{
	char program[PATH_MAX];
	char file[PATH_MAX];
	char *argv[] = { program, (char *)(uintptr_t) "--check", (char *)(uintptr_t) "--config",
		file, NULL };
	int r;

	snprintf(program, sizeof(program), "%s/bulkhead-agent", libexec);
	snprintf(file, sizeof(file), "%s/node.yaml", state);
	r = write_config(args, node, state, run, libexec, err);
	if (r == 0 && run_tool(argv, err) < 0)
		r = error_set(err, ERR_INVALID, 0, "no node can be made of these flags");
	unlink(file);
	if (r < 0)
		rmdir(state);
	return r;
}

int ctl_init(struct ctl *ctl, struct error *err)
{
	const struct args *args = ctl->args;
	const char *state = or_default(args->state_dir, STATE_DIR);
	const char *run = or_default(args->run_dir, RUN_DIR);
	cleanup_free char *libexec = libexec_dir(args);
	char node[HOST_NAME_MAX + 1] = "";
	char path[PATH_MAX];

	gethostname(node, sizeof(node) - 1);
	if (args->node_name)
		snprintf(node, sizeof(node), "%s", args->node_name);
	if (state[0] != '/' || run[0] != '/')
		return error_set(
			err, ERR_INVALID, 0, "--state-dir and --run-dir take absolute paths");
	if (check_flags(args, node, err) < 0)
		return -1;
	if (!libexec)
		return error_set(
			err, ERR_NOT_FOUND, 0, "cannot find the daemons; use --libexec-dir");
	snprintf(path, sizeof(path), "%s/node.yaml", state);
	if (access(path, F_OK) == 0)
		return error_set(err, ERR_EXISTS, 0,
			"%s holds a node already; 'bulkhead up' starts it, 'bulkhead down --purge' "
			"removes it",
			state);

	if (mkdir_parents(state, 0755, err) < 0 || chmod(state, 0711) < 0)
		return err->code ? -1
				 : error_set(err, error_code_of(errno), errno, "cannot make %s",
					   state);
	if (check_config(args, node, state, run, libexec, err) < 0)
		return -1;
	printf("making keys and certificates for node %s\n", node);
	fflush(stdout);
	if (make_keys(args, node, state, libexec, err) < 0 ||
		write_context(args, node, state, err) < 0 ||
		write_config(args, node, state, run, libexec, err) < 0)
		return -1;
	printf("wrote %s/node.yaml and %s/context.yaml\n", state, state);
	if (args->no_start)
		return CTL_OK;
	printf("starting the node (log: %s/agent.log)\n", state);
	fflush(stdout);
	if (ctl_up(ctl, err) < 0)
		return -1;
	printf("use it with: export BULKHEAD_CONTEXT=%s/context.yaml\n", state);
	return CTL_OK;
}

/* Sends SIGTERM to the agent of the pid file, by a descriptor checked against its program. */
static int stop_agent(const Bulkhead__V1__NodeConfig *config, struct error *err)
{
	cleanup_close int run_fd = open(config->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_free char *text = NULL;
	cleanup_close int pid_fd = -1;
	char exe[PATH_MAX];
	char link[64];
	size_t size;
	ssize_t n;
	struct pollfd p = { .events = POLLIN };

	if (run_fd < 0 || file_read_at(run_fd, "agent.pid", 32, &text, &size, NULL) < 0)
		return 0;
	pid_fd = (int)syscall(SYS_pidfd_open, atoi(text), 0);
	snprintf(link, sizeof(link), "/proc/%d/exe", atoi(text));
	n = readlink(link, exe, sizeof(exe) - 1);
	if (pid_fd < 0 || n <= 0)
		return 0;
	exe[n] = '\0';
	if (!strstr(exe, "/bulkhead-agent"))
		return 0; /* the number was given to somebody else */
	if (syscall(SYS_pidfd_send_signal, pid_fd, SIGTERM, NULL, 0) < 0 && errno != ESRCH)
		return error_set(err, error_code_of(errno), errno, "cannot stop the agent");
	p.fd = pid_fd;
	if (poll(&p, 1, 15000) == 0)
		return error_set(
			err, ERR_TIMEOUT, 0, "the agent (pid %d) does not stop", atoi(text));
	return 0;
}

int ctl_down(struct ctl *ctl, struct error *err)
{
	const char *state = or_default(ctl->args->state_dir, STATE_DIR);
	cleanup_message Bulkhead__V1__NodeConfig *config = NULL;
	char program[PATH_MAX];
	char file[PATH_MAX];
	char *argv[] = { program, (char *)(uintptr_t) "--teardown", (char *)(uintptr_t) "--config",
		file, ctl->args->purge ? (char *)(uintptr_t) "--purge" : NULL, NULL };

	if (read_config(state, &config, err) < 0 || stop_agent(config, err) < 0)
		return -1;
	snprintf(program, sizeof(program), "%s/bulkhead-agent", config->libexec_dir);
	snprintf(file, sizeof(file), "%s/node.yaml", state);
	return run_tool(argv, err);
}
