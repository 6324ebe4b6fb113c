/*
 * A layer's blob as the tar it holds: decompressed as its media type says, summed on the way, and
 * charged to the import's budget before anybody looks at it.
 */
#ifndef NODEAGENT_IMAGE_LAYER_STREAM_H
#define NODEAGENT_IMAGE_LAYER_STREAM_H

#include "nodeagent/image/budget.h"
#include "nodeagent/image/digest.h"
#include "nodeagent/image/manifest.h"

struct archive;
struct layer_stream;

/* 'blob_fd' and 'budget' are borrowed. On success the caller owns *ret. */
int layer_stream_new(struct layer_stream **ret, int blob_fd, enum media_filter filter,
	struct budget *budget, struct error *err);
void layer_stream_free(struct layer_stream *stream); /* NULL is allowed */

/* Borrowed, as it was given. */
struct budget *layer_stream_budget(const struct layer_stream *stream);

/* Makes 'tar' (archive_read_new()) read from the stream. */
int layer_stream_attach(struct layer_stream *stream, struct archive *tar, struct error *err);

/* Why the stream ended 'tar', where it did: -1 with 'err' set; 0 when it is not to blame. */
int layer_stream_failed(const struct layer_stream *stream, struct error *err);

/* Reads what the tar reader left and gives the digest of all. */
int layer_stream_finish(struct layer_stream *stream, char ret[DIGEST_HEX_SIZE], struct error *err);

#endif
