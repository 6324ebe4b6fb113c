/* What is asked about pods, but for applying them and their streams. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "auth/explain.h"
#include "auth/validate.h"
#include "lib/cleanup.h"
#include "nodeagent/agent/api.h"
#include "nodeagent/agent/cluster.h"
#include "nodeagent/agent/pod.h"

static struct pod *find(
	const struct pods *pods, const char *project, const char *name, struct error *err)
{
	struct pod *pod = pods_find(pods, project, name);

	if (!pod)
		error_set(err, ERR_NOT_FOUND, 0, "pod '%.253s' is not there in project '%.63s'",
			name, project);
	return pod;
}

/* ---- list ---------------------------------------------------------------------------------- */

static int check_scope(const Bulkhead__V1__ListPodsRequest *request, struct error *err)
{
	if (!request->all_projects && !request->project[0])
		return error_set(err, ERR_INVALID, 0, "project: required without all_projects");
	if (request->all_projects && request->project[0])
		return error_set(err, ERR_INVALID, 0, "project: must be empty with all_projects");
	return 0;
}

static bool matches(const struct pod *pod, const Bulkhead__V1__ListPodsRequest *request)
{
	return !pod->done &&
	       (request->all_projects || strcmp(request->project, pod->subject.project) == 0) &&
	       (!request->name[0] || strcmp(request->name, pod->subject.pod) == 0);
}

static int by_name(const void *a, const void *b)
{
	const K8sObjectMeta *x = (*(const K8sPod *const *)a)->metadata;
	const K8sObjectMeta *y = (*(const K8sPod *const *)b)->metadata;
	int n = strcmp(x->namespace_, y->namespace_);

	return n ? n : strcmp(x->name, y->name);
}

static int list(const struct pods *pods, const Bulkhead__V1__ListPodsRequest *request,
	struct call *call, struct error *err)
{
	Bulkhead__V1__ListPodsResponse response = BULKHEAD__V1__LIST_PODS_RESPONSE__INIT;
	cleanup_free K8sPod **found = calloc(pods->len + 1, sizeof(K8sPod *));

	if (!found)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot list pods");
	for (struct pod *pod = pods->first; pod; pod = pod->next) {
		if (!matches(pod, request))
			continue;
		if (pod_status_fill(pod, err) < 0)
			return -1;
		found[response.n_pods++] = pod->object;
	}
	if (request->name[0] && response.n_pods == 0)
		return error_set(err, ERR_NOT_FOUND, 0,
			"pod '%.253s' is not there in project '%.63s'", request->name,
			request->project);
	qsort(found, response.n_pods, sizeof(K8sPod *), by_name);
	response.pods = found;
	response.sequence = watch_sequence(pods->watch);
	call_reply(call, &response.base, true);
	return 0;
}

void method_list_pods(struct agent *agent, struct call *call)
{
	const Bulkhead__V1__ListPodsRequest *request =
		(const Bulkhead__V1__ListPodsRequest *)call->message;
	struct error err = { 0 };

	if (check_scope(request, &err) < 0 || list(agent->pods, request, call, &err) < 0)
		call_fail(call, &err);
}

/* ---- watch --------------------------------------------------------------------------------- */

static void send_event(void *user, const Bulkhead__V1__PodEvent *event)
{
	call_reply(user, &event->base, false);
}

static void watch_ends(struct call *call)
{
	watcher_remove(call->state);
}

/*
 * What a watcher gets first. Each event of it carries the number that the watcher came with, so
 * that one which is cut off in between asks for the same again.
 */
static void replay(const struct pods *pods, struct watcher *watcher, uint64_t since)
{
	bool knows = watch_knows(pods->watch, since);

	if (knows)
		watcher_send_gone(watcher, since);
	else
		since = 0;
	for (struct pod *pod = pods->first; pod; pod = pod->next) {
		/* One that was not told of yet will be, at the end of this turn. */
		if (!pod->added || pod->done || !watcher_wants(watcher, pod->object) ||
			(knows && pod->changed_sequence <= since))
			continue;
		watcher_send(watcher, knows && pod->added_sequence <= since ? "MODIFIED" : "ADDED",
			since, pod->object);
	}
	watcher_send(watcher, "SYNCED", watch_sequence(pods->watch), NULL);
}

void method_watch_pods(struct agent *agent, struct call *call)
{
	const Bulkhead__V1__ListPodsRequest *request =
		(const Bulkhead__V1__ListPodsRequest *)call->message;
	const char *project = request->all_projects ? NULL : request->project;
	struct watcher *watcher;
	struct error err = { 0 };

	if (check_scope(request, &err) < 0 || watcher_add(&watcher, agent->pods->watch, project,
						      request->name, send_event, call, &err) < 0) {
		call_fail(call, &err);
		return;
	}
	call->state = watcher;
	call->gone = watch_ends;
	replay(agent->pods, watcher, request->since);
}

/* ---- delete, describe, review -------------------------------------------------------------- */

static int delete_one(
	const struct pods *pods, const Bulkhead__V1__DeletePodRequest *request, struct error *err)
{
	struct pod *pod = find(pods, request->project, request->name, err);

	if (!pod)
		return -1;
	if (request->uid[0] && strcmp(request->uid, pod->subject.uid) != 0)
		return error_set(err, ERR_PRECONDITION, 0, "uid: the pod of that name is %s",
			pod->subject.uid);
	if (request->grace_period_seconds < -1 ||
		request->grace_period_seconds > VALIDATE_GRACE_MAX)
		return error_set(err, ERR_INVALID, 0,
			"grace_period_seconds: must be -1 (the pod's own) to %d",
			VALIDATE_GRACE_MAX);
	return pod_delete(pod, request->grace_period_seconds, err);
}

void method_delete_pod(struct agent *agent, struct call *call)
{
	Bulkhead__V1__DeletePodResponse response = BULKHEAD__V1__DELETE_POD_RESPONSE__INIT;
	struct error err = { 0 };

	if (delete_one(agent->pods, (const Bulkhead__V1__DeletePodRequest *)call->message, &err) <
		0)
		call_fail(call, &err);
	else
		call_reply(call, &response.base, true);
}

void method_describe_pod(struct agent *agent, struct call *call)
{
	const Bulkhead__V1__DescribePodRequest *request =
		(const Bulkhead__V1__DescribePodRequest *)call->message;
	Bulkhead__V1__DescribePodResponse *response = NULL;
	struct error err = { 0 };
	struct pod *pod = find(agent->pods, request->project, request->name, &err);

	if (!pod || pod_describe(pod, &response, &err) < 0) {
		call_fail(call, &err);
		return;
	}
	call_reply(call, &response->base, true);
	response->pod = NULL;
	bulkhead__v1__describe_pod_response__free_unpacked(response, NULL);
}

static int review(const struct agent *agent, const struct call *call,
	const Bulkhead__V1__ReviewPodRequest *request, Bulkhead__V1__ReviewPodResponse **ret,
	struct error *err)
{
	const Bulkhead__V1__ClusterProject *row = cluster_project(agent->cluster, request->project);
	struct project_facts project;
	struct scc_subject user;
	int n;

	if (!request->pod)
		return error_set(err, ERR_INVALID, 0, "pod: required");
	if (!row)
		return error_set(
			err, ERR_NOT_FOUND, 0, "project '%.63s' does not exist", request->project);
	if (project_facts_parse(row->name, row->uid_range, row->mcs, &project, err) < 0 ||
		rbac_scc_subject(&call->principal, &user, err) < 0)
		return -1;
	n = explain_review(request->pod, &project, &user, agent->config->node_name, ret, err);
	scc_subject_done(&user);
	return n;
}

void method_review_pod(struct agent *agent, struct call *call)
{
	Bulkhead__V1__ReviewPodResponse *response = NULL;
	struct error err = { 0 };

	if (review(agent, call, (const Bulkhead__V1__ReviewPodRequest *)call->message, &response,
		    &err) < 0) {
		call_fail(call, &err);
		return;
	}
	call_reply(call, &response->base, true);
	bulkhead__v1__review_pod_response__free_unpacked(response, NULL);
}
