#include <config.h>

#include "netplugin/flow_sync.h"

#include <stdlib.h>

#include "lib/log.h"
#include "netplugin/flow_set.h"
#include "openvswitch/list.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-bundle.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/rconn.h"
#include "openvswitch/vconn.h"
#include "timeval.h"
#include "util.h"

#define OPENFLOW      OFP15_VERSION
#define PROTOCOL      OFPUTIL_P_OF15_OXM
#define PROBE_SECONDS 10   /* a switch that hangs is noticed after twice that */
#define RETRY_MSEC    200  /* between attempts to connect */
#define REFUSED_MSEC  1000 /* before a refused bundle is tried again */
#define RECEIVE_MAX   64   /* messages a round */

enum phase {
	PHASE_DOWN,    /* no connection */
	PHASE_DUMPING, /* the dumps of meters and flows are coming in */
	PHASE_IDLE,    /* what the switch holds is known */
	PHASE_FILLING, /* meters sent, bundle open; a barrier tells whether each was taken */
	PHASE_COMMITTING,
};

/* What a dump is for. */
enum dump {
	DUMP_FIRST, /* of a connection */
	DUMP_CHECK, /* of what others may have changed */
	DUMP_AGAIN, /* after a refusal: some of the meters may have been taken */
};

struct flow_sync {
	struct flow_set *set;
	struct meter_set *meters;
	struct rconn *rconn;
	char *target;
	enum phase phase;
	unsigned connection;  /* rconn's number of the connection 'phase' is about */
	long long retry_at;   /* PHASE_DOWN: next attempt */
	long long send_after; /* no bundle before this time */
	ovs_be32 wait_xid;    /* of the flow dump, the barrier or the commit */
	ovs_be32 meters_xid;  /* of the meter dump, which is asked for before */
	bool meters_known;    /* the switch has said how many it has, now or earlier */
	uint32_t meters_max;  /* that many */
	bool meters_sent;     /* some are in flight, or are to go after the bundle */
	uint32_t bundle_id;
	uint64_t want_seq;    /* counts changes */
	uint64_t sent_seq;    /* want_seq when the bundle in flight was made */
	uint64_t done_seq;    /* in place */
	uint64_t refused_seq; /* refused */
	struct error refused; /* of the bundle in flight, or of the last one */
	size_t repaired;
	bool count_repairs;
	enum dump dump;     /* PHASE_DUMPING */
	long long check_at; /* PHASE_IDLE: next dump */
	uint64_t dump_seq;  /* want_seq when the dump began */
	uint64_t mended;
	bool held;
};

struct flow_sync *flow_sync_new(const char *target)
{
	struct flow_sync *sync = xzalloc(sizeof(*sync));

	sync->set = flow_set_new();
	sync->meters = meter_set_new();
	sync->target = xstrdup(target);
	sync->rconn = rconn_create(0, 1, 0, 1u << OPENFLOW);
	return sync;
}

void flow_sync_free(struct flow_sync *sync)
{
	if (!sync)
		return;
	rconn_destroy(sync->rconn);
	flow_set_free(sync->set);
	meter_set_free(sync->meters);
	free(sync->target);
	free(sync);
}

int flow_sync_want(struct flow_sync *sync, uint64_t cookie, const struct flow_list *list,
	uint64_t *ret_seq, struct error *err)
{
	if (flow_set_want(sync->set, cookie, list, err) < 0)
		return -1;
	sync->want_seq++;
	if (ret_seq)
		*ret_seq = sync->want_seq;
	return 0;
}

void flow_sync_want_meter(
	struct flow_sync *sync, uint32_t id, const struct meter *meter, uint64_t *ret_seq)
{
	meter_set_want(sync->meters, id, meter);
	sync->want_seq++;
	if (ret_seq)
		*ret_seq = sync->want_seq;
}

int flow_sync_meters_left(const struct flow_sync *sync, size_t more, struct error *err)
{
	if (!sync->meters_known)
		return 0;
	return meter_set_check_room(sync->meters, sync->meters_max, more, err);
}

/* Flows and meters that are not as wanted. */
static size_t differences(const struct flow_sync *sync)
{
	return flow_set_differences(sync->set) + meter_set_differences(sync->meters);
}

enum flow_state flow_sync_state(const struct flow_sync *sync, uint64_t seq, struct error *err)
{
	if (seq <= sync->done_seq)
		return FLOW_INSTALLED;
	if (seq > sync->refused_seq)
		return FLOW_PENDING;
	*err = sync->refused;
	return FLOW_REFUSED;
}

uint64_t flow_sync_wanted(const struct flow_sync *sync)
{
	return sync->want_seq;
}

size_t flow_sync_repaired(const struct flow_sync *sync)
{
	return sync->repaired;
}

uint64_t flow_sync_mended(const struct flow_sync *sync)
{
	return sync->mended;
}

int flow_sync_ready(const struct flow_sync *sync, struct error *err)
{
	if (sync->phase == PHASE_DOWN)
		return error_set(err, ERR_UNAVAILABLE, 0,
			"the bridge's OpenFlow socket does not answer (is ovs-vswitchd running?)");
	if (sync->done_seq > 0)
		return 0;
	if (sync->refused_seq > 0) {
		*err = sync->refused;
		return -1;
	}
	return error_set(err, ERR_UNAVAILABLE, 0, "the bridge's flows are not in place yet");
}

/* ---- sending ------------------------------------------------------------------------------- */

static void send_message(struct flow_sync *sync, struct ofpbuf *message)
{
	rconn_send(sync->rconn, message, NULL); /* what cannot be sent ends the connection */
}

/* The switch answers in order: the flows' dump is the last to come. */
static void ask_for_meters(struct flow_sync *sync)
{
	struct ofpbuf *message;

	if (sync->dump == DUMP_FIRST)
		send_message(
			sync, ofputil_encode_meter_request(OPENFLOW, OFPUTIL_METER_FEATURES, 0));
	message = ofputil_encode_meter_request(OPENFLOW, OFPUTIL_METER_CONFIG, OFPM13_ALL);
	sync->meters_xid = ((struct ofp_header *)message->data)->xid;
	meter_set_forget(sync->meters);
	sync->meters_sent = false;
	send_message(sync, message);
}

static void start_dump(struct flow_sync *sync, enum dump dump)
{
	struct ofputil_flow_stats_request request = {
		.match = MATCH_CATCHALL_INITIALIZER,
		.out_port = OFPP_ANY,
		.out_group = OFPG_ANY,
		.table_id = OFPTT_ALL,
	};
	struct ofpbuf *message = ofputil_encode_flow_stats_request(&request, PROTOCOL);

	sync->dump = dump;
	ask_for_meters(sync);
	flow_set_forget(sync->set);
	sync->dump_seq = sync->want_seq;
	sync->wait_xid = ((struct ofp_header *)message->data)->xid;
	sync->phase = PHASE_DUMPING;
	send_message(sync, message);
}

static ovs_be32 send_bundle_control(struct flow_sync *sync, uint16_t type)
{
	struct ofputil_bundle_ctrl_msg control = {
		.bundle_id = sync->bundle_id,
		.type = type,
		.flags = OFPBF_ATOMIC | OFPBF_ORDERED,
	};
	struct ofpbuf *message = ofputil_encode_bundle_ctrl_request(OPENFLOW, &control);
	ovs_be32 xid = ((struct ofp_header *)message->data)->xid;

	send_message(sync, message);
	return xid;
}

static void send_list(struct flow_sync *sync, struct ovs_list *requests)
{
	struct ofpbuf *request;

	LIST_FOR_EACH_POP(request, list_node, requests)
	send_message(sync, request);
}

/*
 * Sends meters, opens a bundle and fills it. A message that the switch refuses is left out of the
 * bundle, and the rest could still be committed; so a barrier comes first, and the commit only when
 * no error did.
 */
static void start_bundle(struct flow_sync *sync)
{
	struct ovs_list requests = OVS_LIST_INITIALIZER(&requests);
	struct ofpbuf *request, *barrier;

	sync->bundle_id++;
	sync->sent_seq = sync->want_seq;
	sync->refused = (struct error){ 0 };
	sync->meters_sent = meter_set_send(sync->meters, &requests) > 0;
	send_list(sync, &requests);
	flow_set_send(sync->set, &requests);
	send_bundle_control(sync, OFPBCT_OPEN_REQUEST);
	LIST_FOR_EACH_POP(request, list_node, &requests)
	{
		struct ofputil_bundle_add_msg add = {
			.bundle_id = sync->bundle_id,
			.flags = OFPBF_ATOMIC | OFPBF_ORDERED,
			.msg = request->data,
		};

		send_message(sync, ofputil_encode_bundle_add(OPENFLOW, &add));
		ofpbuf_delete(request);
	}
	barrier = ofputil_encode_barrier_request(OPENFLOW);
	sync->wait_xid = ((struct ofp_header *)barrier->data)->xid;
	sync->phase = PHASE_FILLING;
	send_message(sync, barrier);
}

/* ---- receiving ----------------------------------------------------------------------------- */

static void bundle_refused(struct flow_sync *sync)
{
	error_prefix(&sync->refused, "the switch refused the flows");
	sync->refused_seq = sync->sent_seq;
	sync->send_after = time_msec() + REFUSED_MSEC;
	flow_set_sent_done(sync->set, 0);
	sync->phase = PHASE_IDLE;
	if (sync->meters_sent)
		start_dump(sync, DUMP_AGAIN);
}

static void bundle_committed(struct flow_sync *sync)
{
	struct ovs_list requests = OVS_LIST_INITIALIZER(&requests);

	flow_set_sent_done(sync->set, 1);
	meter_set_sent_done(sync->meters, &requests);
	send_list(sync, &requests);
	sync->meters_sent = false;
	sync->done_seq = sync->sent_seq;
	sync->phase = PHASE_IDLE;
}

static void on_barrier(struct flow_sync *sync, const struct ofp_header *header)
{
	if (sync->phase != PHASE_FILLING || header->xid != sync->wait_xid)
		return;
	if (sync->refused.code != ERR_NONE) {
		send_bundle_control(sync, OFPBCT_DISCARD_REQUEST);
		bundle_refused(sync);
		return;
	}
	sync->wait_xid = send_bundle_control(sync, OFPBCT_COMMIT_REQUEST);
	sync->phase = PHASE_COMMITTING;
}

static void on_bundle_control(struct flow_sync *sync, const struct ofp_header *header)
{
	struct ofputil_bundle_ctrl_msg control;

	if (sync->phase != PHASE_COMMITTING || header->xid != sync->wait_xid)
		return;
	if (ofputil_decode_bundle_ctrl(header, &control) == 0 &&
		control.type == OFPBCT_COMMIT_REPLY && control.bundle_id == sync->bundle_id)
		bundle_committed(sync);
}

static void on_error(struct flow_sync *sync, const struct ofp_header *header)
{
	enum ofperr ofperr = ofperr_decode_msg(header, NULL);

	if (sync->phase == PHASE_FILLING || sync->phase == PHASE_COMMITTING)
		error_set(&sync->refused, ERR_INTERNAL, 0, "%s", ofperr_to_string(ofperr));
	if (sync->phase == PHASE_COMMITTING && header->xid == sync->wait_xid)
		bundle_refused(sync);
}

/* What was asked for while the dump came in differs, too, and is nobody else's doing. */
static void count_mended(struct flow_sync *sync)
{
	size_t found = differences(sync);
	char *one;

	if (found == 0 || sync->dump_seq != sync->want_seq)
		return;
	one = flow_set_differences(sync->set) ? flow_set_describe(sync->set)
					      : meter_set_describe(sync->meters);
	log_warning("%zu flows or meters of the bridge are not as netd made them, and are mended; "
		    "one: %s",
		found, one);
	free(one);
	sync->mended += found;
}

static void on_meters(struct flow_sync *sync, struct ofpbuf *message)
{
	const struct ofp_header *header = message->data;
	struct ofputil_meter_config config;
	struct ofpbuf bands;

	if (sync->phase != PHASE_DUMPING || header->xid != sync->meters_xid)
		return;
	ofpbuf_init(&bands, 64);
	while (ofputil_decode_meter_config(message, &config, &bands) == 0)
		meter_set_have(sync->meters, &config);
	ofpbuf_uninit(&bands);
}

static void on_meter_features(struct flow_sync *sync, const struct ofp_header *header)
{
	struct ofputil_meter_features features;

	ofputil_decode_meter_features(header, &features);
	sync->meters_known = true;
	sync->meters_max = features.band_types & 1u << OFPMBT13_DROP ? features.max_meters : 0;
}

static void on_dump(struct flow_sync *sync, struct ofpbuf *message)
{
	const struct ofp_header *header = message->data;
	bool more = ofpmp_more(header);
	struct ofputil_flow_stats stats;
	struct ofpbuf ofpacts;

	if (sync->phase != PHASE_DUMPING || header->xid != sync->wait_xid)
		return;
	ofpbuf_init(&ofpacts, 256);
	while (ofputil_decode_flow_stats_reply(&stats, message, false, &ofpacts) == 0)
		flow_set_have(sync->set, &stats);
	ofpbuf_uninit(&ofpacts);
	if (more)
		return;
	sync->phase = PHASE_IDLE;
	sync->check_at = time_msec() + FLOW_CHECK_MSEC;
	if (sync->dump == DUMP_CHECK)
		count_mended(sync);
	else if (sync->dump == DUMP_FIRST)
		sync->count_repairs = true;
}

static void on_message(struct flow_sync *sync, struct ofpbuf *message)
{
	const struct ofp_header *header = message->data;
	enum ofptype type;

	if (ofptype_decode(&type, header) != 0)
		return;
	if (type == OFPTYPE_ECHO_REQUEST)
		send_message(sync, ofputil_encode_echo_reply(header));
	else if (type == OFPTYPE_FLOW_STATS_REPLY)
		on_dump(sync, message);
	else if (type == OFPTYPE_METER_CONFIG_STATS_REPLY)
		on_meters(sync, message);
	else if (type == OFPTYPE_METER_FEATURES_STATS_REPLY)
		on_meter_features(sync, header);
	else if (type == OFPTYPE_BARRIER_REPLY)
		on_barrier(sync, header);
	else if (type == OFPTYPE_BUNDLE_CONTROL)
		on_bundle_control(sync, header);
	else if (type == OFPTYPE_ERROR)
		on_error(sync, header);
}

/* ---- the loop ------------------------------------------------------------------------------ */

static void connect_again(struct flow_sync *sync)
{
	if (sync->phase != PHASE_DOWN) {
		sync->phase = PHASE_DOWN;
		flow_set_forget(sync->set);
		meter_set_forget(sync->meters);
		sync->done_seq = 0;
		sync->refused_seq = 0;
		sync->retry_at = 0;
	}
	if (time_msec() < sync->retry_at)
		return;
	rconn_connect(sync->rconn, sync->target, sync->target);
	/* Connecting to a unix socket switches probes off, as if its peer could not hang. */
	rconn_set_probe_interval(sync->rconn, PROBE_SECONDS);
	sync->retry_at = time_msec() + RETRY_MSEC;
	rconn_run(sync->rconn);
}

/* Sends what differs, when it may. With nothing to send all that is wanted is in place. */
static void send_differences(struct flow_sync *sync)
{
	size_t found = differences(sync);

	if (sync->count_repairs) {
		sync->repaired = found;
		sync->count_repairs = false;
	}
	if (found == 0)
		sync->done_seq = sync->want_seq;
	else if (time_msec() >= sync->send_after)
		start_bundle(sync);
}

void flow_sync_run(struct flow_sync *sync, int hold)
{
	sync->held = hold;
	rconn_run(sync->rconn);
	if (!rconn_is_connected(sync->rconn)) {
		connect_again(sync);
		if (!rconn_is_connected(sync->rconn))
			return;
	}
	if (sync->phase == PHASE_DOWN ||
		sync->connection != rconn_get_connection_seqno(sync->rconn)) {
		sync->connection = rconn_get_connection_seqno(sync->rconn);
		sync->done_seq = 0;
		start_dump(sync, DUMP_FIRST);
	}
	for (int i = 0; i < RECEIVE_MAX; i++) {
		struct ofpbuf *message = rconn_recv(sync->rconn);

		if (!message)
			break;
		on_message(sync, message);
		ofpbuf_delete(message);
	}
	if (sync->phase == PHASE_IDLE && !hold)
		send_differences(sync);
#ifndef BULKHEAD_WEAK_FLOW_CHECK
	if (sync->phase == PHASE_IDLE && !hold && time_msec() >= sync->check_at &&
		differences(sync) == 0)
		start_dump(sync, DUMP_CHECK);
#endif
}

void flow_sync_wait(struct flow_sync *sync)
{
	rconn_run_wait(sync->rconn);
	rconn_recv_wait(sync->rconn);
	if (sync->phase == PHASE_DOWN)
		poll_timer_wait_until(sync->retry_at);
	else if (sync->phase == PHASE_IDLE && !sync->held && differences(sync) > 0)
		poll_timer_wait_until(sync->send_after);
	else if (sync->phase == PHASE_IDLE && !sync->held)
		poll_timer_wait_until(sync->check_at);
}
