/*
 * Who calls, from the client certificate that TLS has verified: the common name is the user, the
 * organizations are the groups (as Kubernetes' X.509 client certificates).
 */
#ifndef NODEAGENT_API_IDENTITY_H
#define NODEAGENT_API_IDENTITY_H

#include <stddef.h>

#include "lib/error.h"

#define IDENTITY_NAME_MAX   256 /* bytes of a name or group in UTF-8 */
#define IDENTITY_GROUPS_MAX 32

struct identity {
	char name[IDENTITY_NAME_MAX + 1];
	char groups[IDENTITY_GROUPS_MAX][IDENTITY_NAME_MAX + 1];
	size_t groups_len;
};

/*
 * Reads the subject of the first certificate in 'pem'. Errors: ERR_UNAUTHENTICATED when there is
 * not exactly one CN, or a CN or O is empty, too long, or has NUL or control characters, or there
 * are too many O. Nothing is shortened.
 */
int identity_of_pem(struct identity *ret, const char *pem, size_t size, struct error *err);

#endif
