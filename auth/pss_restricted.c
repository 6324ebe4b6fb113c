#include <string.h>

#include "auth/pss_check.h"
#include "lib/cleanup.h"

/* What is for Linux alone is not asked of a pod that says it is for Windows. */
static bool is_windows(const struct pss_pod *pod)
{
	return pod->spec->os && pod->spec->os->name && strcmp(pod->spec->os->name, "windows") == 0;
}

/* ---- privileges ----------------------------------------------------------------------------- */

void pss_escalation(const struct pss_pod *pod, struct pss_finding *f)
{
	pss_each_container(c, pod)
	{
		const K8sSecurityContext *s = c->security;

		if (!s->has_allowprivilegeescalation || s->allowprivilegeescalation)
			pss_found(f, c, "securityContext.allowPrivilegeEscalation");
	}
	if (f->fields.n)
		pss_finding_say(f, "allowPrivilegeEscalation != false ({containers} must set "
				   "securityContext.allowPrivilegeEscalation=false)");
}

void pss_escalation_25(const struct pss_pod *pod, struct pss_finding *f)
{
	if (!is_windows(pod))
		pss_escalation(pod, f);
}

static bool drops_all(const K8sCapabilities *caps)
{
	for (size_t i = 0; caps && i < caps->n_drop; i++) {
		if (strcmp(caps->drop[i], "ALL") == 0)
			return true;
	}
	return false;
}

static bool adds_forbidden(const K8sCapabilities *caps, struct pss_finding *f)
{
	size_t before = f->values.n;

	for (size_t i = 0; caps && i < caps->n_add; i++) {
		if (strcmp(caps->add[i], "NET_BIND_SERVICE") != 0)
			pss_finding_value(f, caps->add[i]);
	}
	return f->values.n > before;
}

void pss_capabilities_restricted(const struct pss_pod *pod, struct pss_finding *f)
{
	static const char reason[] = "unrestricted capabilities (";
	const char *before = reason;

	pss_each_container(c, pod)
	{
		if (!drops_all(c->security->capabilities))
			pss_found(f, c, "securityContext.capabilities.drop");
	}
	if (f->subjects.n) {
		pss_finding_say(f, before);
		pss_finding_say(
			f, "{containers} must set securityContext.capabilities.drop=[\"ALL\"]");
		pss_texts_done(&f->subjects);
		before = "; ";
	}
	pss_each_container(c, pod)
	{
		if (adds_forbidden(c->security->capabilities, f))
			pss_found(f, c, "securityContext.capabilities.add");
	}
	pss_texts_set(&f->values, 0);
	if (f->subjects.n) {
		pss_finding_say(f, before);
		pss_finding_say(f, "{containers} must not include {values} in "
				   "securityContext.capabilities.add");
	}
	if (f->fields.n)
		pss_finding_say(f, ")");
}

void pss_capabilities_restricted_25(const struct pss_pod *pod, struct pss_finding *f)
{
	if (!is_windows(pod))
		pss_capabilities_restricted(pod, f);
}

/* ---- volumes -------------------------------------------------------------------------------- */

static bool volume_allowed(const char *source)
{
	static const char *const allowed[] = { "configMap", "csi", "downwardAPI", "emptyDir",
		"ephemeral", "image", "persistentVolumeClaim", "projected", "secret" };

	for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
		if (strcmp(allowed[i], source) == 0)
			return true;
	}
	return false;
}

/* A volume without any source is an emptyDir to Kubernetes' API. */
void pss_volumes(const struct pss_pod *pod, struct pss_finding *f)
{
	for (size_t i = 0; i < pod->spec->n_volumes; i++) {
		const K8sVolume *v = pod->spec->volumes[i];
		size_t before = f->fields.n;
		const char *source;

		for (size_t k = 0; (source = view_volume_source(v, k)); k++) {
			if (volume_allowed(source))
				continue;
			pss_finding_value(f, source);
			pss_finding_field(f, "spec.volumes[%zu].%s", i, source);
		}
		if (f->fields.n > before)
			pss_finding_subject(f, v->name);
	}
	pss_texts_set(&f->values, 0);
	if (f->fields.n)
		pss_finding_say(f,
			"restricted volume types (volume{ss} {subjects} {use} restricted volume "
			"type{vs} {values})");
}

/* ---- who the pod runs as -------------------------------------------------------------------- */

/* Those that say false. Who says nothing matters only when there is none of these. */
static void says_root(const struct pss_pod *pod, struct pss_finding *f)
{
	if (pod->security->has_runasnonroot && !pod->security->runasnonroot) {
		f->pod = true;
		pss_finding_field(f, "spec.securityContext.runAsNonRoot");
	}
	pss_each_container(c, pod)
	{
		if (c->security->has_runasnonroot && !c->security->runasnonroot)
			pss_found(f, c, "securityContext.runAsNonRoot");
	}
	if (f->fields.n)
		pss_finding_say(f, "runAsNonRoot != true ({setters} must not set "
				   "securityContext.runAsNonRoot=false)");
}

void pss_non_root(const struct pss_pod *pod, struct pss_finding *f)
{
	says_root(pod, f);
	if (f->fields.n || (pod->security->has_runasnonroot && pod->security->runasnonroot))
		return;
	pss_each_container(c, pod)
	{
		if (!c->security->has_runasnonroot)
			pss_found(f, c, "securityContext.runAsNonRoot");
	}
	if (f->fields.n)
		pss_finding_say(f, "runAsNonRoot != true (pod or {containers} must set "
				   "securityContext.runAsNonRoot=true)");
}

/* Root in a user namespace is nobody outside it. */
void pss_non_root_35(const struct pss_pod *pod, struct pss_finding *f)
{
	if (!pss_in_user_namespace(pod))
		pss_non_root(pod, f);
}

void pss_user(const struct pss_pod *pod, struct pss_finding *f)
{
	if (pod->security->has_runasuser && pod->security->runasuser == 0) {
		f->pod = true;
		pss_finding_field(f, "spec.securityContext.runAsUser");
	}
	pss_each_container(c, pod)
	{
		if (c->security->has_runasuser && c->security->runasuser == 0)
			pss_found(f, c, "securityContext.runAsUser");
	}
	if (f->fields.n)
		pss_finding_say(f, "runAsUser=0 ({setters} must not set runAsUser=0)");
}

void pss_user_35(const struct pss_pod *pod, struct pss_finding *f)
{
	if (!pss_in_user_namespace(pod))
		pss_user(pod, f);
}

/* ---- seccomp -------------------------------------------------------------------------------- */

void pss_seccomp_restricted(const struct pss_pod *pod, struct pss_finding *f)
{
	if (pss_seccomp_bad_types(pod, f) || pod->security->seccompprofile)
		return;
	pss_each_container(c, pod)
	{
		if (!c->security->seccompprofile)
			pss_found(f, c, "securityContext.seccompProfile.type");
	}
	if (f->fields.n)
		pss_finding_say(f, "seccompProfile (pod or {containers} must set "
				   "securityContext.seccompProfile.type to \"RuntimeDefault\" or "
				   "\"Localhost\")");
}

void pss_seccomp_restricted_25(const struct pss_pod *pod, struct pss_finding *f)
{
	if (!is_windows(pod))
		pss_seccomp_restricted(pod, f);
}
