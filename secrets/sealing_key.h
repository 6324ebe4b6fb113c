/*
 * Whose a node's sealing key is. The CA signs it when it is made, so that whoever seals to it need
 * not believe the processes that hand it on. Signed at 'bulkhead-secretd --init', checked by the
 * CLI against the CA that its context names.
 *
 * Signed are "bulkhead-sealing-key-v1", a NUL, the node's name, a NUL and the 32 bytes of the key;
 * the signature is ECDSA over SHA-256 in DER. No certificate begins like that, so none is mistaken
 * for it.
 */
#ifndef SECRETS_SEALING_KEY_H
#define SECRETS_SEALING_KEY_H

#include <stddef.h>
#include <stdint.h>
#include <openssl/evp.h>

#include "lib/error.h"
#include "secrets/hpke.h"

#define SEALING_KEY_NODE_MAX      253 /* bytes of a node's name */
#define SEALING_KEY_SIGNATURE_MAX 72  /* of P-256 in DER */

/*
 * Signs with the CA's key. *ret_size is at most SEALING_KEY_SIGNATURE_MAX.
 * Errors: ERR_INVALID (the node's name; no P-256 key).
 */
int sealing_key_sign(EVP_PKEY *ca_key, const char *node, const uint8_t key[HPKE_KEY_SIZE],
	uint8_t ret[SEALING_KEY_SIGNATURE_MAX], size_t *ret_size, struct error *err);

/*
 * 0 when one of the certificates in 'ca_pem' signed 'key' for 'node'. Errors: ERR_UNAUTHENTICATED
 * names the node and says what is wrong: no signature, or one that does not fit.
 */
int sealing_key_check(const char *ca_pem, const char *node, const uint8_t key[HPKE_KEY_SIZE],
	const uint8_t *signature, size_t size, struct error *err);

#endif
