#include "proto/surrogates.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAIR_SIZE 12 /* \ud83d\ude00 */

/* The value of \uXXXX at 'p', or 0. */
static uint32_t escape(const char *p)
{
	uint32_t v = 0;

	if (p[0] != '\\' || p[1] != 'u')
		return 0;
	for (int i = 2; i < 6; i++) {
		int c = tolower((unsigned char)p[i]);

		if (!isxdigit(c))
			return 0;
		v = v << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return v;
}

/* The character that a pair of escapes stands for, or 0. */
static uint32_t pair(const char *p, size_t left)
{
	uint32_t high, low;

	if (left < PAIR_SIZE)
		return 0;
	high = escape(p);
	low = escape(p + PAIR_SIZE / 2);
	if (high < 0xd800 || high > 0xdbff || low < 0xdc00 || low > 0xdfff)
		return 0;
	return 0x10000 + ((high & 0x3ff) << 10) + (low & 0x3ff);
}

char *surrogates_to_yaml(const char *text, size_t size, size_t *ret_size)
{
	bool inside = false, found = false;
	size_t at = 0, n = 0;
	char *copy;

	while (at < size && isspace((unsigned char)text[at]))
		at++;
	if (at == size || text[at] != '{' || !memmem(text, size, "\\u", 2))
		return NULL;
	copy = malloc(size + 1);
	if (!copy)
		return NULL;
	for (at = 0; at < size;) {
		uint32_t code = inside ? pair(text + at, size - at) : 0;

		if (code) {
			n += (size_t)snprintf(copy + n, size + 1 - n, "\\U%08x", code);
			at += PAIR_SIZE;
			found = true;
			continue;
		}
		/* Comments and single quotes are YAML's: there, a backslash is a backslash. */
		if (!inside && (text[at] == '\'' || text[at] == '#')) {
			found = false;
			break;
		}
		if (text[at] == '"')
			inside = !inside;
		if (inside && text[at] == '\\' && at + 1 < size)
			copy[n++] = text[at++];
		copy[n++] = text[at++];
	}
	if (!found) {
		free(copy);
		return NULL;
	}
	*ret_size = n;
	return copy;
}
