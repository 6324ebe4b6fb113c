#include "secrets/keystore.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/path.h"
#include "secrets/envelope.h"
#include "secrets/pem.h"
#include "secrets/setup.h"

static int read_node(struct keystore *k, int dirfd, struct error *err)
{
	cleanup_free char *name = NULL;
	size_t size;

	if (file_read_at(dirfd, SETUP_NODE_NAME, KEYSTORE_NODE_MAX, &name, &size, err) < 0)
		return -1;
	if (strlen(name) != size || !name_is_dns_subdomain(name))
		return error_set(err, ERR_INVALID, 0, "'%s': holds no node name", SETUP_NODE_NAME);
	memcpy(k->node, name, size + 1);
	return 0;
}

static int read_sealing(struct keystore *k, int dirfd, struct error *err)
{
	size_t size = HPKE_KEY_SIZE;
	EVP_PKEY *key;
	int ok;

	if (pem_read_key(dirfd, SETUP_SEALING_KEY, &key, err) < 0)
		return -1;
	ok = EVP_PKEY_is_a(key, "X25519") == 1 &&
	     EVP_PKEY_get_raw_private_key(key, k->sealing_private, &size) == 1;
	EVP_PKEY_free(key);
	if (!ok)
		return error_set(
			err, ERR_INVALID, 0, "'%s': is not an X25519 key", SETUP_SEALING_KEY);
	return hpke_public(k->sealing_private, k->sealing_public, err);
}

/* Whether it fits is for those to judge who have the CA's certificate. */
static int read_signature(struct keystore *k, int dirfd, struct error *err)
{
	cleanup_free char *data = NULL;

	if (file_read_at(dirfd, SETUP_SEALING_SIGNATURE, SEALING_KEY_SIGNATURE_MAX, &data,
		    &k->sealing_signature_size, err) < 0)
		return -1;
	if (k->sealing_signature_size == 0)
		return error_set(err, ERR_INVALID, 0, "'%s': is empty", SETUP_SEALING_SIGNATURE);
	memcpy(k->sealing_signature, data, k->sealing_signature_size);
	return 0;
}

static int read_token(struct keystore *k, int dirfd, struct error *err)
{
	EVP_PKEY *key;
	int r;

	if (pem_read_key(dirfd, SETUP_TOKEN_KEY, &key, err) < 0)
		return -1;
	r = jwt_key_new(&k->token, key, err);
	EVP_PKEY_free(key);
	return r < 0 ? error_prefix(err, "'%s'", SETUP_TOKEN_KEY) : 0;
}

static int try_sealing(const struct keystore *k, struct error *err)
{
	const struct envelope_context ctx = { "self-test", "self-test", k->node };
	uint8_t *sealed, *plain;
	size_t size;
	int r;

	if (envelope_seal(k->sealing_public, &ctx, "x", 1, &sealed, &size, err) < 0)
		return -1;
	r = envelope_open(k->sealing_private, &ctx, sealed, size, &plain, &size, err);
	free(sealed);
	if (r == 0)
		envelope_wipe(plain, size);
	return r;
}

static int try_token(const struct keystore *k, struct error *err)
{
	const struct jwt_expect expect = { "self-test", "self-test", 1, 0 };
	const struct jwt_key *keys[] = { k->token };
	json_t *claims =
		json_pack("{s:s, s:s, s:i}", "iss", "self-test", "aud", "self-test", "exp", 2);
	json_t *verified = NULL;
	char *token;
	int r = claims ? jwt_sign(k->token, claims, &token, err)
		       : error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot try a key");

	json_decref(claims);
	if (r < 0)
		return -1;
	r = jwt_verify(keys, 1, token, strlen(token), &expect, &verified, err);
	envelope_wipe(token, strlen(token));
	json_decref(verified);
	return r;
}

int keystore_init(struct keystore *ret, const char *directory, struct error *err)
{
	cleanup_close int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct keystore k = { .token = NULL };

	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open '%s'", directory);
	if (read_node(&k, fd, err) < 0 || read_sealing(&k, fd, err) < 0 ||
		read_signature(&k, fd, err) < 0 || read_token(&k, fd, err) < 0 ||
		try_sealing(&k, err) < 0 || try_token(&k, err) < 0) {
		keystore_done(&k);
		return error_prefix(err, "keys in '%s'", directory);
	}
	*ret = k;
	OPENSSL_cleanse(k.sealing_private, sizeof(k.sealing_private));
	return 0;
}

void keystore_done(struct keystore *keystore)
{
	OPENSSL_cleanse(keystore->sealing_private, sizeof(keystore->sealing_private));
	jwt_key_free(keystore->token);
	keystore->token = NULL;
}
