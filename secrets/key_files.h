/*
 * Files of keys and certificates that come into being together: all of them or none. Keys are never
 * overwritten.
 */
#ifndef SECRETS_KEY_FILES_H
#define SECRETS_KEY_FILES_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/error.h"

#define KEY_FILES_MAX 20

/* A directory that files are made in, and that becomes their owner. */
struct folder {
	const char *path;
	int fd;   /* -1: not open */
	int made; /* by folder_open() */
};

/* Makes it with its parents where it is missing. Errors: ERR_INVALID (not absolute). */
int folder_open(struct folder *folder, const char *path, mode_t mode, struct error *err);
int folder_own(const struct folder *folder, mode_t mode, uid_t uid, struct error *err);
/* With 'failed' one that folder_open() made is removed, if it is empty. */
void folder_close(struct folder *folder, int failed);

struct key_file {
	const char *dir; /* for messages */
	int dirfd;
	const char *name;
	char *data; /* released with envelope_wipe() */
	size_t size;
	mode_t mode;
};

struct key_files {
	struct key_file list[KEY_FILES_MAX];
	size_t len;
};

void key_files_done(struct key_files *files);
#define cleanup_key_files __attribute__((cleanup(key_files_done)))

/* A new entry without data. */
struct key_file *key_files_add(
	struct key_files *files, const struct folder *folder, const char *name);

/* Private keys have mode 0600, certificates 0644, others 'mode'. 'data' is copied. */
int key_files_key(struct key_files *files, const struct folder *folder, const char *name,
	const EVP_PKEY *key, struct error *err);
int key_files_cert(struct key_files *files, const struct folder *folder, const char *name,
	X509 *cert, struct error *err);
int key_files_data(struct key_files *files, const struct folder *folder, const char *name,
	const void *data, size_t size, mode_t mode, struct error *err);

/* Errors: ERR_EXISTS names the first that is there already. */
int key_files_refuse_existing(const struct key_files *files, struct error *err);

/* Writes all and syncs, or takes back what was written. */
int key_files_write(const struct key_files *files, struct error *err);

#endif
