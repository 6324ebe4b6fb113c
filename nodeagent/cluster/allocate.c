#include "nodeagent/cluster/allocate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "auth/project.h"
#include "lib/cleanup.h"

/* Numbers in use, both ends included. */
struct range {
	uint32_t first;
	uint32_t last;
};

static int range_compare(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* The lowest number from 'first' to 'last' that is in no range; 'used' gets sorted. */
static int lowest_free(struct range *used, size_t len, uint32_t first, uint32_t last, uint32_t *ret)
{
	uint64_t candidate = first;

	qsort(used, len, sizeof(*used), range_compare);
	for (size_t i = 0; i < len && used[i].first <= candidate; i++) {
		if (used[i].last >= candidate)
			candidate = (uint64_t)used[i].last + 1;
	}
	if (candidate > last)
		return -1;
	*ret = (uint32_t)candidate;
	return 0;
}

static struct range *ranges_new(size_t len, struct error *err)
{
	struct range *ranges = calloc(len + 1, sizeof(*ranges));

	if (!ranges)
		error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot look through %zu numbers", len);
	return ranges;
}

bool allocate_is_held(int64_t deleted_at, int64_t now, int64_t hold)
{
	int64_t until;

	return __builtin_add_overflow(deleted_at, hold, &until) || now < until;
}

static bool is_taken(const struct allocate_owner *owner, int64_t now, int64_t hold)
{
	return !owner->deleted || allocate_is_held(owner->deleted_at, now, hold);
}

int allocate_vnid(const struct allocate_owner *owners, size_t len, int64_t now, int64_t hold,
	uint32_t *ret, struct error *err)
{
	cleanup_free struct range *vnids = ranges_new(len, err);
	size_t n = 0;

	if (!vnids)
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (is_taken(&owners[i], now, hold))
			vnids[n++] = (struct range){ owners[i].vnid, owners[i].vnid };
	}
	if (lowest_free(vnids, n, PROJECT_VNID_FIRST, PROJECT_VNID_MAX, ret) < 0)
		return error_set(err, ERR_EXHAUSTED, 0,
			"no VNID is free: all from %u to %u are in use or held", PROJECT_VNID_FIRST,
			PROJECT_VNID_MAX);
	return 0;
}

int allocate_project(const struct allocate_owner *owners, size_t len, int64_t now, int64_t hold,
	uint32_t *ret_block, uint32_t *ret_vnid, struct error *err)
{
	cleanup_free struct range *blocks = ranges_new(len, err);
	uint32_t block;
	size_t n = 0;

	if (!blocks)
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (is_taken(&owners[i], now, hold))
			blocks[n++] = (struct range){ owners[i].block, owners[i].block };
	}
	if (lowest_free(blocks, n, 1, PROJECT_BLOCKS - 1, &block) < 0)
		return error_set(err, ERR_EXHAUSTED, 0,
			"no block of user ids is free: all %u are in use, or held for %" PRId64
			" s after their project was deleted",
			PROJECT_BLOCKS - 1, hold);
	if (allocate_vnid(owners, len, now, hold, ret_vnid, err) < 0)
		return -1;
	*ret_block = block;
	return 0;
}

/* Which subnets of 'cluster' 'net' overlaps. 0: none. */
static int subnets_of(
	const struct ipnet *cluster, unsigned host_bits, const struct ipnet *net, struct range *ret)
{
	const uint64_t size = 1ull << (32 - cluster->prefix);
	uint64_t first = net->address, last = first + (1ull << (32 - net->prefix)) - 1;

	if (last < cluster->address || first >= cluster->address + size)
		return 0;
	first = first < cluster->address ? 0 : first - cluster->address;
	last -= cluster->address;
	if (last >= size)
		last = size - 1;
	*ret = (struct range){ (uint32_t)(first >> host_bits), (uint32_t)(last >> host_bits) };
	return 1;
}

int allocate_subnet(const struct ipnet *cluster, unsigned host_bits, const struct ipnet *taken,
	size_t len, struct ipnet *ret, struct error *err)
{
	const uint64_t count = 1ull << (32 - cluster->prefix) >> host_bits;
	cleanup_free struct range *used = ranges_new(len, err);
	char text[IPNET_TEXT_SIZE];
	uint32_t index;
	size_t n = 0;

	if (!used)
		return -1;
	for (size_t i = 0; i < len; i++)
		n += (size_t)subnets_of(cluster, host_bits, &taken[i], &used[n]);
	if (count == 0 || lowest_free(used, n, 0, (uint32_t)(count - 1), &index) < 0) {
		ipnet_format(cluster, text);
		return error_set(err, ERR_EXHAUSTED, 0,
			"no subnet is free: all %" PRIu64 " of %s with %u host bits are in use",
			count, text, host_bits);
	}
	*ret = (struct ipnet){ cluster->address + (index << host_bits), 32 - host_bits };
	return 0;
}
