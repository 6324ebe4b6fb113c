/* PodLogs and Exec: authorized here; the bytes go between bulkhead-api and the files or the shim.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/pod_edit.h"
#include "auth/scc.h"
#include "lib/cleanup.h"
#include "lib/path.h"
#include "nodeagent/agent/api.h"
#include "nodeagent/agent/config.h"
#include "nodeagent/agent/log_changes.h"
#include "nodeagent/agent/stream.h"

void stream_free(struct stream *stream)
{
	struct stream **at = &stream->pod->streams;

	while (*at != stream)
		at = &(*at)->next;
	*at = stream->next;
	stream->pod->streams_len--;
	debug_free(stream->debug);
	free(stream);
}

static void exec_kill(const struct stream *stream)
{
	Bulkhead__V1__ExecKill message = BULKHEAD__V1__EXEC_KILL__INIT;

	message.id = stream->exec_id;
	/* A shim that is gone has ended it already. */
	shim_send(stream->pod->shim, IPC_EXEC_KILL, &message.base, NULL);
}

/* The caller went away. */
static void on_call_gone(struct call *call)
{
	struct stream *stream = call->state;

	if (stream->exec)
		exec_kill(stream);
	stream_free(stream);
}

struct stream *stream_new(struct pod *pod, struct call *call, struct error *err)
{
	struct stream *stream = NULL;

	if (pod->streams_len >= POD_STREAMS_MAX) {
		error_set(err, ERR_EXHAUSTED, 0,
			"%d logs, execs and debug containers of this pod are under way; end some",
			POD_STREAMS_MAX);
		return NULL;
	}
	stream = calloc(1, sizeof(*stream));
	if (!stream) {
		error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for a stream");
		return NULL;
	}
	stream->pod = pod;
	stream->call = call;
	stream->next = pod->streams;
	pod->streams = stream;
	pod->streams_len++;
	call->state = stream;
	call->gone = on_call_gone;
	return stream;
}

struct stream *stream_exec_new(struct pod *pod, struct call *call, struct error *err)
{
	struct stream *stream = stream_new(pod, call, err);

	if (!stream)
		return NULL;
	stream->exec = true;
	stream->exec_id = ++pod->pods->next_exec;
	return stream;
}

/* Frees the stream first: an ended call must not be touched. */
static void stream_fail(struct stream *stream, const struct error *err)
{
	struct call *call = stream->call;

	stream_free(stream);
	call_fail(call, err);
}

/* The named pod and container; "" is the first main one. */
static struct pod_container *target(const struct pods *pods, const char *project, const char *name,
	const char *container, struct error *err)
{
	struct pod *pod = pods_find(pods, project, name);
	struct pod_container *c;

	if (!pod) {
		error_set(err, ERR_NOT_FOUND, 0, "pod '%.253s' is not there in project '%.63s'",
			name, project);
		return NULL;
	}
	c = container[0] ? pod_container_find(pod, container) : &pod->containers[pod->inits];
	if (!c)
		error_set(err, ERR_NOT_FOUND, 0, "container: pod '%s' has none named '%.63s'", name,
			container);
	return c;
}

/* ---- logs ---------------------------------------------------------------------------------- */

/* Whether there will be more in the log of its current or next run. */
static bool writes(const struct pod_container *c)
{
	return c->stage != CONTAINER_ENDED && !c->pod->progress->lost && !c->pod->progress->ended;
}

static int check_logs(
	const struct pod_container *c, const Bulkhead__V1__PodLogsRequest *r, struct error *err)
{
	if (!config_log_files(c->pod->pods->agent->config))
		return error_set(err, ERR_UNSUPPORTED, 0,
			"log_driver is 'journald' on this node: use 'journalctl "
			"BULKHEAD_POD_UID=%s' "
			"there",
			c->pod->subject.uid);
	if (r->follow && r->previous)
		return error_set(err, ERR_INVALID, 0,
			"previous: an earlier run has ended, there is nothing to follow");
	if (!r->follow && !c->started_usec && !c->progress->run && c->stage != CONTAINER_STARTING)
		return error_set(err, ERR_PRECONDITION, 0, "container '%s' has not started: %s%s%s",
			c->spec->name, c->reason ? c->reason : "waiting", c->message ? ": " : "",
			c->message ? c->message : "");
	return 0;
}

static int logs(struct pod_container *c, struct call *call, struct error *err)
{
	const Bulkhead__V1__PodLogsRequest *r = (const Bulkhead__V1__PodLogsRequest *)call->message;
	bool follow = r->follow && writes(c);
	cleanup_close int dirfd = -1;
	cleanup_close int shown_fd = -1;
	cleanup_close int changes_fd = -1;
	struct stream *stream;

	if (check_logs(c, r, err) < 0)
		return -1;
	dirfd = pod_container_logs_open(c->pod, c->spec->name, err);
	if (dirfd < 0)
		return -1;
	/* bulkhead-api faces the network: from this directory it must not get to the node's. */
	shown_fd = path_open_detached(dirfd, err);
	if (shown_fd < 0)
		return -1;
	/* Also where nothing will be told: who asks to follow waits for it. */
	if (r->follow) {
		changes_fd = log_changes_open(dirfd, c->pod->pods->agent->config->api_uid, err);
		if (changes_fd < 0)
			return -1;
	}
	if (follow) {
		stream = stream_new(c->pod, call, err);
		if (!stream)
			return -1;
		stream->container = c;
	}
	call_reply_stream(call, BULKHEAD__V1__STREAM_KIND__STREAM_LOGS,
		(const int[]){ shown_fd, changes_fd }, r->follow ? 2 : 1);
	/* The end says: what is there is all. */
	if (!follow)
		call_end(call);
	return 0;
}

void method_pod_logs(struct agent *agent, struct call *call)
{
	const Bulkhead__V1__PodLogsRequest *r = (const Bulkhead__V1__PodLogsRequest *)call->message;
	struct error err = { 0 };
	struct pod_container *c = target(agent->pods, r->project, r->pod, r->container, &err);

	if (!c || logs(c, call, &err) < 0)
		call_fail(call, &err);
}

void streams_run_ended(struct pod *pod, const struct pod_container *container)
{
	struct stream *next;

	for (struct stream *s = pod->streams; s; s = next) {
		struct call *call = s->call;

		next = s->next;
		if (s->exec || s->container != container)
			continue;
		stream_free(s);
		call_end(call);
	}
}

/* ---- exec ---------------------------------------------------------------------------------- */

int stream_constrain(
	const struct pod *pod, const struct call *call, K8sPod *copy, struct error *err)
{
	struct plan_pod plan = pod_plan(pod);
	struct scc_subject user = { 0 };
	struct scc_result result;
	int n = -1;

	if (rbac_scc_subject(&call->principal, &user, err) == 0) {
#ifdef BULKHEAD_WEAK_CALLER
		user.all = true;
#endif
		n = scc_admit(&user, NULL, &plan.project, copy, &result, NULL, err);
	}
	scc_subject_done(&user);
	return n;
}

static int exec_allowed(const struct pod *pod, const struct call *call, struct error *err)
{
	K8sPod *copy = edit_copy(pod->object, err);
	int n;

	if (!copy)
		return -1;
	n = stream_constrain(pod, call, copy, err);
	k8s_pod_free(copy);
	return n < 0 ? error_prefix(err, "exec into this pod") : 0;
}

static int check_start(
	const struct pod_container *c, const Bulkhead__V1__ExecStart *start, struct error *err)
{
	if (start->n_command == 0 || !start->command[0][0])
		return error_set(err, ERR_INVALID, 0, "command: required");
	if (c->stage != CONTAINER_RUNNING || c->pod->state == POD_ADOPTING)
		return error_set(err, ERR_PRECONDITION, 0, "container '%s' does not run%s%s",
			c->spec->name, c->reason ? ": " : "", c->reason ? c->reason : "");
	return 0;
}

static int exec_send(struct stream *stream, const struct pod_container *c,
	const Bulkhead__V1__ExecStart *start, struct error *err)
{
	Bulkhead__V1__ExecPlan plan = BULKHEAD__V1__EXEC_PLAN__INIT;

	plan.id = stream->exec_id;
	plan.container = c->spec->name;
	plan.args = start->command;
	plan.n_args = start->n_command;
	plan.tty = start->tty;
	plan.stdin = start->stdin;
	plan.rows = start->rows;
	plan.columns = start->columns;
	plan.term = start->term;
	return shim_send(c->pod->shim, IPC_EXEC_PLAN, &plan.base, err);
}

static int exec(struct pod_container *c, struct call *call, const Bulkhead__V1__ExecStart *start,
	struct error *err)
{
	struct stream *stream;

	if (check_start(c, start, err) < 0 || exec_allowed(c->pod, call, err) < 0)
		return -1;
	stream = stream_exec_new(c->pod, call, err);
	if (!stream)
		return -1;
	if (exec_send(stream, c, start, err) == 0)
		return 0;
	stream_free(stream);
	return -1;
}

void method_exec(struct agent *agent, struct call *call)
{
	const Bulkhead__V1__ExecStart *start =
		((const Bulkhead__V1__ExecRequest *)call->message)->start;
	struct pod_container *c = NULL;
	struct error err = { 0 };

	if (!start)
		error_set(&err, ERR_INVALID, 0, "start: required");
	else if (start->debug)
		error_set(&err, ERR_INVALID, 0, "start.debug: for Debug alone");
	else
		c = target(agent->pods, start->project, start->pod, start->container, &err);
	if (!c || exec(c, call, start, &err) < 0)
		call_fail(call, &err);
}

static struct stream *exec_find(const struct pod *pod, uint64_t id)
{
	for (struct stream *s = pod->streams; s; s = s->next) {
		if (s->exec && s->exec_id == id)
			return s;
	}
	return NULL;
}

void streams_exec_started(
	struct pod *pod, const Bulkhead__V1__ExecStarted *message, struct ipc_frame *frame)
{
	struct stream *stream = exec_find(pod, message->id);
	struct error err = { 0 };

	if (!stream)
		return;
	if (ipc_error_unpack(message->error, &err) < 0) {
		stream_fail(stream, &err);
		return;
	}
	stream->started = true;
	if (stream->debug)
		debug_started(stream);
	call_reply_stream(
		stream->call, BULKHEAD__V1__STREAM_KIND__STREAM_EXEC, frame->fds, frame->fds_len);
}

void streams_exec_exited(struct pod *pod, const Bulkhead__V1__ExecExited *message)
{
	Bulkhead__V1__ExecResponse response = BULKHEAD__V1__EXEC_RESPONSE__INIT;
	struct stream *stream = exec_find(pod, message->id);
	struct call *call;

	if (!stream)
		return;
	call = stream->call;
	if (stream->debug)
		debug_ended(stream, message->exit_code);
	stream_free(stream);
	response.exited = true;
	response.exit_code = message->exit_code;
	call_reply(call, &response.base, true);
}

void streams_end(struct pod *pod, const struct error *why)
{
	struct error gone = { 0 };

	error_set(&gone, ERR_UNAVAILABLE, 0, "the pod is gone");
	while (pod->streams) {
		struct stream *s = pod->streams;
		struct call *call = s->call;

		if (s->exec) {
			stream_fail(s, why ? why : &gone);
		} else {
			stream_free(s);
			call_end(call);
		}
	}
}
