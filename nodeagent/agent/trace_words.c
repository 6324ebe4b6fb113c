#include "nodeagent/agent/trace_words.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"

const char *trace_place_name(Bulkhead__V1__NetPlace place)
{
	static const char *const names[] = { "nobody", "pod", "node", "outside" };

	return (unsigned)place < ARRAY_LEN(names) ? names[place] : "unknown";
}

const char *trace_verdict_name(Bulkhead__V1__NetVerdict verdict)
{
	static const char *const names[] = { "dropped", "delivered", "tunnelled", "answered",
		"elsewhere", "left" };

	return (unsigned)verdict < ARRAY_LEN(names) ? names[verdict] : "unknown";
}

/* One trace being put into words. */
struct telling {
	struct trace_words *words;
	const Bulkhead__V1__NetTraced *traced;
	const struct trace_facts *facts;
	const Bulkhead__V1__NetTraceEnd *source;
	const Bulkhead__V1__NetTraceEnd *destination;
	const char *source_project;
};

static __attribute__((format(printf, 2, 3))) void reason(
	const struct telling *t, const char *format, ...)
{
	size_t len = strlen(t->words->reason);
	va_list args;

	va_start(args, format);
	vsnprintf(t->words->reason + len, TRACE_REASON_SIZE - len, format, args);
	va_end(args);
}

static __attribute__((format(printf, 2, 3))) void advise(
	const struct telling *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(t->words->advice, TRACE_ADVICE_SIZE, format, args);
	va_end(args);
}

static bool is_pod(const Bulkhead__V1__NetTraceEnd *end)
{
	return end->place == BULKHEAD__V1__NET_PLACE__NET_HERE;
}

/* ---- why it is dropped --------------------------------------------------------------------- */

static void classified(const struct telling *t, const Bulkhead__V1__NetTraceStep *step)
{
	(void)step;
	reason(t, "the switch lets no such packet in from this port");
}

static void from_node(const struct telling *t, const Bulkhead__V1__NetTraceStep *step)
{
	(void)step;
	reason(t,
		"the switch takes no packet from %s by way of %s: it knows no such node with this "
		"subnet",
		t->source->address, t->source->node_address);
}

static void from_pod(const struct telling *t, const Bulkhead__V1__NetTraceStep *step)
{
	(void)step;
	reason(t,
		"the switch does not take this for a packet of %s/%s: it would take it for forged",
		t->source_project, t->source->pod);
}

static void egress(const struct telling *t, const Bulkhead__V1__NetTraceStep *step)
{
	(void)step;
	reason(t, "the network policies of project %s for egress do not allow it",
		t->source_project);
	advise(t, "a NetworkPolicy of project %s with an egress rule for it", t->source_project);
}

static void ingress(const struct telling *t, const Bulkhead__V1__NetTraceStep *step)
{
	(void)step;
	reason(t, "the network policies of project %s for ingress do not allow it",
		t->destination->project);
	advise(t, "a NetworkPolicy of project %s with an ingress rule for it",
		t->destination->project);
}

static void routed(const struct telling *t, const Bulkhead__V1__NetTraceStep *step)
{
	(void)step;
	reason(t,
		"%s is no address that packets of pods may go to: a gateway's, a group's or all's",
		t->destination->address);
}

static void to_pod(const struct telling *t, const Bulkhead__V1__NetTraceStep *step)
{
	(void)step;
	if (is_pod(t->destination))
		reason(t, "the switch lacks the flow that leads to %s/%s", t->destination->project,
			t->destination->pod);
	else
		reason(t, "no pod of this node has the address %s", t->destination->address);
}

/* The row may say otherwise than the port: then the switch is behind, or ahead of what we read. */
static void compare_row(const struct telling *t, const char *project, int64_t row, uint32_t vnid)
{
	if (row >= 0 && row != (int64_t)vnid)
		reason(t, "; project %s has network %lld now, which this switch has not taken yet",
			project, (long long)row);
}

static void verdict(const struct telling *t, const Bulkhead__V1__NetTraceStep *step)
{
	const uint32_t from = t->source->vnid, to = t->destination->vnid;

	(void)step;
	if (from == to || from == 0 || to == 0) {
		reason(t,
			"projects %s and %s have networks %u and %u, but the switch lacks the flow "
			"that lets these pass",
			t->source_project, t->destination->project, from, to);
		return;
	}
	reason(t, "projects %s and %s have networks %u and %u", t->source_project,
		t->destination->project, from, to);
	compare_row(t, t->source_project, t->facts->source_row, from);
	compare_row(t, t->destination->project, t->facts->destination_row, to);
	advise(t, "bulkhead network join-projects --to=%s %s", t->destination->project,
		t->source_project);
}

static void to_node(const struct telling *t, const Bulkhead__V1__NetTraceStep *step)
{
	(void)step;
	reason(t, "no node of the cluster has a subnet with %s", t->destination->address);
}

static void outside(const struct telling *t, const Bulkhead__V1__NetTraceStep *step)
{
	reason(t,
		step->match[0] ? "%s is of a block that no packet leaves the cluster for (%s)"
			       : "%s lies outside the cluster's network, and nothing leads there",
		t->destination->address, step->match);
}

static void firewall(const struct telling *t, const Bulkhead__V1__NetTraceStep *step)
{
	(void)step;
	reason(t, "the egress firewall of project %s does not let it out", t->source_project);
}

static const struct {
	uint32_t table;
	void (*tell)(const struct telling *t, const Bulkhead__V1__NetTraceStep *step);
} drops[] = {
	{ 0, classified },
	{ 10, from_node },
	{ 20, from_pod },
	{ 27, egress },
	{ 31, routed },
	{ 70, to_pod },
	{ 75, ingress },
	{ 80, verdict },
	{ 90, to_node },
	{ 99, outside },
	{ 100, firewall },
};

static bool is_foreign(const Bulkhead__V1__NetTraceStep *step)
{
	return strcmp(step->owner, "not Bulkhead's") == 0;
}

static void dropped(const struct telling *t, const Bulkhead__V1__NetTraceStep *step)
{
	if (is_foreign(step)) {
		reason(t,
			"a flow of table %u that is not Bulkhead's drops it (cookie 0x%llx); it is "
			"removed within seconds, unless somebody adds it again",
			step->table, (unsigned long long)step->cookie);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(drops); i++) {
		if (drops[i].table == step->table && !step->missed) {
			drops[i].tell(t, step);
			return;
		}
	}
	reason(t, step->missed ? "table %u (%s) has no flow for it" : "table %u (%s) drops it",
		step->table, step->table_name);
}

/* ---- the whole ----------------------------------------------------------------------------- */

static const Bulkhead__V1__NetTraceStep *decider(const Bulkhead__V1__NetTraceLeg *leg)
{
	return leg->steps[leg->deciding];
}

static void passes(const struct telling *t)
{
	const uint32_t from = t->source->vnid, to = t->destination->vnid;
	const char *source = t->source_project, *destination = t->destination->project;

	if (strcmp(source, destination) == 0)
		reason(t, "both are pods of project %s, network %u", source, to);
	else if (from == to)
		reason(t, "projects %s and %s share network %u", source, destination, to);
	else if (from == 0 || to == 0)
		reason(t, "project %s is global (network 0): it reaches all, and is reached by all",
			from == 0 ? source : destination);
	else
		reason(t,
			"projects %s and %s have networks %u and %u, and yet a flow lets them pass",
			source, destination, from, to);
	if (is_foreign(decider(t->traced->there)))
		reason(t, "; the flow that decides is not Bulkhead's");
	if (t->traced->there->tracked)
		reason(t, "; the network policies allow it");
}

/* Delivered; does the asker find out the MAC address, and hear the answer? */
static void both_ways(const struct telling *t)
{
	const Bulkhead__V1__NetTraceLeg *arp = t->traced->arp, *back = t->traced->back;

	t->words->verdict = TRACE_NOT;
	if (arp->n_steps && arp->verdict != BULKHEAD__V1__NET_VERDICT__NET_ANSWERED) {
		reason(t,
			"the packet would arrive, but who asks for the MAC address of %s is not "
			"answered (table %u, %s)",
			t->destination->address, decider(arp)->table, decider(arp)->table_name);
	} else if (back->n_steps && back->verdict == BULKHEAD__V1__NET_VERDICT__NET_DROPPED) {
		reason(t, "the packet arrives, but the answer is dropped by table %u (%s)",
			decider(back)->table, decider(back)->table_name);
	} else {
		t->words->verdict = TRACE_REACHES;
		passes(t);
	}
}

static void leaves(const struct telling *t)
{
	const char *node = t->facts->node;

	t->words->verdict = TRACE_LEAVES;
	reason(t, "this node sends it to node %s (%s) with network %u, whose switch decides", node,
		t->destination->node_address, t->source->vnid);
	advise(t, "ask node %s: bulkhead network why %s %s -n %s", node, t->source->address,
		t->destination->address, t->source_project);
}

void trace_words(struct trace_words *ret, const Bulkhead__V1__NetTraced *traced,
	const struct trace_facts *facts)
{
	const struct telling t = {
		.words = ret,
		.traced = traced,
		.facts = facts,
		.source = traced->source,
		.destination = traced->destination,
		.source_project =
			is_pod(traced->source) ? traced->source->project : facts->source_project,
	};

	*ret = (struct trace_words){ .verdict = TRACE_NOT };
	switch (traced->there->verdict) {
	case BULKHEAD__V1__NET_VERDICT__NET_DELIVERED:
		both_ways(&t);
		return;
	case BULKHEAD__V1__NET_VERDICT__NET_TUNNELLED:
		leaves(&t);
		return;
	case BULKHEAD__V1__NET_VERDICT__NET_LEFT:
		ret->verdict = TRACE_LEAVES;
		reason(&t,
			"this node's gateway takes it out of the cluster; what is there decides");
		return;
	case BULKHEAD__V1__NET_VERDICT__NET_ELSEWHERE:
	case BULKHEAD__V1__NET_VERDICT__NET_ANSWERED:
		reason(&t, "the switch sends it elsewhere than to %s", t.destination->address);
		return;
	case BULKHEAD__V1__NET_VERDICT__NET_DROPPED:
	default:
		dropped(&t, decider(traced->there));
	}
}
