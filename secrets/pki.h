/*
 * Certificates of a cluster: its CA and what that issues. Builds them in memory; secrets/setup.h
 * puts them into files.
 */
#ifndef SECRETS_PKI_H
#define SECRETS_PKI_H

#include <stddef.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "lib/error.h"

#define PKI_NAME_MAX   253 /* bytes of a common name or organization */
#define PKI_GROUPS_MAX 32
#define PKI_CA_DAYS    3650
#define PKI_NODE_DAYS  3650 /* until nodes renew their certificates themselves */
#define PKI_USER_DAYS  365

enum pki_use { PKI_SERVER, PKI_CLIENT };

/* What a certificate says. Borrowed. */
struct pki_subject {
	enum pki_use use;
	const char *name;          /* CN */
	const char *const *groups; /* O */
	size_t groups_len;
	const char *address; /* PKI_SERVER: IP address or DNS name beside 'name' and localhost */
	int days;
};

/* A new ECDSA P-256 key. Freed with EVP_PKEY_free(). */
int pki_key_new(EVP_PKEY **ret, struct error *err);

/* A self-signed CA certificate for 'key'. Freed with X509_free(). */
int pki_ca_new(X509 **ret, EVP_PKEY *key, struct error *err);

/*
 * A certificate for 'subject_key', signed by the CA. Freed with X509_free().
 * Errors: ERR_INVALID names what cannot be put into a certificate.
 */
int pki_issue(X509 **ret, const struct pki_subject *subject, EVP_PKEY *subject_key, X509 *ca,
	EVP_PKEY *ca_key, struct error *err);

#endif
