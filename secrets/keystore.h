/* The keys that bulkhead-secretd holds while it runs, read once at its start (secrets/setup.h made
 * them). */
#ifndef SECRETS_KEYSTORE_H
#define SECRETS_KEYSTORE_H

#include "secrets/hpke.h"
#include "secrets/jwt.h"
#include "secrets/sealing_key.h"

#define KEYSTORE_NODE_MAX 253

struct keystore {
	char node[KEYSTORE_NODE_MAX + 1]; /* the name secrets are sealed to */
	uint8_t sealing_private[HPKE_KEY_SIZE];
	uint8_t sealing_public[HPKE_KEY_SIZE];
	uint8_t sealing_signature[SEALING_KEY_SIGNATURE_MAX]; /* the CA's */
	size_t sealing_signature_size;
	struct jwt_key *token;
};

/*
 * Reads the keys from the directory and tries each once (which also makes OpenSSL load what it will
 * need). Released with keystore_done(). Errors name the file.
 */
int keystore_init(struct keystore *ret, const char *directory, struct error *err);

/* Overwrites the keys. Takes one that was never filled (all zero). */
void keystore_done(struct keystore *keystore);

#endif
