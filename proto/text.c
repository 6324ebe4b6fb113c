#include "proto/text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Length of the UTF-8 sequence at p (of 'left' bytes), 0 when it is not one. */
static size_t sequence(const unsigned char *p, size_t left)
{
	uint32_t code, least;
	size_t n;

	if (p[0] < 0x80)
		return p[0] != 0;
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		n = 2, code = p[0] & 0x1f, least = 0x80;
	} else if ((p[0] & 0xf0) == 0xe0) {
		n = 3, code = p[0] & 0x0f, least = 0x800;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		n = 4, code = p[0] & 0x07, least = 0x10000;
	} else {
		return 0;
	}
	if (left < n)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return n;
}

bool text_utf8(const char *text, size_t size, size_t *bad)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t at = 0;

	while (at < size) {
		size_t n = sequence(p + at, size - at);

		if (n == 0) {
			if (bad)
				*bad = at;
			return false;
		}
		at += n;
	}
	return true;
}

const char *text_quote(char *buf, const char *text)
{
	const size_t room = TEXT_QUOTE_SIZE - sizeof("\"...");
	size_t left = strlen(text), at = 1;

	buf[0] = '"';
	while (left > 0) {
		const unsigned char *p = (const unsigned char *)text;
		size_t n = sequence(p, left);
		char one[8];

		if (n == 0 || *p < 0x20 || *p == 0x7f || *p == '"' ||
			(n == 2 && *p == 0xc2 && p[1] < 0xa0)) {
			n = 1;
			snprintf(one, sizeof(one), *p == '"' ? "\\\"" : "\\x%02x", *p);
		} else {
			memcpy(one, text, n);
			one[n] = '\0';
		}
		if (at + strlen(one) > room - 1)
			break;
		at += (size_t)snprintf(buf + at, TEXT_QUOTE_SIZE - at, "%s", one);
		text += n;
		left -= n;
	}
	snprintf(buf + at, TEXT_QUOTE_SIZE - at, left > 0 ? "...\"" : "\"");
	return buf;
}
