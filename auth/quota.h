/*
 * What the pods of a project may have together, as Kubernetes' ResourceQuota says it: named limits
 * "limits.cpu=2,limits.memory=1Gi,pods=10", sums of what pods declare, and the refusal of one too
 * many. Pure.
 *
 * "count/pids" is ours: processes at a time, which only the project's cgroup counts. So are
 * "limits.bandwidth-ingress" and "-egress": bits a second, which the switch counts.
 */
#ifndef AUTH_QUOTA_H
#define AUTH_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

enum quota_resource {
	QUOTA_LIMITS_CPU, /* thousandths of a CPU */
	QUOTA_LIMITS_MEMORY,
	QUOTA_REQUESTS_CPU,
	QUOTA_REQUESTS_MEMORY,
	QUOTA_PODS,
	QUOTA_PIDS,
	QUOTA_INGRESS, /* bits a second */
	QUOTA_EGRESS,
	QUOTA_RESOURCES,
};

#define QUOTA_HARD_MAX   512 /* bytes of a quota's text */
#define QUOTAS_MAX       8   /* of a project */
#define QUOTA_VALUE_SIZE 32

struct quota {
	bool set[QUOTA_RESOURCES];
	int64_t hard[QUOTA_RESOURCES];
};

/* "limits.cpu". */
const char *quota_resource_name(enum quota_resource resource);

/*
 * Parses the text; 'field' names it in errors. ERR_INVALID: an unknown or repeated resource, a
 * value that is no quantity, is negative, or, of a limit that the kernel keeps, too small.
 */
int quota_parse(const char *text, const char *field, struct quota *ret, struct error *err);

/* As a quantity: "1500m", "1Gi". */
void quota_value(enum quota_resource resource, int64_t value, char ret[QUOTA_VALUE_SIZE]);

/*
 * Whether a pod that wants 'asked' fits beside what there is. 'declared' is false where one of its
 * containers has no such limit or request. ERR_DENIED in Kubernetes' words.
 */
int quota_check(const char *name, const struct quota *quota, const int64_t used[QUOTA_RESOURCES],
	const int64_t asked[QUOTA_RESOURCES], const bool declared[QUOTA_RESOURCES],
	struct error *err);

#endif
