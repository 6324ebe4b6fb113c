/*
 * What 'image import' reads: a file or standard input as it is, or a directory (an OCI layout) made
 * into a tar stream on the way.
 */
#ifndef NODEAGENT_CTL_ARCHIVE_H
#define NODEAGENT_CTL_ARCHIVE_H

#include <pthread.h>

#include "lib/error.h"

struct archive_source {
	int fd; /* to read the archive from */
	/* The rest is the source's own. */
	int directory;
	int write_fd;
	const char *path;
	pthread_t writer;
	struct error error;
	int failed;
};

/* 'path' must outlive the source: a file, a directory or "-". */
int archive_source_open(struct archive_source *source, const char *path, struct error *err);

/* Closes; -1 when packing a directory had failed ('err' may be NULL). */
int archive_source_close(struct archive_source *source, struct error *err);

#endif
