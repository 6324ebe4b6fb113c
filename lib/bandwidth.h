/*
 * Limits of what a pod, or a project on a node, sends and receives: in bits a second, from the
 * pod's point of view. 0 is no limit.
 */
#ifndef LIB_BANDWIDTH_H
#define LIB_BANDWIDTH_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"

/* Kubernetes takes 1k to 1P (pkg/util/bandwidth); a meter counts up to 2^32 - 1 kilobits a second.
 */
#define BANDWIDTH_MIN     UINT64_C(1000)
#define BANDWIDTH_MAX     (UINT64_C(4294967295) * 1000)
#define BANDWIDTH_K8S_MAX UINT64_C(1000000000000000)

enum bandwidth_direction {
	BANDWIDTH_INGRESS, /* to the pod */
	BANDWIDTH_EGRESS,  /* from the pod */
	BANDWIDTH_DIRECTIONS,
};

struct bandwidth {
	uint64_t rate[BANDWIDTH_DIRECTIONS];
};

/* "ingress", "egress". */
const char *bandwidth_direction_name(enum bandwidth_direction direction);

bool bandwidth_equal(const struct bandwidth *a, const struct bandwidth *b);

/* ERR_INVALID: out of Kubernetes' range; ERR_UNSUPPORTED: no switch of ours can count it. */
int bandwidth_check(uint64_t rate, struct error *err);

#endif
