/* Nodes, versions and images. */
#include <errno.h>
#include <fcntl.h>
#include <selinux/selinux.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/api.h"
#include "nodeagent/agent/cluster.h"
#include "nodeagent/agent/netd.h"
#include "nodeagent/agent/node.h"
#include "nodeagent/agent/pods.h"
#include "nodeagent/agent/pressure.h"

static char *borrow(const char *text)
{
	return (char *)(uintptr_t)text;
}

/* ---- nodes --------------------------------------------------------------------------------- */

/* One node with what its message borrows. */
struct node_view {
	Bulkhead__V1__NodeInfo info;
	Bulkhead__V1__NodeCondition ready;
	Bulkhead__V1__NodeCondition *conditions[1];
	char reason[NODE_REASON_SIZE];
	struct error why;
	struct utsname uts;
};

static const char *cgroup_name(const struct agent *agent)
{
	switch (agent->cgroups.mode) {
	case CGROUP_V1:
		return "v1";
	case CGROUP_V2:
		return "v2";
	case CGROUP_HYBRID:
		return "hybrid";
	}
	return "";
}

static const char *selinux_name(void)
{
	if (is_selinux_enabled() <= 0)
		return "off";
	return security_getenforce() > 0 ? "enforcing" : "permissive";
}

static void fill_condition(const struct agent *agent, struct node_view *view)
{
	bool ready = node_ready(agent->node, view->reason, &view->why);

	bulkhead__v1__node_condition__init(&view->ready);
	view->ready.type = borrow("Ready");
	view->ready.status = borrow(ready ? "True" : "False");
	view->ready.reason = ready ? borrow("NodeReady") : view->reason;
	view->ready.message = ready ? borrow("pods can be started") : view->why.text;
	view->conditions[0] = &view->ready;
	view->info.conditions = view->conditions;
	view->info.n_conditions = 1;
}

/* What only this node knows of itself. */
static void fill_own(const struct agent *agent, struct node_view *view)
{
	const Bulkhead__V1__NetState *net = netd_state(agent->netd);

	if (uname(&view->uts) == 0)
		view->info.kernel = view->uts.release;
	view->info.version = borrow(BULKHEAD_VERSION);
	view->info.cgroup = borrow(cgroup_name(agent));
	view->info.cgroup_driver = agent->config->cgroup_driver;
	view->info.selinux = borrow(selinux_name());
	view->info.datapath = net ? net->datapath : view->info.datapath;
	view->info.flows_mended = net ? net->flows_mended : 0;
	view->info.pods = (uint32_t)pods_count(agent->pods);
	if (netd_projects_epoch(agent->netd) > view->info.network_epoch)
		view->info.network_epoch = netd_projects_epoch(agent->netd);
	fill_condition(agent, view);
}

static void fill_pressure(struct node_view *view)
{
	cleanup_close int fd = open("/proc/pressure", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* Without memory for it, it is left out. */
	if (fd >= 0)
		pressure_append(&view->info.pressure, &view->info.n_pressure, "node", fd, "", NULL);
}

static void pressure_free(struct node_view *view)
{
	for (size_t i = 0; i < view->info.n_pressure; i++)
		bulkhead__v1__pressure__free_unpacked(view->info.pressure[i], NULL);
	free(view->info.pressure);
}

/*
 * 'row' is NULL for this node before it is registered. Who may not list nodes learns what sealing
 * a secret takes, and whether the node works.
 */
static void node_fill(const struct call *call, const Bulkhead__V1__ClusterNode *row, bool own,
	struct node_view *view)
{
	const struct agent *agent = call->agent;
	bool all = call_may(call, "list", "nodes", NULL);

	bulkhead__v1__node_info__init(&view->info);
	view->info.name = row ? row->name : agent->config->node_name;
	if (row) {
		view->info.sealing_key = row->sealing_key;
		view->info.sealing_key_signature = row->sealing_key_signature;
	}
	if (row && all) {
		view->info.address = row->address;
		view->info.subnet = row->subnet;
		view->info.network_epoch = row->network_epoch;
		view->info.created_at = row->created_at;
	}
	if (own && all) {
		fill_own(agent, view);
		fill_pressure(view);
	} else if (own) {
		fill_condition(agent, view);
	}
}

static size_t nodes_fill(
	const struct call *call, struct node_view *views, Bulkhead__V1__NodeInfo **list)
{
	const struct agent *agent = call->agent;
	const char *wanted = ((const Bulkhead__V1__ListNodesRequest *)call->message)->name;
	const char *self = agent->config->node_name;
	const Bulkhead__V1__ClusterNode *row;
	size_t n = 0;

	/* A node that is not registered yet is not in the database, but must say why. */
	if (!cluster_node(agent->cluster, self) && (!wanted[0] || strcmp(wanted, self) == 0)) {
		node_fill(call, NULL, true, &views[n]);
		list[n] = &views[n].info;
		n++;
	}
	for (size_t i = 0; (row = cluster_node_at(agent->cluster, i)); i++) {
		if (wanted[0] && strcmp(row->name, wanted) != 0)
			continue;
		node_fill(call, row, strcmp(row->name, self) == 0, &views[n]);
		list[n] = &views[n].info;
		n++;
	}
	return n;
}

void method_list_nodes(struct agent *agent, struct call *call)
{
	Bulkhead__V1__ListNodesResponse response = BULKHEAD__V1__LIST_NODES_RESPONSE__INIT;
	const char *wanted = ((const Bulkhead__V1__ListNodesRequest *)call->message)->name;
	cleanup_free struct node_view *views = NULL;
	cleanup_free Bulkhead__V1__NodeInfo **list = NULL;
	struct error err = { 0 };
	size_t room = 1;

	while (cluster_node_at(agent->cluster, room - 1))
		room++;
	views = calloc(room, sizeof(*views));
	list = calloc(room, sizeof(Bulkhead__V1__NodeInfo *));
	if (!views || !list) {
		error_set(&err, ERR_EXHAUSTED, ENOMEM, "no memory for a list");
		call_fail(call, &err);
		return;
	}
	response.n_nodes = nodes_fill(call, views, list);
	response.nodes = list;
	if (wanted[0] && response.n_nodes == 0) {
		error_set(&err, ERR_NOT_FOUND, 0, "node \"%.253s\" does not exist", wanted);
		call_fail(call, &err);
		return;
	}
	call_reply(call, &response.base, true);
	for (size_t i = 0; i < response.n_nodes; i++)
		pressure_free(&views[i]);
}

void method_get_version(struct agent *agent, struct call *call)
{
	Bulkhead__V1__GetVersionResponse response = BULKHEAD__V1__GET_VERSION_RESPONSE__INIT;

	response.version = borrow(BULKHEAD_VERSION);
	response.node = agent->config->node_name;
	call_reply(call, &response.base, true);
}

/* ---- images -------------------------------------------------------------------------------- */

static size_t strings_len(char *const *strings)
{
	size_t n = 0;

	while (strings[n])
		n++;
	return n;
}

static void image_fill(Bulkhead__V1__Image *ret, const struct image *image)
{
	bulkhead__v1__image__init(ret);
	ret->name = image->name;
	ret->digest = image->digest;
	ret->size = image->size;
	ret->layers = (uint32_t)image->layers_len;
	ret->created_at = image->created_at;
	ret->entrypoint = image->entrypoint;
	ret->n_entrypoint = strings_len(image->entrypoint);
	ret->cmd = image->cmd;
	ret->n_cmd = strings_len(image->cmd);
	ret->user = image->user;
}

static void reply_images(struct call *call, struct image *const *images, size_t len)
{
	Bulkhead__V1__ListImagesResponse response = BULKHEAD__V1__LIST_IMAGES_RESPONSE__INIT;
	cleanup_free Bulkhead__V1__Image *messages = calloc(len + 1, sizeof(*messages));
	cleanup_free Bulkhead__V1__Image **list = calloc(len + 1, sizeof(Bulkhead__V1__Image *));
	struct error err = { 0 };

	if (!messages || !list) {
		error_set(&err, ERR_EXHAUSTED, ENOMEM, "no memory for a list");
		call_fail(call, &err);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		image_fill(&messages[i], images[i]);
		list[i] = &messages[i];
	}
	response.images = list;
	response.n_images = len;
	call_reply(call, &response.base, true);
}

void method_list_images(struct agent *agent, struct call *call)
{
	struct image **images;
	struct error err = { 0 };
	size_t len;

	if (image_store_list(agent->images, &images, &len, &err) < 0) {
		call_fail(call, &err);
		return;
	}
	reply_images(call, images, len);
	image_list_free(images, len);
}

static int is_used(void *user, const char *digest)
{
	return pods_use_image(user, digest);
}

void method_remove_image(struct agent *agent, struct call *call)
{
	const char *name = ((const Bulkhead__V1__RemoveImageRequest *)call->message)->name;
	Bulkhead__V1__RemoveImageResponse response = BULKHEAD__V1__REMOVE_IMAGE_RESPONSE__INIT;
	struct error err = { 0 };

	if (image_store_remove(agent->images, name, is_used, agent->pods, &err) < 0)
		call_fail(call, &err);
	else
		call_reply(call, &response.base, true);
}
