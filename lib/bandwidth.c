#include "lib/bandwidth.h"

#include <inttypes.h>

const char *bandwidth_direction_name(enum bandwidth_direction direction)
{
	return direction == BANDWIDTH_INGRESS ? "ingress" : "egress";
}

bool bandwidth_equal(const struct bandwidth *a, const struct bandwidth *b)
{
	return a->rate[BANDWIDTH_INGRESS] == b->rate[BANDWIDTH_INGRESS] &&
	       a->rate[BANDWIDTH_EGRESS] == b->rate[BANDWIDTH_EGRESS];
}

int bandwidth_check(uint64_t rate, struct error *err)
{
	if (rate < BANDWIDTH_MIN || rate > BANDWIDTH_K8S_MAX)
		return error_set(err, ERR_INVALID, 0,
			"%" PRIu64 " bits a second are not within 1k and 1P", rate);
	if (rate > BANDWIDTH_MAX)
		return error_set(err, ERR_UNSUPPORTED, 0,
			"%" PRIu64
			" bits a second are more than the switch's meters count, which is "
			"4294967295k: remove the limit, or lower it",
			rate);
	return 0;
}
