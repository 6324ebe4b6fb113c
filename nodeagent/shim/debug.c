/* Debug containers: made beside the others for one caller, who has their streams. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "nodeagent/shim/rootfs.h"
#include "nodeagent/shim/shim.h"
#include "nodeagent/shim/sys.h"

int debug_place_check(
	const struct shim *shim, const Bulkhead__V1__DebugPlan *plan, struct error *err)
{
	const struct container *target;

	if (!plan->target[0])
		return 0;
	target = container_find(shim, plan->target);
	if (!target || target->state != CONTAINER_RUNNING || !container_alive(target))
		return error_set(err, ERR_PRECONDITION, 0, "target: container '%.64s' does not run",
			plan->target);
	return 0;
}

void debug_pipes_take(struct container *c, int in_fd, int out_fd, int errors_fd)
{
	c->debug_fds[0] = in_fd;
	c->debug_fds[1] = out_fd;
	c->debug_fds[2] = errors_fd;
}

int debug_tty_take(struct container *c, struct error *err)
{
	c->debug_fds[0] = take_fd(&c->fds[LAUNCH_MASTER]);
	if (c->debug_fds[0] < 0)
		return error_set(err, ERR_INTERNAL, 0, "no terminal came");
	return 0;
}

/* Three descriptors always: stdin that was not asked for is a null device to write to. */
static size_t fds_complete(struct container *c)
{
	if (c->plan->tty)
		return 1;
	if (c->debug_fds[0] < 0)
		c->debug_fds[0] = fcntl(c->fds[LAUNCH_NULL], F_DUPFD_CLOEXEC, 3);
	if (c->debug_fds[0] < 0)
		error_set(&c->error, ERR_EXHAUSTED, errno, "cannot open stdin");
	return ARRAY_LEN(c->debug_fds);
}

void debug_started(struct shim *shim, struct container *c)
{
	Bulkhead__V1__ExecStarted started = BULKHEAD__V1__EXEC_STARTED__INIT;
	Bulkhead__V1__Error error;
	size_t n = 0;

	started.id = c->plan->debug->id;
	if (c->error.code == ERR_NONE)
		n = fds_complete(c);
	if (c->error.code != ERR_NONE) {
		ipc_error_pack(&c->error, &error);
		started.error = &error;
		n = 0;
	}
	shim_send(shim, IPC_EXEC_STARTED, c->serial, &started.base, c->debug_fds, n);
	for (size_t i = 0; i < ARRAY_LEN(c->debug_fds); i++) {
		cleanup_close_fn(&c->debug_fds[i]);
		c->debug_fds[i] = -1;
	}
}

static void exited_send(struct shim *shim, const struct container *c)
{
	Bulkhead__V1__ContainerExited end;
	Bulkhead__V1__ExecExited exited = BULKHEAD__V1__EXEC_EXITED__INIT;

	container_exited_fill(c, &end);
	exited.id = c->plan->debug->id;
	exited.exit_code = end.exit_code;
	shim_send(shim, IPC_EXEC_EXITED, 0, &exited.base, NULL, 0);
}

void debug_ended(struct shim *shim, struct container *c)
{
	struct error err = { .code = ERR_NONE };
	int remover_fd;

	if (c->error.code != ERR_NONE)
		debug_started(shim, c);
	else
		exited_send(shim, c);
	if (rootfs_remove(shim->sandbox.pod_dirfd, c->plan->name, &remover_fd, &err) < 0)
		log_warning("debug container '%s': %s", c->plan->name, err.text);
	helper_watch(shim, remover_fd);
	container_free(shim, c);
}

void debug_kill(const struct shim *shim, uint64_t id)
{
	for (struct container *c = shim->containers; c; c = c->next) {
		if (c->plan->debug && c->plan->debug->id == id)
			container_kill(c, SIGKILL, NULL);
	}
}

void debug_kill_all(const struct shim *shim)
{
	for (struct container *c = shim->containers; c; c = c->next) {
		if (c->plan->debug)
			container_kill(c, SIGKILL, NULL);
	}
}
