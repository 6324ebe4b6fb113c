#include "nodeagent/ctl/secret_input.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "secrets/envelope.h"

/* One byte more than is allowed, so that a file that is too large shows. */
#define BYTES_SIZE (SECRET_DATA_MAX + 1)

int secret_input_init(struct secret_input *input, struct error *err)
{
	input->len = 0;
	input->used = 0;
	input->bytes = malloc(BYTES_SIZE);
	if (!input->bytes)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot read a secret");
	return 0;
}

void secret_input_done(struct secret_input *input)
{
	envelope_wipe(input->bytes, BYTES_SIZE);
	input->bytes = NULL;
	for (size_t i = 0; i < input->len; i++)
		free(input->names[i]);
	input->len = 0;
}

static int add(struct secret_input *input, const char *key, size_t key_len, const void *data,
	size_t size, struct error *err)
{
	char *name = strndup(key, key_len);

	if (!name)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot read a secret");
	if (secret_key_check(name, err) < 0) {
		free(name);
		return -1;
	}
	if (input->len == SECRET_KEYS_MAX) {
		free(name);
		return error_set(err, ERR_EXHAUSTED, 0, "more than %d keys", SECRET_KEYS_MAX);
	}
	input->names[input->len] = name;
	input->values[input->len++] =
		(struct secret_value){ .key = name, .data = data, .size = size };
	return 0;
}

int secret_input_literal(struct secret_input *input, const char *literal, struct error *err)
{
	const char *equals = strchr(literal, '=');

	/* What was given may be the value alone: it is not repeated. */
	if (!equals || equals == literal)
		return error_set(err, ERR_INVALID, 0, "--from-literal takes KEY=VALUE");
	if (add(input, literal, (size_t)(equals - literal), equals + 1, strlen(equals + 1), err) <
		0)
		return error_prefix(err, "--from-literal");
	return 0;
}

static int read_file(struct secret_input *input, int fd, size_t *ret_size, struct error *err)
{
	size_t start = input->used;

	for (;;) {
		ssize_t n = read(fd, input->bytes + input->used, BYTES_SIZE - input->used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(err, error_code_of(errno), errno, "cannot read");
		if (n == 0)
			break;
		input->used += (size_t)n;
		if (input->used > SECRET_DATA_MAX)
			return error_set(err, ERR_EXHAUSTED, 0,
				"a secret's values have at most %u bytes together",
				SECRET_DATA_MAX);
	}
	*ret_size = input->used - start;
	return 0;
}

static int add_open_file(
	struct secret_input *input, int fd, const char *key, size_t key_len, struct error *err)
{
	const uint8_t *data = input->bytes + input->used;
	size_t size = 0;

	if (read_file(input, fd, &size, err) < 0)
		return -1;
	return add(input, key, key_len, data, size, err);
}

static int add_entry(struct secret_input *input, int dirfd, const char *name, struct error *err)
{
	cleanup_close int fd = -1;
	struct stat st;

	if (fstatat(dirfd, name, &st, 0) < 0 || !S_ISREG(st.st_mode) ||
		secret_key_check(name, NULL) < 0)
		return 0;
	fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open '%s'", name);
	if (add_open_file(input, fd, name, strlen(name), err) < 0)
		return error_prefix(err, "'%s'", name);
	return 0;
}

static int add_directory(struct secret_input *input, int fd, const char *path, struct error *err)
{
	int list_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	cleanup_dir DIR *dir = list_fd < 0 ? NULL : fdopendir(list_fd);
	struct dirent *entry;

	if (!dir) {
		error_set(err, error_code_of(errno), errno, "cannot list '%s'", path);
		if (list_fd >= 0)
			close(list_fd);
		return -1;
	}
	while ((entry = readdir(dir))) {
		if (add_entry(input, fd, entry->d_name, err) < 0)
			return error_prefix(err, "--from-file=%s", path);
	}
	return 0;
}

int secret_input_file(struct secret_input *input, const char *spec, struct error *err)
{
	const char *equals = strchr(spec, '=');
	const char *path = equals ? equals + 1 : spec;
	const char *slash = strrchr(path, '/');
	const char *key = equals ? spec : slash ? slash + 1 : path;
	size_t key_len = equals ? (size_t)(equals - spec) : strlen(key);
	cleanup_close int fd = -1;
	struct stat st;

	if (!path[0] || equals == spec)
		return error_set(
			err, ERR_INVALID, 0, "--from-file takes PATH or KEY=PATH, not '%s'", spec);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open '%s'", path);
	if (S_ISDIR(st.st_mode) && equals)
		return error_set(err, ERR_INVALID, 0,
			"--from-file=%s: a directory's files have their own names as keys", spec);
	if (S_ISDIR(st.st_mode))
		return add_directory(input, fd, path, err);
	if (add_open_file(input, fd, key, key_len, err) < 0)
		return error_prefix(err, "--from-file=%s", spec);
	return 0;
}
