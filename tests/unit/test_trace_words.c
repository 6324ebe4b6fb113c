/* Each way that a trace can end, in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "nodeagent/agent/trace_words.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

/* A trace whose parts the tests change. */
struct scene {
	Bulkhead__V1__NetTraced traced;
	Bulkhead__V1__NetTraceEnd source, destination;
	Bulkhead__V1__NetTraceLeg arp, there, back;
	Bulkhead__V1__NetTraceStep steps[3];
	Bulkhead__V1__NetTraceStep *lists[3];
	struct trace_facts facts;
	struct trace_words words;
};

static void end_init(Bulkhead__V1__NetTraceEnd *end, const char *project, const char *pod,
	const char *address, uint32_t vnid)
{
	bulkhead__v1__net_trace_end__init(end);
	end->place = BULKHEAD__V1__NET_PLACE__NET_HERE;
	end->project = TEXT(project);
	end->pod = TEXT(pod);
	end->address = TEXT(address);
	end->vnid = vnid;
}

static void leg_init(struct scene *s, size_t i, Bulkhead__V1__NetTraceLeg *leg,
	Bulkhead__V1__NetVerdict verdict, uint32_t table)
{
	bulkhead__v1__net_trace_leg__init(leg);
	bulkhead__v1__net_trace_step__init(&s->steps[i]);
	s->steps[i].table = table;
	s->steps[i].table_name = TEXT("some table");
	s->steps[i].owner = TEXT("base");
	s->lists[i] = &s->steps[i];
	leg->steps = &s->lists[i];
	leg->n_steps = 1;
	leg->verdict = verdict;
}

/* red's packet comes to blue's pod, and the answer back. */
static void scene_init(struct scene *s)
{
	*s = (struct scene){ .facts = { .node = "", .source_project = "", -1, -1 } };
	bulkhead__v1__net_traced__init(&s->traced);
	end_init(&s->source, "red", "web", "10.128.0.2", 10);
	end_init(&s->destination, "blue", "db", "10.128.0.3", 11);
	leg_init(s, 0, &s->arp, BULKHEAD__V1__NET_VERDICT__NET_ANSWERED, 40);
	leg_init(s, 1, &s->there, BULKHEAD__V1__NET_VERDICT__NET_DELIVERED, 80);
	leg_init(s, 2, &s->back, BULKHEAD__V1__NET_VERDICT__NET_DELIVERED, 80);
	s->traced.source = &s->source;
	s->traced.destination = &s->destination;
	s->traced.arp = &s->arp;
	s->traced.there = &s->there;
	s->traced.back = &s->back;
}

static void says(struct scene *s, const char *verdict, const char *reason, const char *advice)
{
	trace_words(&s->words, &s->traced, &s->facts);
	assert_string_equal(s->words.verdict, verdict);
	assert_string_equal(s->words.reason, reason);
	assert_string_equal(s->words.advice, advice);
}

static void drop_at(struct scene *s, uint32_t table)
{
	leg_init(s, 1, &s->there, BULKHEAD__V1__NET_VERDICT__NET_DROPPED, table);
	s->back.n_steps = 0;
}

static void what_passes(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	s.destination.vnid = 10;
	says(&s, "reaches", "projects red and blue share network 10", "");
	s.destination.project = TEXT("red");
	says(&s, "reaches", "both are pods of project red, network 10", "");
	s.there.tracked = true;
	says(&s, "reaches",
		"both are pods of project red, network 10; the network policies allow it", "");
	scene_init(&s);
	s.destination.vnid = 0;
	says(&s, "reaches",
		"project blue is global (network 0): it reaches all, and is reached by all", "");
	scene_init(&s);
	s.steps[1].owner = TEXT("not Bulkhead's");
	says(&s, "reaches",
		"projects red and blue have networks 10 and 11, and yet a flow lets them pass; the "
		"flow that decides is not Bulkhead's",
		"");
}

static void tenants_apart(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	drop_at(&s, 80);
	says(&s, "does not reach", "projects red and blue have networks 10 and 11",
		"bulkhead network join-projects --to=blue red");
	s.facts.source_row = 11;
	s.facts.destination_row = 11;
	says(&s, "does not reach",
		"projects red and blue have networks 10 and 11; project red has network 11 now, "
		"which this switch has not taken yet",
		"bulkhead network join-projects --to=blue red");
	s.destination.vnid = 10;
	says(&s, "does not reach",
		"projects red and blue have networks 10 and 10, but the switch lacks the flow that "
		"lets these pass",
		"");
}

static void other_drops(void **state)
{
	static const struct {
		uint32_t table;
		const char *reason;
		const char *advice;
	} rows[] = {
		{ 0, "the switch lets no such packet in from this port", "" },
		{ 20,
			"the switch does not take this for a packet of red/web: it would take it "
			"for "
			"forged",
			"" },
		{ 27, "the network policies of project red for egress do not allow it",
			"a NetworkPolicy of project red with an egress rule for it" },
		{ 75, "the network policies of project blue for ingress do not allow it",
			"a NetworkPolicy of project blue with an ingress rule for it" },
		{ 31,
			"10.128.0.3 is no address that packets of pods may go to: a gateway's, a "
			"group's or all's",
			"" },
		{ 70, "the switch lacks the flow that leads to blue/db", "" },
		{ 90, "no node of the cluster has a subnet with 10.128.0.3", "" },
		{ 99, "10.128.0.3 lies outside the cluster's network, and nothing leads there",
			"" },
		{ 100, "the egress firewall of project red does not let it out", "" },
		{ 76, "table 76 (some table) drops it", "" },
	};
	struct scene s;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		scene_init(&s);
		drop_at(&s, rows[i].table);
		says(&s, "does not reach", rows[i].reason, rows[i].advice);
	}
	s.steps[1].table = 99;
	s.steps[1].match = TEXT("ip,nw_dst=127.0.0.0/8");
	says(&s, "does not reach",
		"10.128.0.3 is of a block that no packet leaves the cluster for "
		"(ip,nw_dst=127.0.0.0/8)",
		"");
	s.steps[1].table = 70;
	s.destination.place = BULKHEAD__V1__NET_PLACE__NET_NOBODY;
	says(&s, "does not reach", "no pod of this node has the address 10.128.0.3", "");
	s.steps[1].missed = true;
	says(&s, "does not reach", "table 70 (some table) has no flow for it", "");
	s.steps[1].missed = false;
	s.steps[1].owner = TEXT("not Bulkhead's");
	s.steps[1].cookie = 0x1234;
	says(&s, "does not reach",
		"a flow of table 70 that is not Bulkhead's drops it (cookie 0x1234); it is removed "
		"within seconds, unless somebody adds it again",
		"");
}

static void half_ways(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	s.arp.verdict = BULKHEAD__V1__NET_VERDICT__NET_DROPPED;
	says(&s, "does not reach",
		"the packet would arrive, but who asks for the MAC address of 10.128.0.3 is not "
		"answered (table 40, some table)",
		"");
	scene_init(&s);
	s.back.verdict = BULKHEAD__V1__NET_VERDICT__NET_DROPPED;
	says(&s, "does not reach",
		"the packet arrives, but the answer is dropped by table 80 (some table)", "");
	s.there.verdict = BULKHEAD__V1__NET_VERDICT__NET_ELSEWHERE;
	says(&s, "does not reach", "the switch sends it elsewhere than to 10.128.0.3", "");
	s.there.verdict = BULKHEAD__V1__NET_VERDICT__NET_LEFT;
	says(&s, "leaves", "this node's gateway takes it out of the cluster; what is there decides",
		"");
	s.there.verdict = (Bulkhead__V1__NetVerdict)99;
	trace_words(&s.words, &s.traced, &s.facts);
	assert_string_equal(s.words.verdict, "does not reach");
	assert_string_equal(trace_verdict_name((Bulkhead__V1__NetVerdict)99), "unknown");
	assert_string_equal(trace_place_name((Bulkhead__V1__NetPlace)-1), "unknown");
}

static void other_nodes(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	leg_init(&s, 1, &s.there, BULKHEAD__V1__NET_VERDICT__NET_TUNNELLED, 90);
	s.destination.place = BULKHEAD__V1__NET_PLACE__NET_PEER;
	s.destination.project = s.destination.pod = TEXT("");
	s.destination.address = TEXT("10.128.2.2");
	s.destination.node_address = TEXT("10.77.0.2");
	s.facts.node = "b";
	says(&s, "leaves",
		"this node sends it to node b (10.77.0.2) with network 10, whose switch decides",
		"ask node b: bulkhead network why 10.128.0.2 10.128.2.2 -n red");
	scene_init(&s);
	s.source.place = BULKHEAD__V1__NET_PLACE__NET_PEER;
	s.source.project = s.source.pod = TEXT("");
	s.facts.source_project = "green";
	s.arp.n_steps = 0;
	s.destination.vnid = 10;
	says(&s, "reaches", "projects green and blue share network 10", "");
	drop_at(&s, 10);
	s.source.node_address = TEXT("10.77.0.2");
	says(&s, "does not reach",
		"the switch takes no packet from 10.128.0.2 by way of 10.77.0.2: it knows no such "
		"node with this subnet",
		"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_passes),
		cmocka_unit_test(tenants_apart),
		cmocka_unit_test(other_drops),
		cmocka_unit_test(half_ways),
		cmocka_unit_test(other_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
