/*
 * Flows being collected: what has the same table, priority and match is one flow, whose
 * conjunctions are those of all that were added.
 */
#ifndef NETPLUGIN_POLICY_TABLE_H
#define NETPLUGIN_POLICY_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "netplugin/flows.h"

struct policy_entry {
	unsigned table;
	unsigned priority;
	char *match;
	char *actions;
};

struct policy_table {
	struct policy_entry *entries;
	size_t len;
	size_t room;
	size_t max; /* entries that may be there */
};

void policy_table_done(struct policy_table *table);

/* Copies both texts. Errors: ERR_PRECONDITION ('max' entries are there), ERR_EXHAUSTED (memory). */
int policy_table_add(struct policy_table *table, unsigned number, unsigned priority,
	const char *match, const char *actions, struct error *err);

/* Drops what was added since there were 'len'. */
void policy_table_cut(struct policy_table *table, size_t len);

/* Appends all as lines, in an order that depends on them alone. Sorts 'table'. */
int policy_table_write(
	struct policy_table *table, uint64_t cookie, struct flow_list *list, struct error *err);

#endif
