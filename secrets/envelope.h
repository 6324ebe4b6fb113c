/*
 * The sealed form of a secret: opened by one node's key alone, for one project and name alone.
 * The CLI seals, the database and the agent carry it, bulkhead-secretd opens it.
 *
 * Layout: version (1 byte, 0x01), key id (8), encapsulated key (32), ciphertext, tag (16). HPKE
 * base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM (secrets/hpke.h); info is
 * "bulkhead secret envelope v1"; aad is version, key id, then project, name and node, each behind
 * its size as a big-endian 32-bit number. The key id (the first bytes of the public key's SHA-256)
 * only serves a clear error for a secret that was sealed to an older key.
 */
#ifndef SECRETS_ENVELOPE_H
#define SECRETS_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "secrets/hpke.h"

#define ENVELOPE_VERSION     1
#define ENVELOPE_KEY_ID_SIZE 8
#define ENVELOPE_OVERHEAD    (1 + ENVELOPE_KEY_ID_SIZE + HPKE_KEY_SIZE + HPKE_TAG_SIZE)
#define ENVELOPE_PLAIN_MAX   (3u << 19) /* 1.5 MiB: secret_data.h's limits with their framing */

/* What the envelope is bound to. Names of at most 253 bytes, not empty. Borrowed. */
struct envelope_context {
	const char *project;
	const char *name;
	const char *node;
};

/*
 * Seals 'size' bytes. On success the caller frees *ret (ENVELOPE_OVERHEAD + size bytes).
 * Errors: ERR_INVALID (context, public key), ERR_EXHAUSTED (more than ENVELOPE_PLAIN_MAX).
 */
int envelope_seal(const uint8_t public_key[HPKE_KEY_SIZE], const struct envelope_context *ctx,
	const void *plain, size_t size, uint8_t **ret, size_t *ret_size, struct error *err);

/*
 * Opens an envelope. On success the caller releases *ret with envelope_wipe(); it has a NUL behind
 * its last byte. Errors: ERR_INVALID says which of version, size, key or context is wrong.
 */
int envelope_open(const uint8_t private_key[HPKE_KEY_SIZE], const struct envelope_context *ctx,
	const void *sealed, size_t sealed_size, uint8_t **ret, size_t *ret_size, struct error *err);

/* Overwrites and frees plain text. NULL is allowed. */
void envelope_wipe(void *plain, size_t size);

#endif
