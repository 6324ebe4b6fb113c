#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "auth/safe_sysctl.h"
#include "lib/cleanup.h"
#include "nodeagent/agent/config.h"
#include "nodeagent/agent/cgroup_path.h"
#include "nodeagent/agent/plan_bandwidth.h"
#include "nodeagent/agent/plan_cgroup.h"
#include "nodeagent/agent/plan_huge_pages.h"
#include "nodeagent/agent/plan_etc.h"
#include "nodeagent/agent/plan_ids.h"
#include "nodeagent/agent/plan_resources.h"
#include "nodeagent/agent/plan_security.h"
#include "nodeagent/agent/plan_storage.h"
#include "nodeagent/agent/plan_text.h"
#include "nodeagent/agent/plan_volumes.h"

#define SANDBOX_DESC (&bulkhead__v1__sandbox_plan__descriptor)
#define ID_MAP_DESC  (&bulkhead__v1__id_map__descriptor)
#define SYSCTL_DESC  (&bulkhead__v1__sysctl__descriptor)

static bool is_privileged(const K8sContainer *c)
{
	return c->securitycontext && c->securitycontext->privileged;
}

static bool plan_has_privileged(const K8sPodSpec *spec)
{
	for (size_t i = 0; i < spec->n_containers; i++) {
		if (is_privileged(spec->containers[i]))
			return true;
	}
	for (size_t i = 0; i < spec->n_initcontainers; i++) {
		if (is_privileged(spec->initcontainers[i]))
			return true;
	}
	return false;
}

static int map_fill(const struct plan_pod *pod, Bulkhead__V1__SandboxPlan *plan, struct error *err)
{
	struct plan_id_row rows[PLAN_ID_ROWS];

	plan->host_users = plan_host_users(pod->pod);
	if (plan->host_users)
		return 0;
	if (plan_id_rows(pod, rows, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		Bulkhead__V1__IdMap *row =
			edit_append(&plan->uid_map, &plan->n_uid_map, ID_MAP_DESC, err);

		if (!row)
			return -1;
		row->inside = rows[i].inside;
		row->outside = rows[i].outside;
		row->count = rows[i].count;
	}
	return 0;
}

static int sysctl_add(
	Bulkhead__V1__SandboxPlan *plan, const char *name, const char *value, struct error *err)
{
	Bulkhead__V1__Sysctl *row = edit_append(&plan->sysctls, &plan->n_sysctls, SYSCTL_DESC, err);

	if (!row || edit_string(&row->name, name, err) < 0)
		return -1;
	return edit_string(&row->value, value, err);
}

/*
 * A pod that may open no raw socket can ping all the same, as under containerd and CRI-O: every
 * group that exists in it may. The pod's own value, written later, wins.
 */
static int ping_fill(Bulkhead__V1__SandboxPlan *plan, struct error *err)
{
	return sysctl_add(plan, "net.ipv4.ping_group_range",
		plan->host_users ? "0 2147483647" : "0 65535", err);
}

static int sysctls_fill(
	const K8sPodSecurityContext *security, Bulkhead__V1__SandboxPlan *plan, struct error *err)
{
	if (!plan->host_network && ping_fill(plan, err) < 0)
		return -1;
	for (size_t i = 0; security && i < security->n_sysctls; i++) {
		const char *name = plan_or_empty(security->sysctls[i]->name);

		if (!safe_sysctl_honoured(name))
			return error_set(err, ERR_UNSUPPORTED, 0,
				"spec.securityContext.sysctls[%zu].name: '%.128s' is not one that "
				"a pod "
				"may set on this node; remove it",
				i, name);
		if (sysctl_add(plan, name, plan_or_empty(security->sysctls[i]->value), err) < 0)
			return -1;
	}
	return 0;
}

static int names_fill(const struct plan_node *node, const struct plan_pod *pod,
	Bulkhead__V1__SandboxPlan *plan, struct error *err)
{
	const char *uid = plan_or_empty(pod->pod->metadata->uid);
	const char *name = plan_or_empty(pod->pod->metadata->name);
	const char *project = pod->project.name;
	const char *state = node->config->state_dir;
	size_t len = strlen(project) + strlen(name) + strlen(uid) + 2;
	char hostname[PLAN_HOSTNAME_SIZE];
	char cgroup[CGROUP_PATH_SIZE];
	char scope[CGROUP_PATH_SIZE];

	if (uid[0] == '\0')
		return error_set(err, ERR_INTERNAL, 0, "metadata.uid: the pod has none");
	if (len > NAME_MAX)
		return error_set(err, ERR_INVALID, 0,
			"metadata.name: too long for the folder of its logs, whose name holds the "
			"project, the pod and its uid: use at most %zu characters",
			NAME_MAX - (len - strlen(name)));
	plan_hostname(node, pod->pod, hostname);
	cgroup_path_pod(node->config, project, uid, cgroup);
	cgroup_path_scope(node->config, project, uid, scope);
	if (edit_string(&plan->pod_uid, uid, err) < 0 ||
		edit_string(&plan->project, project, err) < 0 ||
		edit_string(&plan->pod, name, err) < 0 ||
		edit_string(&plan->hostname, hostname, err) < 0 ||
		edit_string(&plan->cgroup, cgroup, err) < 0 ||
		edit_string(&plan->cgroup_scope, scope, err) < 0 ||
		plan_print(&plan->log_dir, err, "%s/logs/%s_%s_%s", state, project, name, uid) < 0)
		return -1;
	return plan_print(&plan->pod_dir, err, "%s/pods/%s", state, uid);
}

/* "app=web,tier=db", as kubectl shows labels. */
static int labels_fill(const K8sPod *pod, char **ret, struct error *err)
{
	const K8sObjectMeta *meta = pod->metadata;
	cleanup_free char *text = NULL;
	size_t size;
	cleanup_file FILE *out = open_memstream(&text, &size);

	for (size_t i = 0; out && i < meta->n_labels; i++)
		fprintf(out, "%s%s=%s", i ? "," : "", meta->labels[i]->key, meta->labels[i]->value);
	if (!out || fflush(out) != 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "metadata.labels");
	return edit_string(ret, text, err);
}

static int logs_fill(const struct plan_node *node, const struct plan_pod *pod,
	Bulkhead__V1__SandboxPlan *plan, struct error *err)
{
	plan->log_journal = config_log_journal(node->config);
	plan->log_files_off = !config_log_files(node->config);
	if (!node->journal_socket || !node->journal_socket[0])
		return 0;
	if (edit_string(&plan->journal_socket, node->journal_socket, err) < 0)
		return -1;
	return labels_fill(pod->pod, &plan->labels, err);
}

static int fill(const struct plan_node *node, const struct plan_pod *pod, plan_find_secret find,
	void *user, Bulkhead__V1__SandboxPlan *plan, struct error *err)
{
	const K8sPodSpec *spec = view_spec(pod->pod);
	struct bandwidth bandwidth; /* netd's: here it is only judged */

	plan->share_process_namespace = spec->shareprocessnamespace;
	plan->host_network = spec->hostnetwork;
	plan->host_pid = spec->hostpid;
	plan->host_ipc = spec->hostipc;
	plan->all_devices = plan_host_users(pod->pod) && plan_has_privileged(spec);
	plan->time_namespace = view_time_namespace(pod->pod);
	plan->image_base = node->config->image_base;
	plan->secrets_on_swap = strcmp(plan_or_empty(node->config->secrets_on_swap), "allow") == 0;
	plan->drift_interval =
		node->config->drift_interval ? node->config->drift_interval : CONFIG_DRIFT_INTERVAL;
	if (names_fill(node, pod, plan, err) < 0 || map_fill(pod, plan, err) < 0 ||
		sysctls_fill(spec->securitycontext, plan, err) < 0 ||
		plan_limits_pod(spec, &plan->limits, err) < 0 ||
		plan_huge_pages_pod(node, spec, plan->limits, err) < 0 ||
		plan_cgroup(node, pod->pod, plan->limits, err) < 0 ||
		plan_bandwidth(pod->pod, &bandwidth, err) < 0 ||
		plan_storage(spec, plan, err) < 0 || logs_fill(node, pod, plan, err) < 0 ||
		plan_selinux_mount(node, pod, plan, err) < 0 ||
		plan_hosts(node, pod, &plan->etc_hosts, &plan->n_etc_hosts, err) < 0 ||
		plan_resolv(node, pod, plan, err) < 0)
		return -1;
	return plan_tmpfs(node, pod, find, user, plan, err);
}

int plan_sandbox(const struct plan_node *node, const struct plan_pod *pod, plan_find_secret find,
	void *user, Bulkhead__V1__SandboxPlan **ret, struct error *err)
{
	Bulkhead__V1__SandboxPlan *plan = NULL;

	if (edit_message(&plan, SANDBOX_DESC, err) < 0)
		return -1;
	if (fill(node, pod, find, user, plan, err) < 0) {
		bulkhead__v1__sandbox_plan__free_unpacked(plan, NULL);
		return -1;
	}
	*ret = plan;
	return 0;
}
