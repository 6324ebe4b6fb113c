/* Which values are honoured: the checks that the table names. Each says the rule and the fix. */
#include <stdio.h>
#include <string.h>

#include "auth/defaults.h"
#include "auth/pod_view.h"
#include "auth/project.h"
#include "auth/safe_sysctl.h"
#include "auth/validate_honour.h"
#include "auth/validate_rules.h"
#include "lib/cleanup.h"
#include "lib/path.h"
#include "proto/quantity.h"

#define STORAGE        "ephemeral-storage"
#define UID_TEXT_LEN   36 /* of a pod's uid */
#define HOST_NAME_LEN  63
#define SLICE_SIZE     65536
#define PROJECT_ID_END (PROJECT_UID_BASE + PROJECT_BLOCKS * PROJECT_UID_SIZE)

#define APPARMOR_PREFIX "container.apparmor.security.beta.kubernetes.io/"

const char *honour_empty(const struct honour_case *c)
{
	return walk_empty(c->value) ? NULL : "the node sets it: remove it";
}

/* ---- metadata ------------------------------------------------------------------------------ */

/* A pod's host name is its name, cut to a label's length. */
static bool is_host_name(const char *name)
{
	char host[HOST_NAME_LEN + 1];
	size_t len;

	snprintf(host, sizeof(host), "%s", name);
	for (len = strlen(host); len > 0 && (host[len - 1] == '-' || host[len - 1] == '.'); len--)
		host[len - 1] = '\0';
	return name_is_dns_label(host);
}

const char *honour_name(const struct honour_case *c)
{
	const K8sObjectMeta *meta = c->pod->metadata;
	size_t project = meta->namespace_ ? strlen(meta->namespace_) : 0;

	if (!is_set(view_spec(c->pod)->hostname) && !is_host_name(c->value))
		return "is also the host name, which must not have a '.'; set spec.hostname or "
		       "choose another name";
	if (project + strlen(c->value) + UID_TEXT_LEN + 2 > HONOURED_LOG_NAME_MAX)
		return "is too long for the name of the pod's log directory; choose a shorter one";
	return NULL;
}

static const K8sContainer *container_named(const K8sPodSpec *s, const char *name)
{
	for (size_t i = 0; i < s->n_initcontainers; i++) {
		if (text_is(s->initcontainers[i]->name, name))
			return s->initcontainers[i];
	}
	for (size_t i = 0; i < s->n_containers; i++) {
		if (text_is(s->containers[i]->name, name))
			return s->containers[i];
	}
	return NULL;
}

/* What is in force, as the old annotations spell it. */
static const char *seccomp_in_force(
	const K8sPod *pod, const K8sContainer *container, char buf[VIEW_SECCOMP_SIZE])
{
	const K8sPodSecurityContext *p = view_spec(pod)->securitycontext;

	if (container && container->securitycontext && container->securitycontext->seccompprofile)
		return view_seccomp(container->securitycontext->seccompprofile, buf);
	return p && p->seccompprofile ? view_seccomp(p->seccompprofile, buf) : "runtime/default";
}

/* Ours; each with the one value that it may have, NULL where the node's plan judges it. */
static const char *own_annotation(const struct honour_case *c, const char *key, const char *value)
{
	static const char *const known[][2] = {
		{ VIEW_RECORD_PROFILE, "true" },
		{ VIEW_SELINUX_LEVEL, VIEW_SELINUX_LEVEL_POD },
		{ VIEW_TIME_NAMESPACE, VIEW_TIME_NAMESPACE_PRIVATE },
		{ VIEW_OWN_PREFIX "cpuset-cpus", NULL },
		{ VIEW_OWN_PREFIX "io-read-bps", NULL },
		{ VIEW_OWN_PREFIX "io-read-iops", NULL },
		{ VIEW_OWN_PREFIX "io-write-bps", NULL },
		{ VIEW_OWN_PREFIX "io-write-iops", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (strcmp(known[i][0], key) != 0)
			continue;
		if (!known[i][1] || strcmp(known[i][1], value) == 0)
			return NULL;
		snprintf(c->text, HONOUR_TEXT_SIZE, "must be '%s' or not there", known[i][1]);
		return c->text;
	}
	return "is not an annotation of this version: remove it";
}

/* Annotations that once were the way to ask for what has a field now. */
const char *honour_annotation(const struct honour_case *c)
{
	const K8sAnnotationsEntry *entry = c->value;
	const char *key = walk_key(&entry->base), *value = entry->value ? entry->value : "";
	size_t prefix = strlen(VIEW_SECCOMP_ANNOTATION_PREFIX);
	const K8sContainer *container = NULL;
	char buf[VIEW_SECCOMP_SIZE];

	if (strncmp(key, VIEW_OWN_PREFIX, strlen(VIEW_OWN_PREFIX)) == 0)
		return own_annotation(c, key, value);
	if (strncmp(key, APPARMOR_PREFIX, strlen(APPARMOR_PREFIX)) == 0)
		return "AppArmor is not honoured by this version; SELinux and seccomp confine the "
		       "container: remove it";
	if (strncmp(key, VIEW_SECCOMP_ANNOTATION_PREFIX, prefix) == 0)
		container = container_named(view_spec(c->pod), key + prefix);
	else if (strcmp(key, VIEW_SECCOMP_ANNOTATION) != 0)
		return NULL;
	if (strcmp(value, "docker/default") == 0)
		value = "runtime/default";
	if (strcmp(value, seccomp_in_force(c->pod, container, buf)) == 0)
		return NULL;
	return "says otherwise than the fields, which alone are honoured; set seccompProfile and "
	       "remove the annotation";
}

/* ---- the pod ------------------------------------------------------------------------------- */

static const char *only(const struct honour_case *c, const char *value, const char *reason)
{
	return strcmp(c->value, value) == 0 ? NULL : reason;
}

const char *honour_node(const struct honour_case *c)
{
	if (strcmp(c->value, c->node_name) == 0)
		return NULL;
	snprintf(c->text, HONOUR_TEXT_SIZE, "is not this node, which is \"%.64s\"; remove it",
		c->node_name);
	return c->text;
}

const char *honour_scheduler(const struct honour_case *c)
{
	return only(c, "default-scheduler", "is not here: placement is not this node's; remove it");
}

const char *honour_preemption(const struct honour_case *c)
{
	return only(c, "PreemptLowerPriority",
		"is not honoured: placement is not this node's; remove it");
}

const char *honour_os(const struct honour_case *c)
{
	return only(c, "linux", "is not what this node runs, which is linux");
}

/* ---- security ------------------------------------------------------------------------------ */

/* A user namespace holds a slice, and the project's block; admission has judged which block. */
const char *honour_id(const struct honour_case *c)
{
	const K8sPodSpec *s = view_spec(c->pod);
	int64_t id;

	memcpy(&id, c->value, sizeof(id));
	if (!s->has_hostusers || s->hostusers || (id >= 0 && id < SLICE_SIZE) ||
		(id >= PROJECT_UID_BASE && id < PROJECT_ID_END))
		return NULL;
	snprintf(c->text, HONOUR_TEXT_SIZE,
		"%lld is not in the pod's user namespace; use 0 to %d or one of the project's own",
		(long long)id, SLICE_SIZE - 1);
	return c->text;
}

/* Spelled as constraints judge them: without CAP_, in capitals. */
const char *honour_capability(const struct honour_case *c)
{
	static const char *const names[] = { "ALL", "AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE",
		"BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "CHOWN", "DAC_OVERRIDE",
		"DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE",
		"LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN",
		"NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW", "PERFMON", "SETFCAP", "SETGID",
		"SETPCAP", "SETUID", "SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT", "SYS_MODULE",
		"SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME",
		"SYS_TTY_CONFIG", "SYSLOG", "WAKE_ALARM" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(c->value, names[i]) == 0)
			return NULL;
	}
	return "is no capability of Linux; write it in capitals without CAP_, such as NET_ADMIN, "
	       "or ALL";
}

const char *honour_sysctl_name(const struct honour_case *c)
{
	if (safe_sysctl_honoured(c->value))
		return NULL;
	return "is not honoured by this version: it is not one that a pod may set; remove it";
}

/* All that are honoured take numbers. */
const char *honour_sysctl_value(const struct honour_case *c)
{
	const char *value = c->value;

	if (strspn(value, "0123456789 ,-") == strlen(value))
		return NULL;
	return "must be made of digits, ' ', ',' and '-'";
}

/* ---- containers ---------------------------------------------------------------------------- */

const char *honour_message_path(const struct honour_case *c)
{
	return only(c, "/dev/termination-log",
		"is not honoured: this version reads no termination message; remove it");
}

const char *honour_message_policy(const struct honour_case *c)
{
	return only(
		c, "File", "is not honoured: this version reads no termination message; remove it");
}

/* Of a size that the node can make a file system of; 0 is none. */
static bool storage_fits(const K8sQuantity *q)
{
	int64_t size = 0;

	return q && q->string && quantity_units(q->string, &size, NULL) == 0 &&
	       (size == 0 || (size >= HONOURED_STORAGE_MIN && size <= HONOURED_STORAGE_MAX));
}

static bool has_storage_limit(const K8sContainer *c)
{
	const K8sResourceRequirements *r = c->resources;
	int64_t size = 0;

	for (size_t i = 0; r && i < r->n_limits; i++) {
		if (r->limits[i]->key && strcmp(r->limits[i]->key, STORAGE) == 0 &&
			r->limits[i]->value && r->limits[i]->value->string)
			quantity_units(r->limits[i]->value->string, &size, NULL);
	}
	return size > 0;
}

static const char *judge_storage(const struct honour_case *c)
{
	const K8sResourceRequirements *r = (const K8sResourceRequirements *)c->field->msg;
	const K8sPodSpec *spec = view_spec(c->pod);
	size_t with = 0;
	size_t own = 0;

	/* A request is a promise of the node's that needs nothing done. */
	while (own < r->n_limits && &r->limits[own]->base != c->value)
		own++;
	if (own == r->n_limits)
		return NULL;
	if (!storage_fits(r->limits[own]->value))
		return "must be 0, or 1Mi to 8Ti";
	for (size_t i = 0; i < spec->n_containers; i++)
		with += has_storage_limit(spec->containers[i]);
	for (size_t i = 0; i < spec->n_initcontainers; i++)
		with += has_storage_limit(spec->initcontainers[i]);
	if (with == 0 || with == spec->n_containers + spec->n_initcontainers)
		return NULL;
	return "is set for some of the pod's containers, which share the sum; set it for each or "
	       "for none";
}

const char *honour_resource(const struct honour_case *c)
{
	const char *key = walk_key(c->value);

	if (strcmp(key, STORAGE) == 0)
		return judge_storage(c);
	/* Which sizes the node has, the plan knows. */
	if (strcmp(key, "cpu") == 0 || strcmp(key, "memory") == 0 ||
		strncmp(key, "hugepages-", strlen("hugepages-")) == 0)
		return NULL;
	return "not honoured by this version, which limits cpu, memory, ephemeral-storage and "
	       "hugepages-SIZE; remove it";
}

const char *honour_size_limit(const struct honour_case *c)
{
	const K8sEmptyDirVolumeSource *e = (const K8sEmptyDirVolumeSource *)c->field->msg;

	if (text_is(e->medium, "Memory") || storage_fits(e->sizelimit))
		return NULL;
	return "must be 0, or 1Mi to 8Ti";
}

const char *honour_resource_ref(const struct honour_case *c)
{
	if (!strstr(c->value, "ephemeral-storage"))
		return NULL;
	return "is not honoured by this version, which limits cpu and memory";
}

const char *honour_host_port(const struct honour_case *c)
{
	if (view_spec(c->pod)->hostnetwork)
		return NULL;
	return "is honoured with hostNetwork only; the pod has an address of its own: remove it";
}

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* Places that the shim fills itself: a volume there would shadow a defence. */
const char *honour_mount_path(const struct honour_case *c)
{
	static const char *const whole[] = { "/", "/dev", "/dev/pts", "/dev/mqueue", "/dev/console",
		"/dev/null" };
	char path[PATH_MAX];

	path_normal(c->value, path);
	if (is_below(path, "/proc") || is_below(path, "/sys"))
		return "must not be at or under /proc or /sys; mount it elsewhere";
	for (size_t i = 0; i < ARRAY_LEN(whole); i++) {
		if (strcmp(path, whole[i]) == 0)
			return "is made by Bulkhead; mount it elsewhere";
	}
	return NULL;
}

const char *honour_propagation(const struct honour_case *c)
{
	return only(c, "None", "is not honoured by this version; use None or remove it");
}

const char *honour_recursion(const struct honour_case *c)
{
	return only(c, "Disabled", "is not honoured by this version; use Disabled or remove it");
}

/* ---- volumes ------------------------------------------------------------------------------- */

const char *honour_medium(const struct honour_case *c)
{
	return only(c, "Memory", "is not honoured by this version; use Memory or remove it");
}

/* A directory on the node's disk has no quota yet. */
const char *honour_config_map(const struct honour_case *c)
{
	const K8sConfigMapProjection *map = c->value;
	const K8sLocalObjectReference *ref = map->localobjectreference;

	if (!ref || !text_is(ref->name, DEFAULTS_ROOT_CA))
		return "config maps other than " DEFAULTS_ROOT_CA " are not honoured by this "
		       "version; use a secret";
	for (size_t i = 0; i < map->n_items; i++) {
		if (!text_is(map->items[i]->key, "ca.crt"))
			return "the only key of " DEFAULTS_ROOT_CA " is ca.crt";
	}
	return NULL;
}

/* ---- probes -------------------------------------------------------------------------------- */

const char *honour_probe_scheme(const struct honour_case *c)
{
	return only(c, "HTTP", "must be HTTP; use tcpSocket or exec for TLS");
}

/* Anything else would make the node ask whom the pod may not. */
const char *honour_probe_host(const struct honour_case *c)
{
	const char *host = c->value;

	if (!*host || strcmp(host, "localhost") == 0 || strcmp(host, "127.0.0.1") == 0)
		return NULL;
	return "must be the pod itself: remove it, or write localhost";
}

const char *honour_probe_path(const struct honour_case *c)
{
	for (const char *p = c->value; *p; p++) {
		if (*p <= ' ' || *p >= 0x7f)
			return "must be printable ASCII without spaces; write others as %XX";
	}
	return NULL;
}
