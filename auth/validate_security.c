#include <string.h>

#include "auth/pod_view.h"
#include "auth/validate.h"
#include "auth/validate_parts.h"
#include "proto/text.h"

#define SYSCTL_VALUE_MAX 1024

static const K8sSecurityContext no_security = K8S_SECURITY_CONTEXT_INIT;

static const char *const fs_policies[] = { "Always", "OnRootMismatch", NULL };
static const char *const group_policies[] = { "Merge", "Strict", NULL };
static const char *const selinux_policies[] = { "Recursive", "MountOption", NULL };
static const char *const proc_mounts[] = { "Default", "Unmasked", NULL };
static const char *const profile_types[] = { "RuntimeDefault", "Localhost", "Unconfined", NULL };

/* Both kinds of profile have the same two members. */
static void check_profile(
	const struct validation *v, const char *type, const char *path, const struct place *at)
{
	if (!is_set(type))
		invalid(v, AT(at, "type"), "must be given");
	want_one_of(v, AT(at, "type"), type, profile_types);
	if (text_is(type, "Localhost"))
		want_text(v, AT(at, "localhostProfile"), path, rule_local_profile);
	else if (path)
		invalid(v, AT(at, "localhostProfile"),
			"must not be set unless type is Localhost; remove it");
}

static void check_profiles(const struct validation *v, const K8sSeccompProfile *seccomp,
	const K8sAppArmorProfile *apparmor, const struct place *at)
{
	if (seccomp)
		check_profile(
			v, seccomp->type, seccomp->localhostprofile, AT(at, "seccompProfile"));
	if (apparmor)
		check_profile(
			v, apparmor->type, apparmor->localhostprofile, AT(at, "appArmorProfile"));
}

/* One part of a label user:role:type:level, which ends up in a label as it is. */
static const char *rule_selinux_part(const char *text)
{
	for (const char *p = text; *p; p++) {
		if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') &&
			!(*p >= '0' && *p <= '9') && *p != '_' && *p != '.')
			return "must be of A-Z, a-z, 0-9, '_' and '.'";
	}
	return NULL;
}

/* A letter and digits. Moves *p behind them. */
static bool skip_part(const char **p, char letter)
{
	size_t digits = **p == letter ? strspn(*p + 1, "0123456789") : 0;

	*p += digits ? digits + 1 : 0;
	return digits > 0;
}

/* s0, s0:c1,c0 or s0:c0.c3; two of them joined by '-' are a range. */
static bool skip_level(const char **p)
{
	if (!skip_part(p, 's'))
		return false;
	if (**p != ':')
		return true;
	do {
		(*p)++;
		if (!skip_part(p, 'c'))
			return false;
		if (**p == '.' && (++*p, !skip_part(p, 'c')))
			return false;
	} while (**p == ',');
	return true;
}

static const char *rule_selinux_level(const char *text)
{
	const char *p = text;
	bool level = skip_level(&p);

	if (level && *p == '-') {
		p++;
		level = skip_level(&p);
	}
	return level && !*p ? NULL : "must be a level such as s0 or s0:c1,c0";
}

static void check_selinux(
	const struct validation *v, const K8sSELinuxOptions *o, const struct place *at)
{
	if (!o)
		return;
	want_text_if(v, AT(at, "user"), o->user, rule_selinux_part);
	want_text_if(v, AT(at, "role"), o->role, rule_selinux_part);
	want_text_if(v, AT(at, "type"), o->type, rule_selinux_part);
	want_text_if(v, AT(at, "level"), o->level, rule_selinux_level);
}

/* ---- sysctls ------------------------------------------------------------------------------- */

/*
 * '+' and '=' are how one value once became two settings (CVE-2022-0811); no setting of a
 * namespace has a use for them.
 */
static const char *rule_sysctl_value(const char *text)
{
	for (const char *p = text; *p; p++) {
		if (*p < ' ' || *p > '~' || *p == '+' || *p == '=')
			return "must be printable ASCII without '+' and '='";
	}
	return strlen(text) > SYSCTL_VALUE_MAX ? "must be at most 1024 bytes" : NULL;
}

/* Parts may be joined by '/' as well; then the first such separator says which one is meant. */
static bool same_sysctl(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		bool both = (*a == '/' || *a == '.') && (*b == '/' || *b == '.');

		if (*a != *b && !both)
			return false;
	}
	return *a == *b;
}

static void check_sysctl(const struct validation *v, size_t i, const struct place *at)
{
	const K8sSysctl *const *list = (const K8sSysctl *const *)v->security->sysctls;
	const char *name = list[i]->name;

	want_text(v, AT(at, "name"), name, rule_sysctl_name);
	want_text(v, AT(at, "value"), list[i]->value, rule_sysctl_value);
	if (!is_set(name))
		return;
	for (size_t k = 0; k < i; k++) {
		if (is_set(list[k]->name) && same_sysctl(list[k]->name, name)) {
			invalid(v, AT(at, "name"), "must not be that of sysctls[%zu]", k);
			break;
		}
	}
	if (v->spec->hostnetwork && strncmp(name, "net", 3) == 0 && strchr("./", name[3]))
		invalid(v, AT(at, "name"), "must not be of net when hostNetwork is true");
	if (v->spec->hostipc &&
		(strncmp(name, "kernel.shm", 10) == 0 || strncmp(name, "kernel.msg", 10) == 0 ||
			strcmp(name, "kernel.sem") == 0 || strncmp(name, "fs.mqueue.", 10) == 0))
		invalid(v, AT(at, "name"), "must not be of IPC when hostIPC is true");
}

/* ---- the pod ------------------------------------------------------------------------------- */

void validate_security(const struct validation *v)
{
	const struct place *at = AT(AT(NULL, "spec"), "securityContext");
	const struct place *groups = AT(at, "supplementalGroups"), *sysctls = AT(at, "sysctls");
	const K8sPodSecurityContext *p = v->security;

	want_id(v, AT(at, "runAsUser"), p->has_runasuser, p->runasuser);
	want_id(v, AT(at, "runAsGroup"), p->has_runasgroup, p->runasgroup);
	want_id(v, AT(at, "fsGroup"), p->has_fsgroup, p->fsgroup);
	want_one_of(v, AT(at, "fsGroupChangePolicy"), p->fsgroupchangepolicy, fs_policies);
	want_one_of(
		v, AT(at, "supplementalGroupsPolicy"), p->supplementalgroupspolicy, group_policies);
	want_one_of(v, AT(at, "seLinuxChangePolicy"), p->selinuxchangepolicy, selinux_policies);
	check_selinux(v, p->selinuxoptions, AT(at, "seLinuxOptions"));
	check_profiles(v, p->seccompprofile, p->apparmorprofile, at);
	if (want_count(v, groups, p->n_supplementalgroups, VALIDATE_GROUPS_MAX)) {
		for (size_t i = 0; i < p->n_supplementalgroups; i++)
			want_id(v, AT_ITEM(groups, i), true, p->supplementalgroups[i]);
	}
	if (!want_count(v, sysctls, p->n_sysctls, VALIDATE_SYSCTLS_MAX))
		return;
	for (size_t i = 0; i < p->n_sysctls; i++)
		check_sysctl(v, i, AT_ITEM(sysctls, i));
}

/* ---- each container ------------------------------------------------------------------------ */

static bool adds_sys_admin(const K8sCapabilities *caps)
{
	for (size_t i = 0; caps && i < caps->n_add; i++) {
		if (strcmp(caps->add[i], "SYS_ADMIN") == 0 ||
			strcmp(caps->add[i], "CAP_SYS_ADMIN") == 0)
			return true;
	}
	return false;
}

/* What says two things at once is refused: whichever was done, the other was meant. */
static void check_contradictions(
	const struct validation *v, const K8sSecurityContext *s, const struct place *at)
{
	bool said = s->has_runasnonroot || v->security->has_runasnonroot;
	bool non_root = s->has_runasnonroot ? s->runasnonroot : v->security->runasnonroot;
	bool known = s->has_runasuser || v->security->has_runasuser;
	int64_t uid = s->has_runasuser ? s->runasuser : v->security->runasuser;

	if (said && non_root && known && uid == 0)
		invalid(v, AT(at, "runAsUser"),
			"must not be 0 when runAsNonRoot is true; change one of the two");
	if (s->has_allowprivilegeescalation && !s->allowprivilegeescalation && s->privileged)
		invalid(v, AT(at, "allowPrivilegeEscalation"),
			"must not be false when privileged is true");
	if (s->has_allowprivilegeescalation && !s->allowprivilegeescalation &&
		adds_sys_admin(s->capabilities))
		invalid(v, AT(at, "allowPrivilegeEscalation"),
			"must not be false when SYS_ADMIN is added");
	if (text_is(s->procmount, "Unmasked") && !(v->spec->has_hostusers && !v->spec->hostusers))
		invalid(v, AT(at, "procMount"), "must not be Unmasked unless hostUsers is false");
}

void validate_container_security(
	const struct validation *v, const K8sContainer *c, const struct place *at)
{
	const K8sSecurityContext *s = c->securitycontext ? c->securitycontext : &no_security;
	const struct place *here = AT(at, "securityContext");
	const struct place *caps = AT(here, "capabilities");

	want_id(v, AT(here, "runAsUser"), s->has_runasuser, s->runasuser);
	want_id(v, AT(here, "runAsGroup"), s->has_runasgroup, s->runasgroup);
	want_one_of(v, AT(here, "procMount"), s->procmount, proc_mounts);
	check_selinux(v, s->selinuxoptions, AT(here, "seLinuxOptions"));
	check_profiles(v, s->seccompprofile, s->apparmorprofile, here);
	if (s->capabilities) {
		want_count(v, AT(caps, "add"), s->capabilities->n_add, VALIDATE_CAPS_MAX);
		want_count(v, AT(caps, "drop"), s->capabilities->n_drop, VALIDATE_CAPS_MAX);
	}
	check_contradictions(v, s, here);
}
