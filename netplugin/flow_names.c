#include "netplugin/flow_names.h"

#include <stddef.h>

#include "lib/cleanup.h"
#include "netplugin/flows.h"

static const struct {
	unsigned table;
	const char *name;
} names[] = {
	{ 0, "classify" },
	{ 10, "from other nodes" },
	{ 20, "from a pod" },
	{ 21, "bandwidth from a pod" },
	{ 22, "bandwidth from its project" },
	{ 27, "egress policy" },
	{ 30, "to conntrack" },
	{ 31, "routing" },
	{ 40, "ARP here" },
	{ 50, "ARP to other nodes" },
	{ 70, "to a pod" },
	{ 75, "ingress policy" },
	{ 76, "what conntrack remembers" },
	{ 77, "ways out" },
	{ 78, "egress firewalls on the way back" },
	{ 80, "verdict" },
	{ 81, "delivery" },
	{ 82, "bandwidth to a pod" },
	{ 83, "bandwidth to its project" },
	{ 84, "out of its port" },
	{ 90, "to other nodes" },
	{ 99, "out of the cluster" },
	{ 100, "egress firewalls" },
	{ 101, "to the gateway" },
	{ 253, "version" },
};

const char *flow_table_name(unsigned table)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (names[i].table == table)
			return names[i].name;
	}
	return "";
}

unsigned flow_cookie_class(uint64_t cookie)
{
	return cookie >> 48 == FLOWS_EPOCH ? (unsigned)(cookie >> 32 & 0xffff) : 0;
}

uint32_t flow_cookie_object(uint64_t cookie)
{
	return (uint32_t)cookie;
}
