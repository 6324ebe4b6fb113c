#include "lib/ipnet.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	struct ipnet net = { 0 };
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
		return error_set(err, ERR_INVALID, 0,
			"%s: prefix '%s' is not a number from 0 to 32", field, slash + 1);
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
