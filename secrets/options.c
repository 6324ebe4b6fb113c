#include "secrets/options.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/cleanup.h"
#include "lib/parse.h"

#define BIT(mode) (1u << (mode))
#define SERVE     BIT(OPTIONS_SERVE)
#define INIT      BIT(OPTIONS_INIT)
#define ISSUE     BIT(OPTIONS_ISSUE)
#define JOIN      BIT(OPTIONS_JOIN)
#define SIGN      BIT(OPTIONS_SIGN)

enum option_id {
	OPT_INIT = 1,
	OPT_ISSUE,
	OPT_JOIN,
	OPT_SIGN,
	OPT_KEYS,
	OPT_PKI,
	OPT_CLUSTER,
	OPT_NODE,
	OPT_ADDRESS,
	OPT_UID,
	OPT_EMPTY_ROOT,
	OPT_ISSUER,
	OPT_CN,
	OPT_ORG,
	OPT_OUT_CERT,
	OPT_OUT_KEY,
	OPT_LIFE,
	OPT_END,
};

/* Which option belongs to which modes, and whether it must be given there. */
static const struct rule {
	const char *name;
	unsigned modes;
	bool needed;
} rules[OPT_END] = {
	[OPT_INIT] = { "init", INIT, true },
	[OPT_ISSUE] = { "issue", ISSUE, true },
	[OPT_JOIN] = { "join", JOIN, true },
	[OPT_SIGN] = { "sign", SIGN, true },
	[OPT_KEYS] = { "keys", SERVE | INIT | ISSUE | JOIN | SIGN, true },
	[OPT_PKI] = { "pki", INIT | ISSUE | JOIN, true },
	[OPT_CLUSTER] = { "cluster", INIT | JOIN, true },
	[OPT_NODE] = { "node", INIT | JOIN, true },
	[OPT_ADDRESS] = { "address", INIT, true },
	[OPT_UID] = { "uid", SERVE | INIT | JOIN | SIGN, true },
	[OPT_EMPTY_ROOT] = { "empty-root", SERVE | SIGN, true },
	[OPT_ISSUER] = { "issuer", SERVE, true },
	[OPT_CN] = { "cn", ISSUE, true },
	[OPT_ORG] = { "org", ISSUE, false },
	[OPT_OUT_CERT] = { "out-cert", ISSUE, true },
	[OPT_OUT_KEY] = { "out-key", ISSUE, true },
	[OPT_LIFE] = { "life", ISSUE, false },
};

static const struct option longs[] = {
	{ "init", no_argument, NULL, OPT_INIT },
	{ "issue", no_argument, NULL, OPT_ISSUE },
	{ "join", no_argument, NULL, OPT_JOIN },
	{ "sign", no_argument, NULL, OPT_SIGN },
	{ "keys", required_argument, NULL, OPT_KEYS },
	{ "pki", required_argument, NULL, OPT_PKI },
	{ "cluster", required_argument, NULL, OPT_CLUSTER },
	{ "node", required_argument, NULL, OPT_NODE },
	{ "address", required_argument, NULL, OPT_ADDRESS },
	{ "uid", required_argument, NULL, OPT_UID },
	{ "empty-root", required_argument, NULL, OPT_EMPTY_ROOT },
	{ "issuer", required_argument, NULL, OPT_ISSUER },
	{ "cn", required_argument, NULL, OPT_CN },
	{ "org", required_argument, NULL, OPT_ORG },
	{ "out-cert", required_argument, NULL, OPT_OUT_CERT },
	{ "out-key", required_argument, NULL, OPT_OUT_KEY },
	{ "life", required_argument, NULL, OPT_LIFE },
	{ NULL, 0, NULL, 0 },
};

static const char **text_of(struct options *o, enum option_id id)
{
	switch (id) {
	case OPT_KEYS:
		return &o->keys;
	case OPT_PKI:
		return &o->pki;
	case OPT_CLUSTER:
		return &o->cluster;
	case OPT_NODE:
		return &o->node;
	case OPT_ADDRESS:
		return &o->address;
	case OPT_EMPTY_ROOT:
		return &o->empty_root;
	case OPT_ISSUER:
		return &o->issuer;
	case OPT_CN:
		return &o->cn;
	case OPT_OUT_CERT:
		return &o->out_cert;
	case OPT_OUT_KEY:
		return &o->out_key;
	case OPT_INIT:
	case OPT_ISSUE:
	case OPT_JOIN:
	case OPT_SIGN:
	case OPT_UID:
	case OPT_ORG:
	case OPT_LIFE:
	case OPT_END:
		break;
	}
	return NULL;
}

static int take(struct options *o, enum option_id id, const char *value, struct error *err)
{
	const char **text = text_of(o, id);
	uint32_t uid;

	if (text) {
		if (!value[0])
			return error_set(err, ERR_INVALID, 0, "--%s: is empty", rules[id].name);
		*text = value;
	} else if (id == OPT_INIT) {
		o->mode = OPTIONS_INIT;
	} else if (id == OPT_ISSUE) {
		o->mode = OPTIONS_ISSUE;
	} else if (id == OPT_JOIN) {
		o->mode = OPTIONS_JOIN;
	} else if (id == OPT_SIGN) {
		o->mode = OPTIONS_SIGN;
	} else if (id == OPT_LIFE) {
		return parse_u32(value, "--life", 60, INT32_MAX, &o->life, err);
	} else if (id == OPT_UID) {
		if (parse_u32(value, "--uid", 1, UINT32_MAX - 1, &uid, err) < 0)
			return -1;
		o->uid = uid;
	} else if (o->groups_len == OPTIONS_GROUPS_MAX) {
		return error_set(
			err, ERR_INVALID, 0, "--org: given more than %d times", OPTIONS_GROUPS_MAX);
	} else {
		o->groups[o->groups_len++] = value;
	}
	return 0;
}

static int check(const struct options *o, const bool *given, struct error *err)
{
	for (int id = 1; id < OPT_END; id++) {
		bool fits = (rules[id].modes & BIT(o->mode)) != 0;

		if (given[id] && !fits)
			return error_set(
				err, ERR_INVALID, 0, "--%s: does not belong here", rules[id].name);
		if (!given[id] && fits && rules[id].needed)
			return error_set(err, ERR_INVALID, 0, "--%s: is missing", rules[id].name);
	}
	return 0;
}

int options_parse(struct options *ret, int argc, char **argv, struct error *err)
{
	struct options o = { .mode = OPTIONS_SERVE };
	bool given[OPT_END] = { false };
	int id;

	opterr = 0;
	optind = 0; /* from the start, also the second time */
	while ((id = getopt_long(argc, argv, "+", longs, NULL)) != -1) {
		if (id == '?')
			return error_set(err, ERR_INVALID, 0,
				"'%s': unknown option, or its value is missing", argv[optind - 1]);
		if (given[id] && id != OPT_ORG)
			return error_set(err, ERR_INVALID, 0, "--%s: given twice", rules[id].name);
		given[id] = true;
		if (take(&o, (enum option_id)id, optarg, err) < 0)
			return -1;
	}
	if (optind != argc)
		return error_set(err, ERR_INVALID, 0, "'%s': only options are taken", argv[optind]);
	if (check(&o, given, err) < 0)
		return -1;
	*ret = o;
	return 0;
}
