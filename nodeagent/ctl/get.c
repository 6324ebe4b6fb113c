#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bulkhead/v1/node.pb-c.h"
#include "auth/egress_policy.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/ctl/ctl.h"
#include "nodeagent/ctl/get.h"
#include "nodeagent/ctl/print.h"
#include "proto/encode.h"

bool get_wants(const struct args *args, const char *format)
{
	return args->output && strcmp(args->output, format) == 0;
}

const char *get_age(int64_t created_at, char *buf)
{
	return created_at ? print_age((int64_t)time(NULL) - created_at, buf) : "<unknown>";
}

int get_print_objects(const struct args *args, const ProtobufCMessage *const *objects, size_t n,
	bool single, const char *kind, struct error *err)
{
	const char *version = strcmp(kind, "Pod") == 0 ? "v1"
			      : strcmp(kind, K8S_NETWORK_POLICY_KIND) == 0
				      ? K8S_NETWORK_POLICY_VERSION
			      : strcmp(kind, EGRESS_POLICY_KIND) == 0 ? EGRESS_POLICY_VERSION
								      : "bulkhead/v1";
	cleanup_free char *text = NULL;
	int status;

	/* One that was named and is not there leaves nothing to show alone. */
	single = single && n == 1;
	if (get_wants(args, "json"))
		status = single ? encode_json(objects[0], version, kind, true, &text, err)
				: encode_json_list(objects, n, version, kind, &text, err);
	else
		status = single ? encode_yaml(objects[0], version, kind, &text, err)
				: encode_yaml_list(objects, n, version, kind, &text, err);
	if (status == 0)
		fputs(text, stdout);
	return status;
}

bool get_is_named(const struct ctl_names *names, const char *name)
{
	for (size_t i = 0; i < names->len; i++) {
		if (strcmp(names->items[i], name) == 0)
			return true;
	}
	return names->len == 0;
}

int get_pick(const ProtobufCMessage *const *objects, size_t n,
	const char *(*name_of)(const ProtobufCMessage *), const struct ctl_names *names,
	const char *plural, const ProtobufCMessage **ret, size_t *ret_len, struct error *err)
{
	const char *missing = NULL;

	*ret_len = 0;
	for (size_t i = 0; i < n && names->len == 0; i++)
		ret[(*ret_len)++] = objects[i];
	for (size_t j = 0; j < names->len; j++) {
		size_t i = 0;

		while (i < n && strcmp(name_of(objects[i]), names->items[j]) != 0)
			i++;
		if (i < n)
			ret[(*ret_len)++] = objects[i];
		else
			missing = missing ? missing : names->items[j];
	}
	if (!missing)
		return 0;
	return error_set(err, ERR_NOT_FOUND, 0, "%s \"%s\" not found", plural, missing);
}

/* The other kinds: fetched whole, filtered by name here, one row function each. */
struct listing {
	const char *kind;   /* "Project" */
	const char *plural; /* "projects" */
	const char *const *headings;
	size_t headings_len;
	size_t wide_len; /* of the headings, shown only with -o wide, at the end */
	const char *(*name)(const ProtobufCMessage *object);
	void (*row)(const ProtobufCMessage *object, char (*cells)[GET_CELL_SIZE]);
	/* What is wrong with it, "" for nothing; NULL for a kind that cannot say. */
	const char *(*message)(const ProtobufCMessage *object);
};

static const char *project_name(const ProtobufCMessage *m)
{
	return ((const Bulkhead__V1__Project *)m)->name;
}

static void project_row(const ProtobufCMessage *m, char (*cells)[GET_CELL_SIZE])
{
	const Bulkhead__V1__Project *p = (const Bulkhead__V1__Project *)m;
	char age[PRINT_AGE_SIZE];
	size_t size = 0;

	snprintf(cells[0], GET_CELL_SIZE, "%s", p->name);
	snprintf(cells[1], GET_CELL_SIZE, "%u", p->vnid);
	snprintf(cells[2], GET_CELL_SIZE, "%s", p->uid_range);
	snprintf(cells[3], GET_CELL_SIZE, "%s", p->mcs);
	snprintf(cells[4], GET_CELL_SIZE, "%s", get_age(p->created_at, age));
	cells[5][0] = '\0';
	for (size_t i = 0; i < p->n_labels && size < GET_CELL_SIZE; i++)
		size += (size_t)snprintf(
			cells[5] + size, GET_CELL_SIZE - size, "%s%s", i ? "," : "", p->labels[i]);
}

static const char *secret_name(const ProtobufCMessage *m)
{
	return ((const Bulkhead__V1__Secret *)m)->name;
}

static void secret_row(const ProtobufCMessage *m, char (*cells)[GET_CELL_SIZE])
{
	const Bulkhead__V1__Secret *s = (const Bulkhead__V1__Secret *)m;
	char age[PRINT_AGE_SIZE];

	snprintf(cells[0], GET_CELL_SIZE, "%s", s->name);
	snprintf(cells[1], GET_CELL_SIZE, "%s", s->type);
	snprintf(cells[2], GET_CELL_SIZE, "%zu", s->n_keys);
	snprintf(cells[3], GET_CELL_SIZE, "%s", get_age(s->created_at, age));
	snprintf(cells[4], GET_CELL_SIZE, "%s", s->project);
	snprintf(cells[5], GET_CELL_SIZE, "%s", s->node);
}

static const char *node_name(const ProtobufCMessage *m)
{
	return ((const Bulkhead__V1__NodeInfo *)m)->name;
}

static const Bulkhead__V1__NodeCondition *node_condition(const Bulkhead__V1__NodeInfo *n)
{
	for (size_t i = 0; i < n->n_conditions; i++) {
		if (strcmp(n->conditions[i]->type, "Ready") == 0)
			return n->conditions[i];
	}
	return NULL;
}

/* A node tells its condition itself, and nobody else's. */
static const char *node_status(const Bulkhead__V1__NodeCondition *ready)
{
	if (!ready)
		return "Unknown";
	return strcmp(ready->status, "True") == 0 ? "Ready" : "NotReady";
}

static bool node_is_ready(const Bulkhead__V1__NodeCondition *ready)
{
	return ready && strcmp(ready->status, "True") == 0;
}

static const char *node_message(const ProtobufCMessage *m)
{
	const Bulkhead__V1__NodeCondition *ready =
		node_condition((const Bulkhead__V1__NodeInfo *)m);

	return ready && !node_is_ready(ready) ? ready->message : "";
}

static void node_row(const ProtobufCMessage *m, char (*cells)[GET_CELL_SIZE])
{
	const Bulkhead__V1__NodeInfo *n = (const Bulkhead__V1__NodeInfo *)m;
	char age[PRINT_AGE_SIZE];

	snprintf(cells[0], GET_CELL_SIZE, "%s", n->name);
	snprintf(cells[1], GET_CELL_SIZE, "%s", node_status(node_condition(n)));
	if (node_condition(n))
		snprintf(cells[2], GET_CELL_SIZE, "%u", n->pods);
	snprintf(cells[3], GET_CELL_SIZE, "%s", get_age(n->created_at, age));
	snprintf(cells[4], GET_CELL_SIZE, "%s", n->version);
	snprintf(cells[5], GET_CELL_SIZE, "%s", n->subnet);
	snprintf(cells[6], GET_CELL_SIZE, "%s", n->datapath);
	snprintf(cells[7], GET_CELL_SIZE, "%s", n->cgroup);
	snprintf(cells[8], GET_CELL_SIZE, "%s", n->selinux);
	snprintf(cells[9], GET_CELL_SIZE, "%s", n->kernel);
}

static const char *image_name(const ProtobufCMessage *m)
{
	return ((const Bulkhead__V1__Image *)m)->name;
}

static void image_row(const ProtobufCMessage *m, char (*cells)[GET_CELL_SIZE])
{
	const Bulkhead__V1__Image *i = (const Bulkhead__V1__Image *)m;
	char age[PRINT_AGE_SIZE];

	snprintf(cells[0], GET_CELL_SIZE, "%s", i->name);
	snprintf(cells[1], GET_CELL_SIZE, "%.19s", i->digest);
	snprintf(cells[2], GET_CELL_SIZE, "%u", i->layers);
	snprintf(cells[3], GET_CELL_SIZE, "%.1f MiB", (double)i->size / (1 << 20));
	snprintf(cells[4], GET_CELL_SIZE, "%s", get_age(i->created_at, age));
}

static const char *quota_name(const ProtobufCMessage *m)
{
	return ((const Bulkhead__V1__Quota *)m)->name;
}

/* "limits.cpu: 1/2, pods: 3/10", used and hard. */
static void quota_row(const ProtobufCMessage *m, char (*cells)[GET_CELL_SIZE])
{
	const Bulkhead__V1__Quota *q = (const Bulkhead__V1__Quota *)m;
	size_t size = 0;

	snprintf(cells[0], GET_CELL_SIZE, "%s", q->name);
	snprintf(cells[1], GET_CELL_SIZE, "%s", q->project);
	cells[2][0] = '\0';
	for (size_t i = 0; i < q->n_resources && size < GET_CELL_SIZE; i++) {
		const Bulkhead__V1__QuotaResource *r = q->resources[i];

		size += (size_t)snprintf(cells[2] + size, GET_CELL_SIZE - size, "%s%s: %s%s%s",
			i ? ", " : "", r->resource, r->used, r->used[0] ? "/" : "", r->hard);
	}
}

static const char *policy_name(const ProtobufCMessage *m)
{
	return ((const K8sNetworkPolicy *)m)->metadata->name;
}

static void policy_row(const ProtobufCMessage *m, char (*cells)[GET_CELL_SIZE])
{
	const K8sNetworkPolicy *p = (const K8sNetworkPolicy *)m;
	const K8sTime *created = p->metadata->creationtimestamp;
	char age[PRINT_AGE_SIZE];
	size_t size = 0;

	snprintf(cells[0], GET_CELL_SIZE, "%s", p->metadata->name);
	ctl_policy_selector(p->spec ? p->spec->podselector : NULL, cells[1], GET_CELL_SIZE);
	cells[2][0] = '\0';
	for (size_t i = 0; p->spec && i < p->spec->n_policytypes && size < GET_CELL_SIZE; i++)
		size += (size_t)snprintf(cells[2] + size, GET_CELL_SIZE - size, "%s%s",
			i ? "," : "", p->spec->policytypes[i]);
	snprintf(cells[3], GET_CELL_SIZE, "%s", get_age(created ? created->seconds : 0, age));
	snprintf(cells[4], GET_CELL_SIZE, "%s", p->metadata->namespace_);
}

static const char *egress_name(const ProtobufCMessage *m)
{
	return ((const Bulkhead__V1__EgressNetworkPolicy *)m)->metadata->name;
}

static void egress_row(const ProtobufCMessage *m, char (*cells)[GET_CELL_SIZE])
{
	const Bulkhead__V1__EgressNetworkPolicy *p = (const Bulkhead__V1__EgressNetworkPolicy *)m;

	snprintf(cells[0], GET_CELL_SIZE, "%s", p->metadata->name);
	snprintf(cells[1], GET_CELL_SIZE, "%s", p->metadata->namespace_);
	snprintf(cells[2], GET_CELL_SIZE, "%zu", p->spec->n_egress);
}

static const char *const egress_headings[] = { "NAME", "PROJECT", "RULES" };
static const char *const policy_headings[] = { "NAME", "POD-SELECTOR", "TYPES", "AGE", "PROJECT" };
static const char *const quota_headings[] = { "NAME", "PROJECT", "USED/HARD" };
static const char *const project_headings[] = { "NAME", "VNID", "UID-RANGE", "MCS", "AGE",
	"LABELS" };
static const char *const secret_headings[] = { "NAME", "TYPE", "DATA", "AGE", "PROJECT", "NODE" };
static const char *const node_headings[] = { "NAME", "STATUS", "PODS", "AGE", "VERSION", "SUBNET",
	"DATAPATH", "CGROUP", "SELINUX", "KERNEL" };
static const char *const image_headings[] = { "NAME", "DIGEST", "LAYERS", "SIZE", "AGE" };

static const struct listing projects = { "Project", "projects", project_headings,
	ARRAY_LEN(project_headings), 1, project_name, project_row, NULL };
static const struct listing secrets = { "Secret", "secrets", secret_headings,
	ARRAY_LEN(secret_headings), 2, secret_name, secret_row, NULL };
static const struct listing quotas = { "Quota", "quotas", quota_headings, ARRAY_LEN(quota_headings),
	0, quota_name, quota_row, NULL };
static const struct listing policies = { K8S_NETWORK_POLICY_KIND, "networkpolicies",
	policy_headings, ARRAY_LEN(policy_headings), 0, policy_name, policy_row, NULL };
static const struct listing firewalls = { EGRESS_POLICY_KIND, "egressnetworkpolicies",
	egress_headings, ARRAY_LEN(egress_headings), 0, egress_name, egress_row, NULL };
static const struct listing nodes = { "Node", "nodes", node_headings, ARRAY_LEN(node_headings), 5,
	node_name, node_row, node_message };
static const struct listing images = { "Image", "images", image_headings, ARRAY_LEN(image_headings),
	0, image_name, image_row, NULL };

/* A column of messages, where there is one; it stands last. */
static bool has_messages(const struct listing *l, const ProtobufCMessage *const *objects, size_t n)
{
	for (size_t i = 0; l->message && i < n; i++) {
		if (*l->message(objects[i]))
			return true;
	}
	return false;
}

static void print_listing(const struct args *args, const struct listing *l,
	const ProtobufCMessage *const *objects, size_t n)
{
	size_t columns = l->headings_len - (get_wants(args, "wide") ? 0 : l->wide_len);
	bool messages = has_messages(l, objects, n);
	struct print_table *table = print_table_new();
	const char *row[PRINT_COLUMNS_MAX];

	memcpy(row, l->headings, columns * sizeof(row[0]));
	row[columns] = "MESSAGE";
	if (!args->no_headers)
		print_table_row(table, row, columns + messages);
	for (size_t i = 0; i < n; i++) {
		char cells[PRINT_COLUMNS_MAX][GET_CELL_SIZE];

		l->row(objects[i], cells);
		for (size_t j = 0; j < columns; j++)
			row[j] = cells[j];
		row[columns] = messages ? l->message(objects[i]) : NULL;
		print_table_row(table, row, columns + messages);
	}
	print_table_write(table, stdout);
	print_table_free(table);
}

static int show_picked(const struct args *args, const struct listing *l,
	const ProtobufCMessage *const *objects, size_t n, bool single, struct error *err)
{
	if (get_wants(args, "json") || get_wants(args, "yaml"))
		return get_print_objects(args, objects, n, single, l->kind, err);
	if (get_wants(args, "name")) {
		size_t len = strlen(l->plural);
		bool is_ies = len > 3 && strcmp(l->plural + len - 3, "ies") == 0;

		for (size_t i = 0; i < n; i++)
			printf("%.*s%s/%s\n", (int)len - (is_ies ? 3 : 1), l->plural,
				is_ies ? "y" : "", l->name(objects[i]));
	} else if (n == 0) {
		fprintf(stderr, "no %s found\n", l->plural);
	} else {
		print_listing(args, l, objects, n);
	}
	return 0;
}

static int show(const struct args *args, const struct listing *l,
	const ProtobufCMessage *const *objects, size_t n, const struct ctl_names *names,
	struct error *err)
{
	cleanup_free const ProtobufCMessage **picked = calloc(n + names->len + 1, sizeof(*picked));
	size_t len;
	int r;

	if (!picked)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot list %s", l->plural);
	r = get_pick(objects, n, l->name, names, l->plural, picked, &len, err);
	if ((len || r == 0) && show_picked(args, l, picked, len, names->len == 1, err) < 0)
		return -1;
	return r;
}

static int get_projects(struct ctl *ctl, const struct ctl_names *names, struct error *err)
{
	Bulkhead__V1__ListProjectsRequest request = BULKHEAD__V1__LIST_PROJECTS_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;
	const Bulkhead__V1__ListProjectsResponse *list;

	if (ctl_call(ctl, "ListProjects", &request.base, &response, err) < 0)
		return -1;
	list = (Bulkhead__V1__ListProjectsResponse *)response;
	return show(ctl->args, &projects, (const ProtobufCMessage *const *)list->projects,
		list->n_projects, names, err);
}

static int get_secrets(struct ctl *ctl, const struct ctl_names *names, struct error *err)
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
		list->n_secrets, names, err);
}

static int get_quotas(struct ctl *ctl, const struct ctl_names *names, struct error *err)
{
	cleanup_message ProtobufCMessage *response = NULL;
	const Bulkhead__V1__ListQuotasResponse *list;

	if (ctl_quotas_list(ctl, &response, err) < 0)
		return -1;
	list = (Bulkhead__V1__ListQuotasResponse *)response;
	return show(ctl->args, &quotas, (const ProtobufCMessage *const *)list->quotas,
		list->n_quotas, names, err);
}

static int get_policies(struct ctl *ctl, const struct ctl_names *names, struct error *err)
{
	cleanup_message ProtobufCMessage *response = NULL;
	const Bulkhead__V1__ListNetworkPoliciesResponse *list;

	if (ctl_policies_list(ctl, &response, err) < 0)
		return -1;
	list = (Bulkhead__V1__ListNetworkPoliciesResponse *)response;
	return show(ctl->args, &policies, (const ProtobufCMessage *const *)list->policies,
		list->n_policies, names, err);
}

static int get_firewalls(struct ctl *ctl, const struct ctl_names *names, struct error *err)
{
	cleanup_message ProtobufCMessage *response = NULL;
	const Bulkhead__V1__ListEgressNetworkPoliciesResponse *list;

	if (ctl_egress_list(ctl, &response, err) < 0)
		return -1;
	list = (Bulkhead__V1__ListEgressNetworkPoliciesResponse *)response;
	return show(ctl->args, &firewalls, (const ProtobufCMessage *const *)list->policies,
		list->n_policies, names, err);
}

static int get_nodes(struct ctl *ctl, const struct ctl_names *names, struct error *err)
{
	Bulkhead__V1__ListNodesRequest request = BULKHEAD__V1__LIST_NODES_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;
	const Bulkhead__V1__ListNodesResponse *list;

	if (ctl_call(ctl, "ListNodes", &request.base, &response, err) < 0)
		return -1;
	list = (Bulkhead__V1__ListNodesResponse *)response;
	return show(ctl->args, &nodes, (const ProtobufCMessage *const *)list->nodes, list->n_nodes,
		names, err);
}

static int get_images(struct ctl *ctl, const struct ctl_names *names, struct error *err)
{
	Bulkhead__V1__ListImagesRequest request = BULKHEAD__V1__LIST_IMAGES_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;
	const Bulkhead__V1__ListImagesResponse *list;

	if (ctl_call(ctl, "ListImages", &request.base, &response, err) < 0)
		return -1;
	list = (Bulkhead__V1__ListImagesResponse *)response;
	return show(ctl->args, &images, (const ProtobufCMessage *const *)list->images,
		list->n_images, names, err);
}

int ctl_get(struct ctl *ctl, struct error *err)
{
	const struct args *args = ctl->args;
	struct ctl_names names;

	if (print_check_output(args->output, err) < 0 || ctl_names(args, &names, err) < 0 ||
		ctl_connect(ctl, err) < 0)
		return -1;
	if (args->watch && names.kind != CTL_PODS)
		return error_set(err, ERR_UNSUPPORTED, 0, "-w watches pods only");
	switch (names.kind) {
	case CTL_PODS:
		return get_pods(ctl, &names, err);
	case CTL_PROJECTS:
		return get_projects(ctl, &names, err);
	case CTL_NODES:
		return get_nodes(ctl, &names, err);
	case CTL_SECRETS:
		return get_secrets(ctl, &names, err);
	case CTL_QUOTAS:
		return get_quotas(ctl, &names, err);
	case CTL_POLICIES:
		return get_policies(ctl, &names, err);
	case CTL_EGRESS:
		return get_firewalls(ctl, &names, err);
	case CTL_IMAGES:
		return get_images(ctl, &names, err);
	}
	return error_set(err, ERR_INTERNAL, 0, "no such kind");
}
