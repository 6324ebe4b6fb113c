/*
 * Any bytes as a layer: the first says how they are compressed, the rest is the blob. Whatever they
 * are, nothing but the layer's directory changes. It is unpacked as nobody, should that be wrong.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/image/layer.h"

#define NOBODY 65534

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void unpack(const uint8_t *data, size_t size, int dirfd)
{
	struct budget budget = { .limits = { .unpacked = 1 << 20,
					 .entries = 200,
					 .ratio = 50,
					 .ratio_floor = 64 << 10 } };
	cleanup_close int fd = memfd_create("blob", MFD_CLOEXEC);
	struct warnings warnings = { 0 };
	struct layer_stream *stream;
	char hex[DIGEST_HEX_SIZE];
	struct error err;
	uint64_t bytes;

	if (fd < 0 || fd_write_all(fd, data + 1, size - 1, NULL) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		abort();
	if (layer_stream_new(&stream, fd, (enum media_filter)(data[0] % 4), &budget, &err) < 0)
		return;
	if (layer_unpack(stream, dirfd, LAYER_KEEP_OWNER, "layer", &bytes, &warnings, &err) == 0 &&
		layer_stream_finish(stream, hex, &err) == 0 && !digest_is_hex(hex))
		abort();
	warnings_done(&warnings);
	layer_stream_free(stream);
}

/* Beside the layer stands one file, as it was made. */
static void check_beside(int dirfd)
{
	int fd = dup(dirfd);
	cleanup_dir DIR *dir = fdopendir(fd);
	cleanup_free char *text = NULL;
	struct dirent *entry;
	size_t size;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, "layer") != 0 &&
			strcmp(entry->d_name, "beside") != 0)
			abort();
	}
	if (file_read_at(dirfd, "beside", 16, &text, &size, NULL) < 0 || strcmp(text, "same") != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "/tmp/bulkhead-fuzz-XXXXXX";
	int root = geteuid() == 0;
	cleanup_close int dirfd = -1;
	cleanup_close int layer_fd = -1;

	if (size == 0)
		return 0;
	if (root && seteuid(NOBODY) < 0)
		abort();
	if (!mkdtemp(path))
		abort();
	dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0 || mkdirat(dirfd, "layer", 0755) < 0 ||
		file_replace_at(dirfd, "beside", "same", 4, 0600, NULL) < 0)
		abort();
	layer_fd = openat(dirfd, "layer", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unpack(data, size, layer_fd);
	check_beside(dirfd);
	if (tree_remove_at(AT_FDCWD, path, NULL) < 0 || (root && seteuid(0) < 0))
		abort();
	return 0;
}
