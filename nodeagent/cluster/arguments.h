/* Arguments of bulkhead-clusterd, checked. */
#ifndef NODEAGENT_CLUSTER_ARGUMENTS_H
#define NODEAGENT_CLUSTER_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/error.h"
#include "lib/ipnet.h"

#define ARGUMENTS_PATH_MAX 256

/* bulkhead-netd serves subnets of /17 to /29. */
#define HOST_BITS_MIN 3
#define HOST_BITS_MAX 15

/* Strings are borrowed from argv. */
struct arguments {
	char db_dir[ARGUMENTS_PATH_MAX]; /* where the database's socket lies */
	const char *db_name;             /* its file name there */
	const char *root;                /* the directory that becomes "/" */
	uid_t uid;
	gid_t gid; /* --uid's number unless --gid is given */
	struct ipnet cluster;
	unsigned host_bits;
	bool member;   /* another node has the database */
	uint32_t hold; /* seconds; ALLOCATE_HOLD_SECONDS unless given */
};

/* Errors: ERR_INVALID, naming the argument. */
int arguments_parse(struct arguments *ret, int argc, char **argv, struct error *err);

#endif
