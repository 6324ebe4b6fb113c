/*
 * Debug: a container beside a running pod's, judged as if the pod had been asked for with it, for
 * as long as one call lasts.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "auth/defaults.h"
#include "auth/pod_edit.h"
#include "auth/validate.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/agent/admission.h"
#include "nodeagent/agent/status_container.h"
#include "nodeagent/agent/stream.h"

#define NAME_PREFIX "debugger-"

/* What there is to say of one; the container itself is the shim's. */
struct debug {
	char *name;
	char *image;  /* as asked for */
	char *digest; /* as found */
	int64_t started_usec;
};

void debug_free(struct debug *debug)
{
	if (!debug)
		return;
	free(debug->name);
	free(debug->image);
	free(debug->digest);
	free(debug);
}

static void debug_freep(struct debug **debug)
{
	debug_free(*debug);
}

static void pod_freep(K8sPod **pod)
{
	if (*pod)
		k8s_pod_free(*pod);
}

static struct debug *debug_new(const char *name, const struct image *image, const char *asked)
{
	struct debug *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->name = strdup(name);
	d->image = strdup(asked);
	d->digest = strdup(image->digest);
	if (d->name && d->image && d->digest)
		return d;
	debug_free(d);
	return NULL;
}

/* ---- judging ------------------------------------------------------------------------------- */

static const struct debug *debug_find(const struct pod *pod, const char *name)
{
	for (const struct stream *s = pod->streams; s; s = s->next) {
		if (s->debug && strcmp(s->debug->name, name) == 0)
			return s->debug;
	}
	return NULL;
}

/* Asked for, or of random letters. */
static int name_choose(const struct pod *pod, const char *asked, char **ret, struct error *err)
{
	char suffix[DEFAULTS_SUFFIX_LEN + 1];

	if (!asked[0] && admission_suffix(suffix, err) < 0)
		return -1;
	if (asprintf(ret, "%s%s", asked[0] ? "" : NAME_PREFIX, asked[0] ? asked : suffix) < 0) {
		*ret = NULL;
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for a container");
	}
	if (pod_container_find(pod, *ret) || debug_find(pod, *ret))
		return error_set(err, ERR_EXISTS, 0,
			"container: pod '%s' has one named '%.63s'; choose another name",
			pod->subject.pod, *ret);
	return 0;
}

static int check_pod(const struct pod *pod, const Bulkhead__V1__ExecStart *start, struct error *err)
{
	const char *target = start->debug->target;
	const struct pod_container *c = target[0] ? pod_container_find(pod, target) : NULL;

	if (target[0] && !c)
		return error_set(err, ERR_NOT_FOUND, 0, "target: pod '%s' has no container '%.63s'",
			pod->subject.pod, target);
	if ((pod->state != POD_RUNNING && pod->state != POD_INIT) || pod_deleting(pod))
		return error_set(err, ERR_PRECONDITION, 0,
			"pod '%s' does not run: there is nothing to join", pod->subject.pod);
	if (c && c->stage != CONTAINER_RUNNING)
		return error_set(err, ERR_PRECONDITION, 0,
			"target: container '%s' does not run%s%s; leave the target out", target,
			c->reason ? ": " : "", c->reason ? c->reason : "");
	return 0;
}

static int security_copy(K8sContainer *c, const Bulkhead__V1__ExecStart *start, struct error *err)
{
	const K8sSecurityContext *from = start->debug->security_context;
	cleanup_free uint8_t *bytes = NULL;
	size_t size;

	if (!from)
		return 0;
	size = protobuf_c_message_get_packed_size(&from->base);
	bytes = malloc(size + 1);
	if (bytes) {
		protobuf_c_message_pack(&from->base, bytes);
		c->securitycontext = (K8sSecurityContext *)protobuf_c_message_unpack(
			from->base.descriptor, NULL, size, bytes);
	}
	if (!c->securitycontext)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for a container");
	return 0;
}

/* As given, as for an exec: a pod's command has $(NAME) replaced, and $$ is how it says $. */
static int command_add(K8sContainer *c, const char *word, struct error *err)
{
	cleanup_free char *escaped = malloc(2 * strlen(word) + 1);
	char *to = escaped;

	if (!escaped)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for a container");
	for (; *word; word++) {
		if (*word == '$')
			*to++ = '$';
		*to++ = *word;
	}
	*to = '\0';
	return edit_append_string(&c->command, &c->n_command, escaped, err);
}

/* Appends what is asked for to a copy of the pod. */
static K8sContainer *container_add(
	K8sPod *copy, const char *name, const Bulkhead__V1__ExecStart *start, struct error *err)
{
	K8sPodSpec *spec = copy->spec;
	K8sContainer *c =
		edit_append(&spec->containers, &spec->n_containers, K8S_CONTAINER_DESC, err);

	if (!c || edit_string(&c->name, name, err) < 0 ||
		edit_string(&c->image, start->debug->image, err) < 0 ||
		security_copy(c, start, err) < 0)
		return NULL;
	for (size_t i = 0; i < start->n_command; i++) {
		if (command_add(c, start->command[i], err) < 0)
			return NULL;
	}
	c->has_tty = c->tty = start->tty;
	c->has_stdin = c->stdin = start->stdin;
	return c;
}

/* What the node has set, and nobody may ask for. */
static int server_fields_clear(K8sPod *copy, struct error *err)
{
	K8sObjectMeta *meta = copy->metadata;

	if (copy->status)
		protobuf_c_message_free_unpacked(&copy->status->base, NULL);
	copy->status = NULL;
	if (meta->creationtimestamp)
		protobuf_c_message_free_unpacked(&meta->creationtimestamp->base, NULL);
	meta->creationtimestamp = NULL;
	return edit_string(&meta->uid, "", err);
}

static int validate(const struct pod *pod, const K8sPod *copy, struct error *err)
{
	cleanup_violations struct violations found = { 0 };
	const char *node = pod->pods->agent->config->node_name;

	if (pod_validate(copy, &found, err) < 0 || violations_end(&found, err) < 0 ||
		violations_error(&found, "invalid", err) < 0)
		return -1;
	if (pod_honoured(copy, node, &found, err) < 0 || violations_end(&found, err) < 0)
		return -1;
	return violations_error(&found, "not honoured by this node", err);
}

/*
 * The pod as if it had been asked for with this container. No token is mounted: what runs for a
 * person speaks with that person's identity.
 */
static K8sPod *judge(const struct pod *pod, const struct call *call, const char *name,
	const Bulkhead__V1__ExecStart *start, struct error *err)
{
	__attribute__((cleanup(pod_freep))) K8sPod *copy = edit_copy(pod->object, err);
	char suffix[DEFAULTS_SUFFIX_LEN + 1];
	K8sPod *ret;

	if (!copy || server_fields_clear(copy, err) < 0 || !container_add(copy, name, start, err) ||
		admission_suffix(suffix, err) < 0)
		return NULL;
	copy->spec->has_automountserviceaccounttoken = true;
	copy->spec->automountserviceaccounttoken = false;
	if (pod_default(copy, pod->subject.project, suffix, err) < 0 ||
		validate(pod, copy, err) < 0 || stream_constrain(pod, call, copy, err) < 0)
		return NULL;
	ret = copy;
	copy = NULL;
	return ret;
}

static int plan_make(const struct pod *pod, const K8sPod *judged, const struct image *image,
	Bulkhead__V1__ContainerPlan **ret, struct error *err)
{
	const K8sPodSpec *spec = judged->spec;
	struct plan_pod plan = pod_plan(pod);

	plan.pod = judged;
	return plan_container(&pod->pods->facts.node, &plan,
		spec->containers[spec->n_containers - 1], false, 0, image, ret, err);
}

/* ---- starting ------------------------------------------------------------------------------ */

static int send(const struct stream *stream, const Bulkhead__V1__ExecStart *start,
	Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	Bulkhead__V1__DebugPlan debug = BULKHEAD__V1__DEBUG_PLAN__INIT;
	int n;

	debug.id = stream->exec_id;
	debug.target = start->debug->target;
	debug.rows = start->rows;
	debug.columns = start->columns;
	plan->debug = &debug;
	n = shim_send(stream->pod->shim, IPC_CONTAINER_PLAN, &plan->base, err);
	plan->debug = NULL;
	return n;
}

static int begin(struct pod *pod, struct call *call, const Bulkhead__V1__ExecStart *start,
	Bulkhead__V1__ContainerPlan *plan, struct debug *debug, struct error *err)
{
	struct stream *stream = stream_exec_new(pod, call, err);

	if (!stream)
		return -1;
	if (send(stream, start, plan, err) < 0) {
		stream_free(stream);
		return -1;
	}
	stream->debug = debug;
	return 0;
}

static int debug(
	struct pod *pod, struct call *call, const Bulkhead__V1__ExecStart *start, struct error *err)
{
	__attribute__((cleanup(pod_freep))) K8sPod *judged = NULL;
	__attribute__((cleanup(debug_freep))) struct debug *d = NULL;
	cleanup_free char *name = NULL;
	Bulkhead__V1__ContainerPlan *plan = NULL;
	struct image *image = NULL;
	int n = -1;

	if (check_pod(pod, start, err) < 0 || name_choose(pod, start->container, &name, err) < 0)
		return -1;
	node_facts_refresh(&pod->pods->facts, pod->pods->agent);
	judged = judge(pod, call, name, start, err);
	if (!judged)
		return error_prefix(err, "debug container '%.63s'", name);
	if (image_store_find(pod->pods->agent->images, start->debug->image, &image, err) < 0)
		return error_prefix(err, "image");
	d = debug_new(name, image, start->debug->image);
	if (!d)
		error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for a container");
	else if (plan_make(pod, judged, image, &plan, err) == 0)
		n = begin(pod, call, start, plan, d, err);
	image_free(image);
	if (plan)
		bulkhead__v1__container_plan__free_unpacked(plan, NULL);
	if (n == 0)
		d = NULL;
	return n;
}

void method_debug(struct agent *agent, struct call *call)
{
	const Bulkhead__V1__ExecStart *start =
		((const Bulkhead__V1__ExecRequest *)call->message)->start;
	const bool whole = start && start->debug && start->debug->image[0];
	struct error err = { 0 };
	struct pod *pod = whole ? pods_find(agent->pods, start->project, start->pod) : NULL;

	if (!start)
		error_set(&err, ERR_INVALID, 0, "start: required");
	else if (!whole)
		error_set(&err, ERR_INVALID, 0, "start.debug.image: required");
	else if (!pod)
		error_set(&err, ERR_NOT_FOUND, 0, "pod '%.253s' is not there in project '%.63s'",
			start->pod, start->project);
	if (!pod || debug(pod, call, start, &err) < 0)
		call_fail(call, &err);
}

/* ---- while it runs ------------------------------------------------------------------------- */

void debug_started(const struct stream *stream)
{
	struct debug *d = stream->debug;

	d->started_usec = (int64_t)realtime_usec();
	pod_record(stream->pod, false, "DebugStarted",
		"debug container '%s' of image '%s' for '%s'", d->name, d->image,
		stream->call->principal.name);
	pod_changed(stream->pod);
}

void debug_ended(const struct stream *stream, int exit_code)
{
	pod_record(stream->pod, false, "DebugEnded", "debug container '%s' exited with %d",
		stream->debug->name, exit_code);
	pod_drift_forget(stream->pod, stream->debug->name);
	pod_changed(stream->pod);
}

static int container_status_fill(
	K8sContainerStatus *status, const struct debug *d, struct error *err)
{
	K8sContainerState *state;

	if (edit_string(&status->name, d->name, err) < 0 ||
		edit_string(&status->image, d->image, err) < 0 ||
		edit_string(&status->imageid, d->digest, err) < 0 ||
		edit_message(&status->state, &k8s__io__api__core__v1__container_state__descriptor,
			err) < 0)
		return -1;
	state = status->state;
	if (edit_message(&state->running,
		    &k8s__io__api__core__v1__container_state_running__descriptor, err) < 0)
		return -1;
	return status_time(&state->running->startedat, d->started_usec, err);
}

int debug_statuses_fill(const struct pod *pod, K8sPodStatus *status, struct error *err)
{
	for (const struct stream *s = pod->streams; s; s = s->next) {
		K8sContainerStatus *added;

		if (!s->debug || !s->started)
			continue;
		added = edit_append(&status->ephemeralcontainerstatuses,
			&status->n_ephemeralcontainerstatuses, K8S_CONTAINER_STATUS_DESC, err);
		if (!added || container_status_fill(added, s->debug, err) < 0)
			return -1;
	}
	return 0;
}
