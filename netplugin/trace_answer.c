#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "netplugin/endpoint.h"
#include "netplugin/flow_names.h"
#include "netplugin/trace_answer.h"
#include "proto/ipc_table.h"
#include "util.h"

#define OWNER_SIZE (PROJECT_NAME_MAX + POD_NAME_MAX + 32)

static char *borrow(const char *text)
{
	return (char *)(uintptr_t)text;
}

static const struct trace_text *last_part(const struct trace_leg *leg)
{
	return leg->parts_len ? leg->parts[leg->parts_len - 1] : NULL;
}

Bulkhead__V1__NetVerdict trace_verdict(const struct trace_leg *leg, const struct trace_who *to)
{
	const struct trace_text *last = last_part(leg);

	if (!last)
		return BULKHEAD__V1__NET_VERDICT__NET_DROPPED;
	switch (last->end) {
	case TRACE_BACK:
		return BULKHEAD__V1__NET_VERDICT__NET_ANSWERED;
	case TRACE_OUTPUT:
		if (last->port == FLOW_TUNNEL_PORT)
			return BULKHEAD__V1__NET_VERDICT__NET_TUNNELLED;
		if (last->port == TRACE_LOCAL)
			return BULKHEAD__V1__NET_VERDICT__NET_LEFT;
		return to->place == BULKHEAD__V1__NET_PLACE__NET_HERE && to->ofport == last->port
			       ? BULKHEAD__V1__NET_VERDICT__NET_DELIVERED
			       : BULKHEAD__V1__NET_VERDICT__NET_ELSEWHERE;
	case TRACE_DROPPED:
	case TRACE_CONNTRACK:
		break;
	}
	return BULKHEAD__V1__NET_VERDICT__NET_DROPPED;
}

/* ---- steps --------------------------------------------------------------------------------- */

static char *owner_of_pod(const struct netd *netd, uint32_t address)
{
	const struct endpoint *endpoint;
	char text[IPNET_TEXT_SIZE];

	HMAP_FOR_EACH(endpoint, node, &netd->endpoints)
	{
		if (endpoint->record.address == address)
			return xasprintf(
				"pod %s/%s", endpoint->record.project, endpoint->record.pod);
	}
	address_format(address, text);
	return xasprintf("a pod that was %s", text);
}

static char *owner_of(const struct netd *netd, uint64_t cookie)
{
	const unsigned flow_class = flow_cookie_class(cookie);
	const uint32_t object = flow_cookie_object(cookie);
	char text[IPNET_TEXT_SIZE];

	switch (flow_class) {
	case 0:
		return xstrdup("not Bulkhead's");
	case FLOW_BASE:
		return xstrdup("base");
	case FLOW_POD:
		return owner_of_pod(netd, object);
	case FLOW_VNID:
		return xasprintf("network %u", object);
	case FLOW_PEER:
		address_format(object, text);
		return xasprintf("node with subnet %s", text);
	case FLOW_POLICY:
		return xstrdup("network policies");
	case FLOW_FIREWALL:
		return xasprintf("egress firewall of network %u", object);
	case FLOW_BANDWIDTH:
		address_format(object, text);
		return xasprintf("bandwidth of %s", text);
	case FLOW_DENIAL:
		address_format(object, text);
		return xasprintf("deny log of %s", text);
	default:
		return xasprintf("class %u object %u", flow_class, object);
	}
}

void trace_fill_step(
	const struct netd *netd, Bulkhead__V1__NetTraceStep *ret, const struct trace_step *step)
{
	bulkhead__v1__net_trace_step__init(ret);
	ret->table = step->table;
	ret->table_name = borrow(flow_table_name(step->table));
	ret->priority = step->priority;
	ret->cookie = step->cookie;
	ret->owner = step->missed ? xstrdup("") : owner_of(netd, step->cookie);
	ret->match = step->match;
	ret->actions = (char **)(uintptr_t)step->actions;
	ret->n_actions = step->actions_len;
	ret->missed = step->missed;
}

/* Table 80 where the packet met it, for what is behind only delivers. */
const struct trace_step *trace_decider(const struct trace_leg *leg)
{
	const struct trace_text *last = last_part(leg);

	for (size_t i = last ? last->steps_len : 0; i > 0; i--) {
		if (last->steps[i - 1].table == 80)
			return &last->steps[i - 1];
	}
	return last ? &last->steps[last->steps_len - 1] : NULL;
}

static void fill_leg(const struct netd *netd, Bulkhead__V1__NetTraceLeg *ret,
	const struct trace_leg *leg, const struct trace_who *to)
{
	Bulkhead__V1__NetTraceStep *steps;
	size_t n = 0;

	bulkhead__v1__net_trace_leg__init(ret);
	ret->packet = borrow(leg->packet);
	if (!leg->parts_len)
		return;
	for (size_t i = 0; i < leg->parts_len; i++)
		n += leg->parts[i]->steps_len;
	steps = xcalloc(n, sizeof(*steps));
	ret->steps = xcalloc(n, sizeof(Bulkhead__V1__NetTraceStep *));
	for (size_t i = 0; i < leg->parts_len; i++) {
		for (size_t j = 0; j < leg->parts[i]->steps_len; j++) {
			if (&leg->parts[i]->steps[j] == trace_decider(leg))
				ret->deciding = (uint32_t)ret->n_steps;
			ret->steps[ret->n_steps] = &steps[ret->n_steps];
			trace_fill_step(netd, &steps[ret->n_steps++], &leg->parts[i]->steps[j]);
		}
	}
	ret->verdict = trace_verdict(leg, to);
	ret->datapath = leg->parts[leg->parts_len - 1]->datapath;
	ret->tracked = leg->parts_len > 1;
}

static void leg_done(Bulkhead__V1__NetTraceLeg *leg)
{
	for (size_t i = 0; i < leg->n_steps; i++)
		free(leg->steps[i]->owner);
	if (leg->n_steps)
		free(leg->steps[0]);
	free(leg->steps);
}

/* ---- the message --------------------------------------------------------------------------- */

void trace_who_is(struct trace_who *ret, const struct endpoint *endpoint)
{
	const struct port_record *record = &endpoint->record;

	*ret = (struct trace_who){
		.place = BULKHEAD__V1__NET_PLACE__NET_HERE,
		.address = record->address,
		.vnid = record->vnid,
		.ofport = (uint32_t)record->ofport,
	};
	snprintf(ret->project, sizeof(ret->project), "%s", record->project);
	snprintf(ret->pod, sizeof(ret->pod), "%s", record->pod);
	snprintf(ret->port, sizeof(ret->port), "%s", record->name);
}

void trace_fill_end(
	Bulkhead__V1__NetTraceEnd *ret, const struct trace_who *who, struct trace_end_text *text)
{
	bulkhead__v1__net_trace_end__init(ret);
	address_format(who->address, text->address);
	ret->place = who->place;
	ret->project = borrow(who->project);
	ret->pod = borrow(who->pod);
	ret->address = text->address;
	ret->vnid = who->vnid;
	ret->port = borrow(who->port);
	if (who->place == BULKHEAD__V1__NET_PLACE__NET_PEER) {
		address_format(who->node_address, text->node_address);
		ret->node_address = text->node_address;
	}
}

static void tell(struct netd *netd, uint32_t serial, const Bulkhead__V1__NetTraced *message)
{
	struct error err = { 0 };

	if (ipc_table_send(netd->ipc, IPC_NET_TRACED, serial, &message->base, NULL, 0, NULL, &err) <
		0)
		log_error("%s", err.text);
}

void trace_answer(struct netd *netd, uint32_t serial, const struct trace_found *found,
	const struct error *err)
{
	Bulkhead__V1__NetTraced message = BULKHEAD__V1__NET_TRACED__INIT;
	Bulkhead__V1__NetTraceEnd source, destination;
	Bulkhead__V1__NetTraceLeg legs[LEGS];
	Bulkhead__V1__Error error;
	struct trace_end_text source_text, destination_text;

	if (err->code != ERR_NONE) {
		ipc_error_pack(err, &error);
		message.error = &error;
		tell(netd, serial, &message);
		return;
	}
	trace_fill_end(&source, &found->source, &source_text);
	trace_fill_end(&destination, &found->destination, &destination_text);
	for (size_t i = 0; i < LEGS; i++)
		fill_leg(netd, &legs[i], &found->legs[i],
			i == LEG_BACK ? &found->source : &found->destination);
	message.source = &source;
	message.destination = &destination;
	message.arp = &legs[LEG_ARP];
	message.there = &legs[LEG_THERE];
	message.back = &legs[LEG_BACK];
	tell(netd, serial, &message);
	for (size_t i = 0; i < LEGS; i++)
		leg_done(&legs[i]);
}
