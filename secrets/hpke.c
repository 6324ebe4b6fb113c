#include "secrets/hpke.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "lib/cleanup.h"

#define HASH_SIZE    32
#define NONCE_SIZE   12
#define KEM_ID       0x0020 /* DHKEM(X25519, HKDF-SHA256) */
#define KDF_ID       0x0001 /* HKDF-SHA256 */
#define MODE_BASE    0x00
#define CONTEXT_SIZE (1 + 2 * HASH_SIZE)

struct part {
	const void *data;
	size_t size;
};

#define PART(d, s)                                                                                 \
	{                                                                                          \
		(d), (s)                                                                           \
	}
#define TEXT(s)                                                                                    \
	{                                                                                          \
		(s), sizeof(s) - 1                                                                 \
	}

/* "KEM" or "HPKE" with its algorithms: what keeps labels of different suites apart. */
struct suite_id {
	uint8_t bytes[10];
	size_t size;
};

/* What is wiped after use, in one place. */
struct schedule {
	uint8_t dh[HASH_SIZE];
	uint8_t prk[HASH_SIZE];
	uint8_t shared[HASH_SIZE];
	uint8_t context[CONTEXT_SIZE];
	uint8_t secret[HASH_SIZE];
	uint8_t key[HASH_SIZE];
	uint8_t nonce[NONCE_SIZE];
};

static void wipe_schedule(struct schedule *s)
{
	OPENSSL_cleanse(s, sizeof(*s));
}
#define cleanup_schedule __attribute__((cleanup(wipe_schedule)))

static void free_pkey(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}
#define cleanup_pkey __attribute__((cleanup(free_pkey)))

static void free_cipher(EVP_CIPHER_CTX **ctx)
{
	EVP_CIPHER_CTX_free(*ctx);
}
#define cleanup_cipher __attribute__((cleanup(free_cipher)))

static int failed(struct error *err, const char *what)
{
	ERR_clear_error();
	return error_set(err, ERR_INTERNAL, 0, "OpenSSL cannot %s", what);
}

/* ---- HKDF-SHA256 (RFC 5869), never more than one block ------------------------------------- */

static int hmac(const uint8_t key[HASH_SIZE], const struct part *parts, size_t len,
	uint8_t ret[HASH_SIZE], struct error *err)
{
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	size_t size;
	int ok = ctx && EVP_MAC_init(ctx, key, HASH_SIZE, params) == 1;

	for (size_t i = 0; ok && i < len; i++)
		ok = EVP_MAC_update(ctx, parts[i].data, parts[i].size) == 1;
	ok = ok && EVP_MAC_final(ctx, ret, &size, HASH_SIZE) == 1 && size == HASH_SIZE;
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
	return ok ? 0 : failed(err, "compute HMAC-SHA256");
}

/* LabeledExtract(salt, label, ikm), RFC 9180, 4. An absent salt is a block of zeros (RFC 5869). */
static int labeled_extract(const struct suite_id *id, const uint8_t *salt, const char *label,
	struct part ikm, uint8_t ret[HASH_SIZE], struct error *err)
{
	static const uint8_t zeros[HASH_SIZE];
	const struct part parts[] = {
		TEXT("HPKE-v1"),
		PART(id->bytes, id->size),
		PART(label, strlen(label)),
		ikm,
	};

	return hmac(salt ? salt : zeros, parts, ARRAY_LEN(parts), ret, err);
}

/* LabeledExpand(prk, label, info, size) for a size of at most one block. */
static int labeled_expand(const struct suite_id *id, const uint8_t prk[HASH_SIZE],
	const char *label, const struct part info[2], uint8_t *ret, size_t size, struct error *err)
{
	const uint8_t length[2] = { (uint8_t)(size >> 8), (uint8_t)size };
	const uint8_t counter = 1;
	const struct part parts[] = {
		PART(length, sizeof(length)),
		TEXT("HPKE-v1"),
		PART(id->bytes, id->size),
		PART(label, strlen(label)),
		info[0],
		info[1],
		PART(&counter, 1),
	};
	uint8_t block[HASH_SIZE];
	int r = hmac(prk, parts, ARRAY_LEN(parts), block, err);

	if (r == 0)
		memcpy(ret, block, size);
	OPENSSL_cleanse(block, sizeof(block));
	return r;
}

/* ---- KEM ----------------------------------------------------------------------------------- */

static int diffie_hellman(const uint8_t private_key[HPKE_KEY_SIZE],
	const uint8_t public_key[HPKE_KEY_SIZE], uint8_t ret[HASH_SIZE], struct error *err)
{
	cleanup_pkey EVP_PKEY *ours =
		EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, private_key, HPKE_KEY_SIZE);
	cleanup_pkey EVP_PKEY *theirs =
		EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, public_key, HPKE_KEY_SIZE);
	EVP_PKEY_CTX *ctx = ours ? EVP_PKEY_CTX_new_from_pkey(NULL, ours, NULL) : NULL;
	size_t size = HASH_SIZE;
	int ready = theirs && ctx && EVP_PKEY_derive_init(ctx) == 1 &&
		    EVP_PKEY_derive_set_peer(ctx, theirs) == 1;
	/* Fails when the result is all zero (RFC 9180, 7.1.4): a public key of small order. */
	int ok = ready && EVP_PKEY_derive(ctx, ret, &size) == 1 && size == HASH_SIZE;

	EVP_PKEY_CTX_free(ctx);
	if (!ready)
		return failed(err, "use X25519");
	ERR_clear_error();
	return ok ? 0 : error_set(err, ERR_INVALID, 0, "the public key is not a usable X25519 key");
}

/* ExtractAndExpand(dh, enc || pkR), RFC 9180, 4.1. */
static int shared_secret(struct schedule *s, const uint8_t enc[HPKE_KEY_SIZE],
	const uint8_t recipient[HPKE_KEY_SIZE], struct error *err)
{
	static const struct suite_id id = { { 'K', 'E', 'M', KEM_ID >> 8, KEM_ID & 0xff }, 5 };
	const struct part context[2] = {
		PART(enc, HPKE_KEY_SIZE),
		PART(recipient, HPKE_KEY_SIZE),
	};
	const struct part ikm = PART(s->dh, sizeof(s->dh));

	if (labeled_extract(&id, NULL, "eae_prk", ikm, s->prk, err) < 0)
		return -1;
	return labeled_expand(
		&id, s->prk, "shared_secret", context, s->shared, sizeof(s->shared), err);
}

/* ---- key schedule and AEAD ----------------------------------------------------------------- */

static size_t key_size(enum hpke_aead aead)
{
	return aead == HPKE_AES_128_GCM ? 16 : 32;
}

/* KeySchedule(mode_base, shared_secret, info), RFC 9180, 5.1, without psk and exporter. */
static int key_schedule(struct schedule *s, const struct hpke_params *params, struct error *err)
{
	const struct suite_id id = {
		{ 'H', 'P', 'K', 'E', KEM_ID >> 8, KEM_ID & 0xff, KDF_ID >> 8, KDF_ID & 0xff, 0,
			(uint8_t)params->aead },
		10,
	};
	const struct part none = PART("", 0);
	const struct part info = PART(params->info, params->info_size);
	const struct part context[2] = { PART(s->context, CONTEXT_SIZE), PART("", 0) };

	s->context[0] = MODE_BASE;
	if (labeled_extract(&id, NULL, "psk_id_hash", none, s->context + 1, err) < 0 ||
		labeled_extract(&id, NULL, "info_hash", info, s->context + 1 + HASH_SIZE, err) <
			0 ||
		labeled_extract(&id, s->shared, "secret", none, s->secret, err) < 0 ||
		labeled_expand(
			&id, s->secret, "key", context, s->key, key_size(params->aead), err) < 0)
		return -1;
	return labeled_expand(
		&id, s->secret, "base_nonce", context, s->nonce, sizeof(s->nonce), err);
}

static EVP_CIPHER_CTX *aead_begin(
	const struct hpke_params *params, const struct schedule *s, int encrypt)
{
	const EVP_CIPHER *type =
		params->aead == HPKE_AES_128_GCM ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n;

	if (ctx && EVP_CipherInit_ex(ctx, type, NULL, s->key, s->nonce, encrypt) == 1 &&
		(params->aad_size == 0 ||
			EVP_CipherUpdate(ctx, NULL, &n, params->aad, (int)params->aad_size) == 1))
		return ctx;
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

static int aead_seal(const struct hpke_params *params, const struct schedule *s, const void *plain,
	size_t size, uint8_t *ret, struct error *err)
{
	cleanup_cipher EVP_CIPHER_CTX *ctx = aead_begin(params, s, 1);
	int n = 0;

	if (!ctx || (size && EVP_EncryptUpdate(ctx, ret, &n, plain, (int)size) != 1) ||
		(size_t)n != size || EVP_EncryptFinal_ex(ctx, ret + size, &n) != 1 ||
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, HPKE_TAG_SIZE, ret + size) != 1)
		return failed(err, "encrypt with AES-GCM");
	return 0;
}

static int aead_open(const struct hpke_params *params, const struct schedule *s,
	const uint8_t *cipher, size_t size, uint8_t *ret, struct error *err)
{
	cleanup_cipher EVP_CIPHER_CTX *ctx = aead_begin(params, s, 0);
	size_t plain_size = size - HPKE_TAG_SIZE;
	uint8_t tag[HPKE_TAG_SIZE];
	int n = 0;

	memcpy(tag, cipher + plain_size, sizeof(tag));
	if (!ctx || (plain_size && EVP_DecryptUpdate(ctx, ret, &n, cipher, (int)plain_size) != 1) ||
		(size_t)n != plain_size ||
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) != 1) {
		OPENSSL_cleanse(ret, plain_size);
		return failed(err, "decrypt with AES-GCM");
	}
	if (EVP_DecryptFinal_ex(ctx, ret + plain_size, &n) != 1) {
		OPENSSL_cleanse(ret, plain_size);
		ERR_clear_error();
		return error_set(err, ERR_INVALID, 0, "does not open with this key and context");
	}
	return 0;
}

/* ---- interface ----------------------------------------------------------------------------- */

static int check_sizes(const struct hpke_params *params, size_t size, struct error *err)
{
	if (size > HPKE_SIZE_MAX || params->aad_size > HPKE_SIZE_MAX ||
		params->info_size > HPKE_SIZE_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "larger than %u bytes", HPKE_SIZE_MAX);
	return 0;
}

int hpke_public(const uint8_t private_key[HPKE_KEY_SIZE], uint8_t ret_public[HPKE_KEY_SIZE],
	struct error *err)
{
	cleanup_pkey EVP_PKEY *key =
		EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, private_key, HPKE_KEY_SIZE);
	size_t size = HPKE_KEY_SIZE;

	if (!key || EVP_PKEY_get_raw_public_key(key, ret_public, &size) != 1)
		return failed(err, "use X25519");
	return 0;
}

int hpke_generate(
	uint8_t ret_private[HPKE_KEY_SIZE], uint8_t ret_public[HPKE_KEY_SIZE], struct error *err)
{
	/* Any 32 bytes are a private key: X25519 clamps them (RFC 7748, 5). */
	if (RAND_priv_bytes(ret_private, HPKE_KEY_SIZE) != 1)
		return failed(err, "make random bytes");
	return hpke_public(ret_private, ret_public, err);
}

int hpke_seal_with(const struct hpke_params *params, const uint8_t ephemeral[HPKE_KEY_SIZE],
	const uint8_t public_key[HPKE_KEY_SIZE], const void *plain, size_t size,
	uint8_t ret_enc[HPKE_KEY_SIZE], uint8_t *ret_cipher, struct error *err)
{
	cleanup_schedule struct schedule s = { 0 };

	if (check_sizes(params, size, err) < 0 || hpke_public(ephemeral, ret_enc, err) < 0 ||
		diffie_hellman(ephemeral, public_key, s.dh, err) < 0 ||
		shared_secret(&s, ret_enc, public_key, err) < 0 ||
		key_schedule(&s, params, err) < 0)
		return -1;
	return aead_seal(params, &s, plain, size, ret_cipher, err);
}

int hpke_seal(const struct hpke_params *params, const uint8_t public_key[HPKE_KEY_SIZE],
	const void *plain, size_t size, uint8_t ret_enc[HPKE_KEY_SIZE], uint8_t *ret_cipher,
	struct error *err)
{
	uint8_t ephemeral[HPKE_KEY_SIZE];
	int r = hpke_generate(ephemeral, ret_enc, err);

	if (r == 0)
		r = hpke_seal_with(
			params, ephemeral, public_key, plain, size, ret_enc, ret_cipher, err);
	OPENSSL_cleanse(ephemeral, sizeof(ephemeral));
	return r;
}

int hpke_open(const struct hpke_params *params, const uint8_t private_key[HPKE_KEY_SIZE],
	const uint8_t enc[HPKE_KEY_SIZE], const uint8_t *cipher, size_t size, uint8_t *ret_plain,
	struct error *err)
{
	cleanup_schedule struct schedule s = { 0 };
	uint8_t recipient[HPKE_KEY_SIZE];

	if (size < HPKE_TAG_SIZE)
		return error_set(err, ERR_INVALID, 0, "shorter than its authentication tag");
	if (check_sizes(params, size, err) < 0 || hpke_public(private_key, recipient, err) < 0 ||
		diffie_hellman(private_key, enc, s.dh, err) < 0 ||
		shared_secret(&s, enc, recipient, err) < 0 || key_schedule(&s, params, err) < 0)
		return -1;
	return aead_open(params, &s, cipher, size, ret_plain, err);
}
