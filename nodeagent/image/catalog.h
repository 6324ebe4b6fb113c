/*
 * <store>/names.json: which images are on the node, by what names, and how large their layers are.
 * It is written last and replaced whole, so it is what makes an import happen: files it does not
 * know are leftovers of a crash.
 */
#ifndef NODEAGENT_IMAGE_CATALOG_H
#define NODEAGENT_IMAGE_CATALOG_H

#include <jansson.h>
#include <stdint.h>

#include "lib/error.h"

#define CATALOG_FILE "names.json"

/* Members of one document; all owned by 'root'. Images and layers are named by hex digests. */
struct catalog {
	json_t *root;
	json_t *names;  /* reference: image */
	json_t *images; /* image: {} */
	json_t *layers; /* layer: bytes of its files */
};

/* An absent file is an empty catalog. On success the caller frees with catalog_done(). */
int catalog_read(struct catalog *ret, int store_dirfd, struct error *err);
void catalog_done(struct catalog *catalog);

/* Durable when it returns 0. ERR_EXHAUSTED: STORE_IMAGES_MAX, STORE_NAMES_MAX. */
int catalog_write(const struct catalog *catalog, int store_dirfd, struct error *err);

/* The image that 'name' stands for, borrowed; NULL. */
const char *catalog_find(const struct catalog *catalog, const char *name);
int catalog_has_image(const struct catalog *catalog, const char *image);
/* -1 when the layer is unknown. */
int64_t catalog_layer_size(const struct catalog *catalog, const char *layer);

/* ERR_EXHAUSTED: memory. */
int catalog_put_name(
	struct catalog *catalog, const char *name, const char *image, struct error *err);
int catalog_put_image(struct catalog *catalog, const char *image, struct error *err);
int catalog_put_layer(struct catalog *catalog, const char *layer, uint64_t size, struct error *err);

#endif
