#include <stdio.h>
#include <string.h>

#include "bulkhead/v1/node.pb-c.h"
#include "nodeagent/ctl/ctl.h"

#define WAIT_DEFAULT_S 30

/* 1 when 'pod' is as --for asks, 0 when not yet. */
static int satisfied(const K8sPod *pod, const char *condition)
{
	const K8sPodStatus *status = pod->status;

	if (!status)
		return 0;
	if (strncmp(condition, "phase=", 6) == 0)
		return status->phase && strcmp(status->phase, condition + 6) == 0;
	for (size_t i = 0; i < status->n_conditions; i++) {
		const K8sPodCondition *c = status->conditions[i];

		if (strcmp(c->type, condition + strlen("condition=")) == 0)
			return strcmp(c->status, "True") == 0;
	}
	return 0;
}

/* A pod that ended cannot become Ready: say so at once instead of waiting. */
static int hopeless(const K8sPod *pod, const char *condition)
{
	const char *phase = pod->status && pod->status->phase ? pod->status->phase : "";

	return strcmp(condition, "condition=Ready") == 0 &&
	       (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0);
}

static int wait_for(struct ctl *ctl, const char *name, int64_t timeout, struct error *err)
{
	const char *condition = ctl->args->condition;
	Bulkhead__V1__ListPodsRequest request;
	struct client_call *call;
	ProtobufCMessage *message;
	int done = 0;
	int n = 0;

	bulkhead__v1__list_pods_request__init(&request);
	request.project = (char *)(uintptr_t)ctl_project(ctl);
	if (client_call_start(&call, ctl->client, "WatchPods", &request.base,
		    ctl_deadline_ms((uint64_t)timeout * 1000), err) < 0)
		return -1;
	while (!done && (n = client_call_next(call, &message, err)) == 1) {
		const Bulkhead__V1__PodEvent *event = (Bulkhead__V1__PodEvent *)message;
		const K8sPod *pod = event->pod;

		if (pod && strcmp(pod->metadata->name, name) == 0) {
			if (satisfied(pod, condition))
				done = 1;
			else if (hopeless(pod, condition))
				done = error_set(err, ERR_PRECONDITION, 0, "pod '%s' has ended: %s",
					name, ctl_pod_status(pod));
		}
		ctl_free(message);
	}
	client_call_free(call);
	if (done < 0)
		return -1;
	if (n < 0 && err->code == ERR_TIMEOUT)
		return error_set(err, ERR_TIMEOUT, 0, "pod '%s' did not reach %s within %lld s",
			name, condition, (long long)timeout);
	if (n < 0)
		return -1;
	printf("pod/%s %s\n", name, done ? "condition met" : "watch ended");
	return done ? 0 : error_set(err, ERR_UNAVAILABLE, 0, "the node ended the watch");
}

int ctl_wait(struct ctl *ctl, struct error *err)
{
	const struct args *args = ctl->args;
	int64_t timeout = args->timeout >= 0 ? args->timeout : WAIT_DEFAULT_S;
	enum ctl_kind kind;
	const char *name;
	int status;

	if (ctl_kind(args->words[1], &kind, &name, err) < 0 || ctl_connect(ctl, err) < 0)
		return -1;
	if (!name && args->words_len > 2)
		name = args->words[2];
	if (kind != CTL_PODS || !name)
		return error_set(err, ERR_INVALID, 0,
			"wait for what? 'bulkhead wait pod NAME --for=CONDITION'");
	if (!args->condition)
		return error_set(err, ERR_INVALID, 0,
			"--for is required: condition=Ready, phase=PHASE or delete");
	if (strcmp(args->condition, "delete") == 0) {
		status = ctl_wait_gone(ctl, ctl_project(ctl), name, NULL, timeout, err);
		if (status == 0)
			printf("pod/%s deleted\n", name);
		return status;
	}
	if (strncmp(args->condition, "condition=", 10) != 0 &&
		strncmp(args->condition, "phase=", 6) != 0)
		return error_set(err, ERR_INVALID, 0,
			"--for takes condition=NAME, phase=PHASE or delete, not '%s'",
			args->condition);
	return wait_for(ctl, name, timeout, err);
}
