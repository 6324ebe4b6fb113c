#include "nodeagent/agent/netd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/cluster.h"
#include "nodeagent/agent/config.h"
#include "nodeagent/agent/daemon.h"
#include "nodeagent/agent/forwarding.h"
#include "nodeagent/agent/net_cluster.h"
#include "nodeagent/agent/net_policies.h"
#include "nodeagent/agent/node.h"
#include "nodeagent/agent/ovs.h"
#include "nodeagent/agent/pending.h"
#include "nodeagent/agent/pods.h"

#define SYNC_RETRY_USEC UINT64_C(1000000)

struct netd {
	struct agent *agent;
	struct daemon *daemon; /* NULL before netd_begin() */
	char *subnet;
	Bulkhead__V1__NetState *state;
	bool synced;   /* NET_SYNC of this connection was answered */
	bool syncing;  /* it was sent */
	uint32_t sync; /* its serial */
	int cni_fd;    /* to listen at; -1: nowhere */
	bool cni_sent; /* on this connection */
	sd_event_source *sync_timer;
	struct {
		uint32_t serial;   /* of the NET_PROJECTS under way; 0: none */
		uint64_t networks; /* net_projects_hash() of what was sent last; 0: nothing on this
				      connection */
		int64_t asked;     /* epoch of that */
		int64_t epoch;     /* up to which the switch has it */
	} projects;
	uint64_t peers; /* net_peers_hash() of what was sent last; 0: nothing on this connection */
	struct net_policies_told policies; /* on this connection */
	struct pending_list requests;
	struct pending_list traces; /* netd_trace.h */
};

struct request {
	struct pending pending; /* first: the list frees it */
	enum ipc_type answer;   /* the only one that answers it */
	netd_done_fn done;
};

/* What goes into records, pods' environments and /etc/hosts must be an address and no more. */
static int port_check(const Bulkhead__V1__NetPlugged *port, struct error *err)
{
	struct in6_addr address;

	if (inet_pton(AF_INET, port->address, &address) == 1 ||
		inet_pton(AF_INET6, port->address, &address) == 1)
		return 0;
	return error_set(err, ERR_INVALID, 0, "a port came without an IP address");
}

static void sync_later(struct netd *netd)
{
	sd_event_source_set_time(netd->sync_timer, monotonic_usec() + SYNC_RETRY_USEC);
	sd_event_source_set_enabled(netd->sync_timer, SD_EVENT_ONESHOT);
}

/* ---- NET_PROJECTS -------------------------------------------------------------------------- */

/* NET_SYNC says the same of a connection that is new. */
static void projects_kick(struct netd *netd)
{
	uint64_t networks = net_projects_hash(netd->agent);
	struct error err = { 0 };

	if (!netd->synced || netd->projects.serial || networks == netd->projects.networks)
		return;
	if (net_projects_send(netd->agent, netd->daemon, &netd->projects.serial, &err) < 0) {
		log_error("cannot tell netd the projects' networks: %s", err.text);
		sync_later(netd);
		return;
	}
	netd->projects.networks = networks;
	netd->projects.asked = net_projects_epoch(netd->agent);
}

static void on_projects_set(struct netd *netd, const Bulkhead__V1__NetProjectsSet *set)
{
	struct error why = { 0 };

	netd->projects.serial = 0;
	if (ipc_error_unpack(set->error, &why) < 0) {
		log_warning("the projects' networks are not as they should be: %s", why.text);
		netd->projects.networks = 0;
		sync_later(netd);
		return;
	}
	netd->projects.epoch = netd->projects.asked;
	projects_kick(netd);
	node_kick(netd->agent->node);
}

int64_t netd_projects_epoch(const struct netd *netd)
{
	return netd->projects.epoch;
}

/* ---- NET_PEERS ----------------------------------------------------------------------------- */

/* At once when it starts: it waits for them. */
static void peers_kick(struct netd *netd)
{
	uint64_t peers = net_peers_hash(netd->agent);
	struct error err = { 0 };

	if (!config_has_peers(netd->agent->config) || !netd->state || netd->peers == peers ||
		!daemon_running(netd->daemon))
		return;
	if (net_peers_send(netd->agent, netd->daemon, &err) < 0) {
		log_error("cannot tell netd the other nodes: %s", err.text);
		sync_later(netd);
		return;
	}
	netd->peers = peers;
}

/* ---- NET_POLICIES -------------------------------------------------------------------------- */

/* netd writes nothing before it was told them, and is told of no pod before. 'err' may be NULL. */
static int policies_kick(struct netd *netd, struct error *err)
{
	struct error why = { 0 };

	if (!netd->state || !daemon_running(netd->daemon) || !cluster_known(netd->agent->cluster))
		return 0;
	if (net_policies_tell(&netd->policies, netd->agent, netd->daemon, &why) == 0)
		return 0;
	log_error("cannot tell netd the network policies: %s", why.text);
	sync_later(netd);
	if (err)
		*err = why;
	return -1;
}

void netd_cluster_kick(struct netd *netd)
{
	policies_kick(netd, NULL);
	peers_kick(netd);
	projects_kick(netd);
}

/* ---- NET_SYNC ------------------------------------------------------------------------------ */

static int send_sync(struct netd *netd, struct error *err)
{
	Bulkhead__V1__NetSync *sync;
	int r;

	if (pods_net_sync(netd->agent->pods, &sync, err) < 0)
		return -1;
	r = daemon_send(netd->daemon, IPC_NET_SYNC, &sync->base, NULL, 0, &netd->sync, err);
	bulkhead__v1__net_sync__free_unpacked(sync, NULL);
	return r;
}

/* Once a connection, when netd knows its ports. */
static void sync_if_due(struct netd *netd)
{
	struct error err = { 0 };

	if (netd->synced || netd->syncing || !netd->state || !netd->state->ready ||
		!daemon_running(netd->daemon))
		return;
	if (send_sync(netd, &err) < 0) {
		log_error("cannot tell netd which pods live: %s", err.text);
		sync_later(netd);
	} else {
		netd->syncing = true;
	}
}

static int on_sync_timer(sd_event_source *source, uint64_t usec, void *user)
{
	(void)source;
	(void)usec;
	policies_kick(user, NULL);
	sync_if_due(user);
	projects_kick(user);
	peers_kick(user);
	return 0;
}

static int on_synced(struct netd *netd, const Bulkhead__V1__NetSynced *synced, struct error *err)
{
	struct error why = { 0 };

	netd->syncing = false;
	if (ipc_error_unpack(synced->error, &why) < 0) {
		log_warning("netd does not know its ports: %s", why.text);
		sync_later(netd);
		return 0;
	}
	for (size_t i = 0; i < synced->n_ports; i++) {
		if (port_check(synced->ports[i], err) < 0)
			return -1;
	}
	netd->synced = true;
	log_info("netd has %zu ports and removed %u", synced->n_ports, synced->removed);
	/* First the projects' limits: what is plugged from now on has them from the start. */
	projects_kick(netd);
	pods_net_synced(netd->agent->pods, synced);
	node_kick(netd->agent->node);
	return 0;
}

/* ---- frames -------------------------------------------------------------------------------- */

/* Once a connection, and first: what it says comes when it can listen. */
static void listen_if_due(struct netd *netd)
{
	Bulkhead__V1__NetCni message = BULKHEAD__V1__NET_CNI__INIT;
	struct error err = { 0 };

	if (netd->cni_fd < 0 || netd->cni_sent)
		return;
	if (daemon_send(netd->daemon, IPC_NET_CNI, &message.base, &netd->cni_fd, 1, NULL, &err) < 0)
		log_error("CNI plugins are not answered: %s", err.text);
	else
		netd->cni_sent = true;
}

static int on_state(struct netd *netd, const struct ipc_frame *frame, struct error *err)
{
	Bulkhead__V1__NetState *state =
		bulkhead__v1__net_state__unpack(NULL, frame->size, frame->data);

	if (!state)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for the network's state");
	if (netd->state)
		bulkhead__v1__net_state__free_unpacked(netd->state, NULL);
	netd->state = state;
	policies_kick(netd, NULL);
	listen_if_due(netd);
	peers_kick(netd);
	sync_if_due(netd);
	node_kick(netd->agent->node);
	return 0;
}

/* An answer to something else than was asked is none: netd is not trusted to match them. */
static int answer(struct netd *netd, const struct ipc_frame *frame,
	const Bulkhead__V1__Error *error, const Bulkhead__V1__NetPlugged *plugged,
	struct error *err)
{
	struct request *request = (struct request *)pending_take(&netd->requests, frame->reply_to);
	struct error why = { 0 };

	if (!request)
		return 0;
	if (request->answer != (enum ipc_type)frame->type) {
		pending_add(&netd->requests, &request->pending);
		return error_set(err, ERR_INVALID, 0, "%s does not answer what was asked",
			ipc_table_name(frame->type));
	}
	if (ipc_error_unpack(error, &why) < 0)
		request->done(request->pending.user, NULL, &why);
	else
		request->done(request->pending.user, plugged, NULL);
	free(request);
	node_kick(netd->agent->node); /* whose row may say which pods there are */
	return 0;
}

static int on_plugged(struct netd *netd, const struct ipc_frame *frame,
	const Bulkhead__V1__NetPlugged *plugged, struct error *err)
{
	if ((!plugged->error || plugged->error->code == ERR_NONE) && port_check(plugged, err) < 0)
		return -1;
	return answer(netd, frame, plugged->error, plugged, err);
}

static int on_frame(
	void *user, struct ipc_frame *frame, const ProtobufCMessage *message, struct error *err)
{
	struct netd *netd = user;

	if (frame->type == IPC_NET_STATE)
		return on_state(netd, frame, err);
	if (frame->type == IPC_NET_PLUGGED)
		return on_plugged(netd, frame, (const Bulkhead__V1__NetPlugged *)message, err);
	if (frame->type == IPC_NET_UNPLUGGED)
		return answer(netd, frame, ((const Bulkhead__V1__NetUnplugged *)message)->error,
			NULL, err);
	if (frame->type == IPC_NET_LIMITED)
		return answer(
			netd, frame, ((const Bulkhead__V1__NetLimited *)message)->error, NULL, err);
	if (frame->type == IPC_NET_PROJECTS_SET) {
		if (netd->projects.serial && frame->reply_to == netd->projects.serial)
			on_projects_set(netd, (const Bulkhead__V1__NetProjectsSet *)message);
		return 0;
	}
	if (frame->type == IPC_NET_TRACED)
		return netd_trace_answered(
			&netd->traces, frame, (const Bulkhead__V1__NetTraced *)message, err);
	if (frame->type == IPC_NET_CHECKED)
		return netd_check_answered(
			&netd->traces, frame, (const Bulkhead__V1__NetChecked *)message, err);
	if (frame->type == IPC_NET_DENIED)
		return netd_denials_answered(
			&netd->traces, frame, (const Bulkhead__V1__NetDenied *)message, err);
	if (frame->type == IPC_NET_POLICIES_SET) {
		net_policies_answered(&netd->policies, frame->reply_to,
			(const Bulkhead__V1__NetPoliciesSet *)message);
		return 0;
	}
	if (netd->syncing && frame->reply_to == netd->sync)
		return on_synced(netd, (const Bulkhead__V1__NetSynced *)message, err);
	return 0;
}

/* What it said last stays to be read, but it is not ready. */
static void on_lost(void *user, const struct error *err)
{
	struct netd *netd = user;
	struct request *request;

	netd->synced = false;
	netd->syncing = false;
	netd->cni_sent = false;
	netd->projects.serial = 0;
	netd->projects.networks = 0;
	netd->peers = 0;
	netd->policies = (struct net_policies_told){ 0 };
	if (netd->state)
		netd->state->ready = false;
	while ((request = (struct request *)pending_take_any(&netd->requests))) {
		request->done(request->pending.user, NULL, err);
		free(request);
	}
	netd_trace_lost(&netd->traces, err);
	node_kick(netd->agent->node);
}

static const struct daemon_ops daemon_ops = { .frame = on_frame, .lost = on_lost };

/* ---- for others ---------------------------------------------------------------------------- */

int netd_new(struct netd **ret, struct agent *agent, struct error *err)
{
	struct netd *netd = calloc(1, sizeof(*netd));
	int r;

	if (!netd)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot start bulkhead-netd");
	netd->agent = agent;
	netd->cni_fd = -1;
	r = sd_event_add_time(agent->event, &netd->sync_timer, CLOCK_MONOTONIC, UINT64_MAX, 0,
		on_sync_timer, netd);
	if (r >= 0)
		r = sd_event_source_set_enabled(netd->sync_timer, SD_EVENT_OFF);
	if (r < 0) {
		netd_free(netd);
		return error_set(err, error_code_of(-r), -r, "cannot make a timer");
	}
	*ret = netd;
	return 0;
}

void netd_free(struct netd *netd)
{
	struct pending *request;

	if (!netd)
		return;
	daemon_free(netd->daemon);
	while ((request = pending_take_any(&netd->requests)) ||
		(request = pending_take_any(&netd->traces)))
		free(request);
	if (netd->state)
		bulkhead__v1__net_state__free_unpacked(netd->state, NULL);
	sd_event_source_disable_unref(netd->sync_timer);
	cleanup_close_fn(&netd->cni_fd);
	free(netd->subnet);
	free(netd);
}

void netd_listen(struct netd *netd, int fd)
{
	cleanup_close_fn(&netd->cni_fd);
	netd->cni_fd = fd;
}

static int start_daemon(struct netd *netd, struct error *err)
{
	const Bulkhead__V1__NodeConfig *node = netd->agent->config;
	cleanup_free char *db = NULL, *root = NULL;
	char ovs[OVS_DIR_SIZE], uid[16];
	const char *dir = ovs_switch_dir(node, ovs);
	const char *egress = forwarding_egress(netd->agent, err);
	int made =
		asprintf(&db, "unix:%s/db.sock", dir) | asprintf(&root, "%s/empty", node->run_dir);
	const char *args[] = { "--ovsdb", db, "--bridge", node->bridge, "--bridge-mgmt-dir", dir,
		"--subnet", netd->subnet, "--cluster-network", node->cluster_network, "--datapath",
		node->datapath, "--uid", uid, "--empty-root", root, "--egress", egress,
		"--deny-log", strcmp(node->deny_log, "on") == 0 ? "on" : "off",
		config_has_peers(node) ? "--tunnel-address" : NULL, node->address, NULL };
	const struct daemon_config config = {
		.event = netd->agent->event,
		.dir = node->libexec_dir,
		.name = "bulkhead-netd",
		.role = IPC_NETD,
		.args = args,
	};

	if (made < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot start bulkhead-netd");
	if (!egress)
		return -1;
	snprintf(uid, sizeof(uid), "%u", node->netd_uid);
	return daemon_new(&netd->daemon, &config, &daemon_ops, netd, err);
}

int netd_begin(struct netd *netd, const char *subnet, struct error *err)
{
	if (netd->daemon && strcmp(netd->subnet, subnet) == 0)
		return 0;
	if (netd->daemon)
		return error_set(err, ERR_PRECONDITION, 0,
			"the node's subnet changed from %s to %s: its pods must be removed and the "
			"agent started again",
			netd->subnet, subnet);
	free(netd->subnet);
	netd->subnet = strdup(subnet);
	if (!netd->subnet)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot start bulkhead-netd");
	return start_daemon(netd, err);
}

const Bulkhead__V1__NetState *netd_state(const struct netd *netd)
{
	return netd->state;
}

bool netd_ready(const struct netd *netd)
{
	return netd->state && netd->state->ready && netd->synced;
}

bool netd_synced(const struct netd *netd)
{
	return netd->synced;
}

static int ask(struct netd *netd, enum ipc_type type, const ProtobufCMessage *message,
	const int *fds, size_t fds_len, netd_done_fn done, void *user, struct error *err)
{
	struct request *request;

	if (!netd->daemon)
		return error_set(err, ERR_UNAVAILABLE, 0, "the node has no subnet yet");
	request = calloc(1, sizeof(*request));
	if (!request)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for a request");
	request->pending.user = user;
	request->answer = type == IPC_NET_PLUG    ? IPC_NET_PLUGGED
			  : type == IPC_NET_LIMIT ? IPC_NET_LIMITED
						  : IPC_NET_UNPLUGGED;
	request->done = done;
	if (daemon_send(netd->daemon, type, message, fds, fds_len, &request->pending.serial, err) <
		0) {
		free(request);
		return -1;
	}
	pending_add(&netd->requests, &request->pending);
	return 0;
}

int netd_plug(struct netd *netd, const Bulkhead__V1__NetPlug *plug, const int fds[3],
	netd_done_fn done, void *user, struct error *err)
{
	if (!netd_ready(netd))
		return error_set(err, ERR_UNAVAILABLE, 0, "the network is not ready: %s",
			netd->state && netd->state->reason[0] ? netd->state->reason
							      : "bulkhead-netd starts");
	if (policies_kick(netd, err) < 0)
		return -1;
	return ask(netd, IPC_NET_PLUG, &plug->base, fds, 3, done, user, err);
}

int netd_unplug(
	struct netd *netd, const char *pod_uid, netd_done_fn done, void *user, struct error *err)
{
	Bulkhead__V1__NetUnplug unplug = BULKHEAD__V1__NET_UNPLUG__INIT;

	unplug.pod_uid = (char *)(uintptr_t)pod_uid;
	return ask(netd, IPC_NET_UNPLUG, &unplug.base, NULL, 0, done, user, err);
}

int netd_limit(struct netd *netd, const Bulkhead__V1__NetLimit *limit, netd_done_fn done,
	void *user, struct error *err)
{
	return ask(netd, IPC_NET_LIMIT, &limit->base, NULL, 0, done, user, err);
}

void netd_forget(struct netd *netd, const void *user)
{
	pending_forget(&netd->requests, user);
	pending_forget(&netd->traces, user);
}

int netd_trace(struct netd *netd, const Bulkhead__V1__NetTrace *trace, netd_traced_fn done,
	void *user, struct error *err)
{
	return netd_trace_ask(&netd->traces, netd->daemon, trace, done, user, err);
}

int netd_check(struct netd *netd, const Bulkhead__V1__NetCheck *check, netd_checked_fn done,
	void *user, struct error *err)
{
	return netd_check_ask(&netd->traces, netd->daemon, check, done, user, err);
}

int netd_denials(struct netd *netd, netd_denied_fn done, void *user, struct error *err)
{
	return netd_denials_ask(&netd->traces, netd->daemon, done, user, err);
}

const char *netd_away(const struct netd *netd)
{
	if (!netd->daemon)
		return "the node has no subnet yet";
	return daemon_running(netd->daemon) ? NULL : daemon_reason(netd->daemon);
}
