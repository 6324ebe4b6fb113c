/*
 * SHA-256, the one digest that images are named by here, as lower-case hex.
 */
#ifndef NODEAGENT_IMAGE_DIGEST_H
#define NODEAGENT_IMAGE_DIGEST_H

#include <stddef.h>

#include "lib/error.h"

#define DIGEST_HEX_SIZE  65 /* 64 digits and NUL */
#define DIGEST_PREFIX    "sha256:"
#define DIGEST_TEXT_SIZE (sizeof(DIGEST_PREFIX) - 1 + DIGEST_HEX_SIZE)

struct digest;

/* A running sum. On success the caller owns *ret. */
int digest_new(struct digest **ret, struct error *err);
void digest_free(struct digest *digest); /* NULL is allowed */
int digest_add(struct digest *digest, const void *data, size_t size, struct error *err);
/* The sum of all that was added. Nothing may be added after. */
int digest_hex(struct digest *digest, char ret[DIGEST_HEX_SIZE], struct error *err);

/* Of one piece of memory. */
int digest_of(const void *data, size_t size, char ret[DIGEST_HEX_SIZE], struct error *err);

/* Whether 'text' is 64 lower-case hexadecimal digits. */
int digest_is_hex(const char *text);

/*
 * The hex of "sha256:<hex>", borrowed from 'text', or NULL with 'err' naming 'field'. Errors:
 * ERR_UNSUPPORTED (another algorithm), ERR_INVALID.
 */
const char *digest_parse(const char *field, const char *text, struct error *err);

#endif
