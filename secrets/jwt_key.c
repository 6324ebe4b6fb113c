#include "secrets/jwt_key.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "secrets/base64url.h"

#define HALF    (ES256_SIZE / 2)
#define DER_MAX 80 /* of a signature: 72 at most */

/* ---- keys ---------------------------------------------------------------------------------- */

static int is_p256(const EVP_PKEY *key)
{
	char group[32] = "";

	return EVP_PKEY_is_a(key, "EC") == 1 &&
	       EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
	       strcmp(group, SN_X9_62_prime256v1) == 0;
}

static int set_id(struct jwt_key *key, struct error *err)
{
	uint8_t hash[EVP_MAX_MD_SIZE];
	unsigned char *der = NULL;
	int size = i2d_PUBKEY(key->key, &der);
	unsigned hash_size = 0;
	int ok = size > 0 &&
		 EVP_Digest(der, (size_t)size, hash, &hash_size, EVP_sha256(), NULL) == 1;

	OPENSSL_free(der);
	if (!ok)
		return error_set(err, ERR_INTERNAL, 0, "OpenSSL cannot name a key");
	base64url_encode(key->id, hash, hash_size);
	return 0;
}

int jwt_key_new(struct jwt_key **ret, EVP_PKEY *pkey, struct error *err)
{
	struct jwt_key *key;

	if (!is_p256(pkey)) {
		ERR_clear_error();
		return error_set(err, ERR_INVALID, 0, "not a P-256 key");
	}
	key = calloc(1, sizeof(*key));
	if (!key)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot hold a key");
	EVP_PKEY_up_ref(pkey);
	key->key = pkey;
	if (set_id(key, err) < 0) {
		jwt_key_free(key);
		return -1;
	}
	*ret = key;
	return 0;
}

void jwt_key_free(struct jwt_key *key)
{
	if (!key)
		return;
	EVP_PKEY_free(key->key);
	free(key);
}

const char *jwt_key_id(const struct jwt_key *key)
{
	return key->id;
}

/* ---- key set ------------------------------------------------------------------------------- */

static int coordinate(const EVP_PKEY *key, const char *param, char text[BASE64URL_SIZE(HALF)])
{
	uint8_t bytes[HALF];
	BIGNUM *number = NULL;
	int ok = EVP_PKEY_get_bn_param(key, param, &number) == 1 &&
		 BN_bn2binpad(number, bytes, HALF) == HALF;

	BN_free(number);
	if (ok)
		base64url_encode(text, bytes, HALF);
	return ok;
}

static json_t *jwk(const struct jwt_key *key)
{
	char x[BASE64URL_SIZE(HALF)], y[BASE64URL_SIZE(HALF)];

	if (!coordinate(key->key, OSSL_PKEY_PARAM_EC_PUB_X, x) ||
		!coordinate(key->key, OSSL_PKEY_PARAM_EC_PUB_Y, y))
		return NULL;
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "use", "sig", "kty", "EC", "kid",
		key->id, "crv", "P-256", "alg", "ES256", "x", x, "y", y);
}

int jwt_jwks(const struct jwt_key *const *keys, size_t len, char **ret, struct error *err)
{
	json_t *list = json_array();
	json_t *set;
	char *text;
	int failed = 0;

	for (size_t i = 0; i < len; i++)
		failed |= json_array_append_new(list, jwk(keys[i])) < 0;
	set = json_pack("{s:o}", "keys", list);
	text = set && !failed ? json_dumps(set, JSON_COMPACT) : NULL;
	json_decref(set);
	if (!text)
		return error_set(err, ERR_INTERNAL, 0, "cannot write the key set");
	*ret = text;
	return 0;
}

/* ---- ES256 --------------------------------------------------------------------------------- */

static int raw_of_der(const uint8_t *der, size_t size, uint8_t ret[ES256_SIZE])
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)size);
	int ok = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), ret, HALF) == HALF &&
		 BN_bn2binpad(ECDSA_SIG_get0_s(sig), ret + HALF, HALF) == HALF;

	ECDSA_SIG_free(sig);
	return ok;
}

static size_t der_of_raw(const uint8_t raw[ES256_SIZE], uint8_t der[DER_MAX])
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(raw, HALF, NULL);
	BIGNUM *s = BN_bin2bn(raw + HALF, HALF, NULL);
	int size = 0;

	if (sig && r && s && ECDSA_SIG_set0(sig, r, s) == 1) {
		r = s = NULL;
		size = i2d_ECDSA_SIG(sig, &der);
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(sig);
	return size > 0 ? (size_t)size : 0;
}

int es256_sign(const struct jwt_key *key, const void *data, size_t size, uint8_t ret[ES256_SIZE],
	struct error *err)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t der[DER_MAX];
	size_t der_size = sizeof(der);
	int ok = ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key->key) == 1 &&
		 EVP_DigestSign(ctx, der, &der_size, data, size) == 1 &&
		 raw_of_der(der, der_size, ret);

	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok ? 0 : error_set(err, ERR_INTERNAL, 0, "OpenSSL cannot sign with ES256");
}

int es256_verify(const struct jwt_key *key, const void *data, size_t size,
	const uint8_t signature[ES256_SIZE])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t der[DER_MAX];
	size_t der_size = der_of_raw(signature, der);
	int ok = ctx && der_size > 0 &&
		 EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key->key) == 1 &&
		 EVP_DigestVerify(ctx, der, der_size, data, size) == 1;

	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}
