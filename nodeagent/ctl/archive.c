#include "nodeagent/ctl/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"

static int pack_entry(struct archive *disk, struct archive *tar, struct archive_entry *entry,
	size_t prefix, struct error *err)
{
	const char *path = archive_entry_pathname(entry);
	const char *source = archive_entry_sourcepath(entry);
	char data[65536];
	ssize_t n;
	cleanup_close int fd = -1;

	(void)disk;
	if (strlen(path) <= prefix)
		return 0; /* the directory itself */
	archive_entry_copy_pathname(entry, path + prefix + 1);
	/* The bytes of files are all that counts; holes would be sent as what nobody takes. */
	archive_entry_sparse_clear(entry);
	archive_entry_xattr_clear(entry);
	archive_entry_acl_clear(entry);
	if (archive_write_header(tar, entry) != ARCHIVE_OK)
		return error_set(
			err, ERR_INTERNAL, 0, "cannot pack: %s", archive_error_string(tar));
	if (archive_entry_filetype(entry) != AE_IFREG)
		return 0;
	fd = open(source, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open %s", source);
	while ((n = read(fd, data, sizeof(data))) > 0) {
		if (archive_write_data(tar, data, (size_t)n) < 0)
			return error_set(
				err, ERR_INTERNAL, 0, "cannot pack: %s", archive_error_string(tar));
	}
	return n < 0 ? error_set(err, error_code_of(errno), errno, "cannot read %s", source) : 0;
}

static int pack(const char *path, int write_fd, struct error *err)
{
	struct archive *disk = archive_read_disk_new();
	struct archive *tar = archive_write_new();
	struct archive_entry *entry = archive_entry_new();
	size_t prefix = strlen(path);
	int status = -1;
	int r;

	while (prefix > 1 && path[prefix - 1] == '/')
		prefix--;
	if (!disk || !tar || !entry) {
		error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot pack %s", path);
		goto out;
	}
	archive_write_set_format_pax_restricted(tar);
	archive_write_set_bytes_in_last_block(tar, 1);
	if (archive_read_disk_open(disk, path) != ARCHIVE_OK ||
		archive_write_open_fd(tar, write_fd) != ARCHIVE_OK) {
		error_set(err, ERR_INTERNAL, 0, "cannot pack %s: %s", path,
			archive_error_string(disk));
		goto out;
	}
	while ((r = archive_read_next_header2(disk, entry)) == ARCHIVE_OK) {
		archive_read_disk_descend(disk);
		if (pack_entry(disk, tar, entry, prefix, err) < 0)
			goto out;
	}
	if (r != ARCHIVE_EOF) {
		error_set(err, ERR_INTERNAL, 0, "cannot read %s: %s", path,
			archive_error_string(disk));
		goto out;
	}
	status = archive_write_close(tar) == ARCHIVE_OK
			 ? 0
			 : error_set(err, ERR_INTERNAL, 0, "cannot pack: %s",
				   archive_error_string(tar));
out:
	archive_entry_free(entry);
	archive_write_free(tar);
	archive_read_free(disk);
	return status;
}

static void *writer(void *arg)
{
	struct archive_source *source = arg;

	source->failed = pack(source->path, source->write_fd, &source->error) < 0;
	close(source->write_fd);
	return NULL;
}

int archive_source_open(struct archive_source *source, const char *path, struct error *err)
{
	struct stat st;
	int fds[2];

	memset(source, 0, sizeof(*source));
	source->path = path;
	source->fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
					    : open(path, O_RDONLY | O_CLOEXEC);
	if (source->fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open %s", path);
	if (fstat(source->fd, &st) < 0) {
		error_set(err, error_code_of(errno), errno, "cannot open %s", path);
		close(source->fd);
		return -1;
	}
	if (!S_ISDIR(st.st_mode))
		return 0;

	close(source->fd);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot pack %s", path);
	source->directory = 1;
	source->fd = fds[0];
	source->write_fd = fds[1];
	if (pthread_create(&source->writer, NULL, writer, source) != 0) {
		close(fds[0]);
		close(fds[1]);
		return error_set(err, ERR_EXHAUSTED, 0, "cannot start a thread");
	}
	return 0;
}

int archive_source_close(struct archive_source *source, struct error *err)
{
	close(source->fd);
	if (!source->directory)
		return 0;
	pthread_join(source->writer, NULL);
	if (source->failed && err)
		*err = source->error;
	return source->failed ? -1 : 0;
}
