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

#define PKI_NAME_MAX    253 /* bytes of a common name or organization */
#define PKI_GROUPS_MAX  32
#define PKI_REQUEST_MAX 4096

/* Lifetimes in seconds. */
#define PKI_DAY       86400L
#define PKI_CA_LIFE   (3650 * PKI_DAY)
#define PKI_NODE_LIFE (3650 * PKI_DAY) /* until nodes renew their certificates themselves */
#define PKI_USER_LIFE (365 * PKI_DAY)

#define PKI_CA_NAME       "bulkhead cluster CA"
#define PKI_NODES_CA_NAME "bulkhead nodes CA"

enum pki_use { PKI_SERVER, PKI_CLIENT };

/* What a certificate says. Borrowed. */
struct pki_subject {
	enum pki_use use;
	const char *name;          /* CN */
	const char *const *groups; /* O */
	size_t groups_len;
	const char *address; /* PKI_SERVER: IP address or DNS name beside 'name' and localhost */
	long life;           /* seconds */
};

/* A new ECDSA P-256 key. Freed with EVP_PKEY_free(). */
int pki_key_new(EVP_PKEY **ret, struct error *err);

/* A self-signed CA certificate for 'key'. Freed with X509_free(). */
int pki_ca_new(X509 **ret, const char *name, EVP_PKEY *key, struct error *err);

/*
 * A self-signed certificate for a server, as PKI_SERVER of pki_issue(): who trusts it trusts this
 * one server, and no authority.
 */
int pki_server_new(X509 **ret, const struct pki_subject *subject, EVP_PKEY *key, struct error *err);

/*
 * The public key of a certificate request (PKCS #10 in DER) that proves to hold the private one.
 * Freed with EVP_PKEY_free(). Nothing else of it is looked at. Errors: ERR_INVALID (no such
 * request, its signature, another key than P-256).
 */
int pki_request_key(const void *der, size_t size, EVP_PKEY **ret, struct error *err);

/* Makes one, with an empty subject. The caller frees *ret with OPENSSL_free(). */
int pki_request_new(EVP_PKEY *key, unsigned char **ret, size_t *ret_size, struct error *err);

/*
 * A certificate for 'subject_key', signed by the CA. Freed with X509_free().
 * Errors: ERR_INVALID names what cannot be put into a certificate.
 */
int pki_issue(X509 **ret, const struct pki_subject *subject, EVP_PKEY *subject_key, X509 *ca,
	EVP_PKEY *ca_key, struct error *err);

#endif
