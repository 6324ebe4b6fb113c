#include "nodeagent/agent/plan_bandwidth.h"

#include "auth/pod_view.h"
#include "proto/quantity.h"

const char *plan_bandwidth_annotation(enum bandwidth_direction direction)
{
	return direction == BANDWIDTH_INGRESS ? "kubernetes.io/ingress-bandwidth"
					      : "kubernetes.io/egress-bandwidth";
}

static int rate_parse(const K8sPod *pod, const char *text, uint64_t *ret, struct error *err)
{
	const K8sPodSpec *spec = view_spec(pod);
	int64_t value;

	if (quantity_units(text, &value, err) < 0)
		return -1;
	if (bandwidth_check(value < 0 ? 0 : (uint64_t)value, err) < 0)
		return -1;
	if (spec && spec->hostnetwork)
		return error_set(err, ERR_UNSUPPORTED, 0,
			"cannot be limited with hostNetwork, which is no port of the switch's: "
			"remove the annotation");
	*ret = (uint64_t)value;
	return 0;
}

int plan_bandwidth(const K8sPod *pod, struct bandwidth *ret, struct error *err)
{
	struct bandwidth read = { 0 };

	for (enum bandwidth_direction d = 0; d < BANDWIDTH_DIRECTIONS; d++) {
		const char *name = plan_bandwidth_annotation(d);
		const char *text = view_annotation(pod, name);

		if (text && rate_parse(pod, text, &read.rate[d], err) < 0)
			return error_prefix(err, "metadata.annotations[%s]", name);
	}
	*ret = read;
	return 0;
}
