#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/explain.h"
#include "bulkhead/v1/node.pb-c.h"
#include "lib/cleanup.h"
#include "nodeagent/ctl/ctl.h"
#include "nodeagent/ctl/print.h"

static bool wants_json(const struct args *args)
{
	return args->output && strcmp(args->output, "json") == 0;
}

/* Text of a manifest that nobody has validated: control characters are shown, not obeyed. */
static void show_text(const char *text)
{
	print_escaped(stdout, text);
}

static void print_violation(const char *check, const char *field, const char *reason)
{
	printf("  %-28s ", check);
	show_text(field);
	fputs(*field ? ": " : "", stdout);
	show_text(reason);
	putchar('\n');
}

static void print_name(const K8sPod *pod)
{
	fputs("pod/", stdout);
	show_text(pod->metadata && pod->metadata->name ? pod->metadata->name : "");
}

/* Offline: no daemon is asked. *user is set to 1 when a pod is denied. */
static int judge_offline(struct ctl *ctl, K8sPod *pod, void *user, struct error *err)
{
	cleanup_violations struct violations found = { 0 };
	cleanup_free char *json = NULL;
	int *denied = user;

	if (explain_policy(pod, ctl->args->policy, &found, err) < 0 ||
		violations_end(&found, err) < 0)
		return -1;
	if (violations_any(&found))
		*denied = 1;
	if (wants_json(ctl->args)) {
		if (explain_json(!violations_any(&found), &found, &json, err) < 0)
			return -1;
		fputs(json, stdout);
		return 0;
	}
	print_name(pod);
	printf(": %s by %s\n", violations_any(&found) ? "denied" : "allowed", ctl->args->policy);
	for (size_t i = 0; i < found.n; i++)
		print_violation(found.items[i].check, found.items[i].field, found.items[i].reason);
	if (found.more)
		printf("  and %zu more\n", found.more);
	return 0;
}

static void print_review(
	const Bulkhead__V1__ReviewPodResponse *review, const K8sPod *pod, const char *project)
{
	print_name(pod);
	if (review->allowed)
		printf(": allowed in project %s by %s\n", project, review->constraint);
	else
		printf(": denied in project %s\n", project);
	for (size_t i = 0; i < review->n_violations; i++)
		print_violation(review->violations[i]->check, review->violations[i]->field,
			review->violations[i]->reason);
	for (size_t i = 0; i < review->n_reviews; i++) {
		const Bulkhead__V1__ConstraintReview *r = review->reviews[i];

		printf("%s: %s%s\n", r->constraint, r->allowed ? "would allow it" : "denies it",
			r->usable ? "" : " (you may not use it)");
		for (size_t j = 0; j < r->n_violations; j++)
			print_violation(r->violations[j]->check, r->violations[j]->field,
				r->violations[j]->reason);
	}
}

/* Against a running cluster: every constraint's opinion. */
static int judge_online(struct ctl *ctl, K8sPod *pod, void *user, struct error *err)
{
	Bulkhead__V1__ReviewPodRequest request;
	cleanup_message ProtobufCMessage *response = NULL;
	const Bulkhead__V1__ReviewPodResponse *review;
	cleanup_free char *json = NULL;
	int *denied = user;

	bulkhead__v1__review_pod_request__init(&request);
	request.pod = pod;
	request.project = (char *)(uintptr_t)ctl->args->project;
	if (ctl_call(ctl, "ReviewPod", &request.base, &response, err) < 0)
		return -1;
	review = (Bulkhead__V1__ReviewPodResponse *)response;
	if (!review->allowed)
		*denied = 1;
	if (!wants_json(ctl->args)) {
		print_review(review, pod, ctl->args->project);
		return 0;
	}
	if (explain_review_json(review, &json, err) < 0)
		return -1;
	fputs(json, stdout);
	return 0;
}

/* Exit code 1 is a verdict: whatever kept a manifest from being judged must not look like it. */
static int not_judged(struct error *err)
{
	err->code = ERR_INVALID;
	return -1;
}

int ctl_explain(struct ctl *ctl, struct error *err)
{
	const struct args *args = ctl->args;
	const struct ctl_each each = { .pod = args->policy ? judge_offline : judge_online };
	int denied = 0;

	if (!args->policy == !args->project)
		return error_set(err, ERR_INVALID, 0,
			"explain judges by --policy LEVEL:VERSION (offline) or by --project NAME "
			"(a running node); give one of them");
	if (args->output && !wants_json(args))
		return error_set(err, ERR_INVALID, 0, "explain prints text or -o json, not '%s'",
			args->output);
	if (ctl_each_object(ctl, &each, &denied, err) < 0)
		return not_judged(err);
	return denied ? CTL_FAILED : CTL_OK;
}
