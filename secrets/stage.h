/*
 * What a SECRETS_STAGE message asks for: opens sealed secrets, signs tokens, adds plain files, and
 * hands all to deliver.h. Plain text lives only in memory that is overwritten before this returns.
 */
#ifndef SECRETS_STAGE_H
#define SECRETS_STAGE_H

#include <stdint.h>

#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/error.h"
#include "secrets/deliver.h"
#include "secrets/keystore.h"

#define STAGE_SOURCES_MAX 1024 /* secrets, tokens and files of one volume, each kind */

struct staged {
	char directory[DELIVER_NAME_SIZE];
	int64_t refresh_at; /* the first token's, 0 without tokens */
};

/*
 * Stages a volume beneath 'dirfd' (from deliver_open()) at 'now', seconds since 1970. Only secrets
 * of the pod's own project that are sealed to this node are opened. Errors name volume, source and
 * file: ERR_INVALID, ERR_NOT_FOUND (a key), ERR_DENIED (another project's or node's),
 * ERR_EXHAUSTED.
 */
int stage_volume(const struct keystore *keys, const char *issuer,
	const Bulkhead__V1__SecretsStage *message, int dirfd, int64_t now, struct staged *ret,
	struct error *err);

#endif
