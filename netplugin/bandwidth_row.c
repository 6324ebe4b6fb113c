#include <config.h>

#include "netplugin/bandwidth_row.h"

#include <inttypes.h>
#include <stdlib.h>

#include "smap.h"

#define NUMBER_KEY "bulkhead-project-number"

static const char *const pod_keys[BANDWIDTH_DIRECTIONS] = {
	[BANDWIDTH_INGRESS] = "bulkhead-ingress-bandwidth",
	[BANDWIDTH_EGRESS] = "bulkhead-egress-bandwidth",
};

static const char *const project_keys[BANDWIDTH_DIRECTIONS] = {
	[BANDWIDTH_INGRESS] = "bulkhead-project-ingress-bandwidth",
	[BANDWIDTH_EGRESS] = "bulkhead-project-egress-bandwidth",
};

/* 0 where there is no such key. */
static int read_number(const struct smap *ids, const char *key, uint64_t min, uint64_t max,
	uint64_t *ret, struct error *err)
{
	const char *text = smap_get(ids, key);
	uint64_t value = 0;
	char *end;

	*ret = 0;
	if (!text)
		return 0;
	value = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || value < min || value > max)
		return error_set(err, ERR_INVALID, 0, "external_ids:%s is '%.64s'", key, text);
	*ret = value;
	return 0;
}

static int read_rates(const struct smap *ids, const char *const keys[BANDWIDTH_DIRECTIONS],
	struct bandwidth *ret, struct error *err)
{
	for (enum bandwidth_direction d = 0; d < BANDWIDTH_DIRECTIONS; d++) {
		if (read_number(ids, keys[d], BANDWIDTH_MIN, BANDWIDTH_MAX, &ret->rate[d], err) < 0)
			return -1;
	}
	return 0;
}

int bandwidth_row_read(const struct smap *ids, struct port_bandwidth *ret, struct error *err)
{
	struct port_bandwidth read = { 0 };
	uint64_t number;

	if (read_rates(ids, pod_keys, &read.pod, err) < 0 ||
		read_rates(ids, project_keys, &read.project, err) < 0 ||
		read_number(ids, NUMBER_KEY, 0, BANDWIDTH_PROJECT_NUMBER_MAX, &number, err) < 0)
		return -1;
	read.project_number = (uint32_t)number;
	*ret = read;
	return 0;
}

static void write_number(struct smap *ids, const char *key, uint64_t value, bool is_there)
{
	smap_remove(ids, key);
	if (is_there)
		smap_add_format(ids, key, "%" PRIu64, value);
}

void bandwidth_row_write(struct smap *ids, const struct port_bandwidth *bandwidth)
{
	const struct bandwidth none = { 0 };

	for (enum bandwidth_direction d = 0; d < BANDWIDTH_DIRECTIONS; d++) {
		write_number(ids, pod_keys[d], bandwidth->pod.rate[d], bandwidth->pod.rate[d] != 0);
		write_number(ids, project_keys[d], bandwidth->project.rate[d],
			bandwidth->project.rate[d] != 0);
	}
	write_number(ids, NUMBER_KEY, bandwidth->project_number,
		!bandwidth_equal(&bandwidth->project, &none));
}
