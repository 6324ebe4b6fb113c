#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bulkhead/v1/node.pb-c.h"
#include "lib/cleanup.h"
#include "nodeagent/ctl/ctl.h"
#include "nodeagent/ctl/get.h"
#include "nodeagent/ctl/print.h"

static int ask(struct ctl *ctl, const char *project, const char *name, ProtobufCMessage **ret,
	struct error *err)
{
	Bulkhead__V1__PodDriftRequest request = BULKHEAD__V1__POD_DRIFT_REQUEST__INIT;

	request.project = (char *)(uintptr_t)project;
	request.name = (char *)(uintptr_t)name;
	return ctl_call(ctl, "PodDrift", &request.base, ret, err);
}

static void rows_print(
	struct print_table *table, bool projects, const Bulkhead__V1__PodDriftResponse *r)
{
	for (size_t i = 0; i < r->n_differences; i++) {
		const Bulkhead__V1__DriftDifference *d = r->differences[i];
		const char *cells[] = { r->project, r->pod,
			d->container[0] ? d->container : "(pod)", d->field, d->expected, d->found };

		print_table_row(table, projects ? cells : cells + 1, projects ? 6 : 5);
	}
}

/* Differences to standard output, pods that are well to standard error, so that one can count. */
static void table_print(
	const struct args *args, Bulkhead__V1__PodDriftResponse *const *all, size_t n)
{
	static const char *const headings[] = { "PROJECT", "POD", "CONTAINER", "FIELD", "ADMITTED",
		"FOUND" };
	bool projects = args->all_projects;
	struct print_table *table = print_table_new();
	size_t differences = 0;

	for (size_t i = 0; i < n; i++)
		differences += all[i]->n_differences;
	if (differences)
		print_table_row(table, projects ? headings : headings + 1, projects ? 6 : 5);
	for (size_t i = 0; i < n; i++)
		rows_print(table, projects, all[i]);
	print_table_write(table, stdout);
	print_table_free(table);
	for (size_t i = 0; i < n; i++) {
		if (all[i]->more)
			printf("pod '%s': %" PRIu32 " more differences\n", all[i]->pod,
				all[i]->more);
		if (!all[i]->n_differences)
			fprintf(stderr,
				"pod '%s' is as admitted: %zu containers compared in %.1f ms\n",
				all[i]->pod, all[i]->n_containers,
				(double)all[i]->took_usec / 1000);
	}
}

static int show(const struct args *args, Bulkhead__V1__PodDriftResponse *const *all, size_t n,
	bool single, struct error *err)
{
	bool differs = false;

	if (get_wants(args, "json") || get_wants(args, "yaml")) {
		if (get_print_objects(args, (const ProtobufCMessage *const *)all, n, single,
			    "PodDrift", err) < 0)
			return -1;
	} else {
		table_print(args, all, n);
	}
	for (size_t i = 0; i < n; i++)
		differs = differs || all[i]->n_differences;
	return differs ? CTL_DRIFT : CTL_OK;
}

/* Pods that run; one that ends meanwhile is passed over. */
static int ask_listed(
	struct ctl *ctl, Bulkhead__V1__PodDriftResponse ***ret, size_t *ret_len, struct error *err)
{
	Bulkhead__V1__ListPodsRequest request = BULKHEAD__V1__LIST_PODS_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;
	const Bulkhead__V1__ListPodsResponse *list;

	request.project = (char *)(uintptr_t)(ctl->args->all_projects ? "" : ctl_project(ctl));
	request.all_projects = ctl->args->all_projects;
	if (ctl_call(ctl, "ListPods", &request.base, &response, err) < 0)
		return -1;
	list = (Bulkhead__V1__ListPodsResponse *)response;
	*ret = calloc(list->n_pods + 1, sizeof(**ret));
	if (!*ret)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot list pods");
	for (size_t i = 0; i < list->n_pods; i++) {
		const K8sObjectMeta *meta = list->pods[i]->metadata;
		ProtobufCMessage *answer = NULL;

		if (ask(ctl, meta->namespace_, meta->name, &answer, err) == 0)
			(*ret)[(*ret_len)++] = (Bulkhead__V1__PodDriftResponse *)answer;
		else if (err->code != ERR_PRECONDITION && err->code != ERR_NOT_FOUND)
			return -1;
	}
	return 0;
}

static int ask_named(
	struct ctl *ctl, Bulkhead__V1__PodDriftResponse ***ret, size_t *ret_len, struct error *err)
{
	const struct args *args = ctl->args;

	*ret = calloc(args->words_len, sizeof(**ret));
	if (!*ret)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot list pods");
	for (size_t i = 1; i < args->words_len; i++) {
		const char *name = args->words[i];
		ProtobufCMessage *answer = NULL;

		if (strncmp(name, "pod/", 4) == 0)
			name += 4;
		if (ask(ctl, ctl_project(ctl), name, &answer, err) < 0)
			return -1;
		(*ret)[(*ret_len)++] = (Bulkhead__V1__PodDriftResponse *)answer;
	}
	return 0;
}

int ctl_drift(struct ctl *ctl, struct error *err)
{
	const struct args *args = ctl->args;
	bool all = args->all_projects || args->all_of_kind;
	Bulkhead__V1__PodDriftResponse **answers = NULL;
	size_t n = 0;
	int r;

	if (print_check_output(args->output, err) < 0)
		return -1;
	if (get_wants(args, "wide") || get_wants(args, "name"))
		return error_set(err, ERR_INVALID, 0, "-o: drift knows json and yaml");
	if (all == (args->words_len > 1))
		return error_set(err, ERR_INVALID, 0,
			"drift of which pods? give names, or --all of the project, or -A");
	if (ctl_connect(ctl, err) < 0)
		return -1;
	r = all ? ask_listed(ctl, &answers, &n, err) : ask_named(ctl, &answers, &n, err);
	if (r == 0)
		r = show(args, answers, n, !all && n == 1, err);
	for (size_t i = 0; i < n; i++)
		ctl_free(answers[i]);
	free(answers);
	return r;
}
