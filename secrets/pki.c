#include "secrets/pki.h"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/path.h"

#define SERIAL_SIZE 16
#define SKEW        300 /* seconds a certificate is valid before it is made, for other clocks */
#define SAN_SIZE    1024

static int failed(struct error *err, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	error_set(err, ERR_INTERNAL, 0, "OpenSSL cannot %s: %s", what,
		reason ? reason : "no reason given");
	ERR_clear_error();
	return -1;
}

int pki_key_new(EVP_PKEY **ret, struct error *err)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	if (!key)
		return failed(err, "make a P-256 key");
	*ret = key;
	return 0;
}

/* ---- names --------------------------------------------------------------------------------- */

static int check_name(const char *what, const char *name, struct error *err)
{
	size_t len = strnlen(name, PKI_NAME_MAX + 1);

	if (len == 0 || len > PKI_NAME_MAX)
		return error_set(err, ERR_INVALID, 0, "%s '%.64s': must have 1 to %d bytes", what,
			name, PKI_NAME_MAX);
	for (const char *p = name; *p; p++) {
		if (*p < ' ' || *p > '~')
			return error_set(err, ERR_INVALID, 0,
				"%s: only printable ASCII characters are allowed", what);
	}
	return 0;
}

/* By type and not by MBSTRING_UTF8: that would enforce X.520's 64 characters, groups are longer. */
static int name_add(X509_NAME *name, int nid, const char *text, struct error *err)
{
	if (X509_NAME_add_entry_by_NID(
		    name, nid, V_ASN1_UTF8STRING, (const unsigned char *)text, -1, -1, 0) != 1)
		return failed(err, "add a name");
	return 0;
}

static int check_subject(const struct pki_subject *s, struct error *err)
{
	if (check_name("name", s->name, err) < 0)
		return -1;
	if (s->groups_len > PKI_GROUPS_MAX)
		return error_set(err, ERR_INVALID, 0, "%zu groups, at most %d are allowed",
			s->groups_len, PKI_GROUPS_MAX);
	for (size_t i = 0; i < s->groups_len; i++) {
		if (check_name("group", s->groups[i], err) < 0)
			return -1;
	}
	if (s->use == PKI_SERVER && !name_is_dns_subdomain(s->name))
		return error_set(err, ERR_INVALID, 0,
			"node '%s': lower-case letters, digits, '-' and '.' (RFC 1123)", s->name);
	return 0;
}

/* ---- extensions ---------------------------------------------------------------------------- */

/* 'value' in OpenSSL's configuration syntax: nothing unchecked may come into it. */
static int extend(X509 *cert, X509 *issuer, int nid, const char *value, struct error *err)
{
	X509_EXTENSION *extension;
	X509V3_CTX ctx;
	int ok;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = extension && X509_add_ext(cert, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return ok ? 0 : failed(err, "add an extension");
}

/* "DNS:NAME,DNS:localhost,IP:127.0.0.1,IP:::1" and the address. */
static int alternative_names(const struct pki_subject *s, char text[SAN_SIZE], struct error *err)
{
	const char *address = s->address ? s->address : "";
	char bare[INET6_ADDRSTRLEN + 1] = "";
	uint8_t binary[16];
	size_t len = strlen(address);
	const char *type = "IP";

	snprintf(text, SAN_SIZE, "DNS:%s,DNS:localhost,IP:127.0.0.1,IP:::1", s->name);
	if (len == 0)
		return 0;
	if (len > 2 && len < sizeof(bare) && address[0] == '[' && address[len - 1] == ']') {
		snprintf(bare, sizeof(bare), "%.*s", (int)len - 2, address + 1);
		address = bare;
	}
	if (inet_pton(AF_INET, address, binary) != 1 && inet_pton(AF_INET6, address, binary) != 1) {
		if (bare[0] || !name_is_dns_subdomain(address))
			return error_set(err, ERR_INVALID, 0,
				"address '%s' is neither an IP address nor a DNS name", s->address);
		type = "DNS";
	}
	if (strcmp(address, "127.0.0.1") == 0 || strcmp(address, "::1") == 0 ||
		strcmp(address, "localhost") == 0 || strcmp(address, s->name) == 0)
		return 0;
	len = strlen(text);
	snprintf(text + len, SAN_SIZE - len, ",%s:%s", type, address);
	return 0;
}

static int extend_leaf(X509 *cert, X509 *ca, const struct pki_subject *s, struct error *err)
{
	const char *usage = s->use == PKI_SERVER ? "serverAuth" : "clientAuth";
	char san[SAN_SIZE];

	if (extend(cert, ca, NID_basic_constraints, "critical,CA:FALSE", err) < 0 ||
		extend(cert, ca, NID_key_usage, "critical,digitalSignature", err) < 0 ||
		extend(cert, ca, NID_ext_key_usage, usage, err) < 0 ||
		extend(cert, ca, NID_subject_key_identifier, "hash", err) < 0 ||
		extend(cert, ca, NID_authority_key_identifier, "keyid:always", err) < 0)
		return -1;
	if (s->use != PKI_SERVER)
		return 0;
	if (alternative_names(s, san, err) < 0)
		return -1;
	return extend(cert, ca, NID_subject_alt_name, san, err);
}

static int extend_ca(X509 *cert, struct error *err)
{
	if (extend(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0", err) < 0 ||
		extend(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign", err) < 0 ||
		extend(cert, cert, NID_subject_key_identifier, "hash", err) < 0)
		return -1;
	return 0;
}

/* ---- certificates -------------------------------------------------------------------------- */

static int set_serial(X509 *cert)
{
	uint8_t bytes[SERIAL_SIZE];
	BIGNUM *number;
	int ok;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return 0;
	bytes[0] = (bytes[0] & 0x7f) | 0x40; /* positive and always of one length */
	number = BN_bin2bn(bytes, sizeof(bytes), NULL);
	ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
	BN_free(number);
	return ok;
}

/* Everything that all certificates have. NULL with 'err' set on failure. */
static X509 *begin(EVP_PKEY *key, long life, struct error *err)
{
	X509 *cert = X509_new();

	if (cert && X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
		X509_gmtime_adj(X509_getm_notBefore(cert), -SKEW) &&
		X509_gmtime_adj(X509_getm_notAfter(cert), life) && X509_set_pubkey(cert, key) == 1)
		return cert;
	X509_free(cert);
	failed(err, "make a certificate");
	return NULL;
}

int pki_ca_new(X509 **ret, const char *ca_name, EVP_PKEY *key, struct error *err)
{
	X509 *cert = begin(key, PKI_CA_LIFE, err);
	X509_NAME *name = cert ? X509_get_subject_name(cert) : NULL;

	if (!cert)
		return -1;
	if (name_add(name, NID_commonName, ca_name, err) < 0 || extend_ca(cert, err) < 0) {
		X509_free(cert);
		return -1;
	}
	if (X509_set_issuer_name(cert, name) != 1 || X509_sign(cert, key, EVP_sha256()) == 0) {
		X509_free(cert);
		return failed(err, "sign the CA certificate");
	}
	*ret = cert;
	return 0;
}

static int fill(X509 *cert, const struct pki_subject *s, X509 *ca, struct error *err)
{
	X509_NAME *name = X509_get_subject_name(cert);

	for (size_t i = 0; i < s->groups_len; i++) {
		if (name_add(name, NID_organizationName, s->groups[i], err) < 0)
			return -1;
	}
	if (name_add(name, NID_commonName, s->name, err) < 0)
		return -1;
	if (X509_set_issuer_name(cert, X509_get_subject_name(ca)) != 1)
		return failed(err, "name the issuer");
	return extend_leaf(cert, ca, s, err);
}

int pki_issue(X509 **ret, const struct pki_subject *subject, EVP_PKEY *subject_key, X509 *ca,
	EVP_PKEY *ca_key, struct error *err)
{
	X509 *cert;

	if (check_subject(subject, err) < 0)
		return -1;
	if (X509_check_private_key(ca, ca_key) != 1) {
		ERR_clear_error();
		return error_set(
			err, ERR_INVALID, 0, "the CA's key does not belong to its certificate");
	}
	cert = begin(subject_key, subject->life, err);
	if (!cert)
		return -1;
	if (fill(cert, subject, ca, err) < 0) {
		X509_free(cert);
		return -1;
	}
	if (X509_sign(cert, ca_key, EVP_sha256()) == 0) {
		X509_free(cert);
		return failed(err, "sign a certificate");
	}
	*ret = cert;
	return 0;
}

int pki_server_new(X509 **ret, const struct pki_subject *subject, EVP_PKEY *key, struct error *err)
{
	X509 *cert;
	int r;

	if (check_subject(subject, err) < 0)
		return -1;
	cert = begin(key, subject->life, err);
	if (!cert)
		return -1;
	r = name_add(X509_get_subject_name(cert), NID_commonName, subject->name, err);
	if (r == 0 && X509_set_issuer_name(cert, X509_get_subject_name(cert)) != 1)
		r = failed(err, "name the issuer");
	if (r == 0)
		r = extend_leaf(cert, cert, subject, err);
	if (r == 0 && X509_sign(cert, key, EVP_sha256()) == 0)
		r = failed(err, "sign a certificate");
	if (r < 0)
		X509_free(cert);
	else
		*ret = cert;
	return r;
}

/* ---- requests ------------------------------------------------------------------------------ */

static bool is_p256(EVP_PKEY *key)
{
	char group[32] = "";

	return EVP_PKEY_is_a(key, "EC") &&
	       EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
	       (strcmp(group, "prime256v1") == 0 || strcmp(group, "P-256") == 0);
}

int pki_request_key(const void *der, size_t size, EVP_PKEY **ret, struct error *err)
{
	const unsigned char *at = der;
	X509_REQ *request = size <= PKI_REQUEST_MAX ? d2i_X509_REQ(NULL, &at, (long)size) : NULL;
	EVP_PKEY *key = request ? X509_REQ_get_pubkey(request) : NULL;
	bool whole = request && at == (const unsigned char *)der + size;
	bool proven = key && X509_REQ_verify(request, key) == 1;

	ERR_clear_error();
	X509_REQ_free(request);
	if (whole && proven && is_p256(key)) {
		*ret = key;
		return 0;
	}
	EVP_PKEY_free(key);
	return error_set(err, ERR_INVALID, 0, "%s",
		!whole    ? "it is no certificate request (PKCS #10 in DER)"
		: !proven ? "its signature does not fit its key"
			  : "its key is not one of P-256");
}

int pki_request_new(EVP_PKEY *key, unsigned char **ret, size_t *ret_size, struct error *err)
{
	X509_REQ *request = X509_REQ_new();
	unsigned char *der = NULL;
	int size = -1;

	if (request && X509_REQ_set_version(request, X509_REQ_VERSION_1) == 1 &&
		X509_REQ_set_pubkey(request, key) == 1 &&
		X509_REQ_sign(request, key, EVP_sha256()) > 0)
		size = i2d_X509_REQ(request, &der);
	X509_REQ_free(request);
	if (size < 0)
		return failed(err, "make a certificate request");
	*ret = der;
	*ret_size = (size_t)size;
	return 0;
}
