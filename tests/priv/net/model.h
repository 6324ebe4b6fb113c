/*
 * What a node's network must be after all that was asked of it: pods, projects and other nodes,
 * kept without asking netd. Expected flows are those of netplugin/flows.c's pure functions for
 * that; they are compared with the switch by ovs-ofctl, what they mean by ovs-appctl's trace.
 */
#ifndef TESTS_PRIV_NET_MODEL_H
#define TESTS_PRIV_NET_MODEL_H

#include "lib/bandwidth.h"
#include "tests/priv/net/lab.h"

#define MODEL_PODS     29 /* addresses of a /27 */
#define MODEL_PROJECTS 7
#define MODEL_PEERS    12

struct model_pod {
	struct pod pod;
	unsigned project;
	struct bandwidth limits;
	bool alive;
	uint32_t plugging;   /* serial of the NET_PLUG that is not answered, or 0 */
	uint32_t unplugging; /* the same of a NET_UNPLUG */
};

struct model_peer {
	bool there;
	unsigned host; /* of its address */
};

struct model {
	struct lab *lab;
	struct model_pod pods[MODEL_PODS];
	uint32_t vnids[MODEL_PROJECTS]; /* of each project, now */
	struct bandwidth limits[MODEL_PROJECTS];
	struct model_peer peers[MODEL_PEERS];
	unsigned pods_ever;
};

/* Namespaces for all pods; no pod is plugged, each project has a VNID of its own, no peers. */
void model_init(struct model *model, struct lab *lab);
void model_done(struct model *model);

uint32_t model_vnid(const struct model *model, const struct model_pod *pod);

Bulkhead__V1__NetBandwidth *model_fill_limits(
	const struct bandwidth *limits, Bulkhead__V1__NetBandwidth *ret);

/* "10.129.I.0/24" and "192.0.2.HOST". */
void model_peer_subnet(unsigned i, char text[32]);
void model_peer_address(const struct model_peer *peer, char text[32]);

/*
 * NULL when flows, meters, port rows and links are what they must be, else what is not; the caller
 * frees.
 */
char *model_differs(const struct model *model);

/* Whether the switch's own tables let 'from' reach 'to', as ofproto/trace says. */
bool model_traces(
	const struct model *model, const struct model_pod *from, const struct model_pod *to);

#endif
