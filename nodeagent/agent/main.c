/*
 * bulkhead-agent: the one root process of a node. Single-threaded, without a network socket; what
 * faces the network, holds keys or talks to databases is in the daemons that it starts.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "auth/pod_edit.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/api.h"
#include "nodeagent/agent/cgroup_path.h"
#include "nodeagent/agent/cluster.h"
#include "nodeagent/agent/cni_socket.h"
#include "nodeagent/agent/config.h"
#include "nodeagent/agent/netd.h"
#include "nodeagent/agent/node.h"
#include "nodeagent/agent/ovs.h"
#include "nodeagent/agent/pods.h"
#include "nodeagent/agent/quotas.h"
#include "nodeagent/agent/scopes.h"
#include "nodeagent/agent/secretd.h"
#include "nodeagent/agent/teardown.h"

#define FILES_WANTED  65536
#define OOM_SCORE_ADJ "-999"
#define PID_FILE      "agent.pid"
#define LOCK_FILE     "agent.lock"

struct options {
	const char *config;
	bool teardown;
	bool purge;
	bool check;
};

static int usage(const char *what)
{
	fprintf(stderr,
		"bulkhead-agent: %s\n"
		"usage: bulkhead-agent --config FILE\n"
		"       bulkhead-agent --teardown --config FILE [--purge]\n"
		"       bulkhead-agent --check --config FILE\n"
		"'bulkhead init' writes FILE and starts the agent.\n",
		what);
	return 2;
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "teardown", no_argument, NULL, 't' },
		{ "purge", no_argument, NULL, 'p' },
		{ "check", no_argument, NULL, 'k' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) >= 0) {
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case 't':
			o->teardown = true;
			break;
		case 'p':
			o->purge = true;
			break;
		case 'k':
			o->check = true;
			break;
		default:
			return usage("unknown option");
		}
	}
	if (optind != argc)
		return usage("no arguments are taken, only options");
	if (!o->config)
		return usage("--config is missing");
	if (o->purge && !o->teardown)
		return usage("--purge goes with --teardown only");
	if (o->check && o->teardown)
		return usage("--check and --teardown: give one of them");
	return 0;
}

/* ---- the process --------------------------------------------------------------------------- */

static void raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_max < FILES_WANTED)
		limit.rlim_max = FILES_WANTED;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Pods go first when memory is short. What the agent starts inherits it; shims set their own. */
static void protect_from_oom(void)
{
	struct error err = { 0 };

	if (file_poke_at(AT_FDCWD, "/proc/self/oom_score_adj", OOM_SCORE_ADJ, &err) < 0)
		log_notice("cannot lower oom_score_adj: %s", err.text);
}

static int prepare_process(struct error *err)
{
	if (geteuid() != 0)
		return error_set(err, ERR_DENIED, 0, "must be run as root");
	/* Nothing that the caller left open may reach a daemon or a pod. */
	log_close_others(STDERR_FILENO + 1);
	umask(0077);
	if (chdir("/") < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot prepare the process");
	signal(SIGPIPE, SIG_IGN);
	raise_files();
	return 0;
}

/* ---- folders and the lock ------------------------------------------------------------------ */

static int open_dir(const char *path, int *ret, struct error *err)
{
	*ret = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*ret < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open '%s'", path);
	return 0;
}

static int make_dir(int dirfd, const char *name, mode_t mode, struct error *err)
{
	if (mkdirat(dirfd, name, mode) < 0 && errno != EEXIST)
		return error_set(err, error_code_of(errno), errno, "cannot make folder '%s'", name);
	/* umask(2) took bits away. */
	if (fchmodat(dirfd, name, mode, 0) < 0)
		return error_set(
			err, error_code_of(errno), errno, "cannot set the mode of '%s'", name);
	return 0;
}

/* Its own user's alone, or somebody could put sockets and pid files of his own there. */
static int check_owner(int fd, const char *path, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot stat '%s'", path);
	if (st.st_uid != 0 || st.st_mode & (S_IWGRP | S_IWOTH))
		return error_set(err, ERR_DENIED, 0,
			"'%s' must belong to root and be writable by root alone", path);
	return 0;
}

static int open_dirs(struct agent *agent, struct error *err)
{
	const Bulkhead__V1__NodeConfig *config = agent->config;

	if (mkdir_parents(config->run_dir, 0711, err) < 0 ||
		open_dir(config->run_dir, &agent->run_dirfd, err) < 0 ||
		open_dir(config->state_dir, &agent->state_dirfd, err) < 0 ||
		check_owner(agent->run_dirfd, config->run_dir, err) < 0 ||
		check_owner(agent->state_dirfd, config->state_dir, err) < 0)
		return -1;
	if (fchmod(agent->run_dirfd, 0711) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot set the mode of '%s'",
			config->run_dir);
	return 0;
}

static const struct folder {
	const char *name;
	mode_t mode;
	bool state; /* below <state>, else <run> */
} folders[] = {
	{ "empty", 0555, false },
	{ "ovs", 0755, false },
	{ "pods", 0700, false },
	{ "pods", 0700, true },
	{ "logs", 0711, true },
	{ "seccomp", 0755, true },
};

static int make_folders(const struct agent *agent, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		const struct folder *f = &folders[i];

		if (make_dir(f->state ? agent->state_dirfd : agent->run_dirfd, f->name, f->mode,
			    err) < 0)
			return -1;
	}
	return 0;
}

/* Held by the descriptor until the process ends, however it ends. */
static int take_lock(const struct agent *agent, int *ret_fd, struct error *err)
{
	*ret_fd = openat(
		agent->run_dirfd, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*ret_fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open %s/%s",
			agent->config->run_dir, LOCK_FILE);
	if (flock(*ret_fd, LOCK_EX | LOCK_NB) < 0)
		return error_set(err, ERR_PRECONDITION, 0,
			"an agent runs already for %s; stop it first ('bulkhead down', or SIGTERM)",
			agent->config->run_dir);
	return 0;
}

static int write_pid(const struct agent *agent, struct error *err)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	return file_replace_at(agent->run_dirfd, PID_FILE, text, (size_t)n, 0644, err);
}

static int open_cgroups(struct agent *agent, struct error *err)
{
	cleanup_close int root_fd = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root_fd < 0)
		return error_set(err, ERR_PRECONDITION, errno, "cannot open /sys/fs/cgroup");
	return cgroup_tree_open(&agent->cgroups, root_fd, err);
}

/*
 * Whoever makes the cgroups: systemd, where it is PID 1 and would otherwise be bypassed. On cgroup
 * v1 it delegates only some of the hierarchies, so there the agent makes them all itself.
 */
static int choose_driver(const struct agent *agent, struct error *err)
{
	char **driver = &agent->config->cgroup_driver;
	bool booted = sd_booted() > 0;
	bool unified = agent->cgroups.mode == CGROUP_V2;

	if (!**driver)
		return edit_string(driver, booted && unified ? "systemd" : "cgroupfs", err);
	if (strcmp(*driver, "systemd") != 0)
		return 0;
	if (!booted)
		return error_set(err, ERR_PRECONDITION, 0,
			"cgroup_driver: 'systemd' needs systemd as PID 1, which it is not; set "
			"'cgroupfs'");
	if (!unified)
		return error_set(err, ERR_PRECONDITION, 0,
			"cgroup_driver: 'systemd' needs cgroup v2 alone, and v1 controllers are "
			"mounted; set 'cgroupfs', or boot with systemd.unified_cgroup_hierarchy=1");
	return 0;
}

/* ---- the loop ------------------------------------------------------------------------------ */

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *user)
{
	(void)user;
	log_notice("signal %u: stopping; pods run on", info->ssi_signo);
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int make_event(struct agent *agent, struct error *err)
{
	static const int signals[] = { SIGTERM, SIGINT };
	sigset_t set;
	int r = sd_event_new(&agent->event);

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		sigaddset(&set, signals[i]);
	/* Blocked so that they come through the loop; spawned programs get them unblocked. */
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (size_t i = 0; i < ARRAY_LEN(signals) && r >= 0; i++)
		r = sd_event_add_signal(agent->event, NULL, signals[i], on_signal, NULL);
	if (r >= 0)
		r = sd_event_set_watchdog(agent->event, 1);
	return r < 0 ? error_set(err, error_code_of(-r), -r, "cannot make an event loop") : 0;
}

static int open_images(struct agent *agent, struct error *err)
{
	cleanup_free char *dir = NULL;

	if (asprintf(&dir, "%s/images", agent->config->state_dir) < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot open images");
	return image_store_open(&agent->images, dir, err);
}

/* Before netd is started, which can make no socket itself. */
static int listen_for_cni(struct agent *agent, struct error *err)
{
	int fd;

	if (cni_socket_open(agent->run_dirfd, agent->config->run_dir, &fd, err) < 0)
		return -1;
	netd_listen(agent->netd, fd);
	return 0;
}

/* The modules in the order in which they use each other; api last, when all can answer. */
static int start(struct agent *agent, struct error *err)
{
	if (make_event(agent, err) < 0 || open_images(agent, err) < 0 ||
		(cgroup_path_is_systemd(agent->config) &&
			scopes_new(&agent->scopes, agent->event, err) < 0) ||
		ovs_new(&agent->ovs, agent, err) < 0 ||
		cluster_new(&agent->cluster, agent, err) < 0 ||
		secretd_new(&agent->secretd, agent, err) < 0 ||
		netd_new(&agent->netd, agent, err) < 0 || listen_for_cni(agent, err) < 0 ||
		node_new(&agent->node, agent, err) < 0 || pods_new(&agent->pods, agent, err) < 0 ||
		quotas_new(&agent->quotas, agent, err) < 0)
		return -1;
	return api_new(&agent->api, agent, err);
}

static void stop(struct agent *agent)
{
	api_free(agent->api);
	quotas_free(agent->quotas);
	pods_free(agent->pods);
	node_free(agent->node);
	netd_free(agent->netd);
	secretd_free(agent->secretd);
	cluster_free(agent->cluster);
	ovs_free(agent->ovs);
	image_store_free(agent->images);
	scopes_free(agent->scopes);
	sd_event_unref(agent->event);
}

static int serve(struct agent *agent, struct error *err)
{
	int r;

	protect_from_oom();
	if (make_folders(agent, err) < 0 || write_pid(agent, err) < 0)
		return -1;
	r = start(agent, err);
	if (r == 0) {
		sd_notify(0, "READY=1");
		log_notice("node %s runs, called at %s", agent->config->node_name,
			agent->config->listen);
		r = sd_event_loop(agent->event);
		if (r < 0)
			error_set(err, ERR_INTERNAL, -r, "the event loop failed");
		sd_notify(0, "STOPPING=1");
	}
	stop(agent);
	unlinkat(agent->run_dirfd, PID_FILE, 0);
	unlinkat(agent->run_dirfd, CNI_SOCKET, 0);
	return r < 0 ? -1 : 0;
}

static int run(struct agent *agent, const struct options *options, struct error *err)
{
	cleanup_close int lock_fd = -1;

	if (prepare_process(err) < 0 || open_dirs(agent, err) < 0 ||
		take_lock(agent, &lock_fd, err) < 0 || open_cgroups(agent, err) < 0 ||
		choose_driver(agent, err) < 0)
		return -1;
	if (options->teardown)
		return teardown(agent, options->purge, err);
	return serve(agent, err);
}

/* Says whether the file would do, to whoever is about to start a node with it. */
static int check(const char *path)
{
	Bulkhead__V1__NodeConfig *config;
	struct error err = { 0 };

	if (config_load(path, &config, &err) < 0) {
		fprintf(stderr, "bulkhead-agent: %s\n", err.text);
		return 2;
	}
	bulkhead__v1__node_config__free_unpacked(config, NULL);
	return 0;
}

int main(int argc, char **argv)
{
	struct options options = { 0 };
	struct agent agent = { .state_dirfd = -1, .run_dirfd = -1 };
	struct error err = { 0 };
	int r = parse(argc, argv, &options);

	if (r)
		return r;
	log_init("bulkhead-agent", getenv("BULKHEAD_DEBUG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	agent.config_path = options.config;
	if (options.check)
		return check(options.config);
	if (config_load(options.config, &agent.config, &err) < 0) {
		log_error("%s", err.text);
		return 2;
	}
	r = run(&agent, &options, &err);
	if (r < 0)
		log_error("%s", err.text);
	cgroup_tree_done(&agent.cgroups);
	if (agent.state_dirfd >= 0)
		close(agent.state_dirfd);
	if (agent.run_dirfd >= 0)
		close(agent.run_dirfd);
	bulkhead__v1__node_config__free_unpacked(agent.config, NULL);
	return r < 0 ? 1 : 0;
}
