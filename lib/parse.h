/* Numbers out of text that somebody wrote: arguments, fields. Pure. */
#ifndef LIB_PARSE_H
#define LIB_PARSE_H

#include <stdint.h>

#include "lib/error.h"

/*
 * A decimal number from 'min' to 'max' and nothing else, not even a sign or a space. 'field' names
 * it in the error. Errors: ERR_INVALID.
 */
int parse_u32(const char *text, const char *field, uint32_t min, uint32_t max, uint32_t *ret,
	struct error *err);

#endif
