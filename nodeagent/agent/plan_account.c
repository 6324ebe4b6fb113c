#include "nodeagent/agent/plan_account.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/cleanup.h"

int plan_account_uid(const char *project, const char *account, char ret[PLAN_ACCOUNT_UID_SIZE],
	struct error *err)
{
	cleanup_free char *text = NULL;
	unsigned char h[EVP_MAX_MD_SIZE];
	int len = asprintf(&text, "bulkhead serviceaccount/%s/%s", project, account);

	if (len < 0) {
		text = NULL;
		return error_set(err, ERR_EXHAUSTED, 0, "no memory for the plan");
	}
	if (EVP_Digest(text, (size_t)len, h, NULL, EVP_sha256(), NULL) != 1)
		return error_set(err, ERR_INTERNAL, 0, "cannot compute a SHA-256");
	h[6] = (unsigned char)((h[6] & 0x0f) | 0x80);
	h[8] = (unsigned char)((h[8] & 0x3f) | 0x80);
	snprintf(ret, PLAN_ACCOUNT_UID_SIZE,
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", h[0], h[1],
		h[2], h[3], h[4], h[5], h[6], h[7], h[8], h[9], h[10], h[11], h[12], h[13], h[14],
		h[15]);
	return 0;
}
