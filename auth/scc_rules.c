#include "auth/scc_rules.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/pod_view.h"
#include "auth/safe_sysctl.h"
#include "lib/cleanup.h"

/* What every rule sees. */
struct judge {
	const struct scc *scc;
	const struct project_facts *project;
	const K8sPod *pod;
	const K8sPodSpec *spec;
	const K8sPodSecurityContext *p; /* never NULL */
	struct violations *out;
};

static const K8sPodSecurityContext empty_pod_context = K8S_POD_SECURITY_CONTEXT_INIT;
static const K8sSecurityContext empty_context = K8S_SECURITY_CONTEXT_INIT;

#define deny(j, field, ...) violation_add((j)->out, ERR_DENIED, (j)->scc->name, field, __VA_ARGS__)

/* "<container path>.securityContext.<name>" in a buffer of the caller's frame. */
struct path {
	char text[VIEW_PATH_SIZE];
};

static const char *at(struct path *path, const struct view_container *c, const char *name)
{
	snprintf(path->text, sizeof(path->text), "%s.%s", c->path, name);
	return path->text;
}

bool scc_list_has(const char *const *list, const char *text)
{
	for (size_t i = 0; i < SCC_LIST_MAX && list[i]; i++) {
		if (strcmp(list[i], "*") == 0 || strcmp(list[i], text) == 0)
			return true;
	}
	return false;
}

static struct scc_ids block_or(struct scc_ids own, const struct project_facts *project)
{
	if (own.max != 0)
		return own;
	return (struct scc_ids){ project->uids.start,
		(int64_t)project->uids.start + project->uids.size - 1 };
}

struct scc_ids scc_user_ids(const struct scc *scc, const struct project_facts *project)
{
	return block_or(scc->user_range, project);
}

/* Upstream: without ranges, fsGroup is the first id of the block alone. */
struct scc_ids scc_fs_group_ids(const struct scc *scc, const struct project_facts *project)
{
	if (scc->fs_group_range.max != 0)
		return scc->fs_group_range;
	return (struct scc_ids){ project->uids.start, project->uids.start };
}

struct scc_ids scc_group_ids(const struct scc *scc, const struct project_facts *project)
{
	return block_or(scc->groups_range, project);
}

static bool inside(struct scc_ids ids, int64_t id)
{
	return id >= ids.min && id <= ids.max;
}

/* ---- the pod as a whole -------------------------------------------------------------------- */

static void judge_groups(const struct judge *j)
{
	struct scc_ids fs = scc_fs_group_ids(j->scc, j->project);
	struct scc_ids ids = scc_group_ids(j->scc, j->project);

	if (j->scc->fs_group == SCC_GROUP_MUST && !j->p->has_fsgroup)
		deny(j, "spec.securityContext.fsGroup", "must be set");
	else if (j->scc->fs_group == SCC_GROUP_MUST && !inside(fs, j->p->fsgroup))
		deny(j, "spec.securityContext.fsGroup",
			"%" PRId64 " is not in the range %" PRId64 " to %" PRId64, j->p->fsgroup,
			fs.min, fs.max);
	if (j->scc->groups != SCC_GROUP_MUST)
		return;
	if (j->p->n_supplementalgroups == 0)
		deny(j, "spec.securityContext.supplementalGroups", "must not be empty");
	for (size_t i = 0; i < j->p->n_supplementalgroups; i++) {
		int64_t id = j->p->supplementalgroups[i];
		char field[VIEW_PATH_SIZE];

		if (inside(ids, id))
			continue;
		snprintf(field, sizeof(field), "spec.securityContext.supplementalGroups[%zu]", i);
		deny(j, field, "%" PRId64 " is not in the range %" PRId64 " to %" PRId64, id,
			ids.min, ids.max);
	}
}

static void judge_host(const struct judge *j)
{
	if (j->spec->hostnetwork && !j->scc->host_network)
		deny(j, "spec.hostNetwork", "the host's network is not allowed to be used");
	if (j->spec->hostpid && !j->scc->host_pid)
		deny(j, "spec.hostPID", "the host's process ids are not allowed to be used");
	if (j->spec->hostipc && !j->scc->host_ipc)
		deny(j, "spec.hostIPC", "the host's IPC is not allowed to be used");
	if (j->scc->require_userns && !(j->spec->has_hostusers && !j->spec->hostusers))
		deny(j, "spec.hostUsers", "must be false: a user namespace is required");
}

static void judge_volumes(const struct judge *j)
{
	for (size_t i = 0; i < j->spec->n_volumes; i++) {
		const char *source;
		char field[VIEW_PATH_SIZE];

		for (size_t k = 0; (source = view_volume_source(j->spec->volumes[i], k)); k++) {
			if (scc_list_has(j->scc->volumes, source))
				continue;
			snprintf(field, sizeof(field), "spec.volumes[%zu].%s", i, source);
			deny(j, field, "%s volumes are not allowed to be used", source);
		}
	}
}

static bool unsafe_allowed(const struct scc *scc, const char *name)
{
	for (size_t i = 0; i < SCC_LIST_MAX && scc->unsafe_sysctls[i]; i++) {
		const char *pattern = scc->unsafe_sysctls[i];
		size_t len = strlen(pattern);

		if (pattern[len - 1] == '*' ? strncmp(pattern, name, len - 1) == 0
					    : strcmp(pattern, name) == 0)
			return true;
	}
	return false;
}

static void judge_sysctls(const struct judge *j)
{
	for (size_t i = 0; i < j->p->n_sysctls; i++) {
		const char *name = j->p->sysctls[i]->name ? j->p->sysctls[i]->name : "";
		char field[VIEW_PATH_SIZE];

		if (safe_sysctl_honoured(name) || unsafe_allowed(j->scc, name))
			continue;
		snprintf(field, sizeof(field), "spec.securityContext.sysctls[%zu].name", i);
		deny(j, field, "unsafe sysctl \"%s\" is not allowed", name);
	}
}

/* ---- SELinux ------------------------------------------------------------------------------- */

static const char *text_of(const char *text)
{
	return text ? text : "";
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Splits "s0:c1,c0" in place; returns the number of parts, sorted behind the first. */
static size_t split_level(char *level, char **parts, size_t max)
{
	char *save = NULL;
	size_t n = 0;

	for (char *p = strtok_r(level, ":,", &save); p && n < max; p = strtok_r(NULL, ":,", &save))
		parts[n++] = p;
	if (n > 1)
		qsort(parts + 1, n - 1, sizeof(*parts), by_text);
	return n;
}

/* Categories are a set: their order does not count. */
static bool level_equal(const char *a, const char *b)
{
	char left[PROJECT_MCS_SIZE], right[PROJECT_MCS_SIZE];
	char *l[PROJECT_MCS_SIZE], *r[PROJECT_MCS_SIZE];
	size_t n;

	if (strlen(a) >= sizeof(left) || strlen(b) >= sizeof(right))
		return strcmp(a, b) == 0;
	memcpy(left, a, strlen(a) + 1);
	memcpy(right, b, strlen(b) + 1);
	n = split_level(left, l, PROJECT_MCS_SIZE);
	if (n != split_level(right, r, PROJECT_MCS_SIZE))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(l[i], r[i]) != 0)
			return false;
	}
	return true;
}

static void judge_selinux_options(
	const struct judge *j, const K8sSELinuxOptions *options, const char *base)
{
	const struct {
		const char *name, *value, *want;
	} rows[] = {
		{ "user", text_of(options->user), "" },
		{ "role", text_of(options->role), "" },
		{ "type", text_of(options->type), text_of(j->scc->selinux_type) },
	};
	char field[VIEW_PATH_SIZE];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].value, rows[i].want) == 0)
			continue;
		snprintf(field, sizeof(field), "%s.%s", base, rows[i].name);
		deny(j, field, "must be \"%s\", not \"%s\"", rows[i].want, rows[i].value);
	}
	if (level_equal(text_of(options->level), j->project->mcs))
		return;
	snprintf(field, sizeof(field), "%s.level", base);
	deny(j, field, "must be \"%s\", the project's, not \"%s\"", j->project->mcs,
		text_of(options->level));
}

static void judge_pod_selinux(const struct judge *j)
{
	if (!j->scc->selinux_must)
		return;
	if (j->p->selinuxoptions)
		judge_selinux_options(
			j, j->p->selinuxoptions, "spec.securityContext.seLinuxOptions");
	else
		deny(j, "spec.securityContext.seLinuxOptions", "must be set");
}

/* ---- each container ------------------------------------------------------------------------ */

static void judge_user(
	const struct judge *j, const struct view_container *c, const K8sSecurityContext *s)
{
	struct scc_ids ids = scc_user_ids(j->scc, j->project);
	bool known = s->has_runasuser || j->p->has_runasuser;
	int64_t uid = s->has_runasuser ? s->runasuser : j->p->runasuser;
	bool said = s->has_runasnonroot || j->p->has_runasnonroot;
	bool non_root = s->has_runasnonroot ? s->runasnonroot : j->p->runasnonroot;
	struct path path;

	if (j->scc->user == SCC_USER_RANGE && !known)
		deny(j, at(&path, c, "securityContext.runAsUser"), "must be set");
	else if (j->scc->user == SCC_USER_RANGE && !inside(ids, uid))
		deny(j, at(&path, c, "securityContext.runAsUser"),
			"%" PRId64 " is not in the range %" PRId64 " to %" PRId64, uid, ids.min,
			ids.max);
	if (j->scc->user != SCC_USER_NON_ROOT)
		return;
	if (known && uid == 0)
		deny(j, at(&path, c, "securityContext.runAsUser"),
			"running as root is not allowed");
	if (said && !non_root)
		deny(j, at(&path, c, "securityContext.runAsNonRoot"), "must be true");
	if (!said && !known)
		deny(j, at(&path, c, "securityContext.runAsNonRoot"),
			"this or runAsUser must be set");
}

static void judge_container_selinux(
	const struct judge *j, const struct view_container *c, const K8sSecurityContext *s)
{
	struct path path;

	if (j->scc->selinux_must && s->selinuxoptions)
		judge_selinux_options(
			j, s->selinuxoptions, at(&path, c, "securityContext.seLinuxOptions"));
}

static bool drops(const K8sCapabilities *caps, const char *name)
{
	for (size_t i = 0; caps && i < caps->n_drop; i++) {
		if (strcmp(caps->drop[i], name) == 0)
			return true;
	}
	return false;
}

static void judge_capabilities(
	const struct judge *j, const struct view_container *c, const K8sSecurityContext *s)
{
	const K8sCapabilities *caps = s->capabilities;
	struct path path;
	char name[64];

	for (size_t i = 0; caps && i < caps->n_add; i++) {
		if (scc_list_has(j->scc->allow, caps->add[i]))
			continue;
		snprintf(name, sizeof(name), "securityContext.capabilities.add[%zu]", i);
		deny(j, at(&path, c, name), "capability \"%s\" may not be added", caps->add[i]);
	}
	if (scc_list_has(j->scc->allow, "*"))
		return;
	for (size_t i = 0; i < SCC_LIST_MAX && j->scc->drop[i]; i++) {
		if (!drops(caps, j->scc->drop[i]))
			deny(j, at(&path, c, "securityContext.capabilities.drop"),
				"must have \"%s\"", j->scc->drop[i]);
	}
}

static void judge_privilege(
	const struct judge *j, const struct view_container *c, const K8sSecurityContext *s)
{
	struct path path;
	bool any_profile = scc_list_has(j->scc->seccomp, "*");

	if (s->privileged && !j->scc->privileged)
		deny(j, at(&path, c, "securityContext.privileged"),
			"privileged containers are not allowed");
	if (j->scc->no_escalation &&
		(!s->has_allowprivilegeescalation || s->allowprivilegeescalation))
		deny(j, at(&path, c, "securityContext.allowPrivilegeEscalation"), "must be false");
	if (j->scc->read_only_root && !s->readonlyrootfilesystem)
		deny(j, at(&path, c, "securityContext.readOnlyRootFilesystem"), "must be true");
	if (s->procmount && strcmp(s->procmount, "Unmasked") == 0 && !any_profile)
		deny(j, at(&path, c, "securityContext.procMount"), "must be Default");
	if (s->apparmorprofile && !any_profile &&
		strcmp(text_of(s->apparmorprofile->type), "Unconfined") == 0)
		deny(j, at(&path, c, "securityContext.appArmorProfile.type"),
			"must not be Unconfined");
}

static bool handler_has_host(const K8sHTTPGetAction *http, const K8sTCPSocketAction *tcp)
{
	return (http && http->host && *http->host) || (tcp && tcp->host && *tcp->host);
}

static void judge_host_access(
	const struct judge *j, const struct view_container *c, const K8sSecurityContext *s)
{
	static const char *const probe_names[] = { "livenessProbe", "readinessProbe",
		"startupProbe" };
	struct path path;
	char name[64];

	(void)s;
	for (size_t i = 0; i < c->ports_len && !j->scc->host_ports; i++) {
		if (c->ports[i]->hostport == 0)
			continue;
		snprintf(name, sizeof(name), "ports[%zu].hostPort", i);
		deny(j, at(&path, c, name), "host ports are not allowed to be used");
	}
	if (j->scc->host_network)
		return;
	for (size_t i = 0; i < ARRAY_LEN(probe_names); i++) {
		const K8sProbeHandler *h = c->probes[i] ? c->probes[i]->handler : NULL;

		if (h && handler_has_host(h->httpget, h->tcpsocket))
			deny(j, at(&path, c, probe_names[i]),
				"a host other than the pod is not allowed");
	}
	if (c->lifecycle &&
		((c->lifecycle->poststart && handler_has_host(c->lifecycle->poststart->httpget,
						     c->lifecycle->poststart->tcpsocket)) ||
			(c->lifecycle->prestop && handler_has_host(c->lifecycle->prestop->httpget,
							  c->lifecycle->prestop->tcpsocket))))
		deny(j, at(&path, c, "lifecycle"), "a host other than the pod is not allowed");
}

/* ---- seccomp and AppArmor ------------------------------------------------------------------ */

static void judge_profile(const struct judge *j, const char *profile, const char *field)
{
	if (strcmp(profile, "docker/default") == 0)
		profile = "runtime/default";
	if (scc_list_has(j->scc->seccomp, profile))
		return;
	if (!j->scc->seccomp[0])
		deny(j, field, "seccomp profile \"%s\": none may be set", profile);
	else
		deny(j, field, "seccomp profile \"%s\" is not allowed; use RuntimeDefault",
			profile);
}

static void judge_pod_profiles(const struct judge *j)
{
	const char *note = view_annotation(j->pod, VIEW_SECCOMP_ANNOTATION);
	char buf[VIEW_SECCOMP_SIZE];

	if (j->p->seccompprofile)
		judge_profile(j, view_seccomp(j->p->seccompprofile, buf),
			"spec.securityContext.seccompProfile");
	else if (!note && j->scc->seccomp[0] && !scc_list_has(j->scc->seccomp, "*"))
		deny(j, "spec.securityContext.seccompProfile", "must be set");
	if (note)
		judge_profile(j, note, "metadata.annotations[" VIEW_SECCOMP_ANNOTATION "]");
	if (j->p->apparmorprofile && !scc_list_has(j->scc->seccomp, "*") &&
		strcmp(text_of(j->p->apparmorprofile->type), "Unconfined") == 0)
		deny(j, "spec.securityContext.appArmorProfile.type", "must not be Unconfined");
}

static void judge_container_seccomp(
	const struct judge *j, const struct view_container *c, const K8sSecurityContext *s)
{
	char key[VIEW_SECCOMP_SIZE];
	char buf[VIEW_SECCOMP_SIZE];
	const char *note;
	struct path path;

	if (s->seccompprofile)
		judge_profile(j, view_seccomp(s->seccompprofile, buf),
			at(&path, c, "securityContext.seccompProfile"));
	snprintf(key, sizeof(key), "%s%s", VIEW_SECCOMP_ANNOTATION_PREFIX, c->name);
	note = view_annotation(j->pod, key);
	if (note) {
		snprintf(buf, sizeof(buf), "metadata.annotations[%.300s]", key);
		judge_profile(j, note, buf);
	}
}

/* ---- all rules ----------------------------------------------------------------------------- */

static void (*const pod_rules[])(const struct judge *) = {
	judge_groups,
	judge_pod_selinux,
	judge_pod_profiles,
	judge_host,
	judge_sysctls,
	judge_volumes,
};

static void (*const container_rules[])(
	const struct judge *, const struct view_container *, const K8sSecurityContext *) = {
	judge_user,
	judge_container_selinux,
	judge_privilege,
	judge_capabilities,
	judge_host_access,
	judge_container_seccomp,
};

void scc_rules_judge(const struct scc *scc, const struct project_facts *project, const K8sPod *pod,
	struct violations *ret)
{
	const K8sPodSpec *spec = view_spec(pod);
	struct judge j = {
		.scc = scc,
		.project = project,
		.pod = pod,
		.spec = spec,
		.p = spec->securitycontext ? spec->securitycontext : &empty_pod_context,
		.out = ret,
	};
	struct view_walk walk = { .pod = pod };
	struct view_container c;

	for (size_t i = 0; i < ARRAY_LEN(pod_rules); i++)
		pod_rules[i](&j);
	while (view_next(&walk, &c)) {
		const K8sSecurityContext *s = *c.security ? *c.security : &empty_context;

		for (size_t i = 0; i < ARRAY_LEN(container_rules); i++)
			container_rules[i](&j, &c, s);
	}
}
