#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bulkhead/v1/node.pb-c.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/ctl/ctl.h"
#include "nodeagent/ctl/print.h"
#include "proto/encode.h"

#define CELL_SIZE        128
#define WATCH_RETRY_MS   500      /* before a watch that ended is begun again */
#define WATCH_STOOD_USEC 10000000 /* a watch that lasted so long had reached the node */
#define WATCH_AWAY_USEC  60000000 /* a node that is away for longer is not waited for */

static bool wants(const struct args *args, const char *format)
{
	return args->output && strcmp(args->output, format) == 0;
}

static const char *age_of(int64_t created_at, char *buf)
{
	return created_at ? print_age((int64_t)time(NULL) - created_at, buf) : "<unknown>";
}

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
		snprintf(buf, CELL_SIZE, "%d (%s ago)", restarts, age_of(last, age));
	else
		snprintf(buf, CELL_SIZE, "%d", restarts);
}

/* Why a pod is not where it should be: the message of what waits or of the pod itself. */
static const char *message_of(const K8sPod *pod)
{
	const K8sPodStatus *status = pod->status;

	for (size_t i = 0; status && i < status->n_containerstatuses; i++) {
		const K8sContainerState *state = status->containerstatuses[i]->state;

		if (state && state->waiting && state->waiting->message && *state->waiting->message)
			return state->waiting->message;
	}
	return status && status->message ? status->message : "";
}

static void pod_row(struct print_table *table, const struct args *args, const K8sPod *pod)
{
	const K8sObjectMeta *meta = pod->metadata;
	const K8sPodStatus *status = pod->status;
	const char *cells[PRINT_COLUMNS_MAX];
	char ready[CELL_SIZE];
	char restarts[CELL_SIZE];
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
	cells[n++] = age_of(meta->creationtimestamp ? meta->creationtimestamp->seconds : 0, age);
	if (wants(args, "wide")) {
		cells[n++] = status ? status->podip : NULL;
		cells[n++] = pod->spec ? pod->spec->nodename : NULL;
		cells[n++] = message_of(pod);
	}
	print_table_row(table, cells, n);
}

static void pod_headings(struct print_table *table, const struct args *args)
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
	if (wants(args, "wide")) {
		cells[n++] = "IP";
		cells[n++] = "NODE";
		cells[n++] = "MESSAGE";
	}
	print_table_row(table, cells, n);
}

/* Prints objects as -o json or yaml: one alone when it was named, else a List. */
static int print_objects(const struct args *args, const ProtobufCMessage *const *objects, size_t n,
	bool single, const char *kind, struct error *err)
{
	const char *version = strcmp(kind, "Pod") == 0 ? "v1" : "bulkhead/v1";
	cleanup_free char *text = NULL;
	int status;

	if (wants(args, "json"))
		status = single ? encode_json(objects[0], version, kind, true, &text, err)
				: encode_json_list(objects, n, version, kind, &text, err);
	else
		status = single ? encode_yaml(objects[0], version, kind, &text, err)
				: encode_yaml_list(objects, n, version, kind, &text, err);
	if (status == 0)
		fputs(text, stdout);
	return status;
}

/* One line, beneath those printed before. */
static void watched_print(struct print_table *table, const struct args *args, bool *headed,
	const Bulkhead__V1__PodEvent *event, const char *name)
{
	if (!event->pod || (name && strcmp(event->pod->metadata->name, name) != 0))
		return;
	if (!*headed)
		pod_headings(table, args);
	*headed = true;
	pod_row(table, args, event->pod);
	print_table_write(table, stdout);
	fflush(stdout);
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

static int watch_pods(struct ctl *ctl, const char *name, struct error *err)
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
			watched_print(table, ctl->args, &headed, event, name);
			ctl_free(message);
		}
		client_call_free(call);
	} while ((n == 0 || request.since) && watch_again(n, err, began, &reached));
	print_table_free(table);
	return -1;
}

static int get_pods(struct ctl *ctl, const char *name, struct error *err)
{
	Bulkhead__V1__ListPodsRequest request = BULKHEAD__V1__LIST_PODS_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;
	const Bulkhead__V1__ListPodsResponse *list;
	struct print_table *table;

	if (ctl->args->watch)
		return watch_pods(ctl, name, err);
	request.project = (char *)(uintptr_t)(ctl->args->all_projects ? "" : ctl_project(ctl));
	request.all_projects = ctl->args->all_projects;
	request.name = (char *)(uintptr_t)(name ? name : "");
	if (ctl_call(ctl, "ListPods", &request.base, &response, err) < 0)
		return -1;
	list = (Bulkhead__V1__ListPodsResponse *)response;
	if (wants(ctl->args, "json") || wants(ctl->args, "yaml"))
		return print_objects(ctl->args, (const ProtobufCMessage *const *)list->pods,
			list->n_pods, name != NULL, "Pod", err);
	if (wants(ctl->args, "name")) {
		for (size_t i = 0; i < list->n_pods; i++)
			printf("pod/%s\n", list->pods[i]->metadata->name);
		return 0;
	}
	if (list->n_pods == 0) {
		fprintf(stderr,
			ctl->args->all_projects ? "no pods found\n"
						: "no pods found in project %s\n",
			ctl_project(ctl));
		return 0;
	}
	table = print_table_new();
	pod_headings(table, ctl->args);
	for (size_t i = 0; i < list->n_pods; i++)
		pod_row(table, ctl->args, list->pods[i]);
	print_table_write(table, stdout);
	print_table_free(table);
	return 0;
}

/* The other kinds: fetched whole, filtered by name here, one row function each. */
struct listing {
	const char *kind;   /* "Project" */
	const char *plural; /* "projects" */
	const char *const *headings;
	size_t headings_len;
	size_t wide_len; /* of the headings, shown only with -o wide, at the end */
	const char *(*name)(const ProtobufCMessage *object);
	void (*row)(const ProtobufCMessage *object, char (*cells)[CELL_SIZE]);
};

static const char *project_name(const ProtobufCMessage *m)
{
	return ((const Bulkhead__V1__Project *)m)->name;
}

static void project_row(const ProtobufCMessage *m, char (*cells)[CELL_SIZE])
{
	const Bulkhead__V1__Project *p = (const Bulkhead__V1__Project *)m;
	char age[PRINT_AGE_SIZE];

	snprintf(cells[0], CELL_SIZE, "%s", p->name);
	snprintf(cells[1], CELL_SIZE, "%u", p->vnid);
	snprintf(cells[2], CELL_SIZE, "%s", p->uid_range);
	snprintf(cells[3], CELL_SIZE, "%s", p->mcs);
	snprintf(cells[4], CELL_SIZE, "%s", age_of(p->created_at, age));
}

static const char *secret_name(const ProtobufCMessage *m)
{
	return ((const Bulkhead__V1__Secret *)m)->name;
}

static void secret_row(const ProtobufCMessage *m, char (*cells)[CELL_SIZE])
{
	const Bulkhead__V1__Secret *s = (const Bulkhead__V1__Secret *)m;
	char age[PRINT_AGE_SIZE];

	snprintf(cells[0], CELL_SIZE, "%s", s->name);
	snprintf(cells[1], CELL_SIZE, "%s", s->type);
	snprintf(cells[2], CELL_SIZE, "%zu", s->n_keys);
	snprintf(cells[3], CELL_SIZE, "%s", age_of(s->created_at, age));
	snprintf(cells[4], CELL_SIZE, "%s", s->project);
	snprintf(cells[5], CELL_SIZE, "%s", s->node);
}

static const char *node_name(const ProtobufCMessage *m)
{
	return ((const Bulkhead__V1__NodeInfo *)m)->name;
}

static void node_row(const ProtobufCMessage *m, char (*cells)[CELL_SIZE])
{
	const Bulkhead__V1__NodeInfo *n = (const Bulkhead__V1__NodeInfo *)m;
	const char *ready = "NotReady";
	char age[PRINT_AGE_SIZE];

	for (size_t i = 0; i < n->n_conditions; i++) {
		if (strcmp(n->conditions[i]->type, "Ready") == 0 &&
			strcmp(n->conditions[i]->status, "True") == 0)
			ready = "Ready";
	}
	snprintf(cells[0], CELL_SIZE, "%s", n->name);
	snprintf(cells[1], CELL_SIZE, "%s", ready);
	snprintf(cells[2], CELL_SIZE, "%u", n->pods);
	snprintf(cells[3], CELL_SIZE, "%s", age_of(n->created_at, age));
	snprintf(cells[4], CELL_SIZE, "%s", n->version);
	snprintf(cells[5], CELL_SIZE, "%s", n->subnet);
	snprintf(cells[6], CELL_SIZE, "%s", n->datapath);
	snprintf(cells[7], CELL_SIZE, "%s", n->cgroup);
	snprintf(cells[8], CELL_SIZE, "%s", n->selinux);
	snprintf(cells[9], CELL_SIZE, "%s", n->kernel);
}

static const char *image_name(const ProtobufCMessage *m)
{
	return ((const Bulkhead__V1__Image *)m)->name;
}

static void image_row(const ProtobufCMessage *m, char (*cells)[CELL_SIZE])
{
	const Bulkhead__V1__Image *i = (const Bulkhead__V1__Image *)m;
	char age[PRINT_AGE_SIZE];

	snprintf(cells[0], CELL_SIZE, "%s", i->name);
	snprintf(cells[1], CELL_SIZE, "%.19s", i->digest);
	snprintf(cells[2], CELL_SIZE, "%u", i->layers);
	snprintf(cells[3], CELL_SIZE, "%.1f MiB", (double)i->size / (1 << 20));
	snprintf(cells[4], CELL_SIZE, "%s", age_of(i->created_at, age));
}

static const char *const project_headings[] = { "NAME", "VNID", "UID-RANGE", "MCS", "AGE" };
static const char *const secret_headings[] = { "NAME", "TYPE", "DATA", "AGE", "PROJECT", "NODE" };
static const char *const node_headings[] = { "NAME", "STATUS", "PODS", "AGE", "VERSION", "SUBNET",
	"DATAPATH", "CGROUP", "SELINUX", "KERNEL" };
static const char *const image_headings[] = { "NAME", "DIGEST", "LAYERS", "SIZE", "AGE" };

static const struct listing projects = { "Project", "projects", project_headings,
	ARRAY_LEN(project_headings), 0, project_name, project_row };
static const struct listing secrets = { "Secret", "secrets", secret_headings,
	ARRAY_LEN(secret_headings), 2, secret_name, secret_row };
static const struct listing nodes = { "Node", "nodes", node_headings, ARRAY_LEN(node_headings), 5,
	node_name, node_row };
static const struct listing images = { "Image", "images", image_headings, ARRAY_LEN(image_headings),
	0, image_name, image_row };

static void print_listing(const struct args *args, const struct listing *l,
	const ProtobufCMessage *const *objects, size_t n)
{
	size_t columns = l->headings_len - (wants(args, "wide") ? 0 : l->wide_len);
	struct print_table *table = print_table_new();

	if (!args->no_headers)
		print_table_row(table, l->headings, columns);
	for (size_t i = 0; i < n; i++) {
		char cells[PRINT_COLUMNS_MAX][CELL_SIZE];
		const char *row[PRINT_COLUMNS_MAX];

		l->row(objects[i], cells);
		for (size_t j = 0; j < columns; j++)
			row[j] = cells[j];
		print_table_row(table, row, columns);
	}
	print_table_write(table, stdout);
	print_table_free(table);
}

static int show(const struct args *args, const struct listing *l,
	const ProtobufCMessage *const *objects, size_t n, const char *name, struct error *err)
{
	const ProtobufCMessage *one;

	for (size_t i = 0; name && i < n; i++) {
		if (strcmp(l->name(objects[i]), name) == 0) {
			one = objects[i];
			objects = &one;
			n = 1;
			break;
		}
		if (i + 1 == n)
			n = 0;
	}
	if (name && n == 0)
		return error_set(err, ERR_NOT_FOUND, 0, "%s \"%s\" not found", l->plural, name);
	if (wants(args, "json") || wants(args, "yaml"))
		return print_objects(args, objects, n, name != NULL, l->kind, err);
	if (wants(args, "name")) {
		for (size_t i = 0; i < n; i++)
			printf("%.*s/%s\n", (int)strlen(l->plural) - 1, l->plural,
				l->name(objects[i]));
		return 0;
	}
	if (n == 0)
		fprintf(stderr, "no %s found\n", l->plural);
	else
		print_listing(args, l, objects, n);
	return 0;
}

static int get_projects(struct ctl *ctl, const char *name, struct error *err)
{
	Bulkhead__V1__ListProjectsRequest request = BULKHEAD__V1__LIST_PROJECTS_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;
	const Bulkhead__V1__ListProjectsResponse *list;

	if (ctl_call(ctl, "ListProjects", &request.base, &response, err) < 0)
		return -1;
	list = (Bulkhead__V1__ListProjectsResponse *)response;
	return show(ctl->args, &projects, (const ProtobufCMessage *const *)list->projects,
		list->n_projects, name, err);
}

static int get_secrets(struct ctl *ctl, const char *name, struct error *err)
{
	Bulkhead__V1__ListSecretsRequest request = BULKHEAD__V1__LIST_SECRETS_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;
	const Bulkhead__V1__ListSecretsResponse *list;

	request.project = (char *)(uintptr_t)(ctl->args->all_projects ? "" : ctl_project(ctl));
	request.all_projects = ctl->args->all_projects;
	if (ctl_call(ctl, "ListSecrets", &request.base, &response, err) < 0)
		return -1;
	list = (Bulkhead__V1__ListSecretsResponse *)response;
	return show(ctl->args, &secrets, (const ProtobufCMessage *const *)list->secrets,
		list->n_secrets, name, err);
}

static int get_nodes(struct ctl *ctl, const char *name, struct error *err)
{
	Bulkhead__V1__ListNodesRequest request = BULKHEAD__V1__LIST_NODES_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;
	const Bulkhead__V1__ListNodesResponse *list;

	if (ctl_call(ctl, "ListNodes", &request.base, &response, err) < 0)
		return -1;
	list = (Bulkhead__V1__ListNodesResponse *)response;
	return show(ctl->args, &nodes, (const ProtobufCMessage *const *)list->nodes, list->n_nodes,
		name, err);
}

static int get_images(struct ctl *ctl, const char *name, struct error *err)
{
	Bulkhead__V1__ListImagesRequest request = BULKHEAD__V1__LIST_IMAGES_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;
	const Bulkhead__V1__ListImagesResponse *list;

	if (ctl_call(ctl, "ListImages", &request.base, &response, err) < 0)
		return -1;
	list = (Bulkhead__V1__ListImagesResponse *)response;
	return show(ctl->args, &images, (const ProtobufCMessage *const *)list->images,
		list->n_images, name, err);
}

static int check_output(const struct args *args, struct error *err)
{
	static const char *const formats[] = { "json", "yaml", "wide", "name" };

	if (!args->output)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		if (strcmp(args->output, formats[i]) == 0)
			return 0;
	}
	return error_set(
		err, ERR_INVALID, 0, "-o takes json, yaml, wide or name, not '%s'", args->output);
}

static int get_kind(struct ctl *ctl, enum ctl_kind kind, const char *name, struct error *err)
{
	switch (kind) {
	case CTL_PODS:
		return get_pods(ctl, name, err);
	case CTL_PROJECTS:
		return get_projects(ctl, name, err);
	case CTL_NODES:
		return get_nodes(ctl, name, err);
	case CTL_SECRETS:
		return get_secrets(ctl, name, err);
	case CTL_IMAGES:
		return get_images(ctl, name, err);
	}
	return error_set(err, ERR_INTERNAL, 0, "no such kind");
}

int ctl_get(struct ctl *ctl, struct error *err)
{
	const struct args *args = ctl->args;
	enum ctl_kind kind;
	const char *name;

	if (check_output(args, err) < 0 || ctl_kind(args->words[1], &kind, &name, err) < 0 ||
		ctl_connect(ctl, err) < 0)
		return -1;
	if (args->watch && kind != CTL_PODS)
		return error_set(err, ERR_UNSUPPORTED, 0, "-w watches pods only");
	if (name || args->words_len == 2)
		return get_kind(ctl, kind, name, err);
	for (size_t i = 2; i < args->words_len; i++) {
		if (get_kind(ctl, kind, args->words[i], err) < 0)
			return -1;
	}
	return 0;
}
