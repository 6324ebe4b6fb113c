#include "lib/fdio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"

int fd_write_all(int fd, const void *data, size_t size, struct error *err)
{
	const char *p = data;

	while (size > 0) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(
				err, error_code_of(errno), errno, "cannot write %zu bytes", size);
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

int fd_read_all(int fd, size_t max, char **ret, size_t *ret_size, struct error *err)
{
	size_t cap = max < 4096 ? max + 1 : 4096;
	size_t size = 0;
	cleanup_free char *data = malloc(cap + 1);

	while (data) {
		ssize_t n = read(fd, data + size, cap - size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(err, error_code_of(errno), errno, "cannot read");
		if (n == 0)
			break;
		size += (size_t)n;
		if (size > max)
			return error_set(err, ERR_EXHAUSTED, 0, "larger than %zu bytes", max);
		if (size == cap) {
			char *more;

			cap = cap * 2 > max + 1 ? max + 1 : cap * 2;
			more = realloc(data, cap + 1);
			if (!more)
				return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot read");
			data = more;
		}
	}
	if (!data)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot read");
	data[size] = '\0';
	*ret = take_ptr(data);
	*ret_size = size;
	return 0;
}

int file_read_at(
	int dirfd, const char *name, size_t max, char **ret, size_t *ret_size, struct error *err)
{
	cleanup_close int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);

	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open '%s'", name);
	if (fd_read_all(fd, max, ret, ret_size, err) < 0)
		return error_prefix(err, "'%s'", name);
	return 0;
}

int file_replace_at(
	int dirfd, const char *name, const void *data, size_t size, mode_t mode, struct error *err)
{
	char temp[NAME_MAX + 8];
	cleanup_close int fd = -1;

	if (snprintf(temp, sizeof(temp), ".%s.new", name) >= NAME_MAX)
		return error_set(err, ERR_INVALID, ENAMETOOLONG, "cannot write '%s'", name);
	fd = openat(dirfd, temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot create '%s'", temp);
	if (fchmod(fd, mode) < 0 || fd_write_all(fd, data, size, err) < 0 || fsync(fd) < 0 ||
		renameat(dirfd, temp, dirfd, name) < 0) {
		int saved = errno;

		unlinkat(dirfd, temp, 0);
		return error_set(err, error_code_of(saved), saved, "cannot write '%s'", name);
	}
	if (fsync(dirfd) < 0)
		return error_set(
			err, error_code_of(errno), errno, "cannot sync directory of '%s'", name);
	return 0;
}

int file_poke_at(int dirfd, const char *name, const char *text, struct error *err)
{
	cleanup_close int fd = openat(dirfd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t size = strlen(text);

	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open '%s'", name);
	if (write(fd, text, size) != (ssize_t)size)
		return error_set(err, error_code_of(errno), errno, "cannot write '%.64s' to '%s'",
			text, name);
	return 0;
}

/* ---- removing trees ------------------------------------------------------------------------ */

/*
 * Whoever made a tree chose how deep it is, so nothing here recurses: what a directory holds is
 * moved up beside it, and two directories are open at a time.
 */
struct removal {
	int top_fd;
	dev_t dev;
	unsigned long moved; /* how many were: their names */
};

static DIR *list_open(int dirfd, struct error *err)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		error_set(err, error_code_of(errno), errno, "cannot list a directory");
		if (fd >= 0)
			close(fd);
	}
	return dir;
}

/* The next name that is neither "." nor ".."; NULL at the end. */
static const char *list_next(DIR *dir)
{
	struct dirent *entry;

	do {
		entry = readdir(dir);
	} while (entry && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
	return entry ? entry->d_name : NULL;
}

/* 0 it is gone, also by another's hand; 1 it is a directory that is not empty; -1 error. */
static int remove_simple(int dirfd, const char *name, struct error *err)
{
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return error_set(err, error_code_of(errno), errno, "cannot remove '%s'", name);
	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno == EBUSY)
		return error_set(err, ERR_PRECONDITION, EBUSY, "'%s' is a mount point", name);
	if (errno != ENOTEMPTY && errno != EEXIST)
		return error_set(err, error_code_of(errno), errno, "cannot remove '%s'", name);
	return 1;
}

static int move_up(struct removal *r, int dirfd, const char *name, struct error *err)
{
	char to[40];

	for (;;) {
		snprintf(to, sizeof(to), ".removed-%lu", r->moved++);
		if (renameat(dirfd, name, r->top_fd, to) == 0 || errno == ENOENT)
			return 0;
		/* That name is taken. */
		if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR)
			return error_set(
				err, error_code_of(errno), errno, "cannot remove '%s'", name);
	}
}

/* Empties 'name' in the top directory. */
static int flatten(struct removal *r, const char *name, struct error *err)
{
	cleanup_close int fd =
		openat(r->top_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_dir DIR *dir = NULL;
	const char *entry;
	struct stat st;

	if (fd < 0 && errno == ENOENT) /* another one removes it too */
		return 0;
	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open '%s'", name);
	if (fstat(fd, &st) < 0 || st.st_dev != r->dev)
		return error_set(err, ERR_PRECONDITION, EBUSY, "'%s' is a mount point", name);
	dir = list_open(fd, err);
	if (!dir)
		return -1;
	while ((entry = list_next(dir))) {
		int n = remove_simple(fd, entry, err);

		if (n < 0 || (n > 0 && move_up(r, fd, entry, err) < 0))
			return -1;
	}
	return 0;
}

/* 1 when directories were there, whose content the next pass removes. */
static int empty_once(struct removal *r, struct error *err)
{
	cleanup_dir DIR *dir = list_open(r->top_fd, err);
	const char *name;
	int again = 0;

	if (!dir)
		return -1;
	while ((name = list_next(dir))) {
		int n = remove_simple(r->top_fd, name, err);

		if (n > 0) {
			again = 1;
			n = flatten(r, name, err);
		}
		if (n < 0)
			return -1;
	}
	return again;
}

int tree_remove_at(int dirfd, const char *name, struct error *err)
{
	struct removal r = { .top_fd = -1 };
	struct stat st;
	int n = remove_simple(dirfd, name, err);

	if (n <= 0)
		return n;
	r.top_fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (r.top_fd < 0 || fstat(r.top_fd, &st) < 0) {
		n = error_set(err, error_code_of(errno), errno, "cannot open '%s'", name);
	} else {
		r.dev = st.st_dev;
		do
			n = empty_once(&r, err);
		while (n > 0);
	}
	if (r.top_fd >= 0)
		close(r.top_fd);
	if (n == 0)
		n = remove_simple(dirfd, name, err);
	/* Somebody still writes there. */
	return n > 0 ? error_set(err, ERR_PRECONDITION, ENOTEMPTY, "cannot remove '%s'", name) : n;
}

int mkdir_parents(const char *path, mode_t mode, struct error *err)
{
	cleanup_free char *copy = strdup(path);
	char *p;

	if (!copy)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot make '%s'", path);
	for (p = copy + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return error_set(
				err, error_code_of(errno), errno, "cannot make '%s'", copy);
		*p = c;
		if (c == '\0')
			return 0;
	}
}

int fd_set_nonblock(int fd, int on, struct error *err)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot set O_NONBLOCK");
	return 0;
}

static uint64_t clock_usec(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t monotonic_usec(void)
{
	return clock_usec(CLOCK_MONOTONIC);
}

uint64_t realtime_usec(void)
{
	return clock_usec(CLOCK_REALTIME);
}
