#include "nodeagent/agent/plan_security.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "lib/cleanup.h"
#include "nodeagent/agent/plan_ids.h"
#include "nodeagent/agent/plan_text.h"

#define PROFILE_LEN_MAX    1024
#define SELINUX_CATEGORIES 1024
#define SELINUX_LEVEL_SIZE                                                                         \
	(PLAN_FIELD_SIZE + SELINUX_CATEGORIES * 6) /* every category by itself                     \
						    */

bool plan_run_as_user(
	const K8sPodSecurityContext *of_pod, const K8sSecurityContext *own, int64_t *ret)
{
	if (own && own->has_runasuser)
		*ret = own->runasuser;
	else if (of_pod && of_pod->has_runasuser)
		*ret = of_pod->runasuser;
	else
		return false;
	return true;
}

static bool run_as_group(const struct plan_security *s, int64_t *ret, bool *ret_own)
{
	*ret_own = s->own && s->own->has_runasgroup;
	if (*ret_own)
		*ret = s->own->runasgroup;
	else if (s->of_pod && s->of_pod->has_runasgroup)
		*ret = s->of_pod->runasgroup;
	else
		return false;
	return true;
}

static bool run_as_non_root(const struct plan_security *s)
{
	if (s->own && s->own->has_runasnonroot)
		return s->own->runasnonroot;
	return s->of_pod && s->of_pod->has_runasnonroot && s->of_pod->runasnonroot;
}

static const char *where(
	const struct plan_security *s, bool own, const char *name, char buf[PLAN_FIELD_SIZE])
{
	snprintf(buf, PLAN_FIELD_SIZE, "%s.securityContext.%s", own ? s->field : "spec", name);
	return buf;
}

static int set_user(
	const struct plan_security *s, Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	char field[PLAN_FIELD_SIZE];
	int64_t id;

	if (!plan_run_as_user(s->of_pod, s->own, &id))
		return 0;
	where(s, s->own && s->own->has_runasuser, "runAsUser", field);
	if (plan_id_check(s->pod, field, id, &plan->uid, err) < 0)
		return -1;
	plan->uid_set = 1;
	if (id == 0 && plan->must_be_non_root)
		return error_set(err, ERR_DENIED, 0,
			"%s: is 0 although runAsNonRoot is set; give another uid", field);
	return 0;
}

static int set_group(
	const struct plan_security *s, Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	char field[PLAN_FIELD_SIZE];
	bool own;
	int64_t id;

	if (!run_as_group(s, &id, &own))
		return 0;
	if (plan_id_check(s->pod, where(s, own, "runAsGroup", field), id, &plan->gid, err) < 0)
		return -1;
	plan->gid_set = 1;
	return 0;
}

/* A user that the image gives by number; names are looked up when the container starts. */
static int image_user(const struct plan_security *s, const struct image *image,
	Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	char field[PLAN_FIELD_SIZE + 64];
	size_t digits = strspn(image->user, "0123456789");
	uint32_t id;

	if (!plan->uid_set && digits > 0 && digits < 19 &&
		(image->user[digits] == '\0' || image->user[digits] == ':')) {
		snprintf(field, sizeof(field), "%s: the user of image '%.64s'", s->field,
			image->name);
		if (plan_id_check(s->pod, field, strtoll(image->user, NULL, 10), &id, err) < 0)
			return -1;
	}
	return edit_string(&plan->user, image->user, err);
}

static int group_add(const struct plan_security *s, const char *field, int64_t id,
	Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	uint32_t gid;

	if (plan_id_check(s->pod, field, id, &gid, err) < 0)
		return -1;
	for (size_t i = 0; i < plan->n_groups; i++) {
		if (plan->groups[i] == gid)
			return 0;
	}
	plan->groups[plan->n_groups++] = gid;
	return 0;
}

static int set_groups(
	const struct plan_security *s, Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	const K8sPodSecurityContext *p = s->of_pod;
	char field[PLAN_FIELD_SIZE];

	if (!p)
		return 0;
	plan->groups = calloc(p->n_supplementalgroups + 1, sizeof(*plan->groups));
	if (!plan->groups)
		return plan_no_memory(err);
	for (size_t i = 0; i < p->n_supplementalgroups; i++) {
		snprintf(field, sizeof(field), "spec.securityContext.supplementalGroups[%zu]", i);
		if (group_add(s, field, p->supplementalgroups[i], plan, err) < 0)
			return -1;
	}
	plan->run_as_group_strict =
		strcmp(plan_or_empty(p->supplementalgroupspolicy), "Strict") == 0;
	if (!p->has_fsgroup)
		return 0;
	return group_add(s, "spec.securityContext.fsGroup", p->fsgroup, plan, err);
}

int plan_identity(const struct plan_security *s, const struct image *image,
	Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	plan->must_be_non_root = run_as_non_root(s);
	if (set_user(s, plan, err) < 0 || set_group(s, plan, err) < 0 ||
		image_user(s, image, plan, err) < 0)
		return -1;
	return set_groups(s, plan, err);
}

/* Relative, and no part of it "", "." or "..". */
static bool profile_ok(const char *profile)
{
	if (profile[0] == '\0' || strlen(profile) > PROFILE_LEN_MAX)
		return false;
	for (const char *p = profile;; p++) {
		size_t len = strcspn(p, "/");

		if (len == 0 || len > 255 || (len == 1 && p[0] == '.') ||
			(len == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += len;
		if (*p == '\0')
			return true;
	}
}

static int set_localhost(const struct plan_security *s, const char *field, const char *profile,
	Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	const char *dir = s->node->config->seccomp_dir;

	if (!profile_ok(profile))
		return error_set(err, ERR_INVALID, 0,
			"%s.localhostProfile: '%.128s' is not a relative path without '.', '..' or "
			"empty parts",
			field, profile);
	if (dir[0] != '/')
		return error_set(err, ERR_PRECONDITION, 0,
			"%s: this node has no seccomp profiles; set seccompDir in its node.yaml",
			field);
	plan->seccomp = BULKHEAD__V1__SECCOMP_KIND__SECCOMP_LOCALHOST;
	return plan_print(&plan->seccomp_profile, err, "%s/%s", dir, profile);
}

static int set_seccomp(
	const struct plan_security *s, Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	bool own = s->own && s->own->seccompprofile;
	const K8sSeccompProfile *profile = own         ? s->own->seccompprofile
					   : s->of_pod ? s->of_pod->seccompprofile
						       : NULL;
	const char *type = profile            ? plan_or_empty(profile->type)
			   : plan->privileged ? "Unconfined"
					      : "RuntimeDefault";
	char field[PLAN_FIELD_SIZE];

	where(s, own, "seccompProfile", field);
	if (strcmp(type, "Localhost") == 0)
		return set_localhost(s, field, plan_or_empty(profile->localhostprofile), plan, err);
	if (strcmp(type, "Unconfined") == 0) {
		plan->seccomp = BULKHEAD__V1__SECCOMP_KIND__SECCOMP_UNCONFINED;
		return 0;
	}
	if (strcmp(type, "RuntimeDefault") == 0) {
		plan->seccomp = BULKHEAD__V1__SECCOMP_KIND__SECCOMP_RUNTIME_DEFAULT;
		return 0;
	}
	return error_set(err, ERR_INVALID, 0,
		"%s.type: '%.64s' is not RuntimeDefault, Localhost or Unconfined", field, type);
}

int plan_confinement(
	const struct plan_security *s, Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	const K8sSecurityContext *own = s->own;

	plan->privileged = own && own->privileged;
	plan->record = view_records_profile(s->pod->pod);
	plan->read_only_root = own && own->readonlyrootfilesystem;
	/* Unset means allowed, as upstream; what admits a pod may have set it. */
	plan->no_new_privs =
		own && own->has_allowprivilegeescalation && !own->allowprivilegeescalation;
	return set_seccomp(s, plan, err);
}

static const char *const masked[] = {
	"/proc/acpi",
	"/proc/asound",
	"/proc/interrupts",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/sched_debug",
	"/proc/scsi",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/sys/devices/virtual/powercap",
	"/sys/firmware",
};

static const char *const read_only[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
	"/proc/sysrq-trigger" };

static int covers_add(size_t cpus, Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(masked); i++) {
		if (edit_append_string(&plan->masked_paths, &plan->n_masked_paths, masked[i], err) <
			0)
			return -1;
	}
	/* Each CPU's tells what the others on the machine do. */
	for (size_t i = 0; i < cpus; i++) {
		if (plan_append(&plan->masked_paths, &plan->n_masked_paths, err,
			    "/sys/devices/system/cpu/cpu%zu/thermal_throttle", i) < 0)
			return -1;
	}
	for (size_t i = 0; i < ARRAY_LEN(read_only); i++) {
		if (edit_append_string(&plan->read_only_paths, &plan->n_read_only_paths,
			    read_only[i], err) < 0)
			return -1;
	}
	return 0;
}

int plan_covers(const struct plan_security *s, Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	const char *proc = s->own ? plan_or_empty(s->own->procmount) : "";
	uint64_t cpus = s->node->cpu_millis / 1000;

	if (cpus > PLAN_CPUS_MAX)
		return error_set(
			err, ERR_UNSUPPORTED, 0, "the node has more than %d CPUs", PLAN_CPUS_MAX);
	if (proc[0] == '\0' || strcmp(proc, "Default") == 0)
		return plan->privileged ? 0 : covers_add(cpus, plan, err);
	if (strcmp(proc, "Unmasked") != 0)
		return error_set(err, ERR_INVALID, 0,
			"%s.securityContext.procMount: '%.64s' is not Default or Unmasked",
			s->field, proc);
	if (plan_host_users(s->pod->pod))
		return error_set(err, ERR_INVALID, 0,
			"%s.securityContext.procMount: Unmasked needs spec.hostUsers: false",
			s->field);
	return 0;
}

/* One part of a label: nothing that would begin another part, or another mount option. */
static int label_part_check(
	const char *field, const char *part, const char *extra, struct error *err)
{
	for (const char *p = part; *p; p++) {
		bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			      (*p >= '0' && *p <= '9') || *p == '_' || *p == '-' || *p == '.';

		if (!letter && !strchr(extra, *p))
			return error_set(err, ERR_INVALID, 0,
				"%s: '%.64s' is not part of an SELinux label", field, part);
	}
	return 0;
}

static const char *part_or(const char *part, const char *otherwise)
{
	return part && part[0] ? part : otherwise;
}

static int options_check(const char *field, const K8sSELinuxOptions *o, struct error *err)
{
	char name[PLAN_FIELD_SIZE + 16];
	const char *parts[][3] = {
		{ "user", plan_or_empty(o->user), "" },
		{ "role", plan_or_empty(o->role), "" },
		{ "type", plan_or_empty(o->type), "" },
		{ "level", plan_or_empty(o->level), ":," },
	};

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		snprintf(name, sizeof(name), "%s.%s", field, parts[i][0]);
		if (label_part_check(name, parts[i][1], parts[i][2], err) < 0)
			return -1;
	}
	return 0;
}

/* Reads "c3,c1.c2" into a bit a category; false when it is something else. */
static bool categories_parse(const char *text, bool set[SELINUX_CATEGORIES])
{
	do {
		unsigned first, last;
		int n = 0;

		if (sscanf(text, "c%4u%n", &first, &n) != 1)
			return false;
		text += n;
		last = first;
		if (sscanf(text, ".c%4u%n", &last, &n) == 1)
			text += n;
		if (first > last || last >= SELINUX_CATEGORIES)
			return false;
		for (unsigned i = first; i <= last; i++)
			set[i] = true;
	} while (*text == ',' && text++);
	return *text == '\0';
}

/*
 * As the kernel will write it ("s0:c2,c3" for "s0:c3,c2"), so that what it says can be compared.
 * Returns 'buf', or 'level' itself where that is no list of categories.
 */
static const char *level_canonical(const char *level, char buf[SELINUX_LEVEL_SIZE])
{
	bool set[SELINUX_CATEGORIES] = { false };
	const char *colon = strchr(level, ':');
	const char *comma = ":";
	int n;

	if (!colon || colon - level > PLAN_FIELD_SIZE || !categories_parse(colon + 1, set))
		return level;
	n = snprintf(buf, SELINUX_LEVEL_SIZE, "%.*s", (int)(colon - level), level);
	for (unsigned i = 0; i < SELINUX_CATEGORIES; i++) {
		unsigned last = i;

		if (!set[i])
			continue;
		while (last + 1 < SELINUX_CATEGORIES && set[last + 1])
			last++;
		n += snprintf(buf + n, SELINUX_LEVEL_SIZE - (size_t)n, "%sc%u", comma, i);
		if (last > i)
			n += snprintf(buf + n, SELINUX_LEVEL_SIZE - (size_t)n, "%sc%u",
				last > i + 1 ? "." : ",", last);
		comma = ",";
		i = last;
	}
	return buf;
}

int plan_selinux_process(
	const struct plan_security *s, Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	static const K8sSELinuxOptions none = K8S__IO__API__CORE__V1__SELINUX_OPTIONS__INIT;
	bool own = s->own && s->own->selinuxoptions;
	const K8sSELinuxOptions *o = own ? s->own->selinuxoptions
				     : s->of_pod && s->of_pod->selinuxoptions
					     ? s->of_pod->selinuxoptions
					     : &none;
	char field[PLAN_FIELD_SIZE];
	char level[SELINUX_LEVEL_SIZE];

	if (options_check(where(s, own, "seLinuxOptions", field), o, err) < 0)
		return -1;
	if (!s->node->selinux)
		return 0;
	return plan_print(&plan->selinux_label, err, "%s:%s:%s:%s", part_or(o->user, "system_u"),
		part_or(o->role, "system_r"),
		part_or(o->type, plan->privileged ? "spc_t" : "container_t"),
		level_canonical(part_or(o->level, s->pod->project.mcs), level));
}

int plan_selinux_mount(const struct plan_node *node, const struct plan_pod *pod,
	Bulkhead__V1__SandboxPlan *plan, struct error *err)
{
	const K8sPodSecurityContext *p = view_spec(pod->pod)->securitycontext;
	const K8sSELinuxOptions *o = p ? p->selinuxoptions : NULL;
	char level[SELINUX_LEVEL_SIZE];

	if (o && options_check("spec.securityContext.seLinuxOptions", o, err) < 0)
		return -1;
	if (!node->selinux)
		return 0;
	return plan_print(&plan->selinux_mount_label, err, PLAN_SELINUX_FILE ":%s",
		level_canonical(part_or(o ? o->level : NULL, pod->project.mcs), level));
}
