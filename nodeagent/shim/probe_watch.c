#include "nodeagent/shim/probe_watch.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "nodeagent/shim/probe.h"
#include "nodeagent/shim/probe_http.h"
#include "nodeagent/shim/probe_net.h"
#include "nodeagent/shim/shim.h"
#include "nodeagent/shim/sys.h"

#define TEXT_SIZE 256

struct probe_run {
	struct container *container;
	int kind;
	bool late;             /* it was given up */
	struct source process; /* a child of probe_net.c */
	int result_fd;
	struct exec *exec; /* borrowed */
};

struct probes {
	struct probe_set set;
	struct probe_run runs[PROBE_KINDS];
	bool failed; /* what was told last of a failure */
	int failed_kind;
	char text[TEXT_SIZE];
};

/* ---- telling ------------------------------------------------------------------------------- */

int probes_fill(const struct container *c, Bulkhead__V1__ProbeState *state)
{
	struct probes *p = c->probes;

	bulkhead__v1__probe_state__init(state);
	if (!p)
		return 0;
	state->name = c->plan->name;
	state->restart = c->plan->restart;
	state->started = p->set.started;
	state->ready = probe_set_ready(&p->set);
	state->failed = p->failed;
	state->kill = p->set.dead;
	state->kind = (Bulkhead__V1__ProbeKind)p->failed_kind;
	state->text = p->text;
	return 1;
}

static void tell(struct shim *shim, const struct container *c)
{
	Bulkhead__V1__ProbeState state;

	probes_fill(c, &state);
	shim_send(shim, IPC_PROBE_STATE, 0, &state.base, NULL, 0);
}

/* ---- the timer ----------------------------------------------------------------------------- */

static void timer_ready(struct shim *shim, struct source *source);

static int timer_open(struct shim *shim)
{
	cleanup_close int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd < 0 || source_add(shim, &shim->probe_timer, fd, timer_ready, NULL, NULL) < 0)
		return -1;
	take_fd(&fd);
	return 0;
}

static void arm(struct shim *shim)
{
	uint64_t next = PROBE_NEVER;
	struct itimerspec at = { .it_value.tv_nsec = 0 };

	for (const struct container *c = shim->containers; c; c = c->next) {
		uint64_t t = c->probes ? probe_set_next(&c->probes->set) : PROBE_NEVER;

		next = t < next ? t : next;
	}
	if (shim->probe_timer.fd < 0 && (next == PROBE_NEVER || timer_open(shim) < 0)) {
		if (next != PROBE_NEVER)
			log_error("probes do not run: no timer");
		return;
	}
	if (next != PROBE_NEVER) {
		at.it_value.tv_sec = (time_t)(next / 1000000);
		at.it_value.tv_nsec = (long)(next % 1000000) * 1000 + 1;
	}
	timerfd_settime(shim->probe_timer.fd, TFD_TIMER_ABSTIME, &at, NULL);
}

/* ---- results ------------------------------------------------------------------------------- */

static void text_set(struct probes *p, const struct probe_run *run, const char *why)
{
	snprintf(p->text, sizeof(p->text), "%s", why);
	if (run->late)
		snprintf(p->text, sizeof(p->text), "no answer within %u s",
			p->set.probes[run->kind].plan->timeout);
	p->failed = true;
	p->failed_kind = run->kind;
}

/* 'why' it failed, or NULL. */
static void result(struct shim *shim, struct probe_run *run, const char *why)
{
	struct container *c = run->container;
	struct probes *p = c->probes;
	bool ok = !why && !run->late;
	unsigned flags = probe_set_result(&p->set, run->kind, ok, monotonic_usec());

	if (flags && !ok)
		text_set(p, run, why ? why : "");
	else if (flags)
		p->failed = false;
	run->late = false;
	if (flags)
		tell(shim, c);
}

static void net_text(const struct probe_net_result *r, char text[TEXT_SIZE])
{
	switch (r->kind) {
	case PROBE_NET_ERROR:
		snprintf(text, TEXT_SIZE, "connection: %s", strerror(r->value));
		break;
	case PROBE_NET_STATUS:
		snprintf(text, TEXT_SIZE, "HTTP status %d", r->value);
		break;
	case PROBE_NET_HTTP:
		snprintf(text, TEXT_SIZE,
			r->value == PROBE_HTTP_LONG ? "no HTTP status within %u bytes"
						    : "the answer is no HTTP",
			PROBE_HTTP_MAX);
		break;
	case PROBE_NET_SETUP:
		snprintf(text, TEXT_SIZE, "the prober could not start: %s", strerror(r->value));
		break;
	default:
		snprintf(text, TEXT_SIZE, "the prober died");
		break;
	}
}

static void process_ready(struct shim *shim, struct source *source)
{
	struct probe_run *run = source->owner;
	struct probe_net_result r = { 0 };
	char text[TEXT_SIZE];

	if (sys_pidfd_try_reap(source->fd, NULL) == 0)
		return;
	if (read(run->result_fd, &r, sizeof(r)) != (ssize_t)sizeof(r))
		r = (struct probe_net_result){ 0 };
	source_done(shim, &run->process);
	cleanup_close_fn(&run->result_fd);
	run->result_fd = -1;
	net_text(&r, text);
	result(shim, run, r.kind == PROBE_NET_OK ? NULL : text);
	arm(shim);
}

void probes_exec_done(struct shim *shim, struct probe_run *run, int exit_code, const char *text)
{
	char own[TEXT_SIZE];

	run->exec = NULL;
	if (!text && exit_code != 0) {
		snprintf(own, sizeof(own), "exit code %d", exit_code);
		text = own;
	}
	result(shim, run, text);
	arm(shim);
}

/* ---- running ------------------------------------------------------------------------------- */

static int net_start(struct shim *shim, struct probe_run *run, const Bulkhead__V1__ProbePlan *plan,
	struct error *err)
{
	int pidfd = -1;

	if (probe_net_start(&shim->sandbox, &run->container->cgroup, plan, &pidfd, &run->result_fd,
		    err) < 0)
		return -1;
	if (source_add(shim, &run->process, pidfd, process_ready, run, err) == 0)
		return 0;
	sys_pidfd_kill(pidfd, SIGKILL);
	sys_pidfd_reap(pidfd, NULL);
	close(pidfd);
	cleanup_close_fn(&run->result_fd);
	run->result_fd = -1;
	return -1;
}

static void run_begin(struct shim *shim, struct container *c, int kind, uint64_t now)
{
	struct probe_run *run = &c->probes->runs[kind];
	const Bulkhead__V1__ProbePlan *plan = c->probes->set.probes[kind].plan;
	struct error err = { .code = ERR_NONE };
	int n;

	probe_set_run(&c->probes->set, kind, now);
	if (plan->n_exec > 0)
		n = exec_probe(shim, c, plan->exec, plan->n_exec, run, &run->exec, &err);
	else
		n = net_start(shim, run, plan, &err);
	if (n < 0)
		result(shim, run, err.text);
}

/* Its end comes as an event, like any other's. */
static void run_give_up(struct probe_run *run, struct probe *probe)
{
	run->late = true;
	probe->deadline = PROBE_NEVER;
	if (run->exec)
		sys_pidfd_kill(run->exec->process.fd, SIGKILL);
	else if (run->process.fd >= 0)
		sys_pidfd_kill(run->process.fd, SIGKILL);
}

static void container_turn(struct shim *shim, struct container *c, uint64_t now)
{
	struct probe_set *set = &c->probes->set;
	int kind;

	while ((kind = probe_set_late(set, now)) >= 0)
		run_give_up(&c->probes->runs[kind], &set->probes[kind]);
	/* One each: those that fail at once are due again no earlier than in a period. */
	for (int i = 0; i < PROBE_KINDS && (kind = probe_set_due(set, now)) >= 0; i++)
		run_begin(shim, c, kind, now);
}

static void timer_ready(struct shim *shim, struct source *source)
{
	uint64_t now = monotonic_usec();
	uint64_t count;

	(void)!read(source->fd, &count, sizeof(count));
	for (struct container *c = shim->containers; c && !shim->destroying; c = c->next) {
		if (c->probes)
			container_turn(shim, c, now);
	}
	arm(shim);
}

void probes_start(struct shim *shim, struct container *c)
{
	struct probes *p;

	if (c->plan->n_probes == 0)
		return;
	p = calloc(1, sizeof(*p));
	if (!p) {
		log_error("no memory for the probes of container '%s': it never is ready",
			c->plan->name);
		return;
	}
	for (int i = 0; i < PROBE_KINDS; i++)
		p->runs[i] = (struct probe_run){
			.container = c, .kind = i, .process.fd = -1, .result_fd = -1
		};
	probe_set_begin(&p->set, c->plan->probes, c->plan->n_probes, monotonic_usec());
	c->probes = p;
	arm(shim);
}

void probes_stop(struct shim *shim, struct container *c)
{
	struct probes *p = c->probes;

	for (int i = 0; p && i < PROBE_KINDS; i++) {
		struct probe_run *run = &p->runs[i];

		if (run->exec)
			run->exec->probe = NULL;
		if (run->process.fd >= 0) {
			sys_pidfd_kill(run->process.fd, SIGKILL);
			sys_pidfd_reap(run->process.fd, NULL);
			source_done(shim, &run->process);
		}
		cleanup_close_fn(&run->result_fd);
	}
	free(p);
	c->probes = NULL;
	arm(shim);
}
