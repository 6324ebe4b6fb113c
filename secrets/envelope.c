#include "secrets/envelope.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

#define NAME_SIZE_MAX 253
#define HEAD_SIZE     (1 + ENVELOPE_KEY_ID_SIZE)
#define AAD_MAX       (HEAD_SIZE + 3 * (4 + NAME_SIZE_MAX))

static const char info[] = "bulkhead secret envelope v1";

struct aad {
	uint8_t bytes[AAD_MAX];
	size_t size;
};

static int head_set(
	uint8_t head[HEAD_SIZE], const uint8_t public_key[HPKE_KEY_SIZE], struct error *err)
{
	uint8_t hash[EVP_MAX_MD_SIZE];

	if (EVP_Digest(public_key, HPKE_KEY_SIZE, hash, NULL, EVP_sha256(), NULL) != 1)
		return error_set(err, ERR_INTERNAL, 0, "OpenSSL cannot compute SHA-256");
	head[0] = ENVELOPE_VERSION;
	memcpy(head + 1, hash, ENVELOPE_KEY_ID_SIZE);
	return 0;
}

static int aad_add(struct aad *aad, const char *what, const char *name, struct error *err)
{
	size_t size = name ? strlen(name) : 0;

	if (size == 0 || size > NAME_SIZE_MAX)
		return error_set(
			err, ERR_INVALID, 0, "%s: must have 1 to %d bytes", what, NAME_SIZE_MAX);
	aad->bytes[aad->size++] = 0;
	aad->bytes[aad->size++] = 0;
	aad->bytes[aad->size++] = 0;
	aad->bytes[aad->size++] = (uint8_t)size;
	memcpy(aad->bytes + aad->size, name, size);
	aad->size += size;
	return 0;
}

static int aad_set(struct aad *aad, const uint8_t head[HEAD_SIZE],
	const struct envelope_context *ctx, struct error *err)
{
	memcpy(aad->bytes, head, HEAD_SIZE);
	aad->size = HEAD_SIZE;
	if (aad_add(aad, "project", ctx->project, err) < 0 ||
		aad_add(aad, "secret", ctx->name, err) < 0 ||
		aad_add(aad, "node", ctx->node, err) < 0)
		return -1;
	return 0;
}

static struct hpke_params params_of(const struct aad *aad)
{
	return (struct hpke_params){
		.aead = HPKE_AES_256_GCM,
		.info = info,
		.info_size = sizeof(info) - 1,
		.aad = aad->bytes,
		.aad_size = aad->size,
	};
}

int envelope_seal(const uint8_t public_key[HPKE_KEY_SIZE], const struct envelope_context *ctx,
	const void *plain, size_t size, uint8_t **ret, size_t *ret_size, struct error *err)
{
	cleanup_free uint8_t *sealed = NULL;
	struct hpke_params params;
	struct aad aad;

	if (size > ENVELOPE_PLAIN_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "secret '%s': larger than %u bytes",
			ctx->name, ENVELOPE_PLAIN_MAX);
	sealed = malloc(ENVELOPE_OVERHEAD + size);
	if (!sealed)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot seal");
	if (head_set(sealed, public_key, err) < 0 || aad_set(&aad, sealed, ctx, err) < 0)
		return -1;
	params = params_of(&aad);
	if (hpke_seal(&params, public_key, plain, size, sealed + HEAD_SIZE,
		    sealed + HEAD_SIZE + HPKE_KEY_SIZE, err) < 0)
		return error_prefix(err, "secret '%s'", ctx->name);
	*ret = take_ptr(sealed);
	*ret_size = ENVELOPE_OVERHEAD + size;
	return 0;
}

/* Judges what can be judged without the key, so that the error says what is wrong. */
static int check_head(const uint8_t *sealed, size_t size, const uint8_t head[HEAD_SIZE],
	const char *name, struct error *err)
{
	if (size < ENVELOPE_OVERHEAD)
		return error_set(err, ERR_INVALID, 0,
			"secret '%s': the envelope has %zu bytes, at least %d are needed", name,
			size, ENVELOPE_OVERHEAD);
	if (size > ENVELOPE_OVERHEAD + ENVELOPE_PLAIN_MAX)
		return error_set(err, ERR_INVALID, 0,
			"secret '%s': the envelope has %zu bytes, more than %u", name, size,
			ENVELOPE_OVERHEAD + ENVELOPE_PLAIN_MAX);
	if (sealed[0] != ENVELOPE_VERSION)
		return error_set(err, ERR_INVALID, 0, "secret '%s': envelope version %u is not %d",
			name, sealed[0], ENVELOPE_VERSION);
	if (memcmp(sealed, head, HEAD_SIZE) != 0)
		return error_set(err, ERR_INVALID, 0,
			"secret '%s': sealed to another key than this node's; create it again",
			name);
	return 0;
}

int envelope_open(const uint8_t private_key[HPKE_KEY_SIZE], const struct envelope_context *ctx,
	const void *sealed, size_t sealed_size, uint8_t **ret, size_t *ret_size, struct error *err)
{
	const uint8_t *bytes = sealed;
	uint8_t public_key[HPKE_KEY_SIZE];
	uint8_t head[HEAD_SIZE];
	struct hpke_params params;
	struct aad aad;
	uint8_t *plain;
	size_t size;

	if (hpke_public(private_key, public_key, err) < 0 || head_set(head, public_key, err) < 0 ||
		aad_set(&aad, head, ctx, err) < 0 ||
		check_head(bytes, sealed_size, head, ctx->name, err) < 0)
		return -1;
	size = sealed_size - ENVELOPE_OVERHEAD;
	plain = malloc(size + 1);
	if (!plain)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "secret '%s'", ctx->name);
	params = params_of(&aad);
	if (hpke_open(&params, private_key, bytes + HEAD_SIZE, bytes + HEAD_SIZE + HPKE_KEY_SIZE,
		    size + HPKE_TAG_SIZE, plain, err) < 0) {
		free(plain); /* nothing of the secret is in it */
		if (err && err->code == ERR_INVALID)
			return error_set(err, ERR_INVALID, 0,
				"secret '%s': sealed for another project, name or node than '%s', "
				"'%s', '%s', or damaged",
				ctx->name, ctx->project, ctx->name, ctx->node);
		return error_prefix(err, "secret '%s'", ctx->name);
	}
	plain[size] = '\0';
	*ret = plain;
	*ret_size = size;
	return 0;
}

void envelope_wipe(void *plain, size_t size)
{
	if (!plain)
		return;
	OPENSSL_cleanse(plain, size);
	free(plain);
}
