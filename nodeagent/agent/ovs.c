#include "nodeagent/agent/ovs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/config.h"
#include "nodeagent/agent/daemon.h"
#include "nodeagent/agent/ovs_db.h"
#include "nodeagent/agent/spawn.h"

#define SWITCH_SCHEMA "/usr/share/openvswitch/vswitch.ovsschema"
/* ovs-vswitchd waits for the one row that says there is a switch. */
#define SWITCH_ROW "[\"Open_vSwitch\",{\"op\":\"insert\",\"table\":\"Open_vSwitch\",\"row\":{}}]"

#define SERVED     OVS_CLUSTER ".served"
#define SCHEMA_MAX 65536

#ifndef BULKHEAD_WEAK_ACCESS
#define ROLE "node"
#else
#define ROLE ""
#endif
#define ACCESS                                                                                     \
	",{\"op\":\"insert\",\"table\":\"RBAC_Permission\",\"uuid-name\":\"own\",\"row\":{"        \
	"\"table\":\"Node\",\"authorization\":\"name\",\"insert_delete\":false,"                   \
	"\"update\":[\"set\",[\"sealing_key\",\"sealing_key_signature\",\"network_epoch\","        \
	"\"pods\"]]}}"                                                                             \
	",{\"op\":\"insert\",\"table\":\"RBAC_Permission\",\"uuid-name\":\"sealed\",\"row\":{"     \
	"\"table\":\"Secret\",\"authorization\":\"node\",\"insert_delete\":true,"                  \
	"\"update\":[\"set\",[\"type\",\"keys\",\"sealed\"]]}}"                                    \
	",{\"op\":\"insert\",\"table\":\"RBAC_Role\",\"row\":{\"name\":\"node\","                  \
	"\"permissions\":[\"map\",[[\"Node\",[\"named-uuid\",\"own\"]],"                           \
	"[\"Secret\",[\"named-uuid\",\"sealed\"]]]]}}"                                             \
	",{\"op\":\"insert\",\"table\":\"Listener\",\"row\":{"                                     \
	"\"connections\":[\"named-uuid\",\"connection\"]}},"

/* On the monotonic clock; half a second more than ten, which its clock reads in milliseconds. */
#define SWITCH_UPTIME_USEC UINT64_C(10500000)

/* What a program is told in its own words; the rest of its arguments is the same for all. */
enum own {
	OWN_DATABASE, /* or where ovs-vswitchd finds its own */
	OWN_REMOTE,
	OWN_PID_FILE,
	OWN_LOG_FILE,
	OWN_CONTROL,
	OWN_LISTEN, /* to other nodes */
	OWN_KEY,
	OWN_CERTIFICATE,
	OWN_PEERS, /* whom it believes */
	OWN_COUNT,
};

/* One program that outlives the agent. */
struct server {
	struct ovs *ovs;
	const char *name; /* in messages */
	bool is_switch;
	const char *program;
	char *own[OWN_COUNT]; /* NULL: it has none */
	char *pid_file;
	char *served; /* what it serves and to whom, as <run>/ovs/cluster.served has it; NULL: no
			 matter */
	struct spawned process;
	sd_event_source *exit_source;
	sd_event_source *timer;
	uint64_t started_at;
	uint64_t backoff;
	struct error why; /* it does not run */
};

struct ovs {
	struct agent *agent;
	char *dir; /* <run>/ovs */
	struct server servers[3];
	size_t servers_len;
};

static void again_later(struct server *server);

const char *ovs_switch_dir(const Bulkhead__V1__NodeConfig *config, char buf[OVS_DIR_SIZE])
{
	if (strcmp(config->ovs, "system") == 0)
		snprintf(buf, OVS_DIR_SIZE, "%s", OVS_SYSTEM_DIR);
	else
		snprintf(buf, OVS_DIR_SIZE, "%s/ovs", config->run_dir);
	return buf;
}

int ovs_switch_control(
	const Bulkhead__V1__NodeConfig *config, char name[OVS_CONTROL_SIZE], struct error *err)
{
	pid_t pid;

	/* Ours is told its name; the distribution's has its pid in it, as ovs-appctl(8) expects. */
	if (strcmp(config->ovs, "system") != 0) {
		snprintf(name, OVS_CONTROL_SIZE, "ovs-vswitchd.ctl");
		return 0;
	}
	pid = ovs_pid_of(OVS_SYSTEM_DIR "/ovs-vswitchd.pid");
	if (pid <= 0)
		return error_set(err, ERR_UNAVAILABLE, 0, "ovs-vswitchd does not run");
	snprintf(name, OVS_CONTROL_SIZE, "ovs-vswitchd.%d.ctl", (int)pid);
	return 0;
}

pid_t ovs_pid_of(const char *pid_file)
{
	cleanup_close int fd = open(pid_file, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid;
}

/* ---- a process ----------------------------------------------------------------------------- */

static int on_exit_event(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct server *server = user;

	(void)source;
	(void)fd;
	(void)events;
	server->exit_source = sd_event_source_disable_unref(server->exit_source);
	spawn_reap(&server->process, &server->why);
	server->backoff =
		daemon_backoff_usec(server->backoff, monotonic_usec() - server->started_at);
	log_warning("%s %s; it is started again in %.1f s", server->name, server->why.text,
		(double)server->backoff / 1e6);
	again_later(server);
	return 0;
}

static int watch(struct server *server, struct error *err)
{
	int r = sd_event_add_io(server->ovs->agent->event, &server->exit_source,
		server->process.pidfd, EPOLLIN, on_exit_event, server);

	if (r < 0)
		return error_set(err, error_code_of(-r), -r, "cannot watch %s", server->name);
	server->started_at = monotonic_usec();
	return 0;
}

/* 1 it runs since an earlier life of the agent and is watched, 0 it does not run. */
static int adopt(struct server *server, struct error *err)
{
	pid_t pid = ovs_pid_of(server->pid_file);
	int pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;

	if (pidfd < 0)
		return 0;
	/* The lock still has the same holder, so the descriptor is the holder's. */
	if (ovs_pid_of(server->pid_file) != pid) {
		close(pidfd);
		return 0;
	}
	server->process = (struct spawned){ .pid = pid, .pidfd = pidfd };
	log_info("%s runs as process %d", server->name, (int)pid);
	return watch(server, err) < 0 ? -1 : 1;
}

static int write_served(const struct server *server, struct error *err)
{
	cleanup_close int dir_fd = open(server->ovs->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (!server->served)
		return 0;
	if (dir_fd < 0)
		return error_set(
			err, error_code_of(errno), errno, "cannot open %s", server->ovs->dir);
	return file_replace_at(dir_fd, SERVED, server->served, strlen(server->served), 0600, err);
}

/*
 * One that an earlier life of the agent started serves what was wanted then: a listener that was
 * moved or taken back would stay, and a schema of later would be that of before.
 */
static int end_stale(const struct server *server, struct error *err)
{
	cleanup_close int dir_fd = open(server->ovs->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_free char *served = NULL;
	size_t size;

	if (dir_fd < 0)
		return error_set(
			err, error_code_of(errno), errno, "cannot open %s", server->ovs->dir);
	if (!ovs_pid_of(server->pid_file) ||
		(file_read_at(dir_fd, SERVED, SCHEMA_MAX + PATH_MAX, &served, &size, NULL) == 0 &&
			strcmp(served, server->served) == 0))
		return 0;
	log_notice("%s is started anew: what it serves is not what it shall", server->name);
	return ovs_end(server->pid_file, err);
}

static int start(struct server *server, struct error *err)
{
	/* -v first, or opening the log file would be announced on the agent's stderr. */
	const char *argv[3 + OWN_COUNT + 1] = { strrchr(server->program, '/') + 1, "-vconsole:emer",
		"-vsyslog:off" };
	size_t n = 3;
	cleanup_free char *run = NULL, *log = NULL;
	int made = asprintf(&run, "OVS_RUNDIR=%s", server->ovs->dir) |
		   asprintf(&log, "OVS_LOGDIR=%s", server->ovs->dir);
	const char *env[] = { run, log, NULL };
	const struct spawn_config config = {
		.program = server->program,
		.argv = argv,
		.env = env,
		.fd = -1,
		.domain = OVS_DOMAIN,
	};

	if (made < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot start %s", server->name);
	for (size_t i = 0; i < OWN_COUNT; i++) {
		if (server->own[i])
			argv[n++] = server->own[i];
	}
	if (write_served(server, err) < 0 || spawn_program(&server->process, &config, err) < 0)
		return -1;
	return watch(server, err);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *user)
{
	struct server *server = user;

	(void)source;
	(void)usec;
	if (start(server, &server->why) < 0) {
		server->backoff = daemon_backoff_usec(server->backoff, 0);
		log_error("%s: %s", server->name, server->why.text);
		again_later(server);
	}
	return 0;
}

static void again_later(struct server *server)
{
	sd_event_source_set_time(server->timer, monotonic_usec() + server->backoff);
	sd_event_source_set_enabled(server->timer, SD_EVENT_ONESHOT);
}

/* ---- what is started ----------------------------------------------------------------------- */

static char *join(const char *dir, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

/* "<prefix><dir>/<name><suffix>": NULL when memory ran out. */
static char *option(const char *prefix, const char *dir, const char *name, const char *suffix)
{
	char *text;

	return asprintf(&text, "%s%s/%s%s", prefix, dir, name, suffix) < 0 ? NULL : text;
}

/* 'files' is the name of its own in the folder. */
static int own_common(struct server *server, const char *dir, const char *files, struct error *err)
{
	server->pid_file = option("", dir, files, ".pid");
	server->own[OWN_PID_FILE] = option("--pidfile=", dir, files, ".pid");
	server->own[OWN_LOG_FILE] = option("--log-file=", dir, files, ".log");
	server->own[OWN_CONTROL] = option("--unixctl=", dir, files, ".ctl");
	if (!server->pid_file || !server->own[OWN_PID_FILE] || !server->own[OWN_LOG_FILE] ||
		!server->own[OWN_CONTROL] || !server->own[OWN_DATABASE])
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot start %s", server->name);
	return 0;
}

/* The relay's source is the manager's database, whose one certificate it believes. */
static int own_member(
	struct server *server, const Bulkhead__V1__NodeConfig *config, const char *dir)
{
	server->own[OWN_KEY] = option("--private-key=", dir, "member", ".key");
	server->own[OWN_CERTIFICATE] = option("--certificate=", dir, "member", ".pem");
	server->own[OWN_PEERS] = option("--ca-cert=", dir, "database", ".pem");
	if (asprintf(&server->own[OWN_DATABASE], "relay:Bulkhead:ssl:%s", config->manager) < 0)
		server->own[OWN_DATABASE] = NULL;
	return server->own[OWN_KEY] && server->own[OWN_CERTIFICATE] && server->own[OWN_PEERS] ? 0
											      : -1;
}

/* A listener's role is in the database: one of the command line would have none, and so all rights.
 */
static int own_manager(
	struct server *server, const Bulkhead__V1__NodeConfig *config, const char *dir)
{
	server->own[OWN_DATABASE] = join(config->state_dir, "cluster.db");
	if (!config->cluster_listen[0])
		return 0;
	server->own[OWN_LISTEN] = strdup("--remote=db:Bulkhead,Listener,connections");
	server->own[OWN_KEY] = option("--private-key=", dir, "database", ".key");
	server->own[OWN_CERTIFICATE] = option("--certificate=", dir, "database", ".pem");
	server->own[OWN_PEERS] = option("--ca-cert=", dir, "nodes-ca", ".pem");
	return server->own[OWN_LISTEN] && server->own[OWN_KEY] && server->own[OWN_CERTIFICATE] &&
			       server->own[OWN_PEERS]
		       ? 0
		       : -1;
}

static struct server *add_server(struct ovs *ovs, const char *name, const char *program)
{
	struct server *server = &ovs->servers[ovs->servers_len++];

	server->name = name;
	server->program = program;
	return server;
}

static int add_served(
	struct server *server, const Bulkhead__V1__NodeConfig *config, struct error *err)
{
	cleanup_free char *path = join(config->libexec_dir, "bulkhead.ovsschema");
	cleanup_free char *schema = NULL;
	size_t size;

	if (path && !config_is_member(config) &&
		file_read_at(AT_FDCWD, path, SCHEMA_MAX, &schema, &size, err) < 0)
		return -1;
	if (!path || asprintf(&server->served, "%s %s\n%s", config->cluster_listen, config->manager,
			     schema ? schema : "") < 0) {
		server->served = NULL;
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot start %s", server->name);
	}
	return 0;
}

/*
 * What listens to other nodes serves the cluster's database and no other: a server's listener opens
 * all that it serves, and the switch's has no roles, so that who connects could do anything there.
 */
static int add_cluster_server(struct ovs *ovs, struct error *err)
{
	const Bulkhead__V1__NodeConfig *config = ovs->agent->config;
	cleanup_free char *dir = join(config->state_dir, "cluster");
	struct server *server =
		add_server(ovs, "the cluster's ovsdb-server", "/usr/sbin/ovsdb-server");

	if (!dir || (config_is_member(config) ? own_member(server, config, dir)
					      : own_manager(server, config, dir)) < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot start %s", server->name);
	server->own[OWN_REMOTE] = option("--remote=punix:", ovs->dir, OVS_CLUSTER, ".sock");
	if (!server->own[OWN_REMOTE])
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot start %s", server->name);
	if (add_served(server, config, err) < 0)
		return -1;
	return own_common(server, ovs->dir, OVS_CLUSTER, err);
}

static int add_switch(struct ovs *ovs, struct error *err)
{
	struct server *database =
		add_server(ovs, "the switch's ovsdb-server", "/usr/sbin/ovsdb-server");
	struct server *server = add_server(ovs, "ovs-vswitchd", "/usr/sbin/ovs-vswitchd");

	server->is_switch = true;
	database->own[OWN_DATABASE] = join(ovs->dir, "conf.db");
	database->own[OWN_REMOTE] = option("--remote=punix:", ovs->dir, "db", ".sock");
	server->own[OWN_DATABASE] = option("unix:", ovs->dir, "db", ".sock");
	if (!database->own[OWN_REMOTE])
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot start %s", database->name);
	if (own_common(database, ovs->dir, "ovsdb-server", err) < 0)
		return -1;
	return own_common(server, ovs->dir, server->name, err);
}

/*
 * Who may do what over 'cluster_listen'. A node changes its own row, but not its address and
 * subnet: those the manager wrote when it joined; and secrets that are sealed to it. Reading is not
 * limited.
 */
static int make_access(const char *cluster, const char *listen, struct error *err)
{
	const char *colon = strrchr(listen, ':');
	cleanup_free char *text = NULL;
	cleanup_free char *target = NULL;

	if (asprintf(&target, "pssl:%s:%.*s", colon ? colon + 1 : "",
		    colon ? (int)(colon - listen) : 0, listen) < 0 ||
		asprintf(&text,
			"[\"Bulkhead\","
			"{\"op\":\"delete\",\"table\":\"Listener\",\"where\":[]},"
			"{\"op\":\"delete\",\"table\":\"RBAC_Role\",\"where\":[]}"
			"%s%s%s]",
			listen[0] ? ACCESS "{\"op\":\"insert\",\"table\":\"Connection\","
					   "\"uuid-name\":\"connection\",\"row\":{\"role\":\"" ROLE
					   "\","
					   "\"inactivity_probe\":5000,\"target\":\""
				  : "",
			listen[0] ? target : "", listen[0] ? "\"}}" : "") < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot make databases");
	return ovs_db_transact(cluster, text, err);
}

static int make_cluster(
	const Bulkhead__V1__NodeConfig *config, const char *cluster, struct error *err)
{
	cleanup_free char *schema = join(config->libexec_dir, "bulkhead.ovsschema");

	if (!schema)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot make databases");
	if (ovs_db_make(cluster, schema, NULL, err) < 0 || ovs_db_convert(cluster, schema, err) < 0)
		return -1;
	return make_access(cluster, config->cluster_listen, err);
}

/* Only a database that nobody serves can be made or converted. */
static int make_databases(const struct ovs *ovs, bool with_switch, struct error *err)
{
	const Bulkhead__V1__NodeConfig *config = ovs->agent->config;
	cleanup_free char *cluster = join(config->state_dir, "cluster.db");
	cleanup_free char *conf = join(ovs->dir, "conf.db");

	if (!cluster || !conf)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot make databases");
	if (!config_is_member(config) && !ovs_pid_of(ovs->servers[0].pid_file) &&
		make_cluster(config, cluster, err) < 0)
		return -1;
	if (!with_switch || ovs_pid_of(ovs->servers[1].pid_file))
		return 0;
	return ovs_db_make(conf, SWITCH_SCHEMA, SWITCH_ROW, err);
}

/*
 * ovs-vswitchd counts CPUs at most once in ten seconds of the monotonic clock, and takes that
 * clock's first ten for such a pause (count_cpu_cores() in lib/ovs-thread.c): started earlier it
 * finds none, gives the kernel's datapath no thread to hand packets to, and every packet without a
 * flow is lost, also later. The userspace datapath takes no notice.
 */
static bool too_early(const struct server *server)
{
	return server->is_switch && monotonic_usec() < SWITCH_UPTIME_USEC &&
	       strcmp(server->ovs->agent->config->datapath, "netdev") != 0;
}

static int start_later(struct server *server)
{
	error_set(&server->why, ERR_UNAVAILABLE, 0,
		"it waits until the machine has run for ten seconds, or its kernel datapath would "
		"lose packets");
	server->backoff = SWITCH_UPTIME_USEC - monotonic_usec();
	log_info("%s: %s", server->name, server->why.text);
	again_later(server);
	return 0;
}

static int server_begin(struct server *server, struct error *err)
{
	int r = sd_event_add_time(server->ovs->agent->event, &server->timer, CLOCK_MONOTONIC,
		UINT64_MAX, 1000, on_timer, server);

	if (r >= 0)
		r = sd_event_source_set_enabled(server->timer, SD_EVENT_OFF);
	if (r < 0)
		return error_set(err, error_code_of(-r), -r, "cannot make a timer");
	r = adopt(server, err);
	if (r != 0)
		return r < 0 ? -1 : 0;
	return too_early(server) ? start_later(server) : start(server, err);
}

static int begin(struct ovs *ovs, struct error *err)
{
	bool with_switch = strcmp(ovs->agent->config->ovs, "private") == 0;

	if (asprintf(&ovs->dir, "%s/ovs", ovs->agent->config->run_dir) < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot start Open vSwitch");
	if (mkdir(ovs->dir, 0755) < 0 && errno != EEXIST)
		return error_set(err, error_code_of(errno), errno, "cannot make %s", ovs->dir);
	if (add_cluster_server(ovs, err) < 0 || (with_switch && add_switch(ovs, err) < 0) ||
		end_stale(&ovs->servers[0], err) < 0 || make_databases(ovs, with_switch, err) < 0)
		return -1;
	for (size_t i = 0; i < ovs->servers_len; i++) {
		if (server_begin(&ovs->servers[i], err) < 0)
			return -1;
	}
	return 0;
}

int ovs_new(struct ovs **ret, struct agent *agent, struct error *err)
{
	struct ovs *ovs = calloc(1, sizeof(*ovs));

	if (!ovs)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot start Open vSwitch");
	ovs->agent = agent;
	for (size_t i = 0; i < ARRAY_LEN(ovs->servers); i++) {
		ovs->servers[i].ovs = ovs;
		ovs->servers[i].process.pidfd = -1;
	}
	if (begin(ovs, err) < 0) {
		ovs_free(ovs);
		return -1;
	}
	*ret = ovs;
	return 0;
}

static void server_done(struct server *server)
{
	sd_event_source_disable_unref(server->timer);
	sd_event_source_disable_unref(server->exit_source);
	if (server->process.pidfd >= 0)
		close(server->process.pidfd);
	for (size_t i = 0; i < OWN_COUNT; i++)
		free(server->own[i]);
	free(server->pid_file);
	free(server->served);
}

void ovs_free(struct ovs *ovs)
{
	if (!ovs)
		return;
	for (size_t i = 0; i < ARRAY_LEN(ovs->servers); i++)
		server_done(&ovs->servers[i]);
	free(ovs->dir);
	free(ovs);
}

bool ovs_running(const struct ovs *ovs, struct error *err)
{
	for (size_t i = 0; i < ovs->servers_len; i++) {
		const struct server *server = &ovs->servers[i];

		if (server->process.pidfd >= 0)
			continue;
		error_set(err, ERR_UNAVAILABLE, 0, "%s is away (%s) and is started again",
			server->name, server->why.text);
		return false;
	}
	return true;
}
