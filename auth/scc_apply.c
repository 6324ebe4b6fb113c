#include <stdlib.h>
#include <string.h>

#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "auth/scc_rules.h"

#define SELINUX_DESC      (&k8s__io__api__core__v1__selinux_options__descriptor)
#define SECCOMP_DESC      (&k8s__io__api__core__v1__seccomp_profile__descriptor)
#define CAPABILITIES_DESC (&k8s__io__api__core__v1__capabilities__descriptor)

/* What is effective in a container is its own, else the pod's. */
static bool effective_user(
	const K8sPodSecurityContext *p, const K8sSecurityContext *c, int64_t *ret)
{
	if (c && c->has_runasuser) {
		*ret = c->runasuser;
		return true;
	}
	*ret = p->runasuser;
	return p->has_runasuser;
}

static int apply_groups(const struct scc *scc, const struct project_facts *project,
	K8sPodSecurityContext *p, struct error *err)
{
	if (scc->groups == SCC_GROUP_MUST && p->n_supplementalgroups == 0) {
		p->supplementalgroups = malloc(sizeof(*p->supplementalgroups));
		if (!p->supplementalgroups)
			return error_set(err, ERR_EXHAUSTED, 0, "no memory for the pod");
		p->supplementalgroups[0] = scc_group_ids(scc, project).min;
		p->n_supplementalgroups = 1;
	}
	if (scc->fs_group == SCC_GROUP_MUST && !p->has_fsgroup) {
		p->has_fsgroup = 1;
		p->fsgroup = scc_fs_group_ids(scc, project).min;
	}
	return 0;
}

static int apply_selinux(const struct scc *scc, const struct project_facts *project,
	K8sPodSecurityContext *p, struct error *err)
{
	if (!scc->selinux_must || p->selinuxoptions)
		return 0;
	if (edit_message(&p->selinuxoptions, SELINUX_DESC, err) < 0)
		return -1;
	if (scc->selinux_type && edit_string(&p->selinuxoptions->type, scc->selinux_type, err) < 0)
		return -1;
	return edit_string(&p->selinuxoptions->level, project->mcs, err);
}

/* Only the default profile of the runtime is ever a default here. */
static int apply_seccomp(
	const struct scc *scc, K8sPod *pod, K8sPodSecurityContext *p, struct error *err)
{
	const char *profile = scc->seccomp[0];

	if (!profile || strcmp(profile, "runtime/default") != 0 || p->seccompprofile ||
		view_annotation(pod, VIEW_SECCOMP_ANNOTATION))
		return 0;
	if (edit_message(&p->seccompprofile, SECCOMP_DESC, err) < 0 ||
		edit_string(&p->seccompprofile->type, "RuntimeDefault", err) < 0)
		return -1;
	return edit_annotation(pod, VIEW_SECCOMP_ANNOTATION, profile, err);
}

static bool list_has(char *const *list, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i], text) == 0)
			return true;
	}
	return false;
}

static int apply_drop(const struct scc *scc, K8sSecurityContext **security, struct error *err)
{
	K8sCapabilities *caps;

	if (!scc->drop[0])
		return 0;
	if (edit_message(security, K8S_SECURITY_CONTEXT_DESC, err) < 0 ||
		edit_message(&(*security)->capabilities, CAPABILITIES_DESC, err) < 0)
		return -1;
	caps = (*security)->capabilities;
	for (size_t i = 0; i < SCC_LIST_MAX && scc->drop[i]; i++) {
		if (!list_has(caps->drop, caps->n_drop, scc->drop[i]) &&
			edit_append_string(&caps->drop, &caps->n_drop, scc->drop[i], err) < 0)
			return -1;
	}
	return 0;
}

static int apply_user(const struct scc *scc, const struct project_facts *project,
	const K8sPodSecurityContext *p, K8sSecurityContext **security, struct error *err)
{
	int64_t uid = 0;
	bool known = effective_user(p, *security, &uid);
	bool non_root;

	if (scc->user == SCC_USER_RANGE && !known) {
		if (edit_message(security, K8S_SECURITY_CONTEXT_DESC, err) < 0)
			return -1;
		uid = scc_user_ids(scc, project).min;
		(*security)->has_runasuser = 1;
		(*security)->runasuser = uid;
		known = true;
	}
	if (p->has_runasnonroot || (*security && (*security)->has_runasnonroot))
		return 0;
	non_root = known ? uid != 0 : scc->user == SCC_USER_NON_ROOT;
	if (!non_root)
		return 0;
	if (edit_message(security, K8S_SECURITY_CONTEXT_DESC, err) < 0)
		return -1;
	(*security)->has_runasnonroot = 1;
	(*security)->runasnonroot = 1;
	return 0;
}

static int apply_flags(const struct scc *scc, K8sSecurityContext **security, struct error *err)
{
	if (!scc->no_escalation && !scc->read_only_root)
		return 0;
	if (edit_message(security, K8S_SECURITY_CONTEXT_DESC, err) < 0)
		return -1;
	if (scc->no_escalation && !(*security)->has_allowprivilegeescalation) {
		(*security)->has_allowprivilegeescalation = 1;
		(*security)->allowprivilegeescalation = 0;
	}
	if (scc->read_only_root && !(*security)->has_readonlyrootfilesystem) {
		(*security)->has_readonlyrootfilesystem = 1;
		(*security)->readonlyrootfilesystem = 1;
	}
	return 0;
}

int scc_rules_apply(
	const struct scc *scc, const struct project_facts *project, K8sPod *pod, struct error *err)
{
	struct view_walk walk = { .pod = pod };
	struct view_container c;
	K8sPodSecurityContext *p;

	if (edit_message(&pod->spec, K8S_POD_SPEC_DESC, err) < 0 ||
		edit_message(&pod->spec->securitycontext, K8S_POD_SECURITY_CONTEXT_DESC, err) < 0)
		return -1;
	p = pod->spec->securitycontext;
	if (apply_groups(scc, project, p, err) < 0 || apply_selinux(scc, project, p, err) < 0 ||
		apply_seccomp(scc, pod, p, err) < 0)
		return -1;
	while (view_next(&walk, &c)) {
		if (apply_user(scc, project, p, c.security, err) < 0 ||
			apply_drop(scc, c.security, err) < 0 ||
			apply_flags(scc, c.security, err) < 0)
			return -1;
	}
	return 0;
}
