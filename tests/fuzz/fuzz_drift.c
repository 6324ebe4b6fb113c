/*
 * The texts that drift reads. The first byte says which: status 's', limits 'l', id map 'm'; else
 * two mount tables (and two lists of cgroup values), apart by a line of '%', compared both ways.
 */
#include <stdlib.h>
#include <string.h>

#include "nodeagent/shim/drift.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct drift_list *list)
{
	if (list->len > DRIFT_ROWS_MAX || (list->more && list->len != DRIFT_ROWS_MAX))
		abort();
	for (size_t i = 0; i < list->len; i++) {
		if (!memchr(list->rows[i].field, 0, DRIFT_FIELD_SIZE) ||
			!memchr(list->rows[i].expected, 0, DRIFT_TEXT_SIZE) ||
			!memchr(list->rows[i].found, 0, DRIFT_TEXT_SIZE))
			abort();
	}
}

static void compare(const char *a, const char *b)
{
	struct drift_list list = { .len = 0 };

	drift_compare_mounts(a, b, &list);
	drift_compare_values("cgroup.", a, b, &list);
	check(&list);
	if (strcmp(a, b) == 0 && list.len)
		abort();
}

static void tables(char *text)
{
	char *second = strstr(text, "%\n");

	if (second) {
		*second = '\0';
		second += 2;
	}
	compare(text, second ? second : "");
	compare(second ? second : "", text);
	compare(text, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct drift_facts facts = { 0 };
	char *text = malloc(size + 1);
	struct error err;

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	if (size > 0 && text[0] == 's')
		drift_parse_status(&facts, text + 1, &err);
	else if (size > 0 && text[0] == 'l')
		drift_parse_limits(&facts, text + 1, &err);
	else if (size > 0 && text[0] == 'm')
		drift_parse_map(&facts.uid_map, text + 1, &err);
	else
		tables(text);
	if (facts.groups_len > USER_GROUPS_MAX || facts.uid_map.len > ID_MAP_ROWS_MAX)
		abort();
	free(text);
	return 0;
}
