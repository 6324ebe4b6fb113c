#include "nodeagent/shim/plan_check.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/un.h>

#include "lib/cleanup.h"
#include "lib/path.h"
#include "nodeagent/shim/caps.h"
#include "nodeagent/shim/probe.h"
#include "nodeagent/shim/sandbox.h"
#include "nodeagent/shim/storage.h"
#include "nodeagent/shim/scope.h"
#include "nodeagent/shim/sysctl.h"

/* Absolute, and no part of it "", "." or "..": what is written is what is meant. */
static int path_check(const char *field, const char *path, struct error *err)
{
#ifdef BULKHEAD_WEAK_PATHS
	return 0;
#endif
	if (path[0] != '/' || strlen(path) >= PATH_MAX)
		return error_set(
			err, ERR_INVALID, 0, "%s: '%.128s' is not an absolute path", field, path);
	for (const char *p = path; *p;) {
		size_t len = strcspn(p + 1, "/");

		if ((len == 0 && (p != path || p[1] != '\0')) || len > NAME_MAX ||
			(len == 1 && p[1] == '.') || (len == 2 && p[1] == '.' && p[2] == '.'))
			return error_set(err, ERR_INVALID, 0,
				"%s: '%.128s' has an empty, '.' or '..' part", field, path);
		p += len + 1;
	}
	return 0;
}

static int lines_check(const char *field, char **lines, size_t len, struct error *err)
{
	for (size_t i = 0; i < len; i++) {
		if (strchr(lines[i], '\n'))
			return error_set(err, ERR_INVALID, 0, "%s[%zu] has a newline", field, i);
	}
	return 0;
}

static int tmpfs_check(const Bulkhead__V1__SandboxPlan *plan, struct error *err)
{
	size_t secrets = 0;

	if (plan->n_tmpfs > SANDBOX_TMPFS_MAX)
		return error_set(
			err, ERR_EXHAUSTED, 0, "tmpfs: more than %d volumes", SANDBOX_TMPFS_MAX);
	for (size_t i = 0; i < plan->n_tmpfs; i++) {
		const Bulkhead__V1__Tmpfs *t = plan->tmpfs[i];

		if (!name_is_dns_label(t->name))
			return error_set(err, ERR_INVALID, 0, "tmpfs: '%.64s' is not a volume name",
				t->name);
		if (t->size == 0 || t->inodes == 0)
			return error_set(err, ERR_INVALID, 0,
				"tmpfs '%s': size and inodes must be given; 0 would mean no limit",
				t->name);
		if (t->mode > 07777)
			return error_set(
				err, ERR_INVALID, 0, "tmpfs '%s': mode %o", t->name, t->mode);
		for (size_t k = 0; k < i; k++) {
			if (strcmp(plan->tmpfs[k]->name, t->name) == 0)
				return error_set(
					err, ERR_INVALID, 0, "tmpfs '%s' is there twice", t->name);
		}
		secrets += t->kind == BULKHEAD__V1__TMPFS_KIND__TMPFS_SECRET;
	}
	if (secrets > SANDBOX_SECRETS_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"tmpfs: %zu secret volumes; a pod has at most %d, put several secrets in "
			"one projected "
			"volume",
			secrets, SANDBOX_SECRETS_MAX);
	return 0;
}

static int map_check(const Bulkhead__V1__SandboxPlan *plan, struct id_map *map, struct error *err)
{
	if (plan->host_users && plan->n_uid_map > 0)
		return error_set(err, ERR_INVALID, 0, "uid_map: must be empty with host_users");
	if (!plan->host_users && plan->n_uid_map == 0)
		return error_set(err, ERR_INVALID, 0, "uid_map: needed without host_users");
	for (size_t i = 0; i < plan->n_uid_map; i++) {
		const Bulkhead__V1__IdMap *row = plan->uid_map[i];

		if (id_map_add(map, row->inside, row->outside, row->count, err) < 0)
			return -1;
	}
	if (map->len > 0 && !id_map_row(map, 0))
		return error_set(err, ERR_INVALID, 0, "uid_map: id 0 of the pod is not mapped");
	if (plan->image_base == 0)
		return error_set(
			err, ERR_INVALID, 0, "image_base: 0 would make image files root's");
	return 0;
}

static int limit_check(const char *what, uint64_t bytes, struct error *err)
{
	if (bytes >= STORAGE_MIN && bytes <= STORAGE_MAX)
		return 0;
	return error_set(err, ERR_INVALID, 0, "%s: %llu bytes; use %llu to %llu", what,
		(unsigned long long)bytes, (unsigned long long)STORAGE_MIN,
		(unsigned long long)STORAGE_MAX);
}

static int storage_check(const Bulkhead__V1__SandboxPlan *plan, struct error *err)
{
	if (plan->storage && limit_check("storage", plan->storage, err) < 0)
		return -1;
	if (plan->n_limited_volumes > SANDBOX_LIMITED_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"limited_volumes: %zu of them; a pod has at most %d",
			plan->n_limited_volumes, SANDBOX_LIMITED_MAX);
	for (size_t i = 0; i < plan->n_limited_volumes; i++) {
		const Bulkhead__V1__LimitedVolume *v = plan->limited_volumes[i];

		if (!name_is_dns_label(v->name))
			return error_set(err, ERR_INVALID, 0,
				"limited_volumes: '%.64s' is not a DNS label", v->name);
		if (limit_check(v->name, v->size, err) < 0)
			return -1;
		for (size_t k = 0; k < i; k++) {
			if (strcmp(plan->limited_volumes[k]->name, v->name) == 0)
				return error_set(err, ERR_INVALID, 0,
					"limited_volumes: '%s' is there twice", v->name);
		}
	}
	return 0;
}

static int journal_check(const Bulkhead__V1__SandboxPlan *plan, struct error *err)
{
	const struct sockaddr_un *address = NULL;

	if (plan->journal_socket[0] && path_check("journal_socket", plan->journal_socket, err) < 0)
		return -1;
	if (strlen(plan->journal_socket) >= sizeof(address->sun_path))
		return error_set(err, ERR_INVALID, 0, "journal_socket: is longer than %zu bytes",
			sizeof(address->sun_path) - 1);
	if (plan->log_journal && !plan->journal_socket[0])
		return error_set(err, ERR_INVALID, 0, "log_journal: needs journal_socket");
	if (plan->log_files_off && !plan->log_journal)
		return error_set(err, ERR_INVALID, 0, "log_files_off: needs log_journal");
	return 0;
}

/* The pod's group is SCOPE_POD in its scope, beside the shim. */
static int scope_check(const Bulkhead__V1__SandboxPlan *plan, struct error *err)
{
	size_t len = strlen(plan->cgroup_scope);

	if (len == 0)
		return 0;
	if (strncmp(plan->cgroup, plan->cgroup_scope, len) == 0 &&
		strcmp(plan->cgroup + len, "/" SCOPE_POD) == 0)
		return 0;
	return error_set(err, ERR_INVALID, 0, "cgroup: '%.200s' is not '" SCOPE_POD "' in '%.200s'",
		plan->cgroup, plan->cgroup_scope);
}

int plan_check_sandbox(const Bulkhead__V1__SandboxPlan *plan, struct id_map *map, struct error *err)
{
	/* Its own user namespace has no right over what is the host's. */
	if (!plan->host_users &&
		(plan->host_network || plan->host_pid || plan->host_ipc || plan->all_devices))
		return error_set(err, ERR_INVALID, 0,
			"host_network, host_pid, host_ipc and all_devices need host_users");
	if (plan->share_process_namespace && plan->host_pid)
		return error_set(err, ERR_INVALID, 0, "share_process_namespace: not with host_pid");
	if (plan->pod_uid[0] == '\0' || plan->cgroup[0] == '\0')
		return error_set(err, ERR_INVALID, 0, "pod_uid and cgroup must be given");
	/* Dots are allowed, as in a pod's name; the kernel takes one byte more. */
	if (!name_is_dns_subdomain(plan->hostname) || strlen(plan->hostname) >= HOST_NAME_MAX)
		return error_set(err, ERR_INVALID, 0,
			"hostname: '%.64s' is not a DNS name of at most %d characters",
			plan->hostname, HOST_NAME_MAX - 1);
	if (scope_check(plan, err) < 0)
		return -1;
	if (path_check("pod_dir", plan->pod_dir, err) < 0 ||
		path_check("log_dir", plan->log_dir, err) < 0 || storage_check(plan, err) < 0 ||
		journal_check(plan, err) < 0 || map_check(plan, map, err) < 0 ||
		tmpfs_check(plan, err) < 0 ||
		lines_check("etc_hosts", plan->etc_hosts, plan->n_etc_hosts, err) < 0 ||
		lines_check("etc_resolv", plan->etc_resolv, plan->n_etc_resolv, err) < 0)
		return -1;
	for (size_t i = 0; i < plan->n_sysctls; i++) {
		const char *name = plan->sysctls[i]->name;

		if (sysctl_check(name, plan->sysctls[i]->value, err) < 0)
			return -1;
		if (plan->host_network && strncmp(name, "net.", 4) == 0)
			return error_set(
				err, ERR_INVALID, 0, "sysctls: '%s' would be the host's", name);
		if (plan->host_ipc && strncmp(name, "net.", 4) != 0)
			return error_set(
				err, ERR_INVALID, 0, "sysctls: '%s' would be the host's", name);
	}
	return 0;
}

static int caps_check(const Bulkhead__V1__ContainerPlan *plan, uint64_t *ret, struct error *err)
{
	uint64_t set = 0;

	for (size_t i = 0; i < plan->n_capabilities; i++) {
		int cap = cap_number(plan->capabilities[i]);

		if (cap < 0)
			return error_set(err, ERR_INVALID, 0, "capabilities: '%.64s' is not known",
				plan->capabilities[i]);
		set |= UINT64_C(1) << cap;
	}
	*ret = set;
	return 0;
}

static int below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* Places that the shim itself fills; a volume there would shadow a defence (CVE-2019-16884). */
static int target_check(const char *target, struct error *err)
{
	static const char *const whole[] = { "/", "/dev", "/dev/pts", "/dev/mqueue", "/dev/console",
		"/dev/null" };

	if (path_check("mounts.target", target, err) < 0)
		return -1;
	if (below(target, "/proc") || below(target, "/sys"))
		return error_set(err, ERR_INVALID, 0,
			"mounts: target '%.128s' is at or under /proc or /sys; mount it elsewhere",
			target);
	for (size_t i = 0; i < ARRAY_LEN(whole); i++) {
		if (strcmp(target, whole[i]) == 0)
			return error_set(err, ERR_INVALID, 0,
				"mounts: target '%s' is made by Bulkhead; mount it elsewhere",
				target);
	}
	return 0;
}

static int mounts_check(
	const Bulkhead__V1__ContainerPlan *plan, const struct sandbox *sandbox, struct error *err)
{
	if (plan->n_mounts > PLAN_MOUNTS_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "mounts: more than %d", PLAN_MOUNTS_MAX);
	for (size_t i = 0; i < plan->n_mounts; i++) {
		const Bulkhead__V1__Mount *m = plan->mounts[i];

		if (target_check(m->target, err) < 0)
			return -1;
		if (!name_is_dns_label(m->volume))
			return error_set(err, ERR_INVALID, 0,
				"mounts: '%.64s' is not a volume name", m->volume);
		if (m->kind == BULKHEAD__V1__MOUNT_KIND__MOUNT_TMPFS &&
			sandbox_tmpfs_find(sandbox, m->volume) < 0)
			return error_set(err, ERR_NOT_FOUND, 0, "mounts: the pod has no tmpfs '%s'",
				m->volume);
		for (size_t k = 0; k < i; k++) {
			if (strcmp(plan->mounts[k]->target, m->target) == 0)
				return error_set(err, ERR_INVALID, 0,
					"mounts: target '%s' is there twice", m->target);
		}
	}
	return 0;
}

static int paths_check(const char *field, char **paths, size_t len, struct error *err)
{
	if (len > PLAN_PATHS_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "%s: more than %d", field, PLAN_PATHS_MAX);
	for (size_t i = 0; i < len; i++) {
		if (path_check(field, paths[i], err) < 0)
			return -1;
	}
	return 0;
}

static int process_check(const Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	if (plan->n_args == 0 || plan->args[0][0] == '\0')
		return error_set(err, ERR_INVALID, 0,
			"args: nothing to run; set command, or use an image with an entrypoint");
	if (plan->n_args > PLAN_ARGS_MAX || plan->n_env > PLAN_ARGS_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "args, env: more than %d", PLAN_ARGS_MAX);
	for (size_t i = 0; i < plan->n_env; i++) {
		const char *equals = strchr(plan->env[i], '=');

		if (!equals || equals == plan->env[i])
			return error_set(err, ERR_INVALID, 0, "env[%zu] is not NAME=value", i);
	}
	if (plan->cwd[0] != '\0' && plan->cwd[0] != '/')
		return error_set(err, ERR_INVALID, 0,
			"workingDir: '%.128s' is not an absolute path", plan->cwd);
	if (plan->oom_score_adj < -1000 || plan->oom_score_adj > 1000)
		return error_set(err, ERR_INVALID, 0,
			"oom_score_adj: %" PRId32 " is not in -1000..1000", plan->oom_score_adj);
	return 0;
}

static int probe_check(const Bulkhead__V1__ProbePlan *p, struct error *err)
{
	struct in_addr address;

	if ((unsigned)p->kind >= PROBE_KINDS || p->period == 0 || p->timeout == 0 ||
		p->success_threshold == 0 || p->failure_threshold == 0)
		return error_set(err, ERR_INVALID, 0, "kind, period, timeout or threshold");
	if (p->n_exec > PLAN_ARGS_MAX || p->request.len > PLAN_REQUEST_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"more than %d arguments, or a request of more than %d bytes", PLAN_ARGS_MAX,
			PLAN_REQUEST_MAX);
	if (p->n_exec > 0)
		return 0;
	if (p->port == 0 || p->port > USHRT_MAX)
		return error_set(
			err, ERR_INVALID, 0, "port %u is not in 1..%d", p->port, USHRT_MAX);
	if (inet_pton(AF_INET, p->address, &address) != 1)
		return error_set(err, ERR_INVALID, 0, "'%.64s' is no IPv4 address", p->address);
	return 0;
}

static int probes_check(const Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	for (size_t i = 0; i < plan->n_probes; i++) {
		if (probe_check(plan->probes[i], err) < 0)
			return error_prefix(err, "probes[%zu]", i);
		for (size_t k = 0; k < i; k++) {
			if (plan->probes[k]->kind == plan->probes[i]->kind)
				return error_set(
					err, ERR_INVALID, 0, "probes: more than one of a kind");
		}
	}
	return 0;
}

static int debug_check(const Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	const Bulkhead__V1__DebugPlan *d = plan->debug;

	if (!d)
		return 0;
	if (d->rows > USHRT_MAX || d->columns > USHRT_MAX)
		return error_set(
			err, ERR_INVALID, 0, "debug: rows, columns: more than %d", USHRT_MAX);
	if (plan->n_probes > 0 || plan->record)
		return error_set(err, ERR_INVALID, 0, "debug: it is neither probed nor recorded");
	return 0;
}

int plan_check_container(const Bulkhead__V1__ContainerPlan *plan, const struct sandbox *sandbox,
	uint64_t *ret_caps, struct error *err)
{
#ifndef BULKHEAD_WEAK_NAMES
	if (!name_is_dns_label(plan->name))
		return error_set(
			err, ERR_INVALID, 0, "name: '%.64s' is not a container name", plan->name);
#endif
	if (plan->privileged && sandbox->plan->host_users && !sandbox->plan->all_devices)
		return error_set(err, ERR_INVALID, 0, "privileged: needs all_devices of the pod");
	if (plan->n_layers == 0 || plan->n_layers > PLAN_LAYERS_MAX)
		return error_set(err, ERR_INVALID, 0, "layers: %zu are not in 1..%d",
			plan->n_layers, PLAN_LAYERS_MAX);
	if (paths_check("layers", plan->layers, plan->n_layers, err) < 0 ||
		paths_check("masked_paths", plan->masked_paths, plan->n_masked_paths, err) < 0 ||
		paths_check("read_only_paths", plan->read_only_paths, plan->n_read_only_paths,
			err) < 0 ||
		process_check(plan, err) < 0 || caps_check(plan, ret_caps, err) < 0)
		return -1;
	if (lines_check("etc_hosts", plan->etc_hosts, plan->n_etc_hosts, err) < 0)
		return -1;
	if (plan->seccomp == BULKHEAD__V1__SECCOMP_KIND__SECCOMP_LOCALHOST &&
		path_check("seccomp_profile", plan->seccomp_profile, err) < 0)
		return -1;
	if (probes_check(plan, err) < 0 || debug_check(plan, err) < 0)
		return -1;
	return mounts_check(plan, sandbox, err);
}

int plan_check_exec(const Bulkhead__V1__ExecPlan *plan, struct error *err)
{
	if (plan->n_args == 0 || plan->args[0][0] == '\0')
		return error_set(err, ERR_INVALID, 0, "command: nothing to run");
	if (plan->n_args > PLAN_ARGS_MAX)
		return error_set(
			err, ERR_EXHAUSTED, 0, "command: more than %d arguments", PLAN_ARGS_MAX);
	if (plan->rows > USHRT_MAX || plan->columns > USHRT_MAX)
		return error_set(err, ERR_INVALID, 0, "rows, columns: more than %d", USHRT_MAX);
	return 0;
}
