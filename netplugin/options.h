/* Arguments of bulkhead-netd, checked. */
#ifndef NETPLUGIN_OPTIONS_H
#define NETPLUGIN_OPTIONS_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/error.h"
#include "netplugin/ipam.h"

/* The pods' way out of the cluster (gateway.h). */
enum egress {
	EGRESS_OFF,
	EGRESS_SHARED, /* the node forwards for others, too */
	EGRESS_ALONE,  /* it does so for its pods alone */
};

/* Strings are borrowed from argv. */
struct options {
	const char *ovsdb;      /* "unix:PATH" as given */
	const char *ovsdb_name; /* file name of PATH, which lies in mgmt_dir */
	const char *bridge;
	const char *mgmt_dir; /* where ovs-vswitchd puts <bridge>.mgmt */
	const char *datapath; /* "auto", "system" or "netdev" */
	const char *empty_root;
	struct ipnet subnet;
	struct ipnet cluster;
	uid_t uid;
	gid_t gid;               /* --uid's number unless --gid is given */
	uint32_t tunnel_address; /* 0: none, there are no other nodes */
	uint32_t mtu;            /* 0: not given */
	enum egress egress;
	int deny_log;
};

#define VXLAN_OVERHEAD 50   /* bytes: IPv4, UDP, VXLAN and Ethernet headers */
#define MTU_DEFAULT    1450 /* of pods on a node without others */
#define MTU_MIN        1280 /* that IPv6 needs (RFC 8200) */

/* Errors: ERR_INVALID, naming the argument. */
int options_parse(struct options *ret, int argc, char **argv, struct error *err);

#endif
