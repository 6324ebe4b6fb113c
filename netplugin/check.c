#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "netplugin/check.h"
#include "netplugin/endpoint.h"
#include "netplugin/peers.h"
#include "proto/ipc_table.h"
#include "util.h"

/* Odd and far from small fractions: steps through any number of pairs evenly. */
#define STRIDE UINT64_C(2654435761)

struct difference {
	struct trace_who source;
	struct trace_who destination;
	bool expected;
	Bulkhead__V1__NetVerdict verdict;
	Bulkhead__V1__NetTraceStep step;
};

struct check {
	struct trace_who *pods;
	size_t pods_len;
	struct trace_who *nodes; /* an address of each other node's subnet */
	size_t nodes_len;
	uint64_t pairs;
	uint64_t stride; /* coprime to 'pairs' */
	uint64_t at;     /* questions asked */
	uint32_t together, apart, policed, changed, differing;
	struct difference differences[CHECK_DIFFERENCES_MAX];
	size_t differences_len;
};

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

static int compare(const void *a, const void *b)
{
	const struct trace_who *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

struct check *check_new(const struct netd *netd)
{
	struct check *check = xzalloc(sizeof(*check));
	const struct endpoint *endpoint;
	const struct flow_peer *peer;
	size_t peers = 0;

	check->pods = xcalloc(hmap_count(&netd->endpoints) + 1, sizeof(*check->pods));
	HMAP_FOR_EACH(endpoint, node, &netd->endpoints)
	{
		if (endpoint->direction == ENDPOINT_SETTLED)
			trace_who_is(&check->pods[check->pods_len++], endpoint);
	}
	qsort(check->pods, check->pods_len, sizeof(*check->pods), compare);
	while (peers_at(netd->peers, peers))
		peers++;
	check->nodes = xcalloc(peers + 1, sizeof(*check->nodes));
	for (size_t i = 0; (peer = peers_at(netd->peers, i)); i++) {
		check->nodes[i].place = BULKHEAD__V1__NET_PLACE__NET_PEER;
		check->nodes[i].address = peer->subnet.address + 2; /* the first that a pod has */
		check->nodes[i].node_address = peer->address;
	}
	check->nodes_len = check->pods_len ? peers : 0; /* somebody must ask */
	if (check->pods_len)
		check->pairs = (uint64_t)check->pods_len * (check->pods_len - 1);
	check->stride = STRIDE;
	while (check->pairs && common_divisor(check->stride, check->pairs) != 1)
		check->stride += 2;
	return check;
}

void check_free(struct check *check)
{
	if (!check)
		return;
	for (size_t i = 0; i < check->differences_len; i++) {
		free(check->differences[i].step.owner);
		free(check->differences[i].step.match);
	}
	free(check->pods);
	free(check->nodes);
	free(check);
}

bool check_next(struct check *check, struct trace_found *found)
{
	const uint64_t k = check->at;
	uint64_t pair;
	size_t source, destination;

	if (k < check->nodes_len) { /* from any pod: which one makes no difference there */
		found->source = check->pods[k % check->pods_len];
		found->destination = check->nodes[k];
		check->at++;
		return true;
	}
	if (k - check->nodes_len >= MIN(check->pairs, CHECK_ASKED_MAX))
		return false;
	pair = (uint64_t)((unsigned __int128)(k - check->nodes_len) * check->stride % check->pairs);
	source = (size_t)(pair / (check->pods_len - 1));
	destination = (size_t)(pair % (check->pods_len - 1));
	destination += destination >= source; /* not itself */
	found->source = check->pods[source];
	found->destination = check->pods[destination];
	check->at++;
	return true;
}

/* ---- what came out of it ------------------------------------------------------------------- */

static bool expected(const struct trace_found *found)
{
	const uint32_t from = found->source.vnid, to = found->destination.vnid;

	if (found->destination.place == BULKHEAD__V1__NET_PLACE__NET_PEER)
		return true; /* that node decides */
	return from == to || from == VNID_GLOBAL || to == VNID_GLOBAL;
}

static bool by_policy(const struct trace_step *step)
{
	return step && (step->table == 27 || step->table == 75 || step->table == 76);
}

/* Whether the port is still the one that the question was about. */
static bool is_same(const struct netd *netd, const struct trace_who *who)
{
	const struct endpoint *endpoint;

	if (who->place != BULKHEAD__V1__NET_PLACE__NET_HERE)
		return true;
	HMAP_FOR_EACH(endpoint, node, &netd->endpoints)
	{
		if (endpoint->record.address == who->address)
			return endpoint->direction == ENDPOINT_SETTLED &&
			       endpoint->record.vnid == who->vnid &&
			       endpoint->record.ofport == (int64_t)who->ofport;
	}
	return false;
}

static void note_difference(const struct netd *netd, struct check *check,
	const struct trace_found *found, Bulkhead__V1__NetVerdict verdict)
{
	struct difference *difference = &check->differences[check->differences_len];
	const struct trace_step *step = trace_decider(&found->legs[LEG_THERE]);

	check->differing++;
	if (check->differences_len == CHECK_DIFFERENCES_MAX || !step)
		return;
	check->differences_len++;
	difference->source = found->source;
	difference->destination = found->destination;
	difference->expected = expected(found);
	difference->verdict = verdict;
	/* It outlives the step. */
	trace_fill_step(netd, &difference->step, step);
	difference->step.match = xstrdup(step->match);
	difference->step.actions = NULL;
	difference->step.n_actions = 0;
}

void check_take(const struct netd *netd, struct check *check, const struct trace_found *found)
{
	const struct trace_leg *leg = &found->legs[LEG_THERE];
	const Bulkhead__V1__NetVerdict verdict = trace_verdict(leg, &found->destination);
	const bool arrives =
		verdict == (found->destination.place == BULKHEAD__V1__NET_PLACE__NET_PEER
					   ? BULKHEAD__V1__NET_VERDICT__NET_TUNNELLED
					   : BULKHEAD__V1__NET_VERDICT__NET_DELIVERED);

	if (!is_same(netd, &found->source) || !is_same(netd, &found->destination))
		check->changed++;
	else if (!arrives && verdict == BULKHEAD__V1__NET_VERDICT__NET_DROPPED &&
		 by_policy(trace_decider(leg)))
		check->policed++;
	else if (arrives != expected(found) ||
		 (!arrives && verdict != BULKHEAD__V1__NET_VERDICT__NET_DROPPED))
		note_difference(netd, check, found, verdict);
	else if (arrives)
		check->together++;
	else
		check->apart++;
}

/* ---- the message --------------------------------------------------------------------------- */

struct texts {
	struct trace_end_text source;
	struct trace_end_text destination;
};

static void fill_difference(Bulkhead__V1__NetDifference *ret, Bulkhead__V1__NetTraceEnd ends[2],
	const struct difference *difference, struct texts *texts)
{
	bulkhead__v1__net_difference__init(ret);
	trace_fill_end(&ends[0], &difference->source, &texts->source);
	trace_fill_end(&ends[1], &difference->destination, &texts->destination);
	ret->source = &ends[0];
	ret->destination = &ends[1];
	ret->expected = difference->expected;
	ret->verdict = difference->verdict;
	ret->step = (Bulkhead__V1__NetTraceStep *)(uintptr_t)&difference->step;
}

static void tell(struct netd *netd, uint32_t serial, const Bulkhead__V1__NetChecked *message)
{
	struct error err = { 0 };

	if (ipc_table_send(
		    netd->ipc, IPC_NET_CHECKED, serial, &message->base, NULL, 0, NULL, &err) < 0)
		log_error("%s", err.text);
}

void check_answer(
	struct netd *netd, uint32_t serial, const struct check *check, const struct error *err)
{
	Bulkhead__V1__NetChecked message = BULKHEAD__V1__NET_CHECKED__INIT;
	Bulkhead__V1__NetDifference rows[CHECK_DIFFERENCES_MAX];
	Bulkhead__V1__NetDifference *list[CHECK_DIFFERENCES_MAX];
	Bulkhead__V1__NetTraceEnd ends[CHECK_DIFFERENCES_MAX][2];
	struct texts texts[CHECK_DIFFERENCES_MAX];
	struct error why = { 0 };
	Bulkhead__V1__Error error;

	if (err->code != ERR_NONE) {
		ipc_error_pack(err, &error);
		message.error = &error;
	}
	for (size_t i = 0; i < check->differences_len; i++) {
		fill_difference(&rows[i], ends[i], &check->differences[i], &texts[i]);
		list[i] = &rows[i];
	}
	netd_ready(netd, &why);
	message.pods = (uint32_t)check->pods_len;
	message.pairs = check->pairs;
	message.measured = (uint32_t)check->at;
	message.together = check->together;
	message.apart = check->apart;
	message.policed = check->policed;
	message.changed = check->changed;
	message.differing = check->differing;
	message.differences = list;
	message.n_differences = check->differences_len;
	message.nodes = (uint32_t)check->nodes_len;
	message.flows_mended = flow_sync_mended(netd->flows);
	message.not_ready = why.text;
	tell(netd, serial, &message);
}
