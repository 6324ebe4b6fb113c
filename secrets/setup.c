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
#include "secrets/envelope.h"
#include "secrets/pem.h"
#include "secrets/pki.h"
#include "secrets/sealing_key.h"

#define FILES_MAX   16
#define ADMIN_NAME  "admin"
#define ADMIN_GROUP "system:masters"

/* ---- files that come into being together --------------------------------------------------- */

struct file {
	const char *dir; /* for messages */
	int dirfd;
	const char *name;
	char *data;
	size_t size;
	mode_t mode;
};

struct files {
	struct file list[FILES_MAX];
	size_t len;
};

static void files_done(struct files *files)
{
	for (size_t i = 0; i < files->len; i++)
		envelope_wipe(files->list[i].data, files->list[i].size);
}
#define cleanup_files __attribute__((cleanup(files_done)))

struct folder {
	const char *path;
	int fd;
	int made;
};

static struct file *files_add(struct files *files, const struct folder *folder, const char *name)
{
	struct file *file = &files->list[files->len++];

	*file = (struct file){ .dir = folder->path, .dirfd = folder->fd, .name = name };
	return file;
}

static int add_key(struct files *files, const struct folder *folder, const char *name,
	const EVP_PKEY *key, struct error *err)
{
	struct file *file = files_add(files, folder, name);

	file->mode = 0600;
	return pem_of_key(key, &file->data, &file->size, err);
}

static int add_cert(struct files *files, const struct folder *folder, const char *name, X509 *cert,
	struct error *err)
{
	struct file *file = files_add(files, folder, name);

	file->mode = 0644;
	return pem_of_cert(cert, &file->data, &file->size, err);
}

static int write_file(const struct file *file, struct error *err)
{
	cleanup_close int fd = openat(file->dirfd, file->name,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat dir;

	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot make '%s/%s'", file->dir,
			file->name);
	/* The directory's owner is the file's: keys belong to the daemon. */
	if (fd_write_all(fd, file->data, file->size, err) < 0 || fstat(file->dirfd, &dir) < 0 ||
		fchown(fd, dir.st_uid, dir.st_gid) < 0 || fchmod(fd, file->mode) < 0 ||
		fsync(fd) < 0) {
		int saved = errno;

		unlinkat(file->dirfd, file->name, 0);
		return error_set(err, error_code_of(saved), saved, "cannot write '%s/%s'",
			file->dir, file->name);
	}
	return 0;
}

/* O_EXCL guards each file; this look beforehand keeps a refused call from making any. */
static int refuse_existing(const struct files *files, struct error *err)
{
	for (size_t i = 0; i < files->len; i++) {
		const struct file *file = &files->list[i];

		if (faccessat(file->dirfd, file->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return error_set(err, ERR_EXISTS, 0,
				"'%s/%s' exists, and keys are never overwritten", file->dir,
				file->name);
	}
	return 0;
}

static int files_write(const struct files *files, struct error *err)
{
	size_t made = 0;
	int r = 0;

	while (r == 0 && made < files->len) {
		r = write_file(&files->list[made], err);
		made += r == 0;
	}
	for (size_t i = 0; r == 0 && i < files->len; i++) {
		if (fsync(files->list[i].dirfd) < 0)
			r = error_set(err, error_code_of(errno), errno, "cannot sync '%s'",
				files->list[i].dir);
	}
	while (r < 0 && made-- > 0)
		unlinkat(files->list[made].dirfd, files->list[made].name, 0);
	return r;
}

static int folder_open(struct folder *folder, const char *path, mode_t mode, struct error *err)
{
	if (path[0] != '/')
		return error_set(err, ERR_INVALID, 0, "'%s' is not an absolute path", path);
	folder->path = path;
	folder->made = access(path, F_OK) < 0;
	if (folder->made && mkdir_parents(path, mode, err) < 0)
		return -1;
	folder->fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder->fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open '%s'", path);
	return 0;
}

static int folder_own(const struct folder *folder, mode_t mode, uid_t uid, struct error *err)
{
	if (fchown(folder->fd, uid, uid) < 0 || fchmod(folder->fd, mode) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot own '%s'", folder->path);
	return 0;
}

static void folder_close(struct folder *folder, int failed)
{
	if (folder->fd >= 0)
		close(folder->fd);
	if (failed && folder->made && folder->path)
		rmdir(folder->path);
}

/* ---- a node -------------------------------------------------------------------------------- */

struct bundle {
	EVP_PKEY *ca_key, *node_key, *admin_key, *sealing_key, *token_key;
	X509 *ca, *node, *admin;
};

static void bundle_done(struct bundle *b)
{
	EVP_PKEY_free(b->ca_key);
	EVP_PKEY_free(b->node_key);
	EVP_PKEY_free(b->admin_key);
	EVP_PKEY_free(b->sealing_key);
	EVP_PKEY_free(b->token_key);
	X509_free(b->ca);
	X509_free(b->node);
	X509_free(b->admin);
}
#define cleanup_bundle __attribute__((cleanup(bundle_done)))

static int make_keys(struct bundle *b, struct error *err)
{
	if (pki_key_new(&b->ca_key, err) < 0 || pki_key_new(&b->node_key, err) < 0 ||
		pki_key_new(&b->admin_key, err) < 0 || pki_key_new(&b->token_key, err) < 0)
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
		.days = PKI_NODE_DAYS,
	};
	const struct pki_subject admin = {
		.use = PKI_CLIENT,
		.name = ADMIN_NAME,
		.groups = groups,
		.groups_len = ARRAY_LEN(groups),
		.days = PKI_USER_DAYS,
	};

	if (pki_ca_new(&b->ca, b->ca_key, err) < 0 ||
		pki_issue(&b->node, &server, b->node_key, b->ca, b->ca_key, err) < 0 ||
		pki_issue(&b->admin, &admin, b->admin_key, b->ca, b->ca_key, err) < 0)
		return -1;
	return 0;
}

static int add_name(
	struct files *files, const struct folder *keys, const char *name, struct error *err)
{
	struct file *file = files_add(files, keys, SETUP_NODE_NAME);

	file->mode = 0600;
	file->data = strdup(name);
	file->size = file->data ? strlen(name) : 0;
	return file->data ? 0 : error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot name the node");
}

static int add_signature(struct files *files, const struct folder *keys, const struct bundle *b,
	const char *node, struct error *err)
{
	struct file *file = files_add(files, keys, SETUP_SEALING_SIGNATURE);
	uint8_t key[HPKE_KEY_SIZE];
	size_t size = sizeof(key);

	file->mode = 0600;
	if (EVP_PKEY_get_raw_public_key(b->sealing_key, key, &size) != 1)
		return error_set(err, ERR_INTERNAL, 0, "OpenSSL cannot show an X25519 key");
	file->data = malloc(SEALING_KEY_SIGNATURE_MAX);
	if (!file->data)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot sign the sealing key");
	return sealing_key_sign(b->ca_key, node, key, (uint8_t *)file->data, &file->size, err);
}

static int write_bundle(const struct bundle *b, const struct setup_node *node,
	const struct folder *keys, const struct folder *pki, struct error *err)
{
	cleanup_files struct files files = { .len = 0 };

	if (add_key(&files, keys, SETUP_CA_KEY, b->ca_key, err) < 0 ||
		add_key(&files, keys, SETUP_SEALING_KEY, b->sealing_key, err) < 0 ||
		add_signature(&files, keys, b, node->name, err) < 0 ||
		add_key(&files, keys, SETUP_TOKEN_KEY, b->token_key, err) < 0 ||
		add_name(&files, keys, node->name, err) < 0 ||
		add_cert(&files, pki, SETUP_CA_CERT, b->ca, err) < 0 ||
		add_cert(&files, pki, "node.pem", b->node, err) < 0 ||
		add_key(&files, pki, "node.key", b->node_key, err) < 0 ||
		add_cert(&files, pki, "admin.pem", b->admin, err) < 0 ||
		add_key(&files, pki, "admin.key", b->admin_key, err) < 0 ||
		refuse_existing(&files, err) < 0 || folder_own(keys, 0700, node->uid, err) < 0 ||
		folder_own(pki, 0755, geteuid(), err) < 0)
		return -1;
	return files_write(&files, err);
}

int setup_node(const struct setup_node *node, struct error *err)
{
	struct folder keys = { .fd = -1 }, pki = { .fd = -1 };
	cleanup_bundle struct bundle b = { 0 };
	int r;

	if (make_keys(&b, err) < 0 || make_certs(&b, node, err) < 0)
		return -1;
	r = folder_open(&keys, node->keys, 0700, err);
	if (r == 0)
		r = folder_open(&pki, node->pki, 0755, err);
	if (r == 0)
		r = write_bundle(&b, node, &keys, &pki, err);
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
	cleanup_files struct files files = { .len = 0 };
	const char *cert_name, *key_name;
	int r = -1;

	if (!cert_path || !key_path)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot write the certificate");
	if (add_parent(&cert_dir, cert_path, &cert_name, err) == 0 &&
		add_parent(&key_dir, key_path, &key_name, err) == 0 &&
		add_key(&files, &key_dir, key_name, a->user_key, err) == 0 &&
		add_cert(&files, &cert_dir, cert_name, a->user, err) == 0 &&
		refuse_existing(&files, err) == 0)
		r = files_write(&files, err);
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
		.days = PKI_USER_DAYS,
	};
	cleanup_authority struct authority a = { 0 };

	if (authority_load(&a, user, err) < 0 || pki_key_new(&a.user_key, err) < 0 ||
		pki_issue(&a.user, &subject, a.user_key, a.cert, a.key, err) < 0)
		return -1;
	return write_user(user, &a, err);
}
