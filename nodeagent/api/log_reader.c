#include "nodeagent/api/log_reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "nodeagent/api/cri_line.h"

#define FILES_MAX 64 /* of one run */

struct log_file {
	uint32_t restart;
	uint32_t age; /* 0 the current one, larger is older */
	ino_t inode;
};

struct file_list {
	struct log_file files[FILES_MAX]; /* of one run, oldest first */
	size_t len;
};

struct log_reader {
	int dirfd;
	struct log_options options;
	uint32_t restart;
	int fd; /* of the file being read, -1 none yet */
	ino_t inode;
	char *line; /* bytes of a line whose end is not there yet */
	size_t line_size;
	int too_long;   /* what is there of the line does not fit: passed over to its end */
	int in_line[2]; /* of each stream: the last piece was partial */
	int64_t left;   /* of limit_bytes */
	int full;
};

/* "<restart>.log" or "<restart>.log.<age>". */
static int parse_name(const char *name, struct log_file *ret)
{
	int end = 0;

	ret->age = 0;
	if (sscanf(name, "%9" SCNu32 ".log%n", &ret->restart, &end) == 1 && end && !name[end])
		return 1;
	end = 0;
	return sscanf(name, "%9" SCNu32 ".log.%9" SCNu32 "%n", &ret->restart, &ret->age, &end) ==
		       2 &&
	       end && !name[end] && ret->age > 0;
}

static DIR *open_list(int dirfd, struct error *err)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (!dir) {
		error_set(err, error_code_of(errno), errno, "cannot list the log directory");
		if (fd >= 0)
			close(fd);
	}
	return dir;
}

/* Which run is wanted. 1 found, 0 there is none yet, -1 error. */
static int find_run(struct log_reader *r, struct error *err)
{
	cleanup_dir DIR *dir = open_list(r->dirfd, err);
	int64_t newest = -1, before = -1;
	const struct dirent *entry;
	struct log_file file;

	if (!dir)
		return -1;
	while ((entry = readdir(dir))) {
		if (!parse_name(entry->d_name, &file))
			continue;
		if (file.restart > newest) {
			before = newest;
			newest = file.restart;
		} else if (file.restart < newest && file.restart > before) {
			before = file.restart;
		}
	}
	if (r->options.previous && before < 0)
		return error_set(err, ERR_NOT_FOUND, 0,
			"previous: there is no log of an earlier run of this container");
	if (newest < 0)
		return 0;
	r->restart = (uint32_t)(r->options.previous ? before : newest);
	return 1;
}

static int older_first(const void *a, const void *b)
{
	const struct log_file *x = a, *y = b;

	return x->age < y->age ? 1 : x->age > y->age ? -1 : 0;
}

static int list_run(const struct log_reader *r, struct file_list *ret, struct error *err)
{
	cleanup_dir DIR *dir = open_list(r->dirfd, err);
	const struct dirent *entry;

	ret->len = 0;
	if (!dir)
		return -1;
	while ((entry = readdir(dir))) {
		struct log_file file;
		struct stat st;

		if (!parse_name(entry->d_name, &file) || file.restart != r->restart)
			continue;
		if (fstatat(r->dirfd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (ret->len == FILES_MAX)
			return error_set(err, ERR_EXHAUSTED, 0, "more than %d log files of one run",
				FILES_MAX);
		file.inode = st.st_ino;
		ret->files[ret->len++] = file;
	}
	qsort(ret->files, ret->len, sizeof(ret->files[0]), older_first);
	return 0;
}

/* Opens what was listed; -2 when another file has the name by now. */
static int open_file(const struct log_reader *r, const struct log_file *file, struct error *err)
{
	cleanup_close int fd = -1;
	struct stat st;
	char name[32];

	if (file->age)
		snprintf(name, sizeof(name), "%" PRIu32 ".log.%" PRIu32, file->restart, file->age);
	else
		snprintf(name, sizeof(name), "%" PRIu32 ".log", file->restart);
	fd = openat(r->dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return -2;
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set(
			err, error_code_of(errno), errno, "cannot open log file '%s'", name);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_INVALID, 0, "log file '%s' is no regular file", name);
	return st.st_ino == file->inode ? take_fd(&fd) : -2;
}

static void switch_to(struct log_reader *r, int fd, ino_t inode)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = fd;
	r->inode = inode;
}

/*
 * Offset at which the last *lines lines of 'fd' begin; *lines is lowered by those that are there,
 * so what is left is to be found in older files.
 */
static int64_t tail_offset(int fd, int64_t *lines)
{
	char block[LOG_READER_CHUNK];
	off_t at = lseek(fd, 0, SEEK_END);

	while (at > 0) {
		size_t size = at < (off_t)sizeof(block) ? (size_t)at : sizeof(block);
		ssize_t n = pread(fd, block, size, at - (off_t)size);

		if (n != (ssize_t)size)
			return 0;
		for (size_t i = size; i-- > 0;) {
			if (block[i] != '\n')
				continue;
			/* Each newline ends a line: the one beyond those wanted ends another's. */
			if (*lines == 0)
				return at - (off_t)size + (off_t)i + 1;
			(*lines)--;
		}
		at -= (off_t)size;
	}
	return 0;
}

/* Goes back from the newest file until there are enough lines. 1 done, 0 list again, -1 error. */
static int begin_at_tail(struct log_reader *r, const struct file_list *list, struct error *err)
{
	int64_t lines = r->options.tail_lines;

	for (size_t i = list->len; i-- > 0;) {
		int fd = open_file(r, &list->files[i], err);
		int64_t offset;

		if (fd < 0)
			return fd == -2 ? 0 : -1;
		offset = lines < 0 ? 0 : tail_offset(fd, &lines);
		if (lseek(fd, offset, SEEK_SET) < 0) {
			close(fd);
			return error_set(err, ERR_INTERNAL, errno, "cannot seek in a log file");
		}
		switch_to(r, fd, list->files[i].inode);
		/* A file may hold exactly the lines wanted: the older one then ends where it
		 * begins. */
		if (lines == 0 || offset > 0)
			return 1;
	}
	return 1;
}

/*
 * Looks for the oldest file that is newer than the one read. 1: *ret_fd is open; 0: there is none;
 * -1: error.
 */
static int newer_file(const struct log_reader *r, int *ret_fd, ino_t *ret_inode, struct error *err)
{
	for (int tries = 0; tries < 8; tries++) {
		struct file_list list;
		size_t next = 0;

		if (list_run(r, &list, err) < 0)
			return -1;
		/* Not in the list any more: everything there is newer. */
		for (size_t i = 0; i < list.len; i++) {
			if (list.files[i].inode == r->inode)
				next = i + 1;
		}
		if (next >= list.len)
			return 0;
		*ret_fd = open_file(r, &list.files[next], err);
		*ret_inode = list.files[next].inode;
		if (*ret_fd != -2)
			return *ret_fd < 0 ? -1 : 1;
	}
	return error_set(err, ERR_UNAVAILABLE, 0, "the log is rotated faster than it is read");
}

static int begin(struct log_reader *r, struct error *err)
{
	int n = find_run(r, err);

	if (n <= 0)
		return n;
	for (int tries = 0; tries < 8; tries++) {
		struct file_list list;

		if (list_run(r, &list, err) < 0)
			return -1;
		n = begin_at_tail(r, &list, err);
		if (n != 0)
			return n < 0 ? -1 : 0;
	}
	return error_set(err, ERR_UNAVAILABLE, 0, "the log is rotated faster than it is read");
}

int log_reader_new(
	struct log_reader **ret, int dirfd, const struct log_options *options, struct error *err)
{
	struct log_reader *r = calloc(1, sizeof(*r));

	if (r)
		r->line = malloc(LOG_READER_LINE_MAX);
	if (!r || !r->line) {
		free(r);
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot read logs");
	}
	r->dirfd = dirfd;
	r->options = *options;
	r->fd = -1;
	r->left = options->limit_bytes;
	if (begin(r, err) < 0) {
		log_reader_free(r);
		return -1;
	}
	*ret = r;
	return 0;
}

void log_reader_free(struct log_reader *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	free(r->line);
	free(r);
}

int log_reader_full(const struct log_reader *r)
{
	return r->full;
}

static void emit(struct log_reader *r, int from_stderr, const char *data, size_t size,
	log_sink sink, void *user)
{
	if (r->full)
		return;
	if (r->options.limit_bytes && (int64_t)size >= r->left) {
		size = (size_t)r->left;
		r->full = 1;
	}
	r->left -= (int64_t)size;
	if (size)
		sink(user, from_stderr, data, size);
}

/*
 * A line that is no record is one that a full disk or a crash cut short, with the next record
 * behind it: both are passed over, and whoever follows the log goes on.
 */
static void take_line(
	struct log_reader *r, const char *line, size_t size, log_sink sink, void *user)
{
	struct cri_line l;

	if (cri_line_parse(&l, line, size) < 0 || l.usec < r->options.since_usec)
		return;
	if (r->options.timestamps && !r->in_line[l.from_stderr]) {
		emit(r, l.from_stderr, l.stamp, l.stamp_len, sink, user);
		emit(r, l.from_stderr, " ", 1, sink, user);
	}
	emit(r, l.from_stderr, l.text, l.text_size, sink, user);
	if (!l.partial)
		emit(r, l.from_stderr, "\n", 1, sink, user);
	r->in_line[l.from_stderr] = l.partial;
}

/* Puts 'data' behind the unfinished line. */
static void keep(struct log_reader *r, const char *data, size_t size)
{
	if (size > LOG_READER_LINE_MAX - r->line_size) {
		r->too_long = 1;
		return;
	}
	memcpy(r->line + r->line_size, data, size);
	r->line_size += size;
}

static void take_chunk(
	struct log_reader *r, const char *data, size_t size, log_sink sink, void *user)
{
	while (size) {
		const char *newline = memchr(data, '\n', size);
		size_t len = newline ? (size_t)(newline - data) : size;
		int whole = newline && r->line_size == 0 && !r->too_long;

		if (!whole)
			keep(r, data, len);
		if (!newline)
			return;
		if (!r->too_long)
			take_line(
				r, whole ? data : r->line, whole ? len : r->line_size, sink, user);
		r->line_size = 0;
		r->too_long = 0;
		data += len + 1;
		size -= len + 1;
	}
}

/*
 * At the end of a file. When there is a newer one nothing will be added to this one, but something
 * may have been between the read and the look: it is read once more before it is left.
 */
static ssize_t read_on(struct log_reader *r, char *data, size_t size, struct error *err)
{
	ino_t inode;
	int fd;
	int newer = newer_file(r, &fd, &inode, err);
	ssize_t n;

	if (newer <= 0)
		return newer;
	n = read(r->fd, data, size);
	if (n > 0) {
		close(fd);
		return n;
	}
	switch_to(r, fd, inode);
	r->line_size = 0;
	r->too_long = 0;
	return read(r->fd, data, size);
}

int log_reader_step(struct log_reader *r, log_sink sink, void *user, struct error *err)
{
	char data[LOG_READER_CHUNK];
	ssize_t n;

	if (r->full)
		return 0;
	if (r->fd < 0 && begin(r, err) < 0)
		return -1;
	if (r->fd < 0)
		return 0;
	n = read(r->fd, data, sizeof(data));
	if (n == 0) {
		n = read_on(r, data, sizeof(data), err);
		if (n <= 0)
			return (int)n;
	}
	if (n < 0)
		return error_set(err, error_code_of(errno), errno, "cannot read a log file");
	take_chunk(r, data, (size_t)n, sink, user);
	return !r->full;
}
