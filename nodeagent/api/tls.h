/*
 * Server credentials: TLS 1.3 alone, no session tickets, a client certificate signed by the
 * cluster's CA required, and certificate files read again when they change.
 */
#ifndef NODEAGENT_API_TLS_H
#define NODEAGENT_API_TLS_H

#include <grpc/grpc_security.h>

#include "lib/error.h"

#define TLS_FILE_MAX (256u << 10) /* bytes of one PEM file */

struct tls;

/* PEM files, paths borrowed. */
struct tls_files {
	const char *ca;
	const char *cert;
	const char *key;
};

/*
 * Sets up OpenSSL for the process, opens the directories of the three files and reads them. Before
 * confinement: later they are found through the directories. The caller owns *ret.
 * Errors: name the file; ERR_INVALID when a certificate does not parse or the key does not fit.
 */
int tls_new(struct tls **ret, const struct tls_files *files, struct error *err);
void tls_free(struct tls *tls);

/*
 * Credentials that look at the files again at every handshake: a changed set that is readable and
 * fits together is used at once, a bad one is logged once and the last good one stays. 'tls' must
 * outlive them. After grpc_init().
 */
grpc_server_credentials *tls_credentials(struct tls *tls);

#endif
