#include "nodeagent/image/digest.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

#define SUM_SIZE 32

struct digest {
	EVP_MD_CTX *ctx;
};

int digest_new(struct digest **ret, struct error *err)
{
	struct digest *d = calloc(1, sizeof(*d));

	if (d)
		d->ctx = EVP_MD_CTX_new();
	if (!d || !d->ctx || EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) != 1) {
		digest_free(d);
		error_set(err, ERR_EXHAUSTED, 0, "cannot begin a SHA-256 sum");
		return -1;
	}
	*ret = d;
	return 0;
}

void digest_free(struct digest *digest)
{
	if (!digest)
		return;
	EVP_MD_CTX_free(digest->ctx);
	free(digest);
}

int digest_add(struct digest *digest, const void *data, size_t size, struct error *err)
{
	if (EVP_DigestUpdate(digest->ctx, data, size) != 1)
		return error_set(err, ERR_INTERNAL, 0, "cannot go on with a SHA-256 sum");
	return 0;
}

int digest_hex(struct digest *digest, char ret[DIGEST_HEX_SIZE], struct error *err)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char sum[EVP_MAX_MD_SIZE];

	if (EVP_DigestFinal_ex(digest->ctx, sum, NULL) != 1)
		return error_set(err, ERR_INTERNAL, 0, "cannot end a SHA-256 sum");
	for (size_t i = 0; i < SUM_SIZE; i++) {
		ret[2 * i] = digits[sum[i] >> 4];
		ret[2 * i + 1] = digits[sum[i] & 15];
	}
	ret[DIGEST_HEX_SIZE - 1] = '\0';
	return 0;
}

int digest_of(const void *data, size_t size, char ret[DIGEST_HEX_SIZE], struct error *err)
{
	struct digest *d = NULL;
	int r;

	if (digest_new(&d, err) < 0)
		return -1;
	r = digest_add(d, data, size, err);
	if (r == 0)
		r = digest_hex(d, ret, err);
	digest_free(d);
	return r;
}

int digest_is_hex(const char *text)
{
	return strspn(text, "0123456789abcdef") == DIGEST_HEX_SIZE - 1 &&
	       text[DIGEST_HEX_SIZE - 1] == '\0';
}

const char *digest_parse(const char *field, const char *text, struct error *err)
{
	const size_t prefix = sizeof(DIGEST_PREFIX) - 1;

	if (strncmp(text, DIGEST_PREFIX, prefix) == 0 && digest_is_hex(text + prefix))
		return text + prefix;
	if (strchr(text, ':') && strncmp(text, DIGEST_PREFIX, prefix) != 0)
		error_set(err, ERR_UNSUPPORTED, 0, "%s: digest '%.100s' is not of sha256", field,
			text);
	else
		error_set(err, ERR_INVALID, 0,
			"%s: digest '%.100s' is not sha256: and 64 hexadecimal digits", field,
			text);
	return NULL;
}
