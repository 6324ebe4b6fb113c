/* What a shim says, one row a message. */
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/agent/pod.h"

#define SANDBOX_FDS 3 /* network namespace and two sockets; then one per secret volume */

/* Takes the sandbox's descriptors out of a frame, in the order of SANDBOX_READY. */
static int take_fds(struct pod *pod, struct ipc_frame *frame, struct error *err)
{
	int fds[IPC_FDS_MAX];
	size_t n = frame->fds_len;

	if (n != SANDBOX_FDS + plan_secret_volumes(pod->object))
		return error_set(err, ERR_INVALID, 0, "the shim sent %zu descriptors of %zu", n,
			SANDBOX_FDS + plan_secret_volumes(pod->object));
	for (size_t i = 0; i < n; i++)
		fds[i] = ipc_frame_take_fd(frame, i);
	pod_net_take(pod, fds);
	return pod_volumes_take(pod, fds + SANDBOX_FDS, n - SANDBOX_FDS, err);
}

static int on_sandbox_ready(struct pod *pod, struct ipc_frame *frame,
	const ProtobufCMessage *message, struct error *err)
{
	const Bulkhead__V1__SandboxReady *ready = (const Bulkhead__V1__SandboxReady *)message;
	struct error why = { 0 };

	if (pod->state != POD_SANDBOX)
		return 0;
	if (ipc_error_unpack(ready->error, &why) < 0) {
		pod_record(pod, true, "FailedCreatePodSandBox", "%s", why.text);
		pod_feed(pod, POD_REFUSED);
		return 0;
	}
	if (take_fds(pod, frame, err) < 0)
		return -1;
	pod->times.sandbox_end = monotonic_usec();
	pod_feed(pod, POD_BUILT);
	return 0;
}

/* Which event tells the machine how far an adopted pod had come. */
static enum pod_event adopted(const struct pod *pod, const Bulkhead__V1__ShimState *state)
{
	enum pod_event event = POD_STANDS;

	if (!state->sandbox)
		return POD_EMPTY;
	for (size_t i = 0; i < state->n_containers; i++) {
		const struct pod_container *c = pod_container_find(pod, state->containers[i]->name);

		if (c && !c->init)
			return POD_BEGUN;
		if (c)
			event = POD_BEGUN_INIT;
	}
	return event;
}

static int on_state(struct pod *pod, struct ipc_frame *frame, const ProtobufCMessage *message,
	struct error *err)
{
	const Bulkhead__V1__ShimState *state = (const Bulkhead__V1__ShimState *)message;
	enum pod_state before = pod->state;

	pod_drift_again(pod);
	if (state->sandbox && take_fds(pod, frame, err) < 0)
		return -1;
	if (before == POD_ADOPTING) {
		pod_containers_reconcile(pod, state);
		pod_feed(pod, adopted(pod, state));
		if (pod_deleting(pod))
			pod_feed(pod, POD_DELETE);
	} else if (before == POD_SANDBOX && state->sandbox) {
		/* The answer was lost with the connection. */
		pod_feed(pod, POD_BUILT);
	} else if (before == POD_SANDBOX) {
		pod_sandbox_plan(pod);
	} else if (before == POD_DESTROYING || before == POD_FINISHING) {
		Bulkhead__V1__ShimDestroy destroy = BULKHEAD__V1__SHIM_DESTROY__INIT;

		return shim_send(pod->shim, IPC_SHIM_DESTROY, &destroy.base, err);
	} else {
		/* The connection was made anew while it ran. */
		pod_containers_reconcile(pod, state);
		pod_net_kick(pod);
		pod_volumes_write(pod);
		pod_containers_check(pod);
	}
	return 0;
}

static int on_owned(struct pod *pod, struct ipc_frame *frame, const ProtobufCMessage *message,
	struct error *err)
{
	(void)frame;
	(void)err;
	pod_volume_owned(pod, (const Bulkhead__V1__VolumeOwned *)message);
	return 0;
}

static int on_resized(struct pod *pod, struct ipc_frame *frame, const ProtobufCMessage *message,
	struct error *err)
{
	(void)frame;
	(void)err;
	pod_volume_resized(pod, (const Bulkhead__V1__VolumeResized *)message);
	return 0;
}

static int on_started(struct pod *pod, struct ipc_frame *frame, const ProtobufCMessage *message,
	struct error *err)
{
	(void)frame;
	(void)err;
	pod_container_started(pod, (const Bulkhead__V1__ContainerStarted *)message);
	return 0;
}

static int on_exited(struct pod *pod, struct ipc_frame *frame, const ProtobufCMessage *message,
	struct error *err)
{
	(void)frame;
	(void)err;
	pod_drift_forget(pod, ((const Bulkhead__V1__ContainerExited *)message)->name);
	pod_container_exited(pod, (const Bulkhead__V1__ContainerExited *)message);
	return 0;
}

static int on_exec_started(struct pod *pod, struct ipc_frame *frame,
	const ProtobufCMessage *message, struct error *err)
{
	(void)err;
	streams_exec_started(pod, (const Bulkhead__V1__ExecStarted *)message, frame);
	return 0;
}

static int on_exec_exited(struct pod *pod, struct ipc_frame *frame, const ProtobufCMessage *message,
	struct error *err)
{
	(void)frame;
	(void)err;
	streams_exec_exited(pod, (const Bulkhead__V1__ExecExited *)message);
	return 0;
}

static int on_destroyed(struct pod *pod, struct ipc_frame *frame, const ProtobufCMessage *message,
	struct error *err)
{
	const Bulkhead__V1__ShimDestroyed *destroyed = (const Bulkhead__V1__ShimDestroyed *)message;
	struct error why = { 0 };

	(void)frame;
	(void)err;
	/* On success its process ends, which is waited for; otherwise the timer kills it. */
	if (ipc_error_unpack(destroyed->error, &why) < 0)
		pod_record(pod, true, "FailedKillPod", "%s", why.text);
	return 0;
}

static int on_drift(struct pod *pod, struct ipc_frame *frame, const ProtobufCMessage *message,
	struct error *err)
{
	(void)frame;
	(void)err;
	pod_drift_take(pod, (const Bulkhead__V1__Drift *)message);
	return 0;
}

static int on_probes(struct pod *pod, struct ipc_frame *frame, const ProtobufCMessage *message,
	struct error *err)
{
	(void)frame;
	(void)err;
	pod_probes_take(pod, (const Bulkhead__V1__ProbeState *)message, false);
	return 0;
}

static const struct {
	enum ipc_type type;
	int (*handle)(struct pod *pod, struct ipc_frame *frame, const ProtobufCMessage *message,
		struct error *err);
} handlers[] = {
	{ IPC_SHIM_STATE, on_state },
	{ IPC_SANDBOX_READY, on_sandbox_ready },
	{ IPC_VOLUME_OWNED, on_owned },
	{ IPC_VOLUME_RESIZED, on_resized },
	{ IPC_CONTAINER_STARTED, on_started },
	{ IPC_CONTAINER_EXITED, on_exited },
	{ IPC_EXEC_STARTED, on_exec_started },
	{ IPC_EXEC_EXITED, on_exec_exited },
	{ IPC_SHIM_DESTROYED, on_destroyed },
	{ IPC_DRIFT, on_drift },
	{ IPC_PROBE_STATE, on_probes },
};

static int on_frame(
	void *user, struct ipc_frame *frame, const ProtobufCMessage *message, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(handlers); i++) {
		if (handlers[i].type == (enum ipc_type)frame->type)
			return handlers[i].handle(user, frame, message, err);
	}
	return 0;
}

static void on_gone(void *user, const struct error *why)
{
	struct pod *pod = user;

	log_write(LOG_LEVEL_INFO, &pod->subject, "its shim %s", why->text);
	pod_feed(pod, pod->begun ? POD_SHIM_GONE : POD_SHIM_EARLY);
}

const struct shim_ops pod_shim_ops = { .frame = on_frame, .gone = on_gone };
