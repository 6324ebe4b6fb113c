#include "nodeagent/agent/secret_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/path.h"
#include "secrets/envelope.h"
#include "secrets/secret_data.h"

static int check_type(const char *type, struct error *err)
{
	size_t len = strspn(type, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789-_./");

	if (type[len] || len > SECRET_TYPE_MAX)
		return error_set(err, ERR_INVALID, 0,
			"secret.type: '%.64s' is not at most %d of [a-zA-Z0-9-_./]", type,
			SECRET_TYPE_MAX);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_unique(const Bulkhead__V1__Secret *secret, struct error *err)
{
	cleanup_free const char **names = calloc(secret->n_keys + 1, sizeof(*names));

	if (!names)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for a secret's keys");
	for (size_t i = 0; i < secret->n_keys; i++)
		names[i] = secret->keys[i]->name;
	qsort(names, secret->n_keys, sizeof(*names), by_name);
	for (size_t i = 1; i < secret->n_keys; i++) {
		if (strcmp(names[i - 1], names[i]) == 0)
			return error_set(
				err, ERR_INVALID, 0, "secret.keys: '%s' is there twice", names[i]);
	}
	return 0;
}

static int check_keys(const Bulkhead__V1__Secret *secret, uint64_t *ret_total, struct error *err)
{
	*ret_total = 0;
	if (secret->n_keys == 0)
		return error_set(err, ERR_INVALID, 0, "secret.keys: at least one is needed");
	if (secret->n_keys > SECRET_KEYS_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"secret.keys: %zu keys are more than the limit of %d", secret->n_keys,
			SECRET_KEYS_MAX);
	for (size_t i = 0; i < secret->n_keys; i++) {
		if (secret_key_check(secret->keys[i]->name, err) < 0)
			return error_prefix(err, "secret.keys[%zu]", i);
		*ret_total += secret->keys[i]->size;
	}
	if (*ret_total > SECRET_DATA_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"secret.keys: %llu bytes of values are more than the limit of %u",
			(unsigned long long)*ret_total, SECRET_DATA_MAX);
	return check_unique(secret, err);
}

/* The sizes that the keys are said to have must fit in what was sealed. */
static int check_sealed(const Bulkhead__V1__Secret *secret, uint64_t total, struct error *err)
{
	size_t size = secret->sealed.len;

	if (size <= ENVELOPE_OVERHEAD)
		return error_set(err, ERR_INVALID, 0,
			"secret.sealed: %zu bytes are no sealed secret (secrets/envelope.h)", size);
	if (size > ENVELOPE_OVERHEAD + ENVELOPE_PLAIN_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"secret.sealed: %zu bytes are more than the limit of %u", size,
			ENVELOPE_OVERHEAD + ENVELOPE_PLAIN_MAX);
	if (secret->sealed.data[0] != ENVELOPE_VERSION)
		return error_set(err, ERR_UNSUPPORTED, 0,
			"secret.sealed: version %u is unknown, this node opens version %d",
			secret->sealed.data[0], ENVELOPE_VERSION);
	if (total > size - ENVELOPE_OVERHEAD)
		return error_set(err, ERR_INVALID, 0,
			"secret.keys: %llu bytes do not fit in what is sealed",
			(unsigned long long)total);
	return 0;
}

int secret_check(const Bulkhead__V1__Secret *secret, struct error *err)
{
	uint64_t total;

	if (!name_is_dns_subdomain(secret->name))
		return error_set(err, ERR_INVALID, 0,
			"secret.name: '%.64s' is not an RFC 1123 subdomain (lower-case letters, "
			"digits, '-', '.')",
			secret->name);
	if (check_type(secret->type, err) < 0 || check_keys(secret, &total, err) < 0)
		return -1;
	return check_sealed(secret, total, err);
}
