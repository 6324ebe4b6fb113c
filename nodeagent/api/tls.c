#include "nodeagent/api/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <openssl/conf.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "lib/path.h"

/*
 * gRPC core 1.51 has no setter for the lowest version, and its own call overrides MinProtocol; what
 * Protocol and Options switch off stays off. Tickets would let a client resume without a
 * certificate.
 */
static const char openssl_config[] = "openssl_conf = init\n"
				     "[init]\n"
				     "ssl_conf = ssl\n"
				     "[ssl]\n"
				     "system_default = server\n"
				     "[server]\n"
#ifndef BULKHEAD_WEAK_TLS
				     "Protocol = -TLSv1.2\n"
#endif
				     "Options = -SessionTicket\n";

enum file_index { FILE_CA, FILE_CERT, FILE_KEY, FILES };

static const char *const file_what[FILES] = { "CA", "certificate", "key" };

/* What tells a changed file from an unchanged one without reading it. */
struct stamp {
	ino_t inode;
	off_t size;
	struct timespec modified;
	struct timespec changed;
};

struct file {
	int dirfd;
	char *name;
};

struct tls {
	struct file files[FILES];
	pthread_mutex_t mutex; /* guards what follows: handshakes run on gRPC's threads */
	struct stamp stamps[FILES];
	char *pem[FILES];
	int taken; /* by gRPC, since it was last read */
};

static int openssl_setup(struct error *err)
{
	BIO *bio = BIO_new_mem_buf(openssl_config, -1);
	CONF *conf = NCONF_new(NULL);
	int ok = 0;

	/* Not the system's file as well. */
	if (bio && conf && OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1)
		ok = NCONF_load_bio(conf, bio, NULL) == 1 && CONF_modules_load(conf, NULL, 0) == 1;
	NCONF_free(conf);
	BIO_free(bio);
	if (!ok)
		return error_set(err, ERR_INTERNAL, 0, "cannot configure OpenSSL: %s",
			ERR_reason_error_string(ERR_get_error()));
	return 0;
}

static int file_open(struct file *file, const char *path, const char *what, struct error *err)
{
	cleanup_free char *copy = strdup(path);
	cleanup_free char *copy2 = strdup(path);

	if (copy && copy2)
		file->name = strdup(basename(copy2));
	if (!file->name)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "%s file '%s'", what, path);
	file->dirfd = open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (file->dirfd < 0)
		return error_set(err, error_code_of(errno), errno, "%s file '%s'", what, path);
	return 0;
}

/* 1 the files differ from 'stamps' (which are then the new ones), 0 the same, -1 one is missing. */
static int changed(const struct tls *tls, struct stamp stamps[FILES], struct error *err)
{
	int differ = 0;

	for (size_t i = 0; i < FILES; i++) {
		struct stamp now;
		struct stat st;

		if (fstatat(tls->files[i].dirfd, tls->files[i].name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return error_set(err, error_code_of(errno), errno, "%s file '%s'",
				file_what[i], tls->files[i].name);
		memset(&now, 0, sizeof(now));
		now.inode = st.st_ino;
		now.size = st.st_size;
		now.modified = st.st_mtim;
		now.changed = st.st_ctim;
		differ |= memcmp(&now, &stamps[i], sizeof(now)) != 0;
		stamps[i] = now;
	}
	return differ;
}

/* Whether the three belong together: else gRPC would fail each handshake with it. */
static int judge(char *const pem[FILES], struct error *err)
{
	BIO *bios[FILES] = { 0 };
	X509 *ca, *cert;
	EVP_PKEY *key;
	int r = -1;

	for (size_t i = 0; i < FILES; i++)
		bios[i] = BIO_new_mem_buf(pem[i], -1);
	ca = PEM_read_bio_X509(bios[FILE_CA], NULL, NULL, NULL);
	cert = PEM_read_bio_X509(bios[FILE_CERT], NULL, NULL, NULL);
	key = PEM_read_bio_PrivateKey(bios[FILE_KEY], NULL, NULL, NULL);
	if (!ca)
		error_set(err, ERR_INVALID, 0, "the CA file holds no PEM certificate");
	else if (!cert)
		error_set(err, ERR_INVALID, 0, "the certificate file holds no PEM certificate");
	else if (!key)
		error_set(err, ERR_INVALID, 0, "the key file holds no unencrypted PEM key");
	else if (X509_check_private_key(cert, key) != 1)
		error_set(err, ERR_INVALID, 0, "the key does not belong to the certificate");
	else
		r = 0;
	X509_free(ca);
	X509_free(cert);
	EVP_PKEY_free(key);
	for (size_t i = 0; i < FILES; i++)
		BIO_free(bios[i]);
	ERR_clear_error();
	return r;
}

static void pem_free(char *pem[FILES])
{
	for (size_t i = 0; i < FILES; i++) {
		if (pem[i])
			OPENSSL_cleanse(pem[i], strlen(pem[i]));
		free(pem[i]);
		pem[i] = NULL;
	}
}

/* Reads and judges the files as they are now; on failure what was read before stays. */
static int load(struct tls *tls, struct error *err)
{
	char *pem[FILES] = { 0 };
	int r = 0;

	for (size_t i = 0; i < FILES && r == 0; i++) {
		size_t size;

		r = file_read_at(
			tls->files[i].dirfd, tls->files[i].name, TLS_FILE_MAX, &pem[i], &size, err);
		if (r < 0)
			error_prefix(err, "%s file", file_what[i]);
	}
	if (r == 0)
		r = judge(pem, err);
	if (r < 0) {
		pem_free(pem);
		return -1;
	}
	pem_free(tls->pem);
	memcpy(tls->pem, pem, sizeof(pem));
	tls->taken = 0;
	return 0;
}

/* A change is tried once; what it came to is logged here, as a handshake cannot report it. */
static void reload(struct tls *tls)
{
	struct error err = { 0 };
	int differ = changed(tls, tls->stamps, &err);

	if (differ < 0) {
		memset(tls->stamps, 0, sizeof(tls->stamps));
		return;
	}
	if (!differ)
		return;
	if (load(tls, &err) < 0)
		log_warning("certificates stay as they were: %s", err.text);
	else
		log_notice("certificates were read again");
}

static grpc_ssl_certificate_config_reload_status fetch(
	void *user, grpc_ssl_server_certificate_config **config)
{
	struct tls *tls = user;
	grpc_ssl_certificate_config_reload_status status =
		GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;

	pthread_mutex_lock(&tls->mutex);
	reload(tls);
	if (!tls->taken) {
		grpc_ssl_pem_key_cert_pair pair = { tls->pem[FILE_KEY], tls->pem[FILE_CERT] };

		*config = grpc_ssl_server_certificate_config_create(tls->pem[FILE_CA], &pair, 1);
		tls->taken = 1;
		status = GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
	}
	pthread_mutex_unlock(&tls->mutex);
	return status;
}

int tls_new(struct tls **ret, const struct tls_files *files, struct error *err)
{
	const char *const paths[FILES] = { files->ca, files->cert, files->key };
	struct tls *tls = calloc(1, sizeof(*tls));
	int r = 0;

	if (!tls)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot read certificates");
	pthread_mutex_init(&tls->mutex, NULL);
	for (size_t i = 0; i < FILES; i++)
		tls->files[i].dirfd = -1;
	for (size_t i = 0; i < FILES && r == 0; i++)
		r = file_open(&tls->files[i], paths[i], file_what[i], err);
	if (r < 0 || changed(tls, tls->stamps, err) < 0 || load(tls, err) < 0 ||
		openssl_setup(err) < 0) {
		tls_free(tls);
		return -1;
	}
	*ret = tls;
	return 0;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	for (size_t i = 0; i < FILES; i++) {
		if (tls->files[i].dirfd >= 0)
			close(tls->files[i].dirfd);
		free(tls->files[i].name);
	}
	pem_free(tls->pem);
	pthread_mutex_destroy(&tls->mutex);
	free(tls);
}

grpc_server_credentials *tls_credentials(struct tls *tls)
{
	grpc_ssl_client_certificate_request_type required =
		GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;

	return grpc_ssl_server_credentials_create_with_options(
		grpc_ssl_server_credentials_create_options_using_config_fetcher(
			required, fetch, tls));
}
