/*
 * Text from outside: is it valid UTF-8 without NUL, and how it is shown in an error message.
 */
#ifndef PROTO_TEXT_H
#define PROTO_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* A buffer of this size holds whatever text_quote() gives. */
#define TEXT_QUOTE_SIZE 80

/*
 * True when 'size' bytes are UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF)
 * and hold no NUL. Otherwise the offset of the first bad byte is in *bad (NULL is allowed).
 */
bool text_utf8(const char *text, size_t size, size_t *bad);

/*
 * Puts 'text' in double quotes into 'buf' of TEXT_QUOTE_SIZE bytes and returns 'buf': control bytes
 * become \xNN, a long text ends in "...". For error messages, not for a machine to read back.
 */
const char *text_quote(char *buf, const char *text);

#endif
