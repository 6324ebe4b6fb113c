/* Base64 for URLs and JWT: RFC 4648 section 5 without padding (RFC 7515, 2). */
#ifndef SECRETS_BASE64URL_H
#define SECRETS_BASE64URL_H

#include <stddef.h>
#include <stdint.h>

/* Characters for 'size' bytes, and room for a NUL. */
#define BASE64URL_SIZE(size) (((size)*4 + 2) / 3 + 1)

/* Writes the text and a NUL to 'text' (BASE64URL_SIZE(size) bytes). Returns its length. */
size_t base64url_encode(char *text, const void *bytes, size_t size);

/*
 * Decodes 'len' characters into 'bytes' (room for len / 4 * 3 + 2). 0, or -1 for anything but the
 * one canonical text: padding, white space, other letters, stray bits.
 */
int base64url_decode(uint8_t *bytes, size_t *ret_size, const char *text, size_t len);

#endif
