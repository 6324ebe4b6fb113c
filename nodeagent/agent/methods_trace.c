/* TraceNetwork, CheckNetwork, ListDenials: what the switch does with packets, as far as the caller
 * may know. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/ipnet.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/api.h"
#include "nodeagent/agent/cluster.h"
#include "nodeagent/agent/netd.h"
#include "nodeagent/agent/ovs.h"
#include "nodeagent/agent/trace_words.h"

typedef const Bulkhead__V1__TraceNetworkRequest *request_p;

static request_p request_of(const struct call *call)
{
	return (request_p)call->message;
}

/* An administrator: knows other nodes, and every project. */
static bool knows_all(const struct call *call)
{
	return call_may(call, "get", "nodes", NULL);
}

static bool is_address(const char *text)
{
	struct error err = { 0 };
	uint32_t address;

	return address_parse(text, &address, &err) == 0;
}

/* ---- the question -------------------------------------------------------------------------- */

static const struct {
	const char *name;
	uint32_t number;
	bool has_port;
} protocols[] = {
	{ "icmp", IPPROTO_ICMP, false },
	{ "tcp", IPPROTO_TCP, true },
	{ "udp", IPPROTO_UDP, true },
};

static const char *protocol_of(request_p request)
{
	if (request->protocol[0])
		return request->protocol;
	return request->port ? "tcp" : "icmp";
}

static int fill_protocol(request_p request, Bulkhead__V1__NetTrace *ret, struct error *err)
{
	const char *name = protocol_of(request);

	for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
		if (strcmp(protocols[i].name, name) != 0)
			continue;
		if (protocols[i].has_port && (request->port < 1 || request->port > 65535))
			return error_set(err, ERR_INVALID, 0,
				"port: %u is not a port of %s: give 1 to 65535", request->port,
				name);
		if (!protocols[i].has_port && request->port)
			return error_set(err, ERR_INVALID, 0, "port: %s has none", name);
		ret->protocol = protocols[i].number;
		ret->port = request->port;
		return 0;
	}
	return error_set(err, ERR_INVALID, 0, "protocol: '%.32s' is not tcp, udp or icmp", name);
}

/* By address a source is another node's pod, whose VNID is that of its project. */
static int fill_source(const struct call *call, Bulkhead__V1__NetTraceEnd *ret, struct error *err)
{
	request_p request = request_of(call);
	const Bulkhead__V1__ClusterProject *project =
		cluster_project(call->agent->cluster, request->project);

	if (!request->source[0])
		return error_set(err, ERR_INVALID, 0, "source: is missing");
	if (!is_address(request->source)) {
		ret->project = request->project;
		ret->pod = request->source;
		return 0;
	}
	if (!knows_all(call))
		return error_set(err, ERR_DENIED, 0,
			"source: user \"%.253s\" may name it by its pod only",
			call->principal.name);
	if (!project)
		return error_set(err, ERR_NOT_FOUND, 0, "project \"%.253s\" does not exist",
			request->project);
	ret->address = request->source;
	ret->vnid = project->vnid;
	return 0;
}

static int fill_destination(
	const struct call *call, Bulkhead__V1__NetTraceEnd *ret, struct error *err)
{
	request_p request = request_of(call);
	char *project =
		request->destination_project[0] ? request->destination_project : request->project;

	if (!request->destination[0])
		return error_set(err, ERR_INVALID, 0, "destination: is missing");
	if (is_address(request->destination)) {
		ret->address = request->destination;
		return 0;
	}
	/* Not even whether there is such a pod. */
	if (!call_may(call, "get", "pods", project))
		return error_set(err, ERR_DENIED, 0,
			"destination: user \"%.253s\" may not get pods in project \"%.253s\"; an "
			"address can be asked about",
			call->principal.name, project);
	ret->project = project;
	ret->pod = request->destination;
	return 0;
}

/* ---- the answer ---------------------------------------------------------------------------- */

static const char *node_at(const struct cluster *cluster, const char *address)
{
	const Bulkhead__V1__ClusterNode *node;

	for (size_t i = 0; address[0] && (node = cluster_node_at(cluster, i)); i++) {
		if (strcmp(node->address, address) == 0)
			return node->name;
	}
	return "";
}

static int64_t row_of(const struct cluster *cluster, const char *name)
{
	const Bulkhead__V1__ClusterProject *project = cluster_project(cluster, name);

	return project ? (int64_t)project->vnid : -1;
}

static void fill_end(const struct agent *agent, Bulkhead__V1__NetworkEnd *ret,
	const Bulkhead__V1__NetTraceEnd *end)
{
	bulkhead__v1__network_end__init(ret);
	ret->place = (char *)(uintptr_t)trace_place_name(end->place);
	ret->project = end->project;
	ret->pod = end->pod;
	ret->address = end->address;
	ret->vnid = end->vnid;
	ret->node = (char *)(uintptr_t)node_at(agent->cluster, end->node_address);
	ret->port = end->port;
}

/* One leg with its steps and their cookies as text. */
struct leg {
	Bulkhead__V1__NetworkLeg message;
	Bulkhead__V1__NetworkStep *steps;
	Bulkhead__V1__NetworkStep **list;
	char (*cookies)[24];
};

static void leg_done(struct leg *leg)
{
	free(leg->steps);
	free(leg->list);
	free(leg->cookies);
}

static void fill_step(
	Bulkhead__V1__NetworkStep *ret, const Bulkhead__V1__NetTraceStep *step, char cookie[24])
{
	bulkhead__v1__network_step__init(ret);
	snprintf(cookie, 24, "0x%llx", (unsigned long long)step->cookie);
	ret->table = step->table;
	ret->table_name = step->table_name;
	ret->priority = step->priority;
	ret->cookie = cookie;
	ret->owner = step->owner;
	ret->match = step->match;
	ret->actions = step->actions;
	ret->n_actions = step->n_actions;
	ret->missed = step->missed;
}

static int leg_fill(struct leg *ret, const Bulkhead__V1__NetTraceLeg *leg)
{
	const size_t n = leg->n_steps;

	ret->steps = calloc(n + 1, sizeof(*ret->steps));
	ret->list = calloc(n + 1, sizeof(Bulkhead__V1__NetworkStep *));
	ret->cookies = calloc(n + 1, sizeof(*ret->cookies));
	if (!ret->steps || !ret->list || !ret->cookies)
		return -1;
	bulkhead__v1__network_leg__init(&ret->message);
	for (size_t i = 0; i < n; i++) {
		fill_step(&ret->steps[i], leg->steps[i], ret->cookies[i]);
		ret->list[i] = &ret->steps[i];
	}
	ret->message.packet = leg->packet;
	ret->message.verdict = (char *)(uintptr_t)trace_verdict_name(leg->verdict);
	ret->message.steps = ret->list;
	ret->message.n_steps = n;
	ret->message.deciding = leg->deciding;
	ret->message.datapath = leg->datapath;
	ret->message.tracked = leg->tracked;
	return 0;
}

static void reply_all(struct call *call, const Bulkhead__V1__TraceNetworkResponse *words,
	const Bulkhead__V1__NetTraced *traced)
{
	Bulkhead__V1__TraceNetworkResponse response = *words;
	struct leg arp = { 0 }, there = { 0 }, back = { 0 };
	Bulkhead__V1__NetworkEnd source, destination;
	struct error err = { 0 };

	fill_end(call->agent, &source, traced->source);
	fill_end(call->agent, &destination, traced->destination);
	response.source = &source;
	response.destination = &destination;
	if (leg_fill(&arp, traced->arp) < 0 || leg_fill(&there, traced->there) < 0 ||
		leg_fill(&back, traced->back) < 0) {
		error_set(&err, ERR_EXHAUSTED, ENOMEM, "no memory for a trace");
		call_fail(call, &err);
	} else {
		response.arp = traced->arp->n_steps ? &arp.message : NULL;
		response.there = &there.message;
		response.back = traced->back->n_steps ? &back.message : NULL;
		call_reply(call, &response.base, true);
	}
	leg_done(&arp);
	leg_done(&there);
	leg_done(&back);
}

/* Whether the caller may know who is there: its own projects' pods, and what is no pod's at all. */
static bool sees(const struct call *call, const Bulkhead__V1__NetTraceEnd *destination)
{
	if (knows_all(call) || destination->place == BULKHEAD__V1__NET_PLACE__NET_OUTSIDE)
		return true;
#ifdef BULKHEAD_WEAK_TRACE_SEES
	return true;
#endif
	return destination->place == BULKHEAD__V1__NET_PLACE__NET_HERE &&
	       call_may(call, "get", "pods", destination->project);
}

/* An address that nobody has and one of another tenant's pod must look alike. */
static void reply_verdict(struct call *call, Bulkhead__V1__TraceNetworkResponse *response)
{
	response->reason = (char *)(uintptr_t) "the destination is not yours to see";
	response->advice = (char *)(uintptr_t) "";
	call_reply(call, &response->base, true);
}

static void on_traced(void *user, const Bulkhead__V1__NetTraced *traced, const struct error *err)
{
	struct call *call = user;
	request_p request = request_of(call);
	const struct agent *agent = call->agent;
	Bulkhead__V1__TraceNetworkResponse response = BULKHEAD__V1__TRACE_NETWORK_RESPONSE__INIT;
	struct trace_words words;
	struct trace_facts facts;

	if (err) {
		call_fail(call, err);
		return;
	}
	facts = (struct trace_facts){
		.node = node_at(agent->cluster, traced->source->node_address[0]
							? traced->source->node_address
							: traced->destination->node_address),
		.source_project = request->project,
		.source_row = row_of(agent->cluster, request->project),
		.destination_row = row_of(agent->cluster, traced->destination->project),
	};
	trace_words(&words, traced, &facts);
	response.verdict = (char *)(uintptr_t)words.verdict;
	response.reason = words.reason;
	response.advice = words.advice;
	response.protocol = (char *)(uintptr_t)protocol_of(request);
	response.port = request->port;
	response.node = agent->config->node_name;
	if (sees(call, traced->destination))
		reply_all(call, &response, traced);
	else
		reply_verdict(call, &response);
}

static void on_gone(struct call *call)
{
	netd_forget(call->agent->netd, call);
}

void method_trace_network(struct agent *agent, struct call *call)
{
	Bulkhead__V1__NetTrace trace = BULKHEAD__V1__NET_TRACE__INIT;
	Bulkhead__V1__NetTraceEnd source = BULKHEAD__V1__NET_TRACE_END__INIT;
	Bulkhead__V1__NetTraceEnd destination = BULKHEAD__V1__NET_TRACE_END__INIT;
	char control[OVS_CONTROL_SIZE];
	struct error err = { 0 };

	trace.control = control;
	trace.source = &source;
	trace.destination = &destination;
	if (fill_protocol(request_of(call), &trace, &err) < 0 ||
		fill_source(call, &source, &err) < 0 ||
		fill_destination(call, &destination, &err) < 0 ||
		ovs_switch_control(agent->config, control, &err) < 0 ||
		netd_trace(agent->netd, &trace, on_traced, call, &err) < 0)
		call_fail(call, &err);
	else
		call->gone = on_gone;
}

/* ---- CheckNetwork -------------------------------------------------------------------------- */

/* One difference with what it is made of. */
struct difference {
	Bulkhead__V1__NetworkDifference message;
	Bulkhead__V1__NetworkEnd source;
	Bulkhead__V1__NetworkEnd destination;
	Bulkhead__V1__NetworkStep step;
	char cookie[24];
};

static void fill_difference(const struct agent *agent, struct difference *ret,
	const Bulkhead__V1__NetDifference *difference)
{
	bulkhead__v1__network_difference__init(&ret->message);
	fill_end(agent, &ret->source, difference->source);
	fill_end(agent, &ret->destination, difference->destination);
	fill_step(&ret->step, difference->step, ret->cookie);
	ret->message.source = &ret->source;
	ret->message.destination = &ret->destination;
	ret->message.expected = difference->expected;
	ret->message.verdict = (char *)(uintptr_t)trace_verdict_name(difference->verdict);
	ret->message.step = &ret->step;
}

static void fill_checked(const struct agent *agent, Bulkhead__V1__CheckNetworkResponse *ret,
	const Bulkhead__V1__NetChecked *checked)
{
	ret->node = agent->config->node_name;
	ret->good = checked->differing == 0 && !checked->not_ready[0];
	ret->pods = checked->pods;
	ret->pairs = checked->pairs;
	ret->measured = checked->measured;
	ret->together = checked->together;
	ret->apart = checked->apart;
	ret->policed = checked->policed;
	ret->changed = checked->changed;
	ret->differing = checked->differing;
	ret->nodes = checked->nodes;
	ret->flows_mended = checked->flows_mended;
	ret->not_ready = checked->not_ready;
}

static void on_checked(void *user, const Bulkhead__V1__NetChecked *checked, const struct error *err)
{
	struct call *call = user;
	Bulkhead__V1__CheckNetworkResponse response = BULKHEAD__V1__CHECK_NETWORK_RESPONSE__INIT;
	cleanup_free struct difference *rows = NULL;
	cleanup_free Bulkhead__V1__NetworkDifference **list = NULL;
	struct error failure = { 0 };

	if (err) {
		call_fail(call, err);
		return;
	}
	rows = calloc(checked->n_differences + 1, sizeof(*rows));
	list = calloc(checked->n_differences + 1, sizeof(Bulkhead__V1__NetworkDifference *));
	if (!rows || !list) {
		error_set(&failure, ERR_EXHAUSTED, ENOMEM, "no memory for a list");
		call_fail(call, &failure);
		return;
	}
	for (size_t i = 0; i < checked->n_differences; i++) {
		fill_difference(call->agent, &rows[i], checked->differences[i]);
		list[i] = &rows[i].message;
	}
	fill_checked(call->agent, &response, checked);
	response.differences = list;
	response.n_differences = checked->n_differences;
	call_reply(call, &response.base, true);
}

void method_check_network(struct agent *agent, struct call *call)
{
	Bulkhead__V1__NetCheck check = BULKHEAD__V1__NET_CHECK__INIT;
	char control[OVS_CONTROL_SIZE];
	struct error err = { 0 };

	check.control = control;
	if (ovs_switch_control(agent->config, control, &err) < 0 ||
		netd_check(agent->netd, &check, on_checked, call, &err) < 0)
		call_fail(call, &err);
	else
		call->gone = on_gone;
}

/* ---- ListDenials --------------------------------------------------------------------------- */

struct denial {
	Bulkhead__V1__NetworkDenial message;
	Bulkhead__V1__NetworkEnd source;
	Bulkhead__V1__NetworkEnd destination;
	char protocol[8];
};

static void fill_denied_protocol(char text[8], uint32_t number)
{
	snprintf(text, 8, "%u", number & 0xff);
	if (number == 0)
		snprintf(text, 8, "arp");
	for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
		if (protocols[i].number == number)
			snprintf(text, 8, "%s", protocols[i].name);
	}
}

static void fill_denial(
	const struct agent *agent, struct denial *ret, const Bulkhead__V1__NetDenial *denial)
{
	bulkhead__v1__network_denial__init(&ret->message);
	fill_end(agent, &ret->source, denial->source);
	fill_end(agent, &ret->destination, denial->destination);
	fill_denied_protocol(ret->protocol, denial->protocol);
	ret->message.source = &ret->source;
	ret->message.destination = &ret->destination;
	ret->message.reason = (char *)(uintptr_t)(denial->forged ? "forged" : "other network");
	ret->message.protocol = ret->protocol;
	ret->message.port = denial->port;
	ret->message.count = denial->count;
	ret->message.first_at = denial->first_msec;
	ret->message.last_at = denial->last_msec;
}

static int newest_first(const void *a, const void *b)
{
	const Bulkhead__V1__NetworkDenial *const *x = a, *const *y = b;

	return (*x)->last_at > (*y)->last_at ? -1 : (*x)->last_at < (*y)->last_at;
}

static void on_denied(void *user, const Bulkhead__V1__NetDenied *denied, const struct error *err)
{
	struct call *call = user;
	Bulkhead__V1__ListDenialsResponse response = BULKHEAD__V1__LIST_DENIALS_RESPONSE__INIT;
	cleanup_free struct denial *rows = NULL;
	cleanup_free Bulkhead__V1__NetworkDenial **list = NULL;
	struct error failure = { 0 };

	if (err) {
		call_fail(call, err);
		return;
	}
	rows = calloc(denied->n_denials + 1, sizeof(*rows));
	list = calloc(denied->n_denials + 1, sizeof(Bulkhead__V1__NetworkDenial *));
	if (!rows || !list) {
		error_set(&failure, ERR_EXHAUSTED, ENOMEM, "no memory for a list");
		call_fail(call, &failure);
		return;
	}
	for (size_t i = 0; i < denied->n_denials; i++) {
		fill_denial(call->agent, &rows[i], denied->denials[i]);
		list[i] = &rows[i].message;
	}
	if (denied->n_denials)
		qsort(list, denied->n_denials, sizeof(*list), newest_first);
	response.node = call->agent->config->node_name;
	response.denials = list;
	response.n_denials = denied->n_denials;
	call_reply(call, &response.base, true);
}

void method_list_denials(struct agent *agent, struct call *call)
{
	struct error err = { 0 };

	if (netd_denials(agent->netd, on_denied, call, &err) < 0)
		call_fail(call, &err);
	else
		call->gone = on_gone;
}
