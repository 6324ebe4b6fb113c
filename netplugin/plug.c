#include <config.h>

#include <errno.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/path.h"
#include "netplugin/cni.h"
#include "netplugin/denials.h"
#include "netplugin/endpoint.h"
#include "netplugin/limits.h"
#include "netplugin/peers.h"
#include "netplugin/trace.h"
#include "openvswitch/poll-loop.h"
#include "proto/ipc_table.h"
#include "timeval.h"
#include "util.h"

/* Text of a message that is only borrowed for sending. */
static char *borrow(const char *text)
{
	return (char *)(uintptr_t)text;
}

static void send_to_agent(
	struct netd *netd, enum ipc_type type, uint32_t reply_to, const ProtobufCMessage *message)
{
	struct error err = { 0 };

	/* A peer that is gone ends the loop when its socket is read. */
	if (ipc_table_send(netd->ipc, type, reply_to, message, NULL, 0, NULL, &err) < 0)
		log_error("%s", err.text);
}

/* ---- answers ------------------------------------------------------------------------------- */

struct plugged_text {
	char address[IPNET_TEXT_SIZE];
	char gateway[IPNET_TEXT_SIZE];
	char mac[MAC_TEXT_SIZE];
};

static void fill_plugged(const struct netd *netd, const struct endpoint *endpoint,
	Bulkhead__V1__NetPlugged *message, struct plugged_text *text)
{
	uint8_t mac[6];

	mac_of_address(endpoint->record.address, mac);
	mac_format(mac, text->mac);
	address_format(endpoint->record.address, text->address);
	address_format(ipam_gateway(netd->ipam), text->gateway);
	message->pod_uid = borrow(endpoint->record.pod_uid);
	message->address = text->address;
	message->prefix = netd->config.node.cluster.prefix;
	message->gateway = text->gateway;
	message->mac = text->mac;
	message->port = borrow(endpoint->record.name);
	message->ofport = (uint32_t)endpoint->record.ofport;
}

static void plug_refuse(
	struct netd *netd, uint32_t serial, const char *pod_uid, const struct error *err)
{
	Bulkhead__V1__NetPlugged message = BULKHEAD__V1__NET_PLUGGED__INIT;
	Bulkhead__V1__Error error;

	ipc_error_pack(err, &error);
	message.error = &error;
	message.pod_uid = borrow(pod_uid);
	send_to_agent(netd, IPC_NET_PLUGGED, serial, &message.base);
}

void plug_answer(struct netd *netd, struct asker asker, const struct endpoint *endpoint,
	const struct error *err)
{
	Bulkhead__V1__NetPlugged message = BULKHEAD__V1__NET_PLUGGED__INIT;
	struct plugged_text text;

	if (asker.conn) {
		cni_plugged(netd, asker, endpoint, err);
		return;
	}
	if (err->code != ERR_NONE) {
		plug_refuse(netd, asker.serial, endpoint->record.pod_uid, err);
		return;
	}
	fill_plugged(netd, endpoint, &message, &text);
	send_to_agent(netd, IPC_NET_PLUGGED, asker.serial, &message.base);
}

void unplug_answer(
	struct netd *netd, struct asker asker, const char *pod_uid, const struct error *err)
{
	Bulkhead__V1__NetUnplugged message = BULKHEAD__V1__NET_UNPLUGGED__INIT;
	Bulkhead__V1__Error error;

	if (asker.conn) {
		cni_unplugged(netd, asker, err);
		return;
	}
	if (err->code != ERR_NONE) {
		ipc_error_pack(err, &error);
		message.error = &error;
	}
	message.pod_uid = borrow(pod_uid);
	send_to_agent(netd, IPC_NET_UNPLUGGED, asker.serial, &message.base);
}

/* ---- NET_PLUG ------------------------------------------------------------------------------ */

/* Which network namespace a descriptor of one, or a socket in one, is about. */
static int netns_of(int fd, int is_socket, struct stat *ret)
{
	cleanup_close int netns_fd = is_socket ? ioctl(fd, SIOCGSKNS) : -1;

	if (is_socket && netns_fd < 0)
		return -1;
	if (!is_socket && ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return -1;
	return fstat(is_socket ? netns_fd : fd, ret);
}

static int socket_is(int fd, int domain, int type, int protocol)
{
	int values[3] = { -1, -1, -1 };
	socklen_t size = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &values[0], &size) < 0 ||
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &values[1], &size) < 0 ||
		getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &values[2], &size) < 0)
		return 0;
	return values[0] == domain && values[1] == type && (protocol < 0 || values[2] == protocol);
}

int plug_check_fds(const struct netd *netd, const int fds[3], struct error *err)
{
	struct stat netns, route, inet;

	if (netns_of(fds[0], 0, &netns) < 0)
		return error_set(err, ERR_INVALID, 0, "descriptor 1 is not a network namespace");
	if (!socket_is(fds[1], AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) ||
		netns_of(fds[1], 1, &route) < 0)
		return error_set(err, ERR_INVALID, 0, "descriptor 2 is not a NETLINK_ROUTE socket");
	if (!socket_is(fds[2], AF_INET, SOCK_DGRAM, -1) || netns_of(fds[2], 1, &inet) < 0)
		return error_set(
			err, ERR_INVALID, 0, "descriptor 3 is not an AF_INET datagram socket");
	if (netns.st_ino != route.st_ino || netns.st_ino != inet.st_ino)
		return error_set(
			err, ERR_INVALID, 0, "the descriptors are of different network namespaces");
	if (netns.st_ino == netd->netns_ino && netns.st_dev == netd->netns_dev)
		return error_set(err, ERR_INVALID, 0, "the network namespace is the node's own");
	return 0;
}

static int check_identity(
	const char *pod_uid, const char *project, const char *pod, uint32_t vnid, struct error *err)
{
	if (!pod_uid_is_valid(pod_uid))
		return error_set(err, ERR_INVALID, 0,
			"pod_uid: '%s' is not 1 to %d letters, digits and '-'", pod_uid,
			POD_UID_MAX);
	if (!name_is_dns_label(project))
		return error_set(err, ERR_INVALID, 0, "project: '%s' is not a DNS label", project);
	if (!name_is_dns_subdomain(pod))
		return error_set(err, ERR_INVALID, 0, "pod: '%s' is not a DNS subdomain", pod);
	if (vnid > VNID_MAX)
		return error_set(
			err, ERR_INVALID, 0, "vnid: %u is over the limit of %u", vnid, VNID_MAX);
	return 0;
}

static int plug(struct netd *netd, const Bulkhead__V1__NetPlug *message, struct ipc_frame *frame,
	struct error *err)
{
	struct port_record record = { .vnid = message->vnid };

	if (check_identity(message->pod_uid, message->project, message->pod, message->vnid, err) <
			0 ||
		limits_parse(message->bandwidth, &record.bandwidth.pod, err) < 0 ||
		plug_check_fds(netd, frame->fds, err) < 0)
		return -1;
	if (endpoint_find(netd, message->pod_uid))
		return error_set(err, ERR_EXISTS, 0,
			"pod '%s' of project '%s' has a port already: unplug it first",
			message->pod, message->project);
	snprintf(record.pod_uid, sizeof(record.pod_uid), "%s", message->pod_uid);
	snprintf(record.project, sizeof(record.project), "%s", message->project);
	snprintf(record.pod, sizeof(record.pod), "%s", message->pod);
	snprintf(record.link, sizeof(record.link), POD_LINK);
	endpoint_plug(netd, &record, (struct asker){ 0, frame->serial },
		ipc_frame_take_fd(frame, 0), ipc_frame_take_fd(frame, 1),
		ipc_frame_take_fd(frame, 2));
	return 0;
}

static int on_plug(
	struct netd *netd, const ProtobufCMessage *base, struct ipc_frame *frame, struct error *err)
{
	const Bulkhead__V1__NetPlug *message = (const void *)base;
	struct error refusal = { 0 };

	(void)err;
	if (plug(netd, message, frame, &refusal) < 0)
		plug_refuse(netd, frame->serial, message->pod_uid, &refusal);
	return 0;
}

/* ---- NET_UNPLUG ---------------------------------------------------------------------------- */

int plug_remove(struct netd *netd, struct endpoint *endpoint, struct asker asker, struct error *err)
{
	struct error why = { 0 };

	if (endpoint->unplugs_len == UNPLUGS_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "pod '%s' is being unplugged %d times",
			endpoint->record.pod, UNPLUGS_MAX);
	error_set(&why, ERR_CANCELLED, 0, "pod '%s' was unplugged before it was plugged",
		endpoint->record.pod);
	endpoint_remove(netd, endpoint, &why);
	endpoint->unplugs[endpoint->unplugs_len++] = asker;
	endpoint->deadline = time_msec() + UNPLUG_DEADLINE_MSEC;
	return 0;
}

static int on_unplug(
	struct netd *netd, const ProtobufCMessage *base, struct ipc_frame *frame, struct error *err)
{
	const Bulkhead__V1__NetUnplug *message = (const void *)base;
	struct endpoint *endpoint = endpoint_find(netd, message->pod_uid);
	const struct asker agent = { 0, frame->serial };
	struct error answer = { 0 };

	(void)err;
	if (!netd->adopted)
		error_set(&answer, ERR_UNAVAILABLE, 0,
			"cannot unplug pod '%s': which ports there are is not known yet",
			message->pod_uid);
	if (answer.code != ERR_NONE || !endpoint || plug_remove(netd, endpoint, agent, &answer) < 0)
		unplug_answer(netd, agent, message->pod_uid, &answer);
	return 0;
}

/* ---- NET_SYNC ------------------------------------------------------------------------------ */

static void sync_answer(struct netd *netd, const struct error *err)
{
	size_t n = 0, max = hmap_count(&netd->endpoints);
	Bulkhead__V1__NetSynced message = BULKHEAD__V1__NET_SYNCED__INIT;
	Bulkhead__V1__NetPlugged *ports = xcalloc(max + 1, sizeof(*ports));
	Bulkhead__V1__NetPlugged **list =
		xcalloc(max + 1, sizeof(struct Bulkhead__V1__NetPlugged *));
	struct plugged_text *texts = xcalloc(max + 1, sizeof(*texts));
	const struct endpoint *endpoint;
	Bulkhead__V1__Error error;

	HMAP_FOR_EACH(endpoint, node, &netd->endpoints)
	{
		if (endpoint->direction != ENDPOINT_SETTLED || err->code != ERR_NONE ||
			endpoint->record.container[0])
			continue;
		bulkhead__v1__net_plugged__init(&ports[n]);
		fill_plugged(netd, endpoint, &ports[n], &texts[n]);
		list[n] = &ports[n];
		n++;
	}
	ipc_error_pack(err, &error);
	message.error = err->code != ERR_NONE ? &error : NULL;
	message.ports = list;
	message.n_ports = n;
	message.removed = netd->sync.removed;
	send_to_agent(netd, IPC_NET_SYNCED, netd->sync.serial, &message.base);
	netd->sync = (struct netd_sync){ 0 };
	free(ports);
	free(list);
	free(texts);
}

static int on_sync(
	struct netd *netd, const ProtobufCMessage *base, struct ipc_frame *frame, struct error *err)
{
	const Bulkhead__V1__NetSync *message = (const void *)base;
	struct error why = { 0 };
	struct endpoint *endpoint;

	if (netd->sync.serial)
		return error_set(
			err, ERR_INVALID, 0, "a second NET_SYNC before the first is answered");
	netd->sync.serial = frame->serial;
	netd->sync.deadline = time_msec() + UNPLUG_DEADLINE_MSEC;
	if (!netd->adopted) {
		error_set(&why, ERR_UNAVAILABLE, 0, "which ports there are is not known yet");
		sync_answer(netd, &why);
		return 0;
	}
	HMAP_FOR_EACH(endpoint, node, &netd->endpoints)
	{
		endpoint->listed = false;
		endpoint->next_vnid = endpoint->record.vnid;
	}
	for (size_t i = 0; i < message->n_pods; i++) {
		const Bulkhead__V1__NetPod *pod = message->pods[i];

		endpoint = endpoint_find(netd, pod->pod_uid);
		if (!endpoint)
			continue;
		endpoint->listed = true;
		/* The project may have got another while nobody listened. */
		if (pod->vnid <= VNID_MAX)
			endpoint->next_vnid = pod->vnid;
		limits_sync(netd, endpoint, pod);
	}
	if (endpoints_move(netd, &why) < 0)
		log_error("%s", why.text);
	error_set(&why, ERR_CANCELLED, 0, "the pod is not on the list of pods that live");
	HMAP_FOR_EACH(endpoint, node, &netd->endpoints)
	{
		if (endpoint->listed || endpoint->record.container[0] ||
			endpoint->direction == ENDPOINT_DOWN)
			continue;
		endpoint->sync_removed = true;
		endpoint_remove(netd, endpoint, &why);
	}
	return 0;
}

void sync_run(struct netd *netd)
{
	const struct endpoint *endpoint;
	struct error err = { 0 };

	if (!netd->sync.serial)
		return;
	HMAP_FOR_EACH(endpoint, node, &netd->endpoints)
	{
		if (endpoint->direction == ENDPOINT_SETTLED || endpoint->plugger.serial ||
			endpoint->record.container[0])
			continue;
		if (time_msec() < netd->sync.deadline) {
			poll_timer_wait_until(netd->sync.deadline);
			return;
		}
		error_set(&err, ERR_UNAVAILABLE, 0, "port '%s' is not settled yet: %s",
			endpoint->record.name,
			netd->state_reason[0] ? netd->state_reason : "Open vSwitch is slow");
		break;
	}
	sync_answer(netd, &err);
}

/* ---- NET_PROJECTS -------------------------------------------------------------------------- */

static void projects_answer(struct netd *netd, const struct error *err)
{
	Bulkhead__V1__NetProjectsSet message = BULKHEAD__V1__NET_PROJECTS_SET__INIT;
	Bulkhead__V1__Error error;

	if (err->code != ERR_NONE) {
		ipc_error_pack(err, &error);
		message.error = &error;
	}
	send_to_agent(netd, IPC_NET_PROJECTS_SET, netd->projects.serial, &message.base);
	netd->projects = (struct netd_projects){ 0 };
}

/*
 * What came is what is known. A number rests for a week when its project is deleted, and may then
 * be another's: what a CNI plugin attached and nobody takes away does not live to see that. (The
 * agent's pods are its own to remove.)
 */
static void take_vnids(struct netd *netd)
{
	struct endpoint *endpoint;
	struct error why = { 0 };

	simap_swap(&netd->vnids.now, &netd->vnids.coming);
	simap_clear(&netd->vnids.coming);
	netd->vnids.known = true;
	HMAP_FOR_EACH(endpoint, node, &netd->endpoints)
	{
		const struct port_record *record = &endpoint->record;
		const struct simap_node *row = simap_find(&netd->vnids.now, record->project);

		endpoint->next_vnid = row ? row->data : record->vnid;
		if (row || !record->container[0] || endpoint->direction == ENDPOINT_DOWN)
			continue;
		log_notice("port '%s' goes with its project '%s'", record->name, record->project);
		error_set(&why, ERR_CANCELLED, 0, "project '%s' is deleted", record->project);
		endpoint_remove(netd, endpoint, &why);
	}
}

static int on_projects(
	struct netd *netd, const ProtobufCMessage *base, struct ipc_frame *frame, struct error *err)
{
	const Bulkhead__V1__NetProjects *message = (const void *)base;
	struct error refusal = { 0 };

	if (netd->projects.serial)
		return error_set(
			err, ERR_INVALID, 0, "a second NET_PROJECTS before the first is answered");
	if (message->part == 0) {
		simap_clear(&netd->vnids.coming);
		limits_projects_begin(netd);
	}
	for (size_t i = 0; i < message->n_projects; i++) {
		const Bulkhead__V1__NetProject *project = message->projects[i];

		if (project->vnid > VNID_MAX)
			return error_set(err, ERR_INVALID, 0, "vnid: %u is over the limit of %u",
				project->vnid, VNID_MAX);
		if (limits_projects_add(netd, project, err) < 0)
			return error_prefix(err, "project '%s'", project->name);
		simap_put(&netd->vnids.coming, project->name, project->vnid);
	}
	if (message->more)
		return 0;
	netd->projects.serial = frame->serial;
	netd->projects.deadline = time_msec() + UNPLUG_DEADLINE_MSEC;
	take_vnids(netd);
	limits_projects_take(netd);
	if (endpoints_move(netd, &refusal) < 0)
		projects_answer(netd, &refusal);
	/* Also what an earlier one wanted that was answered before the switch had it. */
	netd->projects.seq = flow_sync_wanted(netd->flows);
	return 0;
}

void projects_run(struct netd *netd)
{
	struct error err = { 0 };
	enum flow_state state;
	bool written = !netd->rows.due && !netd->rows.op;

	if (!netd->projects.serial)
		return;
	state = flow_sync_state(netd->flows, netd->projects.seq, &err);
	if (state != FLOW_REFUSED && (state == FLOW_PENDING || !written)) {
		if (time_msec() < netd->projects.deadline) {
			poll_timer_wait_until(netd->projects.deadline);
			return;
		}
		error_set(&err, ERR_UNAVAILABLE, 0, "%s",
			written ? "the switch has not taken the flows"
				: "the Open vSwitch database has not taken the ports' VNIDs");
	}
	projects_answer(netd, &err);
}

static int on_cni(
	struct netd *netd, const ProtobufCMessage *base, struct ipc_frame *frame, struct error *err)
{
	(void)base;
	return cni_listen(netd, ipc_frame_take_fd(frame, 0), err);
}

static int on_peers(
	struct netd *netd, const ProtobufCMessage *base, struct ipc_frame *frame, struct error *err)
{
	struct error why = { 0 };

	(void)frame;
	(void)err;
	/* What cannot be is the cluster's fault, not the connection's: the peers stay as they were.
	 */
	if (peers_set(netd, (const Bulkhead__V1__NetPeers *)base, &why) < 0)
		log_error("the other nodes are not taken: %s", why.text);
	return 0;
}

static int on_policies(
	struct netd *netd, const ProtobufCMessage *base, struct ipc_frame *frame, struct error *err)
{
	(void)base;
	return policies_told(netd, frame, err);
}

static int on_trace(
	struct netd *netd, const ProtobufCMessage *base, struct ipc_frame *frame, struct error *err)
{
	(void)err;
	tracer_ask(netd, (const Bulkhead__V1__NetTrace *)base, frame->serial);
	return 0;
}

static int on_check(
	struct netd *netd, const ProtobufCMessage *base, struct ipc_frame *frame, struct error *err)
{
	(void)err;
	tracer_check(netd, (const Bulkhead__V1__NetCheck *)base, frame->serial);
	return 0;
}

static int on_denials(
	struct netd *netd, const ProtobufCMessage *base, struct ipc_frame *frame, struct error *err)
{
	(void)base;
	(void)err;
	denials_answer(netd, frame->serial);
	return 0;
}

/* ---- frames and state ---------------------------------------------------------------------- */

static const struct {
	enum ipc_type type;
	int (*handle)(struct netd *netd, const ProtobufCMessage *message, struct ipc_frame *frame,
		struct error *err);
} handlers[] = {
	{ IPC_NET_PLUG, on_plug },
	{ IPC_NET_UNPLUG, on_unplug },
	{ IPC_NET_SYNC, on_sync },
	{ IPC_NET_PROJECTS, on_projects },
	{ IPC_NET_CNI, on_cni },
	{ IPC_NET_PEERS, on_peers },
	{ IPC_NET_TRACE, on_trace },
	{ IPC_NET_CHECK, on_check },
	{ IPC_NET_DENIALS, on_denials },
	{ IPC_NET_POLICIES, on_policies },
	{ IPC_NET_LIMIT, limits_told },
};

int plug_frame(struct netd *netd, struct ipc_frame *frame, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(handlers); i++) {
		ProtobufCMessage *message;
		int r;

		if (handlers[i].type != frame->type)
			continue;
		if (ipc_table_unpack(frame, &message, err) < 0)
			return -1;
		r = handlers[i].handle(netd, message, frame, err);
		protobuf_c_message_free_unpacked(message, NULL);
		return r;
	}
	return error_set(err, ERR_INVALID, 0, "message %s is not for this process",
		ipc_table_name(frame->type));
}

void state_run(struct netd *netd)
{
	Bulkhead__V1__NetState message = BULKHEAD__V1__NET_STATE__INIT;
	char subnet[IPNET_TEXT_SIZE];
	struct error err = { 0 };
	bool ready = netd_ready(netd, &err) == 0;
	bool changed;

	if (netd->state_sent && netd->state_ready == ready &&
		netd->state_mended == flow_sync_mended(netd->flows) &&
		strcmp(netd->state_reason, err.text) == 0)
		return;
	changed = !netd->state_sent || netd->state_ready != ready ||
		  strcmp(netd->state_reason, err.text) != 0;
	netd->state_sent = true;
	netd->state_ready = ready;
	netd->state_mended = flow_sync_mended(netd->flows);
	memcpy(netd->state_reason, err.text, sizeof(err.text));
	ipnet_format(&netd->config.node.subnet, subnet);
	message.ready = ready;
	message.datapath = borrow(netd->config.datapath);
	message.bridge = borrow(netd->config.bridge);
	message.subnet = subnet;
	message.reason = netd->state_reason;
	message.flows_mended = netd->state_mended;
	if (changed)
		log_notice(
			"%s%s", ready ? "ready" : "not ready: ", ready ? "" : netd->state_reason);
	send_to_agent(netd, IPC_NET_STATE, 0, &message.base);
}
