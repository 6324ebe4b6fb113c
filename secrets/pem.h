/* Keys and certificates to and from PEM files (RFC 7468; keys as unencrypted PKCS #8). */
#ifndef SECRETS_PEM_H
#define SECRETS_PEM_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stddef.h>

#include "lib/error.h"

#define PEM_FILE_MAX 65536

/* As text of 'ret_size' bytes and a NUL, released with envelope_wipe(). */
int pem_of_key(const EVP_PKEY *key, char **ret, size_t *ret_size, struct error *err);
int pem_of_cert(X509 *cert, char **ret, size_t *ret_size, struct error *err);

/*
 * Reads 'name' beneath 'dirfd'. Freed with EVP_PKEY_free(), X509_free(). Errors: those of opening,
 * ERR_INVALID when it holds no such thing (an encrypted key counts as none).
 */
int pem_read_key(int dirfd, const char *name, EVP_PKEY **ret, struct error *err);
int pem_read_cert(int dirfd, const char *name, X509 **ret, struct error *err);

#endif
