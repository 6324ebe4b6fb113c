#include "secrets/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "secrets/key_files.h"
#include "secrets/pem.h"
#include "secrets/pki.h"
#include "secrets/sealing_key.h"

#define ADMIN_NAME  "admin"
#define ADMIN_GROUP "system:masters"

/* ---- a node -------------------------------------------------------------------------------- */

struct bundle {
	EVP_PKEY *ca_key, *node_key, *admin_key, *sealing_key, *token_key;
	EVP_PKEY *nodes_ca_key, *database_key;
	X509 *ca, *node, *admin, *nodes_ca, *database;
};

static void bundle_done(struct bundle *b)
{
	EVP_PKEY_free(b->ca_key);
	EVP_PKEY_free(b->node_key);
	EVP_PKEY_free(b->admin_key);
	EVP_PKEY_free(b->sealing_key);
	EVP_PKEY_free(b->token_key);
	EVP_PKEY_free(b->nodes_ca_key);
	EVP_PKEY_free(b->database_key);
	X509_free(b->ca);
	X509_free(b->node);
	X509_free(b->admin);
	X509_free(b->nodes_ca);
	X509_free(b->database);
}
#define cleanup_bundle __attribute__((cleanup(bundle_done)))

static int make_keys(struct bundle *b, struct error *err)
{
	if (pki_key_new(&b->ca_key, err) < 0 || pki_key_new(&b->node_key, err) < 0 ||
		pki_key_new(&b->admin_key, err) < 0 || pki_key_new(&b->token_key, err) < 0 ||
		pki_key_new(&b->nodes_ca_key, err) < 0 || pki_key_new(&b->database_key, err) < 0)
		return -1;
	b->sealing_key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	if (!b->sealing_key)
		return error_set(err, ERR_INTERNAL, 0, "OpenSSL cannot make an X25519 key");
	return 0;
}

static int make_certs(struct bundle *b, const struct setup_node *node, struct error *err)
{
	static const char *const groups[] = { ADMIN_GROUP };
	const struct pki_subject server = {
		.use = PKI_SERVER,
		.name = node->name,
		.address = node->address,
		.life = PKI_NODE_LIFE,
	};
	const struct pki_subject admin = {
		.use = PKI_CLIENT,
		.name = ADMIN_NAME,
		.groups = groups,
		.groups_len = ARRAY_LEN(groups),
		.life = PKI_USER_LIFE,
	};

	if (pki_ca_new(&b->ca, PKI_CA_NAME, b->ca_key, err) < 0 ||
		pki_ca_new(&b->nodes_ca, PKI_NODES_CA_NAME, b->nodes_ca_key, err) < 0 ||
		pki_server_new(&b->database, &server, b->database_key, err) < 0 ||
		pki_issue(&b->node, &server, b->node_key, b->ca, b->ca_key, err) < 0 ||
		pki_issue(&b->admin, &admin, b->admin_key, b->ca, b->ca_key, err) < 0)
		return -1;
	return 0;
}

static int add_signature(struct key_files *files, const struct folder *keys, const struct bundle *b,
	const char *node, struct error *err)
{
	uint8_t key[HPKE_KEY_SIZE], signature[SEALING_KEY_SIGNATURE_MAX];
	size_t size = sizeof(key);

	if (EVP_PKEY_get_raw_public_key(b->sealing_key, key, &size) != 1)
		return error_set(err, ERR_INTERNAL, 0, "OpenSSL cannot show an X25519 key");
	if (sealing_key_sign(b->ca_key, node, key, signature, &size, err) < 0)
		return -1;
	return key_files_data(files, keys, SETUP_SEALING_SIGNATURE, signature, size, 0600, err);
}

static int write_bundle(const struct bundle *b, const struct setup_node *node,
	const struct folder *keys, const struct folder *pki, const struct folder *cluster,
	struct error *err)
{
	cleanup_key_files struct key_files files = { .len = 0 };

	if (key_files_key(&files, keys, SETUP_CA_KEY, b->ca_key, err) < 0 ||
		key_files_key(&files, keys, SETUP_SEALING_KEY, b->sealing_key, err) < 0 ||
		add_signature(&files, keys, b, node->name, err) < 0 ||
		key_files_key(&files, keys, SETUP_TOKEN_KEY, b->token_key, err) < 0 ||
		key_files_data(&files, keys, SETUP_NODE_NAME, node->name, strlen(node->name), 0600,
			err) < 0 ||
		key_files_cert(&files, pki, SETUP_CA_CERT, b->ca, err) < 0 ||
		key_files_cert(&files, pki, "node.pem", b->node, err) < 0 ||
		key_files_key(&files, pki, SETUP_SERVER_KEY, b->node_key, err) < 0 ||
		key_files_cert(&files, pki, "admin.pem", b->admin, err) < 0 ||
		key_files_key(&files, pki, "admin.key", b->admin_key, err) < 0 ||
		key_files_key(&files, keys, SETUP_NODES_CA_KEY, b->nodes_ca_key, err) < 0 ||
		key_files_cert(&files, keys, SETUP_CA_CERT, b->ca, err) < 0 ||
		key_files_cert(&files, keys, SETUP_NODES_CA_CERT, b->nodes_ca, err) < 0 ||
		key_files_cert(&files, keys, SETUP_DATABASE_CERT, b->database, err) < 0 ||
		key_files_cert(&files, cluster, SETUP_NODES_CA_CERT, b->nodes_ca, err) < 0 ||
		key_files_cert(&files, cluster, SETUP_DATABASE_CERT, b->database, err) < 0 ||
		key_files_key(&files, cluster, SETUP_DATABASE_KEY, b->database_key, err) < 0 ||
		key_files_refuse_existing(&files, err) < 0 ||
		folder_own(keys, 0700, node->uid, err) < 0 ||
		folder_own(pki, 0755, geteuid(), err) < 0 ||
		folder_own(cluster, 0700, geteuid(), err) < 0)
		return -1;
	return key_files_write(&files, err);
}

int setup_node(const struct setup_node *node, struct error *err)
{
	struct folder keys = { .fd = -1 }, pki = { .fd = -1 }, cluster = { .fd = -1 };
	cleanup_bundle struct bundle b = { 0 };
	int r;

	if (make_keys(&b, err) < 0 || make_certs(&b, node, err) < 0)
		return -1;
	r = folder_open(&keys, node->keys, 0700, err);
	if (r == 0)
		r = folder_open(&pki, node->pki, 0755, err);
	if (r == 0)
		r = folder_open(&cluster, node->cluster, 0700, err);
	if (r == 0)
		r = write_bundle(&b, node, &keys, &pki, &cluster, err);
	folder_close(&cluster, r < 0);
	folder_close(&pki, r < 0);
	folder_close(&keys, r < 0);
	return r;
}

/* ---- a user -------------------------------------------------------------------------------- */

struct authority {
	EVP_PKEY *key, *user_key;
	X509 *cert, *user;
};

static void authority_done(struct authority *a)
{
	EVP_PKEY_free(a->key);
	EVP_PKEY_free(a->user_key);
	X509_free(a->cert);
	X509_free(a->user);
}
#define cleanup_authority __attribute__((cleanup(authority_done)))

static int open_dir(const char *path, struct error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open '%s'", path);
	return fd;
}

static int authority_load(struct authority *a, const struct setup_user *user, struct error *err)
{
	cleanup_close int keys_fd = open_dir(user->keys, err);
	cleanup_close int pki_fd = keys_fd < 0 ? -1 : open_dir(user->pki, err);

	if (pki_fd < 0 || pem_read_key(keys_fd, SETUP_CA_KEY, &a->key, err) < 0 ||
		pem_read_cert(pki_fd, SETUP_CA_CERT, &a->cert, err) < 0)
		return -1;
	return 0;
}

/* The directory of 'path' is opened, so that owner and sync are as for a node's files. */
static int add_parent(struct folder *folder, char *path, const char **ret_name, struct error *err)
{
	char *slash = strrchr(path, '/');

	*ret_name = slash ? slash + 1 : path;
	if (slash)
		*slash = '\0';
	folder->path = !slash ? "." : slash == path ? "/" : path;
	folder->fd = open_dir(folder->path, err);
	return folder->fd < 0 ? -1 : 0;
}

static int write_user(const struct setup_user *user, struct authority *a, struct error *err)
{
	struct folder cert_dir = { .fd = -1 }, key_dir = { .fd = -1 };
	cleanup_free char *cert_path = strdup(user->cert_file);
	cleanup_free char *key_path = strdup(user->key_file);
	cleanup_key_files struct key_files files = { .len = 0 };
	const char *cert_name, *key_name;
	int r = -1;

	if (!cert_path || !key_path)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot write the certificate");
	if (add_parent(&cert_dir, cert_path, &cert_name, err) == 0 &&
		add_parent(&key_dir, key_path, &key_name, err) == 0 &&
		key_files_key(&files, &key_dir, key_name, a->user_key, err) == 0 &&
		key_files_cert(&files, &cert_dir, cert_name, a->user, err) == 0 &&
		key_files_refuse_existing(&files, err) == 0)
		r = key_files_write(&files, err);
	folder_close(&cert_dir, 0);
	folder_close(&key_dir, 0);
	return r;
}

int setup_user(const struct setup_user *user, struct error *err)
{
	const struct pki_subject subject = {
		.use = PKI_CLIENT,
		.name = user->name,
		.groups = user->groups,
		.groups_len = user->groups_len,
		.life = user->life ? user->life : PKI_USER_LIFE,
	};
	cleanup_authority struct authority a = { 0 };

	if (authority_load(&a, user, err) < 0 || pki_key_new(&a.user_key, err) < 0 ||
		pki_issue(&a.user, &subject, a.user_key, a.cert, a.key, err) < 0)
		return -1;
	return write_user(user, &a, err);
}
