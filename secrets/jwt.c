#include "secrets/jwt.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "secrets/base64url.h"
#include "secrets/jwt_key.h"

/* "header.payload" as a NUL-terminated string with room for ".signature", or NULL. */
static char *signing_input(const char *header, const char *payload, size_t *ret_size)
{
	size_t header_size = strlen(header), payload_size = strlen(payload);
	char *text = malloc(BASE64URL_SIZE(header_size) + BASE64URL_SIZE(payload_size) +
			    BASE64URL_SIZE(ES256_SIZE));
	size_t size;

	if (!text)
		return NULL;
	size = base64url_encode(text, header, header_size);
	text[size++] = '.';
	size += base64url_encode(text + size, payload, payload_size);
	*ret_size = size;
	return text;
}

int jwt_sign(const struct jwt_key *key, const json_t *claims, char **ret, struct error *err)
{
	json_t *head = json_pack("{s:s, s:s}", "alg", "ES256", "kid", jwt_key_id(key));
	cleanup_free char *header = head ? json_dumps(head, JSON_COMPACT) : NULL;
	cleanup_free char *payload = json_dumps(claims, JSON_COMPACT);
	uint8_t signature[ES256_SIZE];
	char *token = NULL;
	size_t size;

	json_decref(head);
	if (header && payload)
		token = signing_input(header, payload, &size);
	if (!token)
		return error_set(err, ERR_INTERNAL, 0, "cannot write a token");
	if (size + BASE64URL_SIZE(ES256_SIZE) > JWT_SIZE_MAX) {
		free(token);
		return error_set(
			err, ERR_EXHAUSTED, 0, "a token of more than %d characters", JWT_SIZE_MAX);
	}
	if (es256_sign(key, token, size, signature, err) < 0) {
		free(token);
		return -1;
	}
	token[size++] = '.';
	base64url_encode(token + size, signature, sizeof(signature));
	*ret = token;
	return 0;
}
