/* What jwt.c (signing) and jwt_verify.c share: ES256 on P-256 keys. Not for others. */
#ifndef SECRETS_JWT_KEY_H
#define SECRETS_JWT_KEY_H

#include "secrets/jwt.h"

#define ES256_SIZE 64 /* r || s, 32 bytes each, big-endian */

struct jwt_key {
	EVP_PKEY *key;
	char id[JWT_KEY_ID_SIZE];
};

int es256_sign(const struct jwt_key *key, const void *data, size_t size, uint8_t ret[ES256_SIZE],
	struct error *err);

/* 1 when the signature is the key's over the data, else 0. */
int es256_verify(const struct jwt_key *key, const void *data, size_t size,
	const uint8_t signature[ES256_SIZE]);

#endif
