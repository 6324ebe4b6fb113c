#include "proto/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(char *text, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i += 3) {
		size_t left = size - i;
		uint32_t group = (uint32_t)bytes[i] << 16;

		if (left > 1)
			group |= (uint32_t)bytes[i + 1] << 8;
		if (left > 2)
			group |= bytes[i + 2];
		*text++ = alphabet[group >> 18];
		*text++ = alphabet[group >> 12 & 63];
		*text++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
		*text++ = left > 2 ? alphabet[group & 63] : '=';
	}
	*text = '\0';
}

static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode(uint8_t *bytes, size_t *size, const char *text, size_t len)
{
	uint32_t group = 0;
	size_t n = 0, have = 0, pads = 0;

	for (size_t i = 0; i < len; i++) {
		int d = digit(text[i]);

		if (text[i] == '\n' || text[i] == '\r')
			continue;
		if (text[i] == '=') {
			pads++;
			continue;
		}
		if (d < 0 || pads > 0)
			return false;
		group = group << 6 | (uint32_t)d;
		if (++have % 4 != 0)
			continue;
		bytes[n++] = (uint8_t)(group >> 16);
		bytes[n++] = (uint8_t)(group >> 8);
		bytes[n++] = (uint8_t)group;
		group = 0;
	}
	if (pads > 2 || (have + pads) % 4 != 0)
		return false;
	if (pads == 2) {
		if (group & 15)
			return false;
		bytes[n++] = (uint8_t)(group >> 4);
	} else if (pads == 1) {
		if (group & 3)
			return false;
		bytes[n++] = (uint8_t)(group >> 10);
		bytes[n++] = (uint8_t)(group >> 2);
	}
	*size = n;
	return true;
}
