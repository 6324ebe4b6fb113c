#include "auth/violation.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

static void violation_done(struct violation *item)
{
	free(item->check);
	free(item->field);
	free(item->reason);
}

void violations_done(struct violations *list)
{
	for (size_t i = 0; i < list->n; i++)
		violation_done(&list->items[i]);
	free(list->items);
	*list = (struct violations){ 0 };
}

/* Takes 'item' over, also when there is no room. */
static void append(struct violations *list, struct violation *item)
{
	if (list->n >= VIOLATIONS_MAX) {
		list->more++;
		violation_done(item);
		return;
	}
	if (!list->items)
		list->items = calloc(VIOLATIONS_MAX, sizeof(*list->items));
	if (!list->items || !item->check || !item->field || !item->reason) {
		list->no_memory = true;
		violation_done(item);
		return;
	}
	list->items[list->n++] = *item;
}

void violation_add(struct violations *list, enum error_code code, const char *check,
	const char *field, const char *fmt, ...)
{
	struct violation item = { .code = code };
	va_list ap;

	item.check = strdup(check);
	item.field = strdup(field);
	va_start(ap, fmt);
	if (vasprintf(&item.reason, fmt, ap) < 0)
		item.reason = NULL;
	va_end(ap);
	append(list, &item);
}

void violations_move(struct violations *list, struct violations *from)
{
	for (size_t i = 0; i < from->n; i++)
		append(list, &from->items[i]);
	list->more += from->more;
	list->no_memory |= from->no_memory;
	free(from->items);
	*from = (struct violations){ 0 };
}

bool violations_any(const struct violations *list)
{
	return list->n > 0 || list->more > 0 || list->no_memory;
}

int violations_end(const struct violations *list, struct error *err)
{
	if (list->no_memory)
		return error_set(err, ERR_EXHAUSTED, 0, "no memory to judge the pod");
	return 0;
}

static enum error_code worst(const struct violations *list)
{
	enum error_code code = ERR_UNSUPPORTED;

	for (size_t i = 0; i < list->n; i++) {
		if (list->items[i].code == ERR_INVALID)
			return ERR_INVALID;
		if (list->items[i].code == ERR_DENIED)
			code = ERR_DENIED;
	}
	return code;
}

/* All in one line; NULL without memory. */
static char *join(const struct violations *list, bool name_check)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	for (size_t i = 0; i < list->n; i++) {
		const struct violation *item = &list->items[i];

		fprintf(f, "%s%s%s%s%s%s", i ? "; " : "", name_check ? item->check : "",
			name_check ? ": " : "", item->field, *item->field ? ": " : "",
			item->reason);
	}
	if (list->more)
		fprintf(f, "; and %zu more", list->more);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

int violations_error(const struct violations *list, const char *subject, struct error *err)
{
	cleanup_free char *text = NULL;

	if (!violations_any(list))
		return 0;
	if (violations_end(list, err) < 0)
		return -1;
	text = join(list, subject == NULL);
	if (!text)
		return error_set(err, ERR_EXHAUSTED, 0, "no memory to report on the pod");
	if (!subject)
		return error_set(err, worst(list), 0, "%s", text);
	return error_set(err, worst(list), 0, "%s: %s", subject, text);
}
