#include "nodeagent/agent/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "lib/cleanup.h"
#include "nodeagent/agent/plan.h"
#include "nodeagent/agent/status_container.h"

#define CONDITION_DESC (&k8s__io__api__core__v1__pod_condition__descriptor)
#define POD_IP_DESC    (&k8s__io__api__core__v1__pod_ip__descriptor)
#define HOST_IP_DESC   (&k8s__io__api__core__v1__host_ip__descriptor)

/* Everything the status is made from, counted once. */
struct facts {
	const struct status_pod *in;
	struct status_view *views;
	const char *phase;
	size_t mains;
	size_t waiting; /* main containers that have never run */
	size_t running;
	size_t ended;
	size_t succeeded;
	bool init_pending; /* an init container is to run or to end yet */
	bool init_failed;  /* for good */
};

static bool policy_is(const K8sPod *pod, const char *policy)
{
	const char *own = view_spec(pod)->restartpolicy;

	return strcmp(own && own[0] ? own : "Always", policy) == 0;
}

bool status_restarts(const K8sPod *pod, bool init, int32_t exit_code)
{
	if (policy_is(pod, "Never") || (init && exit_code == 0))
		return false;
	return exit_code != 0 || policy_is(pod, "Always");
}

uint64_t status_backoff_usec(uint32_t restarts_in_row)
{
	uint64_t usec = STATUS_BACKOFF_FIRST_USEC;

	if (restarts_in_row <= 1)
		return 0;
	for (uint32_t i = 2; i < restarts_in_row && usec < STATUS_BACKOFF_MAX_USEC; i++)
		usec *= 2;
	return usec < STATUS_BACKOFF_MAX_USEC ? usec : STATUS_BACKOFF_MAX_USEC;
}

static void count_main(struct facts *f, const struct status_view *v)
{
	f->mains++;
	f->running += v->running;
	f->ended += v->ended;
	f->succeeded += v->ended && !v->failed;
	f->waiting += !v->running && !v->ended;
}

static void count(struct facts *f)
{
	for (size_t i = 0; i < f->in->containers_len; i++) {
		const struct status_container *c = &f->in->containers[i];
		const struct status_view *v = &f->views[i];

		if (!c->init) {
			count_main(f, v);
			continue;
		}
		f->init_pending = f->init_pending || !v->done;
		f->init_failed = f->init_failed || (!v->sidecar && v->ended && v->failed &&
							   policy_is(f->in->pod, "Never"));
	}
	/* A main container that has been started says that the init ones were done once. */
	if (f->running + f->ended > 0)
		f->init_pending = false;
}

/* pkg/kubelet/kubelet_pods.go, getPhase(). */
static const char *phase_of(const struct facts *f)
{
	if (f->in->lost || f->init_failed)
		return "Failed";
	if (f->init_pending || f->waiting > 0 || f->mains == 0)
		return "Pending";
	if (f->running > 0 || (policy_is(f->in->pod, "Always") && !f->in->deleting))
		return "Running";
	if (f->succeeded == f->ended)
		return "Succeeded";
	return policy_is(f->in->pod, "Never") || f->in->deleting ? "Failed" : "Running";
}

static bool final(const struct facts *f)
{
	return strcmp(f->phase, "Failed") == 0 || strcmp(f->phase, "Succeeded") == 0;
}

/* The newest moment that is known; what else changed, changed then. */
static int64_t latest(const struct facts *f, bool init_only)
{
	int64_t at = f->in->started_usec;

	for (size_t i = 0; i < f->in->containers_len; i++) {
		const struct status_container *c = &f->in->containers[i];
		const int64_t times[] = { c->started_usec, c->finished_usec,
			c->last_finished_usec };

		for (size_t k = 0; k < ARRAY_LEN(times) && (c->init || !init_only); k++)
			at = times[k] > at ? times[k] : at;
	}
	return at;
}

struct verdict {
	bool yes;
	const char *reason;
	char *message; /* owned */
	int64_t since_usec;
};

static int condition_add(
	K8sPodStatus *status, const char *type, const struct verdict *v, struct error *err)
{
	K8sPodCondition *c =
		edit_append(&status->conditions, &status->n_conditions, CONDITION_DESC, err);

	if (!c || edit_string(&c->type, type, err) < 0 ||
		edit_string(&c->status, v->yes ? "True" : "False", err) < 0 ||
		(v->reason && edit_string(&c->reason, v->reason, err) < 0) ||
		(v->message && edit_string(&c->message, v->message, err) < 0))
		return -1;
	return status_time(&c->lasttransitiontime, v->since_usec, err);
}

/* "<text>: [a b]" of the containers that the condition waits for. */
static int names_list(
	const struct facts *f, const char *text, bool init, char **ret, struct error *err)
{
	cleanup_free char *list = NULL;
	size_t size;
	size_t n = 0;
	FILE *out = open_memstream(&list, &size);

	if (!out)
		return error_set(err, ERR_EXHAUSTED, 0, "no memory for the status");
	fprintf(out, "%s: [", text);
	for (size_t i = 0; i < f->in->containers_len; i++) {
		const struct status_container *c = &f->in->containers[i];
		const struct status_view *v = &f->views[i];
		bool ours = init ? c->init && !v->done : (!c->init || v->sidecar) && !v->ready;

		if (ours)
			fprintf(out, "%s%s", n++ ? " " : "", c->name ? c->name : "");
	}
	fputc(']', out);
	if (fclose(out) != 0)
		return error_set(err, ERR_EXHAUSTED, 0, "no memory for the status");
	*ret = take_ptr(list);
	return 0;
}

static int add_initialized(const struct facts *f, K8sPodStatus *status, struct error *err)
{
	struct verdict v = { .yes = !f->init_pending && !f->init_failed,
		.since_usec = latest(f, true) };
	cleanup_free char *message = NULL;

	if (!v.yes) {
		v.reason = "ContainersNotInitialized";
		if (names_list(f, "containers with incomplete status", true, &message, err) < 0)
			return -1;
		v.message = message;
	} else if (strcmp(f->phase, "Succeeded") == 0) {
		v.reason = "PodCompleted";
	}
	return condition_add(status, "Initialized", &v, err);
}

static bool all_ready(const struct facts *f)
{
	for (size_t i = 0; i < f->in->containers_len; i++) {
		if ((!f->in->containers[i].init || f->views[i].sidecar) && !f->views[i].ready)
			return false;
	}
	return f->mains > 0 && !f->in->lost;
}

/* Ready and ContainersReady say the same as long as there are no readiness gates. */
static int add_ready(
	const struct facts *f, K8sPodStatus *status, const char *type, struct error *err)
{
	struct verdict v = { .yes = all_ready(f), .since_usec = latest(f, false) };
	cleanup_free char *message = NULL;

	if (v.yes && f->in->ready_since_usec > 0) {
		v.since_usec = f->in->ready_since_usec;
	} else if (!v.yes && final(f)) {
		v.reason = strcmp(f->phase, "Failed") == 0 ? "PodFailed" : "PodCompleted";
	} else if (!v.yes) {
		v.reason = "ContainersNotReady";
		if (names_list(f, "containers with unready status", false, &message, err) < 0)
			return -1;
		v.message = message;
	}
	return condition_add(status, type, &v, err);
}

/* Our own: absent until something differed or somebody asked. */
static int add_drift(const struct facts *f, K8sPodStatus *status, struct error *err)
{
	const struct verdict v = { .yes = f->in->drift != NULL,
		.reason = f->in->drift ? "Drift" : "AsAdmitted",
		.message = (char *)(uintptr_t)f->in->drift,
		.since_usec = f->in->drift_since_usec };

	if (!f->in->drift_known || final(f))
		return 0;
	return condition_add(status, "bulkhead/Drift", &v, err);
}

static int conditions_fill(const struct facts *f, K8sPodStatus *status, struct error *err)
{
	const struct verdict sandbox = {
		.yes = f->in->pod_ip && f->in->pod_ip[0] && !final(f),
		.since_usec = f->in->started_usec,
	};
	const struct verdict scheduled = { .yes = true, .since_usec = f->in->started_usec };

	if (condition_add(status, "PodReadyToStartContainers", &sandbox, err) < 0 ||
		add_initialized(f, status, err) < 0 || add_ready(f, status, "Ready", err) < 0 ||
		add_ready(f, status, "ContainersReady", err) < 0)
		return -1;
	if (condition_add(status, "PodScheduled", &scheduled, err) < 0)
		return -1;
	return add_drift(f, status, err);
}

static int addresses_fill(const struct status_pod *in, K8sPodStatus *status, struct error *err)
{
	K8sPodIP *pod_ip;
	K8sHostIP *host_ip;

	if (in->host_ip && in->host_ip[0]) {
		host_ip = edit_append(&status->hostips, &status->n_hostips, HOST_IP_DESC, err);
		if (!host_ip || edit_string(&host_ip->ip, in->host_ip, err) < 0 ||
			edit_string(&status->hostip, in->host_ip, err) < 0)
			return -1;
	}
	if (!in->pod_ip || !in->pod_ip[0])
		return 0;
	pod_ip = edit_append(&status->podips, &status->n_podips, POD_IP_DESC, err);
	if (!pod_ip || edit_string(&pod_ip->ip, in->pod_ip, err) < 0)
		return -1;
	return edit_string(&status->podip, in->pod_ip, err);
}

static int containers_fill(const struct facts *f, K8sPodStatus *status, struct error *err)
{
	for (size_t i = 0; i < f->in->containers_len; i++) {
		const struct status_container *c = &f->in->containers[i];
		K8sContainerStatus *s;

		s = c->init ? edit_append(&status->initcontainerstatuses,
				      &status->n_initcontainerstatuses, K8S_CONTAINER_STATUS_DESC,
				      err)
			    : edit_append(&status->containerstatuses, &status->n_containerstatuses,
				      K8S_CONTAINER_STATUS_DESC, err);
		if (!s || status_container_fill(
				  s, c, &f->views[i], f->in->lost, f->init_pending, err) < 0)
			return -1;
	}
	return 0;
}

static int reason_fill(const struct status_pod *in, K8sPodStatus *status, struct error *err)
{
	const char *reason = in->reason ? in->reason : in->lost ? "ShimExited" : NULL;
	const char *message = in->message;

	if (!message && in->lost)
		message = "the process that held the pod's containers died, and they with it";
	if (reason && edit_string(&status->reason, reason, err) < 0)
		return -1;
	return message ? edit_string(&status->message, message, err) : 0;
}

static int fill(const struct facts *f, K8sPodStatus *status, struct error *err)
{
	if (edit_string(&status->phase, f->phase, err) < 0 ||
		edit_string(&status->qosclass, plan_qos(f->in->pod), err) < 0 ||
		status_time(&status->starttime, f->in->started_usec, err) < 0 ||
		reason_fill(f->in, status, err) < 0 || addresses_fill(f->in, status, err) < 0 ||
		conditions_fill(f, status, err) < 0)
		return -1;
	return containers_fill(f, status, err);
}

int status_fill(K8sPod *pod, const struct status_pod *facts, struct error *err)
{
	struct facts f = { .in = facts };
	cleanup_free struct status_view *views = calloc(facts->containers_len + 1, sizeof(*views));
	K8sPodStatus *status = NULL;

	if (!views)
		return error_set(err, ERR_EXHAUSTED, 0, "no memory for the status");
	for (size_t i = 0; i < facts->containers_len; i++)
		views[i] = status_view_of(facts->pod, &facts->containers[i], facts->lost);
	f.views = views;
	count(&f);
	f.phase = phase_of(&f);
	if (edit_message(&status, K8S_POD_STATUS_DESC, err) < 0)
		return -1;
	if (fill(&f, status, err) < 0) {
		k8s__io__api__core__v1__pod_status__free_unpacked(status, NULL);
		return -1;
	}
	if (pod->status)
		k8s__io__api__core__v1__pod_status__free_unpacked(pod->status, NULL);
	pod->status = status;
	return 0;
}
