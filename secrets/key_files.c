#include "secrets/key_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "secrets/envelope.h"
#include "secrets/pem.h"

void key_files_done(struct key_files *files)
{
	for (size_t i = 0; i < files->len; i++)
		envelope_wipe(files->list[i].data, files->list[i].size);
}

struct key_file *key_files_add(
	struct key_files *files, const struct folder *folder, const char *name)
{
	struct key_file *file = &files->list[files->len++];

	*file = (struct key_file){ .dir = folder->path, .dirfd = folder->fd, .name = name };
	return file;
}

int key_files_key(struct key_files *files, const struct folder *folder, const char *name,
	const EVP_PKEY *key, struct error *err)
{
	struct key_file *file = key_files_add(files, folder, name);

	file->mode = 0600;
	return pem_of_key(key, &file->data, &file->size, err);
}

int key_files_cert(struct key_files *files, const struct folder *folder, const char *name,
	X509 *cert, struct error *err)
{
	struct key_file *file = key_files_add(files, folder, name);

	file->mode = 0644;
	return pem_of_cert(cert, &file->data, &file->size, err);
}

int key_files_data(struct key_files *files, const struct folder *folder, const char *name,
	const void *data, size_t size, mode_t mode, struct error *err)
{
	struct key_file *file = key_files_add(files, folder, name);

	file->mode = mode;
	file->data = malloc(size + 1);
	if (!file->data)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot write '%s'", name);
	memcpy(file->data, data, size);
	file->size = size;
	return 0;
}

static int write_file(const struct key_file *file, struct error *err)
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
int key_files_refuse_existing(const struct key_files *files, struct error *err)
{
	for (size_t i = 0; i < files->len; i++) {
		const struct key_file *file = &files->list[i];

		if (faccessat(file->dirfd, file->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return error_set(err, ERR_EXISTS, 0,
				"'%s/%s' exists, and keys are never overwritten", file->dir,
				file->name);
	}
	return 0;
}

int key_files_write(const struct key_files *files, struct error *err)
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

int folder_open(struct folder *folder, const char *path, mode_t mode, struct error *err)
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

int folder_own(const struct folder *folder, mode_t mode, uid_t uid, struct error *err)
{
	if (fchown(folder->fd, uid, uid) < 0 || fchmod(folder->fd, mode) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot own '%s'", folder->path);
	return 0;
}

void folder_close(struct folder *folder, int failed)
{
	if (folder->fd >= 0)
		close(folder->fd);
	if (failed && folder->made && folder->path)
		rmdir(folder->path);
}
