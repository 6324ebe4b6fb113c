/* What a pod's shim says of drift: events, a condition, and answers to whoever asked. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/pod_edit.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/agent/api.h"
#include "nodeagent/agent/pod.h"
#include "proto/wire_check.h"

/* One call that waits for the shim's answer, in its pod's list. */
struct drift_call {
	struct drift_call *next;
	struct pod *pod;
	struct call *call;
};

/* ---- reports ------------------------------------------------------------------------------- */

static Bulkhead__V1__Drift *copy(const Bulkhead__V1__Drift *message)
{
	size_t size = protobuf_c_message_get_packed_size(&message->base);
	cleanup_free uint8_t *bytes = malloc(size + 1);
	ProtobufCMessage *ret = NULL;

	if (!bytes)
		return NULL;
	protobuf_c_message_pack(&message->base, bytes);
	if (message_unpack(&bulkhead__v1__drift__descriptor, bytes, size, &ret, NULL) < 0)
		return NULL;
	return (Bulkhead__V1__Drift *)ret;
}

static const Bulkhead__V1__ContainerDrift *find(
	const Bulkhead__V1__Drift *report, const Bulkhead__V1__ContainerDrift *like)
{
	for (size_t i = 0; report && i < report->n_containers; i++) {
		const Bulkhead__V1__ContainerDrift *c = report->containers[i];

		if (strcmp(c->container, like->container) == 0 && c->restart == like->restart)
			return c;
	}
	return NULL;
}

static bool has(
	const Bulkhead__V1__ContainerDrift *c, const Bulkhead__V1__DriftRow *row, bool whole)
{
	for (size_t i = 0; c && i < c->n_rows; i++) {
		const Bulkhead__V1__DriftRow *r = c->rows[i];

		if (strcmp(r->field, row->field) == 0 &&
			(!whole || (strcmp(r->expected, row->expected) == 0 &&
					   strcmp(r->found, row->found) == 0)))
			return true;
	}
	return false;
}

/* "container 'web': mounts./mnt: admitted 'no mount', found 'tmpfs rw'" */
static char *row_text(const Bulkhead__V1__ContainerDrift *c, const Bulkhead__V1__DriftRow *row)
{
	char *text;
	int n;

	if (c->container[0])
		n = asprintf(&text, "container '%s': %s: admitted '%s', found '%s'", c->container,
			row->field, row->expected, row->found);
	else
		n = asprintf(&text, "pod: %s: admitted '%s', found '%s'", row->field, row->expected,
			row->found);
	return n < 0 ? NULL : text;
}

static void tell_new(struct pod *pod, const Bulkhead__V1__Drift *old,
	const Bulkhead__V1__ContainerDrift *now, size_t *told)
{
	const Bulkhead__V1__ContainerDrift *before = find(old, now);

	for (size_t i = 0; i < now->n_rows; i++) {
		cleanup_free char *text = NULL;

		if (has(before, now->rows[i], true))
			continue;
		if ((*told)++ >= POD_DRIFT_EVENTS_MAX)
			continue;
		text = row_text(now, now->rows[i]);
		if (text)
			pod_record(pod, true, "Drift", "%s", text);
	}
}

/* A container that ended has nothing that could be well again. */
static void tell_over(struct pod *pod, const Bulkhead__V1__Drift *now,
	const Bulkhead__V1__ContainerDrift *before, size_t *told)
{
	const Bulkhead__V1__ContainerDrift *after = find(now, before);

	for (size_t i = 0; after && i < before->n_rows; i++) {
		if (has(after, before->rows[i], false))
			continue;
		if ((*told)++ >= POD_DRIFT_EVENTS_MAX)
			continue;
		pod_record(pod, false, "DriftEnded", "%s%s%s: %s: as admitted again",
			before->container[0] ? "container '" : "pod", before->container,
			before->container[0] ? "'" : "", before->rows[i]->field);
	}
}

size_t pod_drift_count(const struct pod *pod, char **ret_text)
{
	const Bulkhead__V1__Drift *report = pod->drift.last;
	size_t n = 0;

	for (size_t i = 0; report && i < report->n_containers; i++) {
		const Bulkhead__V1__ContainerDrift *c = report->containers[i];

		if (n == 0 && c->n_rows && ret_text)
			*ret_text = row_text(c, c->rows[0]);
		n += c->n_rows + c->more;
	}
	return n;
}

/* ---- calls --------------------------------------------------------------------------------- */

static void call_drop(struct drift_call *waiting)
{
	struct drift_call **at = &waiting->pod->drift.calls;

	while (*at != waiting)
		at = &(*at)->next;
	*at = waiting->next;
	waiting->pod->drift.calls_len--;
	free(waiting);
}

static void on_gone(struct call *call)
{
	call_drop(call->state);
}

static int difference_add(Bulkhead__V1__PodDriftResponse *r, const char *container,
	const Bulkhead__V1__DriftRow *row, struct error *err)
{
	Bulkhead__V1__DriftDifference *d = edit_append(&r->differences, &r->n_differences,
		&bulkhead__v1__drift_difference__descriptor, err);

	if (!d || edit_string(&d->container, container, err) < 0 ||
		edit_string(&d->field, row->field, err) < 0 ||
		edit_string(&d->expected, row->expected, err) < 0)
		return -1;
	return edit_string(&d->found, row->found, err);
}

static int response_fill(const struct pod *pod, const Bulkhead__V1__Drift *report,
	Bulkhead__V1__PodDriftResponse *r, struct error *err)
{
	r->checked_at_usec = report->checked_at_usec;
	r->took_usec = report->took_usec;
	if (edit_string(&r->project, pod->subject.project, err) < 0 ||
		edit_string(&r->pod, pod->subject.pod, err) < 0 ||
		edit_string(&r->uid, pod->subject.uid, err) < 0)
		return -1;
	for (size_t i = 0; i < report->n_containers; i++) {
		const Bulkhead__V1__ContainerDrift *c = report->containers[i];

		r->more += c->more;
		if (c->container[0] &&
			edit_append_string(&r->containers, &r->n_containers, c->container, err) < 0)
			return -1;
		for (size_t k = 0; k < c->n_rows; k++) {
			if (difference_add(r, c->container, c->rows[k], err) < 0)
				return -1;
		}
	}
	return 0;
}

static void answer(struct pod *pod, const Bulkhead__V1__Drift *report)
{
	while (pod->drift.calls) {
		struct call *call = pod->drift.calls->call;
		Bulkhead__V1__PodDriftResponse *r = NULL;
		struct error err = { 0 };

		call_drop(pod->drift.calls);
		if (edit_message(&r, &bulkhead__v1__pod_drift_response__descriptor, &err) < 0 ||
			response_fill(pod, report, r, &err) < 0)
			call_fail(call, &err);
		else
			call_reply(call, &r->base, true);
		if (r)
			bulkhead__v1__pod_drift_response__free_unpacked(r, NULL);
	}
}

void pod_drift_take(struct pod *pod, const Bulkhead__V1__Drift *message)
{
	Bulkhead__V1__Drift *old = pod->drift.last;
	Bulkhead__V1__Drift *now = copy(message);
	size_t before = pod_drift_count(pod, NULL);
	size_t told = 0;

	if (!now)
		return;
	pod->drift.last = now;
	for (size_t i = 0; i < now->n_containers; i++)
		tell_new(pod, old, now->containers[i], &told);
	if (told > POD_DRIFT_EVENTS_MAX)
		pod_record(pod, true, "Drift", "%zu more differences; see 'bulkhead drift %s'",
			told - POD_DRIFT_EVENTS_MAX, pod->subject.pod);
	told = 0;
	for (size_t i = 0; old && i < old->n_containers; i++)
		tell_over(pod, now, old->containers[i], &told);
	if (!old || (before > 0) != (pod_drift_count(pod, NULL) > 0))
		pod->drift.since_usec = message->checked_at_usec;
	if (!old || before || pod_drift_count(pod, NULL))
		pod_changed(pod);
	if (old)
		bulkhead__v1__drift__free_unpacked(old, NULL);
	if (message->asked)
		answer(pod, now);
}

void pod_drift_again(struct pod *pod)
{
	Bulkhead__V1__DriftCheck message = BULKHEAD__V1__DRIFT_CHECK__INIT;

	if (pod->drift.calls)
		shim_send(pod->shim, IPC_DRIFT_CHECK, &message.base, NULL);
}

void pod_drift_forget(struct pod *pod, const char *container)
{
	Bulkhead__V1__Drift *report = pod->drift.last;

	for (size_t i = 0; report && i < report->n_containers; i++) {
		Bulkhead__V1__ContainerDrift *c = report->containers[i];

		if (strcmp(c->container, container) != 0)
			continue;
		while (c->n_rows > 0)
			bulkhead__v1__drift_row__free_unpacked(c->rows[--c->n_rows], NULL);
		c->more = 0;
	}
	if (report && pod_drift_count(pod, NULL) == 0)
		pod->drift.since_usec = (int64_t)realtime_usec();
}

void pod_drift_end(struct pod *pod)
{
	struct error err = { 0 };

	error_set(&err, ERR_PRECONDITION, 0, "pod '%s' has ended", pod->subject.pod);
	while (pod->drift.calls) {
		struct call *call = pod->drift.calls->call;

		call_drop(pod->drift.calls);
		call_fail(call, &err);
	}
	if (pod->drift.last)
		bulkhead__v1__drift__free_unpacked(pod->drift.last, NULL);
	pod->drift.last = NULL;
}

/* Asks once for all that wait: what is being looked at now is as new as what they would get. */
static int ask(struct pod *pod, struct call *call, struct error *err)
{
	Bulkhead__V1__DriftCheck message = BULKHEAD__V1__DRIFT_CHECK__INIT;
	struct drift_call *waiting;

	if (!pod_lives(pod))
		return error_set(err, ERR_PRECONDITION, 0,
			"pod '%s' does not run: there is nothing to compare", pod->subject.pod);
	if (pod->drift.calls_len >= POD_DRIFT_CALLS_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"%d callers wait for this comparison already", POD_DRIFT_CALLS_MAX);
	if (!pod->drift.calls && shim_send(pod->shim, IPC_DRIFT_CHECK, &message.base, err) < 0)
		return -1;
	waiting = calloc(1, sizeof(*waiting));
	if (!waiting)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot hold a call");
	*waiting = (struct drift_call){ pod->drift.calls, pod, call };
	pod->drift.calls = waiting;
	pod->drift.calls_len++;
	call->state = waiting;
	call->gone = on_gone;
	return 0;
}

void method_pod_drift(struct agent *agent, struct call *call)
{
	const Bulkhead__V1__PodDriftRequest *r =
		(const Bulkhead__V1__PodDriftRequest *)call->message;
	struct pod *pod = pods_find(agent->pods, r->project, r->name);
	struct error err = { 0 };

	if (!pod)
		error_set(&err, ERR_NOT_FOUND, 0, "pod '%.253s' is not there in project '%.63s'",
			r->name, r->project);
	if (!pod || ask(pod, call, &err) < 0)
		call_fail(call, &err);
}
