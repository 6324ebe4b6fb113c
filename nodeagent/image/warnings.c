#include "nodeagent/image/warnings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WARNING_SIZE 512

void text_escape(char *text, size_t size)
{
	char *copy = strdup(text);
	size_t n = 0;

	if (!copy) {
		text[0] = '\0';
		return;
	}
	for (const unsigned char *p = (unsigned char *)copy; *p && n + 5 < size; p++) {
		if (*p >= 0x20 && *p < 0x7f)
			text[n++] = (char)*p;
		else
			n += (size_t)snprintf(text + n, size - n, "\\x%02x", *p);
	}
	text[n] = '\0';
	free(copy);
}

void warnings_add(struct warnings *warnings, const char *fmt, ...)
{
	char text[WARNING_SIZE];
	va_list ap;

	if (warnings->len == IMPORT_WARNINGS_MAX) {
		warnings->more++;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text_escape(text, sizeof(text));
	warnings->items[warnings->len] = strdup(text);
	if (warnings->items[warnings->len])
		warnings->len++;
}

void warnings_finish(struct warnings *warnings)
{
	char *last;

	if (warnings->more && asprintf(&last, "and %zu more warnings", warnings->more) > 0)
		warnings->items[warnings->len++] = last;
	warnings->more = 0;
}

void warnings_done(struct warnings *warnings)
{
	for (size_t i = 0; i < warnings->len; i++)
		free(warnings->items[i]);
	memset(warnings, 0, sizeof(*warnings));
}
