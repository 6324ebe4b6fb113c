#include "lib/parse.h"

#include <errno.h>
#include <stdlib.h>

int parse_u32(const char *text, const char *field, uint32_t min, uint32_t max, uint32_t *ret,
	struct error *err)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || value < min || value > max)
		return error_set(err, ERR_INVALID, 0, "%s: '%s' is not a number from %u to %u",
			field, text, min, max);
	*ret = (uint32_t)value;
	return 0;
}
