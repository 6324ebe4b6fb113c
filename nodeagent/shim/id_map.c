#include "nodeagent/shim/id_map.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/shim/sys.h"

static int overlap(uint32_t a, uint32_t a_count, uint32_t b, uint32_t b_count)
{
	return (uint64_t)a < (uint64_t)b + b_count && (uint64_t)b < (uint64_t)a + a_count;
}

int id_map_add(
	struct id_map *map, uint32_t inside, uint32_t outside, uint32_t count, struct error *err)
{
	if (map->len >= ID_MAP_ROWS_MAX)
		return error_set(
			err, ERR_EXHAUSTED, 0, "uid_map has more than %d rows", ID_MAP_ROWS_MAX);
	if (count == 0 || (uint64_t)inside + count - 1 > ID_MAX ||
		(uint64_t)outside + count - 1 > ID_MAX)
		return error_set(err, ERR_INVALID, 0,
			"uid_map: %" PRIu32 " ids from %" PRIu32 " to %" PRIu32
			" are not within 0..%u",
			count, inside, outside, ID_MAX);
	if (outside == 0)
		return error_set(
			err, ERR_INVALID, 0, "uid_map: host id 0 must not be mapped into a pod");
	for (size_t i = 0; i < map->len; i++) {
		const struct id_row *row = &map->rows[i];

		if (overlap(row->inside, row->count, inside, count) ||
			overlap(row->outside, row->count, outside, count))
			return error_set(err, ERR_INVALID, 0, "uid_map: rows %zu and %zu overlap",
				i, map->len);
	}
	map->rows[map->len++] = (struct id_row){ inside, outside, count };
	return 0;
}

const struct id_row *id_map_row(const struct id_map *map, uint32_t inside)
{
	for (size_t i = 0; i < map->len; i++) {
		const struct id_row *row = &map->rows[i];

		if (inside >= row->inside && inside - row->inside < row->count)
			return row;
	}
	return NULL;
}

int id_map_outside(const struct id_map *map, uint32_t inside, uint32_t *ret, struct error *err)
{
	const struct id_row *row = id_map_row(map, inside);

	if (inside > ID_MAX)
		return error_set(
			err, ERR_INVALID, 0, "id %" PRIu32 " is beyond %u", inside, ID_MAX);
	if (map->len == 0) {
		*ret = inside;
		return 0;
	}
	if (!row)
		return error_set(err, ERR_INVALID, 0,
			"id %" PRIu32 " is not mapped in the pod's user namespace", inside);
	*ret = row->outside + (inside - row->inside);
	return 0;
}

int id_map_format(const struct id_map *map, char *ret, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < map->len; i++) {
		const struct id_row *row = &map->rows[i];
		int len = snprintf(ret + n, size - n, "%" PRIu32 " %" PRIu32 " %" PRIu32 "\n",
			row->inside, row->outside, row->count);

		if (len < 0 || (size_t)len >= size - n)
			return -1;
		n += (size_t)len;
	}
	return 0;
}

int id_map_write(const struct id_map *map, int proc_dirfd, int pid, struct error *err)
{
	static const char *const files[] = { "uid_map", "gid_map" };
	char text[ID_MAP_ROWS_MAX * 40];

	if (id_map_format(map, text, sizeof(text)) < 0)
		return error_set(err, ERR_INTERNAL, 0, "uid_map does not fit");
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char name[64];

		snprintf(name, sizeof(name), "%d/%s", pid, files[i]);
		if (file_poke_at(proc_dirfd, name, text, err) < 0)
			return error_prefix(err, "user namespace");
	}
	return 0;
}

int userns_make(const struct id_map *map, int proc_dirfd, struct error *err)
{
	struct clone_args args = { .flags = CLONE_NEWUSER | CLONE_PIDFD };
	cleanup_close int pidfd = -1;
	cleanup_close int ns_fd = -1;
	char name[64];
	pid_t pid;

	args.pidfd = (uint64_t)(uintptr_t)&pidfd;
	pid = sys_clone3(&args);
	if (pid < 0)
		return error_set(err, ERR_PRECONDITION, errno, "cannot make a user namespace");
	if (pid == 0) {
		for (;;)
			pause();
	}
	snprintf(name, sizeof(name), "%d/ns/user", pid);
	if (id_map_write(map, proc_dirfd, pid, err) == 0) {
		ns_fd = openat(proc_dirfd, name, O_RDONLY | O_CLOEXEC);
		if (ns_fd < 0)
			error_set(err, ERR_INTERNAL, errno, "cannot open a user namespace");
	}
	sys_pidfd_kill(pidfd, SIGKILL);
	sys_pidfd_reap(pidfd, NULL);
	return ns_fd < 0 ? -1 : take_fd(&ns_fd);
}
