/*
 * What a container's processes ask of the kernel, written down: for `bulkhead profile record`.
 *
 * A filter beside the container's own hands every system call to the shim, which notes it and lets
 * it go on (SECCOMP_USER_NOTIF_FLAG_CONTINUE). That is no decision: what the container may do is
 * said by its other filters, whose refusals come first and are never seen here; so it does not
 * matter that the arguments may change after they were read. It is slow, and the pod's share of the
 * shim's time (pace.c) makes it slower.
 */
#ifndef NODEAGENT_SHIM_RECORD_H
#define NODEAGENT_SHIM_RECORD_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

#define RECORD_CALLS_MAX    1024 /* numbers of system calls */
#define RECORD_FAMILIES_MAX 64

/* What was seen. Plain data; all zero is nothing. */
struct record {
	int begun; /* the program runs: what came before was the shim's */
	uint64_t notified;
	uint8_t calls[RECORD_CALLS_MAX / 8];
	uint64_t families;    /* of socket(2) and socketpair(2): 1 << AF_* */
	uint64_t clone_flags; /* namespaces asked for, of clone(2) and unshare(2) */
	uint64_t caps;        /* 1 << CAP_* that a call needed for sure, and had */
	int changed;          /* something is new since it was written */
};

struct record_call {
	int nr;
	uint64_t args[6];
	uint64_t caps; /* effective, of the caller */
	uint32_t uid, gid;
	int port; /* of bind(2): 0 when it is none of AF_INET or AF_INET6 */
};

/* Adds one call. Pure. */
void record_add(struct record *record, const struct record_call *call);

/* Whether record_add() looks at who calls, and so the caller's ids and rights must be read. */
int record_asks_who(int nr);

/* The filter: everything to the listener but sendmsg(2) to 'status_fd', which hands the listener
 * over. */
#define RECORD_FILTER_LEN 16
unsigned short record_filter(struct sock_filter ret[RECORD_FILTER_LEN], int status_fd);

/*
 * Writes a ProfileRecord as "<name>.profile" into 'dirfd', replaced as a whole; 0600. Errors: the
 * disk.
 */
int record_write(const struct record *record, int dirfd, const char *name, struct error *err);

#endif
