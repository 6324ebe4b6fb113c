#include "nodeagent/image/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/image/layer.h"
#include "nodeagent/image/unpack_plan.h"

struct unpacker {
	int layers_fd;
	unsigned flags;
	const Bulkhead__V1__ImportRequest *request;
	const struct spool *spool;
	struct budget budget;
	struct warnings warnings;
	Bulkhead__V1__ImportVerdict *verdict;
};

static int out_of_memory(struct error *err)
{
	return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot unpack the image");
}

/* The store has it, or an earlier layer of this archive was the same. */
static int is_there(const struct unpacker *u, const char *diff_id)
{
	for (size_t i = 0; i < u->request->n_layers; i++) {
		if (strcmp(u->request->layers[i], diff_id) == 0)
			return 1;
	}
	for (size_t i = 0; i < u->verdict->n_layers; i++) {
		if (strcmp(u->verdict->layers[i]->diff_id, diff_id) == 0)
			return 1;
	}
	return 0;
}

static int note_layer(struct unpacker *u, const char *diff_id, uint64_t size, struct error *err)
{
	Bulkhead__V1__ImportedLayer *layer = malloc(sizeof(*layer));
	char *copy = strdup(diff_id);

	if (!layer || !copy) {
		free(layer);
		free(copy);
		return out_of_memory(err);
	}
	bulkhead__v1__imported_layer__init(layer);
	layer->diff_id = copy;
	layer->size = size;
	u->verdict->layers[u->verdict->n_layers++] = layer;
	return 0;
}

static int open_layer_dir(const struct unpacker *u, const char *diff_id, struct error *err)
{
	int fd = -1;

	if (mkdirat(u->layers_fd, diff_id, 0755) == 0)
		fd = openat(u->layers_fd, diff_id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_set(
			err, error_code_of(errno), errno, "cannot make the layer's directory");
	/* A layer need not say whose its root is. */
	if (!(u->flags & LAYER_KEEP_OWNER) && fchown(fd, 0, 0) < 0) {
		error_set(err, error_code_of(errno), errno, "cannot own the layer's directory");
		close(fd);
		return -1;
	}
	return fd;
}

static int unpack_checked(struct unpacker *u, struct layer_stream *stream, const char *diff_id,
	const char *label, struct error *err)
{
	cleanup_close int fd = open_layer_dir(u, diff_id, err);
	char hex[DIGEST_HEX_SIZE];
	uint64_t size;

	if (fd < 0 || layer_unpack(stream, fd, u->flags, label, &size, &u->warnings, err) < 0 ||
		layer_stream_finish(stream, hex, err) < 0)
		return -1;
#ifndef BULKHEAD_WEAK_DIGEST
	if (strcmp(hex, diff_id) != 0)
		return error_set(err, ERR_INVALID, 0,
			"its content has digest sha256:%s, the configuration says sha256:%s", hex,
			diff_id);
#endif
	return note_layer(u, diff_id, size, err);
}

static int unpack_layer(
	struct unpacker *u, const struct plan_image *image, size_t i, struct error *err)
{
	const struct plan_layer *layer = &image->layers[i];
	const char *diff_id = image->config.diff_ids[i];
	struct layer_stream *stream;
	cleanup_close int blob_fd = -1;
	char label[64];
	int r;

	if (is_there(u, diff_id))
		return 0;
	snprintf(label, sizeof(label), "layer %zu (sha256:%.12s)", i + 1, diff_id);
	blob_fd = spool_open(u->spool, layer->file, err);
	if (blob_fd < 0 || layer_stream_new(&stream, blob_fd, layer->filter, &u->budget, err) < 0)
		return error_prefix(err, "%s", label);
	r = unpack_checked(u, stream, diff_id, label, err);
	layer_stream_free(stream);
	return r < 0 ? error_prefix(err, "%s", label) : 0;
}

static int note_image(struct unpacker *u, struct plan_image *image, struct error *err)
{
	Bulkhead__V1__ImportedImage *to = malloc(sizeof(*to));

	if (!to)
		return out_of_memory(err);
	bulkhead__v1__imported_image__init(to);
	u->verdict->images[u->verdict->n_images++] = to;
	to->names = calloc(image->names_len, sizeof(*to->names));
	if (!to->names)
		return out_of_memory(err);
	to->n_names = image->names_len;
	memcpy(to->names, image->names, image->names_len * sizeof(*to->names));
	image->names_len = 0; /* handed on */
	to->config.data = (uint8_t *)take_ptr(image->text);
	to->config.len = image->text_size;
	return 0;
}

static int unpack_images(struct unpacker *u, struct plan *plan, struct error *err)
{
	u->verdict->images = calloc(plan->len, sizeof(Bulkhead__V1__ImportedImage *));
	u->verdict->layers =
		calloc(plan->len * IMAGE_LAYERS_MAX, sizeof(Bulkhead__V1__ImportedLayer *));
	if (!u->verdict->images || !u->verdict->layers)
		return out_of_memory(err);
	for (size_t i = 0; i < plan->len; i++) {
		struct plan_image *image = &plan->images[i];

		for (size_t j = 0; j < image->config.diff_ids_len; j++) {
			if (unpack_layer(u, image, j, err) < 0)
				return error_prefix(err, "image '%s'", image->names[0]);
		}
		if (note_image(u, image, err) < 0)
			return -1;
	}
	return 0;
}

static int note_warnings(struct unpacker *u, struct error *err)
{
	warnings_finish(&u->warnings);
	if (u->warnings.len == 0)
		return 0;
	u->verdict->warnings = calloc(u->warnings.len, sizeof(*u->verdict->warnings));
	if (!u->verdict->warnings)
		return out_of_memory(err);
	memcpy(u->verdict->warnings, u->warnings.items,
		u->warnings.len * sizeof(*u->verdict->warnings));
	u->verdict->n_warnings = u->warnings.len;
	u->warnings.len = 0; /* handed on */
	return 0;
}

/* All after the archive is on disk. */
static int run_spooled(struct unpacker *u, int dirfd, struct error *err)
{
	struct plan *plan;
	int r;

	if (plan_make(&plan, u->spool, u->request->name, err) < 0)
		return -1;
	r = unpack_images(u, plan, err);
	plan_free(plan);
	if (r < 0 || note_warnings(u, err) < 0 || tree_remove_at(dirfd, UNPACK_SPOOL_DIR, err) < 0)
		return -1;
	/* Durable before the agent gives it its name; here, where waiting holds up nobody. */
	return syncfs(dirfd) < 0
		       ? error_set(err, error_code_of(errno), errno, "cannot sync the layers")
		       : 0;
}

static int open_made(int dirfd, const char *name, struct error *err)
{
	int fd = -1;

	if (mkdirat(dirfd, name, 0700) == 0)
		fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot make '%s'", name);
	return fd;
}

static int run(struct unpacker *u, int dirfd, int archive_fd, struct error *err)
{
	cleanup_close int spool_fd = open_made(dirfd, UNPACK_SPOOL_DIR, err);
	cleanup_close int layers_fd = open_made(dirfd, UNPACK_LAYERS_DIR, err);
	struct spool spool;
	int r;

	if (spool_fd < 0 || layers_fd < 0 ||
		spool_read(&spool, archive_fd, spool_fd, &u->budget.limits, err) < 0)
		return -1;
	u->layers_fd = layers_fd;
	u->spool = &spool;
	r = run_spooled(u, dirfd, err);
	u->spool = NULL;
	spool_done(&spool);
	return r;
}

int unpack_run(int dirfd, int archive_fd, const Bulkhead__V1__ImportRequest *request,
	const struct import_limits *limits, unsigned flags, Bulkhead__V1__ImportVerdict **ret,
	struct error *err)
{
	struct unpacker u = { .flags = flags, .request = request, .budget.limits = *limits };
	int r;

	u.verdict = malloc(sizeof(*u.verdict));
	if (!u.verdict)
		return out_of_memory(err);
	bulkhead__v1__import_verdict__init(u.verdict);
	r = run(&u, dirfd, archive_fd, err);
	warnings_done(&u.warnings);
	if (r < 0) {
		bulkhead__v1__import_verdict__free_unpacked(u.verdict, NULL);
		tree_remove_at(dirfd, UNPACK_SPOOL_DIR, NULL);
		tree_remove_at(dirfd, UNPACK_LAYERS_DIR, NULL);
		text_escape(err->text, sizeof(err->text));
		return -1;
	}
	*ret = u.verdict;
	return 0;
}
