#include "nodeagent/agent/scopes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "lib/cleanup.h"
#include "lib/log.h"

#define SYSTEMD      "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define MANAGER      "org.freedesktop.systemd1.Manager"
#define PRIVATE      "unix:path=/run/systemd/private" /* systemctl's own way, without a bus */
#define CALL_USEC    UINT64_C(30000000)

struct scope_wait {
	struct scopes *scopes;
	struct scope_wait *next;
	sd_bus_slot *slot; /* of the call; NULL once it is answered */
	char *job;         /* "/org/freedesktop/systemd1/job/123" */
	scope_ready_fn *ready;
	void *user;
};

struct scopes {
	sd_event *event;
	sd_bus *bus;
	struct scope_wait *waits;
};

/* ---- the connection ------------------------------------------------------------------------ */

static int connect_private(sd_bus **ret)
{
	sd_bus *bus = NULL;
	int r = sd_bus_new(&bus);

	if (r >= 0)
		r = sd_bus_set_address(bus, PRIVATE);
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r < 0)
		sd_bus_unref(bus);
	else
		*ret = bus;
	return r;
}

static int connect_any(sd_bus **ret, struct error *err)
{
	int r = sd_bus_open_system(ret);

	if (r < 0)
		r = connect_private(ret);
	return r < 0 ? error_set(err, ERR_UNAVAILABLE, -r, "cannot connect to systemd") : 0;
}

static void wait_free(struct scope_wait *wait)
{
	struct scope_wait **at = &wait->scopes->waits;

	while (*at && *at != wait)
		at = &(*at)->next;
	if (*at)
		*at = wait->next;
	sd_bus_slot_unref(wait->slot);
	free(wait->job);
	free(wait);
}

static void wait_over(struct scope_wait *wait, const struct error *err)
{
	scope_ready_fn *ready = wait->ready;
	void *user = wait->user;

	wait_free(wait);
	ready(user, err);
}

static int on_job(sd_bus_message *message, void *user, sd_bus_error *unused)
{
	struct scopes *scopes = user;
	const char *job;
	const char *unit;
	const char *result;
	uint32_t id;

	(void)unused;
	if (sd_bus_message_read(message, "uoss", &id, &job, &unit, &result) < 0)
		return 0;
	for (struct scope_wait *w = scopes->waits; w; w = w->next) {
		struct error err = { 0 };

		if (!w->job || strcmp(w->job, job) != 0)
			continue;
		if (strcmp(result, "done") == 0) {
			wait_over(w, NULL);
		} else {
			error_set(&err, ERR_UNAVAILABLE, 0,
				"systemd did not start '%.200s': its job ended as '%.32s'", unit,
				result);
			wait_over(w, &err);
		}
		break;
	}
	return 0;
}

/* Jobs of a connection that broke are never heard of; calls are answered with an error. */
static void jobs_forget(struct scopes *scopes)
{
	struct error err = { 0 };
	struct scope_wait *w = scopes->waits;

	error_set(&err, ERR_UNAVAILABLE, 0, "the connection to systemd broke");
	while (w) {
		if (w->job) {
			wait_over(w, &err);
			w = scopes->waits;
		} else {
			w = w->next;
		}
	}
}

static int bus_open(struct scopes *scopes, struct error *err)
{
	int r;

	if (scopes->bus && sd_bus_is_open(scopes->bus) > 0)
		return 0;
	scopes->bus = sd_bus_close_unref(scopes->bus);
	jobs_forget(scopes);
	/* Who heard of that may have asked again, and so opened it. */
	if (scopes->bus)
		return 0;
	if (connect_any(&scopes->bus, err) < 0)
		return -1;
	r = sd_bus_match_signal_async(scopes->bus, NULL, SYSTEMD, SYSTEMD_PATH, MANAGER,
		"JobRemoved", on_job, NULL, scopes);
	/* Without it systemd sends nobody on the bus a signal. */
	if (r >= 0)
		r = sd_bus_call_method_async(scopes->bus, NULL, SYSTEMD, SYSTEMD_PATH, MANAGER,
			"Subscribe", NULL, NULL, NULL);
	if (r >= 0)
		r = sd_bus_attach_event(scopes->bus, scopes->event, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0)
		return 0;
	scopes->bus = sd_bus_close_unref(scopes->bus);
	return error_set(err, ERR_UNAVAILABLE, -r, "cannot listen to systemd");
}

int scopes_new(struct scopes **ret, sd_event *event, struct error *err)
{
	struct scopes *scopes = calloc(1, sizeof(*scopes));

	if (!scopes)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot watch systemd");
	scopes->event = sd_event_ref(event);
	*ret = scopes;
	return 0;
}

void scopes_free(struct scopes *scopes)
{
	if (!scopes)
		return;
	while (scopes->waits)
		wait_free(scopes->waits);
	sd_bus_flush_close_unref(scopes->bus);
	sd_event_unref(scopes->event);
	free(scopes);
}

/* ---- scopes -------------------------------------------------------------------------------- */

static int on_started(sd_bus_message *message, void *user, sd_bus_error *unused)
{
	struct scope_wait *wait = user;
	const sd_bus_error *why = sd_bus_message_get_error(message);
	struct error err = { 0 };
	const char *job = NULL;

	(void)unused;
	wait->slot = sd_bus_slot_unref(wait->slot);
	if (why && sd_bus_error_has_name(why, "org.freedesktop.systemd1.UnitExists")) {
		wait_over(wait, NULL);
		return 0;
	}
	if (why)
		error_set(&err, ERR_UNAVAILABLE, 0, "systemd makes no scope: %.200s", why->message);
	else if (sd_bus_message_read(message, "o", &job) < 0)
		error_set(&err, ERR_INTERNAL, 0, "systemd's answer names no job");
	else if (!(wait->job = strdup(job)))
		error_set(&err, ERR_EXHAUSTED, ENOMEM, "cannot wait for a scope");
	if (err.code != ERR_NONE)
		wait_over(wait, &err);
	return 0;
}

/* A limit that systemd has by default, on tasks, must not stand before the pod's own. */
static int properties_append(sd_bus_message *m, const struct scope_request *q)
{
	int r = sd_bus_message_open_container(m, 'a', "(sv)");

	if (r >= 0)
		r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)(sv)", "Description", "s",
			q->description, "Slice", "s", q->slice, "Delegate", "b", 1, "CollectMode",
			"s", "inactive-or-failed", "TasksMax", "t", UINT64_MAX, "PIDs", "au", 1,
			(uint32_t)q->pid);
	if (r >= 0 && q->cpu_weight)
		r = sd_bus_message_append(m, "(sv)", "CPUWeight", "t", q->cpu_weight);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r;
}

static int start_send(struct scope_wait *wait, const struct scope_request *q)
{
	sd_bus_message *m = NULL;
	int r = sd_bus_message_new_method_call(
		wait->scopes->bus, &m, SYSTEMD, SYSTEMD_PATH, MANAGER, "StartTransientUnit");

	if (r >= 0)
		r = sd_bus_message_append(m, "ss", q->name, "fail");
	if (r >= 0)
		r = properties_append(m, q);
	if (r >= 0)
		r = sd_bus_message_append(m, "a(sa(sv))", 0);
	if (r >= 0)
		r = sd_bus_call_async(
			wait->scopes->bus, &wait->slot, m, on_started, wait, CALL_USEC);
	sd_bus_message_unref(m);
	return r;
}

int scope_start(struct scopes *scopes, const struct scope_request *request, struct scope_wait **ret,
	struct error *err)
{
	struct scope_wait *wait;
	int r;

	if (bus_open(scopes, err) < 0)
		return -1;
	wait = calloc(1, sizeof(*wait));
	if (!wait)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot wait for a scope");
	*wait = (struct scope_wait){ .scopes = scopes,
		.next = scopes->waits,
		.ready = request->ready,
		.user = request->user };
	scopes->waits = wait;
	r = start_send(wait, request);
	if (r < 0) {
		wait_free(wait);
		return error_set(
			err, ERR_UNAVAILABLE, -r, "cannot ask systemd for '%s'", request->name);
	}
	*ret = wait;
	return 0;
}

void scope_cancel(struct scope_wait *wait)
{
	if (wait)
		wait_free(wait);
}

void scope_stop(struct scopes *scopes, const char *name)
{
	struct error err = { 0 };
	int r = 0;

	/* The answer is of no interest: whoever waits for the end looks at the cgroup. */
	if (bus_open(scopes, &err) == 0)
		r = sd_bus_call_method_async(scopes->bus, NULL, SYSTEMD, SYSTEMD_PATH, MANAGER,
			"StopUnit", NULL, NULL, "ss", name, "replace");
	if (r < 0)
		error_set(&err, ERR_UNAVAILABLE, -r, "cannot ask systemd to stop '%s'", name);
	if (err.code != ERR_NONE)
		log_warning("%s", err.text);
}

static int on_limited(sd_bus_message *message, void *user, sd_bus_error *unused)
{
	const sd_bus_error *why = sd_bus_message_get_error(message);

	(void)user;
	(void)unused;
	if (why)
		log_warning("systemd does not limit a project's slice: %s", why->message);
	return 0;
}

int scopes_limit_slice(struct scopes *scopes, const char *name, const struct slice_limits *limits,
	struct error *err)
{
	uint64_t swap = limits->memory == UINT64_MAX ? UINT64_MAX : 0;
	int r;

	if (bus_open(scopes, err) < 0)
		return -1;
	r = sd_bus_call_method_async(scopes->bus, NULL, SYSTEMD, SYSTEMD_PATH, MANAGER,
		"SetUnitProperties", on_limited, NULL, "sba(sv)", name, 1, 4, "CPUQuotaPerSecUSec",
		"t", limits->cpu_usec, "MemoryMax", "t", limits->memory, "MemorySwapMax", "t", swap,
		"TasksMax", "t", limits->tasks);
	if (r < 0)
		return error_set(
			err, ERR_UNAVAILABLE, -r, "cannot ask systemd to limit '%s'", name);
	return 0;
}

int scopes_stop_slice(const char *name, struct error *err)
{
	sd_bus_error why = SD_BUS_ERROR_NULL;
	sd_bus *bus = NULL;
	int r;

	if (connect_any(&bus, err) < 0)
		return -1;
	r = sd_bus_call_method(
		bus, SYSTEMD, SYSTEMD_PATH, MANAGER, "StopUnit", &why, NULL, "ss", name, "replace");
	if (r < 0 && !sd_bus_error_has_name(&why, "org.freedesktop.systemd1.NoSuchUnit"))
		error_set(err, ERR_UNAVAILABLE, -r, "systemd does not stop '%s': %.200s", name,
			why.message ? why.message : "no answer");
	else
		r = 0;
	sd_bus_error_free(&why);
	sd_bus_flush_close_unref(bus);
	return r < 0 ? -1 : 0;
}
