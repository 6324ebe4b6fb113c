#include "auth/validate_rules.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/validate_walk.h"
#include "lib/cleanup.h"
#include "proto/text.h"

#define ID_MAX INT32_MAX

void invalid(const struct validation *v, const struct place *at, const char *fmt, ...)
{
	cleanup_free char *reason = NULL;
	char field[PLACE_SIZE];
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&reason, fmt, ap) < 0)
		reason = NULL;
	va_end(ap);
	if (!reason)
		v->out->no_memory = true;
	else
		violation_add(v->out, ERR_INVALID, "validate", place_text(at, field), "%s", reason);
}

static void want_rule(
	const struct validation *v, const struct place *at, const char *text, text_rule rule)
{
	const char *reason = rule(text);
	char quoted[TEXT_QUOTE_SIZE];

	if (reason)
		invalid(v, at, "%s %s", text_quote(quoted, text), reason);
}

void want_text(const struct validation *v, const struct place *at, const char *text, text_rule rule)
{
	if (!is_set(text))
		invalid(v, at, "must be given");
	else
		want_rule(v, at, text, rule);
}

void want_text_if(
	const struct validation *v, const struct place *at, const char *text, text_rule rule)
{
	if (is_set(text))
		want_rule(v, at, text, rule);
}

void want_one_of(const struct validation *v, const struct place *at, const char *text,
	const char *const *allowed)
{
	char quoted[TEXT_QUOTE_SIZE];
	char list[256] = "";

	if (!is_set(text))
		return;
	for (size_t i = 0; allowed[i]; i++) {
		size_t len = strlen(list);

		if (strcmp(text, allowed[i]) == 0)
			return;
		snprintf(list + len, sizeof(list) - len, "%s%s", i == 0 ? "" : ", ", allowed[i]);
	}
	invalid(v, at, "%s must be one of %s", text_quote(quoted, text), list);
}

void want_range(
	const struct validation *v, const struct place *at, int64_t value, int64_t min, int64_t max)
{
	if (value < min || value > max)
		invalid(v, at, "%" PRId64 " must be %" PRId64 " to %" PRId64, value, min, max);
}

bool want_count(const struct validation *v, const struct place *at, size_t n, size_t max)
{
	if (n <= max)
		return true;
	invalid(v, at, "%zu are too many; at most %zu are allowed", n, max);
	return false;
}

void want_id(const struct validation *v, const struct place *at, bool has, int64_t id)
{
	if (has)
		want_range(v, at, id, 0, ID_MAX);
}

/* The names of what is set, as far as they fit. */
struct members {
	size_t n;
	char names[128];
};

static bool visit_member(void *arg, const struct walk_field *f)
{
	struct members *m = arg;
	size_t len = strlen(m->names);

	snprintf(m->names + len, sizeof(m->names) - len, "%s%s", m->n++ ? ", " : "", f->at->name);
	return false;
}

void want_one_member(const struct validation *v, const struct place *at,
	const ProtobufCMessage *msg, const char *what)
{
	struct members m = { 0 };

	if (msg)
		walk_message(msg, NULL, visit_member, &m);
	if (m.n == 0)
		invalid(v, at, "must have one of %s", what);
	else if (m.n > 1)
		invalid(v, at, "must have only one of %s; it has %s", what, m.names);
}
