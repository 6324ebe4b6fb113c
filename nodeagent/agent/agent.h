/*
 * bulkhead-agent: the one root process that decides. What its modules share; main.c makes it, in
 * the order of the members, and takes it apart backwards. One thread on one sd_event loop: nothing
 * here blocks, and no module calls back into one that stands above it except by the functions in
 * its own header.
 */
#ifndef NODEAGENT_AGENT_AGENT_H
#define NODEAGENT_AGENT_AGENT_H

#include <systemd/sd-event.h>

#include "bulkhead/v1/config.pb-c.h"
#include "nodeagent/cgroup/cgroup.h"
#include "nodeagent/image/store.h"

struct agent {
	const char *config_path;
	Bulkhead__V1__NodeConfig *config; /* checked: every member is usable */
	sd_event *event;
	int state_dirfd; /* <state>, <run>: O_PATH-free directory descriptors */
	int run_dirfd;
	struct cgroup_tree cgroups;
	struct scopes *scopes; /* scopes.h; NULL unless systemd makes the cgroups */
	struct image_store *images;
	struct ovs *ovs;         /* ovs.h: Open vSwitch's own processes */
	struct cluster *cluster; /* cluster.h: link to bulkhead-clusterd, and its last snapshot */
	struct secretd *secretd; /* secretd.h */
	struct netd *netd;       /* netd.h */
	struct node *node;       /* node.h: this node's row, and what makes it ready */
	struct pods *pods;       /* pods.h */
	struct quotas *quotas;   /* quotas.h */
	struct api *api;         /* api.h */
	unsigned imports;        /* of images, under way: at most IMPORTS_MAX */
	unsigned joins;          /* of nodes, under way: at most JOINS_MAX */
};

#endif
