#include "secrets/secret_data.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "proto/wire_check.h"
#include "secrets/envelope.h"

typedef K8s__Io__Api__Core__V1__Secret__DataEntry DataEntry;

static const char key_letters[] =
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

/* ---- memory that is overwritten before it is freed ----------------------------------------- */

union block {
	size_t size;
	max_align_t align;
};

static void *wiping_alloc(void *user, size_t size)
{
	union block *block =
		size < SIZE_MAX - sizeof(*block) ? malloc(sizeof(*block) + size) : NULL;

	(void)user;
	if (!block)
		return NULL;
	block->size = size;
	return block + 1;
}

static void wiping_free(void *user, void *p)
{
	union block *block = p;

	(void)user;
	if (!block)
		return;
	block--;
	OPENSSL_cleanse(block + 1, block->size);
	free(block);
}

static ProtobufCAllocator *wiping(ProtobufCAllocator *allocator)
{
	*allocator = (ProtobufCAllocator){ .alloc = wiping_alloc, .free = wiping_free };
	return allocator;
}

/* ---- rules --------------------------------------------------------------------------------- */

int secret_key_check(const char *key, struct error *err)
{
	size_t len = strnlen(key, SECRET_KEY_NAME_MAX + 1);

	if (len == 0 || len > SECRET_KEY_NAME_MAX)
		return error_set(err, ERR_INVALID, 0, "key '%.64s': must have 1 to %d characters",
			key, SECRET_KEY_NAME_MAX);
	if (strspn(key, key_letters) != len)
		return error_set(err, ERR_INVALID, 0,
			"key '%s': only letters, digits, '-', '_' and '.' are allowed", key);
	if (strcmp(key, ".") == 0 || strncmp(key, "..", 2) == 0)
		return error_set(
			err, ERR_INVALID, 0, "key '%s': must not be '.' or begin with '..'", key);
	return 0;
}

static int by_key(const void *a, const void *b)
{
	return strcmp((*(DataEntry *const *)a)->key, (*(DataEntry *const *)b)->key);
}

/* Sorts the entries (a map has no order) and judges them. */
static int check(K8sSecret *secret, struct error *err)
{
	size_t total = 0;

	if (secret->n_data == 0)
		return error_set(err, ERR_INVALID, 0, "no key is given");
	for (size_t i = 0; i < secret->n_data; i++) {
		if (!secret->data[i]->key)
			return secret_key_check("", err);
	}
	if (secret->n_data > SECRET_KEYS_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "%zu keys, at most %d are allowed",
			secret->n_data, SECRET_KEYS_MAX);
	qsort(secret->data, secret->n_data, sizeof(*secret->data), by_key);
	for (size_t i = 0; i < secret->n_data; i++) {
		const DataEntry *entry = secret->data[i];

		if (secret_key_check(entry->key, err) < 0)
			return -1;
		if (i > 0 && strcmp(secret->data[i - 1]->key, entry->key) == 0)
			return error_set(err, ERR_INVALID, 0, "key '%s': given twice", entry->key);
		total += entry->value.len;
	}
	if (total > SECRET_DATA_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"the values have %zu bytes together, at most %u are allowed", total,
			SECRET_DATA_MAX);
	return 0;
}

/* ---- packing ------------------------------------------------------------------------------- */

int secret_data_pack(const struct secret_value *values, size_t len, uint8_t **ret, size_t *ret_size,
	struct error *err)
{
	cleanup_free DataEntry *entries = calloc(len + 1, sizeof(*entries));
	cleanup_free DataEntry **pointers = calloc(len + 1, sizeof(DataEntry *));
	K8sSecret secret;
	uint8_t *packed;
	size_t size;

	if (!entries || !pointers)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot pack a secret");
	k8s__io__api__core__v1__secret__init(&secret);
	secret.data = pointers;
	secret.n_data = len;
	for (size_t i = 0; i < len; i++) {
		k8s__io__api__core__v1__secret__data_entry__init(&entries[i]);
		entries[i].key = (char *)(uintptr_t)values[i].key;
		entries[i].has_value = 1;
		entries[i].value.data = (uint8_t *)(uintptr_t)values[i].data;
		entries[i].value.len = values[i].size;
		pointers[i] = &entries[i];
	}
	if (check(&secret, err) < 0)
		return -1;
	size = protobuf_c_message_get_packed_size(&secret.base);
	packed = malloc(size + 1);
	if (!packed)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot pack a secret");
	protobuf_c_message_pack(&secret.base, packed);
	*ret = packed;
	*ret_size = size;
	return 0;
}

int secret_data_unpack(const uint8_t *plain, size_t size, K8sSecret **ret, struct error *err)
{
	ProtobufCAllocator allocator;
	K8sSecret *secret;

	if (wire_check(&k8s__io__api__core__v1__secret__descriptor, plain, size, err) < 0)
		return -1;
	secret = k8s__io__api__core__v1__secret__unpack(wiping(&allocator), size, plain);
	if (!secret)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot unpack a secret");
	if (secret->metadata || secret->type || secret->n_stringdata || secret->has_immutable) {
		secret_data_free(secret);
		return error_set(err, ERR_INVALID, 0, "holds more than 'data'");
	}
	if (check(secret, err) < 0) {
		secret_data_free(secret);
		return -1;
	}
	*ret = secret;
	return 0;
}

void secret_data_free(K8sSecret *secret)
{
	ProtobufCAllocator allocator;

	if (secret)
		k8s__io__api__core__v1__secret__free_unpacked(secret, wiping(&allocator));
}

const ProtobufCBinaryData *secret_data_find(const K8sSecret *secret, const char *key)
{
	for (size_t i = 0; i < secret->n_data; i++) {
		if (strcmp(secret->data[i]->key, key) == 0)
			return &secret->data[i]->value;
	}
	return NULL;
}
