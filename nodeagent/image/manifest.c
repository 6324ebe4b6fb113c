#include "nodeagent/image/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "nodeagent/image/jsondoc.h"
#include "nodeagent/image/limits.h"
#include "nodeagent/image/store.h"

#define OCI    "application/vnd.oci.image."
#define DOCKER "application/vnd.docker."

static const struct media_type types[] = {
	{ OCI "index.v1+json", MEDIA_INDEX, FILTER_NONE },
	{ DOCKER "distribution.manifest.list.v2+json", MEDIA_INDEX, FILTER_NONE },
	{ OCI "manifest.v1+json", MEDIA_MANIFEST, FILTER_NONE },
	{ DOCKER "distribution.manifest.v2+json", MEDIA_MANIFEST, FILTER_NONE },
	{ OCI "config.v1+json", MEDIA_CONFIG, FILTER_NONE },
	{ DOCKER "container.image.v1+json", MEDIA_CONFIG, FILTER_NONE },
	{ OCI "layer.v1.tar", MEDIA_LAYER, FILTER_NONE },
	{ OCI "layer.v1.tar+gzip", MEDIA_LAYER, FILTER_GZIP },
	{ OCI "layer.v1.tar+zstd", MEDIA_LAYER, FILTER_ZSTD },
	{ DOCKER "image.rootfs.diff.tar", MEDIA_LAYER, FILTER_NONE },
	{ DOCKER "image.rootfs.diff.tar.gzip", MEDIA_LAYER, FILTER_GZIP },
	{ DOCKER "image.rootfs.diff.tar.zstd", MEDIA_LAYER, FILTER_ZSTD },
};

const struct media_type *media_type_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	}
	return NULL;
}

static int copy_optional(const json_t *object, const char *key, char **ret, struct error *err)
{
	const char *text = NULL;
	char *copy;

	*ret = NULL;
	if (jsondoc_text(object, key, &text, err) < 0)
		return -1;
	if (!text)
		return 0;
	copy = strdup(text);
	if (!copy)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "%s: cannot be read", key);
	*ret = copy;
	return 0;
}

static int parse_platform(struct descriptor *d, const json_t *object, struct error *err)
{
	json_t *platform = NULL;
	json_t *annotations = NULL;

	if (jsondoc_member(object, "platform", JSON_OBJECT, &platform, err) < 0 ||
		jsondoc_member(object, "annotations", JSON_OBJECT, &annotations, err) < 0 ||
		copy_optional(platform, "os", &d->os, err) < 0 ||
		copy_optional(platform, "architecture", &d->architecture, err) < 0 ||
		copy_optional(annotations, "io.containerd.image.name", &d->name, err) < 0)
		return -1;
	if (d->name)
		return 0;
	return copy_optional(annotations, "org.opencontainers.image.ref.name", &d->name, err);
}

/* 1 filled; 0 of a type that is not in the table ('err' says so too); -1. */
static int parse_descriptor(struct descriptor *d, const json_t *object, struct error *err)
{
	const char *type = NULL;
	const char *text = NULL;
	const char *hex;
	int64_t size = -1;

	if (!json_is_object(object))
		return error_set(err, ERR_INVALID, 0, "must be an object");
	if (jsondoc_text(object, "mediaType", &type, err) < 0 ||
		jsondoc_text(object, "digest", &text, err) < 0 ||
		jsondoc_number(object, "size", &size, err) < 0)
		return -1;
	if (!type || !text || size < 0)
		return error_set(
			err, ERR_INVALID, 0, "mediaType, digest and size must all be there");
	d->type = media_type_find(type);
	if (!d->type) {
		error_set(err, ERR_UNSUPPORTED, 0, "media type '%.100s' is not supported", type);
		return 0;
	}
	hex = digest_parse("digest", text, err);
	if (!hex)
		return -1;
	memcpy(d->hex, hex, DIGEST_HEX_SIZE);
	d->size = (uint64_t)size;
	return 1;
}

/* The document's own type must be that of its descriptor, and it has no member of the other kind.
 */
static int check_type(
	const json_t *root, const struct media_type *type, enum media_kind kind, struct error *err)
{
	static const char *const foreign[][4] = {
		[MEDIA_INDEX] = { "config", "layers", "fsLayers", "history" },
		[MEDIA_MANIFEST] = { "manifests", "fsLayers", "history", "signatures" },
	};
	const char *own = NULL;
	int64_t version = -1;

	if (jsondoc_text(root, "mediaType", &own, err) < 0 ||
		jsondoc_number(root, "schemaVersion", &version, err) < 0)
		return -1;
	if (version != 2)
		return error_set(err, ERR_UNSUPPORTED, 0, "schemaVersion must be 2");
#ifndef BULKHEAD_WEAK_MEDIA
	for (size_t i = 0; i < ARRAY_LEN(foreign[kind]); i++) {
		if (json_object_get(root, foreign[kind][i]))
			return error_set(err, ERR_INVALID, 0,
				"has '%s', which belongs to a document of another media type",
				foreign[kind][i]);
	}
	if (own && type && strcmp(own, type->name) != 0)
		return error_set(err, ERR_INVALID, 0,
			"says mediaType '%.100s', its descriptor says '%s'", own, type->name);
	if (own && !type && (!media_type_find(own) || media_type_find(own)->kind != kind))
		return error_set(
			err, ERR_INVALID, 0, "mediaType '%.100s' is not that of an index", own);
#else
	(void)foreign;
	(void)type;
	(void)kind;
#endif
	return 0;
}

static int parse_list(
	struct descriptors *ret, const json_t *root, const char *key, size_t max, struct error *err)
{
	json_t *list = NULL;
	size_t n;

	if (jsondoc_member(root, key, JSON_ARRAY, &list, err) < 0)
		return -1;
	n = list ? json_array_size(list) : 0;
	if (n == 0)
		return error_set(err, ERR_INVALID, 0, "%s is missing or empty", key);
	if (n > max)
		return error_set(err, ERR_EXHAUSTED, 0, "%s: %zu entries, at most %zu are taken",
			key, n, max);
	ret->items = calloc(n, sizeof(*ret->items));
	if (!ret->items)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "%s: cannot be read", key);
	return 0;
}

static int index_fill(struct descriptors *list, const json_t *root, struct error *err)
{
	const json_t *array = json_object_get(root, "manifests");

	for (size_t i = 0; i < json_array_size(array); i++) {
		const json_t *object = json_array_get(array, i);
		struct descriptor *d = &list->items[list->len];
		int r = parse_descriptor(d, object, err);

		if (r < 0)
			return error_prefix(err, "manifests[%zu]", i);
		if (r == 0 || (d->type->kind != MEDIA_INDEX && d->type->kind != MEDIA_MANIFEST))
			continue; /* a signature, an attestation */
		list->len++;
		if (parse_platform(d, object, err) < 0)
			return error_prefix(err, "manifests[%zu]", i);
	}
	return 0;
}

int index_parse(struct descriptors *ret, const struct media_type *type, const char *data,
	size_t size, struct error *err)
{
	cleanup_json json_t *root = NULL;

	memset(ret, 0, sizeof(*ret));
	if (jsondoc_parse("the index", data, size, JSON_OBJECT, &root, err) < 0)
		return -1;
	if (check_type(root, type, MEDIA_INDEX, err) < 0 ||
		parse_list(ret, root, "manifests", INDEX_ENTRIES_MAX, err) < 0 ||
		index_fill(ret, root, err) < 0) {
		descriptors_done(ret);
		return error_prefix(err, "index");
	}
	return 0;
}

static int parse_part(
	struct descriptor *d, const json_t *object, enum media_kind kind, struct error *err)
{
	if (parse_descriptor(d, object, err) <= 0 || !d->type)
		return -1;
	if (d->type->kind != kind)
		return error_set(err, ERR_INVALID, 0, "media type '%s' is that of something else",
			d->type->name);
	return 0;
}

static int manifest_fill(struct oci_manifest *m, const json_t *root, struct error *err)
{
	const json_t *array = json_object_get(root, "layers");

	if (parse_part(&m->config, json_object_get(root, "config"), MEDIA_CONFIG, err) < 0)
		return error_prefix(err, "config");
	for (; m->layers.len < json_array_size(array); m->layers.len++) {
		if (parse_part(&m->layers.items[m->layers.len],
			    json_array_get(array, m->layers.len), MEDIA_LAYER, err) < 0)
			return error_prefix(err, "layers[%zu]", m->layers.len);
	}
	return 0;
}

int oci_manifest_parse(struct oci_manifest *ret, const struct media_type *type, const char *data,
	size_t size, struct error *err)
{
	cleanup_json json_t *root = NULL;

	memset(ret, 0, sizeof(*ret));
	if (jsondoc_parse("the manifest", data, size, JSON_OBJECT, &root, err) < 0)
		return -1;
	if (check_type(root, type, MEDIA_MANIFEST, err) < 0 ||
		parse_list(&ret->layers, root, "layers", IMAGE_LAYERS_MAX, err) < 0 ||
		manifest_fill(ret, root, err) < 0) {
		oci_manifest_done(ret);
		return error_prefix(err, "manifest");
	}
	return 0;
}

void descriptors_done(struct descriptors *list)
{
	for (size_t i = 0; i < list->len; i++) {
		free(list->items[i].os);
		free(list->items[i].architecture);
		free(list->items[i].name);
	}
	free(list->items);
	memset(list, 0, sizeof(*list));
}

void oci_manifest_done(struct oci_manifest *manifest)
{
	descriptors_done(&manifest->layers);
	memset(manifest, 0, sizeof(*manifest));
}

static int docker_image_parse(struct docker_image *image, const json_t *object, struct error *err)
{
	if (!json_is_object(object))
		return error_set(err, ERR_INVALID, 0, "must be an object");
	if (copy_optional(object, "Config", &image->config, err) < 0 ||
		jsondoc_strings(object, "RepoTags", IMPORT_IMAGES_MAX, &image->tags, NULL, err) <
			0 ||
		jsondoc_strings(object, "Layers", IMAGE_LAYERS_MAX, &image->layers,
			&image->layers_len, err) < 0)
		return -1;
	if (!image->config || image->layers_len == 0)
		return error_set(err, ERR_INVALID, 0, "Config and Layers must be there");
	return 0;
}

int docker_manifest_parse(
	struct docker_manifest *ret, const char *data, size_t size, struct error *err)
{
	cleanup_json json_t *root = NULL;
	size_t n;

	memset(ret, 0, sizeof(*ret));
	if (jsondoc_parse("manifest.json", data, size, JSON_ARRAY, &root, err) < 0)
		return -1;
	n = json_array_size(root);
	if (n == 0)
		return error_set(err, ERR_INVALID, 0, "manifest.json names no image");
	if (n > IMPORT_IMAGES_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"manifest.json names %zu images, at most %d are taken", n,
			IMPORT_IMAGES_MAX);
	ret->items = calloc(n, sizeof(*ret->items));
	if (!ret->items)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot read manifest.json");
	for (size_t i = 0; i < n; i++) {
		ret->len++;
		if (docker_image_parse(&ret->items[i], json_array_get(root, i), err) < 0) {
			docker_manifest_done(ret);
			return error_prefix(err, "manifest.json[%zu]", i);
		}
	}
	return 0;
}

void docker_manifest_done(struct docker_manifest *manifest)
{
	for (size_t i = 0; i < manifest->len; i++) {
		free(manifest->items[i].config);
		strings_free(manifest->items[i].tags);
		strings_free(manifest->items[i].layers);
	}
	free(manifest->items);
	memset(manifest, 0, sizeof(*manifest));
}
