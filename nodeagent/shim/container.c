/* A container from its plan to its last exit, as the shim sees it. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "nodeagent/shim/caps.h"
#include "nodeagent/shim/plan_check.h"
#include "nodeagent/shim/selinux.h"
#include "nodeagent/shim/shim.h"
#include "nodeagent/shim/sys.h"

#define READ_SIZE CRI_PIECE_MAX
#define DRAIN_MAX (1u << 20) /* what is still read after the end; a pipe holds less */
#define OOM_EXIT  137

struct container *container_find(const struct shim *shim, const char *name)
{
	for (struct container *c = shim->containers; c; c = c->next) {
		if (strcmp(c->plan->name, name) == 0)
			return c;
	}
	return NULL;
}

int container_alive(const struct container *container)
{
	return container->process.fd >= 0;
}

/* Bytes that were there, 0 for none now, -1 at the end. */
static int output_read(struct container *c, enum cri_stream stream)
{
	char data[READ_SIZE];
	ssize_t n = read(c->output[stream].fd, data, sizeof(data));

	if (n > 0) {
		cri_log_write(c->log, stream, data, (size_t)n);
		return (int)n;
	}
	/* A pty whose last slave closed says EIO. */
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static void output_ready(struct shim *shim, struct source *source)
{
	struct container *c = source->owner;
	int n = output_read(c, (enum cri_stream)(source - c->output));

	if (n < 0)
		source_done(shim, source);
	else if (pace_spend(shim, (size_t)n))
		pace_pause(shim, source);
}

/* Takes what is there; another container may hold the other end, so the end is not waited for. */
static void output_end(struct shim *shim, struct container *c)
{
	for (int i = 0; i < CRI_STREAMS; i++) {
		for (size_t n = 0; c->output[i].fd >= 0 && n < DRAIN_MAX; n += READ_SIZE) {
			if (output_read(c, (enum cri_stream)i) <= 0)
				break;
		}
		source_done(shim, &c->output[i]);
	}
	if (c->log && cri_log_dropped(c->log) > 0)
		log_warning("container '%s': %llu log records could not be written", c->plan->name,
			(unsigned long long)cri_log_dropped(c->log));
	cri_log_close(c->log);
	c->log = NULL;
}

static void fds_close(struct container *c)
{
	drift_container_end(c);
	for (int i = 0; i < LAUNCH_FDS; i++) {
		cleanup_close_fn(&c->fds[i]);
		c->fds[i] = -1;
	}
	cleanup_close_fn(&c->stdin_fd);
	c->stdin_fd = -1;
	for (size_t i = 0; i < ARRAY_LEN(c->debug_fds); i++) {
		cleanup_close_fn(&c->debug_fds[i]);
		c->debug_fds[i] = -1;
	}
}

void container_free(struct shim *shim, struct container *container)
{
	struct container **at = &shim->containers;

	while (*at && *at != container)
		at = &(*at)->next;
	if (*at)
		*at = container->next;
	output_end(shim, container);
	dev_log_done(shim, container);
	record_end(shim, container);
	source_done(shim, &container->process);
	source_done(shim, &container->status);
	fds_close(container);
	cgroup_done(&container->cgroup);
	bulkhead__v1__container_plan__free_unpacked(container->plan, NULL);
	free(container);
}

static struct container *container_new(
	struct shim *shim, Bulkhead__V1__ContainerPlan *plan, uint32_t serial)
{
	struct container *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->oom = CGROUP_OOM_NONE;
	c->plan = plan;
	c->serial = serial;
	c->process.fd = c->status.fd = c->stdin_fd = c->dev_log.fd = c->listener.fd = -1;
	for (int i = 0; i < CRI_STREAMS; i++)
		c->output[i].fd = -1;
	for (int i = 0; i < LAUNCH_FDS; i++)
		c->fds[i] = -1;
	for (size_t i = 0; i < ARRAY_LEN(c->debug_fds); i++)
		c->debug_fds[i] = -1;
	c->next = shim->containers;
	shim->containers = c;
	return c;
}

void container_started_fill(const struct container *c, Bulkhead__V1__ContainerStarted *started,
	Bulkhead__V1__LaunchTimes *times, Bulkhead__V1__Error *error)
{
	bulkhead__v1__container_started__init(started);
	bulkhead__v1__launch_times__init(times);
	started->name = c->plan->name;
	started->restart = c->plan->restart;
	started->pid = c->error.code == ERR_NONE ? c->pid : 0;
	started->started_at_usec = (int64_t)c->started_at;
	times->received = c->received;
	times->cloned = c->cloned;
	times->mounted = c->mounted;
	times->exec = c->exec;
	started->times = times;
	if (c->error.code != ERR_NONE) {
		ipc_error_pack(&c->error, error);
		started->error = error;
	}
}

void container_exited_fill(const struct container *c, Bulkhead__V1__ContainerExited *exited)
{
	bulkhead__v1__container_exited__init(exited);
	exited->name = c->plan->name;
	exited->restart = c->plan->restart;
	exited->pid = c->pid;
	exited->oom_killed = c->oom < CGROUP_OOM_LEVELS;
	exited->oom_limit = (char *)(uintptr_t)cgroup_oom_level_name(c->oom);
	exited->finished_at_usec = (int64_t)c->finished_at;
	if (WIFSIGNALED(c->wait_status)) {
		exited->signal = WTERMSIG(c->wait_status);
		exited->exit_code = 128 + exited->signal;
	} else {
		exited->exit_code = WEXITSTATUS(c->wait_status);
	}
}

static void started_send(struct shim *shim, const struct container *c)
{
	Bulkhead__V1__ContainerStarted started;
	Bulkhead__V1__LaunchTimes times;
	Bulkhead__V1__Error error;

	container_started_fill(c, &started, &times, &error);
	shim_send(shim, IPC_CONTAINER_STARTED, c->serial, &started.base, NULL, 0);
}

/*
 * Whether the start succeeded is known once the status stream has ended. A failure is told when the
 * process is reaped: whoever hears of it can start again at once.
 */
static void start_decided(struct shim *shim, struct container *c)
{
	source_done(shim, &c->status);
	c->exec = monotonic_usec();
	c->started_at = realtime_usec();
	if (!c->ready && c->error.code == ERR_NONE)
		error_set(&c->error, ERR_INTERNAL, 0, "the process died before it ran its program");
	if (c->error.code != ERR_NONE) {
		container_kill(c, SIGKILL, NULL);
		return;
	}
	c->state = CONTAINER_RUNNING;
	if (c->plan->debug)
		debug_started(shim, c);
	else
		started_send(shim, c);
	probes_start(shim, c);
}

static int tty_take(struct shim *shim, struct container *c, struct error *err)
{
	int fd = c->fds[LAUNCH_MASTER];

	c->fds[LAUNCH_MASTER] = -1;
	if (fd < 0 || fd_set_nonblock(fd, 1, err) < 0 ||
		source_add(shim, &c->output[CRI_STDOUT], fd, output_ready, c, err) < 0) {
		cleanup_close_fn(&fd);
		return -1;
	}
	return 0;
}

static void report_take(struct shim *shim, struct container *c, struct launch_report *report,
	const int *fds, size_t fds_len)
{
	switch (report->kind) {
	case LAUNCH_MOUNTED:
		c->mounted = report->usec;
		break;
	case LAUNCH_READY:
		c->ready = 1;
		c->user = report->user;
		memcpy(c->fds, fds, fds_len * sizeof(int));
		drift_container_start(shim, c);
		/* The user is known with the next report only; nothing joins before the exec. */
		if (c->plan->tty && (c->plan->debug ? debug_tty_take(c, &c->error)
						    : tty_take(shim, c, &c->error)) < 0)
			container_kill(c, SIGKILL, NULL);
		break;
	case LAUNCH_LISTENER:
		if (fds_len != 1 || record_listen(shim, c, fds[0], &c->error) < 0)
			container_kill(c, SIGKILL, NULL);
		break;
	case LAUNCH_FAILED:
		report->err.text[sizeof(report->err.text) - 1] = '\0';
		c->error = report->err;
		break;
	}
}

/* Reads reports until there are none now (0) or there will be none (1). */
static int status_read(struct shim *shim, struct container *c)
{
	for (;;) {
		struct launch_report report;
		int fds[LAUNCH_FDS];
		size_t len = LAUNCH_FDS;
		ssize_t n = sys_recv_fds(
			c->status.fd, &report, sizeof(report), fds, &len, MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n != (ssize_t)sizeof(report))
			return 1;
		report_take(shim, c, &report, fds, len);
	}
}

static void status_ready(struct shim *shim, struct source *source)
{
	struct container *c = source->owner;

	if (status_read(shim, c))
		start_decided(shim, c);
}

/*
 * The kernel's count of OOM kills grew while it ran, and it died as the kernel kills: neither the
 * count alone (some child died long before a clean exit) nor SIGKILL alone (someone sent it) says
 * so. Whose limit it was, the counts of the groups tell.
 */
static enum cgroup_oom_level oom_judge(const struct shim *shim, const struct container *c)
{
	struct cgroup_oom after[CGROUP_OOM_LEVELS];

	if (c->killed || (WIFSIGNALED(c->wait_status) ? WTERMSIG(c->wait_status) != SIGKILL
						      : WEXITSTATUS(c->wait_status) != OOM_EXIT))
		return CGROUP_OOM_NONE;
	cgroup_oom_end(&c->cgroup, sandbox_project_up(&shim->sandbox), after);
	return cgroup_oom_judge(c->oom_before, after);
}

static void cgroup_end(struct shim *shim, struct container *c)
{
	cleanup_free char *path = NULL;

	/* Normally empty: with pid 1 the kernel has killed the rest of its pid namespace. */
	cgroup_kill(&c->cgroup, NULL);
	cgroup_done(&c->cgroup);
	if (asprintf(&path, "%s/%s", shim->sandbox.plan->cgroup, c->plan->name) > 0)
		cgroup_remove(&shim->sandbox.tree, path, NULL);
}

/* Lets go of all that only a live container needs, and tells how it ended; frees a debug one. */
static void end(struct shim *shim, struct container *c)
{
	Bulkhead__V1__ContainerExited exited;

	source_done(shim, &c->process);
	probes_stop(shim, c);
	exec_container_gone(shim, c);
	output_end(shim, c);
	record_end(shim, c);
	fds_close(c);
	if (c->cgroup.tree)
		cgroup_end(shim, c);
	c->state = CONTAINER_EXITED;
	if (c->error.code != ERR_NONE)
		error_prefix(&c->error, "container '%s'", c->plan->name);
	if (c->plan->debug) {
		debug_ended(shim, c);
		return;
	}
	if (c->error.code != ERR_NONE) {
		started_send(shim, c);
		return;
	}
	container_exited_fill(c, &exited);
	shim_send(shim, IPC_CONTAINER_EXITED, 0, &exited.base, NULL, 0);
}

static void process_ready(struct shim *shim, struct source *source)
{
	struct container *c = source->owner;

	if (sys_pidfd_try_reap(source->fd, &c->wait_status) == 0)
		return;
	c->finished_at = realtime_usec();
	if (c->status.fd >= 0) {
		status_read(shim, c);
		start_decided(shim, c);
	}
	c->oom = oom_judge(shim, c);
	end(shim, c);
}

int container_kill(struct container *container, int sig, struct error *err)
{
	if (sig < 1 || sig >= NSIG)
		return error_set(err, ERR_INVALID, 0, "signal %d does not exist", sig);
	if (container->process.fd < 0)
		return 0;
	if (sys_pidfd_kill(container->process.fd, sig) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot send signal %d", sig);
	container->killed |= sig == SIGKILL;
	return 0;
}

/* Starts polling what container_start() opened. */
static int watch(struct shim *shim, struct container *c, struct error *err)
{
	if (source_add(shim, &c->process, c->process.fd, process_ready, c, err) < 0 ||
		source_add(shim, &c->status, c->status.fd, status_ready, c, err) < 0)
		return -1;
	for (int i = 0; i < CRI_STREAMS; i++) {
		if (c->output[i].fd >= 0 &&
			source_add(shim, &c->output[i], c->output[i].fd, output_ready, c, err) < 0)
			return -1;
	}
	return 0;
}

/* Whether a plan may take the place of what is there under its name, on this node. */
static int place_check(
	struct shim *shim, const Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	struct container *old = container_find(shim, plan->name);
	size_t n = 0;

	if (!shim->sandbox.plan || shim->destroying)
		return error_set(err, ERR_PRECONDITION, 0, "the pod has no sandbox");
	if (old && (container_alive(old) || plan->debug))
		return error_set(err, ERR_EXISTS, 0,
			plan->debug ? "the pod has one of this name" : "it runs already");
	if (plan->debug && debug_place_check(shim, plan->debug, err) < 0)
		return -1;
	for (const struct container *c = shim->containers; c; c = c->next)
		n++;
	if (!old && n >= SHIM_CONTAINERS_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "the pod has %d containers already",
			SHIM_CONTAINERS_MAX);
	if (plan->selinux_label[0] && !selinux_enabled())
		return error_set(err, ERR_PRECONDITION, 0,
			"selinux_label '%s' is asked for but SELinux is not enabled on this node",
			plan->selinux_label);
	return 0;
}

static void refuse(struct shim *shim, const Bulkhead__V1__ContainerPlan *plan, uint32_t serial,
	struct error *err)
{
	Bulkhead__V1__ContainerStarted started = BULKHEAD__V1__CONTAINER_STARTED__INIT;
	Bulkhead__V1__ExecStarted exec = BULKHEAD__V1__EXEC_STARTED__INIT;
	Bulkhead__V1__Error error;

	error_prefix(err, "container '%.64s'", plan->name);
	ipc_error_pack(err, &error);
	if (plan->debug) {
		exec.id = plan->debug->id;
		exec.error = &error;
		shim_send(shim, IPC_EXEC_STARTED, serial, &exec.base, NULL, 0);
		return;
	}
	started.name = plan->name;
	started.restart = plan->restart;
	started.error = &error;
	shim_send(shim, IPC_CONTAINER_STARTED, serial, &started.base, NULL, 0);
}

void container_plan(struct shim *shim, Bulkhead__V1__ContainerPlan *plan, uint32_t serial)
{
	uint64_t received = monotonic_usec();
	struct container *old = container_find(shim, plan->name);
	struct container *c;
	struct error err = { .code = ERR_NONE };
	uint64_t caps;

	if (place_check(shim, plan, &err) < 0 ||
		plan_check_container(plan, &shim->sandbox, &caps, &err) < 0 ||
		sandbox_hosts(&shim->sandbox, plan, &err) < 0) {
		refuse(shim, plan, serial, &err);
		bulkhead__v1__container_plan__free_unpacked(plan, NULL);
		return;
	}
	/* A privileged container has every right that the node has; a nested node lacks some. */
	if (plan->privileged && shim->sandbox.user_fd < 0)
		caps &= caps_own();
	if (old)
		container_free(shim, old);
	c = container_new(shim, plan, serial);
	if (!c) {
		error_set(&err, ERR_EXHAUSTED, ENOMEM, "cannot start");
		refuse(shim, plan, serial, &err);
		bulkhead__v1__container_plan__free_unpacked(plan, NULL);
		return;
	}
	c->received = received;
	c->caps = caps;
	if (container_start(shim, c, &c->error) < 0 || watch(shim, c, &c->error) < 0) {
		if (c->process.fd >= 0) {
			container_kill(c, SIGKILL, NULL);
			sys_pidfd_reap(c->process.fd, NULL);
		}
		source_done(shim, &c->status);
		end(shim, c);
	}
}
