#include "netplugin/cni/env.h"

#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/path.h"

#define NEED_CONTAINER 1u
#define NEED_NETNS     2u
#define NEED_IFNAME    4u

static const struct verb {
	const char *name;
	enum cni_verb verb;
	unsigned needs;
} verbs[] = {
	{ "ADD", CNI_VERB_ADD, NEED_CONTAINER | NEED_NETNS | NEED_IFNAME },
	{ "CHECK", CNI_VERB_CHECK, NEED_CONTAINER | NEED_NETNS | NEED_IFNAME },
	{ "DEL", CNI_VERB_DEL, NEED_CONTAINER | NEED_IFNAME },
	{ "GC", CNI_VERB_GC, 0 },
	{ "STATUS", CNI_VERB_STATUS, 0 },
	{ "VERSION", CNI_VERB_VERSION, 0 },
};

static int is_container(const char *text)
{
	return cni_name_is_valid(text, CNI_ID_MAX);
}

/* It is handed on in JSON: printable ASCII is all that a runtime makes. */
static int is_path(const char *path)
{
	for (const char *c = path; *c; c++) {
		if (*c < ' ' || *c > '~')
			return 0;
	}
	return path[0] == '/';
}

/* "" when it is not there. */
static const char *variable(const char *const *envp, const char *name)
{
	size_t len = strlen(name);

	for (; *envp; envp++) {
		if (strncmp(*envp, name, len) == 0 && (*envp)[len] == '=')
			return *envp + len + 1;
	}
	return "";
}

static int parse_verb(const struct verb **ret, const char *const *envp, struct failure *failure)
{
	const char *command = variable(envp, "CNI_COMMAND");

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(verbs[i].name, command) == 0) {
			*ret = &verbs[i];
			return 0;
		}
	}
	return failure_set(failure, CNI_INVALID_ENVIRONMENT,
		"CNI_COMMAND: '%.32s' is not ADD, CHECK, DEL, GC, STATUS or VERSION", command);
}

/* All that are wrong are named in one message. */
static int parse_subject(
	struct cni_env *env, unsigned needs, const char *const *envp, struct failure *failure)
{
	const struct {
		const char *name;
		unsigned need;
		const char **value;
		int (*is_valid)(const char *text);
	} rows[] = {
		{ "CNI_CONTAINERID", NEED_CONTAINER, &env->container, is_container },
		{ "CNI_NETNS", NEED_NETNS, &env->netns, is_path },
		{ "CNI_IFNAME", NEED_IFNAME, &env->ifname, link_name_is_valid },
	};
	struct failure wrong = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *value = variable(envp, rows[i].name);

		*rows[i].value = value;
		if (!(needs & rows[i].need) || rows[i].is_valid(value))
			continue;
		n += (size_t)snprintf(wrong.msg + n, sizeof(wrong.msg) - n, "%s%s%s%.140s%s",
			n ? ", " : "", rows[i].name, value[0] ? " is '" : " is missing", value,
			value[0] ? "', which is none" : "");
	}
	if (n == 0)
		return 0;
	return failure_set(failure, CNI_INVALID_ENVIRONMENT, "%s", wrong.msg);
}

/* ---- CNI_ARGS ------------------------------------------------------------------------------ */

static int is_key(const char *item, size_t len, const char *key)
{
	return len == strlen(key) && memcmp(item, key, len) == 0;
}

static int is_true(const char *value, size_t len)
{
	return is_key(value, len, "1") || is_key(value, len, "true") ||
	       is_key(value, len, "TRUE") || is_key(value, len, "True") ||
	       is_key(value, len, "t") || is_key(value, len, "T");
}

static int copy(char *to, size_t size, const char *value, size_t len, const char *key,
	struct failure *failure)
{
	if (len >= size)
		return failure_set(failure, CNI_INVALID_ENVIRONMENT,
			"CNI_ARGS: %s is longer than %zu characters", key, size - 1);
	memcpy(to, value, len);
	to[len] = '\0';
	return 0;
}

struct args {
	const char *unknown; /* the first key that is; borrowed, 'unknown_len' long */
	size_t unknown_len;
	int ignore_unknown;
};

static int parse_item(struct cni_env *env, struct args *args, const char *item, size_t len,
	struct failure *failure)
{
	const char *equals = memchr(item, '=', len);
	size_t key_len, value_len;
	const char *value;

	if (!equals || equals == item)
		return failure_set(failure, CNI_INVALID_ENVIRONMENT,
			"CNI_ARGS: '%.*s' is not KEY=VALUE", (int)(len < 100 ? len : 100), item);
	key_len = (size_t)(equals - item);
	value = equals + 1;
	value_len = len - key_len - 1;
	if (is_key(item, key_len, "K8S_POD_NAMESPACE"))
		return copy(env->project, sizeof(env->project), value, value_len,
			"K8S_POD_NAMESPACE", failure);
	if (is_key(item, key_len, "K8S_POD_NAME"))
		return copy(env->pod, sizeof(env->pod), value, value_len, "K8S_POD_NAME", failure);
	if (is_key(item, key_len, "IgnoreUnknown"))
		args->ignore_unknown = is_true(value, value_len);
	else if (!args->unknown && !is_key(item, key_len, "K8S_POD_UID") &&
		 !is_key(item, key_len, "K8S_POD_INFRA_CONTAINER_ID")) {
		args->unknown = item;
		args->unknown_len = key_len;
	}
	return 0;
}

static int parse_args(struct cni_env *env, const char *text, struct failure *failure)
{
	struct args args = { 0 };

	while (*text) {
		size_t len = strcspn(text, ";");

		if (len > 0 && parse_item(env, &args, text, len, failure) < 0)
			return -1;
		text += len + (text[len] == ';');
	}
	if (args.unknown && !args.ignore_unknown)
		return failure_set(failure, CNI_INVALID_ENVIRONMENT,
			"CNI_ARGS: '%.*s' is unknown, and IgnoreUnknown=1 is not given",
			(int)(args.unknown_len < 100 ? args.unknown_len : 100), args.unknown);
	if (env->project[0] && !name_is_dns_label(env->project))
		return failure_set(failure, CNI_INVALID_ENVIRONMENT,
			"CNI_ARGS: K8S_POD_NAMESPACE '%s' is not a project: a DNS label",
			env->project);
	if (env->pod[0] && !cni_name_is_valid(env->pod, POD_NAME_MAX))
		return failure_set(failure, CNI_INVALID_ENVIRONMENT,
			"CNI_ARGS: K8S_POD_NAME '%s' is not a name", env->pod);
	return 0;
}

int cni_env_parse(struct cni_env *ret, const char *const *envp, struct failure *failure)
{
	struct cni_env env = { 0 };
	const struct verb *verb;

	if (parse_verb(&verb, envp, failure) < 0 ||
		parse_subject(&env, verb->needs, envp, failure) < 0)
		return -1;
	env.verb = verb->verb;
	if (env.verb == CNI_VERB_ADD) {
		if (parse_args(&env, variable(envp, "CNI_ARGS"), failure) < 0)
			return -1;
		if (!env.pod[0])
			snprintf(env.pod, sizeof(env.pod), "%s", env.container);
	}
	*ret = env;
	return 0;
}
