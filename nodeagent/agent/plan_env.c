#include "nodeagent/agent/plan_env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "lib/cleanup.h"
#include "nodeagent/agent/plan_expand.h"
#include "nodeagent/agent/plan_field.h"
#include "nodeagent/agent/plan_text.h"

/* What of the pod's own variables is defined so far: "NAME=value", the last of a name wins. */
struct env {
	const struct plan_node *node;
	const struct plan_pod *pod;
	const K8sPodSpec *spec;
	const K8sContainer *container;
	const char *field; /* of the container */
	char **list;
	size_t n;
	size_t size; /* what execve(2) counts of it, and of arguments */
};

/* Bytes that execve(2) counts for one string. */
static size_t size_of(const char *text)
{
	return strlen(text) + 1 + sizeof(char *);
}

/*
 * At once and not at the end: a few variables, each repeated a thousand times by $(...), would else
 * be written out first.
 */
static int spend(struct env *env, size_t size, struct error *err)
{
	env->size += size;
	if (env->size <= PLAN_EXEC_MAX)
		return 0;
	return error_set(err, ERR_EXHAUSTED, 0,
		"arguments and environment are more than %d bytes together once $(...) is replaced",
		PLAN_EXEC_MAX);
}

static void env_done(struct env *env)
{
	for (size_t i = 0; i < env->n; i++)
		free(env->list[i]);
	free(env->list);
}

#define cleanup_env __attribute__((cleanup(env_done)))

static char **env_find(const struct env *env, const char *name, size_t len)
{
	for (size_t i = 0; i < env->n; i++) {
		if (strncmp(env->list[i], name, len) == 0 && env->list[i][len] == '=')
			return &env->list[i];
	}
	return NULL;
}

static const char *env_lookup(void *user, const char *name, size_t len)
{
	char **found = env_find(user, name, len);

	return found ? *found + len + 1 : NULL;
}

static int env_set(struct env *env, const char *name, const char *value, struct error *err)
{
	char **found = env_find(env, name, strlen(name));

	if (strlen(name) + 1 + strlen(value) > PLAN_STRING_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"longer than the %d bytes that execve(2) takes", PLAN_STRING_MAX);
	if (found)
		env->size -= size_of(*found);
	if (spend(env, strlen(name) + 1 + size_of(value), err) < 0)
		return -1;
	if (found)
		return plan_print(found, err, "%s=%s", name, value);
	return plan_append(&env->list, &env->n, err, "%s=%s", name, value);
}

/* The value of a valueFrom, from what is not secret and known to the agent. */
static int value_from(struct env *env, const K8sEnvVarSource *from, char **ret, struct error *err)
{
	if (from->secretkeyref)
		return error_set(err, ERR_UNSUPPORTED, 0,
			"secretKeyRef: secrets are not put into environments, which leak; mount "
			"the "
			"secret as a volume");
	if (from->configmapkeyref || from->filekeyref)
		return error_set(err, ERR_UNSUPPORTED, 0,
			"%s: not honoured by this version; give the value itself",
			from->configmapkeyref ? "configMapKeyRef" : "fileKeyRef");
	if (from->fieldref) {
		if (plan_field_get(env->node, env->pod, PLAN_FIELD_ENV,
			    plan_or_empty(from->fieldref->fieldpath), ret, err) < 0)
			return error_prefix(err, "fieldRef.fieldPath");
		return 0;
	}
	if (!from->resourcefieldref)
		return error_set(err, ERR_INVALID, 0, "names no source; set fieldRef or value");
	if (plan_resource_field_get(
		    env->node, env->spec, env->container, from->resourcefieldref, ret, err) < 0)
		return error_prefix(err, "resourceFieldRef");
	return 0;
}

static int env_one(struct env *env, const K8sEnvVar *var, struct error *err)
{
	cleanup_free char *value = NULL;
	const char *name = plan_or_empty(var->name);

	if (name[0] == '\0' || strchr(name, '='))
		return error_set(err, ERR_INVALID, 0, "name: must be given and have no '='");
	if (var->valuefrom) {
		if (value_from(env, var->valuefrom, &value, err) < 0)
			return error_prefix(err, "valueFrom");
	} else if (plan_expand(plan_or_empty(var->value), env_lookup, env, PLAN_STRING_MAX, &value,
			   err) < 0) {
		return error_prefix(err, "value");
	}
	return env_set(env, name, value, err);
}

static int env_build(struct env *env, struct error *err)
{
	const K8sContainer *c = env->container;

	if (c->n_envfrom > 0)
		return error_set(err, ERR_UNSUPPORTED, 0,
			"%s.envFrom: not honoured by this version; list the variables in env",
			env->field);
	for (size_t i = 0; i < c->n_env; i++) {
		if (env_one(env, c->env[i], err) < 0)
			return error_prefix(err, "%s.env[%zu] (%.64s)", env->field, i,
				plan_or_empty(c->env[i]->name));
	}
	return 0;
}

/* A variable of the image, unless the pod has one of its name. What is no variable is left out. */
static int image_env_add(const struct env *env, Bulkhead__V1__ContainerPlan *plan, const char *var,
	struct error *err)
{
	size_t len = strcspn(var, "=");

	if (len == 0 || var[len] == '\0' || env_find(env, var, len))
		return 0;
	return edit_append_string(&plan->env, &plan->n_env, var, err);
}

static int env_merge(const struct env *env, const char *hostname, const struct image *image,
	Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	bool named = env_find(env, "HOSTNAME", 8) != NULL;

	for (size_t i = 0; image->env[i] && !named; i++)
		named = strncmp(image->env[i], "HOSTNAME=", 9) == 0;
	if (!named && plan_append(&plan->env, &plan->n_env, err, "HOSTNAME=%s", hostname) < 0)
		return -1;
	for (size_t i = 0; image->env[i]; i++) {
		if (image_env_add(env, plan, image->env[i], err) < 0)
			return -1;
	}
	for (size_t i = 0; i < env->n; i++) {
		if (edit_append_string(&plan->env, &plan->n_env, env->list[i], err) < 0)
			return -1;
	}
	return 0;
}

static int image_args(Bulkhead__V1__ContainerPlan *plan, char *const *list, struct error *err)
{
	for (size_t i = 0; list[i]; i++) {
		if (edit_append_string(&plan->args, &plan->n_args, list[i], err) < 0)
			return -1;
	}
	return 0;
}

static int pod_args(struct env *env, Bulkhead__V1__ContainerPlan *plan, const char *name,
	char *const *list, size_t n, struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		cleanup_free char *arg = NULL;

		if (plan_expand(list[i], env_lookup, env, PLAN_STRING_MAX, &arg, err) < 0)
			return error_prefix(err, "%s.%s[%zu]", env->field, name, i);
		if (spend(env, size_of(arg), err) < 0)
			return error_prefix(err, "%s", env->field);
		if (edit_append_string(&plan->args, &plan->n_args, arg, err) < 0)
			return -1;
	}
	return 0;
}

/* command replaces the image's entrypoint and its arguments, args only the arguments. */
static int args_build(struct env *env, const struct image *image, Bulkhead__V1__ContainerPlan *plan,
	struct error *err)
{
	const K8sContainer *c = env->container;

	if (c->n_command == 0 && image_args(plan, image->entrypoint, err) < 0)
		return -1;
	if (pod_args(env, plan, "command", c->command, c->n_command, err) < 0 ||
		pod_args(env, plan, "args", c->args, c->n_args, err) < 0)
		return -1;
	if (c->n_command == 0 && c->n_args == 0 && image_args(plan, image->cmd, err) < 0)
		return -1;
	if (plan->n_args == 0 || plan->args[0][0] == '\0')
		return error_set(err, ERR_INVALID, 0,
			"%s.command: image '%s' does not say what to run; set command", env->field,
			image->name);
	return 0;
}

static int cwd_build(const struct env *env, const struct image *image,
	Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	const char *cwd = plan_or_empty(env->container->workingdir);

	if (cwd[0] == '\0')
		cwd = image->working_dir[0] ? image->working_dir : "/";
	if (cwd[0] != '/')
		return error_set(err, ERR_INVALID, 0,
			"%s.workingDir: '%.128s' is not an absolute path; set one", env->field,
			cwd);
	return edit_string(&plan->cwd, cwd, err);
}

static size_t list_size(char *const *list, size_t n)
{
	size_t size = 0;

	for (size_t i = 0; i < n; i++)
		size += size_of(list[i]);
	return size;
}

int plan_env_and_args(const struct plan_node *node, const struct plan_pod *pod,
	const K8sContainer *container, const char *hostname, const struct image *image,
	Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	const K8sPodSpec *spec = view_spec(pod->pod);
	char field[PLAN_FIELD_SIZE];
	cleanup_env struct env env = { .node = node,
		.pod = pod,
		.spec = spec,
		.container = container,
		.field = plan_container_field(spec, container, field) };

	if (env_build(&env, err) < 0 || env_merge(&env, hostname, image, plan, err) < 0 ||
		args_build(&env, image, plan, err) < 0 || cwd_build(&env, image, plan, err) < 0)
		return -1;
	if (list_size(plan->args, plan->n_args) + list_size(plan->env, plan->n_env) > PLAN_EXEC_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"%s: arguments and environment are more than %d bytes together", field,
			PLAN_EXEC_MAX);
	return 0;
}
