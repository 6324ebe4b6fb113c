#include "netplugin/options.h"

#include <getopt.h>
#include <net/if.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/parse.h"

#define BRIDGE_MAX 15 /* IFNAMSIZ - 1 */

enum option_id {
	OPT_OVSDB = 1,
	OPT_BRIDGE,
	OPT_MGMT_DIR,
	OPT_SUBNET,
	OPT_CLUSTER,
	OPT_DATAPATH,
	OPT_UID,
	OPT_GID,
	OPT_EMPTY_ROOT,
	OPT_MTU,
	OPT_TUNNEL_ADDRESS,
	OPT_EGRESS,
	OPT_DENY_LOG,
};

static const struct option long_options[] = {
	{ "ovsdb", required_argument, NULL, OPT_OVSDB },
	{ "bridge", required_argument, NULL, OPT_BRIDGE },
	{ "bridge-mgmt-dir", required_argument, NULL, OPT_MGMT_DIR },
	{ "subnet", required_argument, NULL, OPT_SUBNET },
	{ "cluster-network", required_argument, NULL, OPT_CLUSTER },
	{ "datapath", required_argument, NULL, OPT_DATAPATH },
	{ "uid", required_argument, NULL, OPT_UID },
	{ "gid", required_argument, NULL, OPT_GID },
	{ "empty-root", required_argument, NULL, OPT_EMPTY_ROOT },
	{ "mtu", required_argument, NULL, OPT_MTU },
	{ "tunnel-address", required_argument, NULL, OPT_TUNNEL_ADDRESS },
	{ "egress", required_argument, NULL, OPT_EGRESS },
	{ "deny-log", required_argument, NULL, OPT_DENY_LOG },
	{ NULL, 0, NULL, 0 },
};

static int parse_egress(const char *value, enum egress *ret, struct error *err)
{
	static const char *const names[] = {
		[EGRESS_OFF] = "off", [EGRESS_SHARED] = "shared", [EGRESS_ALONE] = "alone"
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(value, names[i]) == 0) {
			*ret = (enum egress)i;
			return 0;
		}
	}
	return error_set(
		err, ERR_INVALID, 0, "--egress: '%s' is not 'off', 'shared' or 'alone'", value);
}

static int parse_one(struct options *o, int id, const char *value, struct error *err)
{
	switch ((enum option_id)id) {
	case OPT_OVSDB:
		o->ovsdb = value;
		return 0;
	case OPT_BRIDGE:
		o->bridge = value;
		return 0;
	case OPT_MGMT_DIR:
		o->mgmt_dir = value;
		return 0;
	case OPT_SUBNET:
		return ipnet_parse(value, "--subnet", &o->subnet, err);
	case OPT_CLUSTER:
		return ipnet_parse(value, "--cluster-network", &o->cluster, err);
	case OPT_DATAPATH:
		o->datapath = value;
		return 0;
	case OPT_UID:
		return parse_u32(value, "--uid", 1, UINT32_MAX - 1, &o->uid, err);
	case OPT_GID:
		return parse_u32(value, "--gid", 1, UINT32_MAX - 1, &o->gid, err);
	case OPT_EMPTY_ROOT:
		o->empty_root = value;
		return 0;
	case OPT_MTU:
		return parse_u32(value, "--mtu", 576, 65535, &o->mtu, err);
	case OPT_TUNNEL_ADDRESS:
		if (address_parse(value, &o->tunnel_address, err) < 0)
			return error_prefix(err, "--tunnel-address");
		return 0;
	case OPT_EGRESS:
		return parse_egress(value, &o->egress, err);
	case OPT_DENY_LOG:
		if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
			return error_set(err, ERR_INVALID, 0,
				"--deny-log: '%s' is not 'on' or 'off'", value);
		o->deny_log = strcmp(value, "on") == 0;
		return 0;
	}
	return error_set(err, ERR_INVALID, 0, "unknown argument");
}

static int is_datapath(const char *text)
{
	return strcmp(text, "auto") == 0 || strcmp(text, "system") == 0 ||
	       strcmp(text, "netdev") == 0;
}

static int check_paths(struct options *o, struct error *err)
{
	const char *path = o->ovsdb + strlen("unix:");
	const char *slash;
	size_t dir_len;

	if (strncmp(o->ovsdb, "unix:/", 6) != 0)
		return error_set(err, ERR_INVALID, 0,
			"--ovsdb: '%s' is not unix:/PATH: netd speaks to its own node only",
			o->ovsdb);
	if (o->mgmt_dir[0] != '/' || o->empty_root[0] != '/')
		return error_set(err, ERR_INVALID, 0,
			"--bridge-mgmt-dir and --empty-root must be absolute paths");
	slash = strrchr(path, '/');
	dir_len = strlen(o->mgmt_dir);
	while (dir_len > 1 && o->mgmt_dir[dir_len - 1] == '/')
		dir_len--;
	if ((size_t)(slash - path) != dir_len || strncmp(path, o->mgmt_dir, dir_len) != 0)
		return error_set(err, ERR_INVALID, 0,
			"--ovsdb: '%s' does not lie in --bridge-mgmt-dir '%s'", path, o->mgmt_dir);
	o->ovsdb_name = slash + 1;
	return 0;
}

static int check(struct options *o, struct error *err)
{
	const struct {
		const char *name;
		int given;
	} needed[] = {
		{ "--ovsdb", o->ovsdb != NULL },
		{ "--bridge", o->bridge != NULL },
		{ "--bridge-mgmt-dir", o->mgmt_dir != NULL },
		{ "--subnet", o->subnet.prefix != 0 },
		{ "--cluster-network", o->cluster.prefix != 0 },
		{ "--uid", o->uid != 0 },
		{ "--empty-root", o->empty_root != NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		if (!needed[i].given)
			return error_set(err, ERR_INVALID, 0, "%s is missing", needed[i].name);
	}
	if (!is_datapath(o->datapath))
		return error_set(err, ERR_INVALID, 0,
			"--datapath: '%s' is not 'auto', 'system' or 'netdev'", o->datapath);
	if (!o->bridge[0] || strlen(o->bridge) > BRIDGE_MAX || strpbrk(o->bridge, "/: "))
		return error_set(
			err, ERR_INVALID, 0, "--bridge: '%s' is not a device name", o->bridge);
	if (o->subnet.prefix < IPAM_PREFIX_MIN || o->subnet.prefix > IPAM_PREFIX_MAX)
		return error_set(err, ERR_INVALID, 0, "--subnet: the prefix must be from %d to %d",
			IPAM_PREFIX_MIN, IPAM_PREFIX_MAX);
	if (o->cluster.prefix > o->subnet.prefix || !ipnet_contains(&o->cluster, o->subnet.address))
		return error_set(err, ERR_INVALID, 0, "--subnet does not lie in --cluster-network");
	return check_paths(o, err);
}

int options_parse(struct options *ret, int argc, char **argv, struct error *err)
{
	struct options o = { .datapath = "auto" };
	int id;

	optind = 0;
	opterr = 0;
	while ((id = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (id == '?' || id == ':')
			return error_set(err, ERR_INVALID, 0,
				"argument '%s' is unknown or lacks its value", argv[optind - 1]);
		if (parse_one(&o, id, optarg, err) < 0)
			return -1;
	}
	if (optind < argc)
		return error_set(
			err, ERR_INVALID, 0, "argument '%s' is not an option", argv[optind]);
	if (!o.gid)
		o.gid = o.uid;
	if (check(&o, err) < 0)
		return -1;
	*ret = o;
	return 0;
}
