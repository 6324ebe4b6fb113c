/* Quotas of projects: create, list, describe, delete. */
#include <stdio.h>
#include <string.h>

#include "bulkhead/v1/node.pb-c.h"
#include "lib/cleanup.h"
#include "nodeagent/ctl/ctl.h"
#include "nodeagent/ctl/print.h"

int ctl_create_quota(struct ctl *ctl, struct error *err)
{
	Bulkhead__V1__PutQuotaRequest request = BULKHEAD__V1__PUT_QUOTA_REQUEST__INIT;
	Bulkhead__V1__Quota quota = BULKHEAD__V1__QUOTA__INIT;
	cleanup_message ProtobufCMessage *response = NULL;
	const struct args *args = ctl->args;
	const char *name = args->words[2];

	if (!args->hard)
		return error_set(err, ERR_INVALID, 0,
			"no limit is given; use --hard=limits.cpu=2,limits.memory=1Gi,pods=10");
	quota.project = (char *)(uintptr_t)ctl_project(ctl);
	quota.name = (char *)(uintptr_t)name;
	quota.hard = (char *)(uintptr_t)args->hard;
	request.quota = &quota;
	request.replace = args->replace;
	if (ctl_call(ctl, "PutQuota", &request.base, &response, err) < 0)
		return -1;
	printf("quota/%s %s\n", name, args->replace ? "replaced" : "created");
	return CTL_OK;
}

static int list(struct ctl *ctl, const char *name, ProtobufCMessage **ret, struct error *err)
{
	Bulkhead__V1__ListQuotasRequest request = BULKHEAD__V1__LIST_QUOTAS_REQUEST__INIT;

	request.project = (char *)(uintptr_t)(ctl->args->all_projects ? "" : ctl_project(ctl));
	request.all_projects = ctl->args->all_projects;
	request.name = (char *)(uintptr_t)name;
	return ctl_call(ctl, "ListQuotas", &request.base, ret, err);
}

int ctl_quotas_list(struct ctl *ctl, ProtobufCMessage **ret, struct error *err)
{
	return list(ctl, "", ret, err);
}

static void row(const char *resource, const char *used, const char *hard)
{
	const char *words[] = { resource, used, hard };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		print_untrusted(stdout, words[i], strlen(words[i]), true);
		printf("%*s", i + 1 < ARRAY_LEN(words) ? 18 - (int)(strlen(words[i]) % 18) : 0, "");
	}
	putchar('\n');
}

int ctl_quota_describe(struct ctl *ctl, const char *name, struct error *err)
{
	cleanup_message ProtobufCMessage *response = NULL;
	const Bulkhead__V1__Quota *q;

	if (list(ctl, name, &response, err) < 0)
		return -1;
	q = ((Bulkhead__V1__ListQuotasResponse *)response)->quotas[0];
	row("Name:", q->name, "");
	row("Project:", q->project, "");
	row("Resource", "Used", "Hard");
	row("--------", "----", "----");
	for (size_t i = 0; i < q->n_resources; i++) {
		const Bulkhead__V1__QuotaResource *r = q->resources[i];

		row(r->resource, r->used[0] ? r->used : "-", r->hard);
	}
	return 0;
}

int ctl_quota_delete(struct ctl *ctl, const char *name, struct error *err)
{
	Bulkhead__V1__DeleteQuotaRequest request = BULKHEAD__V1__DELETE_QUOTA_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;

	request.project = (char *)(uintptr_t)ctl_project(ctl);
	request.name = (char *)(uintptr_t)name;
	if (ctl_call(ctl, "DeleteQuota", &request.base, &response, err) < 0)
		return -1;
	printf("quota \"%s\" deleted\n", name);
	return 0;
}
