#include "netplugin/denial_table.h"

static bool is_same(const struct denial_key *a, const struct denial_key *b)
{
	return a->in_port == b->in_port && a->source == b->source &&
	       a->destination == b->destination && a->table == b->table &&
	       a->protocol == b->protocol && a->port == b->port;
}

static bool is_older(const struct denial *row, const struct denial *than)
{
	return !than || row->last_msec < than->last_msec;
}

bool denial_table_note(struct denial_table *table, const struct denial_key *key, int64_t now_msec)
{
	struct denial *unused = NULL, *own = NULL, *any = NULL, *row;
	size_t owns = 0;

	for (size_t i = 0; i < DENIALS_MAX; i++) {
		row = &table->rows[i];
		if (!row->used) {
			unused = row;
			continue;
		}
		if (is_same(&row->key, key)) {
			row->count++;
			row->last_msec = now_msec;
			return false;
		}
		if (is_older(row, any))
			any = row;
		if (row->key.in_port == key->in_port) {
			owns++;
			if (is_older(row, own))
				own = row;
		}
	}
	if (owns >= DENIALS_PORT_MAX)
		row = own;
	else
		row = unused ? unused : any;
	*row = (struct denial){ *key, 1, now_msec, now_msec, true };
	return true;
}
