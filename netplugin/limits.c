#include <config.h>

#include "netplugin/limits.h"

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "openvswitch/shash.h"
#include "proto/ipc_table.h"
#include "util.h"

struct project_limits {
	uint32_t number;
	struct bandwidth bandwidth;
};

/* Of projects that have limits, by name. */
struct limits {
	struct shash now;    /* of the last NET_PROJECTS */
	struct shash coming; /* of one that is coming in parts */
};

struct limits *limits_new(void)
{
	struct limits *limits = xzalloc(sizeof(*limits));

	shash_init(&limits->now);
	shash_init(&limits->coming);
	return limits;
}

int limits_parse(
	const Bulkhead__V1__NetBandwidth *message, struct bandwidth *ret, struct error *err)
{
	struct bandwidth read = { 0 };

	if (message) {
		read.rate[BANDWIDTH_INGRESS] = message->ingress;
		read.rate[BANDWIDTH_EGRESS] = message->egress;
	}
	for (enum bandwidth_direction d = 0; d < BANDWIDTH_DIRECTIONS; d++) {
		if (read.rate[d] && bandwidth_check(read.rate[d], err) < 0)
			return error_prefix(err, "bandwidth.%s", bandwidth_direction_name(d));
	}
	*ret = read;
	return 0;
}

/* ---- wanting ------------------------------------------------------------------------------- */

static bool is_limited(const struct bandwidth *bandwidth)
{
	const struct bandwidth none = { 0 };

	return !bandwidth_equal(bandwidth, &none);
}

static size_t count(const struct bandwidth *bandwidth)
{
	return (bandwidth->rate[BANDWIDTH_INGRESS] != 0) + (bandwidth->rate[BANDWIDTH_EGRESS] != 0);
}

/* The port of another pod, with flows, that shares the limits of project 'number'. */
static const struct endpoint *find_sharer(
	const struct netd *netd, const struct endpoint *except, uint32_t number)
{
	const struct endpoint *endpoint;

	HMAP_FOR_EACH(endpoint, node, &netd->endpoints)
	{
		const struct port_bandwidth *b = &endpoint->record.bandwidth;

		if (endpoint != except && endpoint->flows_wanted && is_limited(&b->project) &&
			b->project_number == number)
			return endpoint;
	}
	return NULL;
}

int limits_check_room(const struct netd *netd, const struct endpoint *endpoint, struct error *err)
{
	const struct port_bandwidth *b = &endpoint->record.bandwidth;
	size_t more = count(&b->pod);

	if (is_limited(&b->project) && !find_sharer(netd, endpoint, b->project_number))
		more += count(&b->project);
	return flow_sync_meters_left(netd->flows, more, err);
}

static void want_meter(struct netd *netd, uint32_t id, uint64_t rate, uint64_t *seq)
{
	struct meter meter = bandwidth_meter(rate);

	flow_sync_want_meter(netd->flows, id, rate ? &meter : NULL, seq);
}

/* As the first port says that has them: all ports of a project say the same. */
static void want_project_meters(struct netd *netd, uint32_t number, uint64_t *seq)
{
	const struct endpoint *sharer = find_sharer(netd, NULL, number);

	for (enum bandwidth_direction d = 0; d < BANDWIDTH_DIRECTIONS; d++)
		want_meter(netd, bandwidth_project_meter(number, d),
			sharer ? sharer->record.bandwidth.project.rate[d] : 0, seq);
}

static uint32_t host_number(const struct netd *netd, const struct endpoint *endpoint)
{
	return endpoint->record.address - netd->config.node.subnet.address;
}

int limits_want(
	struct netd *netd, struct endpoint *endpoint, bool wanted, uint64_t *seq, struct error *err)
{
	const struct port_record *record = &endpoint->record;
	const struct port_bandwidth *b = &record->bandwidth;
	const struct flow_port port = { record->address, record->vnid, (uint32_t)record->ofport };
	uint32_t host = host_number(netd, endpoint);
	struct flow_list list = { 0 };
	int r = 0;

#ifdef BULKHEAD_WEAK_BANDWIDTH
	return 0;
#endif
	if (wanted)
		r = flows_bandwidth(&port, host, b, &list, err);
	if (r == 0)
		r = flow_sync_want(
			netd->flows, flow_cookie(FLOW_BANDWIDTH, record->address), &list, seq, err);
	flow_list_done(&list);
	if (r < 0)
		return -1;
	for (enum bandwidth_direction d = 0; d < BANDWIDTH_DIRECTIONS; d++)
		want_meter(netd, bandwidth_pod_meter(host, d), wanted ? b->pod.rate[d] : 0, seq);
	want_project_meters(netd, b->project_number, seq);
	return 0;
}

/* ---- changes ------------------------------------------------------------------------------- */

/* Gives a port other limits, all or nothing. */
static int change(struct netd *netd, struct endpoint *endpoint, const struct port_bandwidth *to,
	struct error *err)
{
	const struct port_bandwidth from = endpoint->record.bandwidth;
	int r = 0;

	if (port_bandwidth_equal(to, &from))
		return 0;
	endpoint->record.bandwidth = *to;
	if (endpoint->flows_wanted && (r = limits_check_room(netd, endpoint, err)) == 0)
		r = limits_want(netd, endpoint, true, &endpoint->flow_seq, err);
	if (r < 0) {
		endpoint->record.bandwidth = from;
		return error_prefix(err, "port '%s' keeps its limits", endpoint->record.name);
	}
	netd->rows.due = true;
	if (endpoint->flows_wanted && from.project_number != to->project_number)
		want_project_meters(netd, from.project_number, &endpoint->flow_seq);
	return 0;
}

static int change_pod(struct netd *netd, struct endpoint *endpoint,
	const struct bandwidth *bandwidth, struct error *err)
{
	struct port_bandwidth to = endpoint->record.bandwidth;

	to.pod = *bandwidth;
	return change(netd, endpoint, &to, err);
}

/* ---- projects ------------------------------------------------------------------------------ */

void limits_projects_begin(struct netd *netd)
{
	shash_clear_free_data(&netd->limits->coming);
}

int limits_projects_add(
	struct netd *netd, const Bulkhead__V1__NetProject *project, struct error *err)
{
	struct project_limits read = { .number = project->number };
	struct project_limits *kept;

	if (project->number > BANDWIDTH_PROJECT_NUMBER_MAX)
		return error_set(err, ERR_INVALID, 0, "number: %u is over the limit of %u",
			project->number, BANDWIDTH_PROJECT_NUMBER_MAX);
	if (limits_parse(project->bandwidth, &read.bandwidth, err) < 0)
		return -1;
	if (!is_limited(&read.bandwidth))
		return 0;
	kept = xmemdup(&read, sizeof(read));
	free(shash_replace(&netd->limits->coming, project->name, kept));
	return 0;
}

static void take(const struct limits *limits, const char *project, struct port_bandwidth *ret)
{
	const struct project_limits *found = shash_find_data(&limits->now, project);

	ret->project = found ? found->bandwidth : (struct bandwidth){ 0 };
	ret->project_number = found ? found->number : 0;
}

void limits_projects_take(struct netd *netd)
{
	struct endpoint *endpoint;

	shash_swap(&netd->limits->now, &netd->limits->coming);
	shash_clear_free_data(&netd->limits->coming);
	HMAP_FOR_EACH(endpoint, node, &netd->endpoints)
	{
		struct port_bandwidth to = endpoint->record.bandwidth;
		struct error err = { 0 };

		take(netd->limits, endpoint->record.project, &to);
		if (change(netd, endpoint, &to, &err) < 0)
			log_error("project '%s': %s", endpoint->record.project, err.text);
	}
}

void limits_fill(const struct netd *netd, struct port_record *record)
{
	take(netd->limits, record->project, &record->bandwidth);
}

/* ---- NET_LIMIT ----------------------------------------------------------------------------- */

static void answer(struct netd *netd, uint32_t serial, const char *pod_uid, const struct error *err)
{
	Bulkhead__V1__NetLimited message = BULKHEAD__V1__NET_LIMITED__INIT;
	Bulkhead__V1__Error error;
	struct error failure = { 0 };

	if (err->code != ERR_NONE) {
		ipc_error_pack(err, &error);
		message.error = &error;
	}
	message.pod_uid = (char *)(uintptr_t)pod_uid;
	/* A peer that is gone ends the loop when its socket is read. */
	if (ipc_table_send(
		    netd->ipc, IPC_NET_LIMITED, serial, &message.base, NULL, 0, NULL, &failure) < 0)
		log_error("%s", failure.text);
}

void limits_cancel(struct netd *netd, struct endpoint *endpoint, const char *why)
{
	struct error err = { 0 };

	if (!endpoint->limit_serial)
		return;
	error_set(&err, ERR_CANCELLED, 0, "%s", why);
	answer(netd, endpoint->limit_serial, endpoint->record.pod_uid, &err);
	endpoint->limit_serial = 0;
}

static int limit(struct netd *netd, const Bulkhead__V1__NetLimit *message, uint32_t serial,
	struct error *err)
{
	struct endpoint *endpoint = endpoint_find(netd, message->pod_uid);
	struct bandwidth bandwidth;

	if (limits_parse(message->bandwidth, &bandwidth, err) < 0)
		return -1;
	if (!endpoint || endpoint->direction == ENDPOINT_DOWN)
		return error_set(err, ERR_NOT_FOUND, 0, "pod '%s' has no port", message->pod_uid);
	limits_cancel(netd, endpoint, "the pod's limits were changed again");
	if (change_pod(netd, endpoint, &bandwidth, err) < 0)
		return -1;
	endpoint->limit_serial = serial;
	endpoint->limit_seq = flow_sync_wanted(netd->flows);
	return 0;
}

int limits_told(
	struct netd *netd, const ProtobufCMessage *base, struct ipc_frame *frame, struct error *err)
{
	const Bulkhead__V1__NetLimit *message = (const void *)base;
	struct error why = { 0 };

	(void)err;
	if (limit(netd, message, frame->serial, &why) < 0)
		answer(netd, frame->serial, message->pod_uid, &why);
	return 0;
}

void limits_sync(struct netd *netd, struct endpoint *endpoint, const Bulkhead__V1__NetPod *pod)
{
	struct bandwidth bandwidth;
	struct error err = { 0 };

	if (limits_parse(pod->bandwidth, &bandwidth, &err) < 0 ||
		change_pod(netd, endpoint, &bandwidth, &err) < 0)
		log_error("%s", err.text);
}

void limits_run(struct netd *netd)
{
	struct endpoint *endpoint;

	HMAP_FOR_EACH(endpoint, node, &netd->endpoints)
	{
		struct error err = { 0 };
		enum flow_state state;

		if (!endpoint->limit_serial)
			continue;
		state = flow_sync_state(netd->flows, endpoint->limit_seq, &err);
		if (state == FLOW_PENDING || netd->rows.due || netd->rows.op)
			continue;
		answer(netd, endpoint->limit_serial, endpoint->record.pod_uid, &err);
		endpoint->limit_serial = 0;
	}
}
