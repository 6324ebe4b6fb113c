#include "secrets/base64url.h"

#include <string.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64url_encode(char *text, const void *bytes, size_t size)
{
	const uint8_t *in = bytes;
	uint32_t bits = 0;
	unsigned held = 0;
	size_t len = 0;

	for (size_t i = 0; i < size; i++) {
		bits = bits << 8 | in[i];
		for (held += 8; held >= 6; held -= 6)
			text[len++] = letters[bits >> (held - 6) & 63];
	}
	if (held > 0)
		text[len++] = letters[bits << (6 - held) & 63];
	text[len] = '\0';
	return len;
}

int base64url_decode(uint8_t *bytes, size_t *ret_size, const char *text, size_t len)
{
	uint32_t bits = 0;
	unsigned held = 0;
	size_t size = 0;

	for (size_t i = 0; i < len; i++) {
		const char *letter = text[i] ? strchr(letters, text[i]) : NULL;

		if (!letter)
			return -1;
		bits = bits << 6 | (uint32_t)(letter - letters);
		held += 6;
		if (held >= 8) {
			held -= 8;
			bytes[size++] = (uint8_t)(bits >> held);
		}
	}
	/* Left over are 0, 2 or 4 bits, all zero; 6 are a letter that belongs to nothing. */
	if (held == 6 || (bits & ((1u << held) - 1)))
		return -1;
	*ret_size = size;
	return 0;
}
