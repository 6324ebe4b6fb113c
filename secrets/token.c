#include "secrets/token.h"

#include <inttypes.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"

#define UUID_SIZE    37
#define AUDIENCE_MAX 1024

/* RFC 9562, version 4. */
static int uuid_make(char text[UUID_SIZE], struct error *err)
{
	uint8_t b[16];

	if (RAND_bytes(b, sizeof(b)) != 1)
		return error_set(err, ERR_INTERNAL, 0, "OpenSSL cannot make random bytes");
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	snprintf(text, UUID_SIZE,
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		b[15]);
	return 0;
}

static int check_identity(const Bulkhead__V1__PodIdentity *id, struct error *err)
{
	const struct {
		const char *name;
		const char *value;
	} needed[] = {
		{ "project", id->project },
		{ "pod", id->pod },
		{ "pod_uid", id->pod_uid },
		{ "service_account", id->service_account },
		{ "service_account_uid", id->service_account_uid },
		{ "node", id->node },
		{ "node_uid", id->node_uid },
	};

	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		if (!needed[i].value[0])
			return error_set(err, ERR_INVALID, 0,
				"identity.%s: a token cannot be bound to nothing", needed[i].name);
	}
	return 0;
}

static int life_of(const Bulkhead__V1__TokenSource *source, int64_t *ret, struct error *err)
{
	int64_t life = source->expiration_seconds ? source->expiration_seconds : TOKEN_LIFE_DEFAULT;

	if (life < TOKEN_LIFE_MIN || life > TOKEN_LIFE_MAX)
		return error_set(err, ERR_INVALID, 0,
			"expirationSeconds: %" PRId64 " is not from %d to %" PRId64, life,
			TOKEN_LIFE_MIN, TOKEN_LIFE_MAX);
	if (strlen(source->audience) > AUDIENCE_MAX)
		return error_set(err, ERR_INVALID, 0, "audience: more than %d bytes", AUDIENCE_MAX);
	*ret = life;
	return 0;
}

static json_t *binding(const Bulkhead__V1__PodIdentity *id, int64_t warn_after)
{
	return json_pack("{s:s, s:{s:s, s:s}, s:{s:s, s:s}, s:{s:s, s:s}, s:I}", "namespace",
		id->project, "serviceaccount", "name", id->service_account, "uid",
		id->service_account_uid, "pod", "name", id->pod, "uid", id->pod_uid, "node", "name",
		id->node, "uid", id->node_uid, "warnafter", (json_int_t)warn_after);
}

int token_make(const struct jwt_key *key, const char *issuer,
	const Bulkhead__V1__TokenSource *source, const Bulkhead__V1__PodIdentity *id, int64_t now,
	char **ret, int64_t *ret_refresh_at, struct error *err)
{
	const char *audience = source->audience[0] ? source->audience : issuer;
	cleanup_free char *subject = NULL;
	char jti[UUID_SIZE];
	int64_t life = 0, refresh;
	json_t *claims;
	int r;

	if (check_identity(id, err) < 0 || life_of(source, &life, err) < 0 ||
		uuid_make(jti, err) < 0)
		return -1;
	refresh = now + (life / 5 * 4 < TOKEN_REFRESH_MAX ? life / 5 * 4 : TOKEN_REFRESH_MAX);
	if (asprintf(&subject, "system:serviceaccount:%s:%s", id->project, id->service_account) < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot make a token");
	claims = json_pack("{s:s, s:s, s:[s], s:I, s:I, s:I, s:s, s:o}", "iss", issuer, "sub",
		subject, "aud", audience, "iat", (json_int_t)now, "nbf", (json_int_t)now, "exp",
		(json_int_t)(now + life), "jti", jti, "kubernetes.io", binding(id, refresh));
	if (!claims)
		return error_set(err, ERR_INVALID, 0, "the claims are not UTF-8");
	r = jwt_sign(key, claims, ret, err);
	json_decref(claims);
	if (r == 0)
		*ret_refresh_at = refresh;
	return r;
}
