#include "netplugin/policy_cover.h"

#include <stdbool.h>

size_t cover_ports(uint16_t first, uint16_t last, struct cover_port ret[COVER_PORTS_MAX])
{
	uint32_t at = first;
	size_t n = 0;

	while (at <= last) {
		uint32_t size = 1;

		/* The largest block that begins here and ends in the range. */
		while (at % (size * 2) == 0 && at + size * 2 - 1 <= last && size < 65536)
			size *= 2;
		ret[n++] = (struct cover_port){ (uint16_t)at, (uint16_t)(65536 - size) };
		at += size;
	}
	return n;
}

static bool is_within(const struct ipnet *inner, const struct ipnet *outer)
{
	return inner->prefix >= outer->prefix && ipnet_contains(outer, inner->address);
}

int cover_networks(const struct ipnet *net, const struct ipnet *except, size_t except_len,
	int (*each)(void *user, const struct ipnet *part), void *user)
{
	struct ipnet half = { .address = net->address, .prefix = net->prefix + 1 };
	bool touched = false;

	for (size_t i = 0; i < except_len; i++) {
		if (is_within(net, &except[i]))
			return 0;
		touched = touched || is_within(&except[i], net);
	}
	if (!touched)
		return each(user, net);
	if (cover_networks(&half, except, except_len, each, user) < 0)
		return -1;
	half.address |= UINT32_C(1) << (32 - half.prefix);
	return cover_networks(&half, except, except_len, each, user);
}
