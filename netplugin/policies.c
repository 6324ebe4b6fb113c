/* The network policies that the agent told, kept and turned into flows. */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "netplugin/endpoint.h"
#include "netplugin/firewall.h"
#include "netplugin/policy.h"
#include "openvswitch/poll-loop.h"
#include "proto/ipc_table.h"
#include "proto/wire_check.h"
#include "timeval.h"
#include "util.h"

#define POLICIES_DEADLINE_MSEC 5000

struct policies {
	K8sNetworkPolicy **list;
	size_t len;
	size_t room;
	Bulkhead__V1__NetPolicyPod **pods; /* sorted by uid, when all are there */
	size_t pods_len;
	size_t pods_room;
	Bulkhead__V1__NetPolicyProject **projects;
	size_t projects_len;
	size_t projects_room;
	struct firewalls *firewalls;
};

static void policies_free(struct policies *policies)
{
	if (!policies)
		return;
	for (size_t i = 0; i < policies->len; i++)
		k8s_network_policy_free(policies->list[i]);
	for (size_t i = 0; i < policies->pods_len; i++)
		protobuf_c_message_free_unpacked(&policies->pods[i]->base, NULL);
	for (size_t i = 0; i < policies->projects_len; i++)
		protobuf_c_message_free_unpacked(&policies->projects[i]->base, NULL);
	free(policies->list);
	free(policies->pods);
	free(policies->projects);
	firewalls_free(policies->firewalls);
	free(policies);
}

/* ---- NET_POLICIES -------------------------------------------------------------------------- */

static int compare_pods(const void *a, const void *b)
{
	const Bulkhead__V1__NetPolicyPod *const *x = a, *const *y = b;

	return strcmp((*x)->pod_uid, (*y)->pod_uid);
}

static int add_policies(
	struct policies *policies, const Bulkhead__V1__NetPolicies *part, struct error *err)
{
	ProtobufCMessage *message;

	for (size_t i = 0; i < part->n_policies; i++) {
		const ProtobufCBinaryData *bytes = &part->policies[i];

		if (message_unpack(
			    K8S_NETWORK_POLICY_DESC, bytes->data, bytes->len, &message, err) < 0)
			return error_prefix(err, "policies[%zu]", i);
		if (policies->len == policies->room)
			policies->list = x2nrealloc(
				policies->list, &policies->room, sizeof(K8sNetworkPolicy *));
		policies->list[policies->len++] = (K8sNetworkPolicy *)message;
		if (policy_check((K8sNetworkPolicy *)message, err) < 0)
			return error_prefix(err, "policies[%zu]", i);
	}
	return 0;
}

/* Out of the part, which has them no longer. */
static void take_pods(struct policies *policies, Bulkhead__V1__NetPolicies *part)
{
	for (size_t i = 0; i < part->n_pods; i++) {
		if (policies->pods_len == policies->pods_room)
			policies->pods = x2nrealloc(
				policies->pods, &policies->pods_room, sizeof(*policies->pods));
		policies->pods[policies->pods_len++] = part->pods[i];
	}
	part->n_pods = 0;
	for (size_t i = 0; i < part->n_projects; i++) {
		if (policies->projects_len == policies->projects_room)
			policies->projects = x2nrealloc(policies->projects,
				&policies->projects_room, sizeof(*policies->projects));
		policies->projects[policies->projects_len++] = part->projects[i];
	}
	part->n_projects = 0;
}

int policies_told(struct netd *netd, const struct ipc_frame *frame, struct error *err)
{
	struct policies *coming = netd->policies.coming;
	Bulkhead__V1__NetPolicies *part;
	ProtobufCMessage *message;
	bool more;
	int r;

	if (ipc_table_unpack(frame, &message, err) < 0)
		return -1;
	part = (Bulkhead__V1__NetPolicies *)message;
	if (part->part == 0) {
		policies_free(coming);
		coming = netd->policies.coming = xzalloc(sizeof(*coming));
		coming->firewalls = firewalls_new();
	}
	r = coming ? add_policies(coming, part, err)
		   : error_set(err, ERR_INVALID, 0, "part %u came before the first", part->part);
	if (r == 0) {
		take_pods(coming, part);
		firewalls_add(coming->firewalls, part);
	}
	more = part->more;
	protobuf_c_message_free_unpacked(message, NULL);
	if (r < 0 || more)
		return r;
	if (coming->pods_len > 0)
		qsort(coming->pods, coming->pods_len, sizeof(*coming->pods), compare_pods);
	policies_free(netd->policies.now);
	netd->policies.now = coming;
	netd->policies.coming = NULL;
	netd->walls.told_anew = true;
	netd->policies.dirty = true;
	netd->policies.serial = frame->serial;
	netd->policies.deadline = time_msec() + POLICIES_DEADLINE_MSEC;
	return 0;
}

/* ---- flows --------------------------------------------------------------------------------- */

static const Bulkhead__V1__NetPolicyPod *find_pod(const struct policies *policies, const char *uid)
{
	const Bulkhead__V1__NetPolicyPod key = { .pod_uid = (char *)(uintptr_t)uid };
	const Bulkhead__V1__NetPolicyPod *wanted = &key;
	Bulkhead__V1__NetPolicyPod **found;

	if (policies->pods_len == 0)
		return NULL;
	found = bsearch(
		&wanted, policies->pods, policies->pods_len, sizeof(*policies->pods), compare_pods);
	return found ? *found : NULL;
}

/* Nobody may say what a pod of this node is but the agent, by its uid. */
static void add_elsewhere(const struct netd *netd, struct policy_pod *pods, size_t *len)
{
	const struct policies *all = netd->policies.now;

	for (size_t i = 0; i < all->pods_len; i++) {
		const Bulkhead__V1__NetPolicyPod *told = all->pods[i];

		if (told->pod_uid[0] || ipnet_contains(&netd->config.node.subnet, told->address))
			continue;
		pods[(*len)++] = (struct policy_pod){
			.project = told->project,
			.labels = { told->labels, told->n_labels },
			.labels_known = true,
			.elsewhere = true,
			.address = told->address,
		};
	}
}

static struct policy_pod *collect_pods(const struct netd *netd, size_t *ret_len)
{
	struct policy_pod *pods = xcalloc(
		hmap_count(&netd->endpoints) + netd->policies.now->pods_len + 1, sizeof(*pods));
	const struct endpoint *endpoint;

	*ret_len = 0;
	HMAP_FOR_EACH(endpoint, node, &netd->endpoints)
	{
		const Bulkhead__V1__NetPolicyPod *told;

		if (!endpoint->flows_wanted)
			continue;
		told = find_pod(netd->policies.now, endpoint->record.pod_uid);
		pods[*ret_len] = (struct policy_pod){
			.project = endpoint->record.project,
			.address = endpoint->record.address,
			.labels_known =
				told && strcmp(told->project, endpoint->record.project) == 0,
		};
		if (told)
			pods[*ret_len].labels =
				(struct policy_labels){ told->labels, told->n_labels };
		(*ret_len)++;
	}
	add_elsewhere(netd, pods, ret_len);
	return pods;
}

static struct policy_project *collect_projects(const struct policies *policies)
{
	struct policy_project *projects = xcalloc(policies->projects_len + 1, sizeof(*projects));

	for (size_t i = 0; i < policies->projects_len; i++)
		projects[i] = (struct policy_project){
			.name = policies->projects[i]->name,
			.labels = { policies->projects[i]->labels,
				policies->projects[i]->n_labels },
		};
	return projects;
}

static int compute(
	const struct netd *netd, struct flow_list *list, struct error *problem, struct error *err)
{
	const struct policies *policies = netd->policies.now;
	struct policy_input input = {
		.policies = policies->list,
		.policies_len = policies->len,
		.projects_len = policies->projects_len,
	};
	cleanup_free struct policy_pod *pods = collect_pods(netd, &input.pods_len);
	cleanup_free struct policy_project *projects = collect_projects(policies);

	input.pods = pods;
	input.projects = projects;
	return policy_flows(&input, list, problem, err);
}

/* ---- each round ---------------------------------------------------------------------------- */

void policies_run(struct netd *netd)
{
	struct error *problem = &netd->policies.problem;
	struct flow_list list = { 0 };
	struct error err = { 0 };

	if (!netd->policies.now || !netd->policies.dirty || !netd->adopted)
		return;
	netd->policies.dirty = false;
	*problem = (struct error){ 0 };
	if (firewalls_want(netd, netd->policies.now->firewalls, &netd->policies.seq, &err) < 0 ||
		compute(netd, &list, problem, &err) < 0 ||
		flow_sync_want(netd->flows, flow_cookie(FLOW_POLICY, 0), &list, &netd->policies.seq,
			&err) < 0)
		*problem = err;
	else if (problem->code != ERR_NONE)
		error_prefix(problem, "all pods of the project are shut");
	if (problem->code != ERR_NONE)
		log_error("%s", problem->text);
	flow_list_done(&list);
}

int policies_state(const struct netd *netd, struct error *err)
{
	if (netd->policies.now)
		return 0;
	return error_set(err, ERR_UNAVAILABLE, 0, "the network policies have not been told yet");
}

void policies_answer(struct netd *netd)
{
	Bulkhead__V1__NetPoliciesSet message = BULKHEAD__V1__NET_POLICIES_SET__INIT;
	enum flow_state state;
	Bulkhead__V1__Error error;
	struct error err = { 0 };

	if (!netd->policies.serial || netd->policies.dirty)
		return;
	state = flow_sync_state(netd->flows, netd->policies.seq, &err);
	if (state == FLOW_PENDING && time_msec() < netd->policies.deadline) {
		poll_timer_wait_until(netd->policies.deadline);
		return;
	}
	if (state == FLOW_PENDING)
		error_set(&err, ERR_UNAVAILABLE, 0, "the switch has not taken the flows");
	else if (state == FLOW_INSTALLED)
		err = netd->policies.problem;
	if (err.code != ERR_NONE) {
		ipc_error_pack(&err, &error);
		message.error = &error;
	}
	if (ipc_table_send(netd->ipc, IPC_NET_POLICIES_SET, netd->policies.serial, &message.base,
		    NULL, 0, NULL, &err) < 0)
		log_error("%s", err.text);
	netd->policies.serial = 0;
}
