#include "nodeagent/agent/methods.h"

#include <string.h>

#include "lib/cleanup.h"
#include "proto/k8s_policy.h"

/* ---- what requests are about --------------------------------------------------------------- */

/* Most have a project of their own field; "" is refused by RBAC and, for masters, by the handler.
 */
#define TARGET(function, type, project_, name_)                                                    \
	static void function(const ProtobufCMessage *request, struct method_target *ret)           \
	{                                                                                          \
		const type *r = (const type *)request;                                             \
                                                                                                   \
		ret->project = (project_);                                                         \
		ret->name = (name_);                                                               \
	}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

static void pod_target(const K8sPod *pod, struct method_target *ret)
{
	ret->project = pod && pod->metadata ? or_empty(pod->metadata->namespace_) : "";
	ret->name = pod && pod->metadata ? or_empty(pod->metadata->name) : "";
}

static void apply_pod(const ProtobufCMessage *request, struct method_target *ret)
{
	pod_target(((const Bulkhead__V1__ApplyPodRequest *)request)->pod, ret);
}

static void review_pod(const ProtobufCMessage *request, struct method_target *ret)
{
	const Bulkhead__V1__ReviewPodRequest *r = (const Bulkhead__V1__ReviewPodRequest *)request;

	pod_target(r->pod, ret);
	ret->project = r->project;
}

static void exec(const ProtobufCMessage *request, struct method_target *ret)
{
	const Bulkhead__V1__ExecStart *start = ((const Bulkhead__V1__ExecRequest *)request)->start;

	ret->project = start ? start->project : "";
	ret->name = start ? start->pod : "";
}

static void put_secret(const ProtobufCMessage *request, struct method_target *ret)
{
	const Bulkhead__V1__Secret *s = ((const Bulkhead__V1__PutSecretRequest *)request)->secret;

	ret->project = s ? s->project : "";
	ret->name = s ? s->name : "";
}

static void put_quota(const ProtobufCMessage *request, struct method_target *ret)
{
	const Bulkhead__V1__Quota *q = ((const Bulkhead__V1__PutQuotaRequest *)request)->quota;

	ret->project = q ? q->project : "";
	ret->name = q ? q->name : "";
}

static void apply_network_policy(const ProtobufCMessage *request, struct method_target *ret)
{
	const K8sNetworkPolicy *policy =
		((const Bulkhead__V1__ApplyNetworkPolicyRequest *)request)->policy;
	const K8sObjectMeta *meta = policy ? policy->metadata : NULL;

	ret->project = meta ? or_empty(meta->namespace_) : "";
	ret->name = meta ? or_empty(meta->name) : "";
}

static void apply_egress(const ProtobufCMessage *request, struct method_target *ret)
{
	const Bulkhead__V1__EgressNetworkPolicy *policy =
		((const Bulkhead__V1__ApplyEgressNetworkPolicyRequest *)request)->policy;
	const K8sObjectMeta *meta = policy ? policy->metadata : NULL;

	ret->project = meta ? or_empty(meta->namespace_) : "";
	ret->name = meta ? or_empty(meta->name) : "";
}

TARGET(list_pods, Bulkhead__V1__ListPodsRequest, r->all_projects ? NULL : r->project, r->name)
TARGET(delete_pod, Bulkhead__V1__DeletePodRequest, r->project, r->name)
TARGET(describe_pod, Bulkhead__V1__DescribePodRequest, r->project, r->name)
TARGET(pod_drift, Bulkhead__V1__PodDriftRequest, r->project, r->name)
TARGET(pod_profile, Bulkhead__V1__PodProfileRequest, r->project, r->name)
TARGET(pod_logs, Bulkhead__V1__PodLogsRequest, r->project, r->pod)
TARGET(list_secrets, Bulkhead__V1__ListSecretsRequest, r->all_projects ? NULL : r->project, r->name)
TARGET(delete_secret, Bulkhead__V1__DeleteSecretRequest, r->project, r->name)
TARGET(list_quotas, Bulkhead__V1__ListQuotasRequest, r->all_projects ? NULL : r->project, r->name)
TARGET(delete_quota, Bulkhead__V1__DeleteQuotaRequest, r->project, r->name)
TARGET(list_network_policies, Bulkhead__V1__ListNetworkPoliciesRequest,
	r->all_projects ? NULL : r->project, r->name)
TARGET(delete_network_policy, Bulkhead__V1__DeleteNetworkPolicyRequest, r->project, r->name)
TARGET(list_egress, Bulkhead__V1__ListEgressNetworkPoliciesRequest,
	r->all_projects ? NULL : r->project, r->name)
TARGET(delete_egress, Bulkhead__V1__DeleteEgressNetworkPolicyRequest, r->project, r->name)
TARGET(create_project, Bulkhead__V1__CreateProjectRequest, NULL, r->name)
TARGET(list_projects, Bulkhead__V1__ListProjectsRequest, NULL, r->name)
TARGET(delete_project, Bulkhead__V1__DeleteProjectRequest, NULL, r->name)
TARGET(label_project, Bulkhead__V1__LabelProjectRequest, NULL, r->name)
TARGET(move_projects, Bulkhead__V1__MoveProjectsRequest, NULL, r->n_projects ? r->projects[0] : "")
TARGET(trace_network, Bulkhead__V1__TraceNetworkRequest, r->project, r->source)
TARGET(list_nodes, Bulkhead__V1__ListNodesRequest, NULL, r->name)
TARGET(join_node, Bulkhead__V1__JoinNodeRequest, NULL, r->name)
TARGET(delete_node, Bulkhead__V1__DeleteNodeRequest, NULL, r->name)
TARGET(import_image, Bulkhead__V1__ImportImageRequest, NULL, r->name)
TARGET(remove_image, Bulkhead__V1__RemoveImageRequest, NULL, r->name)

/* ---- the table ----------------------------------------------------------------------------- */

#define ROW(name, message, verb, resource, target, open, handler)                                  \
	{                                                                                          \
		name, &bulkhead__v1__##message##_request__descriptor, verb, resource, target,      \
			open, handler                                                              \
	}

/* clang-format off */
static const struct method methods[] = {
	ROW("ApplyPod", apply_pod, "create", "pods", apply_pod, false, method_apply_pod),
	ROW("ReviewPod", review_pod, "create", "pods/review", review_pod, false,
		method_review_pod),
	ROW("ListPods", list_pods, "list", "pods", list_pods, false, method_list_pods),
	ROW("WatchPods", list_pods, "watch", "pods", list_pods, false, method_watch_pods),
	ROW("DeletePod", delete_pod, "delete", "pods", delete_pod, false, method_delete_pod),
	ROW("DescribePod", describe_pod, "get", "pods", describe_pod, false, method_describe_pod),
	ROW("PodDrift", pod_drift, "get", "pods", pod_drift, false, method_pod_drift),
	ROW("PodProfile", pod_profile, "get", "pods", pod_profile, false, method_pod_profile),
	ROW("PodLogs", pod_logs, "get", "pods/log", pod_logs, false, method_pod_logs),
	ROW("Exec", exec, "create", "pods/exec", exec, false, method_exec),
	ROW("Debug", exec, "update", "pods/ephemeralcontainers", exec, false, method_debug),
	ROW("CreateProject", create_project, "create", "projects", create_project, false,
		method_create_project),
	ROW("ListProjects", list_projects, "list", "projects", list_projects, true,
		method_list_projects),
	ROW("LabelProject", label_project, "update", "projects", label_project, false,
		method_label_project),
	ROW("MoveProjects", move_projects, "update", "projects", move_projects, false,
		method_move_projects),
	ROW("TraceNetwork", trace_network, "get", "pods", trace_network, false,
		method_trace_network),
	ROW("ListDenials", list_denials, "get", "nodes", NULL, false, method_list_denials),
	ROW("CheckNetwork", check_network, "get", "nodes", NULL, false, method_check_network),
	ROW("DeleteProject", delete_project, "delete", "projects", delete_project, false,
		method_delete_project),
	ROW("PutSecret", put_secret, "create", "secrets", put_secret, false, method_put_secret),
	ROW("ListSecrets", list_secrets, "list", "secrets", list_secrets, false,
		method_list_secrets),
	ROW("DeleteSecret", delete_secret, "delete", "secrets", delete_secret, false,
		method_delete_secret),
	ROW("PutQuota", put_quota, "create", "resourcequotas", put_quota, false, method_put_quota),
	ROW("ListQuotas", list_quotas, "list", "resourcequotas", list_quotas, false,
		method_list_quotas),
	ROW("DeleteQuota", delete_quota, "delete", "resourcequotas", delete_quota, false,
		method_delete_quota),
	ROW("ApplyNetworkPolicy", apply_network_policy, "create", "networkpolicies",
		apply_network_policy, false, method_apply_network_policy),
	ROW("ListNetworkPolicies", list_network_policies, "list", "networkpolicies",
		list_network_policies, false, method_list_network_policies),
	ROW("DeleteNetworkPolicy", delete_network_policy, "delete", "networkpolicies",
		delete_network_policy, false, method_delete_network_policy),
	ROW("ApplyEgressNetworkPolicy", apply_egress_network_policy, "create",
		"egressnetworkpolicies", apply_egress, false, method_apply_egress),
	ROW("ListEgressNetworkPolicies", list_egress_network_policies, "list",
		"egressnetworkpolicies", list_egress, false, method_list_egress),
	ROW("DeleteEgressNetworkPolicy", delete_egress_network_policy, "delete",
		"egressnetworkpolicies", delete_egress, false, method_delete_egress),
	ROW("ListNodes", list_nodes, "list", "nodes", list_nodes, true, method_list_nodes),
	ROW("JoinNode", join_node, "create", "nodes", join_node, false, method_join_node),
	ROW("DeleteNode", delete_node, "delete", "nodes", delete_node, false, method_delete_node),
	ROW("ImportImage", import_image, "create", "images", import_image, false,
		method_import_image),
	ROW("ListImages", list_images, "list", "images", NULL, false, method_list_images),
	ROW("RemoveImage", remove_image, "delete", "images", remove_image, false,
		method_remove_image),
	ROW("GetVersion", get_version, "get", "nodes", NULL, true, method_get_version),
};
/* clang-format on */

const struct method *method_at(size_t i)
{
	return i < ARRAY_LEN(methods) ? &methods[i] : NULL;
}

const struct method *method_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		if (strcmp(methods[i].name, name) == 0)
			return &methods[i];
	}
	return NULL;
}
