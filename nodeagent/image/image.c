#include "nodeagent/image/image.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "nodeagent/image/digest.h"
#include "nodeagent/image/jsondoc.h"
#include "nodeagent/image/trash.h"

/* A copy; NULL is an empty list. */
static char **copy_list(char *const *list)
{
	size_t len = 0;
	char **copy;

	while (list && list[len])
		len++;
	copy = calloc(len + 1, sizeof(*copy));
	if (!copy)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		char *text = strdup(list[i]);

		if (!text) {
			strings_free(copy);
			return NULL;
		}
		copy[i] = text;
	}
	return copy;
}

/* Whether the same layer comes again above: then it is hidden whole by that one. */
static int comes_again(const struct image_config *config, size_t i)
{
	for (size_t j = i + 1; j < config->diff_ids_len; j++) {
		if (strcmp(config->diff_ids[i], config->diff_ids[j]) == 0)
			return 1;
	}
	return 0;
}

/* overlayfs takes no directory twice. */
static int fill_layers(struct image *image, const char *store_dir, const struct catalog *catalog,
	const struct image_config *config)
{
	for (size_t i = 0; config && i < config->diff_ids_len; i++) {
		int64_t size = catalog_layer_size(catalog, config->diff_ids[i]);

		if (comes_again(config, i))
			continue;
		if (asprintf(&image->layers[image->layers_len], "%s/" STORE_LAYERS "/%s", store_dir,
			    config->diff_ids[i]) < 0) {
			image->layers[image->layers_len] = NULL;
			return -1;
		}
		image->layers_len++;
		image->size += size > 0 ? (uint64_t)size : 0;
	}
	return 0;
}

static int fill(struct image *image, const char *store_dir, const struct catalog *catalog,
	const char *name, const char *hex, const struct image_config *config)
{
	image->name = strdup(name);
	if (asprintf(&image->digest, DIGEST_PREFIX "%s", hex) < 0)
		image->digest = NULL;
	image->layers = calloc(config ? config->diff_ids_len + 1 : 1, sizeof(*image->layers));
	image->entrypoint = copy_list(config ? config->entrypoint : NULL);
	image->cmd = copy_list(config ? config->cmd : NULL);
	image->env = copy_list(config ? config->env : NULL);
	image->working_dir = strdup(config ? config->working_dir : "");
	image->user = strdup(config ? config->user : "");
	image->stop_signal = strdup(config ? config->stop_signal : "");
	image->created_at = config ? config->created_at : 0;
	if (!image->name || !image->digest || !image->layers || !image->entrypoint || !image->cmd ||
		!image->env || !image->working_dir || !image->user || !image->stop_signal)
		return -1;
	return fill_layers(image, store_dir, catalog, config);
}

int image_new(struct image **ret, const char *store_dir, const struct catalog *catalog,
	const char *name, const char *hex, const struct image_config *config, struct error *err)
{
	struct image *image = calloc(1, sizeof(*image));

	if (!image || fill(image, store_dir, catalog, name, hex, config) < 0) {
		image_free(image);
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot describe image '%s'", name);
	}
	*ret = image;
	return 0;
}

void image_free(struct image *image)
{
	if (!image)
		return;
	free(image->name);
	free(image->digest);
	strings_free(image->layers);
	strings_free(image->entrypoint);
	strings_free(image->cmd);
	strings_free(image->env);
	free(image->working_dir);
	free(image->user);
	free(image->stop_signal);
	free(image);
}

void image_list_free(struct image **list, size_t len)
{
	for (size_t i = 0; list && i < len; i++)
		image_free(list[i]);
	free(list);
}

static size_t list_len(char *const *list)
{
	size_t len = 0;

	while (list && list[len])
		len++;
	return len;
}

Bulkhead__V1__Image *image_message(const struct image *image)
{
	Bulkhead__V1__Image *m = malloc(sizeof(*m));

	if (!m)
		return NULL;
	bulkhead__v1__image__init(m);
	m->name = strdup(image->name);
	m->digest = strdup(image->digest);
	m->user = strdup(image->user);
	m->size = image->size;
	m->layers = (uint32_t)image->layers_len;
	m->created_at = image->created_at;
	m->entrypoint = copy_list(image->entrypoint);
	m->n_entrypoint = list_len(m->entrypoint);
	m->cmd = copy_list(image->cmd);
	m->n_cmd = list_len(m->cmd);
	if (!m->name || !m->digest || !m->user || !m->entrypoint || !m->cmd) {
		bulkhead__v1__image__free_unpacked(m, NULL);
		return NULL;
	}
	return m;
}
