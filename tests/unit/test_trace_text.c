/* What ovs-vswitchd 3.1 printed for ofproto/trace on a node's bridge: tests/fuzz/corpus/trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "netplugin/trace_text.h"

#define CORPUS "tests/fuzz/corpus/trace/"

static char *recorded(const char *name, size_t *ret_size)
{
	char path[128];
	char *text = calloc(1, TRACE_TEXT_MAX);
	FILE *f;

	snprintf(path, sizeof(path), CORPUS "%s", name);
	f = fopen(path, "r");
	if (!f || !text)
		fail_msg("%s", path);
	*ret_size = fread(text, 1, TRACE_TEXT_MAX, f);
	fclose(f);
	return text;
}

static struct trace_text *parsed(const char *name)
{
	size_t size;
	cleanup_free char *text = recorded(name, &size);
	struct trace_text *trace;
	struct error err = { 0 };

	if (trace_text_parse(text, size, &trace, &err) < 0)
		fail_msg("%s: %s", name, err.text);
	return trace;
}

static void refused(const char *text, size_t size, const char *why)
{
	struct trace_text *trace = NULL;
	struct error err = { 0 };

	assert_int_equal(trace_text_parse(text, size, &trace, &err), -1);
	assert_null(trace);
	if (!strstr(err.text, why))
		fail_msg("'%s' is not in '%s'", why, err.text);
}

/* Which tables it met, "0 20 30 ...". */
static void tables(const struct trace_text *trace, const char *expected)
{
	char got[256] = "";

	for (size_t i = 0; i < trace->steps_len; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%u", i ? " " : "",
			trace->steps[i].table);
	assert_string_equal(got, expected);
}

static const struct trace_step *last(const struct trace_text *trace)
{
	return &trace->steps[trace->steps_len - 1];
}

static void another_tenant_is_dropped_by_table_80(void **state)
{
	struct trace_text *trace = parsed("other");

	(void)state;
	tables(trace, "0 20 30 31 70 75 76 77 80");
	assert_int_equal(trace->end, TRACE_DROPPED);
	assert_int_equal(last(trace)->priority, 0);
	assert_true(last(trace)->cookie == UINT64_C(0x2000100000000));
	assert_string_equal(last(trace)->match, "");
	assert_int_equal(last(trace)->actions_len, 1);
	assert_string_equal(last(trace)->actions[0], "drop");
	assert_string_equal(
		trace->steps[1].match, "ip,in_port=2,dl_src=0a:58:0a:80:00:02,nw_src=10.128.0.2");
	assert_int_equal(trace->steps[1].actions_len, 2);
	assert_string_equal(trace->steps[1].actions[0], "set_field:0xa->reg0");
	assert_true(trace->steps[1].cookie == UINT64_C(0x200020a800002));
	assert_int_equal(trace->regs[0], 10);
	assert_int_equal(trace->regs[1], 11);
	assert_int_equal(trace->regs[2], 3);
	assert_string_equal(trace->datapath, "drop");
	trace_text_free(trace);
}

static void what_a_packet_comes_to(void **state)
{
	static const struct {
		const char *name;
		const char *tables;
		enum trace_end end;
		uint32_t port;
	} rows[] = {
		{ "unknown", "0 20 30 31 70", TRACE_DROPPED, 0 },
		{ "forged", "0 20", TRACE_DROPPED, 0 },
		{ "unknown-port", "0 20", TRACE_DROPPED, 0 },
		{ "outside", "0 20 21 22 30 31 75 76 77 99 100 101", TRACE_OUTPUT, TRACE_LOCAL },
		{ "remote", "0 20 30 31 75 76 77 90", TRACE_OUTPUT, 1 },
		{ "tunnel", "0 10 30 31 70 75 76 77 80 81", TRACE_OUTPUT, 2 },
		{ "arp-unanswered", "0 20 30 31 40", TRACE_DROPPED, 0 },
		{ "arp-answered", "0 20 30 31 50", TRACE_BACK, 0 },
		{ "conntrack", "0 20 30", TRACE_CONNTRACK, 0 },
		{ "conntrack-on", "27 30 31 70 75 76 77 80 81", TRACE_OUTPUT, 2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct trace_text *trace = parsed(rows[i].name);

		tables(trace, rows[i].tables);
		assert_int_equal(trace->end, rows[i].end);
		assert_int_equal(trace->port, rows[i].port);
		trace_text_free(trace);
	}
}

static void conntrack_takes_it(void **state)
{
	struct trace_text *trace = parsed("conntrack");

	(void)state;
	assert_int_equal(trace->table, 27);
	assert_int_equal(trace->regs[0], 10);
	assert_int_equal(last(trace)->actions_len, 1);
	assert_string_equal(last(trace)->actions[0], "ct(table=27,zone=25192)");
	trace_text_free(trace);
}

static void a_table_without_a_flow(void **state)
{
	static const char text[] = "Flow: arp\n\nbridge(\"br0\")\n-------------\n"
				   " 0. No match.\n    drop\n\nFinal flow: unchanged\n"
				   "Megaflow: recirc_id=0,arp\nDatapath actions: drop\n";
	struct trace_text *trace;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(trace_text_parse(text, sizeof(text) - 1, &trace, &err), 0);
	assert_int_equal(trace->steps_len, 1);
	assert_true(trace->steps[0].missed);
	assert_int_equal(trace->end, TRACE_DROPPED);
	trace_text_free(trace);
}

/* The last register counts, and a number past it or too large for one is passed over. */
static void registers(void **state)
{
	static const char text[] =
		"Flow: ip\n 0. priority 0\n    drop\n"
		"Final flow: ip,reg0=0x7,reg15=0xffffffff,reg16=0x1,reg8=0x100000000,"
		"reg9=9,xreg1=0x5,reg=1,reg3\nDatapath actions: drop\n";
	struct trace_text *trace;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(trace_text_parse(text, sizeof(text) - 1, &trace, &err), 0);
	for (size_t i = 0; i < TRACE_REGS; i++)
		assert_int_equal(trace->regs[i], i == 0    ? 7
						 : i == 9  ? 9
						 : i == 15 ? UINT32_MAX
							   : 0);
	trace_text_free(trace);
}

static void not_a_trace(void **state)
{
	static const char cut[] = "Flow: arp\n 0. priority 0, cookie 0x1\n    drop\n";
	static const char strange[] = "Flow: arp\n 0. arp, cookie 0x1\nDatapath actions: drop\n";
	static const char empty[] = "Flow: arp\nDatapath actions: drop\n";
	size_t size;
	cleanup_free char *text = recorded("refused", &size);

	(void)state;
	refused(text, size, "has no end");
	refused("", 0, "has no end");
	refused(cut, sizeof(cut) - 1, "has no end");
	refused(strange, sizeof(strange) - 1, "a flow of table 0 that is not understood");
	refused(empty, sizeof(empty) - 1, "has no flow");
	refused(empty, sizeof(empty), "is no text");
}

/* A text with 'steps' steps, the first with 'actions' actions. */
static char *long_text(size_t steps, size_t actions, size_t *ret_size)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, ret_size);

	fputs("Flow: ip\n", f);
	for (size_t i = 0; i < steps; i++) {
		fputs(" 0. priority 0, cookie 0x1\n", f);
		for (size_t j = 0; i == 0 && j < actions; j++)
			fputs("    note:00\n", f);
	}
	fputs("Datapath actions: drop\n", f);
	fclose(f);
	return text;
}

static void limits(void **state)
{
	cleanup_free char *large = calloc(1, TRACE_TEXT_MAX + 1);
	struct trace_text *trace;
	struct error err = { 0 };
	size_t size;
	char *text = long_text(TRACE_STEPS_MAX, TRACE_ACTIONS_MAX, &size);

	(void)state;
	assert_int_equal(trace_text_parse(text, size, &trace, &err), 0);
	assert_int_equal(trace->steps_len, TRACE_STEPS_MAX);
	trace_text_free(trace);
	free(text);
	text = long_text(TRACE_STEPS_MAX + 1, 0, &size);
	refused(text, size, "more than 64 flows");
	free(text);
	text = long_text(1, TRACE_ACTIONS_MAX + 1, &size);
	refused(text, size, "more than 32 actions");
	free(text);
	memset(large, ' ', TRACE_TEXT_MAX + 1);
	refused(large, TRACE_TEXT_MAX, "has no end");
	refused(large, TRACE_TEXT_MAX + 1, "more than 262144 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_tenant_is_dropped_by_table_80),
		cmocka_unit_test(what_a_packet_comes_to),
		cmocka_unit_test(conntrack_takes_it),
		cmocka_unit_test(a_table_without_a_flow),
		cmocka_unit_test(registers),
		cmocka_unit_test(not_a_trace),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
