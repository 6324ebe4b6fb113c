/*
 * The container's network namespace: entered by the plugin, which makes the sockets in it that
 * bulkhead-netd cannot make itself, and looked at for CHECK.
 */
#ifndef NETPLUGIN_CNI_NETNS_H
#define NETPLUGIN_CNI_NETNS_H

#include "netplugin/cni/result.h"

/* The order in which bulkhead-netd takes them. */
enum netns_fd {
	NETNS_FD,
	NETNS_ROUTE_FD, /* NETLINK_ROUTE */
	NETNS_INET_FD,  /* AF_INET, datagrams */
	NETNS_FDS,
};

/*
 * Opens the namespace 'path', moves this process into it for good, and makes both sockets. The
 * caller owns them. Errors: CNI_INVALID_ENVIRONMENT (not there, not a network namespace, the node's
 * own), CNI_IO.
 */
int cni_netns_enter(const char *path, int ret_fds[NETNS_FDS], struct failure *failure);

/* Whether the link 'name' is up and has what it must. Errors: CNI_DIFFERS, CNI_IO. */
int cni_netns_check(int inet_fd, const char *name, const struct cni_attached *attached,
	struct failure *failure);

#endif
