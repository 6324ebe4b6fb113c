/*
 * The images on this node: which there are, what each says about running it, and where its layers
 * lie. Reads and changes <state>/images; what imports write is only believed once it has its name.
 */
#ifndef NODEAGENT_IMAGE_STORE_H
#define NODEAGENT_IMAGE_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

#define IMAGE_LAYERS_MAX 128 /* of one image */
#define IMAGE_NAME_MAX   255 /* "busybox:demo", "host/path/name:tag" */

/* One image, immutable. Strings and lists end with NULL; all owned by the struct. */
struct image {
	char *name;    /* normalized reference it was found by: without a tag ":latest" is added */
	char *digest;  /* of its configuration: "sha256:..." */
	uint64_t size; /* bytes of its layers, unpacked */
	int64_t created_at; /* seconds since 1970, of the configuration; 0 unknown */
	char **layers;      /* absolute directories, lowest first */
	size_t layers_len;
	char **entrypoint; /* never NULL, may be empty */
	char **cmd;
	char **env;        /* "NAME=value" */
	char *working_dir; /* "" when unset */
	char *user;        /* USER as written, "" when unset */
	char *stop_signal; /* "SIGTERM", "15", "" when unset */
};

struct image_store;

/*
 * Opens <dir> (made when absent), empties its staging folder and removes layers that no image
 * names. On success the caller owns *ret.
 */
int image_store_open(struct image_store **ret, const char *dir, struct error *err);
void image_store_free(struct image_store *store);

/*
 * The image that 'name' (a reference, with or without tag, or "sha256:...") stands for. On success
 * the caller owns *ret. Errors: ERR_NOT_FOUND "image 'x' is not on this node; import it with ...",
 * ERR_INVALID for a malformed reference.
 */
int image_store_find(
	const struct image_store *store, const char *name, struct image **ret, struct error *err);

/* All, sorted by name. The caller frees with image_list_free(). */
int image_store_list(
	const struct image_store *store, struct image ***ret, size_t *ret_len, struct error *err);

/*
 * Takes the name away; with the last name of an image its configuration and the layers that no
 * other image has go too. 'used' says whether a digest is in use by a pod: then ERR_PRECONDITION.
 */
int image_store_remove(struct image_store *store, const char *name,
	int (*used)(void *user, const char *digest), void *user, struct error *err);

/* Reads names again after an import committed. */
int image_store_reload(struct image_store *store, struct error *err);

void image_free(struct image *image); /* NULL is allowed */
void image_list_free(struct image **list, size_t len);

#endif
