/* Tokens: RFC 7515's own example, Kubernetes' claims, and everything that must not pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "lib/cleanup.h"
#include "secrets/base64url.h"
#include "secrets/jwt.h"
#include "secrets/jwt_key.h"
#include "secrets/pki.h"
#include "secrets/token.h"

#define NOW 1700000000

static struct error test_err;

struct fixture {
	struct jwt_key *key;
	struct jwt_key *other;
};

static struct jwt_key *new_key(void)
{
	struct jwt_key *key;
	EVP_PKEY *pkey;

	assert_int_equal(pki_key_new(&pkey, &test_err), 0);
	assert_int_equal(jwt_key_new(&key, pkey, &test_err), 0);
	EVP_PKEY_free(pkey);
	return key;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->key = new_key();
	f->other = new_key();
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	jwt_key_free(f->key);
	jwt_key_free(f->other);
	free(f);
	return 0;
}

/* ---- base64url ----------------------------------------------------------------------------- */

static void base64url_round_trip(void **state)
{
	static const struct {
		const char *bytes;
		const char *text;
	} cases[] = {
		{ "", "" },
		{ "f", "Zg" },
		{ "fo", "Zm8" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg" },
		{ "fooba", "Zm9vYmE" },
		{ "foobar", "Zm9vYmFy" },
		{ "\xfb\xff\xbf", "-_-_" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[16];
		uint8_t bytes[16];
		size_t size, len = strlen(cases[i].text);

		assert_int_equal(
			base64url_encode(text, cases[i].bytes, strlen(cases[i].bytes)), len);
		assert_string_equal(text, cases[i].text);
		assert_int_equal(base64url_decode(bytes, &size, text, len), 0);
		assert_int_equal(size, strlen(cases[i].bytes));
		assert_memory_equal(bytes, cases[i].bytes, size);
	}
}

static void base64url_has_one_form(void **state)
{
	static const char *const bad[] = { "Z", "Zg=", "Zg==", "Zh", "Zm9", "Zm+v", "Zm/v",
		"Zm9v\n", " Zm9v", "Zm9vY" };
	uint8_t bytes[16];
	size_t size = 99;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(base64url_decode(bytes, &size, bad[i], strlen(bad[i])), -1);
	assert_int_equal(base64url_decode(bytes, &size, "Zm\0v", 4), -1);
	assert_int_equal(size, 99);
}

/* ---- ES256 --------------------------------------------------------------------------------- */

static EVP_PKEY *public_key(const char *x, const char *y)
{
	uint8_t point[65] = { 4 };
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;
	OSSL_PARAM *params;
	size_t size;

	assert_int_equal(base64url_decode(point + 1, &size, x, strlen(x)), 0);
	assert_int_equal(base64url_decode(point + 33, &size, y, strlen(y)), 0);
	OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
	OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point));
	params = OSSL_PARAM_BLD_to_param(build);
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

/* RFC 7515, A.3: somebody else's key and signature. */
static void rfc_7515_example_verifies(void **state)
{
	static const char input[] =
		"eyJhbGciOiJFUzI1NiJ9."
		"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
		"cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
	static const char text[] =
		"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA"
		"pmWQxfKTUJqPP3-Kg6NU1Q";
	EVP_PKEY *pkey = public_key("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
		"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
	uint8_t signature[ES256_SIZE + 2];
	struct jwt_key *key;
	size_t size;

	(void)state;
	assert_int_equal(jwt_key_new(&key, pkey, &test_err), 0);
	EVP_PKEY_free(pkey);
	assert_int_equal(base64url_decode(signature, &size, text, strlen(text)), 0);
	assert_int_equal(size, ES256_SIZE);
	assert_int_equal(es256_verify(key, input, strlen(input), signature), 1);
	for (size_t i = 0; i < ES256_SIZE * 8; i++) {
		signature[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(es256_verify(key, input, strlen(input), signature), 0);
		signature[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	assert_int_equal(es256_verify(key, input, strlen(input) - 1, signature), 0);
	/* CVE-2022-21449: nothing at all is no signature. */
	memset(signature, 0, sizeof(signature));
	assert_int_equal(es256_verify(key, input, strlen(input), signature), 0);
	jwt_key_free(key);
}

static void other_keys_are_refused(void **state)
{
	static const char *const curves[] = { "P-384", "secp256k1" };
	struct jwt_key *key = NULL;
	EVP_PKEY *pkey;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(curves); i++) {
		pkey = EVP_EC_gen(curves[i]);
		assert_int_equal(jwt_key_new(&key, pkey, &test_err), -1);
		EVP_PKEY_free(pkey);
	}
	pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	assert_int_equal(jwt_key_new(&key, pkey, &test_err), -1);
	EVP_PKEY_free(pkey);
	pkey = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	assert_int_equal(jwt_key_new(&key, pkey, &test_err), -1);
	assert_int_equal(test_err.code, ERR_INVALID);
	EVP_PKEY_free(pkey);
	assert_null(key);
}

/* kid is what `openssl pkey -pubout -outform DER | openssl dgst -sha256` says, in base64url. */
static void key_set_has_the_public_key(void **state)
{
	struct fixture *f = *state;
	const struct jwt_key *const keys[] = { f->key, f->other };
	uint8_t hash[EVP_MAX_MD_SIZE];
	unsigned char *der = NULL;
	char kid[64];
	char *text;
	json_t *set, *jwk;
	EVP_PKEY *copy;
	int size = i2d_PUBKEY(f->key->key, &der);

	assert_true(size > 0);
	EVP_Digest(der, (size_t)size, hash, NULL, EVP_sha256(), NULL);
	OPENSSL_free(der);
	base64url_encode(kid, hash, 32);
	assert_string_equal(jwt_key_id(f->key), kid);
	assert_int_equal(jwt_jwks(keys, 2, &text, &test_err), 0);
	set = json_loads(text, 0, NULL);
	free(text);
	assert_int_equal(json_array_size(json_object_get(set, "keys")), 2);
	jwk = json_array_get(json_object_get(set, "keys"), 0);
	assert_int_equal(json_object_size(jwk), 7);
	assert_string_equal(json_string_value(json_object_get(jwk, "kid")), kid);
	copy = public_key(json_string_value(json_object_get(jwk, "x")),
		json_string_value(json_object_get(jwk, "y")));
	assert_int_equal(EVP_PKEY_eq(copy, f->key->key), 1);
	EVP_PKEY_free(copy);
	json_decref(set);
}

/* ---- verifying ----------------------------------------------------------------------------- */

static const struct jwt_expect expect = { "https://node-1", "vault", NOW, 10 };

static int verify(const struct fixture *f, const char *token)
{
	const struct jwt_key *const keys[] = { f->other, f->key };
	json_t *claims = NULL;
	int r = jwt_verify(keys, 2, token, strlen(token), &expect, &claims, &test_err);

	if (r < 0) {
		assert_null(claims);
		assert_int_equal(test_err.code, ERR_UNAUTHENTICATED);
	}
	json_decref(claims);
	return r;
}

/* Signs any two texts, well-formed or not. The caller frees. */
static char *sign_raw(const struct fixture *f, const char *header, const char *payload)
{
	uint8_t signature[ES256_SIZE];
	char *token = malloc(BASE64URL_SIZE(strlen(header)) + BASE64URL_SIZE(strlen(payload)) + 90);
	size_t n = base64url_encode(token, header, strlen(header));

	token[n++] = '.';
	n += base64url_encode(token + n, payload, strlen(payload));
	assert_int_equal(es256_sign(f->key, token, n, signature, &test_err), 0);
	token[n++] = '.';
	base64url_encode(token + n, signature, sizeof(signature));
	return token;
}

static char *sign_payload(const struct fixture *f, const char *payload)
{
	char header[128];

	snprintf(header, sizeof(header), "{\"alg\":\"ES256\",\"kid\":\"%s\"}", jwt_key_id(f->key));
	return sign_raw(f, header, payload);
}

#define GOOD "\"iss\":\"https://node-1\",\"aud\":[\"x\",\"vault\"]"

static void claims_are_judged(void **state)
{
	static const struct {
		const char *payload;
		const char *why; /* NULL: it passes */
	} cases[] = {
		{ "{" GOOD ",\"exp\":1700000001}", NULL },
		{ "{\"iss\":\"https://node-1\",\"aud\":\"vault\",\"exp\":1700000001}", NULL },
		{ "{" GOOD ",\"exp\":1699999991,\"nbf\":1700000010,\"iat\":1700000010}", NULL },
		{ "{" GOOD ",\"exp\":1699999990}", "it has expired" },
		{ "{" GOOD ",\"exp\":0}", "it has expired" },
		{ "{" GOOD "}", "exp is missing" },
		{ "{" GOOD ",\"exp\":\"1700000001\"}", "exp is missing or no time" },
		{ "{" GOOD ",\"exp\":1700000001.5}", "exp is missing or no time" },
		{ "{" GOOD ",\"exp\":-1}", "exp is missing or no time" },
		{ "{" GOOD ",\"exp\":99999999999999999999}", "the payload is no JSON object" },
		{ "{" GOOD ",\"exp\":9223372036854775807,\"nbf\":1700000011}", "not valid yet" },
		{ "{" GOOD ",\"exp\":1700000001,\"nbf\":null}", "not valid yet" },
		{ "{" GOOD ",\"exp\":1700000001,\"iat\":1700000011}", "in the future" },
		{ "{\"iss\":\"https://node-2\",\"aud\":\"vault\",\"exp\":1700000001}",
			"another issuer" },
		{ "{\"iss\":[\"https://node-1\"],\"aud\":\"vault\",\"exp\":1700000001}",
			"another issuer" },
		{ "{\"aud\":\"vault\",\"exp\":1700000001}", "another issuer" },
		{ "{\"iss\":\"https://node-1\",\"aud\":\"vaul\",\"exp\":1700000001}",
			"another audience" },
		{ "{\"iss\":\"https://node-1\",\"aud\":[\"vault2\"],\"exp\":1700000001}",
			"another audience" },
		{ "{\"iss\":\"https://node-1\",\"aud\":[],\"exp\":1700000001}",
			"another audience" },
		{ "{\"iss\":\"https://node-1\",\"aud\":{\"vault\":1},\"exp\":1700000001}",
			"another audience" },
		{ "{\"iss\":\"https://node-1\",\"exp\":1700000001}", "another audience" },
		{ "{" GOOD ",\"exp\":1700000001,\"exp\":1800000000}", "the payload is no JSON" },
		{ "{" GOOD ",\"exp\":1700000001}x", "the payload is no JSON object" },
		{ "[]", "the payload is no JSON object" },
		{ "", "the payload is no JSON object" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup_free char *token = sign_payload(f, cases[i].payload);
		int r = verify(f, token);

		if (cases[i].why && (r == 0 || !strstr(test_err.text, cases[i].why)))
			fail_msg("%s: '%s'", cases[i].payload, r ? test_err.text : "passed");
		if (!cases[i].why && r < 0)
			fail_msg("%s: %s", cases[i].payload, test_err.text);
	}
}

static void headers_are_judged(void **state)
{
	struct fixture *f = *state;
	const char *id = jwt_key_id(f->key);
	const struct {
		const char *format;
		const char *why;
	} cases[] = {
		{ "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"JWT\"}", NULL },
		{ "{\"alg\":\"none\",\"kid\":\"%s\"}", "alg is not ES256" },
		{ "{\"alg\":\"HS256\",\"kid\":\"%s\"}", "alg is not ES256" },
		{ "{\"alg\":\"es256\",\"kid\":\"%s\"}", "alg is not ES256" },
		{ "{\"alg\":[\"ES256\"],\"kid\":\"%s\"}", "alg is not ES256" },
		{ "{\"kid\":\"%s\"}", "alg is not ES256" },
		{ "{\"alg\":\"ES256\",\"kid\":\"%s\",\"crit\":[\"b64\"]}", "crit" },
		{ "{\"alg\":\"ES256\",\"alg\":\"ES256\",\"kid\":\"%s\"}", "no JSON object" },
		{ "{\"alg\":\"ES256\",\"kid\":\"x%s\"}", "kid names no known key" },
		{ "{\"alg\":\"ES256\"}%.0s", "kid names no known key" },
		{ "null%.0s", "the header is no JSON object" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup_free char *token = NULL;
		char header[256];
		int r;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(header, sizeof(header), cases[i].format, id);
#pragma GCC diagnostic pop
		token = sign_raw(f, header, "{" GOOD ",\"exp\":1700000001}");
		r = verify(f, token);
		if (cases[i].why && (r == 0 || !strstr(test_err.text, cases[i].why)))
			fail_msg("%s: '%s'", header, r ? test_err.text : "passed");
		if (!cases[i].why && r < 0)
			fail_msg("%s: %s", header, test_err.text);
	}
}

/* The kid of one key on a token that another signed. */
static void the_named_key_must_have_signed(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *token = NULL;
	char header[128];

	snprintf(
		header, sizeof(header), "{\"alg\":\"ES256\",\"kid\":\"%s\"}", jwt_key_id(f->other));
	token = sign_raw(f, header, "{" GOOD ",\"exp\":1700000001}");
	assert_int_equal(verify(f, token), -1);
	assert_non_null(strstr(test_err.text, "the signature is wrong"));
}

static void no_changed_letter_passes(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *token = sign_payload(f, "{" GOOD ",\"exp\":1700000001}");
	size_t len = strlen(token);
	const char *form[] = { "", ".", "..", "...", "a.b.c.d", "e30.e30" };

	assert_int_equal(verify(f, token), 0);
	for (size_t i = 0; i < len; i++) {
		char kept = token[i];

		token[i] = kept == 'A' ? 'B' : 'A';
		assert_int_equal(verify(f, token), -1);
		token[i] = kept;
	}
	for (size_t i = 0; i < len; i++) {
		char kept = token[i];

		token[i] = '\0';
		assert_int_equal(verify(f, token), -1);
		token[i] = kept;
	}
	for (size_t i = 0; i < ARRAY_LEN(form); i++)
		assert_int_equal(verify(f, form[i]), -1);
}

static void size_has_a_limit(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *big = malloc(JWT_SIZE_MAX + 2);
	json_t *claims;
	char *token = NULL;

	memset(big, 'A', JWT_SIZE_MAX + 1);
	big[JWT_SIZE_MAX + 1] = '\0';
	assert_int_equal(verify(f, big), -1);
	assert_non_null(strstr(test_err.text, "more than 16384 characters"));
	big[JWT_SIZE_MAX] = '\0';
	assert_int_equal(verify(f, big), -1);
	assert_non_null(strstr(test_err.text, "not three parts"));
	claims = json_pack("{s:s}", "x", big);
	assert_int_equal(jwt_sign(f->key, claims, &token, &test_err), -1);
	assert_int_equal(test_err.code, ERR_EXHAUSTED);
	assert_null(token);
	json_decref(claims);
}

/* ---- bound tokens -------------------------------------------------------------------------- */

#define T(text) ((char *)(uintptr_t)(text))

struct request {
	Bulkhead__V1__TokenSource source;
	Bulkhead__V1__PodIdentity identity;
};

static void request_init(struct request *r)
{
	bulkhead__v1__token_source__init(&r->source);
	bulkhead__v1__pod_identity__init(&r->identity);
	r->source.path = T("token");
	r->source.expiration_seconds = 3600;
	r->identity.project = T("red");
	r->identity.pod = T("web");
	r->identity.pod_uid = T("pod-uid");
	r->identity.service_account = T("builder");
	r->identity.service_account_uid = T("sa-uid");
	r->identity.node = T("node-1");
	r->identity.node_uid = T("node-uid");
}

/* Every claim, letter for letter; jti apart, which is random. */
static void claims_are_kubernetes(void **state)
{
	static const char want[] =
		"{\"iss\":\"https://node-1\",\"sub\":\"system:serviceaccount:red:builder\","
		"\"aud\":[\"https://node-1\"],\"iat\":1700000000,\"nbf\":1700000000,"
		"\"exp\":1700003600,\"kubernetes.io\":{\"namespace\":\"red\","
		"\"serviceaccount\":{\"name\":\"builder\",\"uid\":\"sa-uid\"},"
		"\"pod\":{\"name\":\"web\",\"uid\":\"pod-uid\"},"
		"\"node\":{\"name\":\"node-1\",\"uid\":\"node-uid\"},\"warnafter\":1700002880}}";
	struct fixture *f = *state;
	const struct jwt_key *const keys[] = { f->key };
	const struct jwt_expect own = { "https://node-1", "https://node-1", NOW, 0 };
	cleanup_free char *token = NULL, *again = NULL, *jti = NULL;
	json_t *claims, *wanted = json_loads(want, 0, NULL);
	struct request r;
	int64_t refresh;

	request_init(&r);
	assert_int_equal(token_make(f->key, "https://node-1", &r.source, &r.identity, NOW, &token,
				 &refresh, &test_err),
		0);
	assert_int_equal(refresh, NOW + 2880);
	assert_int_equal(jwt_verify(keys, 1, token, strlen(token), &own, &claims, &test_err), 0);
	jti = strdup(json_string_value(json_object_get(claims, "jti")));
	assert_int_equal(strlen(jti), 36);
	assert_int_equal(jti[14], '4');
	json_object_del(claims, "jti");
	if (!json_equal(claims, wanted))
		fail_msg("%s", json_dumps(claims, 0));
	json_decref(claims);
	json_decref(wanted);
	assert_int_equal(token_make(f->key, "https://node-1", &r.source, &r.identity, NOW, &again,
				 &refresh, &test_err),
		0);
	assert_string_not_equal(token, again);
}

static void life_has_limits(void **state)
{
	static const struct {
		int64_t asked;
		int64_t refresh; /* after NOW; -1: refused */
	} cases[] = {
		{ 0, 2880 },
		{ 600, 480 },
		{ 599, -1 },
		{ -1, -1 },
		{ 108000, 86400 },
		{ 107999, 86396 },
		{ TOKEN_LIFE_MAX, 86400 },
		{ TOKEN_LIFE_MAX + 1, -1 },
		{ INT64_MAX, -1 },
		{ INT64_MIN, -1 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup_free char *token = NULL;
		struct request r;
		int64_t refresh = -1;
		int result;

		request_init(&r);
		r.source.expiration_seconds = cases[i].asked;
		result = token_make(f->key, "https://node-1", &r.source, &r.identity, NOW, &token,
			&refresh, &test_err);
		assert_int_equal(result, cases[i].refresh < 0 ? -1 : 0);
		assert_int_equal(refresh, cases[i].refresh < 0 ? -1 : NOW + cases[i].refresh);
		if (result < 0)
			assert_non_null(strstr(test_err.text, "expirationSeconds"));
	}
}

static void nothing_is_bound_to_nothing(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 7; i++) {
		struct request r;
		char **fields[] = { &r.identity.project, &r.identity.pod, &r.identity.pod_uid,
			&r.identity.service_account, &r.identity.service_account_uid,
			&r.identity.node, &r.identity.node_uid };
		char *token = NULL;
		int64_t refresh;

		request_init(&r);
		*fields[i] = T("");
		assert_int_equal(token_make(f->key, "https://node-1", &r.source, &r.identity, NOW,
					 &token, &refresh, &test_err),
			-1);
		assert_null(token);
		assert_non_null(strstr(test_err.text, "identity."));
	}
}

int main(void)
{
#define F(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64url_round_trip),
		cmocka_unit_test(base64url_has_one_form),
		cmocka_unit_test(rfc_7515_example_verifies),
		cmocka_unit_test(other_keys_are_refused),
		F(key_set_has_the_public_key),
		F(claims_are_judged),
		F(headers_are_judged),
		F(the_named_key_must_have_signed),
		F(no_changed_letter_passes),
		F(size_has_a_limit),
		F(claims_are_kubernetes),
		F(life_has_limits),
		F(nothing_is_bound_to_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
