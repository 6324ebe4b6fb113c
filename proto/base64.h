/*
 * Base64 (RFC 4648 section 4, with padding), as bytes fields have it in JSON.
 */
#ifndef PROTO_BASE64_H
#define PROTO_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for the text of 'size' bytes and its NUL. */
#define BASE64_SIZE(size) (((size) + 2) / 3 * 4 + 1)

/* Writes BASE64_SIZE(size) bytes to 'text'. */
void base64_encode(char *text, const uint8_t *bytes, size_t size);

/*
 * Decodes 'len' characters into 'bytes', which has room for len / 4 * 3. Line ends are skipped, all
 * else outside the alphabet, wrong padding and stray bits are refused (false, *size untouched).
 */
bool base64_decode(uint8_t *bytes, size_t *size, const char *text, size_t len);

#endif
