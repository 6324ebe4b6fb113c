#include "nodeagent/image/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/image/catalog.h"
#include "nodeagent/image/config.h"
#include "nodeagent/image/digest.h"
#include "nodeagent/image/image.h"
#include "nodeagent/image/limits.h"
#include "nodeagent/image/reference.h"
#include "nodeagent/image/trash.h"

#define JSON_SUFFIX ".json"
#define JSON_SIZE   (DIGEST_HEX_SIZE + sizeof(JSON_SUFFIX) - 1)

/* One image, by digest: a configuration never changes. */
struct loaded {
	char hex[DIGEST_HEX_SIZE];
	struct image_config config;
	char *damage; /* why it cannot be used, NULL when it can */
};

struct image_store {
	char *dir;
	int dirfd;
	struct catalog catalog;
	struct loaded *loaded;
	size_t loaded_len;
};

static void json_name(char ret[JSON_SIZE], const char *hex)
{
	snprintf(ret, JSON_SIZE, "%.64s" JSON_SUFFIX, hex);
}

static int open_folder(const struct image_store *store, const char *name)
{
	return openat(store->dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int layers_check(
	const struct image_store *store, const struct image_config *config, struct error *err)
{
	cleanup_close int fd = open_folder(store, STORE_LAYERS);

	for (size_t i = 0; i < config->diff_ids_len; i++) {
		struct stat st;

		if (fd < 0 || fstatat(fd, config->diff_ids[i], &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			!S_ISDIR(st.st_mode))
			return error_set(err, ERR_NOT_FOUND, 0, "layer sha256:%s is missing",
				config->diff_ids[i]);
	}
	return 0;
}

static int load_config(const struct image_store *store, struct loaded *l, struct error *err)
{
	cleanup_close int fd = open_folder(store, STORE_IMAGES);
	cleanup_free char *text = NULL;
	char name[JSON_SIZE];
	char hex[DIGEST_HEX_SIZE];
	size_t size;

	json_name(name, l->hex);
	if (file_read_at(fd, name, IMAGE_CONFIG_MAX, &text, &size, err) < 0 ||
		digest_of(text, size, hex, err) < 0)
		return -1;
	if (strcmp(hex, l->hex) != 0)
		return error_set(err, ERR_INVALID, 0, "'%s' was changed", name);
	if (image_config_parse(&l->config, text, size, err) < 0)
		return -1;
	return layers_check(store, &l->config, err);
}

static void loaded_done(struct loaded *l)
{
	image_config_done(&l->config);
	free(l->damage);
	memset(l, 0, sizeof(*l));
}

static struct loaded *find_loaded(const struct image_store *store, const char *hex)
{
	for (size_t i = 0; i < store->loaded_len; i++) {
		if (strcmp(store->loaded[i].hex, hex) == 0)
			return &store->loaded[i];
	}
	return NULL;
}

/* Takes what is loaded already out of the old list. */
static void load_one(const struct image_store *store, struct loaded *to, const char *hex)
{
	struct loaded *old = find_loaded(store, hex);
	struct error err = { 0 };

	if (old && !old->damage) {
		*to = *old;
		memset(old, 0, sizeof(*old));
		return;
	}
	snprintf(to->hex, sizeof(to->hex), "%s", hex);
	if (load_config(store, to, &err) < 0)
		to->damage = strdup(err.text);
}

static void drop_loaded(struct image_store *store)
{
	for (size_t i = 0; i < store->loaded_len; i++)
		loaded_done(&store->loaded[i]);
	free(store->loaded);
	store->loaded = NULL;
	store->loaded_len = 0;
}

int image_store_reload(struct image_store *store, struct error *err)
{
	struct catalog catalog;
	struct loaded *loaded;
	const char *hex;
	json_t *value;
	size_t n = 0;

	if (catalog_read(&catalog, store->dirfd, err) < 0)
		return -1;
	loaded = calloc(json_object_size(catalog.images) + 1, sizeof(*loaded));
	if (!loaded) {
		catalog_done(&catalog);
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot read the images");
	}
	json_object_foreach(catalog.images, hex, value) load_one(store, &loaded[n++], hex);
	drop_loaded(store);
	catalog_done(&store->catalog);
	store->catalog = catalog;
	store->loaded = loaded;
	store->loaded_len = n;
	return 0;
}

static int layer_is_used(const struct image_store *store, const char *hex)
{
	for (size_t i = 0; i < store->loaded_len; i++) {
		const struct image_config *c = &store->loaded[i].config;

		/* Nobody knows what a damaged one needs: a pod may still run on it. */
		if (store->loaded[i].damage && c->diff_ids_len == 0)
			return 1;
		for (size_t j = 0; j < c->diff_ids_len; j++) {
			if (strcmp(c->diff_ids[j], hex) == 0)
				return 1;
		}
	}
	return 0;
}

/* 1 when a name in <folder> belongs to an image. */
typedef int (*keep_fn)(const struct image_store *store, const char *name);

static int keep_layer(const struct image_store *store, const char *name)
{
	return layer_is_used(store, name);
}

static int keep_json(const struct image_store *store, const char *name)
{
	char hex[DIGEST_HEX_SIZE];
	char json[JSON_SIZE];

	snprintf(hex, sizeof(hex), "%s", name);
	json_name(json, hex);
	return strcmp(json, name) == 0 && catalog_has_image(&store->catalog, hex);
}

static int sweep(
	const struct image_store *store, const char *folder, keep_fn keep, struct error *err)
{
	int fd = open_folder(store, folder);
	cleanup_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		error_set(err, error_code_of(errno), errno, "cannot list '%s'", folder);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while ((entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || keep(store, name))
			continue;
		if (trash_move(store->dirfd, folder, name, err) < 0)
			return -1;
	}
	return 0;
}

static int make_folders(const struct image_store *store, struct error *err)
{
	static const char *const names[] = { STORE_LAYERS, STORE_IMAGES, STORE_STAGING,
		STORE_TRASH };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (mkdirat(store->dirfd, names[i], 0700) < 0 && errno != EEXIST)
			return error_set(
				err, error_code_of(errno), errno, "cannot make '%s'", names[i]);
	}
	return 0;
}

static int open_all(struct image_store *store, struct error *err)
{
	if (mkdir_parents(store->dir, 0700, err) < 0)
		return -1;
	store->dirfd = open(store->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store->dirfd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open '%s'", store->dir);
	if (make_folders(store, err) < 0 || trash_move_all(store->dirfd, STORE_STAGING, err) < 0 ||
		image_store_reload(store, err) < 0 ||
		sweep(store, STORE_IMAGES, keep_json, err) < 0 ||
		sweep(store, STORE_LAYERS, keep_layer, err) < 0)
		return -1;
	trash_empty(store->dirfd);
	return 0;
}

int image_store_open(struct image_store **ret, const char *dir, struct error *err)
{
	struct image_store *store = calloc(1, sizeof(*store));

	if (store) {
		store->dirfd = -1;
		store->dir = strdup(dir);
	}
	if (!store || !store->dir) {
		image_store_free(store);
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot open the images");
	}
	if (open_all(store, err) < 0) {
		image_store_free(store);
		return error_prefix(err, "images in '%s'", dir);
	}
	*ret = store;
	return 0;
}

void image_store_free(struct image_store *store)
{
	if (!store)
		return;
	drop_loaded(store);
	catalog_done(&store->catalog);
	if (store->dirfd >= 0)
		close(store->dirfd);
	free(store->dir);
	free(store);
}

/* The image that a reference or digest names; 'ret' gets it written in full. */
static const struct loaded *resolve(const struct image_store *store, const char *name,
	char ret[IMAGE_NAME_MAX + 1], struct error *err)
{
	const struct loaded *l;
	const char *hex;

	if (strncmp(name, DIGEST_PREFIX, sizeof(DIGEST_PREFIX) - 1) == 0) {
		hex = digest_parse("image", name, err);
		if (!hex)
			return NULL;
		snprintf(ret, IMAGE_NAME_MAX + 1, "%s", name);
	} else {
		if (reference_normalize(name, ret, err) < 0)
			return NULL;
		hex = catalog_find(&store->catalog, ret);
	}
	l = hex ? find_loaded(store, hex) : NULL;
	if (!l)
		error_set(err, ERR_NOT_FOUND, 0,
			"image '%s' is not on this node; import it with 'bulkhead image import "
			"FILE --name %s'",
			name, ret);
	return l;
}

int image_store_find(
	const struct image_store *store, const char *name, struct image **ret, struct error *err)
{
	char whole[IMAGE_NAME_MAX + 1];
	const struct loaded *l = resolve(store, name, whole, err);

	if (!l)
		return -1;
	if (l->damage)
		return error_set(err, ERR_INTERNAL, 0,
			"image '%s' is damaged (%s); import it again", name, l->damage);
	return image_new(ret, store->dir, &store->catalog, whole, l->hex, &l->config, err);
}

static int has_name(const struct image_store *store, const char *hex)
{
	const char *name;
	json_t *value;

	json_object_foreach(store->catalog.names, name, value)
	{
		if (strcmp(json_string_value(value), hex) == 0)
			return 1;
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct image *const *)a)->name, (*(struct image *const *)b)->name);
}

static int list_add(const struct image_store *store, struct image **list, size_t *len,
	const char *name, const struct loaded *l, struct error *err)
{
	return image_new(&list[*len], store->dir, &store->catalog, name, l->hex,
		       l->damage ? NULL : &l->config, err) < 0
		       ? -1
		       : (int)++*len;
}

static int list_fill(
	const struct image_store *store, struct image **list, size_t *len, struct error *err)
{
	const char *name;
	json_t *value;

	json_object_foreach(store->catalog.names, name, value)
	{
		const struct loaded *l = find_loaded(store, json_string_value(value));

		if (l && list_add(store, list, len, name, l, err) < 0)
			return -1;
	}
	/* One that lost its name to another is still there for the pods that run on it. */
	for (size_t i = 0; i < store->loaded_len; i++) {
		const struct loaded *l = &store->loaded[i];
		char digest[DIGEST_TEXT_SIZE];

		snprintf(digest, sizeof(digest), DIGEST_PREFIX "%s", l->hex);
		if (!has_name(store, l->hex) && list_add(store, list, len, digest, l, err) < 0)
			return -1;
	}
	return 0;
}

int image_store_list(
	const struct image_store *store, struct image ***ret, size_t *ret_len, struct error *err)
{
	size_t room = json_object_size(store->catalog.names) + store->loaded_len + 1;
	struct image **list = calloc(room, sizeof(struct image *));
	size_t len = 0;

	if (!list)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot list the images");
	if (list_fill(store, list, &len, err) < 0) {
		image_list_free(list, len);
		return -1;
	}
	qsort(list, len, sizeof(struct image *), by_name);
	*ret = list;
	*ret_len = len;
	return 0;
}

/* Takes 'name' away, or with a digest all names of 'hex'. */
static void drop_names(struct catalog *catalog, const char *name, const char *hex)
{
	const char *key;
	json_t *value;
	void *next;

	if (strncmp(name, DIGEST_PREFIX, sizeof(DIGEST_PREFIX) - 1) != 0) {
		json_object_del(catalog->names, name);
		return;
	}
	json_object_foreach_safe(catalog->names, next, key, value)
	{
		if (strcmp(json_string_value(value), hex) == 0)
			json_object_del(catalog->names, key);
	}
}

/* After the image went from 'loaded': its layers that no other has. */
static int drop_layers(
	struct image_store *store, const struct image_config *config, struct error *err)
{
	for (size_t i = 0; i < config->diff_ids_len; i++) {
		if (layer_is_used(store, config->diff_ids[i]))
			continue;
		if (trash_move(store->dirfd, STORE_LAYERS, config->diff_ids[i], err) < 0)
			return -1;
	}
	return 0;
}

/* Forgets the image itself: first in the catalog, so that a crash leaves files without a name. */
static int drop_image(struct image_store *store, struct loaded *l, struct error *err)
{
	struct loaded gone = *l;
	char name[JSON_SIZE];
	int r;

	memset(l, 0, sizeof(*l));
	json_object_del(store->catalog.images, gone.hex);
	for (size_t i = 0; i < gone.config.diff_ids_len; i++) {
		if (!layer_is_used(store, gone.config.diff_ids[i]))
			json_object_del(store->catalog.layers, gone.config.diff_ids[i]);
	}
	r = catalog_write(&store->catalog, store->dirfd, err);
	json_name(name, gone.hex);
	if (r == 0)
		r = trash_move(store->dirfd, STORE_IMAGES, name, err);
	if (r == 0)
		r = drop_layers(store, &gone.config, err);
	loaded_done(&gone);
	trash_empty(store->dirfd);
	return r;
}

int image_store_remove(struct image_store *store, const char *name,
	int (*used)(void *user, const char *digest), void *user, struct error *err)
{
	char whole[IMAGE_NAME_MAX + 1];
	char digest[DIGEST_TEXT_SIZE];
	const struct loaded *found = resolve(store, name, whole, err);
	struct loaded *l;
	struct error again;
	int r;

	if (!found)
		return -1;
	l = find_loaded(store, found->hex);
	snprintf(digest, sizeof(digest), DIGEST_PREFIX "%s", l->hex);
	drop_names(&store->catalog, whole, l->hex);
	if (has_name(store, l->hex))
		r = catalog_write(&store->catalog, store->dirfd, err);
	else if (used && used(user, digest))
		r = error_set(err, ERR_PRECONDITION, 0,
			"image '%s' is in use by a pod; delete the pod first", name);
	else
		r = drop_image(store, l, err);
	/* As it is on disk now, whether it was done, refused or failed half way. */
	if (image_store_reload(store, r < 0 ? &again : err) < 0)
		return -1;
	return r;
}
