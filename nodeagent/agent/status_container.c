#include "nodeagent/agent/status_container.h"

#include <string.h>

#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "lib/cleanup.h"

#define STATE_DESC      (&k8s__io__api__core__v1__container_state__descriptor)
#define WAITING_DESC    (&k8s__io__api__core__v1__container_state_waiting__descriptor)
#define RUNNING_DESC    (&k8s__io__api__core__v1__container_state_running__descriptor)
#define TERMINATED_DESC (&k8s__io__api__core__v1__container_state_terminated__descriptor)

#define LOST_EXIT_CODE 137

/* One run's end. */
struct ending {
	int32_t exit_code;
	int32_t signal;
	bool oom_killed;
	bool lost;
	int64_t started_usec;
	int64_t finished_usec;
	const char *container_id;
	const char *reason; /* NULL: what the rest says */
	const char *message;
};

int status_time(K8sTime **field, int64_t usec, struct error *err)
{
	if (usec <= 0)
		return 0;
	if (edit_message(field, K8S_TIME_DESC, err) < 0)
		return -1;
	(*field)->has_seconds = 1;
	(*field)->seconds = usec / 1000000;
	return 0;
}

static bool is_sidecar(const K8sPod *pod, const struct status_container *c)
{
	const K8sPodSpec *spec = view_spec(pod);

	for (size_t i = 0; c->init && i < spec->n_initcontainers; i++) {
		const K8sContainer *s = spec->initcontainers[i];

		if (s->name && c->name && strcmp(s->name, c->name) == 0)
			return s->restartpolicy && strcmp(s->restartpolicy, "Always") == 0;
	}
	return false;
}

struct status_view status_view_of(
	const K8sPod *pod, const struct status_container *container, bool lost)
{
	const struct status_container *c = container;
	struct status_view v = { .sidecar = is_sidecar(pod, c) };
	bool gone = lost && c->stage == STATUS_RUNNING;

	v.running = c->stage == STATUS_RUNNING && !lost;
	v.again = c->stage == STATUS_WAITING && c->has_last;
	v.ended = c->stage == STATUS_TERMINATED || gone || v.again;
	if (v.again)
		v.failed = c->last_exit_code != 0;
	else if (v.ended)
		v.failed = gone || c->exit_code != 0;
	v.done = v.sidecar ? v.running : c->stage == STATUS_TERMINATED && c->exit_code == 0;
	v.ready = c->init && !v.sidecar ? v.done : v.running && !c->unready;
	return v;
}

const char *status_oom_message(const char *limit)
{
	static const struct {
		const char *limit;
		const char *message;
	} rows[] = {
		{ "pod", "killed by the kernel at the memory limit of the pod" },
		{ "project", "killed by the kernel at the memory limit of the project" },
		{ "node", "killed by the kernel because the node had no memory left" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].limit, limit) == 0)
			return rows[i].message;
	}
	return NULL;
}

static const char *end_reason(const struct ending *e)
{
	if (e->lost)
		return "ContainerStatusUnknown";
	if (e->reason)
		return e->reason;
	if (e->oom_killed)
		return "OOMKilled";
	return e->exit_code == 0 ? "Completed" : "Error";
}

static int terminated_fill(K8sContainerState **state, const struct ending *e, struct error *err)
{
	K8sContainerStateTerminated *t;

	if (edit_message(state, STATE_DESC, err) < 0 ||
		edit_message(&(*state)->terminated, TERMINATED_DESC, err) < 0)
		return -1;
	t = (*state)->terminated;
	t->has_exitcode = 1;
	t->exitcode = e->exit_code;
	t->has_signal = e->signal != 0;
	t->signal = e->signal;
	if (edit_string(&t->reason, end_reason(e), err) < 0 ||
		(e->lost &&
			edit_string(&t->message, "the pod's shim died while it ran", err) < 0) ||
		(e->message && edit_string(&t->message, e->message, err) < 0) ||
		(e->container_id && edit_string(&t->containerid, e->container_id, err) < 0) ||
		status_time(&t->startedat, e->started_usec, err) < 0)
		return -1;
	return status_time(&t->finishedat, e->finished_usec, err);
}

static int waiting_fill(K8sContainerState **state, const struct status_container *c,
	bool initializing, struct error *err)
{
	const char *reason = initializing ? "PodInitializing" : "ContainerCreating";
	K8sContainerStateWaiting *w;

	if (edit_message(state, STATE_DESC, err) < 0 ||
		edit_message(&(*state)->waiting, WAITING_DESC, err) < 0)
		return -1;
	w = (*state)->waiting;
	if (edit_string(&w->reason, c->reason ? c->reason : reason, err) < 0)
		return -1;
	return c->message ? edit_string(&w->message, c->message, err) : 0;
}

static int state_fill(K8sContainerState **state, const struct status_container *c, bool lost,
	bool initializing, struct error *err)
{
	bool gone = lost && c->stage == STATUS_RUNNING;
	const struct ending e = { .exit_code = gone ? LOST_EXIT_CODE : c->exit_code,
		.signal = gone ? 0 : c->signal,
		.oom_killed = !gone && c->oom_killed,
		.lost = gone,
		.started_usec = c->started_usec,
		.finished_usec = gone ? 0 : c->finished_usec,
		.container_id = c->container_id,
		.reason = c->stage == STATUS_TERMINATED ? c->reason : NULL,
		.message = c->stage == STATUS_TERMINATED ? c->message : NULL };

	if (c->stage == STATUS_WAITING)
		return waiting_fill(state, c, initializing, err);
	if (c->stage == STATUS_TERMINATED || gone)
		return terminated_fill(state, &e, err);
	if (edit_message(state, STATE_DESC, err) < 0 ||
		edit_message(&(*state)->running, RUNNING_DESC, err) < 0)
		return -1;
	return status_time(&(*state)->running->startedat, c->started_usec, err);
}

static int last_fill(K8sContainerState **state, const struct status_container *c, struct error *err)
{
	const struct ending e = { .exit_code = c->last_exit_code,
		.signal = c->last_signal,
		.oom_killed = c->last_oom_killed,
		.message = c->last_message,
		.started_usec = c->last_started_usec,
		.finished_usec = c->last_finished_usec };

	return c->has_last ? terminated_fill(state, &e, err) : 0;
}

int status_container_fill(K8sContainerStatus *status, const struct status_container *container,
	const struct status_view *view, bool lost, bool initializing, struct error *err)
{
	const struct status_container *c = container;
	const struct {
		char **field;
		const char *text;
	} strings[] = {
		{ &status->name, c->name },
		{ &status->image, c->image },
		{ &status->imageid, c->image_digest },
		{ &status->containerid, c->container_id },
	};

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		if (edit_string(strings[i].field, strings[i].text ? strings[i].text : "", err) < 0)
			return -1;
	}
	status->has_ready = 1;
	status->ready = view->ready;
	status->has_started = 1;
	status->started = view->running && !c->unstarted;
	status->has_restartcount = 1;
	status->restartcount = (int32_t)c->restarts;
	if (state_fill(&status->state, c, lost, initializing, err) < 0)
		return -1;
	return last_fill(&status->laststate, c, err);
}
