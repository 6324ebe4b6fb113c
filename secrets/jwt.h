/*
 * JSON web tokens in the one form Bulkhead makes and takes: compact JWS (RFC 7515), ES256 (RFC
 * 7518, 3.4), key found by kid. No other algorithm exists here, so none can be asked for by a
 * token.
 */
#ifndef SECRETS_JWT_H
#define SECRETS_JWT_H

#include <jansson.h>
#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

#define JWT_SIZE_MAX    16384 /* characters of a token */
#define JWT_KEY_ID_SIZE 44    /* 43 characters and a NUL */

struct jwt_key;

/*
 * A P-256 key, private or public. Takes a reference of its own to 'key'. The key id is
 * base64url(SHA-256(SubjectPublicKeyInfo)), as Kubernetes has it. Errors: ERR_INVALID (another kind
 * of key). Freed with jwt_key_free(), which takes NULL.
 */
int jwt_key_new(struct jwt_key **ret, EVP_PKEY *key, struct error *err);
void jwt_key_free(struct jwt_key *key);

/* Borrowed. */
const char *jwt_key_id(const struct jwt_key *key);

/* The public keys as a JWK set (RFC 7517). The caller frees *ret. */
int jwt_jwks(const struct jwt_key *const *keys, size_t len, char **ret, struct error *err);

/*
 * Signs 'claims' (an object, borrowed). The caller releases *ret with envelope_wipe(): a token is
 * as good as a password. Errors: ERR_EXHAUSTED when it would pass JWT_SIZE_MAX.
 */
int jwt_sign(const struct jwt_key *key, const json_t *claims, char **ret, struct error *err);

/* What a token must say. Borrowed. */
struct jwt_expect {
	const char *issuer;
	const char *audience;
	int64_t now;    /* seconds since 1970 */
	int64_t leeway; /* seconds by which clocks may differ */
};

/*
 * Checks form, signature, iss, aud, exp, nbf and iat, in this order; iss, aud and exp must be
 * there. On success the caller releases *ret_claims with json_decref(). Errors:
 * ERR_UNAUTHENTICATED; the text never holds any of the token.
 */
int jwt_verify(const struct jwt_key *const *keys, size_t keys_len, const char *token, size_t size,
	const struct jwt_expect *expect, json_t **ret_claims, struct error *err);

#endif
