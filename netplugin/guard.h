/*
 * Keeps the node's kernel from seeing what pods send. With Open vSwitch's userspace datapath a
 * port's frames reach both ovs-vswitchd (by a packet socket) and the node's own network stack,
 * which would answer ARP for the node's addresses and take IP sent to the port's MAC address,
 * around all flows. A chain at the device's ingress hook that drops everything stands behind the
 * packet socket and before the stack. Table netdev/bulkhead, one chain a port with the port's name.
 * (With the kernel datapath the port's frames never reach the stack, and the chain would starve the
 * datapath.)
 */
#ifndef NETPLUGIN_GUARD_H
#define NETPLUGIN_GUARD_H

#include "lib/error.h"

#define GUARD_TABLE "bulkhead"

/* A NETLINK_NETFILTER socket. The caller owns *ret_fd. */
int guard_open(int *ret_fd, struct error *err);

/* Guards the link 'name'; guarding it again changes nothing. */
int guard_add(int fd, const char *name, struct error *err);

/* Takes the guard away; succeeds when there is none. To be called with the link down. */
int guard_remove(int fd, const char *name, struct error *err);

#endif
