#include "netplugin/ipam.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

struct ipam {
	struct ipnet subnet;
	uint32_t size;  /* of the subnet, with network, gateway and broadcast */
	uint32_t next;  /* offset at which the search starts */
	unsigned taken;
	uint8_t used[]; /* one byte an offset: at most 32 KiB */
};

#define FIRST_POD 2 /* 0 is the network, 1 the gateway */

static uint32_t mask_of(unsigned prefix)
{
	return prefix ? UINT32_MAX << (32 - prefix) : 0;
}

int address_parse(const char *text, uint32_t *ret, struct error *err)
{
	struct in_addr in;

	if (inet_pton(AF_INET, text, &in) != 1)
		return error_set(err, ERR_INVALID, 0, "'%s' is not an IPv4 address", text);
	*ret = ntohl(in.s_addr);
	return 0;
}

void address_format(uint32_t address, char *text)
{
	snprintf(text, IPNET_TEXT_SIZE, "%u.%u.%u.%u", address >> 24, address >> 16 & 255,
		address >> 8 & 255, address & 255);
}

int ipnet_parse(const char *text, const char *field, struct ipnet *ret, struct error *err)
{
	const char *slash = strchr(text, '/');
	char address[IPNET_TEXT_SIZE];
	struct ipnet net;
	char *end;

	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return error_set(err, ERR_INVALID, 0,
			"%s: '%s' is not a network: write ADDRESS/PREFIX, as 10.128.0.0/23", field,
			text);
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (address_parse(address, &net.address, err) < 0)
		return error_prefix(err, "%s", field);
	net.prefix = (unsigned)strtoul(slash + 1, &end, 10);
	if (slash[1] < '0' || slash[1] > '9' || *end || end - slash > 3 || net.prefix > 32)
		return error_set(err, ERR_INVALID, 0, "%s: prefix '%s' is not a number from 0 to 32",
			field, slash + 1);
	if (net.address & ~mask_of(net.prefix))
		return error_set(err, ERR_INVALID, 0,
			"%s: '%s' has bits set behind its prefix of %u", field, text, net.prefix);
	*ret = net;
	return 0;
}

void ipnet_format(const struct ipnet *net, char text[IPNET_TEXT_SIZE])
{
	char address[IPNET_TEXT_SIZE];

	address_format(net->address, address);
	snprintf(text, IPNET_TEXT_SIZE, "%.15s/%u", address, net->prefix & 63);
}

int ipnet_contains(const struct ipnet *net, uint32_t address)
{
	return (address & mask_of(net->prefix)) == net->address;
}

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
