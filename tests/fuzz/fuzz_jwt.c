/*
 * Any text as a token for a fixed key; and, as no fuzzer signs, after a first byte of 's' two lines
 * "header\npayload" that are signed here first, so that what stands behind the signature is
 * reached.
 */
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "secrets/base64url.h"
#include "secrets/jwt.h"
#include "secrets/jwt_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The key of the corpus, made for it. */
static const char pem[] = "-----BEGIN PRIVATE KEY-----\n"
			  "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgSIK/oTyzlSf0aKqj\n"
			  "FiA7UPIAC19h0DcbURVy5QcIPc+hRANCAASjpM8YtoTEd97M7XmaRg8ZGbRHtwtH\n"
			  "MgYqd+5MfNTKiIlNtrWS7/cmvD6SO2ox82v9WDTC4pgpA5U7qFuZ9Yt1\n"
			  "-----END PRIVATE KEY-----\n";

static const struct jwt_expect expect = { "https://node-1", "vault", 1700000000, 10 };

static const struct jwt_key *the_key(void)
{
	static struct jwt_key *key;
	BIO *bio;
	EVP_PKEY *pkey;

	if (key)
		return key;
	bio = BIO_new_mem_buf(pem, -1);
	pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	if (!pkey || jwt_key_new(&key, pkey, NULL) < 0)
		abort();
	EVP_PKEY_free(pkey);
	return key;
}

static void verify(const char *token, size_t size)
{
	const struct jwt_key *const keys[] = { the_key() };
	struct error err = { 0 };
	json_t *claims = NULL;
	const char *issuer;

	if (jwt_verify(keys, 1, token, size, &expect, &claims, &err) < 0) {
		if (err.code != ERR_UNAUTHENTICATED || claims)
			abort();
		return;
	}
	issuer = json_string_value(json_object_get(claims, "iss"));
	if (!issuer || strcmp(issuer, expect.issuer) != 0 ||
		json_integer_value(json_object_get(claims, "exp")) <= expect.now - expect.leeway)
		abort();
	json_decref(claims);
}

static void sign_and_verify(const char *text, size_t size)
{
	const char *end = memchr(text, '\n', size);
	size_t header = end ? (size_t)(end - text) : size;
	size_t payload = end ? size - header - 1 : 0;
	char *token = malloc(
		BASE64URL_SIZE(header) + BASE64URL_SIZE(payload) + BASE64URL_SIZE(ES256_SIZE));
	uint8_t signature[ES256_SIZE];
	size_t n = base64url_encode(token, text, header);

	token[n++] = '.';
	n += base64url_encode(token + n, end ? end + 1 : "", payload);
	if (es256_sign(the_key(), token, n, signature, NULL) < 0)
		abort();
	token[n++] = '.';
	n += base64url_encode(token + n, signature, sizeof(signature));
	verify(token, n);
	free(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > JWT_SIZE_MAX * 2)
		return 0;
	if (size > 0 && data[0] == 's')
		sign_and_verify((const char *)data + 1, size - 1);
	else
		verify((const char *)data, size);
	return 0;
}
