/*
 * Members of JSON documents that strangers wrote: each read says what type it must have, and an
 * error names the member.
 */
#ifndef NODEAGENT_IMAGE_JSONDOC_H
#define NODEAGENT_IMAGE_JSONDOC_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

static inline void cleanup_json_fn(json_t **j)
{
	json_decref(*j);
}
#define cleanup_json __attribute__((cleanup(cleanup_json_fn)))

/*
 * 'what' names the document in errors. Duplicate members, NUL in strings and bad UTF-8 are refused.
 * On success the caller owns *ret, an object or (for 'type' JSON_ARRAY) an array.
 */
int jsondoc_parse(const char *what, const char *data, size_t size, json_type type, json_t **ret,
	struct error *err);

/* Outputs are borrowed from 'object'; NULL (or -1) when the member is absent or null. */
int jsondoc_text(const json_t *object, const char *key, const char **ret, struct error *err);
int jsondoc_number(const json_t *object, const char *key, int64_t *ret, struct error *err);
int jsondoc_member(
	const json_t *object, const char *key, json_type type, json_t **ret, struct error *err);

/*
 * A list of strings, at most 'max'. The caller owns *ret, which ends with NULL and is empty when
 * the member is absent or null.
 */
int jsondoc_strings(const json_t *object, const char *key, size_t max, char ***ret, size_t *ret_len,
	struct error *err);

void strings_free(char **list); /* NULL is allowed */

#endif
