/* get pods: the table, and the watch. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bulkhead/v1/node.pb-c.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/ctl/ctl.h"
#include "nodeagent/ctl/get.h"
#include "nodeagent/ctl/print.h"

#define WATCH_RETRY_MS   500      /* before a watch that ended is begun again */
#define WATCH_STOOD_USEC 10000000 /* a watch that lasted so long had reached the node */
#define WATCH_AWAY_USEC  60000000 /* a node that is away for longer is not waited for */

const char *ctl_pod_status(const K8sPod *pod)
{
	const K8sPodStatus *status = pod->status;
	const char *word;

	if (!status)
		return "Unknown";
	word = status->reason && *status->reason ? status->reason : status->phase;
	for (size_t i = 0; i < status->n_initcontainerstatuses; i++) {
		const K8sContainerState *state = status->initcontainerstatuses[i]->state;

		if (state && state->waiting && state->waiting->reason && *state->waiting->reason &&
			strcmp(state->waiting->reason, "PodInitializing") != 0)
			return state->waiting->reason;
	}
	for (size_t i = 0; i < status->n_containerstatuses; i++) {
		const K8sContainerState *state = status->containerstatuses[i]->state;

		if (state && state->waiting && state->waiting->reason && *state->waiting->reason)
			word = state->waiting->reason;
		else if (state && state->terminated && state->terminated->reason)
			word = state->terminated->reason;
	}
	if (pod->metadata && pod->metadata->deletiontimestamp)
		word = "Terminating";
	return word && *word ? word : "Unknown";
}

/* "3 (5m ago)" as kubectl shows restarts. */
static void restarts_of(const K8sPod *pod, char *buf)
{
	int restarts = 0;
	int64_t last = 0;
	char age[PRINT_AGE_SIZE];

	for (size_t i = 0; pod->status && i < pod->status->n_containerstatuses; i++) {
		const K8sContainerStatus *c = pod->status->containerstatuses[i];
		const K8sContainerState *before = c->laststate;

		restarts += c->restartcount;
		if (before && before->terminated && before->terminated->finishedat &&
			before->terminated->finishedat->seconds > last)
			last = before->terminated->finishedat->seconds;
	}
	if (restarts && last)
		snprintf(buf, GET_CELL_SIZE, "%d (%s ago)", restarts, get_age(last, age));
	else
		snprintf(buf, GET_CELL_SIZE, "%d", restarts);
}

static const char *message_in(K8sContainerStatus *const *statuses, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const K8sContainerState *state = statuses[i]->state;

		if (state && state->waiting && state->waiting->message && *state->waiting->message)
			return state->waiting->message;
	}
	return NULL;
}

/* Why a pod is not where it should be: the message of what waits or of the pod itself. */
static const char *message_of(const K8sPod *pod)
{
	const K8sPodStatus *status = pod->status;

	const char *said =
		status ? message_in(status->initcontainerstatuses, status->n_initcontainerstatuses)
		       : NULL;

	if (!said && status)
		said = message_in(status->containerstatuses, status->n_containerstatuses);
	return said ? said : status && status->message ? status->message : "";
}

static void pod_row(
	struct print_table *table, const struct args *args, bool messages, const K8sPod *pod)
{
	const K8sObjectMeta *meta = pod->metadata;
	const K8sPodStatus *status = pod->status;
	const char *cells[PRINT_COLUMNS_MAX];
	char ready[GET_CELL_SIZE];
	char restarts[GET_CELL_SIZE];
	char age[PRINT_AGE_SIZE];
	size_t up = 0;
	size_t n = 0;

	for (size_t i = 0; status && i < status->n_containerstatuses; i++)
		up += status->containerstatuses[i]->ready ? 1 : 0;
	snprintf(ready, sizeof(ready), "%zu/%zu", up, pod->spec ? pod->spec->n_containers : 0);
	restarts_of(pod, restarts);
	if (args->all_projects)
		cells[n++] = meta->namespace_;
	cells[n++] = meta->name;
	cells[n++] = ready;
	cells[n++] = ctl_pod_status(pod);
	cells[n++] = restarts;
	cells[n++] = get_age(meta->creationtimestamp ? meta->creationtimestamp->seconds : 0, age);
	if (get_wants(args, "wide")) {
		cells[n++] = status ? status->podip : NULL;
		cells[n++] = pod->spec ? pod->spec->nodename : NULL;
	}
	if (messages)
		cells[n++] = message_of(pod);
	print_table_row(table, cells, n);
}

static void pod_headings(struct print_table *table, const struct args *args, bool messages)
{
	const char *cells[PRINT_COLUMNS_MAX];
	size_t n = 0;

	if (args->no_headers)
		return;
	if (args->all_projects)
		cells[n++] = "PROJECT";
	cells[n++] = "NAME";
	cells[n++] = "READY";
	cells[n++] = "STATUS";
	cells[n++] = "RESTARTS";
	cells[n++] = "AGE";
	if (get_wants(args, "wide")) {
		cells[n++] = "IP";
		cells[n++] = "NODE";
	}
	if (messages)
		cells[n++] = "MESSAGE";
	print_table_row(table, cells, n);
}

/* One line, beneath those printed before. */
static void watched_print(struct print_table *table, const struct args *args, bool *headed,
	const Bulkhead__V1__PodEvent *event, const struct ctl_names *names)
{
	if (!event->pod || !get_is_named(names, event->pod->metadata->name))
		return;
	if (!*headed)
		pod_headings(table, args, true);
	*headed = true;
	pod_row(table, args, true, event->pod);
	print_table_write(table, stdout);
}

/* Whether a watch that began at 'began' and ended with 'n' is to be begun again; waits a while. */
static bool watch_again(int n, const struct error *err, uint64_t began, uint64_t *reached)
{
	uint64_t now = monotonic_usec();

	if (n < 0 && err->code != ERR_UNAVAILABLE)
		return false;
	if (n == 0 || now - began > WATCH_STOOD_USEC)
		*reached = now;
	if (now - *reached > WATCH_AWAY_USEC)
		return false;
	poll(NULL, 0, WATCH_RETRY_MS);
	return true;
}

static int watch_pods(struct ctl *ctl, const struct ctl_names *names, struct error *err)
{
	Bulkhead__V1__ListPodsRequest request = BULKHEAD__V1__LIST_PODS_REQUEST__INIT;
	struct print_table *table = print_table_new();
	bool headed = false;
	uint64_t began, reached = monotonic_usec();
	int n;

	request.project = (char *)(uintptr_t)(ctl->args->all_projects ? "" : ctl_project(ctl));
	request.all_projects = ctl->args->all_projects;
	/* The node ends a watch when its API restarts: go on where it stopped. */
	do {
		struct client_call *call;
		ProtobufCMessage *message;

		began = monotonic_usec();
		n = client_call_start(
			&call, ctl->client, "WatchPods", &request.base, CLIENT_NO_DEADLINE, err);
		if (n < 0)
			break;
		while ((n = client_call_next(call, &message, err)) == 1) {
			const Bulkhead__V1__PodEvent *event = (Bulkhead__V1__PodEvent *)message;

			request.since = event->sequence;
			reached = began = monotonic_usec();
			watched_print(table, ctl->args, &headed, event, names);
			ctl_free(message);
			if (print_flush(err) < 0)
				break;
		}
		client_call_free(call);
	} while ((n == 0 || request.since) && watch_again(n, err, began, &reached));
	print_table_free(table);
	return -1;
}

static void pods_table(const struct args *args, const ProtobufCMessage *const *pods, size_t n)
{
	struct print_table *table = print_table_new();
	bool messages = get_wants(args, "wide");

	/* Why a pod is not running yet is worth a column also where none was asked for. */
	for (size_t i = 0; i < n; i++)
		messages = messages || *message_of((const K8sPod *)pods[i]);
	pod_headings(table, args, messages);
	for (size_t i = 0; i < n; i++)
		pod_row(table, args, messages, (const K8sPod *)pods[i]);
	print_table_write(table, stdout);
	print_table_free(table);
}

static int pods_show(struct ctl *ctl, const ProtobufCMessage *const *pods, size_t n, bool single,
	struct error *err)
{
	const struct args *args = ctl->args;

	if (get_wants(args, "json") || get_wants(args, "yaml"))
		return get_print_objects(args, pods, n, single, "Pod", err);
	if (get_wants(args, "name")) {
		for (size_t i = 0; i < n; i++)
			printf("pod/%s\n", ((const K8sPod *)pods[i])->metadata->name);
	} else if (n) {
		pods_table(args, pods, n);
	} else if (args->all_projects) {
		fputs("no pods found\n", stderr);
	} else {
		fprintf(stderr, "no pods found in project %s\n", ctl_project(ctl));
	}
	return 0;
}

static const char *pod_name(const ProtobufCMessage *m)
{
	return ((const K8sPod *)m)->metadata->name;
}

int get_pods(struct ctl *ctl, const struct ctl_names *names, struct error *err)
{
	Bulkhead__V1__ListPodsRequest request = BULKHEAD__V1__LIST_PODS_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;
	cleanup_free const ProtobufCMessage **picked = NULL;
	const Bulkhead__V1__ListPodsResponse *list;
	size_t n;
	int r;

	if (ctl->args->watch)
		return watch_pods(ctl, names, err);
	request.project = (char *)(uintptr_t)(ctl->args->all_projects ? "" : ctl_project(ctl));
	request.all_projects = ctl->args->all_projects;
	request.name = (char *)(uintptr_t)(names->len == 1 ? names->items[0] : "");
	if (ctl_call(ctl, "ListPods", &request.base, &response, err) < 0)
		return -1;
	list = (Bulkhead__V1__ListPodsResponse *)response;
	picked = calloc(list->n_pods + names->len + 1, sizeof(*picked));
	if (!picked)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot list pods");
	r = get_pick((const ProtobufCMessage *const *)list->pods, list->n_pods, pod_name, names,
		"pods", picked, &n, err);
	if ((n || r == 0) && pods_show(ctl, picked, n, names->len == 1, err) < 0)
		return -1;
	return r;
}
