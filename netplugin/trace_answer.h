/* What was found of a packet, as the message that tells it. */
#ifndef NETPLUGIN_TRACE_ANSWER_H
#define NETPLUGIN_TRACE_ANSWER_H

#include "bulkhead/v1/ipc.pb-c.h"
#include "netplugin/netd.h"
#include "netplugin/trace_packet.h"
#include "netplugin/trace_text.h"

#define TRACE_PARTS_MAX 3 /* of one leg: before conntrack, behind it, and once more */

enum trace_leg_id { LEG_ARP, LEG_THERE, LEG_BACK, LEGS };

/* One end, as far as it is known. */
struct trace_who {
	Bulkhead__V1__NetPlace place;
	uint32_t address;
	uint32_t vnid;
	uint32_t node_address; /* NET_PEER */
	uint32_t ofport;       /* NET_HERE */
	char project[PROJECT_NAME_MAX + 1];
	char pod[POD_NAME_MAX + 1];
	char port[PORT_NAME_SIZE];
};

/* One packet's way. */
struct trace_leg {
	char packet[TRACE_PACKET_SIZE]; /* "": not asked */
	struct trace_text *parts[TRACE_PARTS_MAX];
	size_t parts_len;
};

struct trace_found {
	struct trace_who source;
	struct trace_who destination;
	struct trace_leg legs[LEGS];
};

/* What an endpoint's record says of it. */
struct endpoint;
void trace_who_is(struct trace_who *ret, const struct endpoint *endpoint);

/* The step that decided, the last of a leg that is not delivered. NULL: nothing was asked. */
const struct trace_step *trace_decider(const struct trace_leg *leg);

/*
 * As messages. They borrow from 'who' and 'step', and from the texts; the owner is for the caller
 * to free.
 */
struct trace_end_text {
	char address[IPNET_TEXT_SIZE];
	char node_address[IPNET_TEXT_SIZE];
};
void trace_fill_end(
	Bulkhead__V1__NetTraceEnd *ret, const struct trace_who *who, struct trace_end_text *text);
void trace_fill_step(
	const struct netd *netd, Bulkhead__V1__NetTraceStep *ret, const struct trace_step *step);

/* What became of a leg; 'to' is where it should go. */
Bulkhead__V1__NetVerdict trace_verdict(const struct trace_leg *leg, const struct trace_who *to);

/* Answers 'serial'; 'err' is ERR_NONE for success. */
void trace_answer(struct netd *netd, uint32_t serial, const struct trace_found *found,
	const struct error *err);

#endif
