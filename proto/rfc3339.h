/*
 * RFC 3339 date and time <-> seconds since 1970 and nanoseconds, as meta/v1 Time has them in JSON.
 */
#ifndef PROTO_RFC3339_H
#define PROTO_RFC3339_H

#include <stdbool.h>
#include <stdint.h>

#define RFC3339_SIZE 40

/*
 * Reads "2024-05-01T12:00:00Z", with an optional fraction of up to nine digits and Z or an offset.
 * False (outputs untouched) for anything else: years are 0001 to 9999, no leap second, as in Go.
 */
bool rfc3339_parse(const char *text, int64_t *seconds, int32_t *nanos);

/*
 * Writes UTC into 'buf' of RFC3339_SIZE bytes, a fraction only when nanos is not 0. False when the
 * year is not 0001 to 9999 or nanos not 0 to 999,999,999.
 */
bool rfc3339_format(char *buf, int64_t seconds, int32_t nanos);

#endif
