/*
 * Hybrid public key encryption, RFC 9180 base mode, one message a key: DHKEM(X25519, HKDF-SHA256),
 * HKDF-SHA256 and AES-GCM. Composed of OpenSSL's EVP, because OSSL_HPKE came with 3.2 only. Knows
 * nothing of what is sealed; secrets/envelope.h says that.
 */
#ifndef SECRETS_HPKE_H
#define SECRETS_HPKE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

#define HPKE_KEY_SIZE 32 /* X25519 private and public keys, and the encapsulated key */
#define HPKE_TAG_SIZE 16 /* ciphertext is this much longer than plain text */
#define HPKE_SIZE_MAX (8u << 20)

/* RFC 9180, 7.3. Bulkhead seals with AES-256; the RFC prints its vectors with AES-128. */
enum hpke_aead {
	HPKE_AES_128_GCM = 1,
	HPKE_AES_256_GCM = 2,
};

/* What both sides must know beside the keys. Borrowed. */
struct hpke_params {
	enum hpke_aead aead;
	const void *info;
	size_t info_size;
	const void *aad;
	size_t aad_size;
};

/* A new key pair. The caller wipes 'ret_private'. */
int hpke_generate(
	uint8_t ret_private[HPKE_KEY_SIZE], uint8_t ret_public[HPKE_KEY_SIZE], struct error *err);

/* The public key of a private one. */
int hpke_public(const uint8_t private_key[HPKE_KEY_SIZE], uint8_t ret_public[HPKE_KEY_SIZE],
	struct error *err);

/*
 * Seals 'size' bytes to 'public_key'. Writes the encapsulated key to 'ret_enc' and size +
 * HPKE_TAG_SIZE bytes to 'ret_cipher'. Errors: ERR_INVALID (a public key of small order),
 * ERR_EXHAUSTED (more than HPKE_SIZE_MAX).
 */
int hpke_seal(const struct hpke_params *params, const uint8_t public_key[HPKE_KEY_SIZE],
	const void *plain, size_t size, uint8_t ret_enc[HPKE_KEY_SIZE], uint8_t *ret_cipher,
	struct error *err);

/*
 * The same with a given ephemeral private key, which must be used once only: for hpke_seal() and
 * for the RFC's vectors.
 */
int hpke_seal_with(const struct hpke_params *params, const uint8_t ephemeral[HPKE_KEY_SIZE],
	const uint8_t public_key[HPKE_KEY_SIZE], const void *plain, size_t size,
	uint8_t ret_enc[HPKE_KEY_SIZE], uint8_t *ret_cipher, struct error *err);

/*
 * Opens 'size' bytes of ciphertext into 'ret_plain', which has room for size - HPKE_TAG_SIZE and
 * holds nothing of the plain text after a failure. Errors: ERR_INVALID (not sealed to this key with
 * these parameters, or changed since), ERR_EXHAUSTED.
 */
int hpke_open(const struct hpke_params *params, const uint8_t private_key[HPKE_KEY_SIZE],
	const uint8_t enc[HPKE_KEY_SIZE], const uint8_t *cipher, size_t size, uint8_t *ret_plain,
	struct error *err);

#endif
