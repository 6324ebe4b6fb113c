/*
 * Kubernetes resource quantities ("500m", "1.5Gi", "2e3") in integers, without floating point.
 *
 * Grammar and rounding are those of k8s.io/apimachinery/pkg/api/resource: a signed decimal number
 * with one suffix out of Ki Mi Gi Ti Pi Ei, n u m k M G T P E, or e/E and a signed exponent; what
 * is finer than the unit asked for is rounded up (away from zero).
 */
#ifndef PROTO_QUANTITY_H
#define PROTO_QUANTITY_H

#include <stdint.h>

#include "lib/error.h"

/* In thousandths: "500m" is 500, "2" is 2000. For cpu. */
int quantity_milli(const char *text, int64_t *ret, struct error *err);

/* In whole units: "1Ki" is 1024, "1500m" is 2. For memory, storage and counts. */
int quantity_units(const char *text, int64_t *ret, struct error *err);

/* Only whether it is a quantity; one too large for the two above still is. */
int quantity_check(const char *text, struct error *err);

#endif
