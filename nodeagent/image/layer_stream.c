#include "nodeagent/image/layer_stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>

#include "lib/cleanup.h"

#define READ_SIZE 65536

struct layer_stream {
	struct archive *raw;
	struct digest *digest;
	struct budget *budget;
	uint64_t size;
	int ended;
	struct error error; /* code ERR_NONE while all is well */
};

static int raw_failed(struct layer_stream *s, struct error *err)
{
	const char *text = archive_error_string(s->raw);

	return error_set(err, ERR_INVALID, 0, "the blob cannot be decompressed: %s",
		text ? text : "unknown reason");
}

/* The next piece: 1, 0 at the end, -1. */
static int next(struct layer_stream *s, const void **data, size_t *size, struct error *err)
{
	int64_t offset;
	int r;

	do {
		r = s->ended ? ARCHIVE_EOF : archive_read_data_block(s->raw, data, size, &offset);
		if (r == ARCHIVE_EOF) {
			s->ended = 1;
			return 0;
		}
		if (r < ARCHIVE_OK)
			return raw_failed(s, err);
	} while (*size == 0);
	s->size += *size;
	if (budget_stream(s->budget, (uint64_t)archive_filter_bytes(s->raw, -1), *size, err) < 0)
		return -1;
	return digest_add(s->digest, *data, *size, err) < 0 ? -1 : 1;
}

static ssize_t on_read(struct archive *tar, void *user, const void **ret)
{
	struct layer_stream *s = user;
	size_t size = 0;
	int r = next(s, ret, &size, &s->error);

	if (r < 0)
		archive_set_error(tar, EIO, "%s", s->error.text);
	return r < 0 ? -1 : (ssize_t)size;
}

static int support(struct archive *raw, enum media_filter filter)
{
	int r = ARCHIVE_OK;

	/* Only what the media type says: a format that is not expected has no parser here. */
	if (filter == FILTER_GZIP || filter == FILTER_ANY)
		r = archive_read_support_filter_gzip(raw);
	if (r >= ARCHIVE_WARN && (filter == FILTER_ZSTD || filter == FILTER_ANY))
		r = archive_read_support_filter_zstd(raw);
	if (r >= ARCHIVE_WARN)
		r = archive_read_support_format_raw(raw);
	if (r >= ARCHIVE_WARN)
		r = archive_read_support_format_empty(raw);
	return r;
}

/* What the media type promises must be there, and once: gzip inside gzip is no layer. */
static int check_filter(struct layer_stream *s, enum media_filter filter, struct error *err)
{
	static const int codes[] = {
		[FILTER_NONE] = ARCHIVE_FILTER_NONE,
		[FILTER_GZIP] = ARCHIVE_FILTER_GZIP,
		[FILTER_ZSTD] = ARCHIVE_FILTER_ZSTD,
	};
	int count = archive_filter_count(s->raw);

	if (count > 2)
		return error_set(err, ERR_INVALID, 0, "the blob is compressed twice");
	if (filter != FILTER_ANY && archive_filter_code(s->raw, 0) != codes[filter])
		return error_set(
			err, ERR_INVALID, 0, "the blob is not compressed as its media type says");
	return 0;
}

static int open_raw(
	struct layer_stream *s, int blob_fd, enum media_filter filter, struct error *err)
{
	struct archive_entry *entry;
	int r;

	if (support(s->raw, filter) < ARCHIVE_WARN ||
		archive_read_open_fd(s->raw, blob_fd, READ_SIZE) != ARCHIVE_OK)
		return raw_failed(s, err);
	r = archive_read_next_header(s->raw, &entry);
	if (r == ARCHIVE_EOF)
		s->ended = 1;
	else if (r < ARCHIVE_WARN)
		return raw_failed(s, err);
	return check_filter(s, filter, err);
}

int layer_stream_new(struct layer_stream **ret, int blob_fd, enum media_filter filter,
	struct budget *budget, struct error *err)
{
	struct layer_stream *s = calloc(1, sizeof(*s));

	if (s)
		s->raw = archive_read_new();
	if (!s || !s->raw) {
		layer_stream_free(s);
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot read a layer");
	}
	s->budget = budget;
	if (digest_new(&s->digest, err) < 0 || open_raw(s, blob_fd, filter, err) < 0) {
		layer_stream_free(s);
		return -1;
	}
	*ret = s;
	return 0;
}

void layer_stream_free(struct layer_stream *stream)
{
	if (!stream)
		return;
	archive_read_free(stream->raw);
	digest_free(stream->digest);
	free(stream);
}

struct budget *layer_stream_budget(const struct layer_stream *stream)
{
	return stream->budget;
}

int layer_stream_attach(struct layer_stream *stream, struct archive *tar, struct error *err)
{
	if (archive_read_open(tar, stream, NULL, on_read, NULL) == ARCHIVE_OK)
		return 0;
	if (layer_stream_failed(stream, err) < 0)
		return -1;
	return error_set(err, ERR_INVALID, 0, "the layer is not a tar archive");
}

int layer_stream_failed(const struct layer_stream *stream, struct error *err)
{
	if (stream->error.code == ERR_NONE)
		return 0;
	if (err)
		*err = stream->error;
	return -1;
}

int layer_stream_finish(struct layer_stream *stream, char ret[DIGEST_HEX_SIZE], struct error *err)
{
	const void *data;
	size_t size;
	int r;

	while ((r = next(stream, &data, &size, err)) > 0)
		continue;
	if (r < 0)
		return -1;
	stream->budget->in += (uint64_t)archive_filter_bytes(stream->raw, -1);
	return digest_hex(stream->digest, ret, err);
}
