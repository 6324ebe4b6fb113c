#include "secrets/pem.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "secrets/envelope.h"

/* Takes over 'bio', whose memory is overwritten when it is freed. */
static int text_of(BIO *bio, int ok, char **ret, size_t *ret_size, struct error *err)
{
	char *data;
	long size = ok ? BIO_get_mem_data(bio, &data) : 0;
	char *text = size > 0 ? malloc((size_t)size + 1) : NULL;

	if (text) {
		memcpy(text, data, (size_t)size);
		text[size] = '\0';
	}
	BIO_free(bio);
	if (!text) {
		ERR_clear_error();
		return error_set(err, ERR_INTERNAL, 0, "OpenSSL cannot write PEM");
	}
	*ret = text;
	*ret_size = (size_t)size;
	return 0;
}

int pem_of_key(const EVP_PKEY *key, char **ret, size_t *ret_size, struct error *err)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int ok = bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1;

	return text_of(bio, ok, ret, ret_size, err);
}

int pem_of_cert(X509 *cert, char **ret, size_t *ret_size, struct error *err)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int ok = bio && PEM_write_bio_X509(bio, cert) == 1;

	return text_of(bio, ok, ret, ret_size, err);
}

/* Instead of a question on the terminal. */
static int no_password(char *buf, int size, int rwflag, void *user)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)user;
	return -1;
}

int pem_read_key(int dirfd, const char *name, EVP_PKEY **ret, struct error *err)
{
	EVP_PKEY *key = NULL;
	size_t size;
	char *text;
	BIO *bio;

	if (file_read_at(dirfd, name, PEM_FILE_MAX, &text, &size, err) < 0)
		return -1;
	bio = BIO_new_mem_buf(text, (int)size);
	if (bio)
		key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	BIO_free(bio);
	envelope_wipe(text, size);
	ERR_clear_error();
	if (!key)
		return error_set(
			err, ERR_INVALID, 0, "'%s': holds no unencrypted private key in PEM", name);
	*ret = key;
	return 0;
}

int pem_read_cert(int dirfd, const char *name, X509 **ret, struct error *err)
{
	cleanup_free char *text = NULL;
	X509 *cert = NULL;
	size_t size;
	BIO *bio;

	if (file_read_at(dirfd, name, PEM_FILE_MAX, &text, &size, err) < 0)
		return -1;
	bio = BIO_new_mem_buf(text, (int)size);
	if (bio)
		cert = PEM_read_bio_X509(bio, NULL, no_password, NULL);
	BIO_free(bio);
	ERR_clear_error();
	if (!cert)
		return error_set(err, ERR_INVALID, 0, "'%s': holds no certificate in PEM", name);
	*ret = cert;
	return 0;
}
