/*
 * Making struct image (store.h) and its message. For the store and for what imports answer.
 */
#ifndef NODEAGENT_IMAGE_IMAGE_H
#define NODEAGENT_IMAGE_IMAGE_H

#include "bulkhead/v1/node.pb-c.h"
#include "nodeagent/image/catalog.h"
#include "nodeagent/image/config.h"
#include "nodeagent/image/store.h"

/*
 * 'hex' is the digest of the configuration. 'config' is NULL for one that is damaged: then the
 * image has a name and a digest, no layers, and empty lists. On success the caller owns *ret.
 */
int image_new(struct image **ret, const char *store_dir, const struct catalog *catalog,
	const char *name, const char *hex, const struct image_config *config, struct error *err);

/* As ListImages and ImportImage answer. The caller frees; NULL when there is no memory. */
Bulkhead__V1__Image *image_message(const struct image *image);

#endif
