/* Network policies: judged here, kept by clusterd, listed from the last snapshot. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/pod_edit.h"
#include "auth/policy.h"
#include "lib/cleanup.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/api.h"
#include "nodeagent/agent/cluster.h"
#include "proto/wire_check.h"

static void on_gone(struct call *call)
{
	cluster_forget(call->agent->cluster, call);
}

static void change(struct call *call, const Bulkhead__V1__ClusterTxn *txn, cluster_done_fn done)
{
	struct error err = { 0 };

	if (cluster_change(call->agent->cluster, txn, done, call, &err) < 0)
		call_fail(call, &err);
	else
		call->gone = on_gone;
}

static int need_project(const struct agent *agent, const char *name, struct error *err)
{
	if (!cluster_known(agent->cluster))
		return error_set(err, ERR_UNAVAILABLE, 0,
			"the cluster database has not been read yet: try again");
	if (!cluster_project(agent->cluster, name))
		return error_set(err, ERR_NOT_FOUND, 0, "project \"%.253s\" does not exist", name);
	return 0;
}

/* As it was admitted, with what the row says beside; the caller frees. */
static int view(const Bulkhead__V1__ClusterPolicy *row, K8sNetworkPolicy **ret, struct error *err)
{
	ProtobufCMessage *message;
	K8sNetworkPolicy *policy;

	if (message_unpack(
		    K8S_NETWORK_POLICY_DESC, row->policy.data, row->policy.len, &message, err) < 0)
		return error_prefix(err, "networkpolicy \"%.253s\" of the cluster", row->name);
	policy = (K8sNetworkPolicy *)message;
	if (edit_message(&policy->metadata, K8S_OBJECT_META_DESC, err) < 0 ||
		edit_string(&policy->metadata->uid, row->uid, err) < 0 ||
		edit_message(&policy->metadata->creationtimestamp, K8S_TIME_DESC, err) < 0) {
		k8s_network_policy_free(policy);
		return -1;
	}
	policy->metadata->creationtimestamp->has_seconds = true;
	policy->metadata->creationtimestamp->seconds = row->created_at;
	*ret = policy;
	return 0;
}

/* ---- ApplyNetworkPolicy -------------------------------------------------------------------- */

static int pack(const K8sNetworkPolicy *policy, ProtobufCBinaryData *ret, struct error *err)
{
	size_t size = protobuf_c_message_get_packed_size(&policy->base);
	uint8_t *bytes = malloc(size + 1);

	if (!bytes)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for a network policy");
	protobuf_c_message_pack(&policy->base, bytes);
	*ret = (ProtobufCBinaryData){ size, bytes };
	return 0;
}

static int judge(const struct agent *agent, K8sNetworkPolicy *policy, struct error *err)
{
	cleanup_violations struct violations found = { 0 };

	if (!policy)
		return error_set(err, ERR_INVALID, 0, "policy: required");
	if (policy_default(policy, err) < 0 || policy_validate(policy, &found, err) < 0 ||
		violations_error(&found, "the network policy is refused", err) < 0)
		return -1;
	return need_project(agent, policy->metadata->namespace_, err);
}

static const Bulkhead__V1__ClusterPolicy *find(
	const struct agent *agent, const K8sNetworkPolicy *policy)
{
	return cluster_policy(agent->cluster, policy->metadata->namespace_, policy->metadata->name);
}

static void reply_row(struct call *call, const Bulkhead__V1__ClusterPolicy *row, const char *result)
{
	Bulkhead__V1__ApplyNetworkPolicyResponse response =
		BULKHEAD__V1__APPLY_NETWORK_POLICY_RESPONSE__INIT;
	struct error err = { 0 };

	if (view(row, &response.policy, &err) < 0) {
		call_fail(call, &err);
		return;
	}
	response.result = (char *)(uintptr_t)result;
	call_reply(call, &response.base, true);
	k8s_network_policy_free(response.policy);
}

static void on_put(void *user, const Bulkhead__V1__ClusterTxnReply *reply, const struct error *err,
	const char *result)
{
	struct error missing = { 0 };

	if (!err && !reply->policy) {
		error_set(&missing, ERR_INTERNAL, 0, "bulkhead-clusterd did not say the policy");
		err = &missing;
	}
	if (err)
		call_fail(user, err);
	else
		reply_row(user, reply->policy, result);
}

static void on_created(
	void *user, const Bulkhead__V1__ClusterTxnReply *reply, const struct error *err)
{
	on_put(user, reply, err, "created");
}

static void on_configured(
	void *user, const Bulkhead__V1__ClusterTxnReply *reply, const struct error *err)
{
	on_put(user, reply, err, "configured");
}

static void reply_dry(struct call *call, K8sNetworkPolicy *policy, bool there)
{
	Bulkhead__V1__ApplyNetworkPolicyResponse response =
		BULKHEAD__V1__APPLY_NETWORK_POLICY_RESPONSE__INIT;

	response.policy = policy;
	response.result = (char *)(uintptr_t)(there ? "configured" : "created");
	call_reply(call, &response.base, true);
}

void method_apply_network_policy(struct agent *agent, struct call *call)
{
	const Bulkhead__V1__ApplyNetworkPolicyRequest *request =
		(const Bulkhead__V1__ApplyNetworkPolicyRequest *)call->message;
	Bulkhead__V1__ClusterPolicy row = BULKHEAD__V1__CLUSTER_POLICY__INIT;
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	const Bulkhead__V1__ClusterPolicy *there;
	struct error err = { 0 };

	if (judge(agent, request->policy, &err) < 0 ||
		pack(request->policy, &row.policy, &err) < 0) {
		call_fail(call, &err);
		return;
	}
	there = find(agent, request->policy);
	row.project = request->policy->metadata->namespace_;
	row.name = request->policy->metadata->name;
	txn.put_policy = &row;
	if (there && there->policy.len == row.policy.len &&
		memcmp(there->policy.data, row.policy.data, row.policy.len) == 0)
		reply_row(call, there, "unchanged");
	else if (request->dry_run)
		reply_dry(call, request->policy, there != NULL);
	else
		change(call, &txn, there ? on_configured : on_created);
	free(row.policy.data);
}

/* ---- ListNetworkPolicies ------------------------------------------------------------------- */

static int list_fill(const struct agent *agent,
	const Bulkhead__V1__ListNetworkPoliciesRequest *request,
	Bulkhead__V1__ListNetworkPoliciesResponse *response, struct error *err)
{
	const Bulkhead__V1__ClusterPolicy *row;
	size_t len = 0;

	if (!request->all_projects && need_project(agent, request->project, err) < 0)
		return -1;
	while (cluster_policy_at(agent->cluster, len))
		len++;
	response->policies = calloc(len + 1, sizeof(K8sNetworkPolicy *));
	if (!response->policies)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for a list");
	for (size_t i = 0; (row = cluster_policy_at(agent->cluster, i)); i++) {
		if ((!request->all_projects && strcmp(row->project, request->project) != 0) ||
			(request->name[0] && strcmp(row->name, request->name) != 0))
			continue;
		if (view(row, &response->policies[response->n_policies], err) < 0)
			return -1;
		response->n_policies++;
	}
	if (request->name[0] && response->n_policies == 0)
		return error_set(err, ERR_NOT_FOUND, 0,
			"networkpolicy \"%.253s\" does not exist in project \"%.253s\"",
			request->name, request->project);
	return 0;
}

void method_list_network_policies(struct agent *agent, struct call *call)
{
	Bulkhead__V1__ListNetworkPoliciesResponse *response = malloc(sizeof(*response));
	struct error err = { 0 };

	if (!response) {
		error_set(&err, ERR_EXHAUSTED, ENOMEM, "no memory for a list");
		call_fail(call, &err);
		return;
	}
	bulkhead__v1__list_network_policies_response__init(response);
	if (list_fill(agent, (const Bulkhead__V1__ListNetworkPoliciesRequest *)call->message,
		    response, &err) < 0)
		call_fail(call, &err);
	else
		call_reply(call, &response->base, true);
	bulkhead__v1__list_network_policies_response__free_unpacked(response, NULL);
}

/* ---- DeleteNetworkPolicy ------------------------------------------------------------------- */

static void on_deleted(
	void *user, const Bulkhead__V1__ClusterTxnReply *reply, const struct error *err)
{
	Bulkhead__V1__DeleteNetworkPolicyResponse response =
		BULKHEAD__V1__DELETE_NETWORK_POLICY_RESPONSE__INIT;

	(void)reply;
	if (err)
		call_fail(user, err);
	else
		call_reply(user, &response.base, true);
}

void method_delete_network_policy(struct agent *agent, struct call *call)
{
	const Bulkhead__V1__DeleteNetworkPolicyRequest *request =
		(const Bulkhead__V1__DeleteNetworkPolicyRequest *)call->message;
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	cleanup_free char *path = NULL;
	struct error err = { 0 };
	int r = need_project(agent, request->project, &err);

	if (r == 0 && !cluster_policy(agent->cluster, request->project, request->name))
		r = error_set(&err, ERR_NOT_FOUND, 0,
			"networkpolicy \"%.253s\" does not exist in project \"%.253s\"",
			request->name, request->project);
	if (r == 0 && asprintf(&path, "%s/%s", request->project, request->name) < 0)
		r = error_set(&err, ERR_EXHAUSTED, ENOMEM, "no memory for a request");
	if (r < 0) {
		call_fail(call, &err);
		return;
	}
	txn.delete_policy = path;
	change(call, &txn, on_deleted);
}
