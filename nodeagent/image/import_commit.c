#include "nodeagent/image/import_commit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/path.h"
#include "nodeagent/image/catalog.h"
#include "nodeagent/image/config.h"
#include "nodeagent/image/digest.h"
#include "nodeagent/image/image.h"
#include "nodeagent/image/limits.h"
#include "nodeagent/image/reference.h"
#include "nodeagent/image/trash.h"
#include "nodeagent/image/unpack.h"

/* One image of the verdict, checked. */
struct candidate {
	const Bulkhead__V1__ImportedImage *from;
	char hex[DIGEST_HEX_SIZE];
	struct image_config config;
};

struct commit {
	const struct import_commit *where;
	const Bulkhead__V1__ImportVerdict *verdict;
	struct catalog catalog;
	int layers_fd;
	int staged_fd; /* the unpacker's layers/, -1 when it made none */
	struct candidate images[IMPORT_IMAGES_MAX];
	size_t len;
};

static int dishonest(struct error *err, const char *what)
{
	return error_set(err, ERR_INVALID, 0, "bulkhead-unpack's verdict is refused: %s", what);
}

static int names_check(
	const struct commit *c, const Bulkhead__V1__ImportedImage *image, struct error *err)
{
	if (image->n_names == 0 || image->n_names > IMPORT_IMAGES_MAX)
		return dishonest(err, "number of names");
	for (size_t i = 0; i < image->n_names; i++) {
		char whole[IMAGE_NAME_MAX + 1];

		if (reference_normalize(image->names[i], whole, NULL) < 0 ||
			strcmp(whole, image->names[i]) != 0)
			return dishonest(err, "a name is malformed");
	}
	if (c->where->name[0] &&
		(image->n_names != 1 || strcmp(image->names[0], c->where->name) != 0))
		return dishonest(err, "not the name that was asked for");
	return 0;
}

static int images_check(struct commit *c, struct error *err)
{
	const Bulkhead__V1__ImportVerdict *v = c->verdict;

	if (v->n_images == 0 || v->n_images > (c->where->name[0] ? 1 : IMPORT_IMAGES_MAX))
		return dishonest(err, "number of images");
	for (size_t i = 0; i < v->n_images; i++) {
		struct candidate *to = &c->images[c->len];

		to->from = v->images[i];
		if (names_check(c, to->from, err) < 0 ||
			digest_of(to->from->config.data, to->from->config.len, to->hex, err) < 0 ||
			image_config_parse(&to->config, (const char *)to->from->config.data,
				to->from->config.len, err) < 0)
			return -1;
		c->len++;
		if (image_config_platform_check(&to->config, err) < 0)
			return -1;
	}
	return 0;
}

static int is_directory(int dirfd, const char *name)
{
#ifdef BULKHEAD_WEAK_STAGED
	return faccessat(dirfd, name, F_OK, 0) == 0;
#endif
	cleanup_close int fd = sys_openat2(dirfd, name, O_PATH | O_DIRECTORY, 0,
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);

	return fd >= 0;
}

static const Bulkhead__V1__ImportedLayer *staged_layer(const struct commit *c, const char *hex)
{
	for (size_t i = 0; i < c->verdict->n_layers; i++) {
		if (strcmp(c->verdict->layers[i]->diff_id, hex) == 0)
			return c->verdict->layers[i];
	}
	return NULL;
}

/* Moves the staged layer to its name, unless the store has it. */
static int take_layer(struct commit *c, const char *hex, struct error *err)
{
	const Bulkhead__V1__ImportedLayer *staged = staged_layer(c, hex);
	int known = catalog_layer_size(&c->catalog, hex) >= 0;

	if (known && is_directory(c->layers_fd, hex))
		return 0;
	if (!staged)
		return error_set(err, ERR_UNAVAILABLE, 0,
			"layer sha256:%s was removed meanwhile; import the image again", hex);
	if (c->staged_fd < 0 || staged->size > IMPORT_UNPACKED_MAX ||
		!is_directory(c->staged_fd, hex))
		return dishonest(err, "a layer is not where it should be");
	/* What a crashed import left under that name was never anybody's. */
	if (trash_move(c->where->store_dirfd, STORE_LAYERS, hex, err) < 0)
		return -1;
	if (renameat2(c->staged_fd, hex, c->layers_fd, hex, RENAME_NOREPLACE) < 0)
		return error_set(
			err, error_code_of(errno), errno, "cannot keep layer sha256:%s", hex);
	return catalog_put_layer(&c->catalog, hex, staged->size, err);
}

static int take_layers(struct commit *c, struct error *err)
{
	for (size_t i = 0; i < c->len; i++) {
		const struct image_config *config = &c->images[i].config;

		for (size_t j = 0; j < config->diff_ids_len; j++) {
			if (take_layer(c, config->diff_ids[j], err) < 0)
				return -1;
		}
	}
	if (fsync(c->layers_fd) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot sync the layers");
	return 0;
}

static int write_images(struct commit *c, struct error *err)
{
	cleanup_close int fd = openat(c->where->store_dirfd, STORE_IMAGES,
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return error_set(
			err, error_code_of(errno), errno, "cannot open '" STORE_IMAGES "'");
	for (size_t i = 0; i < c->len; i++) {
		const struct candidate *image = &c->images[i];
		char name[DIGEST_HEX_SIZE + 8];

		snprintf(name, sizeof(name), "%s.json", image->hex);
		if (file_replace_at(fd, name, image->from->config.data, image->from->config.len,
			    0600, err) < 0 ||
			catalog_put_image(&c->catalog, image->hex, err) < 0)
			return -1;
		for (size_t j = 0; j < image->from->n_names; j++) {
			if (catalog_put_name(&c->catalog, image->from->names[j], image->hex, err) <
				0)
				return -1;
		}
	}
	return 0;
}

static int answer_image(const struct commit *c, const struct candidate *from, const char *name,
	Bulkhead__V1__ImportImageResponse *to, struct error *err)
{
	struct image *image;

	if (image_new(&image, c->where->store_dir, &c->catalog, name, from->hex, &from->config,
		    err) < 0)
		return -1;
	to->images[to->n_images] = image_message(image);
	image_free(image);
	if (!to->images[to->n_images])
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot answer");
	to->n_images++;
	return 0;
}

/* One line a name. */
static size_t answer_room(const struct commit *c)
{
	size_t n = 1;

	for (size_t i = 0; i < c->len; i++)
		n += c->images[i].from->n_names;
	return n;
}

static int answer_fill(
	const struct commit *c, Bulkhead__V1__ImportImageResponse *to, struct error *err)
{
	const Bulkhead__V1__ImportVerdict *v = c->verdict;

	to->images = calloc(answer_room(c), sizeof(Bulkhead__V1__Image *));
	to->warnings = calloc(v->n_warnings + 1, sizeof(*to->warnings));
	if (!to->images || !to->warnings)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot answer");
	for (size_t i = 0; i < c->len; i++) {
		const Bulkhead__V1__ImportedImage *from = c->images[i].from;

		for (size_t j = 0; j < from->n_names; j++) {
			if (answer_image(c, &c->images[i], from->names[j], to, err) < 0)
				return -1;
		}
	}
	for (size_t i = 0; i < v->n_warnings && i <= IMPORT_WARNINGS_MAX; i++) {
		char *text = strdup(v->warnings[i]);

		if (!text)
			return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot answer");
		to->warnings[to->n_warnings++] = text;
	}
	return 0;
}

/* Made before the catalog is written: after that nothing may fail. */
static int answer_make(
	const struct commit *c, Bulkhead__V1__ImportImageResponse **ret, struct error *err)
{
	Bulkhead__V1__ImportImageResponse *answer = malloc(sizeof(*answer));

	if (!answer)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot answer");
	bulkhead__v1__import_image_response__init(answer);
	if (answer_fill(c, answer, err) < 0) {
		bulkhead__v1__import_image_response__free_unpacked(answer, NULL);
		return -1;
	}
	*ret = answer;
	return 0;
}

static int run(struct commit *c, Bulkhead__V1__ImportImageResponse **ret, struct error *err)
{
	Bulkhead__V1__ImportImageResponse *answer = NULL;

	if (images_check(c, err) < 0 || take_layers(c, err) < 0 || write_images(c, err) < 0 ||
		answer_make(c, &answer, err) < 0)
		return -1;
	if (catalog_write(&c->catalog, c->where->store_dirfd, err) < 0) {
		bulkhead__v1__import_image_response__free_unpacked(answer, NULL);
		return -1;
	}
	*ret = answer;
	return 0;
}

int import_commit(const struct import_commit *commit, const Bulkhead__V1__ImportVerdict *verdict,
	Bulkhead__V1__ImportImageResponse **ret, struct error *err)
{
	struct commit c = { .where = commit, .verdict = verdict };
	int r = -1;

	if (catalog_read(&c.catalog, commit->store_dirfd, err) < 0)
		return -1;
	c.layers_fd = openat(
		commit->store_dirfd, STORE_LAYERS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	c.staged_fd = sys_openat2(commit->staging_dirfd, UNPACK_LAYERS_DIR, O_RDONLY | O_DIRECTORY,
		0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
	if (c.layers_fd < 0)
		error_set(err, error_code_of(errno), errno, "cannot open '" STORE_LAYERS "'");
	else
		r = run(&c, ret, err);
	for (size_t i = 0; i < c.len; i++)
		image_config_done(&c.images[i].config);
	catalog_done(&c.catalog);
	if (c.layers_fd >= 0)
		close(c.layers_fd);
	if (c.staged_fd >= 0)
		close(c.staged_fd);
	return r;
}
