/*
 * Runs a fuzz target over files and folders, without libFuzzer: a corpus is a regression test.
 * Usage: fuzz_x PATH...
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path, size_t size)
{
	cleanup_file FILE *f = fopen(path, "re");
	/* Exactly as large as the input, so that a sanitizer sees a read past its end. */
	cleanup_free uint8_t *data = malloc(size > 0 ? size : 1);

	if (!f || !data || fread(data, 1, size, f) != size) {
		perror(path);
		return -1;
	}
	LLVMFuzzerTestOneInput(data, size);
	return 1;
}

/* How many files were run, -1 on failure. Hidden names are passed over. */
static int replay(const char *path)
{
	cleanup_dir DIR *dir = NULL;
	struct dirent *entry;
	struct stat st;
	int n = 0;

	if (stat(path, &st) < 0) {
		perror(path);
		return -1;
	}
	if (S_ISREG(st.st_mode))
		return replay_file(path, (size_t)st.st_size);
	dir = opendir(path);
	if (!dir) {
		perror(path);
		return -1;
	}
	while ((entry = readdir(dir))) {
		cleanup_free char *child = NULL;
		int r;

		if (entry->d_name[0] == '.')
			continue;
		if (asprintf(&child, "%s/%s", path, entry->d_name) < 0)
			return -1;
		r = replay(child);
		if (r < 0)
			return -1;
		n += r;
	}
	return n;
}

int main(int argc, char **argv)
{
	int n = 0;

	for (int i = 1; i < argc; i++) {
		int r = replay(argv[i]);

		if (r < 0)
			return 1;
		n += r;
	}
	printf("%d inputs replayed\n", n);
	return n > 0 ? 0 : 1;
}
