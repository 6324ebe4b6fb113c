#include <config.h>

#include "netplugin/denials.h"
#include "netplugin/endpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hash.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "netplugin/guard.h"
#include "netplugin/limits.h"
#include "netplugin/rtnl.h"
#include "openvswitch/poll-loop.h"
#include "timeval.h"
#include "util.h"

enum progress {
	STEP_DONE,
	STEP_WAIT,
	STEP_FAILED,
};

static struct log_subject subject_of(const struct endpoint *endpoint)
{
	return (struct log_subject){
		.project = endpoint->record.project,
		.pod = endpoint->record.pod,
		.uid = endpoint->record.pod_uid,
	};
}

/* ---- steps --------------------------------------------------------------------------------- */

static enum progress switch_do(struct netd *netd, struct endpoint *endpoint, struct error *err)
{
	(void)endpoint;
	return netd_ready(netd, err) < 0 ? STEP_WAIT : STEP_DONE;
}

static enum progress address_do(struct netd *netd, struct endpoint *endpoint, struct error *err)
{
	struct port_record *record = &endpoint->record;

	if (ipam_take(netd->ipam, &record->address, err) < 0)
		return STEP_FAILED;
	record->ofport_request = record->address - netd->config.node.subnet.address;
	return STEP_DONE;
}

static enum progress address_undo(struct netd *netd, struct endpoint *endpoint, struct error *err)
{
	(void)err;
	ipam_release(netd->ipam, endpoint->record.address);
	endpoint->record.address = 0;
	return STEP_DONE;
}

static enum progress veth_do(struct netd *netd, struct endpoint *endpoint, struct error *err)
{
	char alias[LINK_ALIAS_SIZE];
	struct veth veth = {
		.name = endpoint->record.name,
		.alias = alias,
		.peer_name = endpoint->record.link,
		.peer_netns_fd = endpoint->netns_fd,
		.mtu = netd->config.mtu,
		.group = link_group_of(netd->config.bridge),
	};

	netd_link_alias(netd, endpoint->record.pod_uid, alias);
	mac_of_address(endpoint->record.address, veth.peer_mac);
	if (rtnl_veth_create(netd->route_fd, &veth, err) < 0)
		return STEP_FAILED;
	endpoint->link_made = true;
	return STEP_DONE;
}

static enum progress veth_undo(struct netd *netd, struct endpoint *endpoint, struct error *err)
{
	if (!endpoint->link_made)
		return STEP_DONE; /* a link of this name, if there is one, is somebody else's */
	if (rtnl_link_delete(netd->route_fd, endpoint->record.name, err) < 0)
		return STEP_FAILED;
	endpoint->link_made = false;
	return STEP_DONE;
}

static enum progress guard_do(struct netd *netd, struct endpoint *endpoint, struct error *err)
{
	if (!netd->config.guard)
		return STEP_DONE;
	return guard_add(netd->guard_fd, endpoint->record.name, err) < 0 ? STEP_FAILED : STEP_DONE;
}

static enum progress guard_undo(struct netd *netd, struct endpoint *endpoint, struct error *err)
{
	if (!netd->config.guard || !endpoint->link_made)
		return STEP_DONE;
	return guard_remove(netd->guard_fd, endpoint->record.name, err) < 0 ? STEP_FAILED
									    : STEP_DONE;
}

static enum progress pod_side_do(struct netd *netd, struct endpoint *endpoint, struct error *err)
{
	const struct netd_config *config = &netd->config;
	const char *link = endpoint->record.link;
	int fd = endpoint->pod_route_fd;

	if (rtnl_link_no_ipv6(fd, link, err) < 0 ||
		(config->guard && rtnl_tx_checksum_off(endpoint->pod_inet_fd, link, err) < 0) ||
		rtnl_address_add(
			fd, link, endpoint->record.address, config->node.cluster.prefix, err) < 0 ||
		rtnl_link_up(fd, link, err) < 0 ||
		(config->egress != EGRESS_OFF &&
			rtnl_route_default(fd, link, flow_gateway(&config->node), err) < 0)) {
		error_prefix(err, "in the pod's network namespace");
		return STEP_FAILED;
	}
	return STEP_DONE;
}

static enum progress link_do(struct netd *netd, struct endpoint *endpoint, struct error *err)
{
	return rtnl_link_up(netd->route_fd, endpoint->record.name, err) < 0 ? STEP_FAILED
									    : STEP_DONE;
}

static enum progress link_undo(struct netd *netd, struct endpoint *endpoint, struct error *err)
{
	if (!endpoint->link_made)
		return STEP_DONE;
	return rtnl_link_down(netd->route_fd, endpoint->record.name, err) < 0 ? STEP_FAILED
									      : STEP_DONE;
}

/* The operation's state; one that is over is freed. */
static enum op_state finish_op(struct endpoint *endpoint, struct error *err)
{
	enum op_state state = switchdb_op_state(endpoint->op, err);

	if (state != OP_PENDING) {
		switchdb_op_free(endpoint->op);
		endpoint->op = NULL;
	}
	return state;
}

/* Adds the port, then waits until ovs-vswitchd gave it a number. */
static enum progress port_do(struct netd *netd, struct endpoint *endpoint, struct error *err)
{
	struct port_record *record = &endpoint->record;
	int64_t ofport;

	if (switchdb_ready(netd->db, err) < 0 && !endpoint->op)
		return STEP_WAIT;
	if (!endpoint->port_known) {
		/* One that was sent may have been carried out though nobody could say so. */
		if (!endpoint->port_sent ||
			!switchdb_find(netd->db, record->name, &ofport, record->problem))
			endpoint->op = switchdb_add(netd->db, record);
		endpoint->port_known = true;
		endpoint->port_sent = true;
	}
	if (endpoint->op) {
		enum op_state state = finish_op(endpoint, err);

		if (state == OP_AGAIN) {
			endpoint->port_known = false;
			poll_immediate_wake();
		}
		if (state != OP_DONE)
			return state == OP_FAILED ? STEP_FAILED : STEP_WAIT;
	}
	if (!switchdb_find(netd->db, record->name, &ofport, record->problem) || ofport == 0) {
		error_set(err, ERR_UNAVAILABLE, 0, "ovs-vswitchd gave port '%s' no number",
			record->name);
		return STEP_WAIT;
	}
	if (ofport < 0) {
		error_set(err, ERR_INTERNAL, 0, "ovs-vswitchd cannot use port '%s': %s",
			record->name, record->problem);
		return STEP_FAILED;
	}
	record->ofport = ofport;
	return STEP_DONE;
}

static enum progress port_undo(struct netd *netd, struct endpoint *endpoint, struct error *err)
{
	enum op_state state;

	if (!endpoint->port_sent)
		return STEP_DONE;
	if (endpoint->op && switchdb_op_state(endpoint->op, NULL) == OP_PENDING)
		return STEP_WAIT; /* the addition itself */
	if (switchdb_ready(netd->db, err) < 0)
		return STEP_WAIT;
	switchdb_op_free(endpoint->op);
	endpoint->op = switchdb_remove(netd->db, endpoint->record.name);
	state = finish_op(endpoint, err);
	if (state == OP_FAILED)
		return STEP_FAILED;
	if (state == OP_DONE)
		endpoint->port_sent = endpoint->port_known = false;
	return state == OP_DONE ? STEP_DONE : STEP_WAIT;
}

/* Whether another endpoint needs the flows of 'vnid'. */
static bool vnid_is_used(const struct netd *netd, const struct endpoint *except, uint32_t vnid)
{
	const struct endpoint *endpoint;

	HMAP_FOR_EACH(endpoint, node, &netd->endpoints)
	{
		if (endpoint != except && endpoint->flows_wanted && endpoint->record.vnid == vnid)
			return true;
	}
	return false;
}

static int want_vnid(
	struct netd *netd, uint32_t vnid, bool wanted, uint64_t *seq, struct error *err)
{
	struct flow_list list = { 0 };
	int r = 0;

	if (vnid == VNID_GLOBAL)
		return 0;
	if (wanted)
		r = flows_vnid(vnid, &list, err);
	if (r == 0)
		r = flow_sync_want(netd->flows, flow_cookie(FLOW_VNID, vnid), &list, seq, err);
	flow_list_done(&list);
	return r;
}

static int want_pod(struct netd *netd, struct endpoint *endpoint, bool wanted, struct error *err)
{
	const struct port_record *record = &endpoint->record;
	const struct flow_port port = {
		.address = record->address,
		.vnid = record->vnid,
		.ofport = (uint32_t)record->ofport,
	};
	struct flow_list list = { 0 };
	int r = 0;

	netd->policies.dirty = true;
	if (wanted)
		r = flows_pod(&port, &list, err);
	if (r == 0)
		r = flow_sync_want(netd->flows, flow_cookie(FLOW_POD, record->address), &list,
			&endpoint->flow_seq, err);
	flow_list_done(&list);
	return r;
}

int endpoint_refresh_flows(struct netd *netd, struct endpoint *endpoint, struct error *err)
{
	if (want_vnid(netd, endpoint->record.vnid, true, &endpoint->flow_seq, err) < 0 ||
		want_pod(netd, endpoint, true, err) < 0)
		return -1;
	endpoint->flows_wanted = true;
	endpoint->flows_removed = false;
	if (denials_follow(netd, endpoint, true, &endpoint->flow_seq, err) < 0)
		return -1;
	return limits_want(netd, endpoint, true, &endpoint->flow_seq, err);
}

/* Either all of it, or it keeps the VNID that it had. */
static int move(struct netd *netd, struct endpoint *endpoint, struct error *err)
{
	uint32_t old = endpoint->record.vnid;

	endpoint->record.vnid = endpoint->next_vnid;
	if (endpoint->flows_wanted && endpoint_refresh_flows(netd, endpoint, err) < 0) {
		endpoint->record.vnid = old;
		return error_prefix(err, "port '%s' keeps VNID %u", endpoint->record.name, old);
	}
	log_notice("port '%s' has VNID %u now, not %u", endpoint->record.name,
		endpoint->record.vnid, old);
	if (!endpoint->flows_wanted || vnid_is_used(netd, endpoint, old))
		return 0;
	return want_vnid(netd, old, false, NULL, err);
}

int endpoints_move(struct netd *netd, struct error *err)
{
	struct endpoint *endpoint;
	int r = 0;

	HMAP_FOR_EACH(endpoint, node, &netd->endpoints)
	{
		if (endpoint->next_vnid == endpoint->record.vnid)
			continue;
		netd->rows.due = true;
		if (move(netd, endpoint, err) < 0)
			r = -1;
	}
	return r;
}

static enum progress flows_do(struct netd *netd, struct endpoint *endpoint, struct error *err)
{
	enum flow_state state;

	if (!endpoint->flows_wanted && (limits_check_room(netd, endpoint, err) < 0 ||
					       endpoint_refresh_flows(netd, endpoint, err) < 0))
		return STEP_FAILED;
	state = flow_sync_state(netd->flows, endpoint->flow_seq, err);
	if (state == FLOW_PENDING)
		error_set(err, ERR_UNAVAILABLE, 0, "the switch has not taken the flows");
	return state == FLOW_INSTALLED ? STEP_DONE
	       : state == FLOW_REFUSED ? STEP_FAILED
				       : STEP_WAIT;
}

static int unwant_flows(struct netd *netd, struct endpoint *endpoint, struct error *err)
{
	uint32_t vnid = endpoint->record.vnid;

	if (!endpoint->flows_wanted || endpoint->flows_removed)
		return 0;
	endpoint->flows_wanted = false;
	if (want_pod(netd, endpoint, false, err) < 0 ||
		denials_follow(netd, endpoint, false, &endpoint->flow_seq, err) < 0 ||
		limits_want(netd, endpoint, false, &endpoint->flow_seq, err) < 0 ||
		(!vnid_is_used(netd, endpoint, vnid) &&
			want_vnid(netd, vnid, false, &endpoint->flow_seq, err) < 0))
		return -1;
	endpoint->flows_removed = true;
	return 0;
}

static enum progress flows_undo(struct netd *netd, struct endpoint *endpoint, struct error *err)
{
	if (unwant_flows(netd, endpoint, err) < 0)
		return STEP_FAILED;
	if (!endpoint->flows_removed)
		return STEP_DONE;
	if (flow_sync_state(netd->flows, endpoint->flow_seq, err) == FLOW_INSTALLED)
		return STEP_DONE;
	error_set(err, ERR_UNAVAILABLE, 0, "the switch has not given up the flows");
	return STEP_WAIT;
}

/* An undo must do no harm when its step was not done, or only half. */
static const struct step {
	const char *name;
	enum progress (*run)(struct netd *netd, struct endpoint *endpoint, struct error *err);
	enum progress (*undo)(struct netd *netd, struct endpoint *endpoint, struct error *err);
	const char *why; /* why it stands here */
} steps[] = {
	{ "switch", switch_do, NULL, "addresses in use are known only from OVSDB" },
	{ "address", address_do, address_undo, "MAC and flows follow from it" },
	{ "veth", veth_do, veth_undo, "both ends are born down" },
	{ "guard", guard_do, guard_undo, "no frame may pass before it; undone with the link down" },
	{ "pod side", pod_side_do, NULL, "the pod's end goes with the pair" },
	{ "link up", link_do, link_undo,
		"before Open vSwitch opens it, so that it sees no change" },
	{ "port", port_do, port_undo, "fail_mode secure: no flow names it yet, nothing passes" },
	{ "flows", flows_do, flows_undo, "last: in one bundle; undone first" },
};

#define STEPS ARRAY_LEN(steps)

const char *endpoint_step_name(size_t i)
{
	return i < STEPS ? steps[i].name : NULL;
}

static size_t step_index(const char *name)
{
	size_t i = 0;

	while (i < STEPS && strcmp(steps[i].name, name) != 0)
		i++;
	return i;
}

/* ---- life ---------------------------------------------------------------------------------- */

struct endpoint *endpoint_find(const struct netd *netd, const char *pod_uid)
{
	struct endpoint *endpoint;

	HMAP_FOR_EACH_WITH_HASH(endpoint, node, hash_string(pod_uid, 0), &netd->endpoints)
	{
		if (strcmp(endpoint->record.pod_uid, pod_uid) == 0)
			return endpoint;
	}
	return NULL;
}

static struct endpoint *endpoint_new(struct netd *netd, const struct port_record *record)
{
	struct endpoint *endpoint = xzalloc(sizeof(*endpoint));

	endpoint->record = *record;
	endpoint->netns_fd = endpoint->pod_route_fd = endpoint->pod_inet_fd = -1;
	hmap_insert(&netd->endpoints, &endpoint->node, hash_string(record->pod_uid, 0));
	return endpoint;
}

static void close_pod_fds(struct endpoint *endpoint)
{
	cleanup_close_fn(&endpoint->netns_fd);
	cleanup_close_fn(&endpoint->pod_route_fd);
	cleanup_close_fn(&endpoint->pod_inet_fd);
	endpoint->netns_fd = endpoint->pod_route_fd = endpoint->pod_inet_fd = -1;
}

void endpoint_plug(struct netd *netd, const struct port_record *record, struct asker plugger,
	int netns_fd, int route_fd, int inet_fd)
{
	struct endpoint *endpoint = endpoint_new(netd, record);

	port_name_of(record->pod_uid, endpoint->record.name);
	limits_fill(netd, &endpoint->record);
	endpoint->netns_fd = netns_fd;
	endpoint->pod_route_fd = route_fd;
	endpoint->pod_inet_fd = inet_fd;
	endpoint->plugger = plugger;
	endpoint->deadline = time_msec() + PLUG_DEADLINE_MSEC;
}

void endpoint_adopt(struct netd *netd, const struct port_record *record, bool alive)
{
	struct endpoint *endpoint = endpoint_new(netd, record);
	struct error err = { 0 };

	endpoint->port_sent = endpoint->port_known = true;
	endpoint->link_made = true;
	endpoint->step = STEPS;
	endpoint->record.ofport_request = record->address - netd->config.node.subnet.address;
	if (alive && record->ofport <= 0) {
		/* ovs-vswitchd has not got to it yet: go on from the port. */
		endpoint->direction = ENDPOINT_UP;
		endpoint->step = step_index("port");
		return;
	}
	endpoint->direction = alive ? ENDPOINT_SETTLED : ENDPOINT_DOWN;
	if (alive && endpoint_refresh_flows(netd, endpoint, &err) < 0) {
		endpoint->direction = ENDPOINT_DOWN;
		endpoint->failure = err;
	}
}

void endpoint_remove(struct netd *netd, struct endpoint *endpoint, const struct error *why)
{
	(void)netd;
	if (endpoint->direction == ENDPOINT_DOWN)
		return;
	/* The step under way may be half done: it is undone too. */
	if (endpoint->step < STEPS)
		endpoint->step++;
	/* Those of a port that was lost may be in the switch yet. */
	if (endpoint->flows_wanted || endpoint->flows_removed)
		endpoint->step = STEPS;
	endpoint->direction = ENDPOINT_DOWN;
	endpoint->failure = *why;
	endpoint->deadline = time_msec() +
			     (endpoint->plugger.serial ? UNDO_DEADLINE_MSEC : UNPLUG_DEADLINE_MSEC);
}

void endpoint_repair(struct netd *netd, struct endpoint *endpoint)
{
	struct error err = { 0 };

	/* The number that the flows name may be another port's next. */
	if (unwant_flows(netd, endpoint, &err) < 0)
		log_error("%s", err.text);
	endpoint->direction = ENDPOINT_UP;
	endpoint->step = step_index("port");
	endpoint->port_known = false;
}

static void answer_unplugs(struct netd *netd, struct endpoint *endpoint, const struct error *err)
{
	for (size_t i = 0; i < endpoint->unplugs_len; i++)
		unplug_answer(netd, endpoint->unplugs[i], endpoint->record.pod_uid, err);
	endpoint->unplugs_len = 0;
}

static void answer_plug(struct netd *netd, struct endpoint *endpoint, const struct error *err)
{
	if (!endpoint->plugger.serial)
		return;
	plug_answer(netd, endpoint->plugger, endpoint, err);
	endpoint->plugger = (struct asker){ 0 };
}

static void endpoint_free(struct netd *netd, struct endpoint *endpoint)
{
	const struct log_subject subject = subject_of(endpoint);
	const struct error none = { 0 };

	answer_plug(netd, endpoint, &endpoint->failure);
	answer_unplugs(netd, endpoint, &none);
	limits_cancel(netd, endpoint, "the pod is unplugged");
	if (endpoint->sync_removed)
		netd->sync.removed++;
	log_write(LOG_LEVEL_INFO, &subject, "port '%s' is gone", endpoint->record.name);
	hmap_remove(&netd->endpoints, &endpoint->node);
	close_pod_fds(endpoint);
	switchdb_op_free(endpoint->op);
	free(endpoint);
}

static void endpoint_settle(struct netd *netd, struct endpoint *endpoint)
{
	const struct log_subject subject = subject_of(endpoint);
	const struct error none = { 0 };

	endpoint->direction = ENDPOINT_SETTLED;
	close_pod_fds(endpoint);
	answer_plug(netd, endpoint, &none);
	log_write(LOG_LEVEL_INFO, &subject, "port '%s' is plugged, VNID %u", endpoint->record.name,
		endpoint->record.vnid);
}

static void drive_up(struct netd *netd, struct endpoint *endpoint)
{
	while (endpoint->step < STEPS) {
		struct error err = { 0 };
		enum progress progress = steps[endpoint->step].run(netd, endpoint, &err);

		if (progress == STEP_WAIT && endpoint->plugger.serial &&
			time_msec() >= endpoint->deadline) {
			err.code = ERR_UNAVAILABLE;
			error_prefix(&err, "gave up after %d s", PLUG_DEADLINE_MSEC / 1000);
			progress = STEP_FAILED;
		}
		if (progress == STEP_WAIT)
			return;
		if (progress == STEP_FAILED) {
			error_prefix(&err, "cannot plug pod '%s' of project '%s'",
				endpoint->record.pod, endpoint->record.project);
			log_error("%s", err.text);
			endpoint_remove(netd, endpoint, &err);
			return;
		}
		endpoint->step++;
	}
	endpoint_settle(netd, endpoint);
}

/* An undo that fails is tried again in the next second: what it left must not be forgotten. */
static void drive_down(struct netd *netd, struct endpoint *endpoint)
{
	while (endpoint->step > 0) {
		const struct step *step = &steps[endpoint->step - 1];
		struct error err = { 0 };
		enum progress progress = step->undo ? step->undo(netd, endpoint, &err) : STEP_DONE;

		if (progress != STEP_DONE) {
			if (progress == STEP_FAILED)
				poll_timer_wait(1000);
			if (time_msec() < endpoint->deadline)
				return;
			error_prefix(&err, "pod '%s' is not unplugged yet", endpoint->record.pod);
			answer_plug(netd, endpoint, &endpoint->failure);
			answer_unplugs(netd, endpoint, &err);
			return;
		}
		endpoint->step--;
	}
	endpoint_free(netd, endpoint);
}

void endpoints_run(struct netd *netd)
{
	struct endpoint *endpoint;

	HMAP_FOR_EACH_SAFE(endpoint, node, &netd->endpoints)
	{
		if (endpoint->direction == ENDPOINT_UP)
			drive_up(netd, endpoint);
		if (endpoint->direction == ENDPOINT_DOWN)
			drive_down(netd, endpoint);
	}
}

void endpoints_wait(struct netd *netd)
{
	const struct endpoint *endpoint;

	HMAP_FOR_EACH(endpoint, node, &netd->endpoints)
	{
		if (endpoint->direction == ENDPOINT_SETTLED)
			continue;
		if (endpoint->plugger.serial || endpoint->unplugs_len > 0)
			poll_timer_wait_until(endpoint->deadline);
	}
}
