/* Egress firewalls: judged here, kept by clusterd in the project's row, listed from the snapshot.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "auth/egress_policy.h"
#include "auth/pod_edit.h"
#include "lib/cleanup.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/api.h"
#include "nodeagent/agent/cluster.h"

static void on_gone(struct call *call)
{
	cluster_forget(call->agent->cluster, call);
}

static void change(struct call *call, const char *project, const char *rules, cluster_done_fn done)
{
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	Bulkhead__V1__ClusterEgress row = BULKHEAD__V1__CLUSTER_EGRESS__INIT;
	struct error err = { 0 };

	row.project = (char *)(uintptr_t)project;
	row.rules = (char *)(uintptr_t)rules;
	txn.put_egress = &row;
	if (cluster_change(call->agent->cluster, &txn, done, call, &err) < 0)
		call_fail(call, &err);
	else
		call->gone = on_gone;
}

static const Bulkhead__V1__ClusterProject *need_project(
	const struct agent *agent, const char *name, struct error *err)
{
	const Bulkhead__V1__ClusterProject *project = NULL;

	if (!cluster_known(agent->cluster))
		error_set(err, ERR_UNAVAILABLE, 0,
			"the cluster database has not been read yet: try again");
	else if (!(project = cluster_project(agent->cluster, name)))
		error_set(err, ERR_NOT_FOUND, 0, "project \"%.253s\" does not exist", name);
	return project;
}

static int no_firewall(const char *project, struct error *err)
{
	return error_set(err, ERR_NOT_FOUND, 0,
		"egressnetworkpolicy \"" EGRESS_POLICY_NAME
		"\" does not exist in project \"%.253s\"",
		project);
}

/* ---- ApplyEgressNetworkPolicy -------------------------------------------------------------- */

static void reply(struct call *call, const char *project, const char *rules, const char *result)
{
	Bulkhead__V1__ApplyEgressNetworkPolicyResponse response =
		BULKHEAD__V1__APPLY_EGRESS_NETWORK_POLICY_RESPONSE__INIT;
	struct error err = { 0 };

	if (egress_policy_of(project, rules, &response.policy, &err) < 0) {
		call_fail(call, &err);
		return;
	}
	response.result = (char *)(uintptr_t)result;
	call_reply(call, &response.base, true);
	protobuf_c_message_free_unpacked(&response.policy->base, NULL);
}

static void on_put(void *user, const Bulkhead__V1__ClusterTxnReply *answer, const struct error *err,
	const char *result)
{
	struct error missing = { 0 };

	if (!err && !answer->project) {
		error_set(&missing, ERR_INTERNAL, 0, "bulkhead-clusterd did not say the project");
		err = &missing;
	}
	if (err)
		call_fail(user, err);
	else
		reply(user, answer->project->name, answer->project->egress, result);
}

static void on_created(
	void *user, const Bulkhead__V1__ClusterTxnReply *answer, const struct error *err)
{
	on_put(user, answer, err, "created");
}

static void on_configured(
	void *user, const Bulkhead__V1__ClusterTxnReply *answer, const struct error *err)
{
	on_put(user, answer, err, "configured");
}

static int judge(
	const Bulkhead__V1__EgressNetworkPolicy *policy, char **ret_rules, struct error *err)
{
	cleanup_violations struct violations found = { 0 };

	if (!policy)
		return error_set(err, ERR_INVALID, 0, "policy: required");
	if (egress_policy_judge(policy, &found, ret_rules, err) < 0)
		return -1;
	return violations_error(&found, "the egress firewall is refused", err);
}

void method_apply_egress(struct agent *agent, struct call *call)
{
	const Bulkhead__V1__ApplyEgressNetworkPolicyRequest *request =
		(const Bulkhead__V1__ApplyEgressNetworkPolicyRequest *)call->message;
	const Bulkhead__V1__ClusterProject *project = NULL;
	cleanup_free char *rules = NULL;
	struct error err = { 0 };
	bool there;

	if (judge(request->policy, &rules, &err) == 0)
		project = need_project(agent, request->policy->metadata->namespace_, &err);
	if (!project) {
		call_fail(call, &err);
		return;
	}
	there = project->egress[0] != '\0';
	if (strcmp(project->egress, rules) == 0)
		reply(call, project->name, rules, "unchanged");
	else if (request->dry_run)
		reply(call, project->name, rules, there ? "configured" : "created");
	else
		change(call, project->name, rules, there ? on_configured : on_created);
}

/* ---- ListEgressNetworkPolicies ------------------------------------------------------------- */

static int list_add(Bulkhead__V1__ListEgressNetworkPoliciesResponse *response,
	const Bulkhead__V1__ClusterProject *project, struct error *err)
{
	Bulkhead__V1__EgressNetworkPolicy **policies =
		reallocarray(response->policies, response->n_policies + 1, sizeof(*policies));

	if (!policies)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for a list");
	response->policies = policies;
	if (egress_policy_of(project->name, project->egress, &policies[response->n_policies], err) <
		0)
		return -1;
	response->n_policies++;
	return 0;
}

static int list_fill(const struct agent *agent,
	const Bulkhead__V1__ListEgressNetworkPoliciesRequest *request,
	Bulkhead__V1__ListEgressNetworkPoliciesResponse *response, struct error *err)
{
	const bool any = !request->name[0] || strcmp(request->name, EGRESS_POLICY_NAME) == 0;
	const Bulkhead__V1__ClusterProject *project;

	if (!request->all_projects && !need_project(agent, request->project, err))
		return -1;
	for (size_t i = 0; (project = cluster_project_at(agent->cluster, i)) && any; i++) {
		if ((request->all_projects || strcmp(project->name, request->project) == 0) &&
			project->egress[0] && list_add(response, project, err) < 0)
			return -1;
	}
	return request->name[0] && response->n_policies == 0 ? no_firewall(request->project, err)
							     : 0;
}

void method_list_egress(struct agent *agent, struct call *call)
{
	Bulkhead__V1__ListEgressNetworkPoliciesResponse *response = malloc(sizeof(*response));
	struct error err = { 0 };

	if (!response) {
		error_set(&err, ERR_EXHAUSTED, ENOMEM, "no memory for a list");
		call_fail(call, &err);
		return;
	}
	bulkhead__v1__list_egress_network_policies_response__init(response);
	if (list_fill(agent, (const Bulkhead__V1__ListEgressNetworkPoliciesRequest *)call->message,
		    response, &err) < 0)
		call_fail(call, &err);
	else
		call_reply(call, &response->base, true);
	bulkhead__v1__list_egress_network_policies_response__free_unpacked(response, NULL);
}

/* ---- DeleteEgressNetworkPolicy ------------------------------------------------------------- */

static void on_deleted(
	void *user, const Bulkhead__V1__ClusterTxnReply *answer, const struct error *err)
{
	Bulkhead__V1__DeleteEgressNetworkPolicyResponse response =
		BULKHEAD__V1__DELETE_EGRESS_NETWORK_POLICY_RESPONSE__INIT;

	(void)answer;
	if (err)
		call_fail(user, err);
	else
		call_reply(user, &response.base, true);
}

void method_delete_egress(struct agent *agent, struct call *call)
{
	const Bulkhead__V1__DeleteEgressNetworkPolicyRequest *request =
		(const Bulkhead__V1__DeleteEgressNetworkPolicyRequest *)call->message;
	struct error err = { 0 };
	const Bulkhead__V1__ClusterProject *project = need_project(agent, request->project, &err);

	if (project && (!project->egress[0] || strcmp(request->name, EGRESS_POLICY_NAME) != 0)) {
		no_firewall(request->project, &err);
		project = NULL;
	}
	if (!project)
		call_fail(call, &err);
	else
		change(call, project->name, "", on_deleted);
}
