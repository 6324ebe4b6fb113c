/* What follows from a container's probes: readiness, and the end of one that is not well. */
#include "nodeagent/agent/pod.h"

#include <signal.h>

#include "lib/cleanup.h"
#include "nodeagent/agent/timer.h"

#define SECOND UINT64_C(1000000)

void pod_probes_begin(struct pod_container *c)
{
	c->probe_started = !c->spec->startupprobe;
	c->probe_ready = c->probe_started && !c->spec->readinessprobe;
	c->unwell = false;
	timer_stop(c->kill_timer);
}

void pod_probes_end(struct pod_container *c)
{
	c->probe_started = c->probe_ready = false;
	timer_stop(c->kill_timer);
}

static const char *kind_name(Bulkhead__V1__ProbeKind kind)
{
	static const char *const names[] = { "startup", "liveness", "readiness" };

	return (unsigned)kind < ARRAY_LEN(names) ? names[kind] : "unknown";
}

/* The probe's own, else the pod's. */
static int64_t grace_of(const struct pod_container *c, Bulkhead__V1__ProbeKind kind)
{
	const K8sPodSpec *spec = c->pod->object->spec;
	const K8sProbe *probe = kind == BULKHEAD__V1__PROBE_KIND__PROBE_STARTUP
					? c->spec->startupprobe
					: c->spec->livenessprobe;

	if (probe && probe->has_terminationgraceperiodseconds)
		return probe->terminationgraceperiodseconds;
	return spec->has_terminationgraceperiodseconds ? spec->terminationgraceperiodseconds : 30;
}

static int on_grace_over(sd_event_source *source, uint64_t usec, void *user)
{
	struct pod_container *c = user;

	(void)source;
	(void)usec;
	if (c->stage == CONTAINER_RUNNING && c->unwell)
		pod_container_signal(c, SIGKILL);
	return 0;
}

static void end_it(struct pod_container *c, Bulkhead__V1__ProbeKind kind)
{
	int64_t grace = grace_of(c, kind);
	struct error err = { 0 };

	if (c->unwell || pod_deleting(c->pod))
		return;
	c->unwell = true;
	pod_record(c->pod, false, "Killing", "container '%s' failed its %s probe and is ended",
		c->spec->name, kind_name(kind));
	pod_container_signal(c, grace > 0 ? 0 : SIGKILL);
	if (timer_set(&c->kill_timer, c->pod->pods->agent->event, (uint64_t)grace * SECOND,
		    on_grace_over, c, &err) < 0)
		log_write(LOG_LEVEL_ERROR, &c->pod->subject, "%s", err.text);
}

void pod_probes_take(struct pod *pod, const Bulkhead__V1__ProbeState *message, bool again)
{
	struct pod_container *c = pod_container_find(pod, message->name);

	if (!c || message->restart != c->progress->restarts || c->stage != CONTAINER_RUNNING)
		return;
	c->probe_started = message->started;
	c->probe_ready = message->ready;
	if (message->failed && !again)
		pod_record(pod, true, "Unhealthy", "container '%s': %s probe failed: %.256s",
			c->spec->name, kind_name(message->kind), message->text);
	if (message->kill)
		end_it(c, message->kind);
	pod_changed(pod);
}
