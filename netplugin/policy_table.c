#include "netplugin/policy_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netplugin/policy.h"

void policy_table_cut(struct policy_table *table, size_t len)
{
	for (size_t i = len; i < table->len; i++) {
		free(table->entries[i].match);
		free(table->entries[i].actions);
	}
	table->len = len;
}

void policy_table_done(struct policy_table *table)
{
	policy_table_cut(table, 0);
	free(table->entries);
	*table = (struct policy_table){ 0 };
}

static int no_memory(struct error *err)
{
	return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot compute the policies' flows");
}

int policy_table_add(struct policy_table *table, unsigned number, unsigned priority,
	const char *match, const char *actions, struct error *err)
{
	struct policy_entry entry = { number, priority, NULL, NULL };

	if (table->len >= table->max)
		return error_set(
			err, ERR_PRECONDITION, 0, "they need more than %d flows", POLICY_FLOWS_MAX);
	if (table->len == table->room) {
		size_t room = table->room ? table->room * 2 : 64;
		void *more = reallocarray(table->entries, room, sizeof(*table->entries));

		if (!more)
			return no_memory(err);
		table->entries = more;
		table->room = room;
	}
	entry.match = strdup(match);
	entry.actions = strdup(actions);
	if (!entry.match || !entry.actions) {
		free(entry.match);
		free(entry.actions);
		return no_memory(err);
	}
	table->entries[table->len++] = entry;
	return 0;
}

static int compare_flows(const struct policy_entry *a, const struct policy_entry *b)
{
	if (a->table != b->table)
		return a->table < b->table ? -1 : 1;
	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	return strcmp(a->match, b->match);
}

static int compare(const void *a, const void *b)
{
	const struct policy_entry *x = a, *y = b;
	int r = compare_flows(x, y);

	return r ? r : strcmp(x->actions, y->actions);
}

/* The flow of the entries from 'first' up to 'end', which differ in their actions at most. */
static int write_flow(const struct policy_entry *first, const struct policy_entry *end,
	uint64_t cookie, struct flow_list *list, struct error *err)
{
	char *line = NULL;
	size_t size;
	FILE *out = open_memstream(&line, &size);

	if (!out)
		return no_memory(err);
	fprintf(out, "cookie=0x%llx,table=%u,priority=%u,%s,actions=%s", (unsigned long long)cookie,
		first->table, first->priority, first->match, first->actions);
	for (const struct policy_entry *e = first + 1; e < end; e++) {
		if (strcmp(e->actions, e[-1].actions) != 0)
			fprintf(out, ",%s", e->actions);
	}
	if (fclose(out) != 0) {
		free(line);
		return no_memory(err);
	}
	return flow_list_add(list, line, err);
}

int policy_table_write(
	struct policy_table *table, uint64_t cookie, struct flow_list *list, struct error *err)
{
	const struct policy_entry *end = table->entries + table->len;

	if (table->len == 0)
		return 0;
	qsort(table->entries, table->len, sizeof(*table->entries), compare);
	for (const struct policy_entry *e = table->entries, *next; e < end; e = next) {
		for (next = e + 1; next < end && compare_flows(e, next) == 0;)
			next++;
		if (write_flow(e, next, cookie, list, err) < 0)
			return -1;
	}
	return 0;
}
