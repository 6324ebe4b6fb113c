/* ApplyPod: judged, written down, answered; the rest is events. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "auth/defaults.h"
#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "auth/scc.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/agent/admission.h"
#include "nodeagent/agent/api.h"
#include "nodeagent/agent/own_level.h"
#include "nodeagent/agent/plan_bandwidth.h"
#include "nodeagent/agent/pod.h"
#include "nodeagent/agent/pod_bandwidth.h"
#include "nodeagent/agent/pod_store.h"
#include "nodeagent/agent/pods.h"
#include "nodeagent/agent/quotas.h"

static void reply(struct call *call, K8sPod *pod, const char *result)
{
	Bulkhead__V1__ApplyPodResponse response = BULKHEAD__V1__APPLY_POD_RESPONSE__INIT;

	response.pod = pod;
	response.result = (char *)(uintptr_t)result;
	call_reply(call, &response.base, true);
}

static struct pod *find_same_name(const struct pods *pods, const K8sPod *asked)
{
	const K8sObjectMeta *meta = asked->metadata;

	if (!meta || !meta->namespace_ || !meta->name)
		return NULL;
	return pods_find(pods, meta->namespace_, meta->name);
}

/* What was asked for, with the bandwidth that the pod has now: the rest must be the same. */
static int compare(
	const struct pod *pod, Bulkhead__V1__PodFile *file, const K8sPod *asked, struct error *err)
{
	K8sPod *copy;
	int n;

	if (!file->asked)
		return error_set(err, ERR_INTERNAL, 0, "the pod's record is incomplete");
	copy = edit_copy(asked, err);
	if (!copy)
		return -1;
	n = pod_bandwidth_restore(file->asked, pod->progress, err);
	if (n == 0)
		n = pod_bandwidth_copy(copy, file->asked, err);
	if (n == 0)
		n = admission_compare(file, copy, err);
	k8s_pod_free(copy);
	return n;
}

/* The answer to a change that is only tried. */
static int reply_dry(
	struct call *call, const struct pod *pod, const K8sPod *asked, struct error *err)
{
	K8sPod *copy = edit_copy(pod->object, err);
	struct bandwidth bandwidth;
	int n = copy ? plan_bandwidth(asked, &bandwidth, err) : -1;

	if (n == 0)
		n = pod_bandwidth_copy(copy, asked, err);
	if (n == 0)
		reply(call, copy, "configured");
	if (copy)
		k8s_pod_free(copy);
	return n;
}

/*
 * Applied once more: nothing happens, its bandwidth changes, or the first difference is named.
 */
static int apply_again(
	struct call *call, struct pod *pod, const K8sPod *asked, bool dry_run, struct error *err)
{
	Bulkhead__V1__PodFile *file;
	Bulkhead__V1__PodProgress *progress;
	bool same;
	int n;

	if (pod_deleting(pod))
		return error_set(err, ERR_PRECONDITION, 0,
			"metadata.name: the pod of that name is being deleted; apply again when it "
			"is gone");
	if (pod_store_read(pod->pods->agent->state_dirfd, pod->subject.uid, &file, &progress, err) <
		0)
		return -1;
	n = compare(pod, file, asked, err);
	same = n == 0 && pod_bandwidth_same(file->asked, asked);
	bulkhead__v1__pod_file__free_unpacked(file, NULL);
	if (progress)
		bulkhead__v1__pod_progress__free_unpacked(progress, NULL);
	if (n < 0)
		return -1;
	if (!same && dry_run)
		return reply_dry(call, pod, asked, err);
	if ((!same && pod_bandwidth_change(pod, asked, err) < 0) || pod_status_fill(pod, err) < 0)
		return -1;
	reply(call, pod->object, same ? "unchanged" : "configured");
	return 0;
}

static int judge(struct pods *pods, const struct call *call, const K8sPod *asked,
	Bulkhead__V1__PodFile **ret, struct error *err)
{
	char suffix[DEFAULTS_SUFFIX_LEN + 1];
	char uid[POD_UID_SIZE];
	const struct admission admission = { .agent = pods->agent,
		.facts = &pods->facts,
		.principal = &call->principal,
		.suffix = suffix,
		.uid = uid };

	if (admission_suffix(suffix, err) < 0 || admission_uid(uid, err) < 0)
		return -1;
	node_facts_refresh(&pods->facts, pods->agent);
	return admission_judge(&admission, asked, ret, err);
}

static int room_check(const struct pods *pods, struct error *err)
{
	uint32_t max = pods->agent->config->max_pods;

	if (pods->len < max)
		return 0;
	return error_set(err, ERR_EXHAUSTED, 0,
		"the node holds %zu pods, and max_pods is %u; delete some, ended ones too",
		pods->len, max);
}

/* Takes over 'file' on success. NULL: 'err' says why, and nothing is left of it. */
static struct pod *accept_pod(struct pods *pods, Bulkhead__V1__PodFile *file, struct error *err)
{
	int state_dirfd = pods->agent->state_dirfd;
	const K8sPodSpec *spec = file->pod->spec;
	struct pod *pod = NULL;

	if (own_level_give(pods, file, err) < 0)
		return NULL;
	if (!(spec->has_hostusers && spec->hostusers) &&
		userns_reserve(pods->userns, &file->slice, err) < 0)
		return NULL;
	file->accepted_usec = (int64_t)realtime_usec();
	if (pod_store_add(state_dirfd, file, err) < 0) {
		userns_release(pods->userns, file->slice);
		error_prefix(err, "the pod cannot be written down");
		return NULL;
	}
	if (pod_new(&pod, pods, file, NULL, err) < 0) {
		pod_store_remove(state_dirfd, file->pod->metadata->uid, NULL);
		pod_store_clear(state_dirfd, file->pod->metadata->uid, NULL);
		userns_release(pods->userns, file->slice);
		return NULL;
	}
	return pod;
}

static void begin(struct pods *pods, struct pod *pod, const struct call *call)
{
	const char *constraint = view_annotation(pod->object, SCC_ANNOTATION);

	pods_add(pods, pod);
	pod->times.received = call->received_usec;
	pod->times.accepted = monotonic_usec();
	pod_record(pod, false, "Accepted", "admitted under constraint %s",
		constraint ? constraint : "?");
	pod_begin(pod);
}

static int apply_new(
	struct pods *pods, struct call *call, const K8sPod *asked, bool dry_run, struct error *err)
{
	Bulkhead__V1__PodFile *file = NULL;
	struct pod *pod = NULL;
	int n;

	if (judge(pods, call, asked, &file, err) < 0)
		return -1;
	n = room_check(pods, err);
#ifndef BULKHEAD_WEAK_QUOTAS
	if (n == 0)
		n = quotas_admit(pods, file->pod, err);
#endif
	if (n == 0 && !dry_run)
		pod = accept_pod(pods, file, err);
	if (pod) {
		begin(pods, pod, call);
		/* It is accepted whatever becomes of this answer. */
		n = pod_status_fill(pod, err);
		if (n == 0)
			reply(call, pod->object, "created");
		return n;
	}
	if (n == 0 && dry_run)
		reply(call, file->pod, "created");
	bulkhead__v1__pod_file__free_unpacked(file, NULL);
	return n == 0 && dry_run ? 0 : -1;
}

void method_apply_pod(struct agent *agent, struct call *call)
{
	const Bulkhead__V1__ApplyPodRequest *request =
		(const Bulkhead__V1__ApplyPodRequest *)call->message;
	struct error err = { 0 };
	struct pod *same;
	int n;

	if (!request->pod) {
		error_set(&err, ERR_INVALID, 0, "pod: required");
		call_fail(call, &err);
		return;
	}
	same = find_same_name(agent->pods, request->pod);
	n = same ? apply_again(call, same, request->pod, request->dry_run, &err)
		 : apply_new(agent->pods, call, request->pod, request->dry_run, &err);
	if (n < 0)
		call_fail(call, &err);
}
