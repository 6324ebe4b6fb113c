#include "netplugin/ipam.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/cleanup.h"

struct ipam {
	struct ipnet subnet;
	uint32_t size; /* of the subnet, with network, gateway and broadcast */
	uint32_t next; /* offset at which the search starts */
	unsigned taken;
	uint8_t used[]; /* one byte an offset: at most 32 KiB */
};

#define FIRST_POD 2 /* 0 is the network, 1 the gateway */

int ipam_new(struct ipam **ret, const struct ipnet *subnet, struct error *err)
{
	struct ipam *ipam;
	uint32_t size;

	if (subnet->prefix < IPAM_PREFIX_MIN || subnet->prefix > IPAM_PREFIX_MAX)
		return error_set(err, ERR_INVALID, 0,
			"subnet: a prefix of %u is not served: use /%d to /%d", subnet->prefix,
			IPAM_PREFIX_MIN, IPAM_PREFIX_MAX);
	size = 1u << (32 - subnet->prefix);
	ipam = calloc(1, sizeof(*ipam) + size);
	if (!ipam)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot keep %u addresses", size);
	ipam->subnet = *subnet;
	ipam->size = size;
	ipam->next = FIRST_POD;
	*ret = ipam;
	return 0;
}

void ipam_free(struct ipam *ipam)
{
	free(ipam);
}

uint32_t ipam_gateway(const struct ipam *ipam)
{
	return ipam->subnet.address + 1;
}

unsigned ipam_size(const struct ipam *ipam)
{
	return ipam->size - FIRST_POD - 1;
}

unsigned ipam_taken(const struct ipam *ipam)
{
	return ipam->taken;
}

int ipam_take(struct ipam *ipam, uint32_t *ret, struct error *err)
{
	char text[IPNET_TEXT_SIZE];

	for (uint32_t i = 0; i < ipam_size(ipam); i++) {
		uint32_t offset = ipam->next;

		ipam->next = offset + 2 < ipam->size ? offset + 1 : FIRST_POD;
		if (ipam->used[offset])
			continue;
		ipam->used[offset] = 1;
		ipam->taken++;
		*ret = ipam->subnet.address + offset;
		return 0;
	}
	ipnet_format(&ipam->subnet, text);
	return error_set(err, ERR_EXHAUSTED, 0,
		"no address is free in the node's subnet %s: all %u are in use by pods", text,
		ipam_size(ipam));
}

int ipam_reserve(struct ipam *ipam, uint32_t address, struct error *err)
{
	uint32_t offset = address - ipam->subnet.address;
	char text[IPNET_TEXT_SIZE], subnet[IPNET_TEXT_SIZE];

	address_format(address, text);
	ipnet_format(&ipam->subnet, subnet);
	if (address < ipam->subnet.address || offset < FIRST_POD || offset >= ipam->size - 1)
		return error_set(err, ERR_INVALID, 0,
			"address %s is not one for a pod of the node's subnet %s", text, subnet);
	if (ipam->used[offset])
		return error_set(err, ERR_EXISTS, 0, "address %s is taken twice", text);
	ipam->used[offset] = 1;
	ipam->taken++;
	return 0;
}

void ipam_release(struct ipam *ipam, uint32_t address)
{
	uint32_t offset = address - ipam->subnet.address;

	if (address < ipam->subnet.address || offset >= ipam->size || !ipam->used[offset])
		return;
	ipam->used[offset] = 0;
	ipam->taken--;
}
