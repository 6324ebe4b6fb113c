/*
 * Links and addresses, by rtnetlink(7) and one ethtool request. Each call is one or two system
 * calls that the kernel answers at once. The sockets decide the network namespace: the node's is
 * our own, a pod's is handed over with its plug.
 */
#ifndef NETPLUGIN_RTNL_H
#define NETPLUGIN_RTNL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"

/* A NETLINK_ROUTE socket of the caller's network namespace. The caller owns *ret_fd. */
int rtnl_open(int *ret_fd, struct error *err);

struct veth {
	const char *name;      /* the node's end */
	const char *alias;     /* of the node's end */
	const char *peer_name; /* the pod's end, born in its namespace */
	int peer_netns_fd;
	uint8_t peer_mac[6];
	uint32_t mtu;
	uint32_t group; /* of the node's end, from its first moment on: see rtnl_each_ours() */
};

/* Makes both ends, down, without IPv6 addresses. Errors: ERR_EXISTS (either name). */
int rtnl_veth_create(int fd, const struct veth *veth, struct error *err);

/* Sets the alias, which the kernel does not take at creation. */
int rtnl_link_set_alias(int fd, const char *name, const char *alias, struct error *err);

/* Both succeed when the link is not there. */
int rtnl_link_delete(int fd, const char *name, struct error *err);
int rtnl_link_down(int fd, const char *name, struct error *err);

int rtnl_link_up(int fd, const char *name, struct error *err);

/* IFLA_INET6_ADDR_GEN_MODE none: the link gets no link-local address. Silent where IPv6 is not
 * built in. */
int rtnl_link_no_ipv6(int fd, const char *name, struct error *err);

/* Adds an IPv4 address with link scope and the broadcast address of its prefix. */
int rtnl_address_add(
	int fd, const char *name, uint32_t address, unsigned prefix, struct error *err);

/* Takes one away; succeeds when it or the link is not there. */
int rtnl_address_remove(
	int fd, const char *name, uint32_t address, unsigned prefix, struct error *err);

/* The default route, by 'gateway' on the link, which must be up. */
int rtnl_route_default(int fd, const char *name, uint32_t gateway, struct error *err);

struct link_found {
	uint8_t mac[6];
	bool up;
	bool makes_ipv6; /* addresses by itself: see rtnl_link_no_ipv6() */
};

/*
 * 1 and what it is like when there is a link 'name', else 0. Who keeps a link as it must be looks
 * first: each request that could change one has Open vSwitch look at all of its own, and its
 * userspace datapath may lose packets to other nodes meanwhile.
 */
int rtnl_link_find(int fd, const char *name, struct link_found *ret);

/*
 * The MTU of the link that has 'address'. Errors: ERR_NOT_FOUND (no link has it).
 */
int rtnl_mtu_of_address(int fd, uint32_t address, uint32_t *ret_mtu, struct error *err);

/*
 * Calls 'each' for every link whose alias starts with 'alias_prefix', or which is in 'group' and
 * has none: whoever made it was cut off before naming it.
 */
typedef void rtnl_each_fn(void *context, const char *name);
int rtnl_each_ours(int fd, const char *alias_prefix, uint32_t group, rtnl_each_fn *each,
	void *context, struct error *err);

/*
 * SIOCETHTOOL on an AF_INET socket of the link's namespace: checksums are computed by the sender,
 * as Open vSwitch's userspace datapath passes frames on without completing them.
 */
int rtnl_tx_checksum_off(int inet_fd, const char *name, struct error *err);

#endif
