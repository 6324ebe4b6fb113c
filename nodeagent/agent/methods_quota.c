/* Quotas: lists from the last snapshot with what this node's pods use, changes by clusterd. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/pod_edit.h"
#include "lib/cleanup.h"
#include "lib/path.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/api.h"
#include "nodeagent/agent/cluster.h"
#include "nodeagent/agent/quotas.h"

#define QUOTA_DESC    (&bulkhead__v1__quota__descriptor)
#define RESOURCE_DESC (&bulkhead__v1__quota_resource__descriptor)

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

static void on_put(void *user, const Bulkhead__V1__ClusterTxnReply *reply, const struct error *err)
{
	struct call *call = user;
	const Bulkhead__V1__PutQuotaRequest *request =
		(const Bulkhead__V1__PutQuotaRequest *)call->message;

	(void)reply;
	if (err)
		call_fail(call, err);
	else
		call_reply(call, &request->quota->base, true);
}

static int put_check(const struct agent *agent, const Bulkhead__V1__Quota *quota, struct error *err)
{
	struct quota parsed;

	if (!quota)
		return error_set(err, ERR_INVALID, 0, "quota: is missing");
	if (need_project(agent, quota->project, err) < 0)
		return -1;
	if (!name_is_dns_subdomain(quota->name))
		return error_set(err, ERR_INVALID, 0,
			"quota.name: '%.64s' is not an RFC 1123 subdomain (lower-case letters, "
			"digits, '-', '.')",
			quota->name);
	return quota_parse(quota->hard, "quota.hard", &parsed, err);
}

void method_put_quota(struct agent *agent, struct call *call)
{
	const Bulkhead__V1__PutQuotaRequest *request =
		(const Bulkhead__V1__PutQuotaRequest *)call->message;
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	Bulkhead__V1__ClusterQuota row = BULKHEAD__V1__CLUSTER_QUOTA__INIT;
	struct error err = { 0 };

	if (put_check(agent, request->quota, &err) < 0) {
		call_fail(call, &err);
		return;
	}
	row.project = request->quota->project;
	row.name = request->quota->name;
	row.hard = request->quota->hard;
	txn.put_quota = &row;
	txn.replace = request->replace;
	change(call, &txn, on_put);
}

static int resources_fill(const struct quota *quota, const int64_t used[QUOTA_RESOURCES],
	Bulkhead__V1__Quota *q, struct error *err)
{
	for (size_t i = 0; i < QUOTA_RESOURCES; i++) {
		enum quota_resource resource = (enum quota_resource)i;
		Bulkhead__V1__QuotaResource *row;
		char text[QUOTA_VALUE_SIZE];

		if (!quota->set[i])
			continue;
		row = edit_append(&q->resources, &q->n_resources, RESOURCE_DESC, err);
		quota_value(resource, quota->hard[i], text);
		if (!row || edit_string(&row->resource, quota_resource_name(resource), err) < 0 ||
			edit_string(&row->hard, text, err) < 0)
			return -1;
		quota_value(resource, used[i], text);
		if (resource < QUOTA_PIDS && edit_string(&row->used, text, err) < 0)
			return -1;
	}
	return 0;
}

static int project_fill(const struct agent *agent, const Bulkhead__V1__ClusterProject *project,
	const char *wanted, Bulkhead__V1__ListQuotasResponse *response, struct error *err)
{
	int64_t used[QUOTA_RESOURCES];

	quotas_used(agent->pods, project->name, used);
	for (size_t i = 0; i < project->n_quotas; i++) {
		Bulkhead__V1__Quota *q;
		struct quota quota;
		char name[254];

		if (quota_row(project->quotas[i], name, &quota, err) < 0)
			return -1;
		if (wanted[0] && strcmp(wanted, name) != 0)
			continue;
		q = edit_append(&response->quotas, &response->n_quotas, QUOTA_DESC, err);
		if (!q || edit_string(&q->project, project->name, err) < 0 ||
			edit_string(&q->name, name, err) < 0 ||
			edit_string(&q->hard, project->quotas[i] + strlen(name) + 1, err) < 0 ||
			resources_fill(&quota, used, q, err) < 0)
			return -1;
	}
	return 0;
}

static int list_fill(const struct agent *agent, const Bulkhead__V1__ListQuotasRequest *request,
	Bulkhead__V1__ListQuotasResponse *response, struct error *err)
{
	const Bulkhead__V1__ClusterProject *project;

	if (!request->all_projects && need_project(agent, request->project, err) < 0)
		return -1;
	for (size_t i = 0; (project = cluster_project_at(agent->cluster, i)); i++) {
		if (!request->all_projects && strcmp(project->name, request->project) != 0)
			continue;
		if (project_fill(agent, project, request->name, response, err) < 0)
			return -1;
	}
	if (request->name[0] && response->n_quotas == 0)
		return error_set(err, ERR_NOT_FOUND, 0,
			"quota \"%.253s\" does not exist in project \"%.253s\"", request->name,
			request->project);
	return 0;
}

void method_list_quotas(struct agent *agent, struct call *call)
{
	Bulkhead__V1__ListQuotasResponse *response = malloc(sizeof(*response));
	struct error err = { 0 };

	if (!response) {
		error_set(&err, ERR_EXHAUSTED, ENOMEM, "no memory for a list");
		call_fail(call, &err);
		return;
	}
	bulkhead__v1__list_quotas_response__init(response);
	if (list_fill(agent, (const Bulkhead__V1__ListQuotasRequest *)call->message, response,
		    &err) < 0)
		call_fail(call, &err);
	else
		call_reply(call, &response->base, true);
	bulkhead__v1__list_quotas_response__free_unpacked(response, NULL);
}

static void on_deleted(
	void *user, const Bulkhead__V1__ClusterTxnReply *reply, const struct error *err)
{
	Bulkhead__V1__DeleteQuotaResponse response = BULKHEAD__V1__DELETE_QUOTA_RESPONSE__INIT;

	(void)reply;
	if (err)
		call_fail(user, err);
	else
		call_reply(user, &response.base, true);
}

void method_delete_quota(struct agent *agent, struct call *call)
{
	const Bulkhead__V1__DeleteQuotaRequest *request =
		(const Bulkhead__V1__DeleteQuotaRequest *)call->message;
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	cleanup_free char *path = NULL;
	struct error err = { 0 };
	int r = need_project(agent, request->project, &err);

	if (r == 0 && asprintf(&path, "%s/%s", request->project, request->name) < 0)
		r = error_set(&err, ERR_EXHAUSTED, ENOMEM, "no memory for a request");
	if (r < 0) {
		call_fail(call, &err);
		return;
	}
	txn.delete_quota = path;
	change(call, &txn, on_deleted);
}
