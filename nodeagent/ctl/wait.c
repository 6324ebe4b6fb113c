#include <stdio.h>
#include <string.h>

#include "bulkhead/v1/node.pb-c.h"
#include "lib/fdio.h"
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

/* What one event says about the pod: 1 it is as asked for, 0 not yet. */
static int judge(const Bulkhead__V1__PodEvent *event, const char *name, const char *condition,
	bool *seen, struct error *err)
{
	const K8sPod *pod = event->pod;

	if (strcmp(event->type, "SYNCED") == 0 && !*seen)
		return error_set(err, ERR_NOT_FOUND, 0, "pod '%s' is not there", name);
	if (!pod || strcmp(pod->metadata->name, name) != 0)
		return 0;
	*seen = true;
	if (strcmp(event->type, "DELETED") == 0)
		return error_set(err, ERR_NOT_FOUND, 0, "pod '%s' was deleted", name);
	if (satisfied(pod, condition))
		return 1;
	if (hopeless(pod, condition))
		return error_set(err, ERR_PRECONDITION, 0, "pod '%s' has ended: %s", name,
			ctl_pod_status(pod));
	return 0;
}

static int wait_for(struct ctl *ctl, const char *name, int64_t left_msec, struct error *err)
{
	const char *condition = ctl->args->condition;
	Bulkhead__V1__ListPodsRequest request;
	struct client_call *call;
	ProtobufCMessage *message;
	bool seen = false;
	int done = 0;
	int n = 0;

	bulkhead__v1__list_pods_request__init(&request);
	request.project = (char *)(uintptr_t)ctl_project(ctl);
	if (client_call_start(&call, ctl->client, "WatchPods", &request.base,
		    ctl_deadline_ms((uint64_t)left_msec), err) < 0)
		return -1;
	while (!done && (n = client_call_next(call, &message, err)) == 1) {
		done = judge((Bulkhead__V1__PodEvent *)message, name, condition, &seen, err);
		ctl_free(message);
	}
	client_call_free(call);
	if (done < 0 || (done == 0 && n < 0 && err->code != ERR_TIMEOUT))
		return -1;
	if (n < 0)
		return error_set(
			err, ERR_TIMEOUT, 0, "pod '%s' did not reach %s in time", name, condition);
	if (!done)
		return error_set(err, ERR_UNAVAILABLE, 0, "the node ended the watch");
	printf("pod/%s condition met\n", name);
	return 0;
}

static int wait_gone(struct ctl *ctl, const char *name, int64_t left_msec, struct error *err)
{
	if (ctl_wait_gone(ctl, ctl_project(ctl), name, NULL, (left_msec + 999) / 1000, err) < 0)
		return -1;
	printf("pod/%s deleted\n", name);
	return 0;
}

static int check_condition(const char *condition, struct error *err)
{
	if (!condition)
		return error_set(err, ERR_INVALID, 0,
			"--for is required: condition=Ready, phase=PHASE or delete");
	if (strcmp(condition, "delete") != 0 && strncmp(condition, "condition=", 10) != 0 &&
		strncmp(condition, "phase=", 6) != 0)
		return error_set(err, ERR_INVALID, 0,
			"--for takes condition=NAME, phase=PHASE or delete, not '%s'", condition);
	return 0;
}

int ctl_wait(struct ctl *ctl, struct error *err)
{
	const struct args *args = ctl->args;
	int64_t timeout = args->timeout >= 0 ? args->timeout : WAIT_DEFAULT_S;
	uint64_t end = monotonic_usec() + (uint64_t)timeout * 1000000;
	struct ctl_names names;

	if (ctl_names(args, &names, err) < 0)
		return -1;
	if (names.kind != CTL_PODS || names.len == 0)
		return error_set(err, ERR_INVALID, 0,
			"wait for what? 'bulkhead wait pod NAME --for=CONDITION'");
	if (check_condition(args->condition, err) < 0 || ctl_connect(ctl, err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++) {
		uint64_t now = monotonic_usec();
		int64_t left = now < end ? (int64_t)((end - now) / 1000) + 1 : 1;
		int r = strcmp(args->condition, "delete") == 0
				? wait_gone(ctl, names.items[i], left, err)
				: wait_for(ctl, names.items[i], left, err);

		if (r < 0)
			return -1;
	}
	return 0;
}
