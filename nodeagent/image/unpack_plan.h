/*
 * Which images a spooled archive holds for this machine, and which of its files each needs: every
 * digest, size and media type on the way is checked here; layers' contents are not looked at yet.
 */
#ifndef NODEAGENT_IMAGE_UNPACK_PLAN_H
#define NODEAGENT_IMAGE_UNPACK_PLAN_H

#include "nodeagent/image/config.h"
#include "nodeagent/image/manifest.h"
#include "nodeagent/image/spool.h"
#include "nodeagent/image/store.h"

struct plan_layer {
	const struct spool_file *file; /* borrowed from the spool */
	enum media_filter filter;
};

struct plan_image {
	char manifest[DIGEST_HEX_SIZE]; /* "" in a docker-archive */
	char *names[IMPORT_IMAGES_MAX]; /* normalized */
	size_t names_len;
	char *text; /* the configuration as the archive has it */
	size_t text_size;
	struct image_config config;
	struct plan_layer layers[IMAGE_LAYERS_MAX]; /* as config.diff_ids */
};

struct plan {
	struct plan_image images[IMPORT_IMAGES_MAX];
	size_t len;
	char others[256]; /* platforms that were passed over, for the error */
	char bare[65];    /* a name that was none, for the error */
};

/*
 * 'name' (normalized, or "") is given to the one image; "" takes the archive's names. On success
 * the caller owns *ret. Errors: ERR_INVALID, ERR_NOT_FOUND (a blob is missing), ERR_UNSUPPORTED
 * (another platform, a media type), ERR_EXHAUSTED.
 */
int plan_make(struct plan **ret, const struct spool *spool, const char *name, struct error *err);
void plan_free(struct plan *plan); /* NULL is allowed */

#endif
