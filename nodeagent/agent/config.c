#include "nodeagent/agent/config.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "auth/project.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/ipnet.h"
#include "lib/parse.h"
#include "lib/path.h"
#include "proto/decode.h"

#define SUBNET_BITS_MIN 3 /* as netd's IPAM_PREFIX_MAX and _MIN say */
#define SUBNET_BITS_MAX 15
#define SUBNET_RESERVED 3  /* network, gateway, broadcast */
#define BRIDGE_LEN_MAX  15 /* IFNAMSIZ - 1 */
#define CGROUP_LEN_MAX  64
#define ISSUER_LEN_MAX  253

typedef int (*check_fn)(const char *field, const char *value, struct error *err);

static int one_of(const char *field, const char *value, const char *a, const char *b, const char *c,
	struct error *err)
{
	if (strcmp(value, a) == 0 || strcmp(value, b) == 0 || (c && strcmp(value, c) == 0))
		return 0;
	return error_set(err, ERR_INVALID, 0, "%s: must be %s%s%s or %s, not '%.64s'", field, a,
		c ? ", " : "", c ? c : "", b, value);
}

static int check_name(const char *field, const char *value, struct error *err)
{
	if (name_is_dns_subdomain(value))
		return 0;
	return error_set(err, ERR_INVALID, 0,
		"%s: '%.64s' is not an RFC 1123 subdomain (lower-case letters, digits, '-', '.')",
		field, value);
}

/* What mount options, socket addresses and log lines can carry as it is. */
static int check_dir(const char *field, const char *value, struct error *err)
{
	size_t len = strlen(value);

	if (value[0] != '/' || len < 2)
		return error_set(err, ERR_INVALID, 0,
			"%s: '%.200s' is not an absolute path below '/'", field, value);
	if (value[len - 1] == '/' || strstr(value, "//") || strstr(value, "/./") ||
		strstr(value, "/../") || strcmp(value + len - 2, "/.") == 0 ||
		(len > 2 && strcmp(value + len - 3, "/..") == 0))
		return error_set(err, ERR_INVALID, 0,
			"%s: '%.200s' must be written without '.', '..', double or final '/'",
			field, value);
	for (const char *p = value; *p; p++) {
		if (!isgraph((unsigned char)*p) || strchr(",:\\\"'", *p))
			return error_set(err, ERR_INVALID, 0,
				"%s: '%.200s' has a blank, a control character or one of , : \\ \" "
				"'",
				field, value);
	}
	return 0;
}

static int check_state_dir(const char *field, const char *value, struct error *err)
{
	if (strlen(value) > CONFIG_STATE_DIR_MAX)
		return error_set(err, ERR_INVALID, 0, "%s: is longer than %d bytes", field,
			CONFIG_STATE_DIR_MAX);
	return check_dir(field, value, err);
}

static int check_run_dir(const char *field, const char *value, struct error *err)
{
	if (strlen(value) > CONFIG_RUN_DIR_MAX)
		return error_set(err, ERR_INVALID, 0,
			"%s: is longer than %d bytes, which leaves no room for the sockets below "
			"it; choose a shorter path",
			field, CONFIG_RUN_DIR_MAX);
	return check_dir(field, value, err);
}

/* ADDRESS:PORT, [ADDRESS]:PORT for IPv6. bulkhead-api judges the address itself when it binds. */
static int check_listen(const char *field, const char *value, struct error *err)
{
	const char *colon = strrchr(value, ':');
	uint32_t port;

	if (!colon || colon == value || (value[0] != '[' && strchr(value, ':') != colon) ||
		(value[0] == '[' && colon[-1] != ']'))
		return error_set(err, ERR_INVALID, 0,
			"%s: '%.64s' is not ADDRESS:PORT ([ADDRESS]:PORT for IPv6)", field, value);
	return parse_u32(colon + 1, field, 1, 65535, &port, err);
}

static int check_network(const char *field, const char *value, struct error *err)
{
	struct ipnet net;

	return ipnet_parse(value, field, &net, err);
}

static int check_address(const char *field, const char *value, struct error *err)
{
	uint32_t address;

	if (address_parse(value, &address, err) < 0)
		return error_prefix(err, "%s", field);
	if (address == 0 || address == UINT32_MAX)
		return error_set(err, ERR_INVALID, 0, "%s: '%s' is no node's", field, value);
	return 0;
}

/* As check_listen(), but Open vSwitch's programs take IPv4 addresses here. */
static int check_database(const char *field, const char *value, struct error *err)
{
	char host[IPNET_TEXT_SIZE] = "";
	const char *colon = strrchr(value, ':');

	if (check_listen(field, value, err) < 0)
		return -1;
	if (colon && (size_t)(colon - value) < sizeof(host))
		memcpy(host, value, (size_t)(colon - value));
	return check_address(field, host, err);
}

static int check_ovs(const char *field, const char *value, struct error *err)
{
	return one_of(field, value, "private", "system", NULL, err);
}

static int check_swap(const char *field, const char *value, struct error *err)
{
	return one_of(field, value, "refuse", "allow", NULL, err);
}

static int check_datapath(const char *field, const char *value, struct error *err)
{
	return one_of(field, value, "auto", "netdev", "system", err);
}

static int check_switch(const char *field, const char *value, struct error *err)
{
	return one_of(field, value, "on", "off", NULL, err);
}

static int check_journal(const char *field, const char *value, struct error *err)
{
	if (strcmp(value, CONFIG_JOURNAL_AUTO) == 0 || strcmp(value, CONFIG_JOURNAL_NONE) == 0)
		return 0;
	if (strlen(value) > CONFIG_SOCKET_MAX)
		return error_set(err, ERR_INVALID, 0, "%s: is longer than %d bytes", field,
			CONFIG_SOCKET_MAX);
	return check_dir(field, value, err);
}

static int check_log_driver(const char *field, const char *value, struct error *err)
{
	return one_of(field, value, "cri", "both", "journald", err);
}

bool config_log_journal(const Bulkhead__V1__NodeConfig *config)
{
	return strcmp(config->log_driver, "journald") == 0 ||
	       strcmp(config->log_driver, "both") == 0;
}

bool config_log_files(const Bulkhead__V1__NodeConfig *config)
{
	return strcmp(config->log_driver, "journald") != 0;
}

/* Empty: open_cgroups() in main.c looks. */
static int check_driver(const char *field, const char *value, struct error *err)
{
	return *value ? one_of(field, value, "systemd", "cgroupfs", NULL, err) : 0;
}

/* Relative, and each part an ordinary name: it is joined to every hierarchy's root. */
static int check_cgroup(const char *field, const char *value, struct error *err)
{
	size_t part = 0;

	if (strlen(value) > CGROUP_LEN_MAX)
		return error_set(
			err, ERR_INVALID, 0, "%s: is longer than %d bytes", field, CGROUP_LEN_MAX);
	for (const char *p = value;; p++) {
		if (*p == '/' || !*p) {
			if (part == 0)
				break;
			part = 0;
			if (!*p)
				return 0;
			continue;
		}
		if (!(isalnum((unsigned char)*p) || strchr("-_.", *p)) || (part == 0 && *p == '.'))
			break;
		part++;
	}
	return error_set(err, ERR_INVALID, 0,
		"%s: '%.64s' is not a relative path of names ([a-zA-Z0-9._-], not starting with "
		"'.')",
		field, value);
}

static int check_bridge(const char *field, const char *value, struct error *err)
{
	size_t len = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789-_.");

	if (len > 0 && len <= BRIDGE_LEN_MAX && !value[len] && value[0] != '.' && value[0] != '-')
		return 0;
	return error_set(err, ERR_INVALID, 0,
		"%s: '%.64s' is not 1 to %d of [a-zA-Z0-9._-], starting with a letter or digit",
		field, value, BRIDGE_LEN_MAX);
}

/* Goes into tokens as "iss"; OpenID Connect wants an https URL without query and fragment. */
static int check_issuer(const char *field, const char *value, struct error *err)
{
	const char *prefix = "https://";

	if (strncmp(value, prefix, strlen(prefix)) != 0 || !value[strlen(prefix)] ||
		strlen(value) > ISSUER_LEN_MAX || strpbrk(value, "?#\"\\ \t"))
		return error_set(err, ERR_INVALID, 0,
			"%s: '%.64s' is not an https:// URL without query of at most %d bytes",
			field, value, ISSUER_LEN_MAX);
	return 0;
}

bool config_has_peers(const Bulkhead__V1__NodeConfig *config)
{
	return config->cluster_listen[0] || config->manager[0];
}

bool config_is_member(const Bulkhead__V1__NodeConfig *config)
{
	return config->manager[0];
}

#define FIELD(name) #name, offsetof(Bulkhead__V1__NodeConfig, name)

static const struct text_field {
	const char *name;
	size_t offset;
	check_fn check;
} text_fields[] = {
	{ FIELD(node_name), check_name },
	{ FIELD(state_dir), check_state_dir },
	{ FIELD(run_dir), check_run_dir },
	{ FIELD(listen), check_listen },
	{ FIELD(cluster_network), check_network },
	{ FIELD(ovs), check_ovs },
	{ FIELD(datapath), check_datapath },
	{ FIELD(egress), check_switch },
	{ FIELD(deny_log), check_switch },
	{ FIELD(secrets_on_swap), check_swap },
	{ FIELD(cgroup_parent), check_cgroup },
	{ FIELD(cgroup_driver), check_driver },
	{ FIELD(bridge), check_bridge },
	{ FIELD(libexec_dir), check_dir },
	{ FIELD(seccomp_dir), check_dir },
	{ FIELD(token_issuer), check_issuer },
	{ FIELD(journal_socket), check_journal },
	{ FIELD(log_driver), check_log_driver },
	{ FIELD(address), check_address },
	{ FIELD(cluster_listen), check_database },
	{ FIELD(manager), check_database },
};

static const struct number_field {
	const char *name;
	size_t offset;
	uint32_t min;
	uint32_t max;
} number_fields[] = {
	{ FIELD(host_subnet_bits), SUBNET_BITS_MIN, SUBNET_BITS_MAX },
	{ FIELD(api_uid), 1, UINT32_MAX - 1 },
	{ FIELD(secretd_uid), 1, UINT32_MAX - 1 },
	{ FIELD(clusterd_uid), 1, UINT32_MAX - 1 },
	{ FIELD(netd_uid), 1, UINT32_MAX - 1 },
	{ FIELD(unpack_uid), 1, UINT32_MAX - 1 },
	{ FIELD(userns_start), USERNS_SLICE_SIZE, UINT32_MAX - USERNS_SLICE_SIZE },
	{ FIELD(userns_slices), 1, UINT32_MAX / USERNS_SLICE_SIZE },
	{ FIELD(image_base), USERNS_SLICE_SIZE, UINT32_MAX - USERNS_SLICE_SIZE },
	{ FIELD(max_pods), 1, CONFIG_PODS_MAX },
	{ FIELD(drift_interval), 0, CONFIG_DRIFT_INTERVAL_MAX },
};

static uint32_t number_at(const Bulkhead__V1__NodeConfig *config, size_t offset)
{
	return *(const uint32_t *)(const void *)((const char *)config + offset);
}

static int check_fields(const Bulkhead__V1__NodeConfig *config, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(text_fields); i++) {
		const struct text_field *f = &text_fields[i];
		const char *value =
			*(char *const *)(const void *)((const char *)config + f->offset);

		/* What came later has a value that stands for none. */
		if (!*value && (f->check == check_journal || f->check == check_log_driver ||
				       f->check == check_swap || f->check == check_driver ||
				       f->check == check_address || f->check == check_database ||
				       f->check == check_switch))
			continue;
		if (!*value)
			return error_set(err, ERR_INVALID, 0, "%s: is missing", f->name);
		if (f->check(f->name, value, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < ARRAY_LEN(number_fields); i++) {
		const struct number_field *f = &number_fields[i];
		uint32_t value = number_at(config, f->offset);

		if (value < f->min || value > f->max)
			return error_set(err, ERR_INVALID, 0, "%s: must be %u to %u, not %u",
				f->name, f->min, f->max, value);
	}
	return 0;
}

/* ---- fields against each other ------------------------------------------------------------- */

struct id_range {
	const char *name;
	uint64_t start;
	uint64_t size;
};

/* No id may stand for two things: a confined process, a pod, a project, an image's files. */
static int check_ids(const Bulkhead__V1__NodeConfig *c, struct error *err)
{
	const struct id_range ranges[] = {
		{ "the projects' uid blocks", PROJECT_UID_BASE,
			(uint64_t)PROJECT_BLOCKS * PROJECT_UID_SIZE },
		{ "userns_start and userns_slices", c->userns_start,
			(uint64_t)c->userns_slices * USERNS_SLICE_SIZE },
		{ "image_base", c->image_base, USERNS_SLICE_SIZE },
		{ "api_uid", c->api_uid, 1 },
		{ "secretd_uid", c->secretd_uid, 1 },
		{ "clusterd_uid", c->clusterd_uid, 1 },
		{ "netd_uid", c->netd_uid, 1 },
		{ "unpack_uid", c->unpack_uid, 1 },
	};

	if (ranges[1].start + ranges[1].size > UINT32_MAX)
		return error_set(err, ERR_INVALID, 0,
			"userns_slices: %u slices of %u ids from %u on go past the last id; use "
			"fewer",
			c->userns_slices, USERNS_SLICE_SIZE, c->userns_start);
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		for (size_t j = 0; j < i; j++) {
			const struct id_range *a = &ranges[j], *b = &ranges[i];

			if (a->start < b->start + b->size && b->start < a->start + a->size)
				return error_set(err, ERR_INVALID, 0,
					"%s: id %llu belongs to %s too; every use needs ids of its "
					"own",
					b->name,
					(unsigned long long)(a->start > b->start ? a->start
										 : b->start),
					a->name);
		}
	}
	return 0;
}

static bool is_beneath(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || !path[len]);
}

static int check_together(const Bulkhead__V1__NodeConfig *c, struct error *err)
{
	struct ipnet net;

	if (is_beneath(c->run_dir, c->state_dir) || is_beneath(c->state_dir, c->run_dir))
		return error_set(err, ERR_INVALID, 0,
			"run_dir: '%s' and state_dir '%s' must not lie in each other: one goes "
			"with a reboot, the other stays",
			c->run_dir, c->state_dir);
	if (c->cluster_listen[0] && c->manager[0])
		return error_set(err, ERR_INVALID, 0,
			"cluster_listen: goes with the node that has the cluster's database; this "
			"one "
			"has a manager");
	if (config_has_peers(c) && !c->address[0])
		return error_set(err, ERR_INVALID, 0,
			"address: is missing; other nodes must know where to reach this one");
	if (ipnet_parse(c->cluster_network, "cluster_network", &net, err) < 0)
		return -1;
	if (net.prefix > 32 - c->host_subnet_bits)
		return error_set(err, ERR_INVALID, 0,
			"host_subnet_bits: a node's %u bits do not fit in cluster_network %s",
			c->host_subnet_bits, c->cluster_network);
	if (c->max_pods > (1u << c->host_subnet_bits) - SUBNET_RESERVED)
		return error_set(err, ERR_INVALID, 0,
			"max_pods: %u is more than the %u addresses that host_subnet_bits %u gives",
			c->max_pods, (1u << c->host_subnet_bits) - SUBNET_RESERVED,
			c->host_subnet_bits);
	if (c->max_pods > c->userns_slices)
		return error_set(err, ERR_INVALID, 0,
			"max_pods: %u is more than the %u userns_slices", c->max_pods,
			c->userns_slices);
	return check_ids(c, err);
}

int config_check(const Bulkhead__V1__NodeConfig *config, struct error *err)
{
	if (check_fields(config, err) < 0)
		return -1;
	return check_together(config, err);
}

int config_load(const char *path, Bulkhead__V1__NodeConfig **ret, struct error *err)
{
	cleanup_free char *text = NULL;
	ProtobufCMessage *message;
	size_t size;

	if (file_read_at(AT_FDCWD, path, CONFIG_SIZE_MAX, &text, &size, err) < 0)
		return -1;
	if (decode_yaml(&bulkhead__v1__node_config__descriptor, text, size, &message, err) < 0)
		return error_prefix(err, "%s", path);
	if (config_check((Bulkhead__V1__NodeConfig *)message, err) < 0) {
		protobuf_c_message_free_unpacked(message, NULL);
		return error_prefix(err, "%s", path);
	}
	*ret = (Bulkhead__V1__NodeConfig *)message;
	return 0;
}
