/*
 * The node's addresses: which are there, which are taken. Pure and in memory: what is taken is told
 * by the port rows of OVSDB at start (adopt.c) and by plugs since. Addresses are in host byte
 * order.
 */
#ifndef NETPLUGIN_IPAM_H
#define NETPLUGIN_IPAM_H

#include <stdint.h>

#include "lib/error.h"
#include "lib/ipnet.h"

/* OpenFlow port numbers are the offset of the address in the subnet, and end at 0xfeff. */
#define IPAM_PREFIX_MIN 17
#define IPAM_PREFIX_MAX 29

struct ipam;

/* 'subnet' has a prefix of IPAM_PREFIX_MIN..MAX (ERR_INVALID). The caller owns *ret. */
int ipam_new(struct ipam **ret, const struct ipnet *subnet, struct error *err);
void ipam_free(struct ipam *ipam);

/* The first address: reserved for the gateway and never given out. */
uint32_t ipam_gateway(const struct ipam *ipam);

/*
 * Takes a free address, going round the subnet so that a freed one rests as long as possible.
 * Errors: ERR_EXHAUSTED.
 */
int ipam_take(struct ipam *ipam, uint32_t *ret, struct error *err);

/*
 * Marks a known address as taken. Errors: ERR_INVALID (not an address for a pod of this subnet),
 * ERR_EXISTS (taken).
 */
int ipam_reserve(struct ipam *ipam, uint32_t address, struct error *err);

/* Gives an address back; one that is not taken is ignored. */
void ipam_release(struct ipam *ipam, uint32_t address);

/* Number of addresses for pods, and of those taken. */
unsigned ipam_size(const struct ipam *ipam);
unsigned ipam_taken(const struct ipam *ipam);

#endif
