/* Messages from the agent, one row each, and the shim's state told to it. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "nodeagent/shim/caps.h"
#include "nodeagent/shim/shim.h"
#include "nodeagent/shim/sys.h"

#define DESTROY_USEC 10000000
#define FLUSH_MS     1000

static int journal_begin(struct shim *shim, struct error *err)
{
	const Bulkhead__V1__SandboxPlan *plan = shim->sandbox.plan;

	if (!plan->journal_socket[0] ||
		journal_open(&shim->journal, plan->journal_socket, plan, err) == 0)
		return 0;
	sandbox_down(&shim->sandbox, NULL);
	return -1;
}

static void on_sandbox_plan(struct shim *shim, ProtobufCMessage **message, uint32_t serial)
{
	Bulkhead__V1__SandboxReady ready = BULKHEAD__V1__SANDBOX_READY__INIT;
	Bulkhead__V1__Error error;
	struct error err;
	uint64_t start = monotonic_usec();
	int fds[IPC_FDS_MAX];
	size_t fds_len = 0;
	Bulkhead__V1__SandboxPlan *plan = (Bulkhead__V1__SandboxPlan *)take_ptr(*message);

	if (sandbox_up(&shim->sandbox, plan, &err) < 0 || journal_begin(shim, &err) < 0) {
		ipc_error_pack(&err, &error);
		ready.error = &error;
	} else {
		fds_len = sandbox_fds(&shim->sandbox, fds);
		drift_start(shim);
		/* Containers of a pod with the node's own ids may be given any of them. */
		if (shim->sandbox.user_fd >= 0 && caps_drop_machine() < 0)
			log_warning("cannot drop capabilities: %s", strerror(errno));
	}
	ready.usec = monotonic_usec() - start;
	shim_send(shim, IPC_SANDBOX_READY, serial, &ready.base, fds, fds_len);
}

static void on_volume_own(struct shim *shim, ProtobufCMessage **message, uint32_t serial)
{
	const Bulkhead__V1__VolumeOwn *own = (const Bulkhead__V1__VolumeOwn *)*message;
	Bulkhead__V1__VolumeOwned owned = BULKHEAD__V1__VOLUME_OWNED__INIT;
	Bulkhead__V1__Error error;
	struct error err;

	owned.volume = own->volume;
	if (sandbox_volume_own(&shim->sandbox, own, &err) < 0) {
		ipc_error_pack(&err, &error);
		owned.error = &error;
	}
	shim_send(shim, IPC_VOLUME_OWNED, serial, &owned.base, NULL, 0);
}

static void on_volume_resize(struct shim *shim, ProtobufCMessage **message, uint32_t serial)
{
	const Bulkhead__V1__VolumeResize *resize = (const Bulkhead__V1__VolumeResize *)*message;
	Bulkhead__V1__VolumeResized resized = BULKHEAD__V1__VOLUME_RESIZED__INIT;
	Bulkhead__V1__Error error;
	struct error err;

	resized.volume = resize->volume;
	if (sandbox_volume_resize(&shim->sandbox, resize, &err) < 0) {
		ipc_error_pack(&err, &error);
		resized.error = &error;
	}
	drift_mounts_changed(shim);
	shim_send(shim, IPC_VOLUME_RESIZED, serial, &resized.base, NULL, 0);
}

static void on_container_plan(struct shim *shim, ProtobufCMessage **message, uint32_t serial)
{
	container_plan(shim, (Bulkhead__V1__ContainerPlan *)take_ptr(*message), serial);
}

static void on_container_kill(struct shim *shim, ProtobufCMessage **message, uint32_t serial)
{
	const Bulkhead__V1__ContainerKill *kill_message =
		(const Bulkhead__V1__ContainerKill *)*message;
	struct container *c = container_find(shim, kill_message->name);
	struct error err;

	(void)serial;
	/* A container that is gone already is no error: the exit crossed this message. */
	if (c && container_kill(c, kill_message->signal, &err) < 0)
		log_warning("cannot signal container '%s': %s", kill_message->name, err.text);
}

static void on_exec_plan(struct shim *shim, ProtobufCMessage **message, uint32_t serial)
{
	exec_plan(shim, (const Bulkhead__V1__ExecPlan *)*message, serial);
}

static void on_exec_kill(struct shim *shim, ProtobufCMessage **message, uint32_t serial)
{
	(void)serial;
	uint64_t id = ((const Bulkhead__V1__ExecKill *)*message)->id;

	exec_kill(shim, id);
	debug_kill(shim, id);
}

static void on_drift_check(struct shim *shim, ProtobufCMessage **message, uint32_t serial)
{
	(void)message;
	drift_check(shim, 1, serial);
}

static void on_destroy(struct shim *shim, ProtobufCMessage **message, uint32_t serial)
{
	(void)message;
	shim->destroying = 1;
	drift_stop(shim);
	shim->destroy_serial = serial;
	shim->destroy_deadline = monotonic_usec() + DESTROY_USEC;
	if (shim->sandbox.cgroup_made)
		cgroup_unthrottle(&shim->sandbox.cgroup);
	for (struct container *c = shim->containers; c; c = c->next)
		container_kill(c, SIGKILL, NULL);
	dispatch_destroy_step(shim);
}

static const struct {
	enum ipc_type type;
	void (*handle)(struct shim *shim, ProtobufCMessage **message, uint32_t serial);
} handlers[] = {
	{ IPC_SANDBOX_PLAN, on_sandbox_plan },
	{ IPC_VOLUME_OWN, on_volume_own },
	{ IPC_VOLUME_RESIZE, on_volume_resize },
	{ IPC_CONTAINER_PLAN, on_container_plan },
	{ IPC_CONTAINER_KILL, on_container_kill },
	{ IPC_EXEC_PLAN, on_exec_plan },
	{ IPC_EXEC_KILL, on_exec_kill },
	{ IPC_DRIFT_CHECK, on_drift_check },
	{ IPC_SHIM_DESTROY, on_destroy },
};

int dispatch(struct shim *shim, struct ipc_frame *frame, struct error *err)
{
	ProtobufCMessage *message = NULL;

	if (ipc_table_unpack(frame, &message, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(handlers); i++) {
		if (handlers[i].type == (enum ipc_type)frame->type)
			handlers[i].handle(shim, &message, frame->serial);
	}
	/* A handler that keeps the message has taken it. */
	if (message)
		protobuf_c_message_free_unpacked(message, NULL);
	return 0;
}

static int any_alive(const struct shim *shim)
{
	for (const struct container *c = shim->containers; c; c = c->next) {
		if (container_alive(c))
			return 1;
	}
	return 0;
}

void dispatch_destroy_step(struct shim *shim)
{
	Bulkhead__V1__ShimDestroyed destroyed = BULKHEAD__V1__SHIM_DESTROYED__INIT;
	Bulkhead__V1__Error error;
	struct error err = { .code = ERR_NONE };

	if (any_alive(shim)) {
		if (monotonic_usec() < shim->destroy_deadline)
			return;
		error_set(&err, ERR_TIMEOUT, 0,
			"a container does not die; its processes hang in the kernel");
	} else {
		while (shim->containers)
			container_free(shim, shim->containers);
		journal_done(&shim->journal);
		sandbox_down(&shim->sandbox, &err);
	}
	shim->destroying = 0;
	if (err.code != ERR_NONE) {
		ipc_error_pack(&err, &error);
		destroyed.error = &error;
	} else {
		unlink(shim->socket_path);
		shim->done = 1;
	}
	shim_send(shim, IPC_SHIM_DESTROYED, shim->destroy_serial, &destroyed.base, NULL, 0);
	link_flush(shim, FLUSH_MS);
}

struct state_row {
	Bulkhead__V1__ContainerState state;
	Bulkhead__V1__ContainerStarted started;
	Bulkhead__V1__ContainerExited exited;
	Bulkhead__V1__LaunchTimes times;
	Bulkhead__V1__ProbeState probes;
	Bulkhead__V1__Error error;
};

static void state_fill(const struct container *c, struct state_row *row)
{
	bulkhead__v1__container_state__init(&row->state);
	row->state.name = c->plan->name;
	row->state.restart = c->plan->restart;
	row->state.pid = container_alive(c) ? c->pid : 0;
	if (c->state == CONTAINER_STARTING)
		return;
	container_started_fill(c, &row->started, &row->times, &row->error);
	row->state.started = &row->started;
	if (probes_fill(c, &row->probes))
		row->state.probes = &row->probes;
	if (c->state == CONTAINER_EXITED && c->error.code == ERR_NONE) {
		container_exited_fill(c, &row->exited);
		row->state.exited = &row->exited;
	}
}

void dispatch_state_send(struct shim *shim)
{
	Bulkhead__V1__ShimState message = BULKHEAD__V1__SHIM_STATE__INIT;
	cleanup_free struct state_row *rows = NULL;
	cleanup_free Bulkhead__V1__ContainerState **states = NULL;
	int fds[IPC_FDS_MAX];
	size_t fds_len = 0;
	size_t n = 0;

	rows = calloc(SHIM_CONTAINERS_MAX, sizeof(*rows));
	states = calloc(SHIM_CONTAINERS_MAX, sizeof(Bulkhead__V1__ContainerState *));
	if (!rows || !states) {
		log_error("no memory to tell the state");
		link_close(shim);
		return;
	}
	for (const struct container *c = shim->containers; c; c = c->next) {
		if (c->plan->debug)
			continue;
		state_fill(c, &rows[n]);
		states[n] = &rows[n].state;
		n++;
	}
	if (shim->sandbox.plan) {
		message.pod_uid = shim->sandbox.plan->pod_uid;
		message.sandbox = 1;
		fds_len = sandbox_fds(&shim->sandbox, fds);
	}
	message.containers = states;
	message.n_containers = n;
	shim_send(shim, IPC_SHIM_STATE, 0, &message.base, fds, fds_len);
	drift_tell(shim);
}
