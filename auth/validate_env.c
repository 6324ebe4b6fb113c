#include <stdio.h>
#include <string.h>

#include "auth/validate.h"
#include "auth/validate_parts.h"
#include "proto/text.h"

/* ---- what a pod may read of itself --------------------------------------------------------- */

#define IN_ENV  1u
#define IN_FILE 2u

static const struct {
	const char *path;
	unsigned where;
	text_rule key; /* path['key'] */
} field_paths[] = {
	{ "metadata.name", IN_ENV | IN_FILE, NULL },
	{ "metadata.namespace", IN_ENV | IN_FILE, NULL },
	{ "metadata.uid", IN_ENV | IN_FILE, NULL },
	{ "metadata.labels", IN_FILE, NULL },
	{ "metadata.annotations", IN_FILE, NULL },
	{ "metadata.labels", IN_ENV | IN_FILE, rule_label_key },
	{ "metadata.annotations", IN_ENV | IN_FILE, rule_annotation_key },
	{ "spec.nodeName", IN_ENV, NULL },
	{ "spec.serviceAccountName", IN_ENV, NULL },
	{ "status.hostIP", IN_ENV, NULL },
	{ "status.hostIPs", IN_ENV, NULL },
	{ "status.podIP", IN_ENV, NULL },
	{ "status.podIPs", IN_ENV, NULL },
};

/* Takes "a['b']" apart: the length of a, and b in 'key'. A key without brackets is "". */
static size_t split_path(const char *path, char *key, size_t size)
{
	const char *open = strstr(path, "['");
	size_t len = strlen(path);

	key[0] = '\0';
	if (!open || len < 2 || strcmp(path + len - 2, "']") != 0 || open + 2 > path + len - 2)
		return len;
	snprintf(key, size, "%.*s", (int)(path + len - 2 - (open + 2)), open + 2);
	return (size_t)(open - path);
}

static bool path_known(const char *path, unsigned where)
{
	char key[512];
	size_t len = split_path(path, key, sizeof(key));

	for (size_t i = 0; i < sizeof(field_paths) / sizeof(field_paths[0]); i++) {
		text_rule rule = field_paths[i].key;

		if ((field_paths[i].where & where) && (rule != NULL) == (key[0] != '\0') &&
			strlen(field_paths[i].path) == len &&
			strncmp(field_paths[i].path, path, len) == 0 && (!rule || !rule(key)))
			return true;
	}
	return false;
}

void validate_field_ref(const struct validation *v, const K8sObjectFieldSelector *ref,
	const struct place *at, bool in_file)
{
	static const char *const versions[] = { "v1", NULL };
	char quoted[TEXT_QUOTE_SIZE];

	if (!ref)
		return;
	want_one_of(v, AT(at, "apiVersion"), ref->apiversion, versions);
	if (!is_set(ref->fieldpath))
		invalid(v, AT(at, "fieldPath"), "must be given");
	else if (!path_known(ref->fieldpath, in_file ? IN_FILE : IN_ENV))
		invalid(v, AT(at, "fieldPath"), "%s must be one of %s",
			text_quote(quoted, ref->fieldpath),
			in_file ? "metadata.name, .namespace, .uid, .labels, .annotations, "
				  ".labels['KEY'], .annotations['KEY']"
				: "metadata.name, .namespace, .uid, .labels['KEY'], "
				  ".annotations['KEY'], spec.nodeName, .serviceAccountName, "
				  "status.hostIP, .hostIPs, .podIP, .podIPs");
}

static const char *const cpu_divisors[] = { "0", "1m", "1", NULL };
static const char *const size_divisors[] = { "0", "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki",
	"1Mi", "1Gi", "1Ti", "1Pi", "1Ei", NULL };

static bool container_exists(const K8sPodSpec *s, const char *name)
{
	for (size_t i = 0; i < s->n_initcontainers; i++) {
		if (text_is(s->initcontainers[i]->name, name))
			return true;
	}
	for (size_t i = 0; i < s->n_containers; i++) {
		if (text_is(s->containers[i]->name, name))
			return true;
	}
	return false;
}

void validate_resource_ref(const struct validation *v, const K8sResourceFieldSelector *ref,
	const struct place *at, bool in_file)
{
	static const char *const resources[] = { "limits.cpu", "limits.memory",
		"limits.ephemeral-storage", "requests.cpu", "requests.memory",
		"requests.ephemeral-storage", NULL };
	const char *name;

	if (!ref)
		return;
	name = ref->containername;
	if (in_file && !is_set(name))
		invalid(v, AT(at, "containerName"), "must be given");
	else if (is_set(name) && !container_exists(v->spec, name))
		invalid(v, AT(at, "containerName"), "must be the name of a container of this pod");
	if (!is_set(ref->resource))
		invalid(v, AT(at, "resource"), "must be given");
	want_one_of(v, AT(at, "resource"), ref->resource, resources);
	if (ref->divisor && is_set(ref->resource))
		want_one_of(v, AT(at, "divisor"), ref->divisor->string,
			strstr(ref->resource, ".cpu") ? cpu_divisors : size_divisors);
}

/* ---- variables ----------------------------------------------------------------------------- */

static void check_source(const struct validation *v, const K8sEnvVar *env, const struct place *at)
{
	const K8sEnvVarSource *from = env->valuefrom;

	if (!from)
		return;
	if (is_set(env->value))
		invalid(v, at, "must not be set beside value; remove one of the two");
	want_one_member(v, at, &from->base,
		"fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef and fileKeyRef");
	validate_field_ref(v, from->fieldref, AT(at, "fieldRef"), false);
	validate_resource_ref(v, from->resourcefieldref, AT(at, "resourceFieldRef"), false);
	if (from->configmapkeyref)
		want_text(v, AT(AT(at, "configMapKeyRef"), "key"), from->configmapkeyref->key,
			rule_config_key);
	if (from->secretkeyref)
		want_text(v, AT(AT(at, "secretKeyRef"), "key"), from->secretkeyref->key,
			rule_config_key);
}

static void check_env_from(
	const struct validation *v, const K8sEnvFromSource *from, const struct place *at)
{
	want_text_if(v, AT(at, "prefix"), from->prefix, rule_env_name);
	if (!from->configmapref == !from->secretref)
		invalid(v, at, "must have one of configMapRef and secretRef");
}

void validate_env(const struct validation *v, const K8sContainer *c, const struct place *at)
{
	size_t size = 0;

	if (!want_count(v, AT(at, "env"), c->n_env, VALIDATE_ENV_MAX) ||
		!want_count(v, AT(at, "envFrom"), c->n_envfrom, VALIDATE_ENV_MAX))
		return;
	for (size_t i = 0; i < c->n_env; i++) {
		const struct place *here = AT_ITEM(AT(at, "env"), i);
		const K8sEnvVar *env = c->env[i];

		want_text(v, AT(here, "name"), env->name, rule_env_name);
		check_source(v, env, AT(here, "valueFrom"));
		size += (env->name ? strlen(env->name) : 0) +
			(env->value ? strlen(env->value) : 0) + sizeof("=");
	}
	if (size > VALIDATE_ENV_SIZE_MAX)
		invalid(v, AT(at, "env"),
			"names and values are %zu bytes together; at most %d are allowed", size,
			VALIDATE_ENV_SIZE_MAX);
	for (size_t i = 0; i < c->n_envfrom; i++)
		check_env_from(v, c->envfrom[i], AT_ITEM(AT(at, "envFrom"), i));
}
