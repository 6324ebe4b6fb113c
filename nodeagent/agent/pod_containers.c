/* A pod's containers: started in their order, started again after a back-off, asked to end. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/pod_edit.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/agent/pod.h"
#include "nodeagent/agent/signal_name.h"
#include "nodeagent/agent/status.h"
#include "nodeagent/agent/status_container.h"
#include "nodeagent/agent/timer.h"

#define START_ERROR_EXIT  128 /* as the kubelet has it */
#define LONG_RUN_USEC     (2 * (int64_t)STATUS_BACKOFF_MAX_USEC)
#define CONFIG_RETRY_USEC UINT64_C(10000000)
#define KILLED_EXIT       137

static void feed(struct pod_container *c, enum container_event event);

static void wait_for(struct pod_container *c, const char *reason, const char *message)
{
	c->reason = reason;
	free(c->message);
	c->message = message ? strdup(message) : NULL;
	pod_changed(c->pod);
}

/* ---- starting ------------------------------------------------------------------------------ */

/* Whether the run that progress->restarts numbers has ended. */
static bool run_ended(const struct pod_container *c)
{
	const Bulkhead__V1__ContainerProgress *p = c->progress;

	return p->run && p->run->number == p->restarts;
}

static const char *image_of(const struct pod_container *c)
{
	return c->pod->file->images[c - c->pod->containers];
}

static int send_plan(struct pod_container *c, struct error *err)
{
	struct pod *pod = c->pod;
	struct plan_pod plan = pod_plan(pod);
	Bulkhead__V1__ContainerPlan *message = NULL;
	struct image *image = NULL;
	int n;

	if (image_store_find(pod->pods->agent->images, image_of(c), &image, err) < 0)
		return -1;
	n = plan_container(&pod->pods->facts.node, &plan, c->spec, c->init, c->progress->restarts,
		image, &message, err);
	image_free(image);
	if (n < 0)
		return -1;
	if (!pod->begun && pod_begun_mark(pod, err) < 0)
		n = -1;
	else
		n = shim_send(pod->shim, IPC_CONTAINER_PLAN, &message->base, err);
	pod->begun |= n == 0;
	bulkhead__v1__container_plan__free_unpacked(message, NULL);
	return n;
}

static void do_send(struct pod_container *c)
{
	Bulkhead__V1__ContainerProgress *p = c->progress;
	struct error err = { 0 };

	if (run_ended(c)) {
		p->restarts++;
		p->in_row++;
	}
	c->asked = false;
	c->started_usec = 0;
	if (send_plan(c, &err) < 0) {
		c->failures++;
		pod_record(c->pod, true, "Failed", "container '%s': %s", c->spec->name, err.text);
		wait_for(c, "CreateContainerConfigError", err.text);
		feed(c, CONTAINER_EXIT_AGAIN);
		return;
	}
	c->failures = 0;
	wait_for(c, "ContainerCreating", NULL);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *user)
{
	(void)source;
	(void)usec;
	feed(user, CONTAINER_TIMER);
	return 0;
}

/* After a run, by its end and how many there were; before one, when it could not be planned. */
static uint64_t backoff_left(const struct pod_container *c)
{
	const Bulkhead__V1__ContainerRun *run = c->progress->run;
	int64_t wait, passed;

	if (!run || !run_ended(c))
		return CONFIG_RETRY_USEC;
	wait = (int64_t)status_backoff_usec(c->progress->in_row + 1);
	passed = (int64_t)realtime_usec() - run->finished_usec;
	if (passed < 0)
		passed = 0;
	return wait > passed ? (uint64_t)(wait - passed) : 0;
}

static void do_wait(struct pod_container *c)
{
	uint64_t left = backoff_left(c);
	struct error err = { 0 };
	char text[160];

	if (run_ended(c) && left > 0) {
		snprintf(text, sizeof(text), "back-off %llu s restarting failed container %s",
			(unsigned long long)(left + 999999) / 1000000, c->spec->name);
		wait_for(c, "CrashLoopBackOff", text);
		pod_record(c->pod, true, "BackOff", "back-off restarting failed container '%s'",
			c->spec->name);
	} else if (run_ended(c)) {
		wait_for(c, "ContainerCreating", NULL);
	}
	if (timer_set(&c->timer, c->pod->pods->agent->event, left, on_timer, c, &err) < 0)
		log_write(LOG_LEVEL_ERROR, &c->pod->subject, "%s", err.text);
}

static void feed(struct pod_container *c, enum container_event event)
{
	struct container_step step = container_machine_step(c->stage, event);

	if (!step.taken)
		return;
	c->stage = step.next;
	if (c->stage == CONTAINER_RUNNING)
		wait_for(c, NULL, NULL);
	pod_changed(c->pod);
	if (c->stage != CONTAINER_BACKOFF)
		timer_stop(c->timer);
	if (step.action == CONTAINER_DO_SEND)
		do_send(c);
	else if (step.action == CONTAINER_DO_WAIT)
		do_wait(c);
}

void pod_containers_reset(struct pod *pod)
{
	for (size_t i = 0; i < pod->containers_len; i++) {
		struct pod_container *c = &pod->containers[i];

		if (c->init)
			c->progress->ended = false;
		timer_stop(c->timer);
		c->stage = c->progress->ended ? CONTAINER_ENDED : CONTAINER_WAITING;
	}
}

/* The init container whose turn it is; NULL when all have succeeded. */
static struct pod_container *current_init(struct pod *pod)
{
	for (size_t i = 0; i < pod->inits; i++) {
		struct pod_container *c = &pod->containers[i];

		if (c->stage != CONTAINER_ENDED || !c->progress->run ||
			c->progress->run->exit_code != 0)
			return c;
	}
	return NULL;
}

void pod_containers_start_init(struct pod *pod)
{
	struct pod_container *c = current_init(pod);

	if (c)
		feed(c, CONTAINER_START);
	else
		pod_feed(pod, POD_INIT_DONE);
}

void pod_containers_run(struct pod *pod)
{
	for (size_t i = pod->inits; i < pod->containers_len; i++)
		feed(&pod->containers[i], CONTAINER_START);
	pod_containers_check(pod);
}

/* ---- ending -------------------------------------------------------------------------------- */

static void run_free(Bulkhead__V1__ContainerRun *run)
{
	if (run)
		bulkhead__v1__container_run__free_unpacked(run, NULL);
}

/* Takes down how a run ended. 'reason' and 'message' may be NULL. */
static void run_record(struct pod_container *c, const Bulkhead__V1__ContainerRun *facts,
	const char *reason, const char *message)
{
	Bulkhead__V1__ContainerProgress *p = c->progress;
	Bulkhead__V1__ContainerRun *run = NULL;

	if (edit_message(&run, &bulkhead__v1__container_run__descriptor, NULL) < 0)
		return;
	run->number = p->restarts;
	run->started_usec = facts->started_usec;
	run->finished_usec = facts->finished_usec;
	run->exit_code = facts->exit_code;
	run->signal = facts->signal;
	run->oom_killed = facts->oom_killed;
	if (reason)
		edit_string(&run->reason, reason, NULL);
	if (message)
		edit_string(&run->message, message, NULL);
	if (run->started_usec && run->finished_usec - run->started_usec > LONG_RUN_USEC)
		p->in_row = 0;
	run_free(p->before);
	p->before = p->run;
	p->run = run;
}

static bool again(const struct pod_container *c, int32_t exit_code)
{
	/* What a probe ended has failed, however politely it went. */
	if (c->unwell && exit_code == 0)
		exit_code = KILLED_EXIT;
	return !pod_deleting(c->pod) && !c->pod->progress->lost &&
	       status_restarts(c->pod->object, c->init, exit_code);
}

static void ended(struct pod_container *c)
{
	bool restarts = again(c, c->progress->run ? c->progress->run->exit_code : KILLED_EXIT);

	c->progress->ended = !restarts;
	pod_probes_end(c);
	pod_save(c->pod);
	streams_run_ended(c->pod, c);
	feed(c, restarts ? CONTAINER_EXIT_AGAIN : CONTAINER_EXIT_LAST);
}

static void exit_take(struct pod_container *c, const Bulkhead__V1__ContainerExited *m)
{
	Bulkhead__V1__ContainerRun run = BULKHEAD__V1__CONTAINER_RUN__INIT;

	run.started_usec = c->started_usec;
	run.finished_usec = m->finished_at_usec;
	run.exit_code = m->exit_code;
	run.signal = m->signal;
	run.oom_killed = m->oom_killed;
	run_record(c, &run, NULL, status_oom_message(m->oom_limit));
	ended(c);
}

/* A program that could not be run counts as a run that failed. */
static void start_error_take(struct pod_container *c, const Bulkhead__V1__ContainerStarted *m)
{
	Bulkhead__V1__ContainerRun run = BULKHEAD__V1__CONTAINER_RUN__INIT;

	pod_record(c->pod, true, "Failed", "%s", m->error->text);
	run.finished_usec = (int64_t)realtime_usec();
	run.exit_code = START_ERROR_EXIT;
	run_record(c, &run, "StartError", m->error->text);
	ended(c);
}

static void times_take(struct pod_container *c, const Bulkhead__V1__LaunchTimes *times)
{
	struct pod_times *t = &c->pod->times;

	if (!times || c->init || t->exec_end)
		return;
	t->launch_start = times->received;
	t->launch_end = times->mounted;
	t->exec_end = times->exec;
}

static void start_take(struct pod_container *c, const Bulkhead__V1__ContainerStarted *m)
{
	c->started_usec = m->started_at_usec;
	if (c->stage == CONTAINER_STARTING)
		pod_probes_begin(c);
	times_take(c, m->times);
	feed(c, CONTAINER_STARTED);
}

void pod_container_started(struct pod *pod, const Bulkhead__V1__ContainerStarted *message)
{
	struct pod_container *c = pod_container_find(pod, message->name);

	if (!c || message->restart != c->progress->restarts || c->stage != CONTAINER_STARTING)
		return;
	if (message->error && message->error->code != ERR_NONE) {
		start_error_take(c, message);
	} else {
		start_take(c, message);
		pod_record(pod, false, "Started", "container '%s' started", c->spec->name);
	}
	pod_containers_check(pod);
}

void pod_container_exited(struct pod *pod, const Bulkhead__V1__ContainerExited *message)
{
	struct pod_container *c = pod_container_find(pod, message->name);

	if (!c || message->restart != c->progress->restarts || run_ended(c))
		return;
	exit_take(c, message);
	pod_containers_check(pod);
}

void pod_containers_lost(struct pod *pod)
{
	for (size_t i = 0; i < pod->containers_len; i++) {
		struct pod_container *c = &pod->containers[i];
		Bulkhead__V1__ContainerRun run = BULKHEAD__V1__CONTAINER_RUN__INIT;

		if (c->stage == CONTAINER_RUNNING || c->stage == CONTAINER_STARTING) {
			run.started_usec = c->started_usec;
			run.finished_usec = (int64_t)realtime_usec();
			run.exit_code = KILLED_EXIT;
			run.signal = SIGKILL;
			run_record(c, &run, "ShimExited", "the pod's shim died");
			streams_run_ended(pod, c);
			c->progress->ended = true;
			feed(c, CONTAINER_EXIT_LAST);
		} else {
			feed(c, CONTAINER_HALT);
		}
	}
}

/* ---- the pod's end ------------------------------------------------------------------------- */

/* What asks it to end: the pod says, else the image, else SIGTERM. */
static int stop_signal(struct pod_container *c)
{
	const K8sLifecycle *lifecycle = c->spec->lifecycle;
	struct image *image = NULL;

	if (c->signal)
		return c->signal;
	if (lifecycle && lifecycle->stopsignal)
		c->signal = signal_number(lifecycle->stopsignal);
	if (!c->signal &&
		image_store_find(c->pod->pods->agent->images, image_of(c), &image, NULL) == 0)
		c->signal = signal_number(image->stop_signal);
	image_free(image);
	if (!c->signal)
		c->signal = SIGTERM;
	return c->signal;
}

static void send_signal(struct pod_container *c, int sig)
{
	Bulkhead__V1__ContainerKill message = BULKHEAD__V1__CONTAINER_KILL__INIT;
	struct error err = { 0 };

	message.name = c->spec->name;
	message.signal = sig;
	if (shim_send(c->pod->shim, IPC_CONTAINER_KILL, &message.base, &err) < 0)
		log_write(LOG_LEVEL_WARNING, &c->pod->subject, "container '%s': %s", c->spec->name,
			err.text);
}

void pod_container_signal(struct pod_container *container, int sig)
{
	container->asked |= sig == 0;
	send_signal(container, sig ? sig : stop_signal(container));
}

void pod_containers_stop(struct pod *pod)
{
	for (size_t i = 0; i < pod->containers_len; i++) {
		struct pod_container *c = &pod->containers[i];

		if (container_machine_step(c->stage, CONTAINER_HALT).action ==
				CONTAINER_DO_SIGNAL &&
			!c->asked) {
			c->asked = true;
			send_signal(c, stop_signal(c));
		}
		feed(c, CONTAINER_HALT);
	}
}

void pod_containers_kill(struct pod *pod)
{
	for (size_t i = 0; i < pod->containers_len; i++) {
		struct pod_container *c = &pod->containers[i];

		if (container_machine_step(c->stage, CONTAINER_HALT).action == CONTAINER_DO_SIGNAL)
			send_signal(c, SIGKILL);
		feed(c, CONTAINER_HALT);
	}
}

/* ---- judging ------------------------------------------------------------------------------- */

static void check_init(struct pod *pod)
{
	struct pod_container *c = current_init(pod);

	if (!c)
		pod_feed(pod, POD_INIT_DONE);
	else if (c->stage == CONTAINER_ENDED)
		pod_feed(pod, POD_OVER);
	else
		feed(c, CONTAINER_START);
}

static bool any_alive(const struct pod *pod)
{
	for (size_t i = 0; i < pod->containers_len; i++) {
		enum container_stage stage = pod->containers[i].stage;

		if (stage == CONTAINER_STARTING || stage == CONTAINER_RUNNING)
			return true;
	}
	return false;
}

static bool mains_ended(const struct pod *pod)
{
	for (size_t i = pod->inits; i < pod->containers_len; i++) {
		if (pod->containers[i].stage != CONTAINER_ENDED)
			return false;
	}
	return true;
}

void pod_containers_check(struct pod *pod)
{
	if (pod->state == POD_INIT)
		check_init(pod);
	else if (pod->state == POD_RUNNING && mains_ended(pod))
		pod_feed(pod, POD_OVER);
	else if (pod->state == POD_STOPPING && !any_alive(pod))
		pod_feed(pod, POD_QUIET);
}

bool pod_containers_over(const struct pod *pod)
{
	size_t ended = 0;

	for (size_t i = 0; i < pod->containers_len; i++) {
		const Bulkhead__V1__ContainerProgress *p = pod->containers[i].progress;

		if (pod->containers[i].init && p->ended && p->run && p->run->exit_code != 0)
			return true;
		ended += !pod->containers[i].init && p->ended;
	}
	return ended == pod->containers_len - pod->inits;
}

/* ---- after a new connection ---------------------------------------------------------------- */

static const Bulkhead__V1__ContainerState *state_find(
	const Bulkhead__V1__ShimState *state, const char *name)
{
	for (size_t i = 0; i < state->n_containers; i++) {
		if (strcmp(state->containers[i]->name, name) == 0)
			return state->containers[i];
	}
	return NULL;
}

static void reconcile(struct pod_container *c, const Bulkhead__V1__ContainerState *s)
{
	Bulkhead__V1__ContainerProgress *p = c->progress;

	if (c->stage == CONTAINER_STARTING && (!s || s->restart < p->restarts)) {
		/* The plan was lost with the connection. */
		do_send(c);
		return;
	}
	if (c->stage == CONTAINER_ENDED || !s)
		return;
	/* The start of a later run is not written down, only its end. */
	if (s->restart > p->restarts) {
		p->in_row += s->restart - p->restarts;
		p->restarts = s->restart;
	}
	if (run_ended(c)) {
		/* Its end is known; it waits for the next run. */
		if (c->stage == CONTAINER_BACKOFF)
			return;
		c->stage = CONTAINER_RUNNING;
		feed(c, CONTAINER_EXIT_AGAIN);
		return;
	}
	if (s->restart != p->restarts)
		return;
	if (c->stage == CONTAINER_WAITING || c->stage == CONTAINER_BACKOFF)
		c->stage = CONTAINER_STARTING;
	if (!s->started)
		return;
	if (s->started->error && s->started->error->code != ERR_NONE) {
		if (s->pid == 0)
			start_error_take(c, s->started);
		return;
	}
	start_take(c, s->started);
	if (s->probes)
		pod_probes_take(c->pod, s->probes, true);
	if (s->exited)
		exit_take(c, s->exited);
}

void pod_containers_reconcile(struct pod *pod, const Bulkhead__V1__ShimState *state)
{
	for (size_t i = 0; i < state->n_containers; i++)
		pod->begun |= pod_container_find(pod, state->containers[i]->name) != NULL;
	for (size_t i = 0; i < pod->containers_len; i++) {
		struct pod_container *c = &pod->containers[i];

		reconcile(c, state_find(state, c->spec->name));
	}
}
