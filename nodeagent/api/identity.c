#include "nodeagent/api/identity.h"

#include <limits.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "lib/cleanup.h"

/* One attribute of the subject as checked UTF-8. 'what' is "CN" or "O" for the error. */
static int text_of(char *ret, const X509_NAME_ENTRY *entry, const char *what, struct error *err)
{
	unsigned char *utf8 = NULL;
	int len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
	const char *wrong = NULL;

	if (len < 0)
		wrong = "is not text";
	else if (len == 0)
		wrong = "is empty";
	else if (len > IDENTITY_NAME_MAX)
		wrong = "is longer than 256 bytes";
	for (int i = 0; !wrong && i < len; i++) {
		if (utf8[i] < 0x20 || utf8[i] == 0x7f)
			wrong = "has a NUL or control character";
	}
	if (!wrong) {
		memcpy(ret, utf8, (size_t)len);
		ret[len] = '\0';
	}
	OPENSSL_free(utf8);
	ERR_clear_error();
	if (wrong)
		return error_set(
			err, ERR_UNAUTHENTICATED, 0, "client certificate: %s %s", what, wrong);
	return 0;
}

static int common_name(struct identity *ret, const X509_NAME *subject, struct error *err)
{
	int first = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	if (first < 0)
		return error_set(err, ERR_UNAUTHENTICATED, 0,
			"client certificate: the subject has no CN; the CN is the user's name");
	if (X509_NAME_get_index_by_NID(subject, NID_commonName, first) >= 0)
		return error_set(err, ERR_UNAUTHENTICATED, 0,
			"client certificate: the subject has more than one CN");
	return text_of(ret->name, X509_NAME_get_entry(subject, first), "CN", err);
}

static int organizations(struct identity *ret, const X509_NAME *subject, struct error *err)
{
	int at = -1;

	for (;;) {
		at = X509_NAME_get_index_by_NID(subject, NID_organizationName, at);
		if (at < 0)
			return 0;
		if (ret->groups_len == IDENTITY_GROUPS_MAX)
			return error_set(err, ERR_UNAUTHENTICATED, 0,
				"client certificate: more than %d O in the subject",
				IDENTITY_GROUPS_MAX);
		if (text_of(ret->groups[ret->groups_len], X509_NAME_get_entry(subject, at), "O",
			    err) < 0)
			return -1;
		ret->groups_len++;
	}
}

int identity_of_pem(struct identity *ret, const char *pem, size_t size, struct error *err)
{
	BIO *bio = size <= INT_MAX ? BIO_new_mem_buf(pem, (int)size) : NULL;
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	struct identity *found = calloc(1, sizeof(*found));
	int r = -1;

	if (!found)
		error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot read the client certificate");
	else if (!cert)
		error_set(err, ERR_UNAUTHENTICATED, 0,
			"client certificate: not an X.509 certificate");
	else if (common_name(found, X509_get_subject_name(cert), err) == 0 &&
		 organizations(found, X509_get_subject_name(cert), err) == 0) {
		*ret = *found;
		r = 0;
	}
	free(found);
	X509_free(cert);
	BIO_free(bio);
	ERR_clear_error();
	return r;
}
