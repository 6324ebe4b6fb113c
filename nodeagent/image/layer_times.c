#include "nodeagent/image/layer_times.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/path.h"

#define ROOM_FIRST 4096

/* Room for 'size' more bytes in *data; 0 or -1. */
static int grow(void **data, size_t used, size_t *room, size_t size)
{
	size_t want = *room ? *room : ROOM_FIRST;
	void *more;

	while (want < used + size)
		want *= 2;
	if (want == *room)
		return 0;
	more = realloc(*data, want);
	if (!more)
		return -1;
	*data = more;
	*room = want;
	return 0;
}

int layer_times_note(
	struct layer_times *t, const char *path, struct timespec mtime, struct error *err)
{
	size_t size = strlen(path) + 1;
	void *names = t->names;
	void *times = t->times;
	int r;

	if (t->names_size + size > IMPORT_DIR_BYTES_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"the names of the layer's directories have more than %u bytes",
			IMPORT_DIR_BYTES_MAX);
	r = grow(&names, t->names_size, &t->names_room, size);
	t->names = names;
	if (r == 0)
		r = grow(&times, t->len * sizeof(*t->times), &t->room, sizeof(*t->times));
	t->times = times;
	if (r < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot note a directory's time");
	memcpy(t->names + t->names_size, path, size);
	t->names_size += size;
	t->times[t->len++] = mtime;
	return 0;
}

void layer_times_apply(const struct layer_times *times, int dirfd)
{
	const char *name = times->names;

	for (size_t i = 0; i < times->len; i++, name += strlen(name) + 1) {
		const struct timespec both[2] = { times->times[i], times->times[i] };
		cleanup_close int fd = sys_openat2(dirfd, name, O_RDONLY | O_DIRECTORY, 0,
			RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);

		if (fd >= 0)
			futimens(fd, both);
	}
}

void layer_times_done(struct layer_times *times)
{
	free(times->names);
	free(times->times);
	memset(times, 0, sizeof(*times));
}
