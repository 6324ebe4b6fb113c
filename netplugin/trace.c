#include <config.h>

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jsonrpc.h"
#include "netplugin/check.h"
#include "netplugin/endpoint.h"
#include "netplugin/peers.h"
#include "netplugin/trace.h"
#include "netplugin/trace_answer.h"
#include "openvswitch/json.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "stream.h"
#include "timeval.h"
#include "util.h"

#define CONTROL_SIZE 64

struct job {
	struct ovs_list node;
	uint32_t serial;
	long long deadline;
	char control[CONTROL_SIZE];
	uint8_t protocol;
	uint16_t port;
	enum trace_leg_id leg; /* that is being asked */
	struct trace_found found;
	struct check *check; /* NULL: one question */
};

struct tracer {
	struct ovs_list jobs; /* the first is under way */
	size_t jobs_len;
	struct jsonrpc *rpc; /* NULL: not connected */
	struct json *asked;  /* id of the request under way */
};

struct tracer *tracer_new(void)
{
	struct tracer *tracer = xzalloc(sizeof(*tracer));

	ovs_list_init(&tracer->jobs);
	return tracer;
}

static void forget_legs(struct job *job)
{
	for (size_t i = 0; i < LEGS; i++) {
		for (size_t j = 0; j < job->found.legs[i].parts_len; j++)
			trace_text_free(job->found.legs[i].parts[j]);
		job->found.legs[i].parts_len = 0;
	}
}

static void job_free(struct job *job)
{
	forget_legs(job);
	check_free(job->check);
	free(job);
}

static void hang_up(struct tracer *tracer)
{
	jsonrpc_close(tracer->rpc);
	tracer->rpc = NULL;
	json_destroy(tracer->asked);
	tracer->asked = NULL;
}

/* Ends the first job. */
static void end(struct netd *netd, const struct error *err)
{
	struct tracer *tracer = netd->tracer;
	struct job *job = CONTAINER_OF(ovs_list_pop_front(&tracer->jobs), struct job, node);

	tracer->jobs_len--;
	if (job->check)
		check_answer(netd, job->serial, job->check, err);
	else
		trace_answer(netd, job->serial, &job->found, err);
	job_free(job);
	if (err->code != ERR_NONE || !tracer->jobs_len)
		hang_up(tracer);
}

/* ---- who ----------------------------------------------------------------------------------- */

static int find_pod(const struct netd *netd, const Bulkhead__V1__NetTraceEnd *end_asked,
	struct trace_who *ret, struct error *err)
{
	const struct endpoint *endpoint;

	HMAP_FOR_EACH(endpoint, node, &netd->endpoints)
	{
		if (strcmp(endpoint->record.project, end_asked->project) != 0 ||
			strcmp(endpoint->record.pod, end_asked->pod) != 0)
			continue;
		if (endpoint->direction != ENDPOINT_SETTLED)
			return error_set(err, ERR_UNAVAILABLE, 0,
				"pod \"%s\" of project \"%s\" has no port at the moment",
				end_asked->pod, end_asked->project);
		trace_who_is(ret, endpoint);
		return 0;
	}
	return error_set(err, ERR_NOT_FOUND, 0,
		"pod \"%.253s\" of project \"%.63s\" has no port on this node: name a pod of "
		"another "
		"node by its address",
		end_asked->pod, end_asked->project);
}

static void find_address(const struct netd *netd, uint32_t address, struct trace_who *ret)
{
	const struct endpoint *endpoint;
	const struct flow_peer *peer = peers_find(netd->peers, address);

	ret->address = address;
	HMAP_FOR_EACH(endpoint, node, &netd->endpoints)
	{
		if (endpoint->record.address == address &&
			endpoint->direction == ENDPOINT_SETTLED) {
			trace_who_is(ret, endpoint);
			return;
		}
	}
	if (peer) {
		ret->place = BULKHEAD__V1__NET_PLACE__NET_PEER;
		ret->node_address = peer->address;
	} else if (!ipnet_contains(&netd->config.node.cluster, address)) {
		ret->place = BULKHEAD__V1__NET_PLACE__NET_OUTSIDE;
	}
}

static int find_end(const struct netd *netd, const Bulkhead__V1__NetTraceEnd *asked,
	struct trace_who *ret, struct error *err)
{
	uint32_t address;

	if (!asked)
		return error_set(err, ERR_INVALID, 0, "source and destination are needed");
	if (asked->pod[0])
		return find_pod(netd, asked, ret, err);
	if (address_parse(asked->address, &address, err) < 0)
		return -1;
	find_address(netd, address, ret);
	if (ret->place == BULKHEAD__V1__NET_PLACE__NET_PEER)
		ret->vnid = asked->vnid;
	return 0;
}

/* Between which ends there is anything to ask of this node. */
static int check_ends(const struct trace_found *found, struct error *err)
{
	const struct trace_who *source = &found->source, *destination = &found->destination;
	char text[IPNET_TEXT_SIZE];

	address_format(source->address, text);
	if (source->place == BULKHEAD__V1__NET_PLACE__NET_NOBODY ||
		source->place == BULKHEAD__V1__NET_PLACE__NET_OUTSIDE)
		return error_set(err, ERR_NOT_FOUND, 0, "no pod has the address %s", text);
	if (source->place == BULKHEAD__V1__NET_PLACE__NET_PEER &&
		destination->place != BULKHEAD__V1__NET_PLACE__NET_HERE &&
		destination->place != BULKHEAD__V1__NET_PLACE__NET_NOBODY)
		return error_set(err, ERR_INVALID, 0,
			"neither end is of this node: ask the node that %s is on", text);
	if (source->address == destination->address)
		return error_set(err, ERR_INVALID, 0,
			"a pod reaches itself inside its own network namespace");
	return 0;
}

/* ---- packets ------------------------------------------------------------------------------- */

/* MAC addresses follow from addresses; what is outside is sent to the gateway's. */
static struct trace_packet packet_of(const struct netd *netd, const struct job *job)
{
	const bool back = job->leg == LEG_BACK;
	const struct trace_who *source = back ? &job->found.destination : &job->found.source;
	const struct trace_who *destination = back ? &job->found.source : &job->found.destination;
	struct trace_packet packet = {
		.source = source->address,
		.destination = destination->address,
		.next_hop = destination->place == BULKHEAD__V1__NET_PLACE__NET_OUTSIDE
				    ? ipam_gateway(netd->ipam)
				    : destination->address,
		.in_port = source->ofport,
		.protocol = job->protocol,
		.port = job->port,
		.answer = back,
	};

	if (source->place == BULKHEAD__V1__NET_PLACE__NET_PEER) {
		packet.in_port = FLOW_TUNNEL_PORT;
		packet.tunnel_source = source->node_address;
		packet.tunnel_destination = netd->config.tunnel_address;
		packet.vnid = source->vnid;
	}
	return packet;
}

/* The next question, as ofproto/trace's arguments; NULL: all is known. */
static struct json *next_question(const struct netd *netd, struct job *job)
{
	struct trace_leg *leg = &job->found.legs[job->leg];
	const struct trace_packet packet = packet_of(netd, job);
	char text[TRACE_PACKET_SIZE], action[32];

	if (leg->parts_len) {
		const struct trace_text *before = leg->parts[leg->parts_len - 1];

		trace_packet_tracked(&packet, before, text);
		snprintf(action, sizeof(action), "resubmit(,%u)", before->table);
		return json_array_create_3(json_string_create(netd->config.bridge),
			json_string_create(text), json_string_create(action));
	}
	if (job->leg == LEG_ARP)
		trace_packet_arp(&packet, leg->packet);
	else
		trace_packet_ip(&packet, leg->packet);
	return json_array_create_2(
		json_string_create(netd->config.bridge), json_string_create(leg->packet));
}

/* Moves to the next leg that is this node's to tell; false when there is none. */
static bool next_leg(struct job *job)
{
	const struct trace_found *found = &job->found;
	const struct trace_leg *leg = &found->legs[job->leg];

	if (leg->parts_len && leg->parts_len < TRACE_PARTS_MAX &&
		leg->parts[leg->parts_len - 1]->end == TRACE_CONNTRACK)
		return true;
	if (job->leg == LEG_ARP) {
		job->leg = LEG_THERE;
		return true;
	}
	if (!job->check && job->leg == LEG_THERE &&
		trace_verdict(leg, &found->destination) ==
			BULKHEAD__V1__NET_VERDICT__NET_DELIVERED) {
		job->leg = LEG_BACK;
		return true;
	}
	return false;
}

/* ---- the switch ---------------------------------------------------------------------------- */

static int dial(struct tracer *tracer, const char *control, struct error *err)
{
	char name[CONTROL_SIZE + 16];
	struct stream *stream;
	int error;

	snprintf(name, sizeof(name), "unix:/%s", control);
	error = stream_open(name, &stream, 0);
	if (error)
		return error_set(err, ERR_UNAVAILABLE, error, "cannot reach ovs-vswitchd");
	tracer->rpc = jsonrpc_open(stream);
	return 0;
}

static int ask_switch(struct netd *netd, struct job *job, struct error *err)
{
	struct tracer *tracer = netd->tracer;
	const bool goes_on = job->found.legs[job->leg].parts_len > 0;
	struct jsonrpc_msg *request;
	int error;

	if (!tracer->rpc && dial(tracer, job->control, err) < 0)
		return -1;
	request = jsonrpc_create_request(goes_on ? "ofproto/trace-packet-out" : "ofproto/trace",
		next_question(netd, job), &tracer->asked);
	error = jsonrpc_send(tracer->rpc, request);
	if (error)
		return error_set(err, ERR_UNAVAILABLE, error, "cannot ask ovs-vswitchd");
	return 0;
}

/* An answer: takes it in. */
static int take(struct job *job, const struct jsonrpc_msg *message, struct error *err)
{
	struct trace_leg *leg = &job->found.legs[job->leg];
	const char *text;

	if (message->type == JSONRPC_ERROR && message->error && message->error->type == JSON_STRING)
		return error_set(err, ERR_INTERNAL, 0,
			"ovs-vswitchd does not trace this packet: %s", json_string(message->error));
	if (message->type != JSONRPC_REPLY || !message->result ||
		message->result->type != JSON_STRING)
		return error_set(err, ERR_INTERNAL, 0, "ovs-vswitchd does not answer with a trace");
	text = json_string(message->result);
	if (trace_text_parse(text, strlen(text), &leg->parts[leg->parts_len], err) < 0)
		return -1;
	leg->parts_len++;
	return 0;
}

/* One pair of a check is done: others' questions come between it and the next. 1: it was the last.
 */
static int next_pair(struct netd *netd, struct job *job)
{
	struct tracer *tracer = netd->tracer;

	check_take(netd, job->check, &job->found);
	forget_legs(job);
	if (!check_next(job->check, &job->found))
		return 1;
	job->leg = LEG_THERE;
	ovs_list_remove(&job->node);
	ovs_list_push_back(&tracer->jobs, &job->node);
	poll_immediate_wake();
	return 0;
}

/* 1: the job is done, 0: not yet, -1: it failed. */
static int job_run(struct netd *netd, struct job *job, struct error *err)
{
	struct tracer *tracer = netd->tracer;
	struct jsonrpc_msg *message = NULL;
	int error, r;

	if (time_msec() >= job->deadline)
		return error_set(err, ERR_UNAVAILABLE, 0, "ovs-vswitchd does not answer");
	if (!tracer->asked && ask_switch(netd, job, err) < 0)
		return -1;
	jsonrpc_run(tracer->rpc);
	error = jsonrpc_recv(tracer->rpc, &message);
	if (error == EAGAIN)
		return 0;
	if (error)
		return error_set(err, ERR_UNAVAILABLE, 0, "ovs-vswitchd is gone");
	if (!message->id || !json_equal(message->id, tracer->asked)) {
		jsonrpc_msg_destroy(message);
		return error_set(err, ERR_INTERNAL, 0, "ovs-vswitchd answers what was not asked");
	}
	json_destroy(tracer->asked);
	tracer->asked = NULL;
	r = take(job, message, err);
	jsonrpc_msg_destroy(message);
	if (r < 0)
		return -1;
	if (next_leg(job))
		return job_run(netd, job, err);
	return job->check ? next_pair(netd, job) : 1;
}

void tracer_run(struct netd *netd)
{
	struct tracer *tracer = netd->tracer;

	while (tracer->jobs_len) {
		struct job *job = CONTAINER_OF(ovs_list_front(&tracer->jobs), struct job, node);
		struct error err = { 0 };

		if (job_run(netd, job, &err) == 0)
			return;
		end(netd, &err);
	}
}

void tracer_wait(const struct netd *netd)
{
	const struct tracer *tracer = netd->tracer;

	if (!tracer->jobs_len)
		return;
	poll_timer_wait_until(
		CONTAINER_OF(ovs_list_front(&tracer->jobs), struct job, node)->deadline);
	if (tracer->rpc) {
		jsonrpc_wait(tracer->rpc);
		jsonrpc_recv_wait(tracer->rpc);
	}
}

/* ---- NET_TRACE, NET_CHECK ------------------------------------------------------------------- */

static int check_room(const struct netd *netd, const char *control, struct error *err)
{
	if (netd->tracer->jobs_len == TRACES_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"%d questions wait for the switch: try again", TRACES_MAX);
	if (!netd->adopted)
		return error_set(err, ERR_UNAVAILABLE, 0, "which ports there are is not known yet");
	if (strlen(control) >= CONTROL_SIZE)
		return error_set(err, ERR_INVALID, 0, "control: is too long");
	return 0;
}

static int begin(struct netd *netd, struct job *job, const Bulkhead__V1__NetTrace *message,
	struct error *err)
{
	if (check_room(netd, message->control, err) < 0)
		return -1;
	if (message->protocol != IPPROTO_ICMP && message->protocol != IPPROTO_TCP &&
		message->protocol != IPPROTO_UDP)
		return error_set(err, ERR_INVALID, 0, "protocol: %u is not ICMP, TCP or UDP",
			message->protocol);
	if (message->port > 65535 || (message->protocol == IPPROTO_ICMP) != (message->port == 0))
		return error_set(err, ERR_INVALID, 0, "port: %u is not one", message->port);
	if (find_end(netd, message->source, &job->found.source, err) < 0)
		return error_prefix(err, "source");
	if (find_end(netd, message->destination, &job->found.destination, err) < 0)
		return error_prefix(err, "destination");
	return check_ends(&job->found, err);
}

static void add_job(struct netd *netd, struct job *job, const char *control, long long msec)
{
	snprintf(job->control, sizeof(job->control), "%s", control);
	job->deadline = time_msec() + msec;
	ovs_list_push_back(&netd->tracer->jobs, &job->node);
	netd->tracer->jobs_len++;
}

void tracer_ask(struct netd *netd, const Bulkhead__V1__NetTrace *message, uint32_t serial)
{
	struct job *job = xzalloc(sizeof(*job));
	struct error err = { 0 };

	job->serial = serial;
	if (begin(netd, job, message, &err) < 0) {
		trace_answer(netd, serial, &job->found, &err);
		job_free(job);
		return;
	}
	job->protocol = (uint8_t)message->protocol;
	job->port = (uint16_t)message->port;
	/* Who is on another node asks there for an address. */
	job->leg =
		job->found.source.place == BULKHEAD__V1__NET_PLACE__NET_PEER ? LEG_THERE : LEG_ARP;
	add_job(netd, job, message->control, TRACE_DEADLINE_MSEC);
}

void tracer_check(struct netd *netd, const Bulkhead__V1__NetCheck *message, uint32_t serial)
{
	struct job *job = xzalloc(sizeof(*job));
	struct error err = { 0 };

	job->serial = serial;
	job->protocol = IPPROTO_ICMP;
	job->leg = LEG_THERE;
	job->check = check_new(netd);
	if (check_room(netd, message->control, &err) < 0 || !check_next(job->check, &job->found)) {
		check_answer(netd, serial, job->check, &err);
		job_free(job);
		return;
	}
	add_job(netd, job, message->control, CHECK_DEADLINE_MSEC);
}
