#include "netplugin/cni/config.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/path.h"

#define QUOTED_MAX 100 /* of a value in a message */

static const struct {
	const char *text;
	enum cni_level level;
} versions[] = {
	{ "0.4.0", CNI_LEVEL_0_4 },
	{ "1.0.0", CNI_LEVEL_1_0 },
	{ CNI_VERSION_NEWEST, CNI_LEVEL_1_1 },
};

/* What each verb came with. */
static const enum cni_level verb_levels[] = {
	[CNI_VERB_ADD] = CNI_LEVEL_0_4,
	[CNI_VERB_CHECK] = CNI_LEVEL_0_4,
	[CNI_VERB_DEL] = CNI_LEVEL_0_4,
	[CNI_VERB_GC] = CNI_LEVEL_1_1,
	[CNI_VERB_STATUS] = CNI_LEVEL_1_1,
	[CNI_VERB_VERSION] = CNI_LEVEL_0_4,
};

/*
 * Ours, those that every plugin has, and those that a runtime puts in. "args" and "capabilities"
 * speak to others: the first is a runtime's, the second says what it may give as "runtimeConfig".
 */
static const char *const known[] = { "cniVersion", "name", "type", "project", "socket", "dns",
	"prevResult", "args", "capabilities", "runtimeConfig", "cni.dev/valid-attachments",
	"cni.dev/attachments" };

/* ---- fields -------------------------------------------------------------------------------- */

/* A string member; *ret is 'otherwise' when it is not there, and that is not NULL. */
static int get_text(const json_t *object, const char *key, const char *otherwise, const char **ret,
	struct failure *failure)
{
	const json_t *value = json_object_get(object, key);
	const char *text = value ? json_string_value(value) : otherwise;

	if (!text || (value && !text[0]))
		return failure_set(failure, CNI_INVALID_CONFIG, "%s: %s", key,
			!value ? "is missing" : "must be a string that is not empty");
	*ret = text;
	return 0;
}

/* A copy, where a message wants to quote a value of any kind. */
static void quote(const json_t *value, char text[QUOTED_MAX + 4])
{
	cleanup_free char *dump = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	snprintf(text, QUOTED_MAX + 4, "%.*s%s", QUOTED_MAX, dump ? dump : "?",
		dump && strlen(dump) > QUOTED_MAX ? "..." : "");
}

static int unsupported(const char *where, const char *key, const json_t *value, const char *fix,
	struct failure *failure)
{
	char text[QUOTED_MAX + 4];

	quote(value, text);
	return failure_set(failure, CNI_UNSUPPORTED_FIELD, "%s%.64s: %s is not supported: %s",
		where, key, text, fix);
}

static bool is_empty(const json_t *value)
{
	return json_is_null(value) || json_is_false(value) ||
	       ((json_is_array(value) || json_is_object(value)) && json_array_size(value) == 0 &&
		       json_object_size(value) == 0);
}

static bool is_known(const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (strcmp(known[i], key) == 0)
			return true;
	}
	return false;
}

static int check_known(json_t *root, struct failure *failure)
{
	json_t *runtime = json_object_get(root, "runtimeConfig");
	const char *key;
	json_t *value;

	json_object_foreach(root, key, value)
	{
		if (!is_known(key))
			return unsupported("", key, value,
				"bulkhead-cni takes 'project', 'socket' and 'dns'", failure);
	}
	json_object_foreach(runtime, key, value)
	{
		if (!is_empty(value))
			return unsupported("runtimeConfig.", key, value,
				"take it out of 'capabilities'", failure);
	}
	return 0;
}

static int check_texts(const json_t *value, const char *key, struct failure *failure)
{
	size_t i;
	json_t *item;

	if (value && !json_is_array(value))
		return failure_set(failure, CNI_INVALID_CONFIG, "dns.%s: must be a list", key);
	json_array_foreach(value, i, item)
	{
		if (!json_is_string(item))
			return failure_set(failure, CNI_INVALID_CONFIG,
				"dns.%s: must be a list of strings", key);
	}
	return 0;
}

/* Handed on to the runtime, which gives it to the container. */
static int check_dns(const json_t *dns, struct failure *failure)
{
	const json_t *domain = json_object_get(dns, "domain");

	if (!dns)
		return 0;
	if (!json_is_object(dns) || (domain && !json_is_string(domain)))
		return failure_set(failure, CNI_INVALID_CONFIG,
			"dns: must be an object of 'nameservers', 'domain', 'search' and "
			"'options'");
	if (check_texts(json_object_get(dns, "nameservers"), "nameservers", failure) < 0 ||
		check_texts(json_object_get(dns, "search"), "search", failure) < 0)
		return -1;
	return check_texts(json_object_get(dns, "options"), "options", failure);
}

/* ---- GC ------------------------------------------------------------------------------------ */

static int check_attachment(const json_t *item, size_t i, struct failure *failure)
{
	const char *container = json_string_value(json_object_get(item, "containerID"));
	const char *ifname = json_string_value(json_object_get(item, "ifname"));

	if (!container || !cni_name_is_valid(container, CNI_ID_MAX) || !ifname ||
		!link_name_is_valid(ifname))
		return failure_set(failure, CNI_INVALID_CONFIG,
			"cni.dev/valid-attachments[%zu]: must have a containerID and an ifname", i);
	return 0;
}

/* null is how some runtimes write an empty list; a list that is not there is not empty. */
static int get_valid(struct cni_config *config, struct failure *failure)
{
	static const char key[] = "cni.dev/valid-attachments";
	const json_t *list = json_object_get(config->root, key);
	size_t i;
	json_t *item;

	if (!list || (!json_is_array(list) && !json_is_null(list)))
		return failure_set(failure, CNI_INVALID_CONFIG,
			"%s: must be a list: all that is not on it is removed", key);
	if (json_array_size(list) > CNI_VALID_MAX)
		return failure_set(failure, CNI_INVALID_CONFIG,
			"%s: has %zu attachments, more than the limit of %d", key,
			json_array_size(list), CNI_VALID_MAX);
	json_array_foreach(list, i, item)
	{
		if (check_attachment(item, i, failure) < 0)
			return -1;
	}
	config->valid = list;
	return 0;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static json_t *decode(const char *text, size_t size, struct failure *failure)
{
	json_error_t why;
	json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);

	if (!root)
		failure_fill(failure, CNI_DECODE,
			"the network configuration is not JSON: %s (line %d, column %d)", why.text,
			why.line, why.column);
	else if (!json_is_object(root)) {
		failure_fill(failure, CNI_DECODE, "the network configuration is not a JSON object");
		json_decref(root);
		root = NULL;
	}
	return root;
}

/* A configuration without a version is one of 0.1.0, says the specification. */
static int get_version(struct cni_config *config, enum cni_verb verb, struct failure *failure)
{
	const char *asked;

	if (get_text(config->root, "cniVersion", "0.1.0", &asked, failure) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		if (strcmp(versions[i].text, asked) != 0)
			continue;
		if (versions[i].level < verb_levels[verb])
			return failure_set(failure, CNI_INCOMPATIBLE_VERSION,
				"cniVersion: '%s' does not have this command; 1.1.0 does", asked);
		config->version = versions[i].text;
		config->level = versions[i].level;
		return 0;
	}
	return failure_set(failure, CNI_INCOMPATIBLE_VERSION,
		"cniVersion: '%.32s' is not supported: 0.4.0, 1.0.0 and 1.1.0 are", asked);
}

static int get_names(struct cni_config *config, struct failure *failure)
{
	const char *type;

	if (get_text(config->root, "name", NULL, &config->name, failure) < 0 ||
		get_text(config->root, "type", NULL, &type, failure) < 0 ||
		get_text(config->root, "socket", CNI_SOCKET_DEFAULT, &config->socket, failure) < 0)
		return -1;
	if (!cni_name_is_valid(config->name, CNI_ID_MAX))
		return failure_set(failure, CNI_INVALID_CONFIG,
			"name: '%.140s' is not 1 to %d letters, digits, '_', '.' and '-'",
			config->name, CNI_ID_MAX);
	if (config->socket[0] != '/' || strlen(config->socket) > CNI_SOCKET_PATH_MAX)
		return failure_set(failure, CNI_INVALID_CONFIG,
			"socket: '%.120s' is not an absolute path of at most %d bytes",
			config->socket, CNI_SOCKET_PATH_MAX);
	return 0;
}

/* What ADD, CHECK and STATUS look at besides. */
static int get_rest(struct cni_config *config, struct failure *failure)
{
	if (check_known(config->root, failure) < 0 ||
		get_text(config->root, "project", "", &config->project, failure) < 0)
		return -1;
	if (config->project[0] && !name_is_dns_label(config->project))
		return failure_set(failure, CNI_INVALID_CONFIG,
			"project: '%.64s' is not a project: a DNS label", config->project);
	config->dns = json_object_get(config->root, "dns");
	config->prev_result = json_object_get(config->root, "prevResult");
	return check_dns(config->dns, failure);
}

int cni_config_parse(struct cni_config *ret, enum cni_verb verb, const char *text, size_t size,
	struct failure *failure)
{
	struct cni_config config = { .project = "" };
	int r;

	config.root = decode(text, size, failure);
	if (!config.root)
		return -1;
	r = get_version(&config, verb, failure);
	if (r == 0)
		r = get_names(&config, failure);
	if (r == 0 && verb == CNI_VERB_GC)
		r = get_valid(&config, failure);
	else if (r == 0 && verb != CNI_VERB_DEL)
		r = get_rest(&config, failure);
	if (r < 0)
		json_decref(config.root);
	else
		*ret = config;
	return r;
}

void cni_config_done(struct cni_config *config)
{
	json_decref(config->root);
	config->root = NULL;
}

const char *cni_config_version(const char *text, size_t size)
{
	struct failure ignored;
	json_t *root = decode(text, size, &ignored);
	const char *asked = json_string_value(json_object_get(root, "cniVersion"));
	const char *ret = CNI_VERSION_NEWEST;

	for (size_t i = 0; asked && i < ARRAY_LEN(versions); i++) {
		if (strcmp(versions[i].text, asked) == 0)
			ret = versions[i].text;
	}
	json_decref(root);
	return ret;
}

json_t *cni_config_versions(const char *text, size_t size)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_LEN(versions); i++)
		json_array_append_new(list, json_string(versions[i].text));
	return json_pack("{s:s, s:o}", "cniVersion", cni_config_version(text, size),
		"supportedVersions", list);
}

int cni_config_project(const struct cni_config *config, const struct cni_env *env, const char **ret,
	struct failure *failure)
{
	if (!config->project[0] && !env->project[0])
		return failure_set(failure, CNI_INVALID_CONFIG,
			"no project: CNI_ARGS has no K8S_POD_NAMESPACE, and the network "
			"configuration no 'project'");
	if (config->project[0] && env->project[0] && strcmp(config->project, env->project) != 0)
		return failure_set(failure, CNI_INVALID_CONFIG,
			"project: the network is of '%s', and K8S_POD_NAMESPACE is '%s'",
			config->project, env->project);
	*ret = env->project[0] ? env->project : config->project;
	return 0;
}
