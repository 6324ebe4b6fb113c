/*
 * Any bytes as a sealed envelope for a fixed key, and (after a first byte of 'p') as the plain text
 * inside one. What opens must be a secret by the rules, and pack and open again to the same.
 */
#include <stdlib.h>
#include <string.h>

#include "secrets/envelope.h"
#include "secrets/secret_data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The key of the corpus: 32 times 'k'. */
static const uint8_t private_key[HPKE_KEY_SIZE] = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";
static const struct envelope_context ctx = { "red", "db", "node-1" };

static void pack_again(const K8sSecret *secret)
{
	struct secret_value *values = calloc(secret->n_data, sizeof(*values));
	uint8_t *packed, *again;
	size_t size, again_size;
	K8sSecret *second;

	for (size_t i = 0; i < secret->n_data; i++) {
		values[i].key = secret->data[i]->key;
		values[i].data = secret->data[i]->value.data;
		values[i].size = secret->data[i]->value.len;
		if (secret_key_check(values[i].key, NULL) < 0)
			abort();
	}
	if (secret_data_pack(values, secret->n_data, &packed, &size, NULL) < 0 ||
		secret_data_unpack(packed, size, &second, NULL) < 0 ||
		second->n_data != secret->n_data)
		abort();
	for (size_t i = 0; i < second->n_data; i++) {
		values[i].key = second->data[i]->key;
		values[i].data = second->data[i]->value.data;
		values[i].size = second->data[i]->value.len;
	}
	if (secret_data_pack(values, second->n_data, &again, &again_size, NULL) < 0 ||
		again_size != size || memcmp(again, packed, size) != 0)
		abort();
	envelope_wipe(packed, size);
	envelope_wipe(again, again_size);
	secret_data_free(second);
	free(values);
}

static void try_plain(const uint8_t *data, size_t size)
{
	struct error err;
	K8sSecret *secret;

	if (secret_data_unpack(data, size, &secret, &err) < 0)
		return;
	pack_again(secret);
	secret_data_free(secret);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err;
	uint8_t *plain;
	size_t plain_size;

	if (size > 0 && data[0] == 'p') {
		try_plain(data + 1, size - 1);
		return 0;
	}
	if (envelope_open(private_key, &ctx, data, size, &plain, &plain_size, &err) < 0)
		return 0;
	if (plain_size + ENVELOPE_OVERHEAD != size)
		abort();
	try_plain(plain, plain_size);
	envelope_wipe(plain, plain_size);
	return 0;
}
