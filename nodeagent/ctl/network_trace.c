/* network why, trace, check: what the node's switch does with packets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bulkhead/v1/node.pb-c.h"
#include "lib/cleanup.h"
#include "lib/parse.h"
#include "nodeagent/ctl/ctl.h"
#include "nodeagent/ctl/flow_words.h"
#include "nodeagent/ctl/get.h"
#include "nodeagent/ctl/print.h"

#define NAME_SIZE 320 /* PROJECT/POD:PORT/udp */

/* One of the two words, taken apart. */
struct end {
	char text[NAME_SIZE];
	const char *project; /* "": that of -n */
	const char *name;
	const char *protocol; /* "" */
	uint32_t port;        /* 0: none */
};

/* ---- words --------------------------------------------------------------------------------- */

static int parse_port(char *text, struct end *ret, struct error *err)
{
	char *slash = strchr(text, '/');

	ret->protocol = "tcp";
	if (slash) {
		*slash = '\0';
		if (strcmp(slash + 1, "tcp") != 0 && strcmp(slash + 1, "udp") != 0)
			return error_set(err, ERR_INVALID, 0,
				"protocol '%.32s' is not tcp or udp; without a port it is icmp",
				slash + 1);
		ret->protocol = strcmp(slash + 1, "udp") == 0 ? "udp" : "tcp";
	}
	return parse_u32(text, "port", 1, 65535, &ret->port, err);
}

/* [PROJECT/]POD[:PORT[/udp]]. */
static int parse_end(const char *word, struct end *ret, struct error *err)
{
	char *colon, *slash;

	*ret = (struct end){ .project = "", .protocol = "" };
	if (strlen(word) >= sizeof(ret->text))
		return error_set(err, ERR_INVALID, 0, "'%.64s...' is too long", word);
	snprintf(ret->text, sizeof(ret->text), "%s", word);
	ret->name = ret->text;
	colon = strchr(ret->text, ':');
	if (colon) {
		*colon = '\0';
		if (parse_port(colon + 1, ret, err) < 0)
			return error_prefix(err, "'%s'", word);
	}
	slash = strchr(ret->text, '/');
	if (slash) {
		*slash = '\0';
		ret->project = ret->text;
		ret->name = slash + 1;
	}
	if (!ret->name[0] || (slash && !ret->project[0]))
		return error_set(err, ERR_INVALID, 0,
			"'%s' is not [PROJECT/]POD or an address, with :PORT or :PORT/udp", word);
	return 0;
}

static int check_output(const struct args *args, struct error *err)
{
	if (!args->output || get_wants(args, "json") || get_wants(args, "yaml"))
		return 0;
	return error_set(err, ERR_INVALID, 0, "-o: network %s knows json and yaml, not '%s'",
		args->words[1], args->output);
}

static int ask(struct ctl *ctl, ProtobufCMessage **ret, struct error *err)
{
	Bulkhead__V1__TraceNetworkRequest request = BULKHEAD__V1__TRACE_NETWORK_REQUEST__INIT;
	const struct args *args = ctl->args;
	struct end from, to;

	if (args->output && strcmp(args->output, "json") != 0 && strcmp(args->output, "yaml") != 0)
		return error_set(err, ERR_INVALID, 0,
			"-o: network %s knows json and yaml, not '%s'", args->words[1],
			args->output);
	if (parse_end(args->words[2], &from, err) < 0 || parse_end(args->words[3], &to, err) < 0)
		return -1;
	if (from.port)
		return error_set(
			err, ERR_INVALID, 0, "'%s': the port is the destination's", args->words[2]);
	if (ctl_connect(ctl, err) < 0)
		return -1;
	request.project = (char *)(uintptr_t)(from.project[0] ? from.project : ctl_project(ctl));
	request.source = (char *)(uintptr_t)from.name;
	request.destination_project =
		(char *)(uintptr_t)(to.project[0] ? to.project : ctl_project(ctl));
	request.destination = (char *)(uintptr_t)to.name;
	request.protocol = (char *)(uintptr_t)to.protocol;
	request.port = to.port;
	return ctl_call(ctl, "TraceNetwork", &request.base, ret, err);
}

/* ---- why ----------------------------------------------------------------------------------- */

static void print_end(const Bulkhead__V1__NetworkEnd *end)
{
	if (strcmp(end->place, "pod") == 0) {
		print_escaped(stdout, end->project);
		putchar('/');
		print_escaped(stdout, end->pod);
		printf(" (%s, network %u)", end->address, end->vnid);
	} else if (strcmp(end->place, "node") == 0 && end->node[0]) {
		print_escaped(stdout, end->address);
		fputs(" on node ", stdout);
		print_escaped(stdout, end->node);
	} else {
		print_escaped(stdout, end->address);
	}
}

static void print_line(const char *name, const char *text)
{
	printf("  %-8s ", name);
	print_escaped(stdout, text);
	putchar('\n');
}

static void print_head(const Bulkhead__V1__TraceNetworkResponse *r)
{
	if (r->source && r->destination) {
		print_end(r->source);
		fputs(" -> ", stdout);
		print_end(r->destination);
		printf(", %s", r->protocol);
		if (r->port)
			printf(" port %u", r->port);
		fputs(": ", stdout);
	}
	print_escaped(stdout, r->verdict);
	putchar('\n');
	if (r->reason[0])
		print_line("because", r->reason);
}

/* The flow that decided, of the leg that did. */
static void print_decider(const Bulkhead__V1__TraceNetworkResponse *r)
{
	const Bulkhead__V1__NetworkLeg *leg = r->there;
	const Bulkhead__V1__NetworkStep *step;

	if (!leg || leg->deciding >= leg->n_steps)
		return;
	step = leg->steps[leg->deciding];
	printf("  %-8s table %u (", "decided", step->table);
	print_escaped(stdout, step->table_name);
	printf("), priority %u, %s", step->priority, step->match[0] ? "" : "any packet");
	print_escaped(stdout, step->match);
	fputs(": ", stdout);
	for (size_t i = 0; i < step->n_actions; i++) {
		if (i)
			putchar(',');
		print_escaped(stdout, step->actions[i]);
	}
	printf("\n  %-8s cookie %s, of %s\n", "flow", step->cookie,
		strcmp(step->owner, "base") == 0 ? "the base that every node has" : step->owner);
}

static int code_of(const Bulkhead__V1__TraceNetworkResponse *r)
{
	return strcmp(r->verdict, "does not reach") == 0 ? CTL_DRIFT : CTL_OK;
}

static int print_object(const struct args *args, const ProtobufCMessage *message, struct error *err)
{
	return get_print_objects(args, &message, 1, true, "NetworkTrace", err);
}

int ctl_network_why(struct ctl *ctl, struct error *err)
{
	cleanup_message ProtobufCMessage *message = NULL;
	const Bulkhead__V1__TraceNetworkResponse *r;

	if (ask(ctl, &message, err) < 0)
		return -1;
	r = (Bulkhead__V1__TraceNetworkResponse *)message;
	if (ctl->args->output)
		return print_object(ctl->args, message, err) < 0 ? -1 : code_of(r);
	print_head(r);
	print_decider(r);
	if (r->advice[0])
		print_line("further", r->advice);
	return code_of(r);
}

/* ---- trace --------------------------------------------------------------------------------- */

static void print_step(const Bulkhead__V1__NetworkStep *step, bool decides)
{
	char words[FLOW_WORDS_SIZE];

	printf("%c %3u ", decides ? '>' : ' ', step->table);
	print_escaped(stdout, step->table_name);
	fputs(": ", stdout);
	if (step->missed) {
		puts("no flow fits");
		return;
	}
	print_escaped(stdout, step->match[0] ? step->match : "any packet");
	fputs(" [", stdout);
	print_escaped(stdout, step->owner);
	fputs("]\n", stdout);
	for (size_t i = 0; i < step->n_actions; i++) {
		fputs("        ", stdout);
		print_escaped(stdout, flow_words(step->actions[i], words));
		putchar('\n');
	}
}

static void print_leg(const char *title, const Bulkhead__V1__NetworkLeg *leg)
{
	if (!leg)
		return;
	printf("\n%s: %s\n", title, leg->verdict);
	for (size_t i = 0; i < leg->n_steps; i++)
		print_step(leg->steps[i], i == leg->deciding);
}

int ctl_network_trace(struct ctl *ctl, struct error *err)
{
	cleanup_message ProtobufCMessage *message = NULL;
	const Bulkhead__V1__TraceNetworkResponse *r;

	if (ask(ctl, &message, err) < 0)
		return -1;
	r = (Bulkhead__V1__TraceNetworkResponse *)message;
	if (ctl->args->output)
		return print_object(ctl->args, message, err);
	print_head(r);
	print_leg("who has the address (ARP)", r->arp);
	print_leg("the packet", r->there);
	print_leg("the answer", r->back);
	return CTL_OK;
}

/* ---- check --------------------------------------------------------------------------------- */

static void print_difference(const Bulkhead__V1__NetworkDifference *d)
{
	const Bulkhead__V1__NetworkStep *step = d->step;

	fputs("  ", stdout);
	print_end(d->source);
	fputs(" -> ", stdout);
	print_end(d->destination);
	printf(": %s, should %s", d->verdict, d->expected ? "arrive" : "not arrive");
	printf("; table %u (", step->table);
	print_escaped(stdout, step->table_name);
	printf("), cookie %s, of ", step->cookie);
	print_escaped(stdout, step->owner);
	putchar('\n');
}

static void print_check(const Bulkhead__V1__CheckNetworkResponse *r)
{
	printf("node %s: %u pods, %llu pairs, %u other nodes; asked the switch %u times\n", r->node,
		r->pods, (unsigned long long)r->pairs, r->nodes, r->measured);
	printf("  %u arrive, %u kept apart by project, %u by network policies", r->together,
		r->apart, r->policed);
	if (r->changed)
		printf(", %u changed meanwhile", r->changed);
	printf("\n  flows: %s", r->not_ready[0] ? "not in place: " : "in place");
	print_escaped(stdout, r->not_ready);
	printf(", %llu mended since the start\n", (unsigned long long)r->flows_mended);
	if (r->differing)
		printf("%u otherwise than it should be:\n", r->differing);
	for (size_t i = 0; i < r->n_differences; i++)
		print_difference(r->differences[i]);
	if (r->differing > r->n_differences)
		printf("  ... and %zu more\n", r->differing - r->n_differences);
	if (r->good)
		puts("all as it should be");
}

int ctl_network_check(struct ctl *ctl, struct error *err)
{
	Bulkhead__V1__CheckNetworkRequest request = BULKHEAD__V1__CHECK_NETWORK_REQUEST__INIT;
	cleanup_message ProtobufCMessage *message = NULL;
	const Bulkhead__V1__CheckNetworkResponse *r;

	if (check_output(ctl->args, err) < 0 ||
		ctl_call(ctl, "CheckNetwork", &request.base, &message, err) < 0)
		return -1;
	r = (Bulkhead__V1__CheckNetworkResponse *)message;
	if (!ctl->args->output)
		print_check(r);
	else if (get_print_objects(ctl->args, (const ProtobufCMessage *const *)&message, 1, true,
			 "NetworkCheck", err) < 0)
		return -1;
	return r->good ? CTL_OK : CTL_FAILED;
}
