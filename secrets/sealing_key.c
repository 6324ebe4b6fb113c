#include "secrets/sealing_key.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <string.h>

#define PURPOSE "bulkhead-sealing-key-v1"

struct statement {
	uint8_t bytes[sizeof(PURPOSE) + SEALING_KEY_NODE_MAX + 1 + HPKE_KEY_SIZE];
	size_t size;
};

/* False for a name that none can have. */
static bool statement_make(struct statement *s, const char *node, const uint8_t key[HPKE_KEY_SIZE])
{
	size_t len = strlen(node);

	if (len == 0 || len > SEALING_KEY_NODE_MAX)
		return false;
	memcpy(s->bytes, PURPOSE, sizeof(PURPOSE));
	memcpy(s->bytes + sizeof(PURPOSE), node, len + 1);
	memcpy(s->bytes + sizeof(PURPOSE) + len + 1, key, HPKE_KEY_SIZE);
	s->size = sizeof(PURPOSE) + len + 1 + HPKE_KEY_SIZE;
	return true;
}

int sealing_key_sign(EVP_PKEY *ca_key, const char *node, const uint8_t key[HPKE_KEY_SIZE],
	uint8_t ret[SEALING_KEY_SIGNATURE_MAX], size_t *ret_size, struct error *err)
{
	struct statement s;
	size_t size = SEALING_KEY_SIGNATURE_MAX;
	EVP_MD_CTX *ctx;
	int ok;

	if (!statement_make(&s, node, key))
		return error_set(
			err, ERR_INVALID, 0, "node: must have 1 to %d bytes", SEALING_KEY_NODE_MAX);
	if (EVP_PKEY_is_a(ca_key, "EC") != 1 ||
		EVP_PKEY_get_size(ca_key) > SEALING_KEY_SIGNATURE_MAX)
		return error_set(err, ERR_INVALID, 0, "the CA's key is not of P-256");
	ctx = EVP_MD_CTX_new();
	ok = ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, ca_key) == 1 &&
	     EVP_DigestSign(ctx, ret, &size, s.bytes, s.size) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	if (!ok)
		return error_set(err, ERR_INTERNAL, 0, "OpenSSL cannot sign the sealing key");
	*ret_size = size;
	return 0;
}

static bool signed_by(X509 *cert, const struct statement *s, const uint8_t *signature, size_t size)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && key && EVP_PKEY_is_a(key, "EC") == 1 &&
		  EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
		  EVP_DigestVerify(ctx, signature, size, s->bytes, s->size) == 1;

	EVP_MD_CTX_free(ctx);
	return ok;
}

static bool signed_by_any(
	const char *ca_pem, const struct statement *s, const uint8_t *signature, size_t size)
{
	BIO *bio = strlen(ca_pem) <= INT_MAX ? BIO_new_mem_buf(ca_pem, -1) : NULL;
	X509 *cert;
	bool ok = false;

	while (bio && !ok && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		ok = signed_by(cert, s, signature, size);
		X509_free(cert);
	}
	BIO_free(bio);
	ERR_clear_error();
	return ok;
}

int sealing_key_check(const char *ca_pem, const char *node, const uint8_t key[HPKE_KEY_SIZE],
	const uint8_t *signature, size_t size, struct error *err)
{
	struct statement s;

	if (size == 0)
		return error_set(err, ERR_UNAUTHENTICATED, 0,
			"node '%.253s': its sealing key has no signature of the cluster's CA; "
			"nothing was sealed to it",
			node);
	if (size > SEALING_KEY_SIGNATURE_MAX || !statement_make(&s, node, key) ||
		!signed_by_any(ca_pem, &s, signature, size))
		return error_set(err, ERR_UNAUTHENTICATED, 0,
			"node '%.253s': its sealing key is not signed by the CA of the context "
			"for this node; nothing was sealed to it",
			node);
	return 0;
}
