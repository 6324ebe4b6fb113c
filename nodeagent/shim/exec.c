/* Programs run inside a container that is there already: exec, probes. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "nodeagent/shim/plan_check.h"
#include "nodeagent/shim/shim.h"
#include "nodeagent/shim/sys.h"

static void exec_free(struct shim *shim, struct exec *e)
{
	struct exec **at = &shim->execs;

	while (*at && *at != e)
		at = &(*at)->next;
	if (*at)
		*at = e->next;
	source_done(shim, &e->process);
	source_done(shim, &e->status);
	for (size_t i = 0; i < ARRAY_LEN(e->fds); i++)
		cleanup_close_fn(&e->fds[i]);
	free(e);
}

static void started_send(struct shim *shim, struct exec *e)
{
	Bulkhead__V1__ExecStarted started = BULKHEAD__V1__EXEC_STARTED__INIT;
	Bulkhead__V1__Error error;

	e->started = 1;
	if (e->probing)
		return;
	started.id = e->id;
	if (e->error.code != ERR_NONE) {
		ipc_error_pack(&e->error, &error);
		started.error = &error;
		shim_send(shim, IPC_EXEC_STARTED, e->serial, &started.base, NULL, 0);
	} else {
		shim_send(shim, IPC_EXEC_STARTED, e->serial, &started.base, e->fds, e->fds_len);
	}
	for (size_t i = 0; i < ARRAY_LEN(e->fds); i++) {
		cleanup_close_fn(&e->fds[i]);
		e->fds[i] = -1;
	}
}

static void start_decided(struct shim *shim, struct exec *e)
{
	source_done(shim, &e->status);
	if (e->started)
		return;
	if (!e->ready && e->error.code == ERR_NONE)
		error_set(&e->error, ERR_INTERNAL, 0, "the process died before it ran its program");
	if (e->error.code != ERR_NONE)
		error_prefix(&e->error, "exec");
	started_send(shim, e);
}

static int status_read(struct exec *e)
{
	for (;;) {
		struct launch_report report;
		size_t none = 0;
		ssize_t n = sys_recv_fds(
			e->status.fd, &report, sizeof(report), NULL, &none, MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n != (ssize_t)sizeof(report))
			return 1;
		e->ready |= report.kind == LAUNCH_READY;
		if (report.kind == LAUNCH_FAILED) {
			report.err.text[sizeof(report.err.text) - 1] = '\0';
			e->error = report.err;
		}
	}
}

static void status_ready(struct shim *shim, struct source *source)
{
	struct exec *e = source->owner;

	if (status_read(e))
		start_decided(shim, e);
}

static void exited_send(struct shim *shim, const struct exec *e, int exit_code)
{
	Bulkhead__V1__ExecExited exited = BULKHEAD__V1__EXEC_EXITED__INIT;

	exited.id = e->id;
	exited.exit_code = exit_code;
	shim_send(shim, IPC_EXEC_EXITED, 0, &exited.base, NULL, 0);
}

static void finish(struct shim *shim, struct exec *e, int wait_status)
{
	int exit_code =
		WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);

	if (e->status.fd >= 0) {
		status_read(e);
		start_decided(shim, e);
	}
	if (e->probe)
		probes_exec_done(shim, e->probe, exit_code,
			e->error.code == ERR_NONE ? NULL : e->error.text);
	else if (!e->probing && e->error.code == ERR_NONE)
		exited_send(shim, e, exit_code);
	exec_free(shim, e);
}

static void process_ready(struct shim *shim, struct source *source)
{
	int wait_status;

	if (sys_pidfd_try_reap(source->fd, &wait_status) != 0)
		finish(shim, source->owner, wait_status);
}

void exec_container_gone(struct shim *shim, const struct container *container)
{
	struct exec *next;

	for (struct exec *e = shim->execs; e; e = next) {
		int wait_status;

		next = e->next;
		if (e->container != container)
			continue;
		/* The kernel killed it with the namespace, so this does not block. */
		sys_pidfd_kill(e->process.fd, SIGKILL);
		if (sys_pidfd_reap(e->process.fd, &wait_status) < 0)
			wait_status = SIGKILL;
		finish(shim, e, wait_status);
	}
}

void exec_kill(struct shim *shim, uint64_t id)
{
	for (struct exec *e = shim->execs; e; e = e->next) {
		if (!e->probing && e->id == id)
			sys_pidfd_kill(e->process.fd, SIGKILL);
	}
}

void exec_kill_all(struct shim *shim)
{
	for (struct exec *e = shim->execs; e; e = e->next) {
		if (!e->probing)
			sys_pidfd_kill(e->process.fd, SIGKILL);
	}
}

struct ends {
	int status[2];
	int in[2];
	int out[2];
	int errors[2];
};

static void ends_close(struct ends *e)
{
	int *const pairs[] = { e->status, e->in, e->out, e->errors };

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		cleanup_close_fn(&pairs[i][0]);
		cleanup_close_fn(&pairs[i][1]);
	}
}

#define cleanup_ends __attribute__((cleanup(ends_close)))

static int tty_open(struct container *c, const Bulkhead__V1__ExecPlan *plan, struct exec *e,
	struct launch *launch, struct error *err)
{
	const struct sandbox *s = launch->sandbox;
	uint32_t uid;

	if (id_map_outside(&s->map, c->user.uid, &uid, err) < 0 ||
		pty_open(c->fds[LAUNCH_DEVPTS], uid, &e->fds[0], &launch->slave_fd, err) < 0)
		return -1;
	e->fds_len = 1;
	if (pty_resize(e->fds[0], (uint16_t)plan->rows, (uint16_t)plan->columns) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot set the size of the terminal");
	return 0;
}

/* Three descriptors always; stdin that was not asked for is a null device to write to. */
static int pipes_open(struct container *c, const Bulkhead__V1__ExecPlan *plan, struct exec *e,
	struct ends *ends, struct error *err)
{
	if ((plan->stdin && pipe2(ends->in, O_CLOEXEC) < 0) || pipe2(ends->out, O_CLOEXEC) < 0 ||
		pipe2(ends->errors, O_CLOEXEC) < 0)
		return error_set(err, ERR_EXHAUSTED, errno, "cannot make a pipe");
	e->fds[0] = plan->stdin ? take_fd(&ends->in[1])
				: fcntl(c->fds[LAUNCH_NULL], F_DUPFD_CLOEXEC, 3);
	e->fds[1] = take_fd(&ends->out[0]);
	e->fds[2] = take_fd(&ends->errors[0]);
	e->fds_len = 3;
	return e->fds[0] < 0 ? error_set(err, ERR_EXHAUSTED, errno, "cannot open stdin") : 0;
}

void shim_pid_ns_leave(struct shim *shim)
{
	/* Unable to go back, every later container would be born in the wrong place. */
	if (setns(shim->pid_ns_fd, CLONE_NEWPID) < 0) {
		log_error("cannot leave a container's pid namespace");
		abort();
	}
}

/*
 * One clone: the shim itself turns its pid namespace for children to the container's and back. The
 * child then is the shim's, with a pidfd, and in the container's pid namespace from birth.
 */
static pid_t clone_inside(struct shim *shim, struct container *c, struct launch *launch,
	struct ends *ends, int *ret_pidfd, struct error *err)
{
	struct clone_args args = { .flags = CLONE_PIDFD };
	pid_t pid;

	launch_cgroup(launch, &c->cgroup, &args);
	args.pidfd = (uint64_t)(uintptr_t)ret_pidfd;
	if (setns(c->fds[LAUNCH_PID_NS], CLONE_NEWPID) < 0)
		return error_set(
			err, ERR_INTERNAL, errno, "cannot enter the container's pid namespace");
	pid = sys_clone3(&args);
	if (pid == 0) {
		close(ends->status[0]);
		launch_exec_child(launch);
	}
	if (pid < 0)
		error_set(err, error_code_of(errno), errno, "cannot clone");
	shim_pid_ns_leave(shim);
	return pid;
}

static int run(struct shim *shim, struct exec *e, struct launch *launch, struct ends *ends,
	struct error *err)
{
	struct container *c = e->container;
	int pidfd = -1;
	pid_t pid = clone_inside(shim, c, launch, ends, &pidfd, err);

	if (pid < 0)
		return -1;
	close(ends->status[1]);
	ends->status[1] = -1;
	if (source_add(shim, &e->process, pidfd, process_ready, e, err) < 0) {
		sys_pidfd_kill(pidfd, SIGKILL);
		sys_pidfd_reap(pidfd, NULL);
		close(pidfd);
		return -1;
	}
	if (source_add(shim, &e->status, ends->status[0], status_ready, e, err) < 0) {
		sys_pidfd_kill(pidfd, SIGKILL);
		sys_pidfd_reap(pidfd, NULL);
		return -1;
	}
	take_fd(&ends->status[0]);
	return 0;
}

static int start(
	struct shim *shim, struct exec *e, const Bulkhead__V1__ExecPlan *plan, struct error *err)
{
	cleanup_ends struct ends ends = { { -1, -1 }, { -1, -1 }, { -1, -1 }, { -1, -1 } };
	struct container *c = container_find(shim, plan->container);
	struct launch launch;
	int n;

	launch_init(&launch);
	if (plan_check_exec(plan, err) < 0)
		return -1;
	if (!c || c->state != CONTAINER_RUNNING || !container_alive(c))
		return error_set(err, ERR_PRECONDITION, 0, "container '%.64s' does not run",
			plan->container);
	e->container = c;
	launch.sandbox = &shim->sandbox;
	launch.plan = c->plan;
	launch.args = plan->args;
	launch.args_len = plan->n_args;
	launch.caps = c->caps;
	launch.known_user = &c->user;
	launch.join_fds = c->fds;
	launch.tty = plan->tty;
	launch.term = plan->term;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.status) < 0)
		return error_set(err, ERR_EXHAUSTED, errno, "cannot make a socket pair");
	n = 0;
	if (plan->tty)
		n = tty_open(c, plan, e, &launch, err);
	else if (!e->probing)
		n = pipes_open(c, plan, e, &ends, err);
	if (n == 0)
		n = filters_load(shim, c->plan, c->caps, &launch, err);
	launch.status_fd = ends.status[1];
	launch.stdio[0] = ends.in[0];
	launch.stdio[1] = ends.out[1];
	launch.stdio[2] = ends.errors[1];
	if (n == 0)
		n = run(shim, e, &launch, &ends, err);
	filters_free(&launch);
	cleanup_close_fn(&launch.slave_fd);
	return n;
}

static struct exec *exec_new(struct shim *shim)
{
	struct exec *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->process.fd = e->status.fd = -1;
	for (size_t i = 0; i < ARRAY_LEN(e->fds); i++)
		e->fds[i] = -1;
	e->next = shim->execs;
	shim->execs = e;
	return e;
}

int exec_probe(struct shim *shim, struct container *container, char **args, size_t args_len,
	struct probe_run *run, struct exec **ret_exec, struct error *err)
{
	Bulkhead__V1__ExecPlan plan = BULKHEAD__V1__EXEC_PLAN__INIT;
	struct exec *e = exec_new(shim);

	if (!e)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "exec");
	e->probing = 1;
	plan.container = container->plan->name;
	plan.args = args;
	plan.n_args = args_len;
	if (start(shim, e, &plan, err) < 0) {
		exec_free(shim, e);
		return error_prefix(err, "exec");
	}
	e->probe = run;
	*ret_exec = e;
	return 0;
}

void exec_plan(struct shim *shim, const Bulkhead__V1__ExecPlan *plan, uint32_t serial)
{
	size_t n = 0;
	struct exec *e;

	/* Probes have their own bound: three a container. */
	for (const struct exec *other = shim->execs; other; other = other->next)
		n += !other->probing;
	e = exec_new(shim);
	if (!e) {
		log_error("no memory for an exec");
		link_close(shim);
		return;
	}
	e->id = plan->id;
	e->serial = serial;
	if (n >= SHIM_EXECS_MAX)
		error_set(&e->error, ERR_EXHAUSTED, 0, "%d execs run in this pod already",
			SHIM_EXECS_MAX);
	if (e->error.code != ERR_NONE || start(shim, e, plan, &e->error) < 0) {
		error_prefix(&e->error, "exec");
		started_send(shim, e);
		exec_free(shim, e);
	}
}
