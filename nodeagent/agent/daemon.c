#include "nodeagent/agent/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "nodeagent/agent/link.h"
#include "nodeagent/agent/spawn.h"

#define END_MSEC 5000 /* to go after its connection closed */

struct daemon {
	sd_event *event;
	char *name;
	char *argv[DAEMON_ARGS_MAX + 2]; /* [0] is the program's path */
	enum ipc_role role;
	const struct daemon_ops *ops;
	void *user;
	struct spawned child;
	sd_event_source *exit_source;
	sd_event_source *timer;
	struct link *link; /* NULL while it does not run */
	uint64_t started_at;
	uint64_t backoff;
	struct error why; /* it ended last */
};

static void again_later(struct daemon *daemon);

uint64_t daemon_backoff_usec(uint64_t last, uint64_t ran)
{
	if (!last || ran >= DAEMON_HEALTHY_USEC)
		return DAEMON_BACKOFF_FIRST_USEC;
	return last * 2 < DAEMON_BACKOFF_MAX_USEC ? last * 2 : DAEMON_BACKOFF_MAX_USEC;
}

/* ---- its connection ------------------------------------------------------------------------ */

static int on_frame(
	void *user, struct ipc_frame *frame, const ProtobufCMessage *message, struct error *err)
{
	struct daemon *daemon = user;

	return daemon->ops->frame(daemon->user, frame, message, err);
}

static void lose_link(struct daemon *daemon, const struct error *err)
{
	struct error lost = *err;

	if (!daemon->link)
		return;
	link_free(daemon->link);
	daemon->link = NULL;
	lost.code = ERR_UNAVAILABLE;
	error_prefix(&lost, "%s", daemon->name);
	if (daemon->ops->lost)
		daemon->ops->lost(daemon->user, &lost);
}

/* Without a connection it is of no use: it is killed, and its end starts it again. */
static void on_closed(void *user, const struct error *err)
{
	struct daemon *daemon = user;

	if (err->code != ERR_UNAVAILABLE)
		log_error("%s is ended: %s", daemon->name, err->text);
	spawn_kill(&daemon->child);
	lose_link(daemon, err);
}

static const struct link_ops link_ops = { .frame = on_frame, .closed = on_closed };

/* ---- its process --------------------------------------------------------------------------- */

static int on_exit_event(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct daemon *daemon = user;

	(void)source;
	(void)fd;
	(void)events;
	daemon->exit_source = sd_event_source_disable_unref(daemon->exit_source);
	spawn_reap(&daemon->child, &daemon->why);
	daemon->child.pid = 0;
	daemon->backoff =
		daemon_backoff_usec(daemon->backoff, monotonic_usec() - daemon->started_at);
	log_warning("%s %s; it is started again in %.1f s", daemon->name, daemon->why.text,
		(double)daemon->backoff / 1e6);
	lose_link(daemon, &daemon->why);
	again_later(daemon);
	return 0;
}

/* After the connection's events: what it said before it ended still counts. */
static int watch_exit(struct daemon *daemon, struct error *err)
{
	int r = sd_event_add_io(daemon->event, &daemon->exit_source, daemon->child.pidfd, EPOLLIN,
		on_exit_event, daemon);

	if (r >= 0)
		r = sd_event_source_set_priority(
			daemon->exit_source, SD_EVENT_PRIORITY_NORMAL + 10);
	if (r < 0)
		return error_set(err, error_code_of(-r), -r, "cannot watch a process");
	return 0;
}

static void abandon(struct daemon *daemon)
{
	daemon->exit_source = sd_event_source_disable_unref(daemon->exit_source);
	link_free(daemon->link);
	daemon->link = NULL;
	spawn_end(&daemon->child, 0);
	daemon->child.pid = 0;
}

static int start(struct daemon *daemon, struct error *err)
{
	struct spawn_config config = {
		.program = daemon->argv[0],
		.argv = (const char *const *)(uintptr_t)daemon->argv,
	};
	int fds[2];
	int r;

	if (ipc_socketpair(fds, err) < 0)
		return -1;
	config.fd = fds[1];
	r = spawn_program(&daemon->child, &config, err);
	close(fds[1]);
	if (r < 0) {
		close(fds[0]);
		return -1;
	}
	if (link_new(&daemon->link, daemon->event, fds[0], daemon->role, &link_ops, daemon, err) <
		0) {
		close(fds[0]);
		abandon(daemon);
		return -1;
	}
	if (watch_exit(daemon, err) < 0) {
		abandon(daemon);
		return -1;
	}
	daemon->started_at = monotonic_usec();
	log_debug("%s runs as process %d", daemon->name, (int)daemon->child.pid);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *user)
{
	struct daemon *daemon = user;

	(void)source;
	(void)usec;
	if (start(daemon, &daemon->why) < 0) {
		daemon->backoff = daemon_backoff_usec(daemon->backoff, 0);
		log_error("%s: %s", daemon->name, daemon->why.text);
		again_later(daemon);
	}
	return 0;
}

static void again_later(struct daemon *daemon)
{
	uint64_t at = monotonic_usec() + daemon->backoff;
	int r = sd_event_source_set_time(daemon->timer, at);

	if (r >= 0)
		r = sd_event_source_set_enabled(daemon->timer, SD_EVENT_ONESHOT);
	if (r < 0)
		log_error("%s cannot be started again: %s", daemon->name, strerror(-r));
}

/* ---- for its owner ------------------------------------------------------------------------- */

static int fill(struct daemon *daemon, const struct daemon_config *config, struct error *err)
{
	size_t n = 0;
	int r;

	daemon->event = config->event;
	daemon->role = config->role;
	daemon->child.pidfd = -1;
	daemon->name = strdup(config->name);
	if (!daemon->name || asprintf(&daemon->argv[n++], "%s/%s", config->dir, config->name) < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot start %s", config->name);
	for (size_t i = 0; config->args[i] && n <= DAEMON_ARGS_MAX; i++) {
		daemon->argv[n] = strdup(config->args[i]);
		if (!daemon->argv[n++])
			break;
	}
	if (!daemon->argv[n - 1])
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot start %s", config->name);
	/* Armed by again_later() alone. */
	r = sd_event_add_time(
		daemon->event, &daemon->timer, CLOCK_MONOTONIC, UINT64_MAX, 1000, on_timer, daemon);
	if (r >= 0)
		r = sd_event_source_set_enabled(daemon->timer, SD_EVENT_OFF);
	return r < 0 ? error_set(err, error_code_of(-r), -r, "cannot make a timer") : 0;
}

int daemon_new(struct daemon **ret, const struct daemon_config *config,
	const struct daemon_ops *ops, void *user, struct error *err)
{
	struct daemon *daemon = calloc(1, sizeof(*daemon));

	if (!daemon)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot start %s", config->name);
	daemon->ops = ops;
	daemon->user = user;
	if (fill(daemon, config, err) < 0 || start(daemon, err) < 0) {
		daemon_free(daemon);
		return -1;
	}
	*ret = daemon;
	return 0;
}

void daemon_free(struct daemon *daemon)
{
	if (!daemon)
		return;
	sd_event_source_disable_unref(daemon->timer);
	sd_event_source_disable_unref(daemon->exit_source);
	link_free(daemon->link);
	spawn_end(&daemon->child, END_MSEC);
	for (size_t i = 0; i < ARRAY_LEN(daemon->argv); i++)
		free(daemon->argv[i]);
	free(daemon->name);
	free(daemon);
}

int daemon_send(struct daemon *daemon, enum ipc_type type, const ProtobufCMessage *message,
	const int *fds, size_t fds_len, uint32_t *ret_serial, struct error *err)
{
	if (!daemon->link)
		return error_set(err, ERR_UNAVAILABLE, 0, "%s is away (%s) and is started again",
			daemon->name, daemon->why.text[0] ? daemon->why.text : "not started");
	if (link_send(daemon->link, type, 0, message, fds, fds_len, ret_serial, err) < 0)
		return error_prefix(err, "%s", daemon->name);
	return 0;
}

bool daemon_crowded(const struct daemon *daemon)
{
	return daemon->link && link_crowded(daemon->link);
}

void daemon_kill(struct daemon *daemon, const char *why)
{
	log_error("%s is ended: %s", daemon->name, why);
	spawn_kill(&daemon->child);
}

bool daemon_running(const struct daemon *daemon)
{
	return daemon->link != NULL;
}

pid_t daemon_pid(const struct daemon *daemon)
{
	return daemon->child.pid;
}

const char *daemon_reason(const struct daemon *daemon)
{
	return daemon->why.text;
}
