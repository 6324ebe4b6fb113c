/*
 * JSON writes characters past U+FFFF as two escapes (\ud83d\ude00), which YAML does not know.
 */
#ifndef PROTO_SURROGATES_H
#define PROTO_SURROGATES_H

#include <stddef.h>

/*
 * A copy of JSON text with every such pair as YAML's \U0001f600. NULL with *ret_size untouched when
 * there is none, when the text does not look like JSON, or when memory is out: read the original.
 */
char *surrogates_to_yaml(const char *text, size_t size, size_t *ret_size);

#endif
