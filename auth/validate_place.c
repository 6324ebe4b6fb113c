#include "auth/validate_place.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void __attribute__((format(printf, 2, 3))) append(char buf[PLACE_SIZE], const char *fmt, ...)
{
	size_t len = strlen(buf);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf + len, PLACE_SIZE - len, fmt, ap);
	va_end(ap);
}

static void append_key(char buf[PLACE_SIZE], const char *key)
{
	char text[PLACE_KEY_SIZE];
	size_t len = strlen(key);

	snprintf(text, sizeof(text), "%s", key);
	for (char *p = text; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	}
	append(buf, "[%s%s]", text, len >= sizeof(text) ? "..." : "");
}

const char *place_text(const struct place *place, char buf[PLACE_SIZE])
{
	buf[0] = '\0';
	if (!place)
		return buf;
	place_text(place->up, buf);
	if (place->name)
		append(buf, "%s%s", buf[0] ? "." : "", place->name);
	else if (place->key)
		append_key(buf, place->key);
	else
		append(buf, "[%zu]", place->index);
	return buf;
}
