#include "nodeagent/agent/pod_shim.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "nodeagent/agent/link.h"
#include "nodeagent/agent/spawn.h"
#include "nodeagent/agent/timer.h"

/* A process whose connection is closed is given this long to end by itself. */
#define CLOSED_USEC UINT64_C(300000)
/* Connections that broke before a frame was understood; then the process is no use. */
#define BROKEN_MAX 10
/* What it sent before it ended is read before its end is seen. */
#define PROCESS_PRIORITY 10

struct shim {
	struct shim_config config;
	char *socket;
	pid_t pid;
	struct spawned process; /* pid 0: not our child, nothing to reap */
	sd_event_source *process_source;
	struct link *link; /* NULL: closed */
	sd_event_source *timer;
	bool leaving;
	unsigned broken;
	bool ended; /* 'gone' was called */
};

void shim_free(struct shim *shim)
{
	if (!shim)
		return;
	link_free(shim->link);
	sd_event_source_disable_unref(shim->process_source);
	sd_event_source_disable_unref(shim->timer);
	cleanup_close_fn(&shim->process.pidfd);
	free(shim->socket);
	free(shim);
}

static int on_process(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct shim *shim = user;
	struct error why = { 0 };

	(void)source;
	(void)fd;
	(void)events;
	sd_event_source_set_enabled(shim->process_source, SD_EVENT_OFF);
	timer_stop(shim->timer);
	link_free(shim->link);
	shim->link = NULL;
	shim->ended = true;
	spawn_reap(&shim->process, &why);
	shim->config.ops->gone(shim->config.user, &why);
	return 0;
}

static int on_frame(
	void *user, struct ipc_frame *frame, const ProtobufCMessage *message, struct error *err)
{
	struct shim *shim = user;

	if (shim->config.ops->frame(shim->config.user, frame, message, err) < 0)
		return -1;
	shim->broken = 0;
	return 0;
}

static int on_closed_long(sd_event_source *source, uint64_t usec, void *user)
{
	struct shim *shim = user;
	struct error err = { 0 };

	(void)source;
	(void)usec;
	if (shim->leaving)
		error_set(&err, ERR_TIMEOUT, 0, "it was told to end and does not");
	else if (++shim->broken > BROKEN_MAX)
		error_set(&err, ERR_INVALID, 0, "nothing it says is understood");
	else if (shim_reconnect(shim, &err) == 0)
		return 0;
	log_warning("shim at '%s' is killed: %s", shim->socket, err.text);
	shim_kill(shim);
	return 0;
}

static void on_closed(void *user, const struct error *err)
{
	struct shim *shim = user;

	if (err->code != ERR_UNAVAILABLE)
		log_warning("connection to the shim at '%s': %s", shim->socket, err->text);
	link_free(shim->link);
	shim->link = NULL;
	if (timer_set(&shim->timer, shim->config.event, CLOSED_USEC, on_closed_long, shim, NULL) <
		0)
		shim_kill(shim);
}

static const struct link_ops ops = { .frame = on_frame, .closed = on_closed };

static struct shim *allocate(const struct shim_config *config, struct error *err)
{
	struct shim *shim = calloc(1, sizeof(*shim));

	if (shim)
		shim->socket = strdup(config->socket);
	if (!shim || !shim->socket) {
		free(shim);
		error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot hold a shim");
		return NULL;
	}
	shim->config = *config;
	shim->process.pidfd = -1;
	return shim;
}

/* The process's end and the connection's frames, both watched. Takes over '*fd' on success. */
static int watch(struct shim *shim, int *fd, struct error *err)
{
	int r;

	r = sd_event_add_io(shim->config.event, &shim->process_source, shim->process.pidfd, EPOLLIN,
		on_process, shim);
	if (r >= 0)
		r = sd_event_source_set_priority(shim->process_source, PROCESS_PRIORITY);
	if (r < 0)
		return error_set(err, error_code_of(-r), -r, "cannot watch a shim");
	if (link_new(&shim->link, shim->config.event, *fd, IPC_SHIM, &ops, shim, err) < 0)
		return -1;
	take_fd(fd);
	return 0;
}

int shim_spawn(struct shim **ret, const struct shim_config *config, struct error *err)
{
	const char *const argv[] = { config->program, "--socket", config->socket, NULL };
	struct spawn_config program = { .program = config->program, .argv = argv };
	struct shim *shim = allocate(config, err);
	int pair[2];
	int r;

	if (!shim)
		return -1;
	if (ipc_socketpair(pair, err) < 0) {
		shim_free(shim);
		return -1;
	}
	program.fd = pair[1];
	r = spawn_program(&shim->process, &program, err);
	close(pair[1]);
	if (r < 0 || watch(shim, &pair[0], err) < 0) {
		cleanup_close_fn(&pair[0]);
		shim->process_source = sd_event_source_disable_unref(shim->process_source);
		spawn_end(&shim->process, 0);
		shim_free(shim);
		return -1;
	}
	shim->pid = shim->process.pid;
	*ret = shim;
	return 0;
}

static int dial(const char *path, struct error *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	cleanup_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (strlen(path) >= sizeof(addr.sun_path))
		return error_set(err, ERR_INVALID, 0,
			"run_dir: '%s' is longer than %zu bytes; use a shorter run_dir", path,
			sizeof(addr.sun_path) - 1);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return error_set(err, errno == ECONNREFUSED ? ERR_NOT_FOUND : error_code_of(errno),
			errno, "cannot connect to '%s'", path);
	return take_fd(&fd);
}

/* The process at the other end: whoever listened there. */
static int peer_open(struct shim *shim, int fd, struct error *err)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return error_set(
			err, ERR_INTERNAL, errno, "cannot see who listens at '%s'", shim->socket);
	if (peer.uid != 0)
		return error_set(err, ERR_DENIED, 0, "uid %u listens at '%s', not a shim", peer.uid,
			shim->socket);
	shim->process.pidfd = pidfd_open(peer.pid, 0);
	if (shim->process.pidfd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot watch the shim at '%s'",
			shim->socket);
	shim->pid = peer.pid;
	return 0;
}

int shim_connect(struct shim **ret, const struct shim_config *config, struct error *err)
{
	struct shim *shim = allocate(config, err);
	cleanup_close int fd = -1;

	if (!shim)
		return -1;
	fd = dial(shim->socket, err);
	if (fd < 0 || peer_open(shim, fd, err) < 0 || watch(shim, &fd, err) < 0) {
		shim_free(shim);
		return -1;
	}
	*ret = shim;
	return 0;
}

int shim_reconnect(struct shim *shim, struct error *err)
{
	cleanup_close int fd = dial(shim->socket, err);
	struct link *link;

	if (fd < 0 || link_new(&link, shim->config.event, fd, IPC_SHIM, &ops, shim, err) < 0)
		return -1;
	take_fd(&fd);
	timer_stop(shim->timer);
	link_free(shim->link);
	shim->link = link;
	return 0;
}

int shim_send(
	struct shim *shim, enum ipc_type type, const ProtobufCMessage *message, struct error *err)
{
	if (!shim || !shim->link)
		return error_set(err, ERR_UNAVAILABLE, 0, "the pod's shim is not connected");
	return link_send(shim->link, type, 0, message, NULL, 0, NULL, err);
}

pid_t shim_pid(const struct shim *shim)
{
	return shim->pid;
}

void shim_kill(struct shim *shim)
{
	spawn_kill(&shim->process);
}

void shim_leaving(struct shim *shim)
{
	shim->leaving = true;
}
