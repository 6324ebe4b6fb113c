#include "nodeagent/cluster/arguments.h"

#include <getopt.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/parse.h"
#include "nodeagent/cluster/allocate.h"

enum argument {
	ARG_DB = 1,
	ARG_UID,
	ARG_GID,
	ARG_ROOT,
	ARG_CLUSTER,
	ARG_HOST_BITS,
	ARG_HOLD,
	ARG_MEMBER,
};

static const struct option long_options[] = {
	{ "db", required_argument, NULL, ARG_DB },
	{ "uid", required_argument, NULL, ARG_UID },
	{ "gid", required_argument, NULL, ARG_GID },
	{ "root", required_argument, NULL, ARG_ROOT },
	{ "cluster-network", required_argument, NULL, ARG_CLUSTER },
	{ "host-subnet-bits", required_argument, NULL, ARG_HOST_BITS },
	{ "hold", required_argument, NULL, ARG_HOLD },
	{ "member", no_argument, NULL, ARG_MEMBER },
	{ NULL, 0, NULL, 0 },
};

static int parse_db(struct arguments *a, const char *text, struct error *err)
{
	const char *path = text + strlen("unix:");
	const char *slash;
	size_t len;

	if (strncmp(text, "unix:/", 6) != 0)
		return error_set(err, ERR_INVALID, 0, "--db: '%s' is not unix:/PATH", text);
	slash = strrchr(path, '/');
	len = slash == path ? 1 : (size_t)(slash - path);
	if (!slash[1] || len >= sizeof(a->db_dir))
		return error_set(err, ERR_INVALID, 0,
			"--db: '%s' is not the path of a socket in a directory of less than %zu "
			"bytes",
			path, sizeof(a->db_dir));
	memcpy(a->db_dir, path, len);
	a->db_dir[len] = '\0';
	a->db_name = slash + 1;
	return 0;
}

static int parse_root(struct arguments *a, const char *text, struct error *err)
{
	if (text[0] != '/')
		return error_set(err, ERR_INVALID, 0, "--root: '%s' is not an absolute path", text);
	a->root = text;
	return 0;
}

static int parse_one(struct arguments *a, int id, const char *text, struct error *err)
{
	switch ((enum argument)id) {
	case ARG_DB:
		return parse_db(a, text, err);
	case ARG_UID:
		return parse_u32(text, "--uid", 1, UINT32_MAX - 1, &a->uid, err);
	case ARG_GID:
		return parse_u32(text, "--gid", 1, UINT32_MAX - 1, &a->gid, err);
	case ARG_ROOT:
		return parse_root(a, text, err);
	case ARG_CLUSTER:
		return ipnet_parse(text, "--cluster-network", &a->cluster, err);
	case ARG_HOST_BITS:
		return parse_u32(text, "--host-subnet-bits", HOST_BITS_MIN, HOST_BITS_MAX,
			&a->host_bits, err);
	case ARG_HOLD:
		return parse_u32(text, "--hold", 0, INT32_MAX, &a->hold, err);
	case ARG_MEMBER:
		a->member = true;
		return 0;
	}
	return error_set(err, ERR_INVALID, 0, "unknown argument");
}

static int check(const struct arguments *a, struct error *err)
{
	const struct {
		const char *name;
		int given;
	} needed[] = {
		{ "--db", a->db_name != NULL },
		{ "--uid", a->uid != 0 },
		{ "--root", a->root != NULL },
		{ "--cluster-network", a->cluster.prefix != 0 },
		{ "--host-subnet-bits", a->host_bits != 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		if (!needed[i].given)
			return error_set(err, ERR_INVALID, 0, "%s is missing", needed[i].name);
	}
	if (a->cluster.prefix + a->host_bits > 32)
		return error_set(err, ERR_INVALID, 0,
			"--host-subnet-bits: a subnet of %u host bits is larger than "
			"--cluster-network with its prefix of %u",
			a->host_bits, a->cluster.prefix);
	return 0;
}

int arguments_parse(struct arguments *ret, int argc, char **argv, struct error *err)
{
	struct arguments a = { .hold = ALLOCATE_HOLD_SECONDS };
	int id;

	optind = 0;
	opterr = 0;
	while ((id = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (id == '?' || id == ':')
			return error_set(err, ERR_INVALID, 0,
				"argument '%s' is unknown or lacks its value", argv[optind - 1]);
		if (parse_one(&a, id, optarg, err) < 0)
			return -1;
	}
	if (optind < argc)
		return error_set(
			err, ERR_INVALID, 0, "argument '%s' is not an option", argv[optind]);
	if (!a.gid)
		a.gid = a.uid;
	if (check(&a, err) < 0)
		return -1;
	*ret = a;
	return 0;
}
