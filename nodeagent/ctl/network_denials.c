/* network denials: what the node's switch denied its pods. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bulkhead/v1/node.pb-c.h"
#include "lib/cleanup.h"
#include "nodeagent/ctl/ctl.h"
#include "nodeagent/ctl/get.h"
#include "nodeagent/ctl/print.h"

#define END_SIZE 384

static void end_text(char text[END_SIZE], const Bulkhead__V1__NetworkEnd *end)
{
	if (end->pod[0])
		snprintf(text, END_SIZE, "%s/%s (%s)", end->project, end->pod, end->address);
	else
		snprintf(text, END_SIZE, "%s", end->address);
}

static void add_row(struct print_table *table, const Bulkhead__V1__NetworkDenial *d)
{
	char source[END_SIZE], destination[END_SIZE], protocol[24], count[24], age[GET_CELL_SIZE];

	end_text(source, d->source);
	end_text(destination, d->destination);
	if (d->port)
		snprintf(protocol, sizeof(protocol), "%s/%u", d->protocol, d->port);
	else
		snprintf(protocol, sizeof(protocol), "%s", d->protocol);
	snprintf(count, sizeof(count), "%llu", (unsigned long long)d->count);
	print_table_row(table,
		(const char *[]){ source, destination, protocol, d->reason, count,
			get_age(d->last_at / 1000, age) },
		6);
}

int ctl_network_denials(struct ctl *ctl, struct error *err)
{
	Bulkhead__V1__ListDenialsRequest request = BULKHEAD__V1__LIST_DENIALS_REQUEST__INIT;
	cleanup_message ProtobufCMessage *message = NULL;
	const struct args *args = ctl->args;
	const Bulkhead__V1__ListDenialsResponse *list;
	struct print_table *table;

	if (args->output && !get_wants(args, "json") && !get_wants(args, "yaml"))
		return error_set(err, ERR_INVALID, 0,
			"-o: network denials knows json and yaml, not '%s'", args->output);
	if (ctl_call(ctl, "ListDenials", &request.base, &message, err) < 0)
		return -1;
	if (args->output)
		return get_print_objects(args, (const ProtobufCMessage *const *)&message, 1, true,
			"NetworkDenials", err);
	list = (Bulkhead__V1__ListDenialsResponse *)message;
	table = print_table_new();
	if (!args->no_headers)
		print_table_row(table,
			(const char *[]){
				"SOURCE", "DESTINATION", "PROTOCOL", "REASON", "SEEN", "LAST" },
			6);
	for (size_t i = 0; i < list->n_denials; i++)
		add_row(table, list->denials[i]);
	print_table_write(table, stdout);
	print_table_free(table);
	return CTL_OK;
}
