#include "netplugin/cni/result.h"

#include <stdio.h>
#include <string.h>

#define ADDRESS_SIZE (IPNET_TEXT_SIZE + 4)

/* ---- prevResult ---------------------------------------------------------------------------- */

static int check_interfaces(const json_t *list, struct failure *failure)
{
	size_t i;
	json_t *item;

	if (list && !json_is_array(list))
		return failure_set(
			failure, CNI_INVALID_CONFIG, "prevResult.interfaces: must be a list");
	json_array_foreach(list, i, item)
	{
		const json_t *sandbox = json_object_get(item, "sandbox");
		const json_t *mac = json_object_get(item, "mac");

		if (!json_is_string(json_object_get(item, "name")) ||
			(sandbox && !json_is_string(sandbox)) || (mac && !json_is_string(mac)))
			return failure_set(failure, CNI_INVALID_CONFIG,
				"prevResult.interfaces[%zu]: must have a name; sandbox and mac are "
				"strings",
				i);
	}
	return 0;
}

static int check_ips(const json_t *list, size_t interfaces, struct failure *failure)
{
	size_t i;
	json_t *item;

	if (list && !json_is_array(list))
		return failure_set(failure, CNI_INVALID_CONFIG, "prevResult.ips: must be a list");
	json_array_foreach(list, i, item)
	{
		const json_t *index = json_object_get(item, "interface");

		if (!json_is_string(json_object_get(item, "address")))
			return failure_set(failure, CNI_INVALID_CONFIG,
				"prevResult.ips[%zu].address: must be a string", i);
		if (index && !json_is_null(index) &&
			(!json_is_integer(index) || json_integer_value(index) < 0 ||
				(size_t)json_integer_value(index) >= interfaces))
			return failure_set(failure, CNI_INVALID_CONFIG,
				"prevResult.ips[%zu].interface: must be a number below %zu", i,
				interfaces);
	}
	return 0;
}

/* The index of this attachment's end in the container among prevResult's interfaces; -1: none. */
static int find_interface(const json_t *prev, const struct cni_env *env)
{
	size_t i;
	json_t *item;

	json_array_foreach(json_object_get(prev, "interfaces"), i, item)
	{
		const char *sandbox = json_string_value(json_object_get(item, "sandbox"));

		if (sandbox && strcmp(sandbox, env->netns) == 0 &&
			strcmp(json_string_value(json_object_get(item, "name")), env->ifname) == 0)
			return (int)i;
	}
	return -1;
}

/* Whatever else plugins say ("routes", "dns", what is not known yet) is theirs, and handed on. */
static int check_shape(const struct cni_config *config, struct failure *failure)
{
	const json_t *prev = config->prev_result;
	const json_t *version = json_object_get(prev, "cniVersion");
	const json_t *interfaces = json_object_get(prev, "interfaces");

	if (!json_is_object(prev))
		return failure_set(failure, CNI_INVALID_CONFIG, "prevResult: must be an object");
	if (version && (!json_is_string(version) ||
			       strcmp(json_string_value(version), config->version) != 0))
		return failure_set(failure, CNI_INVALID_CONFIG,
			"prevResult.cniVersion: must be the configuration's, '%s'",
			config->version);
	if (check_interfaces(interfaces, failure) < 0)
		return -1;
	return check_ips(json_object_get(prev, "ips"), json_array_size(interfaces), failure);
}

int cni_result_check_prev(
	const struct cni_config *config, const struct cni_env *env, struct failure *failure)
{
	if (!config->prev_result)
		return 0;
	if (check_shape(config, failure) < 0)
		return -1;
	if (find_interface(config->prev_result, env) >= 0)
		return failure_set(failure, CNI_INVALID_CONFIG,
			"prevResult.interfaces: '%s' of this container is another plugin's already",
			env->ifname);
	return 0;
}

/* ---- ADD ----------------------------------------------------------------------------------- */

/* The list 'key' of 'result', made where it is missing. Borrowed; NULL without memory. */
static json_t *list_of(json_t *result, const char *key)
{
	json_t *list = json_object_get(result, key);

	if (list)
		return list;
	if (json_object_set_new(result, key, json_array()) < 0)
		return NULL;
	return json_object_get(result, key);
}

static json_t *make_inside(const struct cni_config *config, const struct cni_env *env,
	const struct cni_attached *attached)
{
	json_t *inside = json_pack("{s:s, s:s, s:s}", "name", env->ifname, "mac", attached->mac,
		"sandbox", env->netns);

	if (inside && config->level >= CNI_LEVEL_1_1)
		json_object_set_new(inside, "mtu", json_integer((json_int_t)attached->mtu));
	return inside;
}

static json_t *make_ip(
	const struct cni_config *config, const struct cni_attached *attached, size_t interface)
{
	char address[ADDRESS_SIZE];
	json_t *ip;

	snprintf(address, sizeof(address), "%s/%u", attached->address, attached->prefix);
	ip = json_pack("{s:s, s:I}", "address", address, "interface", (json_int_t)interface);
	if (ip && config->level < CNI_LEVEL_1_0)
		json_object_set_new(ip, "version", json_string("4"));
	return ip;
}

int cni_result_make(const struct cni_config *config, const struct cni_env *env,
	const struct cni_attached *attached, json_t **ret, struct failure *failure)
{
	json_t *result = config->prev_result ? json_deep_copy(config->prev_result) : json_object();
	json_t *interfaces = list_of(result, "interfaces");
	json_t *ips = list_of(result, "ips");

	if (json_object_set_new(result, "cniVersion", json_string(config->version)) < 0 ||
		json_array_append_new(interfaces, json_pack("{s:s}", "name", attached->port)) < 0 ||
		json_array_append_new(interfaces, make_inside(config, env, attached)) < 0 ||
		json_array_append_new(
			ips, make_ip(config, attached, json_array_size(interfaces) - 1)) < 0 ||
		(config->dns && !json_object_get(result, "dns") &&
			json_object_set_new(result, "dns", json_deep_copy(config->dns)) < 0)) {
		json_decref(result);
		return failure_set(failure, CNI_IO, "no memory for a result");
	}
	*ret = result;
	return 0;
}

/* ---- CHECK --------------------------------------------------------------------------------- */

static int has_port(const json_t *prev, const char *port)
{
	size_t i;
	json_t *item;

	json_array_foreach(json_object_get(prev, "interfaces"), i, item)
	{
		const char *sandbox = json_string_value(json_object_get(item, "sandbox"));

		if ((!sandbox || !sandbox[0]) &&
			strcmp(json_string_value(json_object_get(item, "name")), port) == 0)
			return 1;
	}
	return 0;
}

/* All addresses that prevResult gives this end must be the one it has. */
static int compare_ips(const json_t *prev, int interface, const struct cni_attached *attached,
	struct failure *failure)
{
	char address[ADDRESS_SIZE];
	size_t i, n = 0;
	json_t *item;

	snprintf(address, sizeof(address), "%s/%u", attached->address, attached->prefix);
	json_array_foreach(json_object_get(prev, "ips"), i, item)
	{
		const json_t *index = json_object_get(item, "interface");
		const char *said = json_string_value(json_object_get(item, "address"));

		if (!json_is_integer(index) || json_integer_value(index) != interface)
			continue;
		n++;
		if (strcmp(said, address) != 0)
			return failure_set(failure, CNI_DIFFERS,
				"address: prevResult has '%.64s', the node %s", said, address);
	}
	if (n == 0)
		return failure_set(
			failure, CNI_DIFFERS, "address: prevResult has none, the node %s", address);
	return 0;
}

int cni_result_compare(const struct cni_config *config, const struct cni_env *env,
	const struct cni_attached *attached, struct failure *failure)
{
	const json_t *prev = config->prev_result;
	const char *mac;
	int interface;

	if (!prev)
		return failure_set(failure, CNI_INVALID_CONFIG, "prevResult: is missing");
	if (check_shape(config, failure) < 0)
		return -1;
	interface = find_interface(prev, env);
	if (interface < 0)
		return failure_set(failure, CNI_DIFFERS,
			"prevResult has no interface '%s' of '%.200s'", env->ifname, env->netns);
	mac = json_string_value(json_object_get(
		json_array_get(json_object_get(prev, "interfaces"), (size_t)interface), "mac"));
	if (mac && strcmp(mac, attached->mac) != 0)
		return failure_set(failure, CNI_DIFFERS, "mac: prevResult has '%.32s', the node %s",
			mac, attached->mac);
	if (!has_port(prev, attached->port))
		return failure_set(
			failure, CNI_DIFFERS, "prevResult has no interface '%s'", attached->port);
	return compare_ips(prev, interface, attached, failure);
}
