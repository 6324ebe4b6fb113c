/*
 * A node's network in a namespace of its own: ovsdb-server, ovs-vswitchd and bulkhead-netd as
 * children, the test in the agent's place, and pods that are nothing but network namespaces. What
 * fails here aborts the test program; everything goes with it.
 */
#ifndef TESTS_PRIV_NET_LAB_H
#define TESTS_PRIV_NET_LAB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/ipc_table.h"

#define LAB_UID     61234
#define LAB_CLUSTER "10.128.0.0/14"

struct lab {
	char dir[64]; /* db.sock, br0.mgmt */
	char empty[80];
	char netd_path[512];
	const char *subnet;
	const char *datapath_asked;
	const char *tunnel; /* address of this node for others; NULL: it is alone */
	const char *egress; /* of bulkhead-netd's --egress; NULL: off */
	int node_netns_fd;
	pid_t ovsdb, vswitchd, netd;
	struct ipc *ipc;
	bool policies_untold; /* lab_start_netd() leaves it to the test to tell the policies */
	bool ready;           /* of the last NET_STATE */
	uint64_t mended;
	char reason[ERROR_TEXT_SIZE];
	char datapath[16];
};

struct pod {
	char uid[64];
	const char *project; /* "red" unless the test says otherwise */
	uint32_t vnid;
	int netns_fd, route_fd, inet_fd;
	int packet_fd;    /* AF_PACKET, ETH_P_ALL, in the pod */
	uint32_t address; /* host byte order, once plugged */
	uint8_t mac[6];
	char port[16];
	uint32_t ofport;
	int link_index;           /* of eth0, in the pod */
	uint64_t ingress, egress; /* bits a second to plug it with; 0: no limit */
};

void lab_start(struct lab *lab, const char *subnet, const char *datapath);
/* The same for a node that others may be peers of: not ready before NET_PEERS is sent. */
void lab_start_tunnel(struct lab *lab, const char *subnet, const char *tunnel);
/* With a way out of the cluster; lab_start() has none. */
void lab_start_egress(
	struct lab *lab, const char *subnet, const char *datapath, const char *egress);
void lab_stop(struct lab *lab);

void lab_start_ovsdb(struct lab *lab);
void lab_start_vswitchd(struct lab *lab);
void lab_start_netd(struct lab *lab);
/* SIGKILL and wait. */
void lab_kill(pid_t *pid);

/* Takes in NET_STATE until it says 'ready', or fails after some seconds. */
void lab_await_ready(struct lab *lab, bool ready);

/* The next frame of 'type'; NET_STATE is taken in on the way. The caller frees with
 * ipc_frame_done(). */
void lab_await(struct lab *lab, enum ipc_type type, struct ipc_frame *ret, int timeout_ms);

/* A pod's namespace with lo up, not plugged. */
void pod_open(struct lab *lab, struct pod *pod, const char *uid, uint32_t vnid);
void pod_close(struct pod *pod);

void pod_send_plug(struct lab *lab, const struct pod *pod);
/* Takes the next NET_PLUGGED and fills the pod it is about. Returns its error code. */
unsigned lab_take_plugged(struct lab *lab, struct pod *pods, size_t len, char *ret_text);
/* Both, for one. */
unsigned pod_plug(struct lab *lab, struct pod *pod, char *ret_text);
unsigned pod_unplug(struct lab *lab, const char *uid);

/* NET_POLICIES. A netd that starts is told that there are none. */
void lab_send_policies(struct lab *lab, const Bulkhead__V1__NetPolicies *policies);

/* NET_PROJECTS of one project, and its answer's code. */
unsigned lab_move(struct lab *lab, const char *project, uint32_t vnid);

/* NET_PROJECTS of one project of VNID 'vnid' with these limits, and its answer's code. */
unsigned lab_limit_project(
	struct lab *lab, const char *project, uint32_t vnid, uint64_t ingress, uint64_t egress);

/* NET_LIMIT, and its answer's code and text (may be NULL). */
unsigned pod_limit(
	struct lab *lab, const char *uid, uint64_t ingress, uint64_t egress, char *ret_text);

/* A socket made inside the pod. */
int pod_socket(struct lab *lab, const struct pod *pod, int domain, int type, int protocol);

/* Echo requests, four a second, and whether an answer came within 'timeout_ms'. */
bool pod_pings(struct lab *lab, const struct pod *pod, uint32_t address, int timeout_ms);

/* Standard output of a command, at most 1 MiB; the caller frees. */
char *lab_run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ovs-ofctl's dump without counters, sorted; the caller frees. */
char *lab_flows(struct lab *lab);
char *lab_meters(struct lab *lab);

uint64_t lab_msec(void);

#endif
