#include "auth/pss.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/pss_check.h"
#include "lib/cleanup.h"

/* One revision of a check: in force from 'since' until the next row of the same id. */
struct row {
	const char *id;
	enum pss_level level;
	unsigned since;
	pss_check *run;
	const char *overrides; /* the baseline check that this one makes superfluous */
};

/* The order is that of the messages: baseline by id, then restricted by id. */
static const struct row rows[] = {
	{ "appArmorProfile", PSS_BASELINE, 0, pss_app_armor, NULL },
	{ "capabilities_baseline", PSS_BASELINE, 0, pss_capabilities_baseline, NULL },
	{ "hostNamespaces", PSS_BASELINE, 0, pss_host_namespaces, NULL },
	{ "hostPathVolumes", PSS_BASELINE, 0, pss_host_path, NULL },
	{ "hostPorts", PSS_BASELINE, 0, pss_host_ports, NULL },
	{ "hostProbesAndHostLifecycle", PSS_BASELINE, 34, pss_host_probes, NULL },
	{ "privileged", PSS_BASELINE, 0, pss_privileged, NULL },
	{ "procMount", PSS_BASELINE, 0, pss_proc_mount, NULL },
	{ "procMount", PSS_BASELINE, 35, pss_proc_mount_35, NULL },
	{ "seLinuxOptions", PSS_BASELINE, 0, pss_selinux, NULL },
	{ "seLinuxOptions", PSS_BASELINE, 31, pss_selinux_31, NULL },
	{ "seccompProfile_baseline", PSS_BASELINE, 0, pss_seccomp_baseline, NULL },
	{ "seccompProfile_baseline", PSS_BASELINE, 19, pss_seccomp_baseline_19, NULL },
	{ "sysctls", PSS_BASELINE, 0, pss_sysctls, NULL }, /* safe_sysctl.c knows since when */
	{ "windowsHostProcess", PSS_BASELINE, 0, pss_windows_host_process, NULL },

	{ "allowPrivilegeEscalation", PSS_RESTRICTED, 8, pss_escalation, NULL },
	{ "allowPrivilegeEscalation", PSS_RESTRICTED, 25, pss_escalation_25, NULL },
	{ "capabilities_restricted", PSS_RESTRICTED, 22, pss_capabilities_restricted,
		"capabilities_baseline" },
	{ "capabilities_restricted", PSS_RESTRICTED, 25, pss_capabilities_restricted_25,
		"capabilities_baseline" },
	{ "procMount_restricted", PSS_RESTRICTED, 35, pss_proc_mount, "procMount" },
	{ "restrictedVolumes", PSS_RESTRICTED, 0, pss_volumes, "hostPathVolumes" },
	{ "runAsNonRoot", PSS_RESTRICTED, 0, pss_non_root, NULL },
	{ "runAsNonRoot", PSS_RESTRICTED, 35, pss_non_root_35, NULL },
	{ "runAsUser", PSS_RESTRICTED, 23, pss_user, NULL },
	{ "runAsUser", PSS_RESTRICTED, 35, pss_user_35, NULL },
	{ "seccompProfile_restricted", PSS_RESTRICTED, 19, pss_seccomp_restricted,
		"seccompProfile_baseline" },
	{ "seccompProfile_restricted", PSS_RESTRICTED, 25, pss_seccomp_restricted_25,
		"seccompProfile_baseline" },
};

/* ---- policies by name ----------------------------------------------------------------------- */

static const char *const level_names[] = {
	[PSS_PRIVILEGED] = "privileged",
	[PSS_BASELINE] = "baseline",
	[PSS_RESTRICTED] = "restricted",
};

static int bad_policy(const char *text, struct error *err)
{
	return error_set(err, ERR_INVALID, 0,
		"'%.64s' is no policy: write LEVEL or LEVEL:VERSION with LEVEL privileged, "
		"baseline or restricted, and VERSION latest or v1.0 to v1.%u",
		text, PSS_MINOR_MAX);
}

/* "v1.37", without leading zeros. */
static bool parse_version(const char *text, unsigned *ret)
{
	unsigned long value;
	char *end;

	if (strncmp(text, "v1.", 3) != 0)
		return false;
	text += 3;
	if (*text < '0' || *text > '9' || (*text == '0' && text[1]))
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (*end || errno || value > INT_MAX)
		return false;
	*ret = (unsigned)value;
	return true;
}

int pss_policy_parse(const char *text, struct pss_policy *ret, struct error *err)
{
	struct pss_policy policy = { .latest = true, .minor = PSS_MINOR_MAX };
	size_t len = strcspn(text, ":");
	size_t level = 0;

	while (level < ARRAY_LEN(level_names) &&
		(strlen(level_names[level]) != len || strncmp(level_names[level], text, len) != 0))
		level++;
	if (level == ARRAY_LEN(level_names))
		return bad_policy(text, err);
	policy.level = (enum pss_level)level;
	if (text[len] && strcmp(text + len, ":latest") != 0) {
		policy.latest = false;
		if (!parse_version(text + len + 1, &policy.minor))
			return bad_policy(text, err);
	}
	*ret = policy;
	return 0;
}

const char *pss_policy_text(const struct pss_policy *policy, char buf[PSS_POLICY_SIZE])
{
	if (policy->latest)
		snprintf(buf, PSS_POLICY_SIZE, "%s:latest", level_names[policy->level]);
	else
		snprintf(buf, PSS_POLICY_SIZE, "%s:v1.%u", level_names[policy->level],
			policy->minor);
	return buf;
}

/* ---- judging -------------------------------------------------------------------------------- */

/* Whether this row is the revision of its check that the version has. */
static bool in_force(const struct row *row, unsigned minor)
{
	const struct row *next = row + 1;

	if (row->since > minor)
		return false;
	return next == rows + ARRAY_LEN(rows) || strcmp(next->id, row->id) != 0 ||
	       next->since > minor;
}

static bool overridden(const char *id, unsigned minor)
{
	for (const struct row *row = rows; row < rows + ARRAY_LEN(rows); row++) {
		if (row->overrides && strcmp(row->overrides, id) == 0 && in_force(row, minor))
			return true;
	}
	return false;
}

static bool applies(const struct row *row, const struct pss_policy *policy, unsigned minor)
{
	if (row->level > policy->level || !in_force(row, minor))
		return false;
	return policy->level != PSS_RESTRICTED || !overridden(row->id, minor);
}

/* Sees also ephemeral containers that pod_view passes over. */
static int see(const K8sPod *pod, unsigned minor, struct pss_pod *ret, struct error *err)
{
	static const K8sPodSecurityContext no_pod_context = K8S_POD_SECURITY_CONTEXT_INIT;
	static const K8sSecurityContext no_context = K8S_SECURITY_CONTEXT_INIT;
	const K8sPodSpec *spec = view_spec(pod);
	struct view_walk walk = { .pod = pod };
	struct pss_pod p = {
		.pod = pod,
		.spec = spec,
		.security = spec->securitycontext ? spec->securitycontext : &no_pod_context,
		.minor = minor,
	};

	p.containers = calloc(
		spec->n_initcontainers + spec->n_containers + spec->n_ephemeralcontainers + 1,
		sizeof(*p.containers));
	if (!p.containers)
		return error_set(err, ERR_EXHAUSTED, 0, "no memory to judge the pod");
	while (view_next(&walk, &p.containers[p.n].view)) {
		struct pss_container *c = &p.containers[p.n++];

		c->security = *c->view.security ? *c->view.security : &no_context;
	}
	for (size_t i = 0; i < spec->n_ephemeralcontainers; i++) {
		struct pss_container *c = &p.containers[p.n];

		if (spec->ephemeralcontainers[i]->ephemeralcontainercommon)
			continue;
		snprintf(c->view.path, sizeof(c->view.path), "spec.ephemeralContainers[%zu]", i);
		c->view.name = "";
		c->security = &no_context;
		p.n++;
	}
	*ret = p;
	return 0;
}

/* What the checks found, in the order of the table. */
struct outcome {
	struct pss_finding findings[ARRAY_LEN(rows)];
	size_t offended; /* how many checks */
	size_t fields;
	bool no_memory;
};

static void outcome_done(struct outcome *o)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		pss_finding_done(&o->findings[i]);
	free(o);
}

static void run_checks(
	const struct pss_policy *policy, const struct pss_pod *pod, struct outcome *o)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (!applies(&rows[i], policy, pod->minor))
			continue;
		rows[i].run(pod, &o->findings[i]);
		o->offended += o->findings[i].fields.n > 0;
		o->fields += o->findings[i].fields.n;
		o->no_memory |= pss_finding_no_memory(&o->findings[i]);
	}
}

/*
 * Where not all fields fit, every check still gets its share of them, so that none is left out of
 * the message.
 */
static void report(struct outcome *o, struct violations *ret)
{
	size_t room = VIOLATIONS_MAX - ret->n;
	size_t share = o->fields <= room ? SIZE_MAX : room / o->offended;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pss_finding *f = &o->findings[i];
		const char *reason = pss_finding_text(f);

		for (size_t k = 0; k < f->fields.n; k++) {
			if (k < share && reason)
				violation_add(ret, ERR_DENIED, rows[i].id, f->fields.items[k], "%s",
					reason);
			else
				ret->more++;
		}
		o->no_memory |= pss_finding_no_memory(f);
	}
}

int pss_judge(const struct pss_policy *policy, const K8sPod *pod, struct violations *ret,
	struct error *err)
{
	unsigned minor = policy->minor < PSS_MINOR_MAX ? policy->minor : PSS_MINOR_MAX;
	struct outcome *o = calloc(1, sizeof(*o));
	struct pss_pod seen = { 0 };

	if (!o || see(pod, minor, &seen, err) < 0) {
		free(o);
		return error_set(err, ERR_EXHAUSTED, 0, "no memory to judge the pod");
	}
	run_checks(policy, &seen, o);
	report(o, ret);
	ret->no_memory |= o->no_memory;
	free(seen.containers);
	outcome_done(o);
	return violations_end(ret, err);
}

int pss_message(const struct pss_policy *policy, const struct violations *violations, char **ret,
	struct error *err)
{
	char name[PSS_POLICY_SIZE];
	const char *check = "";
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return error_set(err, ERR_EXHAUSTED, 0, "no memory for a message");
	fprintf(out, "violates PodSecurity \"%s\": ", pss_policy_text(policy, name));
	for (size_t i = 0; i < violations->n; i++) {
		const struct violation *item = &violations->items[i];

		if (strcmp(item->check, check) == 0)
			continue;
		fprintf(out, "%s%s", *check ? ", " : "", item->reason);
		check = item->check;
	}
	if (fclose(out) != 0) {
		free(text);
		return error_set(err, ERR_EXHAUSTED, 0, "no memory for a message");
	}
	*ret = text;
	return 0;
}
