#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dp-packet.h"
#include "flow.h"
#include "lib/log.h"
#include "netplugin/denial_table.h"
#include "netplugin/denials.h"
#include "netplugin/endpoint.h"
#include "netplugin/trace_answer.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-packet.h"
#include "openvswitch/ofp-switch.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/rconn.h"
#include "proto/ipc_table.h"
#include "timeval.h"
#include "util.h"

#define OPENFLOW       OFP15_VERSION
#define HEAD_SIZE      64   /* bytes of each packet: Ethernet, IP and ports */
#define ROUND_MAX      64   /* taken in one round of the loop */
#define LOG_EVERY_MSEC 1000 /* between two lines */

struct denials {
	struct rconn *rconn;
	unsigned connection;
	bool tried; /* ports that have no flows yet were looked at, and the switch has no meters */
	long long logged_msec;
	struct denial_table table;
};

struct denials *denials_new(const char *target)
{
	struct denials *denials = xzalloc(sizeof(*denials));

	denials->rconn = rconn_create(0, 1, 0, 1u << OPENFLOW);
	rconn_connect(denials->rconn, target, target); /* and again by itself */
	return denials;
}

/* ---- flows --------------------------------------------------------------------------------- */

static uint32_t meter_of(const struct netd *netd, const struct endpoint *endpoint)
{
	return DENIALS_METER + endpoint->record.address - netd->config.node.subnet.address;
}

static int append(struct flow_list *list, const struct netd *netd, const struct endpoint *endpoint,
	unsigned table, struct error *err)
{
#ifdef BULKHEAD_WEAK_DENY_METER
	char *line = xasprintf("cookie=0x%llx,table=%u,priority=1,in_port=%lld,actions=controller("
			       "max_len=%d,userdata=%02x)",
		(unsigned long long)flow_cookie(FLOW_DENIAL, endpoint->record.address), table,
		(long long)endpoint->record.ofport, HEAD_SIZE, table);
	(void)netd;
#else
	char *line = xasprintf(
		"cookie=0x%llx,table=%u,priority=1,in_port=%lld,actions=controller(max_len=%d,"
		"userdata=%02x,meter_id=%u)",
		(unsigned long long)flow_cookie(FLOW_DENIAL, endpoint->record.address), table,
		(long long)endpoint->record.ofport, HEAD_SIZE, table, meter_of(netd, endpoint));
#endif

	return flow_list_add(list, line, err);
}

static int want(
	struct netd *netd, struct endpoint *endpoint, bool wanted, uint64_t *seq, struct error *err)
{
	static const unsigned tables[] = { 20, 40, 80 };
	const struct meter meter = { DENIALS_RATE, DENIALS_BURST };
	struct flow_list list = { 0 };
	int r = 0;

	for (size_t i = 0; wanted && r == 0 && i < ARRAY_SIZE(tables); i++)
		r = append(&list, netd, endpoint, tables[i], err);
	if (r == 0)
		r = flow_sync_want(netd->flows, flow_cookie(FLOW_DENIAL, endpoint->record.address),
			&list, seq, err);
	flow_list_done(&list);
	if (r < 0)
		return -1;
	flow_sync_want_meter(netd->flows, meter_of(netd, endpoint), wanted ? &meter : NULL, seq);
	endpoint->denials_wanted = wanted;
	return 0;
}

int denials_follow(
	struct netd *netd, struct endpoint *endpoint, bool wanted, uint64_t *seq, struct error *err)
{
	return endpoint->denials_wanted ? want(netd, endpoint, wanted, seq, err) : 0;
}

/* When the switch has told whether it has meters. What is not logged is denied all the same. */
static void want_missing(struct netd *netd)
{
	struct endpoint *endpoint;
	struct error err = { 0 };

	if (flow_sync_ready(netd->flows, &err) < 0 || netd->denials->tried)
		return;
	HMAP_FOR_EACH(endpoint, node, &netd->endpoints)
	{
		if (endpoint->denials_wanted || !endpoint->flows_wanted ||
			endpoint->direction != ENDPOINT_SETTLED)
			continue;
		if (flow_sync_meters_left(netd->flows, 1, &err) < 0 ||
			want(netd, endpoint, true, NULL, &err) < 0) {
			netd->denials->tried = err.code == ERR_UNSUPPORTED;
			log_warning("what port '%s' is denied is not logged: %s",
				endpoint->record.name, err.text);
			return;
		}
	}
}

/* ---- packets ------------------------------------------------------------------------------- */

static const struct endpoint *find_address(const struct netd *netd, uint32_t address)
{
	const struct endpoint *endpoint;

	HMAP_FOR_EACH(endpoint, node, &netd->endpoints)
	{
		if (endpoint->record.address == address)
			return endpoint;
	}
	return NULL;
}

static const struct endpoint *find_port(const struct netd *netd, uint32_t ofport)
{
	const struct endpoint *endpoint;

	HMAP_FOR_EACH(endpoint, node, &netd->endpoints)
	{
		if (endpoint->record.ofport == (int64_t)ofport)
			return endpoint;
	}
	return NULL;
}

/* "red/web (10.128.0.2)", or the address alone. */
static char *name_of(const struct endpoint *endpoint, uint32_t address)
{
	char text[IPNET_TEXT_SIZE];

	address_format(address, text);
	return endpoint ? xasprintf("%s/%s (%s)", endpoint->record.project, endpoint->record.pod,
				  text)
			: xstrdup(text);
}

/* One line for what is new, and not more than one in LOG_EVERY_MSEC. */
static void log_new(struct netd *netd, const struct denial_key *key)
{
	struct denials *denials = netd->denials;
	const struct endpoint *source = find_port(netd, key->in_port);
	const struct endpoint *destination = find_address(netd, key->destination);
	char *from, *to;

	if (time_msec() < denials->logged_msec + LOG_EVERY_MSEC)
		return;
	denials->logged_msec = time_msec();
	from = name_of(source, source ? source->record.address : key->source);
	to = name_of(destination, key->destination);
	log_notice("denied: %s to %s, protocol %u port %u, by table %u", from, to, key->protocol,
		key->port, key->table);
	free(from);
	free(to);
}

/* What asks for an address that no pod has is denied nothing. */
static void note(struct netd *netd, const struct ofputil_packet_in *pin)
{
	struct dp_packet packet;
	struct denial_key key;
	struct flow flow;

	dp_packet_use_const(&packet, pin->packet, pin->packet_len);
	flow_extract(&packet, &flow);
	key = (struct denial_key){
		.in_port = ofp_to_u16(pin->flow_metadata.flow.in_port.ofp_port),
		.table = pin->table_id,
		.source = ntohl(flow.nw_src),
		.destination = ntohl(flow.nw_dst),
	};
	if (flow.dl_type == htons(ETH_TYPE_IP)) {
		key.protocol = flow.nw_proto;
		key.port = flow.nw_proto == IPPROTO_ICMP ? 0 : ntohs(flow.tp_dst);
	} else if (key.table != 20 && !find_address(netd, key.destination)) {
		return;
	}
	if (denial_table_note(&netd->denials->table, &key, time_wall_msec()))
		log_new(netd, &key);
}

static void take(struct netd *netd, const struct ofpbuf *message)
{
	struct ofputil_packet_in pin;
	enum ofptype type;
	size_t total;
	uint32_t buffer;

	if (ofptype_decode(&type, message->data))
		return;
	if (type == OFPTYPE_ECHO_REQUEST)
		rconn_send(netd->denials->rconn, ofputil_encode_echo_reply(message->data), NULL);
	if (type != OFPTYPE_PACKET_IN)
		return;
	if (ofputil_decode_packet_in(
		    message->data, true, NULL, NULL, &pin, &total, &buffer, NULL) == 0)
		note(netd, &pin);
}

/* A management connection gets packets only after it has asked for some length. */
static void ask_for_packets(struct denials *denials)
{
	const struct ofputil_switch_config config = {
		.frag = OFPUTIL_FRAG_NORMAL,
		.invalid_ttl_to_controller = -1,
		.miss_send_len = HEAD_SIZE,
	};

	rconn_send(denials->rconn, ofputil_encode_set_config(&config, OPENFLOW), NULL);
}

void denials_run(struct netd *netd)
{
	struct denials *denials = netd->denials;

	if (!denials)
		return;
	rconn_run(denials->rconn);
	if (rconn_is_connected(denials->rconn) &&
		denials->connection != rconn_get_connection_seqno(denials->rconn)) {
		denials->connection = rconn_get_connection_seqno(denials->rconn);
		ask_for_packets(denials);
	}
	for (int i = 0; i < ROUND_MAX; i++) {
		struct ofpbuf *message = rconn_recv(denials->rconn);

		if (!message)
			break;
		take(netd, message);
		ofpbuf_delete(message);
	}
	want_missing(netd);
}

void denials_wait(const struct netd *netd)
{
	if (!netd->denials)
		return;
	rconn_run_wait(netd->denials->rconn);
	rconn_recv_wait(netd->denials->rconn);
}

/* ---- the message --------------------------------------------------------------------------- */

/* One row with its ends. */
struct row {
	Bulkhead__V1__NetDenial message;
	Bulkhead__V1__NetTraceEnd source, destination;
	struct trace_who source_who, destination_who;
	struct trace_end_text source_text, destination_text;
};

static void fill_who(struct trace_who *ret, const struct endpoint *endpoint, uint32_t address)
{
	if (endpoint)
		trace_who_is(ret, endpoint);
	else
		ret->address = address;
}

static void fill_row(const struct netd *netd, struct row *row, const struct denial *denial)
{
	const struct endpoint *source = find_port(netd, denial->key.in_port);

	fill_who(&row->source_who, source, denial->key.source);
	fill_who(&row->destination_who, find_address(netd, denial->key.destination),
		denial->key.destination);
	trace_fill_end(&row->source, &row->source_who, &row->source_text);
	trace_fill_end(&row->destination, &row->destination_who, &row->destination_text);
	bulkhead__v1__net_denial__init(&row->message);
	row->message.source = &row->source;
	row->message.destination = &row->destination;
	row->message.forged = denial->key.table == 20;
	row->message.table = denial->key.table;
	row->message.protocol = denial->key.protocol;
	row->message.port = denial->key.port;
	row->message.count = denial->count;
	row->message.first_msec = denial->first_msec;
	row->message.last_msec = denial->last_msec;
}

static void tell(struct netd *netd, uint32_t serial, const Bulkhead__V1__NetDenied *message)
{
	struct error err = { 0 };

	if (ipc_table_send(netd->ipc, IPC_NET_DENIED, serial, &message->base, NULL, 0, NULL, &err) <
		0)
		log_error("%s", err.text);
}

void denials_answer(struct netd *netd, uint32_t serial)
{
	Bulkhead__V1__NetDenied message = BULKHEAD__V1__NET_DENIED__INIT;
	Bulkhead__V1__NetDenial **list;
	Bulkhead__V1__Error error;
	struct error err = { 0 };
	struct row *rows;

	if (!netd->denials) {
		error_set(&err, ERR_PRECONDITION, 0,
			"what is denied is not logged: say deny_log: \"on\" in node.yaml and start "
			"the agent again");
		ipc_error_pack(&err, &error);
		message.error = &error;
		tell(netd, serial, &message);
		return;
	}
	rows = xcalloc(DENIALS_MAX, sizeof(*rows));
	list = xcalloc(DENIALS_MAX, sizeof(Bulkhead__V1__NetDenial *));
	for (size_t i = 0; i < DENIALS_MAX; i++) {
		if (!netd->denials->table.rows[i].used)
			continue;
		fill_row(netd, &rows[message.n_denials], &netd->denials->table.rows[i]);
		list[message.n_denials] = &rows[message.n_denials].message;
		message.n_denials++;
	}
	message.denials = list;
	tell(netd, serial, &message);
	free(list);
	free(rows);
}
