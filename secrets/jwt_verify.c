#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "secrets/base64url.h"
#include "secrets/jwt.h"
#include "secrets/jwt_key.h"

static void free_json(json_t **json)
{
	json_decref(*json);
}
#define cleanup_json __attribute__((cleanup(free_json)))

static int refuse(struct error *err, const char *why)
{
	return error_set(err, ERR_UNAUTHENTICATED, 0, "token: %s", why);
}

/* ---- form ---------------------------------------------------------------------------------- */

struct piece {
	const char *text;
	size_t len;
};

/* Exactly three pieces between two dots. */
static int cut(const char *token, size_t size, struct piece pieces[3])
{
	const char *end = token + size;

	for (size_t i = 0; i < 3; i++) {
		const char *dot = memchr(token, '.', (size_t)(end - token));

		if ((dot != NULL) != (i < 2))
			return -1;
		pieces[i].text = token;
		pieces[i].len = (size_t)((dot ? dot : end) - token);
		token = dot ? dot + 1 : end;
	}
	return 0;
}

/* An object, every name in it once. NULL otherwise. */
static json_t *object_of(const struct piece *piece)
{
	cleanup_free uint8_t *bytes = malloc(piece->len + 1);
	json_t *json;
	size_t size;

	if (!bytes || base64url_decode(bytes, &size, piece->text, piece->len) < 0)
		return NULL;
	json = json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(json))
		return json;
	json_decref(json);
	return NULL;
}

static int text_is(const json_t *object, const char *name, const char *text)
{
	const char *value = json_string_value(json_object_get(object, name));

	return value && strcmp(value, text) == 0;
}

/* ---- signature ----------------------------------------------------------------------------- */

/* The key that the header names, or NULL. "crit" names what must be understood; nothing is. */
static const struct jwt_key *find_key(
	const struct jwt_key *const *keys, size_t keys_len, const json_t *header, struct error *err)
{
	if (!text_is(header, "alg", "ES256")) {
		refuse(err, "header: alg is not ES256");
		return NULL;
	}
	if (json_object_get(header, "crit")) {
		refuse(err, "header: crit is not understood");
		return NULL;
	}
	for (size_t i = 0; i < keys_len; i++) {
		if (text_is(header, "kid", jwt_key_id(keys[i])))
			return keys[i];
	}
	refuse(err, "header: kid names no known key");
	return NULL;
}

static int check_signature(
	const struct jwt_key *key, const struct piece pieces[3], struct error *err)
{
	uint8_t signature[ES256_SIZE + 2];
	size_t signed_size = pieces[0].len + 1 + pieces[1].len;
	size_t size;

	if (pieces[2].len != BASE64URL_SIZE(ES256_SIZE) - 1 ||
		base64url_decode(signature, &size, pieces[2].text, pieces[2].len) < 0)
		return refuse(err, "the signature is not 64 bytes of base64url");
	if (!es256_verify(key, pieces[0].text, signed_size, signature))
		return refuse(err, "the signature is wrong");
	return 0;
}

/* ---- claims -------------------------------------------------------------------------------- */

static int has_audience(const json_t *claims, const char *audience)
{
	const json_t *list = json_object_get(claims, "aud");

	if (json_is_string(list))
		return text_is(claims, "aud", audience);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *value = json_string_value(json_array_get(list, i));

		if (value && strcmp(value, audience) == 0)
			return 1;
	}
	return 0;
}

/* 1 there and a time (RFC 7519's NumericDate, whole seconds), 0 absent, -1 something else. */
static int time_of(const json_t *claims, const char *name, int64_t *ret)
{
	const json_t *value = json_object_get(claims, name);

	if (!value)
		return 0;
	*ret = json_integer_value(value);
	return json_is_integer(value) && *ret >= 0 ? 1 : -1;
}

/* No sum here can overflow: times are not negative, and leeway is ours. */
static int check_times(const json_t *claims, const struct jwt_expect *expect, struct error *err)
{
	int64_t at = 0;
	int has;

	if (time_of(claims, "exp", &at) != 1)
		return refuse(err, "exp is missing or no time");
	if (expect->now - expect->leeway >= at)
		return refuse(err, "it has expired");
	has = time_of(claims, "nbf", &at);
	if (has < 0 || (has && at > expect->now + expect->leeway))
		return refuse(err, "nbf: it is not valid yet");
	has = time_of(claims, "iat", &at);
	if (has < 0 || (has && at > expect->now + expect->leeway))
		return refuse(err, "iat: it was issued in the future");
	return 0;
}

static int check_claims(const json_t *claims, const struct jwt_expect *expect, struct error *err)
{
	if (!text_is(claims, "iss", expect->issuer))
		return refuse(err, "iss is another issuer");
	if (!has_audience(claims, expect->audience))
		return refuse(err, "aud: it is for another audience");
	return check_times(claims, expect, err);
}

int jwt_verify(const struct jwt_key *const *keys, size_t keys_len, const char *token, size_t size,
	const struct jwt_expect *expect, json_t **ret_claims, struct error *err)
{
	cleanup_json json_t *header = NULL;
	cleanup_json json_t *claims = NULL;
	const struct jwt_key *key;
	struct piece pieces[3] = { 0 };

	if (size > JWT_SIZE_MAX)
		return error_set(err, ERR_UNAUTHENTICATED, 0, "token: more than %d characters",
			JWT_SIZE_MAX);
	if (cut(token, size, pieces) < 0)
		return refuse(err, "not three parts");
	header = object_of(&pieces[0]);
	if (!header)
		return refuse(err, "the header is no JSON object in base64url");
	key = find_key(keys, keys_len, header, err);
	if (!key || check_signature(key, pieces, err) < 0)
		return -1;
	/* Only what is signed is looked into. */
	claims = object_of(&pieces[1]);
	if (!claims)
		return refuse(err, "the payload is no JSON object in base64url");
	if (check_claims(claims, expect, err) < 0)
		return -1;
	*ret_claims = take_ptr(claims);
	return 0;
}
