/*
 * One netlink request and its answer, without blocking: the kernel answers rtnetlink and nf_tables
 * requests before sendmsg(2) returns.
 */
#ifndef NETPLUGIN_NETLINK_H
#define NETPLUGIN_NETLINK_H

#include <libmnl/libmnl.h>

#include "lib/error.h"

#define NETLINK_BUFFER 8192

/* A netlink socket of 'protocol', with error texts where the kernel has them. The caller owns
 * *ret_fd. */
int netlink_open(int protocol, int *ret_fd, struct error *err);

/*
 * Sends 'size' bytes (one or more messages, of which those with NLM_F_ACK number 'acks') and
 * reads as many acknowledgements. The first error is returned as its errno (positive) with 'err'
 * filled; 0 is success; -1: the socket itself failed.
 */
int netlink_request(int fd, const void *messages, size_t size, unsigned acks, struct error *err);

/* Sends a dump request and calls 'each' for every message of the answer. As netlink_request(). */
int netlink_dump(int fd, struct nlmsghdr *request, mnl_cb_t each, void *context, struct error *err);

/* A sequence number that no request of this process or the last one used. */
uint32_t netlink_seq(void);

#endif
