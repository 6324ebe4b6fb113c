/* bulkhead-secretd's command line: the things it does, each with its options. Pure. */
#ifndef SECRETS_OPTIONS_H
#define SECRETS_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/error.h"

#define OPTIONS_GROUPS_MAX 32

enum options_mode {
	OPTIONS_SERVE, /* --keys --uid --empty-root --issuer */
	OPTIONS_INIT,  /* --init --keys --pki --cluster --node --address --uid */
	OPTIONS_ISSUE, /* --issue --keys --pki --cn [--org]... --out-cert --out-key [--life] */
	OPTIONS_JOIN,  /* --join --keys --pki --cluster --node --uid */
	OPTIONS_SIGN,  /* --sign --keys --uid --empty-root */
};

/* Borrows from argv. */
struct options {
	enum options_mode mode;
	const char *keys;
	const char *pki;
	const char *cluster;
	const char *node;
	const char *address;
	const char *empty_root;
	const char *issuer;
	const char *cn;
	const char *out_cert;
	const char *out_key;
	const char *groups[OPTIONS_GROUPS_MAX];
	size_t groups_len;
	uint32_t life; /* seconds; 0: not given */
	uid_t uid;
};

/* Errors: ERR_INVALID names the option that is unknown, missing, or out of place. */
int options_parse(struct options *ret, int argc, char **argv, struct error *err);

#endif
