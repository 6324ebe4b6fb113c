/*
 * Bound service account tokens: the claims of Kubernetes (serviceaccount/claims.go), so that
 * whoever takes its tokens takes ours. Pure but for the randomness of jti.
 */
#ifndef SECRETS_TOKEN_H
#define SECRETS_TOKEN_H

#include <stdint.h>

#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/error.h"
#include "secrets/jwt.h"

#define TOKEN_LIFE_MIN     600 /* seconds, as in Kubernetes */
#define TOKEN_LIFE_MAX     (INT64_C(1) << 32)
#define TOKEN_LIFE_DEFAULT 3600  /* for expiration_seconds 0 */
#define TOKEN_REFRESH_MAX  86400 /* renewed after 80 % of its life, or this */

/*
 * Makes a token for 'source' bound to 'identity', issued at 'now' (seconds since 1970).
 *
 *   iss, sub "system:serviceaccount:PROJECT:ACCOUNT", aud [audience; "" is the issuer], iat, nbf,
 * exp, jti, kubernetes.io { namespace, serviceaccount, pod, node (name and uid each), warnafter }
 *
 * warnafter is *ret_refresh_at: whoever uses the token later did not read the file again. The
 * caller releases *ret with envelope_wipe(). Errors: ERR_INVALID names the field.
 */
int token_make(const struct jwt_key *key, const char *issuer,
	const Bulkhead__V1__TokenSource *source, const Bulkhead__V1__PodIdentity *identity,
	int64_t now, char **ret, int64_t *ret_refresh_at, struct error *err);

#endif
