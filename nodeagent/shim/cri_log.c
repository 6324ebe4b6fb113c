#include "nodeagent/shim/cri_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"

/* An unfinished line; the buffer exists only while there is one. */
struct waiting {
	char *data;
	size_t size;
	size_t room;
};

struct cri_log {
	int dirfd;
	int fd;
	uint32_t restart;
	size_t size;
	size_t size_max;
	uint64_t dropped;
	void (*tee)(void *user, enum cri_stream stream, int partial, const char *data, size_t size);
	void *tee_user;
	struct waiting waiting[CRI_STREAMS];
};

size_t cri_record_format(char *ret, const struct timespec *now, enum cri_stream stream, int partial,
	const char *data, size_t size)
{
	struct tm tm;
	size_t n;

	gmtime_r(&now->tv_sec, &tm);
	n = strftime(ret, CRI_RECORD_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	n += (size_t)snprintf(ret + n, CRI_RECORD_MAX - n, ".%09ldZ %s %c ", now->tv_nsec,
		stream == CRI_STDOUT ? "stdout" : "stderr", partial ? 'P' : 'F');
	memcpy(ret + n, data, size);
	n += size;
	ret[n++] = '\n';
	return n;
}

static int file_open(struct cri_log *log, struct error *err)
{
	char name[32];
	struct stat st;
	int fd;

	snprintf(name, sizeof(name), "%" PRIu32 ".log", log->restart);
	fd = openat(log->dirfd, name,
		O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC,
		0640);
	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open log '%s'", name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return error_set(err, ERR_INVALID, 0, "log '%s' is not a regular file", name);
	}
	log->fd = fd;
	log->size = (size_t)st.st_size;
	return 0;
}

/*
 * Of runs that ended, the last one's is kept: how often a container restarts is its own choice.
 * What cannot be removed costs space, no more.
 */
static void sweep(const struct cri_log *log)
{
	int fd = openat(log->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir && fd >= 0)
		close(fd);
	while (dir && (entry = readdir(dir))) {
		char *end;
		unsigned long run = strtoul(entry->d_name, &end, 10);

		if (end != entry->d_name && strncmp(end, ".log", 4) == 0 && run + 1 < log->restart)
			unlinkat(log->dirfd, entry->d_name, 0);
	}
}

int cri_log_open(struct cri_log **ret, int log_dirfd, const char *container, uint32_t restart,
	size_t size_max, struct error *err)
{
	struct cri_log *log = calloc(1, sizeof(*log));

	if (!log)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot open a log");
	log->dirfd = log->fd = -1;
	log->restart = restart;
	log->size_max = size_max;
	if (size_max == CRI_NO_FILE) {
		*ret = log;
		return 0;
	}
	if (mkdirat(log_dirfd, container, 0750) < 0 && errno != EEXIST) {
		error_set(err, error_code_of(errno), errno, "cannot make log directory '%s'",
			container);
		goto fail;
	}
	log->dirfd = openat(log_dirfd, container, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (log->dirfd < 0) {
		error_set(err, error_code_of(errno), errno, "cannot open log directory '%s'",
			container);
		goto fail;
	}
	if (file_open(log, err) < 0)
		goto fail;
	sweep(log);
	*ret = log;
	return 0;
fail:
	cri_log_close(log);
	return -1;
}

void cri_log_tee(struct cri_log *log,
	void (*tee)(void *user, enum cri_stream stream, int partial, const char *data, size_t size),
	void *user)
{
	log->tee = tee;
	log->tee_user = user;
}

/* <restart>.log becomes .1, .1 becomes .2 and so on; the last one goes. */
static void rotate(struct cri_log *log)
{
	char from[32];
	char to[32];

	for (int i = CRI_FILES_MAX - 1; i > 0; i--) {
		if (i == 1)
			snprintf(from, sizeof(from), "%" PRIu32 ".log", log->restart);
		else
			snprintf(from, sizeof(from), "%" PRIu32 ".log.%d", log->restart, i - 1);
		snprintf(to, sizeof(to), "%" PRIu32 ".log.%d", log->restart, i);
		renameat(log->dirfd, from, log->dirfd, to);
	}
	close(log->fd);
	log->fd = -1;
	file_open(log, NULL);
}

static void record_write(
	struct cri_log *log, enum cri_stream stream, int partial, const char *data, size_t size)
{
	char record[CRI_RECORD_MAX];
	struct timespec now;
	size_t n;

	if (log->tee)
		log->tee(log->tee_user, stream, partial, data, size);
	if (log->size_max == CRI_NO_FILE)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	n = cri_record_format(record, &now, stream, partial, data, size);
	if (log->size > 0 && log->size + n > log->size_max)
		rotate(log);
	if (log->fd < 0 && file_open(log, NULL) < 0) {
		log->dropped++;
		return;
	}
	if (write(log->fd, record, n) == (ssize_t)n) {
		log->size += n;
		return;
	}
	/* A torn record would be read as part of the next one. Should this fail as well, the reader
	 * copes. */
	log->dropped++;
	if (ftruncate(log->fd, (off_t)log->size) < 0)
		return;
}

static int waiting_add(struct waiting *w, const char *data, size_t size)
{
	if (w->size + size > w->room) {
		size_t room = w->room ? w->room : 256;
		char *more;

		while (room < w->size + size)
			room *= 2;
		more = realloc(w->data, room);
		if (!more)
			return -1;
		w->data = more;
		w->room = room;
	}
	memcpy(w->data + w->size, data, size);
	w->size += size;
	return 0;
}

static void waiting_done(struct waiting *w)
{
	free(w->data);
	*w = (struct waiting){ 0 };
}

/* Writes one piece, with what waited before it. */
static void piece_write(
	struct cri_log *log, enum cri_stream stream, int partial, const char *data, size_t size)
{
	struct waiting *w = &log->waiting[stream];

	if (w->size == 0) {
		record_write(log, stream, partial, data, size);
		return;
	}
	if (waiting_add(w, data, size) == 0) {
		record_write(log, stream, partial, w->data, w->size);
	} else {
		record_write(log, stream, 1, w->data, w->size);
		record_write(log, stream, partial, data, size);
	}
	waiting_done(w);
}

void cri_log_write(struct cri_log *log, enum cri_stream stream, const char *data, size_t size)
{
	struct waiting *w = &log->waiting[stream];

	while (size > 0) {
		size_t room = CRI_PIECE_MAX - w->size;
		size_t look = size < room ? size : room;
#ifndef BULKHEAD_WEAK_RECORDS
		const char *newline = memchr(data, '\n', look);
#else
		const char *newline = NULL;
#endif
		size_t take = newline ? (size_t)(newline - data) : look;

		if (newline) {
			piece_write(log, stream, 0, data, take);
			take++;
		} else if (look == room) {
			/* Full. A newline that comes right behind ends the line with this piece. */
			int ends = size > look && data[look] == '\n';

			piece_write(log, stream, !ends, data, take);
			take += (size_t)ends;
		} else if (waiting_add(w, data, take) < 0) {
			piece_write(log, stream, 1, data, take);
		}
		data += take;
		size -= take;
	}
}

void cri_log_close(struct cri_log *log)
{
	if (!log)
		return;
	for (int i = 0; i < CRI_STREAMS; i++) {
		struct waiting *w = &log->waiting[i];

		if (w->size > 0)
			record_write(log, (enum cri_stream)i, 1, w->data, w->size);
		waiting_done(w);
	}
	if (log->fd >= 0)
		close(log->fd);
	if (log->dirfd >= 0)
		close(log->dirfd);
	free(log);
}

uint64_t cri_log_dropped(const struct cri_log *log)
{
	return log->dropped;
}
