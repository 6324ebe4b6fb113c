#include "auth/quota.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/bandwidth.h"
#include "lib/cleanup.h"
#include "proto/quantity.h"

/* Less than these a project's cgroup would kill whatever starts in it. */
#define MEMORY_MIN (INT64_C(4) << 20)
#define PIDS_MIN   4
#define CPU_MIN    10

static const struct {
	const char *name;
	const char *alias;
	int64_t min;
} rows[QUOTA_RESOURCES] = {
	[QUOTA_LIMITS_CPU] = { "limits.cpu", "limits.cpu", CPU_MIN },
	[QUOTA_LIMITS_MEMORY] = { "limits.memory", "limits.memory", MEMORY_MIN },
	[QUOTA_REQUESTS_CPU] = { "requests.cpu", "cpu", 0 },
	[QUOTA_REQUESTS_MEMORY] = { "requests.memory", "memory", 0 },
	[QUOTA_PODS] = { "pods", "count/pods", 0 },
	[QUOTA_PIDS] = { "count/pids", "count/pids", PIDS_MIN },
	[QUOTA_INGRESS] = { "limits.bandwidth-ingress", "limits.bandwidth-ingress",
		(int64_t)BANDWIDTH_MIN },
	[QUOTA_EGRESS] = { "limits.bandwidth-egress", "limits.bandwidth-egress",
		(int64_t)BANDWIDTH_MIN },
};

const char *quota_resource_name(enum quota_resource resource)
{
	return rows[resource].name;
}

static bool is_cpu(size_t resource)
{
	return resource == QUOTA_LIMITS_CPU || resource == QUOTA_REQUESTS_CPU;
}

static bool is_bandwidth(size_t resource)
{
	return resource == QUOTA_INGRESS || resource == QUOTA_EGRESS;
}

static int value_parse(
	size_t i, const char *text, const char *field, struct quota *q, struct error *err)
{
	char least[QUOTA_VALUE_SIZE];

	if ((is_cpu(i) ? quantity_milli(text, &q->hard[i], err)
		       : quantity_units(text, &q->hard[i], err)) < 0)
		return error_prefix(err, "%s: %s", field, rows[i].name);
	quota_value((enum quota_resource)i, rows[i].min, least);
	if (q->hard[i] < rows[i].min)
		return error_set(err, ERR_INVALID, 0, "%s: %s: must be at least %s, not '%.64s'",
			field, rows[i].name, least, text);
	if (is_bandwidth(i) && bandwidth_check((uint64_t)q->hard[i], err) < 0)
		return error_prefix(err, "%s: %s", field, rows[i].name);
	q->set[i] = true;
	return 0;
}

static int item_parse(char *item, const char *field, struct quota *q, struct error *err)
{
	char *value = strchr(item, '=');

	if (!value)
		return error_set(
			err, ERR_INVALID, 0, "%s: '%.64s' is not RESOURCE=QUANTITY", field, item);
	*value++ = '\0';
	for (size_t i = 0; i < QUOTA_RESOURCES; i++) {
		if (strcmp(item, rows[i].name) != 0 && strcmp(item, rows[i].alias) != 0)
			continue;
		if (q->set[i])
			return error_set(
				err, ERR_INVALID, 0, "%s: %s is there twice", field, rows[i].name);
		return value_parse(i, value, field, q, err);
	}
	return error_set(err, ERR_INVALID, 0,
		"%s: '%.64s' is no resource; there are limits.cpu, limits.memory, "
		"limits.bandwidth-ingress, limits.bandwidth-egress, requests.cpu, requests.memory, "
		"pods and count/pids",
		field, item);
}

int quota_parse(const char *text, const char *field, struct quota *ret, struct error *err)
{
	char copy[QUOTA_HARD_MAX + 1];
	struct quota q = { 0 };
	char *rest = copy;
	char *item;

	if (!*text)
		return error_set(err, ERR_INVALID, 0,
			"%s: names no resource; give RESOURCE=QUANTITY[,...]", field);
	if (strlen(text) > QUOTA_HARD_MAX)
		return error_set(
			err, ERR_INVALID, 0, "%s: is longer than %d bytes", field, QUOTA_HARD_MAX);
	memcpy(copy, text, strlen(text) + 1);
	while ((item = strsep(&rest, ","))) {
		if (item_parse(item, field, &q, err) < 0)
			return -1;
	}
	*ret = q;
	return 0;
}

void quota_value(enum quota_resource resource, int64_t value, char ret[QUOTA_VALUE_SIZE])
{
	static const char *const suffixes[] = { "", "Ki", "Mi", "Gi", "Ti", "Pi" };
	static const char *const tens[] = { "", "k", "M", "G", "T" };
	size_t i = 0;

	if (is_bandwidth(resource)) {
		for (; value && value % 1000 == 0 && i + 1 < ARRAY_LEN(tens); i++)
			value /= 1000;
		snprintf(ret, QUOTA_VALUE_SIZE, "%" PRId64 "%s", value, tens[i]);
		return;
	}

	if (is_cpu(resource) && value % 1000) {
		snprintf(ret, QUOTA_VALUE_SIZE, "%" PRId64 "m", value);
		return;
	}
	if (is_cpu(resource))
		value /= 1000;
	while ((resource == QUOTA_LIMITS_MEMORY || resource == QUOTA_REQUESTS_MEMORY) && value &&
		value % 1024 == 0 && i + 1 < ARRAY_LEN(suffixes)) {
		value /= 1024;
		i++;
	}
	snprintf(ret, QUOTA_VALUE_SIZE, "%" PRId64 "%s", value, suffixes[i]);
}

static int64_t sum(int64_t a, int64_t b)
{
	int64_t n;

	return __builtin_add_overflow(a, b, &n) ? INT64_MAX : n;
}

/* "limits.cpu=2,pods=1" of the resources marked. */
static void list(const bool marked[QUOTA_RESOURCES], const int64_t values[QUOTA_RESOURCES],
	char *ret, size_t size)
{
	size_t used = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < QUOTA_RESOURCES && used < size; i++) {
		char value[QUOTA_VALUE_SIZE];

		if (!marked[i])
			continue;
		quota_value((enum quota_resource)i, values ? values[i] : 0, value);
		used += (size_t)snprintf(ret + used, size - used, "%s%s%s%s", used ? "," : "",
			rows[i].name, values ? "=" : "", values ? value : "");
	}
}

int quota_check(const char *name, const struct quota *quota, const int64_t used[QUOTA_RESOURCES],
	const int64_t asked[QUOTA_RESOURCES], const bool declared[QUOTA_RESOURCES],
	struct error *err)
{
	bool missing[QUOTA_RESOURCES] = { 0 };
	bool over[QUOTA_RESOURCES] = { 0 };
	bool any_missing = false;
	bool any_over = false;
	char texts[3][256];

	for (size_t i = 0; i < QUOTA_PIDS; i++) {
		missing[i] = quota->set[i] && !declared[i];
		over[i] = quota->set[i] && sum(used[i], asked[i]) > quota->hard[i];
		any_missing = any_missing || missing[i];
		any_over = any_over || over[i];
	}
	if (any_missing) {
		list(missing, NULL, texts[0], sizeof(texts[0]));
		return error_set(err, ERR_DENIED, 0, "failed quota: %.253s: must specify %s", name,
			texts[0]);
	}
	if (!any_over)
		return 0;
	list(over, asked, texts[0], sizeof(texts[0]));
	list(over, used, texts[1], sizeof(texts[1]));
	list(over, quota->hard, texts[2], sizeof(texts[2]));
	return error_set(err, ERR_DENIED, 0,
		"exceeded quota: %.253s, requested: %s, used: %s, limited: %s", name, texts[0],
		texts[1], texts[2]);
}
