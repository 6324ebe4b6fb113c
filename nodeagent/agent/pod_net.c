/* A pod's port: plugged, kept in step with what the switch has, unplugged. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/cluster.h"
#include "nodeagent/agent/netd.h"
#include "nodeagent/agent/pod.h"
#include "nodeagent/agent/pod_bandwidth.h"
#include "nodeagent/agent/timer.h"

void pod_net_init(struct pod_net *net)
{
	for (size_t i = 0; i < ARRAY_LEN(net->fds); i++)
		net->fds[i] = -1;
}

/* The namespace lives in the shim; here it is held only until it is plugged. */
static void drop_fds(struct pod_net *net)
{
	for (size_t i = 0; i < ARRAY_LEN(net->fds); i++)
		cleanup_close_fn(&net->fds[i]);
	pod_net_init(net);
}

void pod_net_done(struct pod *pod)
{
	netd_forget(pod->pods->agent->netd, pod);
	drop_fds(&pod->net);
	pod->net.timer = sd_event_source_disable_unref(pod->net.timer);
}

static void try_now(struct pod *pod);

void pod_net_take(struct pod *pod, int fds[3])
{
	drop_fds(&pod->net);
	for (size_t i = 0; i < ARRAY_LEN(pod->net.fds); i++)
		pod->net.fds[i] = fds[i];
	if (pod_net_ready(pod))
		drop_fds(&pod->net);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *user)
{
	(void)source;
	(void)usec;
	try_now(user);
	return 0;
}

static void try_later(struct pod *pod)
{
	struct error err = { 0 };

	if (timer_set(&pod->net.timer, pod->pods->agent->event,
		    timer_retry_usec(++pod->net.failures), on_timer, pod, &err) < 0)
		log_write(LOG_LEVEL_ERROR, &pod->subject, "%s", err.text);
}

static void up(struct pod *pod, const Bulkhead__V1__NetPlugged *port)
{
	edit_string(&pod->progress->address, port->address, NULL);
	snprintf(pod->net.mac, sizeof(pod->net.mac), "%s", port->mac);
	snprintf(pod->net.port, sizeof(pod->net.port), "%s", port->port);
	pod->net.stage = NET_UP;
	pod->net.failures = 0;
	drop_fds(&pod->net);
	pod_changed(pod);
}

static void on_plugged(void *user, const Bulkhead__V1__NetPlugged *plugged, const struct error *err)
{
	struct pod *pod = user;

	if (err)
		pod_record(pod, true, "FailedCreatePodSandBox", "network: %s", err->text);
	if (err && err->code == ERR_UNAVAILABLE) {
		/* It gave up and undid it, or it died and may have done it: NET_SYNCED will say. */
		pod->net.stage = netd_synced(pod->pods->agent->netd) ? NET_WANTED : NET_UNKNOWN;
		try_later(pod);
	} else if (err) {
		pod->net.stage = NET_WANTED;
		try_later(pod);
	} else {
		up(pod, plugged);
		if (!pod->times.network_end)
			pod->times.network_end = monotonic_usec();
		pod_prepare_check(pod);
	}
}

uint32_t pod_vnid(const struct pod *pod)
{
	const Bulkhead__V1__ClusterProject *project =
		cluster_project(pod->pods->agent->cluster, pod->subject.project);

	return project ? project->vnid : UINT32_MAX;
}

static void plug(struct pod *pod)
{
	struct netd *netd = pod->pods->agent->netd;
	Bulkhead__V1__NetPlug plug_message = BULKHEAD__V1__NET_PLUG__INIT;
	Bulkhead__V1__NetBandwidth bandwidth;
	struct error err = { 0 };

	if (!netd_ready(netd))
		return;
	if (pod->net.fds[0] < 0) {
		/* They come again with SHIM_STATE, which leads back here. */
		if (pod->shim && shim_reconnect(pod->shim, &err) < 0)
			try_later(pod);
		return;
	}
	plug_message.pod_uid = (char *)(uintptr_t)pod->subject.uid;
	plug_message.project = (char *)(uintptr_t)pod->subject.project;
	plug_message.pod = (char *)(uintptr_t)pod->subject.pod;
	plug_message.vnid = pod_vnid(pod);
	pod_bandwidth_fill(pod, &bandwidth);
	plug_message.bandwidth = &bandwidth;
	pod->net.stage = NET_PLUGGING;
	if (!pod->times.network_start)
		pod->times.network_start = monotonic_usec();
	if (netd_plug(netd, &plug_message, pod->net.fds, on_plugged, pod, &err) < 0)
		on_plugged(pod, NULL, &err);
}

static void on_unplugged(
	void *user, const Bulkhead__V1__NetPlugged *plugged, const struct error *err)
{
	struct pod *pod = user;

	(void)plugged;
	if (err) {
		if (err->code != ERR_UNAVAILABLE)
			log_write(LOG_LEVEL_WARNING, &pod->subject, "cannot unplug it: %s",
				err->text);
		pod->net.stage = NET_LEAVING;
		try_later(pod);
		return;
	}
	pod->net.stage = NET_NONE;
	timer_stop(pod->net.timer);
	pod_release_check(pod);
}

static void unplug(struct pod *pod)
{
	struct error err = { 0 };

	pod->net.stage = NET_UNPLUGGING;
	if (netd_unplug(pod->pods->agent->netd, pod->subject.uid, on_unplugged, pod, &err) < 0)
		on_unplugged(pod, NULL, &err);
}

static void try_now(struct pod *pod)
{
	if (pod->net.stage == NET_WANTED && pod_lives(pod))
		plug(pod);
	else if (pod->net.stage == NET_LEAVING)
		unplug(pod);
}

/* No port, and the node's address for its own. */
static void use_hosts(struct pod *pod)
{
	drop_fds(&pod->net);
	pod->net.stage = NET_HOST;
	pod->times.network_start = pod->times.network_end = monotonic_usec();
	pod_changed(pod);
	pod_prepare_check(pod);
}

const char *pod_net_address(const struct pod *pod)
{
	return pod->net.stage == NET_HOST ? pod->pods->facts.address : pod->progress->address;
}

bool pod_net_ready(const struct pod *pod)
{
	return pod->net.stage == NET_UP || pod->net.stage == NET_HOST;
}

void pod_net_want(struct pod *pod)
{
	if (view_spec(pod->object)->hostnetwork) {
		use_hosts(pod);
		return;
	}
	if (pod->net.stage == NET_NONE)
		pod->net.stage = NET_WANTED;
	try_now(pod);
}

void pod_net_kick(struct pod *pod)
{
	try_now(pod);
}

bool pod_net_lives(const struct pod *pod)
{
	return pod->net.stage != NET_NONE && pod->net.stage != NET_HOST &&
	       pod->net.stage != NET_LEAVING && pod->net.stage != NET_UNPLUGGING;
}

void pod_net_synced(struct pod *pod, const Bulkhead__V1__NetPlugged *port)
{
	if (pod->net.stage != NET_UP && pod->net.stage != NET_UNKNOWN)
		return;
	if (port) {
		up(pod, port);
		pod_prepare_check(pod);
	} else {
		pod->net.stage = NET_WANTED;
	}
}

void pod_net_release(struct pod *pod)
{
	if (pod->net.stage == NET_PLUGGING)
		netd_forget(pod->pods->agent->netd, pod);
	drop_fds(&pod->net);
	if (pod->net.stage == NET_NONE || pod->net.stage == NET_WANTED ||
		pod->net.stage == NET_HOST) {
		pod->net.stage = NET_NONE;
		timer_stop(pod->net.timer);
	} else if (pod->net.stage != NET_UNPLUGGING) {
		pod->net.stage = NET_LEAVING;
		unplug(pod);
	}
}
