#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "auth/pss_check.h"
#include "auth/safe_sysctl.h"
#include "lib/cleanup.h"

#define APP_ARMOR_PREFIX "container.apparmor.security.beta.kubernetes.io/"

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_one_of(const char *const *list, const char *text)
{
	for (; *list; list++) {
		if (strcmp(*list, text) == 0)
			return true;
	}
	return false;
}

static const char *text_of(const char *text)
{
	return text ? text : "";
}

bool pss_in_user_namespace(const struct pss_pod *pod)
{
	return pod->spec->has_hostusers && !pod->spec->hostusers;
}

/* ---- AppArmor, seccomp, SELinux -------------------------------------------------------------- */

static const char *const profile_types[] = { "RuntimeDefault", "Localhost", NULL };

static bool bad_app_armor(const K8sAppArmorProfile *profile, struct pss_finding *f)
{
	if (!profile || is_one_of(profile_types, text_of(profile->type)))
		return false;
	pss_finding_value(f, text_of(profile->type));
	return true;
}

static bool app_armor_annotation_allowed(const char *value)
{
	return !*value || strcmp(value, "runtime/default") == 0 || starts_with(value, "localhost/");
}

/* Of annotations every one with the prefix counts, whether there is such a container or not. */
static void app_armor_annotations(const K8sPod *pod, struct pss_finding *f)
{
	for (size_t i = 0; pod->metadata && i < pod->metadata->n_annotations; i++) {
		const char *key = text_of(pod->metadata->annotations[i]->key);
		const char *value = text_of(pod->metadata->annotations[i]->value);

		if (!starts_with(key, APP_ARMOR_PREFIX) || app_armor_annotation_allowed(value))
			continue;
		pss_finding_annotation(f, key, value);
		pss_finding_field(f, "metadata.annotations[%s]", key);
	}
}

void pss_app_armor(const struct pss_pod *pod, struct pss_finding *f)
{
	size_t types;

	if (bad_app_armor(pod->security->apparmorprofile, f)) {
		f->pod = true;
		pss_finding_field(f, "spec.securityContext.appArmorProfile.type");
	}
	pss_each_container(c, pod)
	{
		if (bad_app_armor(c->security->apparmorprofile, f))
			pss_found(f, c, "securityContext.appArmorProfile.type");
	}
	pss_texts_set(&f->values, 0);
	types = f->values.n;
	app_armor_annotations(pod->pod, f);
	pss_texts_set(&f->values, types);
	if (f->fields.n)
		pss_finding_say(f,
			"forbidden AppArmor profile{vs} ({setters} must not set AppArmor profile "
			"type to {values})");
}

static bool seccomp_annotation_allowed(const char *value)
{
	return strcmp(value, "runtime/default") == 0 || strcmp(value, "docker/default") == 0 ||
	       starts_with(value, "localhost/");
}

static void seccomp_annotation(const struct pss_pod *pod, const char *key, struct pss_finding *f)
{
	const char *value = view_annotation(pod->pod, key);

	if (!value || seccomp_annotation_allowed(value))
		return;
	pss_finding_annotation(f, key, value);
	pss_finding_field(f, "metadata.annotations[%s]", key);
}

/* Until 1.18 seccomp was said in annotations alone. */
void pss_seccomp_baseline(const struct pss_pod *pod, struct pss_finding *f)
{
	seccomp_annotation(pod, VIEW_SECCOMP_ANNOTATION, f);
	pss_each_container(c, pod)
	{
		cleanup_free char *key = NULL;

		if (asprintf(&key, VIEW_SECCOMP_ANNOTATION_PREFIX "%s", c->view.name) < 0) {
			key = NULL;
			f->no_memory = true;
			return;
		}
		seccomp_annotation(pod, key, f);
	}
	pss_texts_set(&f->values, 0);
	if (f->fields.n)
		pss_finding_say(f, "seccompProfile (forbidden annotation{vs} {list})");
}

static bool bad_seccomp(const K8sSeccompProfile *profile, struct pss_finding *f)
{
	if (!profile || is_one_of(profile_types, text_of(profile->type)))
		return false;
	pss_finding_value(f, text_of(profile->type));
	return true;
}

bool pss_seccomp_bad_types(const struct pss_pod *pod, struct pss_finding *f)
{
	if (bad_seccomp(pod->security->seccompprofile, f)) {
		f->pod = true;
		pss_finding_field(f, "spec.securityContext.seccompProfile.type");
	}
	pss_each_container(c, pod)
	{
		if (bad_seccomp(c->security->seccompprofile, f))
			pss_found(f, c, "securityContext.seccompProfile.type");
	}
	pss_texts_set(&f->values, 0);
	if (!f->fields.n)
		return false;
	pss_finding_say(f,
		"seccompProfile ({setters} must not set securityContext.seccompProfile.type to "
		"{values})");
	return true;
}

void pss_seccomp_baseline_19(const struct pss_pod *pod, struct pss_finding *f)
{
	pss_seccomp_bad_types(pod, f);
}

/* What was set that may not be, over all options of a pod. */
struct selinux_seen {
	const char *const *types; /* allowed */
	bool user;
	bool role;
};

/* 'path' is of the security context. */
static bool bad_selinux(const K8sSELinuxOptions *o, const char *path, struct selinux_seen *seen,
	struct pss_finding *f)
{
	size_t before = f->fields.n;

	if (!o)
		return false;
	if (!is_one_of(seen->types, text_of(o->type))) {
		pss_finding_value(f, text_of(o->type));
		pss_finding_field(f, "%s.seLinuxOptions.type", path);
	}
	if (*text_of(o->user)) {
		seen->user = true;
		pss_finding_field(f, "%s.seLinuxOptions.user", path);
	}
	if (*text_of(o->role)) {
		seen->role = true;
		pss_finding_field(f, "%s.seLinuxOptions.role", path);
	}
	return f->fields.n > before;
}

static void selinux_say(const struct selinux_seen *seen, struct pss_finding *f)
{
	const char *between = "";

	pss_finding_say(
		f, "seLinuxOptions ({setters} set forbidden securityContext.seLinuxOptions: ");
	if (f->values.n) {
		pss_finding_say(f, "type{vs} {values}");
		between = "; ";
	}
	if (seen->user) {
		pss_finding_say(f, between);
		pss_finding_say(f, "user may not be set");
		between = "; ";
	}
	if (seen->role) {
		pss_finding_say(f, between);
		pss_finding_say(f, "role may not be set");
	}
	pss_finding_say(f, ")");
}

static void selinux(const struct pss_pod *pod, const char *const *types, struct pss_finding *f)
{
	struct selinux_seen seen = { .types = types };

	f->pod = bad_selinux(pod->security->selinuxoptions, "spec.securityContext", &seen, f);
	pss_each_container(c, pod)
	{
		char path[VIEW_PATH_SIZE];

		snprintf(path, sizeof(path), "%s.securityContext", c->view.path);
		if (bad_selinux(c->security->selinuxoptions, path, &seen, f))
			pss_finding_subject(f, c->view.name);
	}
	pss_texts_set(&f->values, 0);
	if (f->fields.n)
		selinux_say(&seen, f);
}

void pss_selinux(const struct pss_pod *pod, struct pss_finding *f)
{
	static const char *const types[] = { "", "container_t", "container_init_t",
		"container_kvm_t", NULL };

	selinux(pod, types, f);
}

void pss_selinux_31(const struct pss_pod *pod, struct pss_finding *f)
{
	static const char *const types[] = { "", "container_t", "container_init_t",
		"container_kvm_t", "container_engine_t", NULL };

	selinux(pod, types, f);
}

/* ---- the host ------------------------------------------------------------------------------- */

void pss_host_namespaces(const struct pss_pod *pod, struct pss_finding *f)
{
	const struct {
		const char *name;
		bool used;
	} rows[] = {
		{ "hostNetwork", pod->spec->hostnetwork },
		{ "hostPID", pod->spec->hostpid },
		{ "hostIPC", pod->spec->hostipc },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char value[32];

		if (!rows[i].used)
			continue;
		snprintf(value, sizeof(value), "%s=true", rows[i].name);
		pss_finding_value(f, value);
		pss_finding_field(f, "spec.%s", rows[i].name);
	}
	if (f->fields.n)
		pss_finding_say(f, "host namespaces ({list})");
}

void pss_host_path(const struct pss_pod *pod, struct pss_finding *f)
{
	for (size_t i = 0; i < pod->spec->n_volumes; i++) {
		const K8sVolume *v = pod->spec->volumes[i];

		if (!v->volumesource || !v->volumesource->hostpath)
			continue;
		pss_finding_subject(f, v->name);
		pss_finding_field(f, "spec.volumes[%zu].hostPath", i);
	}
	if (f->fields.n)
		pss_finding_say(f, "hostPath volumes (volume{ss} {subjects})");
}

void pss_host_ports(const struct pss_pod *pod, struct pss_finding *f)
{
	pss_each_container(c, pod)
	{
		size_t before = f->fields.n;

		for (size_t i = 0; i < c->view.ports_len; i++) {
			char port[16];

			if (c->view.ports[i]->hostport == 0)
				continue;
			snprintf(port, sizeof(port), "%" PRId32, c->view.ports[i]->hostport);
			pss_finding_value(f, port);
			pss_finding_field(f, "%s.ports[%zu].hostPort", c->view.path, i);
		}
		if (f->fields.n > before)
			pss_finding_subject(f, c->view.name);
	}
	pss_texts_set(&f->values, 0);
	if (f->fields.n)
		pss_finding_say(f, "hostPort ({containers} {use} hostPort{vs} {list})");
}

static void handler_hosts(const K8sHTTPGetAction *http, const K8sTCPSocketAction *tcp,
	const struct pss_container *c, const char *where, struct pss_finding *f)
{
	if (http && *text_of(http->host)) {
		pss_finding_value(f, http->host);
		pss_finding_field(f, "%s.%s.httpGet.host", c->view.path, where);
	}
	if (tcp && *text_of(tcp->host)) {
		pss_finding_value(f, tcp->host);
		pss_finding_field(f, "%s.%s.tcpSocket.host", c->view.path, where);
	}
}

static void container_hosts(const struct pss_container *c, struct pss_finding *f)
{
	static const char *const probes[] = { "livenessProbe", "readinessProbe", "startupProbe" };
	const K8sLifecycle *l = c->view.lifecycle;

	for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
		const K8sProbeHandler *h = c->view.probes[i] ? c->view.probes[i]->handler : NULL;

		if (h)
			handler_hosts(h->httpget, h->tcpsocket, c, probes[i], f);
	}
	if (l && l->poststart)
		handler_hosts(l->poststart->httpget, l->poststart->tcpsocket, c,
			"lifecycle.postStart", f);
	if (l && l->prestop)
		handler_hosts(
			l->prestop->httpget, l->prestop->tcpsocket, c, "lifecycle.preStop", f);
}

void pss_host_probes(const struct pss_pod *pod, struct pss_finding *f)
{
	pss_each_container(c, pod)
	{
		size_t before = f->fields.n;

		container_hosts(c, f);
		if (f->fields.n > before)
			pss_finding_subject(f, c->view.name);
	}
	pss_texts_set(&f->subjects, 0);
	pss_texts_set(&f->values, 0);
	if (f->fields.n)
		pss_finding_say(f,
			"probe or lifecycle host ({containers} {use} probe or lifecycle host{vs} "
			"{values})");
}

void pss_sysctls(const struct pss_pod *pod, struct pss_finding *f)
{
	for (size_t i = 0; i < pod->security->n_sysctls; i++) {
		const char *name = text_of(pod->security->sysctls[i]->name);
		int since = safe_sysctl_since(name);

		if (since >= 0 && (unsigned)since <= pod->minor)
			continue;
		pss_finding_value(f, name);
		pss_finding_field(f, "spec.securityContext.sysctls[%zu].name", i);
	}
	if (f->fields.n)
		pss_finding_say(f, "forbidden sysctls ({list})");
}

/* ---- privileges ----------------------------------------------------------------------------- */

void pss_capabilities_baseline(const struct pss_pod *pod, struct pss_finding *f)
{
	static const char *const allowed[] = { "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER",
		"FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP",
		"SETUID", "SYS_CHROOT", NULL };

	pss_each_container(c, pod)
	{
		const K8sCapabilities *caps = c->security->capabilities;
		size_t before = f->values.n;

		for (size_t i = 0; caps && i < caps->n_add; i++) {
			if (!is_one_of(allowed, caps->add[i]))
				pss_finding_value(f, caps->add[i]);
		}
		if (f->values.n > before)
			pss_found(f, c, "securityContext.capabilities.add");
	}
	pss_texts_set(&f->values, 0);
	if (f->fields.n)
		pss_finding_say(f,
			"non-default capabilities ({containers} must not include {values} in "
			"securityContext.capabilities.add)");
}

void pss_privileged(const struct pss_pod *pod, struct pss_finding *f)
{
	pss_each_container(c, pod)
	{
		if (c->security->privileged)
			pss_found(f, c, "securityContext.privileged");
	}
	if (f->fields.n)
		pss_finding_say(f,
			"privileged ({containers} must not set securityContext.privileged=true)");
}

void pss_proc_mount(const struct pss_pod *pod, struct pss_finding *f)
{
	pss_each_container(c, pod)
	{
		const char *type = c->security->procmount;

		if (!type || strcmp(type, "Default") == 0)
			continue;
		pss_finding_value(f, type);
		pss_found(f, c, "securityContext.procMount");
	}
	pss_texts_set(&f->values, 0);
	if (f->fields.n)
		pss_finding_say(f,
			"procMount ({containers} must not set securityContext.procMount to "
			"{values})");
}

/* A user namespace takes the danger out of an unmasked /proc. */
void pss_proc_mount_35(const struct pss_pod *pod, struct pss_finding *f)
{
	if (!pss_in_user_namespace(pod))
		pss_proc_mount(pod, f);
}

static bool is_host_process(const K8sWindowsSecurityContextOptions *options)
{
	return options && options->hostprocess;
}

void pss_windows_host_process(const struct pss_pod *pod, struct pss_finding *f)
{
	if (is_host_process(pod->security->windowsoptions)) {
		f->pod = true;
		pss_finding_field(f, "spec.securityContext.windowsOptions.hostProcess");
	}
	pss_each_container(c, pod)
	{
		if (is_host_process(c->security->windowsoptions))
			pss_found(f, c, "securityContext.windowsOptions.hostProcess");
	}
	if (f->fields.n)
		pss_finding_say(f, "hostProcess ({setters} must not set "
				   "securityContext.windowsOptions.hostProcess=true)");
}
