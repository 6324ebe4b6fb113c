#include "netplugin/names.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define FNV_START UINT64_C(14695981039346656037)

void mac_of_address(uint32_t address, uint8_t mac[6])
{
	mac[0] = 0x0a;
	mac[1] = 0x58;
	mac[2] = (uint8_t)(address >> 24);
	mac[3] = (uint8_t)(address >> 16);
	mac[4] = (uint8_t)(address >> 8);
	mac[5] = (uint8_t)address;
}

void mac_format(const uint8_t mac[6], char text[MAC_TEXT_SIZE])
{
	snprintf(text, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		mac[3], mac[4], mac[5]);
}

static uint64_t fnv(uint64_t hash, const char *text)
{
	for (const char *p = text; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 1099511628211u;
	return hash;
}

void port_name_of(const char *pod_uid, char name[PORT_NAME_SIZE])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	uint64_t hash = fnv(FNV_START, pod_uid);

	name[0] = 'b';
	name[1] = 'h';
	for (size_t i = 2; i < PORT_NAME_SIZE - 1; i++, hash >>= 5)
		name[i] = letters[hash & 31];
	name[PORT_NAME_SIZE - 1] = '\0';
}

uint32_t link_group_of(const char *bridge)
{
	return (uint32_t)fnv(fnv(FNV_START, "bulkhead:"), bridge) | 1;
}

int pod_uid_is_valid(const char *uid)
{
	size_t len = strlen(uid);

	if (len == 0 || len > POD_UID_MAX)
		return 0;
	for (size_t i = 0; i < len; i++) {
		if (!isascii((unsigned char)uid[i]) ||
			(!isalnum((unsigned char)uid[i]) && uid[i] != '-'))
			return 0;
	}
	return 1;
}

int cni_name_is_valid(const char *name, size_t max)
{
	size_t len = strlen(name);

	if (len == 0 || len > max || !isascii((unsigned char)name[0]) ||
		!isalnum((unsigned char)name[0]))
		return 0;
	for (size_t i = 1; i < len; i++) {
		if (!isascii((unsigned char)name[i]) ||
			(!isalnum((unsigned char)name[i]) && !strchr("_.-", name[i])))
			return 0;
	}
	return 1;
}

int link_name_is_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= PORT_NAME_SIZE || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	for (size_t i = 0; i < len; i++) {
		if (!isascii((unsigned char)name[i]) || !isgraph((unsigned char)name[i]) ||
			strchr("/:%", name[i]))
			return 0;
	}
	return 1;
}

void cni_uid_of(const char *container, const char *ifname, char uid[POD_UID_MAX + 1])
{
	uint64_t hash = fnv(fnv(fnv(FNV_START, container), "/"), ifname);

	snprintf(uid, POD_UID_MAX + 1, "cni-%016llx", (unsigned long long)hash);
}
