/*
 * What is inside an envelope: a packed k8s.io.api.core.v1.Secret that has 'data' only. Both the CLI
 * (which packs) and bulkhead-secretd (which unpacks) keep plain text nowhere but in memory that is
 * overwritten when it is released.
 */
#ifndef SECRETS_SECRET_DATA_H
#define SECRETS_SECRET_DATA_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "proto/k8s.h"

#define SECRET_DATA_MAX     (1u << 20) /* bytes of all values together, as in Kubernetes */
#define SECRET_KEYS_MAX     1024
#define SECRET_KEY_NAME_MAX 253

/* One key with its value. Borrowed. */
struct secret_value {
	const char *key;
	const void *data;
	size_t size;
};

/* 1 to 253 of [-._a-zA-Z0-9], not "." and not beginning with "..". Errors: ERR_INVALID. */
int secret_key_check(const char *key, struct error *err);

/*
 * Packs keys and values. The caller releases *ret with envelope_wipe().
 * Errors: ERR_INVALID (a key's name, a key twice, no key at all), ERR_EXHAUSTED (a limit above).
 */
int secret_data_pack(const struct secret_value *values, size_t len, uint8_t **ret, size_t *ret_size,
	struct error *err);

/* Unpacks and checks by the same rules. The caller releases *ret with secret_data_free(). */
int secret_data_unpack(const uint8_t *plain, size_t size, K8sSecret **ret, struct error *err);

/* Overwrites and frees. NULL is allowed. */
void secret_data_free(K8sSecret *secret);

/* The value of 'key', or NULL. Borrowed. */
const ProtobufCBinaryData *secret_data_find(const K8sSecret *secret, const char *key);

#endif
