#include "nodeagent/agent/pod_bandwidth.h"

#include <string.h>

#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/netd.h"
#include "nodeagent/agent/plan_bandwidth.h"
#include "nodeagent/agent/pod_store.h"

#define BANDWIDTH_DESC (&bulkhead__v1__pod_bandwidth__descriptor)

/* "" is an annotation that is not there. */
static const char *text_of(const K8sPod *pod, enum bandwidth_direction direction)
{
	const char *text = view_annotation(pod, plan_bandwidth_annotation(direction));

	return text ? text : "";
}

static int set(K8sPod *pod, enum bandwidth_direction direction, const char *text, struct error *err)
{
	const char *name = plan_bandwidth_annotation(direction);

	if (text[0])
		return edit_annotation(pod, name, text, err);
	edit_annotation_remove(pod, name);
	return 0;
}

int pod_bandwidth_restore(
	K8sPod *object, const Bulkhead__V1__PodProgress *progress, struct error *err)
{
	const Bulkhead__V1__PodBandwidth *changed = progress ? progress->bandwidth : NULL;

	if (!changed)
		return 0;
	if (set(object, BANDWIDTH_INGRESS, changed->ingress, err) < 0)
		return -1;
	return set(object, BANDWIDTH_EGRESS, changed->egress, err);
}

int pod_bandwidth_copy(K8sPod *to, const K8sPod *from, struct error *err)
{
	for (enum bandwidth_direction d = 0; d < BANDWIDTH_DIRECTIONS; d++) {
		if (set(to, d, text_of(from, d), err) < 0)
			return -1;
	}
	return 0;
}

bool pod_bandwidth_same(const K8sPod *a, const K8sPod *b)
{
	for (enum bandwidth_direction d = 0; d < BANDWIDTH_DIRECTIONS; d++) {
		if (strcmp(text_of(a, d), text_of(b, d)) != 0)
			return false;
	}
	return true;
}

void pod_bandwidth_fill(const struct pod *pod, Bulkhead__V1__NetBandwidth *ret)
{
	struct bandwidth bandwidth = { 0 };
	struct error err = { 0 };

	bulkhead__v1__net_bandwidth__init(ret);
	/* It was read when it was admitted or changed. */
	if (plan_bandwidth(pod->object, &bandwidth, &err) < 0)
		log_write(LOG_LEVEL_ERROR, &pod->subject, "%s", err.text);
	ret->ingress = bandwidth.rate[BANDWIDTH_INGRESS];
	ret->egress = bandwidth.rate[BANDWIDTH_EGRESS];
}

/* ---- changing ------------------------------------------------------------------------------ */

/* What netd lost, NET_SYNC tells it again. */
static void on_limited(void *user, const Bulkhead__V1__NetPlugged *plugged, const struct error *err)
{
	struct pod *pod = user;

	(void)plugged;
	if (!err)
		pod_record(pod, false, "BandwidthChanged", "the switch has the new limits");
	else if (err->code != ERR_UNAVAILABLE && err->code != ERR_CANCELLED)
		pod_record(pod, true, "FailedBandwidth", "%s", err->text);
}

static void tell_netd(struct pod *pod)
{
	Bulkhead__V1__NetLimit message = BULKHEAD__V1__NET_LIMIT__INIT;
	Bulkhead__V1__NetBandwidth bandwidth;
	struct error err = { 0 };

	if (pod->net.stage != NET_PLUGGING && pod->net.stage != NET_UP)
		return; /* NET_PLUG or NET_SYNC will say it */
	pod_bandwidth_fill(pod, &bandwidth);
	message.pod_uid = (char *)(uintptr_t)pod->subject.uid;
	message.bandwidth = &bandwidth;
	if (netd_limit(pod->pods->agent->netd, &message, on_limited, pod, &err) < 0)
		on_limited(pod, NULL, &err);
}

/* Writes 'asked's texts down; on failure the progress is as it was. */
static int save(struct pod *pod, const K8sPod *asked, struct error *err)
{
	Bulkhead__V1__PodBandwidth *before = pod->progress->bandwidth;
	Bulkhead__V1__PodBandwidth *now = NULL;
	int r;

	if (edit_message(&now, BANDWIDTH_DESC, err) < 0)
		return -1;
	pod->progress->bandwidth = now;
	r = edit_string(&now->ingress, text_of(asked, BANDWIDTH_INGRESS), err);
	if (r == 0)
		r = edit_string(&now->egress, text_of(asked, BANDWIDTH_EGRESS), err);
	if (r == 0)
		r = pod_store_progress(
			pod->pods->agent->state_dirfd, pod->subject.uid, pod->progress, err);
	if (r < 0)
		pod->progress->bandwidth = before;
	if ((r < 0 ? now : before))
		bulkhead__v1__pod_bandwidth__free_unpacked(r < 0 ? now : before, NULL);
	return r;
}

int pod_bandwidth_change(struct pod *pod, const K8sPod *asked, struct error *err)
{
	struct bandwidth bandwidth;

	if (plan_bandwidth(asked, &bandwidth, err) < 0)
		return -1;
	if (save(pod, asked, err) < 0)
		return error_prefix(err, "the change cannot be written down");
	if (pod_bandwidth_copy(pod->object, asked, err) < 0)
		return -1;
	tell_netd(pod);
	pod_changed(pod);
	return 0;
}
