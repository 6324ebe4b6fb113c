/* What is shown of a pod: status, events, stages. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/pod_edit.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/netd.h"
#include "nodeagent/agent/node.h"
#include "nodeagent/agent/pod.h"
#include "nodeagent/agent/status.h"

#define ID_SIZE 256

/* ---- events -------------------------------------------------------------------------------- */

static void record_drop_first(struct pod *pod)
{
	free(pod->records[0].message);
	pod->records_len--;
	memmove(pod->records, pod->records + 1, pod->records_len * sizeof(pod->records[0]));
}

static struct pod_record *record_find(struct pod *pod, const char *reason, const char *message)
{
	for (size_t i = 0; i < pod->records_len; i++) {
		if (strcmp(pod->records[i].reason, reason) == 0 &&
			strcmp(pod->records[i].message, message) == 0)
			return &pod->records[i];
	}
	return NULL;
}

/* One that is there already moves to the end, and counts. */
static void record_again(struct pod *pod, struct pod_record *record)
{
	struct pod_record moved = *record;
	size_t behind = (size_t)(pod->records + pod->records_len - record) - 1;

	memmove(record, record + 1, behind * sizeof(*record));
	moved.count++;
	moved.at_usec = (int64_t)realtime_usec();
	pod->records[pod->records_len - 1] = moved;
}

void pod_record(struct pod *pod, bool warning, const char *reason, const char *fmt, ...)
{
	struct pod_record *known;
	char *message;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&message, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	log_write(warning ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, &pod->subject, "%s: %s", reason,
		message);
	known = record_find(pod, reason, message);
	if (known) {
		record_again(pod, known);
		free(message);
		return;
	}
	if (pod->records_len == POD_RECORDS_MAX)
		record_drop_first(pod);
	pod->records[pod->records_len++] = (struct pod_record){
		.at_usec = (int64_t)realtime_usec(),
		.warning = warning,
		.reason = reason,
		.message = message,
		.count = 1,
	};
}

void pod_records_done(struct pod *pod)
{
	while (pod->records_len > 0)
		record_drop_first(pod);
}

/* ---- status -------------------------------------------------------------------------------- */

static bool is_ready(const struct pod *pod)
{
	if (pod->state != POD_RUNNING)
		return false;
	for (size_t i = pod->inits; i < pod->containers_len; i++) {
		if (pod->containers[i].stage != CONTAINER_RUNNING ||
			!pod->containers[i].probe_ready)
			return false;
	}
	return true;
}

void pod_changed(struct pod *pod)
{
	if (!is_ready(pod))
		pod->ready_since_usec = 0;
	else if (!pod->ready_since_usec)
		pod->ready_since_usec = (int64_t)realtime_usec();
	pod->changed = true;
	pods_turn(pod->pods);
}

static const char *or_null(const char *text)
{
	return text && *text ? text : NULL;
}

static void fill_last(struct status_container *s, const Bulkhead__V1__ContainerRun *run)
{
	if (!run)
		return;
	s->has_last = true;
	s->last_started_usec = run->started_usec;
	s->last_finished_usec = run->finished_usec;
	s->last_exit_code = run->exit_code;
	s->last_signal = run->signal;
	s->last_oom_killed = run->oom_killed;
	s->last_message = or_null(run->message);
}

static void fill_ended(struct status_container *s, const Bulkhead__V1__ContainerProgress *p)
{
	s->stage = STATUS_TERMINATED;
	s->reason = or_null(p->run->reason);
	s->message = or_null(p->run->message);
	s->started_usec = p->run->started_usec;
	s->finished_usec = p->run->finished_usec;
	s->exit_code = p->run->exit_code;
	s->signal = p->run->signal;
	s->oom_killed = p->run->oom_killed;
	fill_last(s, p->before);
}

static void fill_container(
	const struct pod_container *c, struct status_container *s, char id[ID_SIZE])
{
	const struct pod *pod = c->pod;
	const Bulkhead__V1__ContainerProgress *p = c->progress;

	*s = (struct status_container){ .name = c->spec->name,
		.image = c->spec->image,
		.image_digest = pod->file->images[c - pod->containers],
		.init = c->init,
		.restarts = p->restarts,
		.reason = c->reason,
		.message = c->message };
	if (c->stage != CONTAINER_WAITING || p->run) {
		snprintf(id, ID_SIZE, "bulkhead://%s/%s/%u", pod->subject.uid, c->spec->name,
			p->restarts);
		s->container_id = id;
	}
	if (c->stage == CONTAINER_ENDED && p->run) {
		fill_ended(s, p);
		return;
	}
	fill_last(s, p->run);
	if (c->stage == CONTAINER_RUNNING) {
		s->stage = STATUS_RUNNING;
		s->started_usec = c->started_usec;
		s->unstarted = !c->probe_started;
		s->unready = !c->probe_ready;
	}
}

static void set_time(K8sTime **field, int64_t seconds)
{
	if (!*field) {
		*field = malloc(sizeof(**field));
		if (!*field)
			return;
		k8s__io__apimachinery__pkg__apis__meta__v1__time__init(*field);
	}
	(*field)->has_seconds = true;
	(*field)->seconds = seconds;
}

static void fill_deletion(struct pod *pod)
{
	K8sObjectMeta *meta = pod->object->metadata;

	if (!pod_deleting(pod))
		return;
	set_time(&meta->deletiontimestamp, pod->progress->delete_at + pod->progress->grace_seconds);
	meta->has_deletiongraceperiodseconds = true;
	meta->deletiongraceperiodseconds = pod->progress->grace_seconds;
}

/* Why a pod as a whole is not further: what was told last while it waited, or what it waits for. */
static const char *waiting_message(const struct pod *pod, char node[ERROR_TEXT_SIZE])
{
	const struct agent *agent = pod->pods->agent;
	char reason[NODE_REASON_SIZE];
	struct error err = { 0 };

	if (pod->state != POD_SANDBOX && pod->state != POD_PREPARING)
		return NULL;
	if (pod->state == POD_PREPARING && !pod_net_ready(pod) && !netd_ready(agent->netd) &&
		!node_ready(agent->node, reason, &err)) {
		snprintf(node, ERROR_TEXT_SIZE, "%s", err.text);
		return node;
	}
	for (size_t i = pod->records_len; i > 0; i--) {
		if (pod->records[i - 1].warning)
			return pod->records[i - 1].message;
	}
	if (pod->state == POD_SANDBOX)
		return "its sandbox is being built";
	return pod_net_ready(pod) ? "its secret volumes are being written"
				  : "its port in the switch is being made";
}

int pod_status_fill(struct pod *pod, struct error *err)
{
	size_t len = pod->containers_len;
	cleanup_free struct status_container *all = calloc(len, sizeof(*all));
	cleanup_free char(*ids)[ID_SIZE] = calloc(len, sizeof(*ids));
	cleanup_free char *drift = NULL;
	char node[ERROR_TEXT_SIZE];
	struct status_pod facts = {
		.pod = pod->object,
		.deleting = pod_deleting(pod),
		.lost = pod->progress->lost,
		.reason = or_null(pod->progress->reason),
		.message = or_null(pod->progress->message),
		.pod_ip = pod_net_address(pod),
		.host_ip = pod->pods->facts.address,
		.started_usec = pod->file->accepted_usec,
		.ready_since_usec = pod->ready_since_usec,
		.drift_known = pod->drift.last != NULL,
		.drift_since_usec = pod->drift.since_usec,
		.containers_len = len,
	};

	if (!all || !ids)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot fill a status");
	pod_drift_count(pod, &drift);
	facts.drift = drift;
	for (size_t i = 0; i < len; i++)
		fill_container(&pod->containers[i], &all[i], ids[i]);
	if (!facts.message)
		facts.message = waiting_message(pod, node);
	facts.containers = all;
	fill_deletion(pod);
	if (status_fill(pod->object, &facts, err) < 0)
		return -1;
	return debug_statuses_fill(pod, pod->object->status, err);
}

/* ---- describe ------------------------------------------------------------------------------ */

struct stage_row {
	const char *name;
	uint64_t start;
	uint64_t end;
};

/* Appends nothing for what has not ended, or ended before the agent started. */
static int add_stage(Bulkhead__V1__DescribePodResponse *r, const struct stage_row *row,
	uint64_t received, const char *detail)
{
	Bulkhead__V1__Stage *stage;

	if (!row->start || row->end < row->start || row->start < received)
		return 0;
	stage = malloc(sizeof(*stage));
	if (!stage)
		return -1;
	bulkhead__v1__stage__init(stage);
	r->stages[r->n_stages++] = stage;
	stage->start_usec = (int64_t)(row->start - received);
	stage->duration_usec = (int64_t)(row->end - row->start);
	if (edit_string(&stage->name, row->name, NULL) < 0)
		return -1;
	return edit_string(&stage->detail, detail, NULL);
}

static int describe_stages(const struct pod *pod, Bulkhead__V1__DescribePodResponse *r)
{
	const struct pod_times *t = &pod->times;
	const struct stage_row rows[] = {
		{ "admit", t->received, t->accepted },
		{ "sandbox", t->sandbox_start, t->sandbox_end },
		{ "secrets", t->secrets_start, t->secrets_end },
		{ "network", t->network_start, t->network_end },
		{ "launch", t->launch_start, t->launch_end },
		{ "exec", t->launch_end, t->exec_end },
	};
	static const char *const details[] = { "authorized, admitted and written to disk",
		"shim, namespaces, cgroups and tmpfs", "written by secretd, owned and published",
		"veth, port and flows", "first container: cloned and mounted",
		"first container: confined, program run" };

	r->stages = calloc(ARRAY_LEN(rows), sizeof(Bulkhead__V1__Stage *));
	if (!r->stages)
		return -1;
	for (size_t i = 0; t->received && i < ARRAY_LEN(rows); i++) {
		if (add_stage(r, &rows[i], t->received, details[i]) < 0)
			return -1;
	}
	return 0;
}

static int describe_records(const struct pod *pod, Bulkhead__V1__DescribePodResponse *r)
{
	r->events = calloc(POD_RECORDS_MAX, sizeof(Bulkhead__V1__PodRecord *));
	if (!r->events)
		return -1;
	for (size_t i = 0; i < pod->records_len; i++) {
		const struct pod_record *record = &pod->records[i];
		Bulkhead__V1__PodRecord *m = malloc(sizeof(*m));

		if (!m)
			return -1;
		bulkhead__v1__pod_record__init(m);
		r->events[r->n_events++] = m;
		m->at_usec = record->at_usec;
		m->count = record->count;
		if (edit_string(&m->type, record->warning ? "Warning" : "Normal", NULL) < 0 ||
			edit_string(&m->reason, record->reason, NULL) < 0 ||
			edit_string(&m->message, record->message, NULL) < 0)
			return -1;
	}
	return 0;
}

static char *uid_map_text(const struct pod *pod)
{
	struct plan_pod plan = pod_plan(pod);
	char *text;

	if (!pod->file->slice)
		return strdup("none: the node's own ids");
	if (asprintf(&text, "0 -> %u (%u), %u -> %u (%u)", pod->file->slice, USERNS_SLICE_SIZE,
		    plan.project.uids.start, plan.project.uids.start, plan.project.uids.size) < 0)
		return NULL;
	return text;
}

static int describe(struct pod *pod, Bulkhead__V1__DescribePodResponse *r, struct error *err)
{
	if (pod_status_fill(pod, err) < 0)
		return -1;
	r->vnid = pod_vnid(pod);
	r->uid_map = uid_map_text(pod);
	if (!r->uid_map || edit_string(&r->mac, pod->net.mac, NULL) < 0 ||
		edit_string(&r->port, pod->net.port, NULL) < 0 || describe_stages(pod, r) < 0 ||
		describe_records(pod, r) < 0 ||
		pod_cgroup_pressure(pod, &r->pressure, &r->n_pressure) < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot describe a pod");
	r->pod = pod->object;
	return 0;
}

int pod_describe(struct pod *pod, Bulkhead__V1__DescribePodResponse **ret, struct error *err)
{
	Bulkhead__V1__DescribePodResponse *r = malloc(sizeof(*r));

	if (!r)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot describe a pod");
	bulkhead__v1__describe_pod_response__init(r);
	if (describe(pod, r, err) < 0) {
		bulkhead__v1__describe_pod_response__free_unpacked(r, NULL);
		return -1;
	}
	*ret = r;
	return 0;
}
