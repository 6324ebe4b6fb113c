#include "netplugin/trace_text.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A piece of the text; not terminated. */
struct piece {
	const char *at;
	size_t len;
};

struct reading {
	struct trace_text *trace;
	bool begun; /* behind "Flow:", where steps may come */
	bool after_conntrack;
	struct error *err;
};

void trace_text_free(struct trace_text *trace)
{
	if (!trace)
		return;
	for (size_t i = 0; i < trace->steps_len; i++) {
		free(trace->steps[i].match);
		for (size_t j = 0; j < trace->steps[i].actions_len; j++)
			free(trace->steps[i].actions[j]);
	}
	free(trace->datapath);
	free(trace);
}

/* ---- pieces -------------------------------------------------------------------------------- */

static struct piece trimmed(struct piece p)
{
	while (p.len && isspace((unsigned char)p.at[0])) {
		p.at++;
		p.len--;
	}
	while (p.len && isspace((unsigned char)p.at[p.len - 1]))
		p.len--;
	return p;
}

static bool begins(struct piece p, const char *prefix)
{
	size_t len = strlen(prefix);

	return p.len >= len && memcmp(p.at, prefix, len) == 0;
}

static bool is(struct piece p, const char *text)
{
	return p.len == strlen(text) && begins(p, text);
}

static void skip(struct piece *p, size_t len)
{
	p->at += len;
	p->len -= len;
}

/* Where 'text' stands in 'p', the last time; NULL when it does not. */
static const char *last_of(struct piece p, const char *text)
{
	size_t len = strlen(text);

	for (size_t i = p.len; i >= len; i--) {
		if (memcmp(p.at + i - len, text, len) == 0)
			return p.at + i - len;
	}
	return NULL;
}

/* A number at the front of 'p', decimal or with 0x; moves past it. */
static bool take_number(struct piece *p, uint64_t most, uint64_t *ret)
{
	bool hex = begins(*p, "0x");
	uint64_t n = 0;
	size_t i = hex ? 2 : 0, first = i;

	for (; i < p->len &&
		(hex ? isxdigit((unsigned char)p->at[i]) : isdigit((unsigned char)p->at[i]));
		i++) {
		int c = tolower((unsigned char)p->at[i]);
		unsigned digit = (unsigned)(isdigit(c) ? c - '0' : c - 'a' + 10);

		if (digit > most || n > (most - digit) / (hex ? 16 : 10))
			return false;
		n = n * (hex ? 16 : 10) + digit;
	}
	if (i == first)
		return false;
	skip(p, i);
	*ret = n;
	return true;
}

static char *copy(struct reading *r, struct piece p)
{
	char *text = strndup(p.at, p.len);

	if (!text)
		error_set(r->err, ERR_EXHAUSTED, ENOMEM, "no memory for a trace");
	return text;
}

/* ---- steps --------------------------------------------------------------------------------- */

static int add_step(struct reading *r, const struct trace_step *step, struct piece match)
{
	struct trace_text *trace = r->trace;
	struct trace_step *new = &trace->steps[trace->steps_len];

	if (trace->steps_len == TRACE_STEPS_MAX)
		return error_set(r->err, ERR_EXHAUSTED, 0, "the packet meets more than %d flows",
			TRACE_STEPS_MAX);
	*new = *step;
	new->match = copy(r, match);
	if (!new->match)
		return -1;
	trace->steps_len++;
	return 0;
}

/* "ip,nw_dst=10.128.0.0/23, priority 200, cookie 0x2000100000000" behind "31. ". */
static bool step_rest(struct piece p, struct trace_step *step, struct piece *ret_match)
{
	const char *priority = last_of(p, "priority ");
	struct piece rest;
	uint64_t n;

	if (!priority)
		return false;
	rest = (struct piece){ priority, p.len - (size_t)(priority - p.at) };
	skip(&rest, strlen("priority "));
	*ret_match = (struct piece){ p.at, (size_t)(priority - p.at) };
	if (ret_match->len && !last_of(*ret_match, ", "))
		return false;
	if (ret_match->len)
		ret_match->len -= 2;
	if (!take_number(&rest, 65535, &n))
		return false;
	step->priority = (unsigned)n;
	if (rest.len == 0) /* cookie 0 is not printed */
		return true;
	if (!begins(rest, ", cookie "))
		return false;
	skip(&rest, strlen(", cookie "));
	return take_number(&rest, UINT64_MAX, &step->cookie) && rest.len == 0;
}

/* 1: it was a step, 0: it is none. */
static int read_step(struct reading *r, struct piece p)
{
	struct trace_step step = { 0 };
	struct piece match = { p.at, 0 };
	uint64_t table;

	if (begins(p, "0x") || !take_number(&p, 254, &table) || !begins(p, ". "))
		return 0;
	skip(&p, 2);
	step.table = (unsigned)table;
	step.missed = begins(p, "No match");
	if (!step.missed && !step_rest(p, &step, &match))
		return error_set(r->err, ERR_INVALID, 0,
			"the switch's trace has a flow of table %u that is not understood",
			step.table);
	return add_step(r, &step, match) < 0 ? -1 : 1;
}

/* ---- actions ------------------------------------------------------------------------------- */

static void went_to(struct trace_text *trace, enum trace_end end, uint64_t port)
{
	if (trace->end == TRACE_OUTPUT || (trace->end == TRACE_BACK && end != TRACE_OUTPUT))
		return; /* the first counts */
	trace->end = end;
	trace->port = (uint32_t)port;
}

/* "ct(table=27,zone=25192)"; one that only commits lets the packet go on here. */
static void read_conntrack(struct trace_text *trace, struct piece p)
{
	const char *table = last_of(p, "table=");
	struct piece rest;
	uint64_t n;

	if (!table || trace->end != TRACE_DROPPED)
		return;
	rest = (struct piece){ table, p.len - (size_t)(table - p.at) };
	skip(&rest, strlen("table="));
	if (take_number(&rest, 254, &n)) {
		trace->end = TRACE_CONNTRACK;
		trace->table = (unsigned)n;
	}
}

/* What is said of actions: "-> output port is 3", ">> skipping output to input port". */
static void read_remark(struct trace_text *trace, struct piece p)
{
	static const char output[] = "-> output port is ";
	uint64_t port;

	if (!begins(p, output))
		return;
	skip(&p, strlen(output));
	if (take_number(&p, UINT32_MAX, &port))
		went_to(trace, TRACE_OUTPUT, port);
}

static void read_meaning(struct trace_text *trace, struct piece p)
{
	uint64_t port;

	if (is(p, "IN_PORT")) {
		went_to(trace, TRACE_BACK, 0);
	} else if (is(p, "LOCAL")) {
		went_to(trace, TRACE_OUTPUT, TRACE_LOCAL);
	} else if (begins(p, "ct(")) {
		read_conntrack(trace, p);
	} else if (begins(p, "output:")) {
		skip(&p, strlen("output:"));
		if (take_number(&p, UINT32_MAX, &port) && p.len == 0)
			went_to(trace, TRACE_OUTPUT, port);
	}
}

static int read_action(struct reading *r, struct piece p)
{
	struct trace_step *step = &r->trace->steps[r->trace->steps_len - 1];
	bool after_conntrack = r->after_conntrack;

	if (begins(p, "->") || begins(p, ">>")) {
		read_remark(r->trace, p);
		return 0;
	}
	read_meaning(r->trace, p);
	r->after_conntrack = begins(p, "ct(");
	if (after_conntrack && is(p, "drop"))
		return 0; /* printed behind each ct(): of the copy */
	if (step->actions_len == TRACE_ACTIONS_MAX)
		return error_set(r->err, ERR_EXHAUSTED, 0, "a flow has more than %d actions",
			TRACE_ACTIONS_MAX);
	step->actions[step->actions_len] = copy(r, p);
	if (!step->actions[step->actions_len])
		return -1;
	step->actions_len++;
	return 0;
}

/* ---- the end ------------------------------------------------------------------------------- */

/* "tcp,reg0=0xa,reg1=0xb,in_port=2,..." or "unchanged". */
static void read_final(struct trace_text *trace, struct piece p)
{
	while (p.len) {
		const char *comma = memchr(p.at, ',', p.len);
		size_t len = comma ? (size_t)(comma - p.at) : p.len;
		struct piece field = { p.at, len };
		uint64_t n, value;

		if (begins(field, "reg")) {
			skip(&field, 3);
			if (take_number(&field, TRACE_REGS - 1, &n) && begins(field, "=")) {
				skip(&field, 1);
				if (take_number(&field, UINT32_MAX, &value))
					trace->regs[n] = (uint32_t)value;
			}
		}
		skip(&p, comma ? len + 1 : len);
	}
}

/* 1: there is nothing more to read. */
static int read_line(struct reading *r, struct piece line)
{
	static const char final[] = "Final flow: ", datapath[] = "Datapath actions: ";
	struct piece p = trimmed(line);
	int is_step;

	if (begins(p, final)) {
		skip(&p, strlen(final));
		read_final(r->trace, p);
		return 0;
	}
	if (begins(p, datapath)) {
		skip(&p, strlen(datapath));
		r->trace->datapath = copy(r, p);
		return r->trace->datapath ? 1 : -1;
	}
	r->begun = r->begun || begins(p, "Flow: ");
	if (p.len == 0 || !r->begun || begins(p, "Megaflow: "))
		return 0;
	is_step = read_step(r, p);
	if (is_step)
		return is_step < 0 ? -1 : 0;
	/* Before the first are headings. */
	return r->trace->steps_len ? read_action(r, p) : 0;
}

static int read_all(struct reading *r, struct piece text)
{
	while (text.len) {
		const char *end = memchr(text.at, '\n', text.len);
		size_t len = end ? (size_t)(end - text.at) : text.len;
		int done = read_line(r, (struct piece){ text.at, len });

		if (done)
			return done < 0 ? -1 : 0;
		skip(&text, end ? len + 1 : len);
	}
	return error_set(r->err, ERR_INVALID, 0, "the switch's trace has no end");
}

int trace_text_parse(const char *text, size_t size, struct trace_text **ret, struct error *err)
{
	struct reading r = { .err = err };

	if (size > TRACE_TEXT_MAX)
		return error_set(
			err, ERR_EXHAUSTED, 0, "a trace of more than %d bytes", TRACE_TEXT_MAX);
	if (memchr(text, '\0', size))
		return error_set(err, ERR_INVALID, 0, "the switch's trace is no text");
	r.trace = calloc(1, sizeof(*r.trace));
	if (!r.trace)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for a trace");
	if (read_all(&r, (struct piece){ text, size }) < 0) {
		trace_text_free(r.trace);
		return -1;
	}
	if (r.trace->steps_len == 0) {
		trace_text_free(r.trace);
		return error_set(err, ERR_INVALID, 0, "the switch's trace has no flow");
	}
	*ret = r.trace;
	return 0;
}
