#include "nodeagent/image/catalog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/image/digest.h"
#include "nodeagent/image/jsondoc.h"
#include "nodeagent/image/limits.h"

#define VERSION 1

static int no_memory(struct error *err)
{
	return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot change the list of images");
}

static int empty(struct catalog *c, struct error *err)
{
	c->root = json_pack(
		"{s:i, s:{}, s:{}, s:{}}", "version", VERSION, "names", "images", "layers");
	return c->root ? 0 : no_memory(err);
}

static int check(const struct catalog *c, struct error *err)
{
	const char *key;
	json_t *value;

	json_object_foreach(c->images, key, value)
	{
		if (!digest_is_hex(key))
			return error_set(err, ERR_INVALID, 0, "images: '%.100s' is no digest", key);
	}
	json_object_foreach(c->layers, key, value)
	{
		if (!digest_is_hex(key) || !json_is_integer(value))
			return error_set(err, ERR_INVALID, 0,
				"layers: '%.100s' is no digest with a size", key);
	}
	json_object_foreach(c->names, key, value)
	{
		const char *image = json_string_value(value);

		if (!image || !json_object_get(c->images, image))
			return error_set(
				err, ERR_INVALID, 0, "names: '%.255s' names no image", key);
	}
	return 0;
}

static int members(struct catalog *c, struct error *err)
{
	int64_t version = -1;

	if (jsondoc_number(c->root, "version", &version, err) < 0 ||
		jsondoc_member(c->root, "names", JSON_OBJECT, &c->names, err) < 0 ||
		jsondoc_member(c->root, "images", JSON_OBJECT, &c->images, err) < 0 ||
		jsondoc_member(c->root, "layers", JSON_OBJECT, &c->layers, err) < 0)
		return -1;
	if (version != VERSION || !c->names || !c->images || !c->layers)
		return error_set(err, ERR_INVALID, 0, "not written by this version");
	return check(c, err);
}

int catalog_read(struct catalog *ret, int store_dirfd, struct error *err)
{
	struct catalog c = { 0 };
	struct error why = { 0 };
	cleanup_free char *text = NULL;
	size_t size = 0;
	int r = file_read_at(store_dirfd, CATALOG_FILE, STORE_CATALOG_MAX, &text, &size, &why);

	if (r == 0)
		r = jsondoc_parse("it", text, size, JSON_OBJECT, &c.root, &why);
	else if (why.code == ERR_NOT_FOUND)
		r = empty(&c, &why);
	if (r == 0)
		r = members(&c, &why);
	if (r < 0) {
		catalog_done(&c);
		return error_set(err, why.code, 0,
			"the list of images, " CATALOG_FILE ", cannot be read: %s", why.text);
	}
	*ret = c;
	return 0;
}

void catalog_done(struct catalog *catalog)
{
	json_decref(catalog->root);
	memset(catalog, 0, sizeof(*catalog));
}

int catalog_write(const struct catalog *catalog, int store_dirfd, struct error *err)
{
	cleanup_free char *text = NULL;

	if (json_object_size(catalog->images) > STORE_IMAGES_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"the node has %d images, the most it takes; delete some", STORE_IMAGES_MAX);
	if (json_object_size(catalog->names) > STORE_NAMES_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"the node has %d names of images, the most it takes; delete some",
			STORE_NAMES_MAX);
	text = json_dumps(catalog->root, JSON_INDENT(1) | JSON_SORT_KEYS);
	if (!text)
		return no_memory(err);
	/* What is longer could be written, but never read again. */
	if (strlen(text) > STORE_CATALOG_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"the list of the node's images and their layers is longer than %u bytes; "
			"delete some images",
			STORE_CATALOG_MAX);
	return file_replace_at(store_dirfd, CATALOG_FILE, text, strlen(text), 0600, err);
}

const char *catalog_find(const struct catalog *catalog, const char *name)
{
	return json_string_value(json_object_get(catalog->names, name));
}

int catalog_has_image(const struct catalog *catalog, const char *image)
{
	return json_object_get(catalog->images, image) != NULL;
}

int64_t catalog_layer_size(const struct catalog *catalog, const char *layer)
{
	const json_t *size = json_object_get(catalog->layers, layer);

	return size ? json_integer_value(size) : -1;
}

int catalog_put_name(
	struct catalog *catalog, const char *name, const char *image, struct error *err)
{
	return json_object_set_new(catalog->names, name, json_string(image)) < 0 ? no_memory(err)
										 : 0;
}

int catalog_put_image(struct catalog *catalog, const char *image, struct error *err)
{
	return json_object_set_new(catalog->images, image, json_object()) < 0 ? no_memory(err) : 0;
}

int catalog_put_layer(struct catalog *catalog, const char *layer, uint64_t size, struct error *err)
{
	return json_object_set_new(catalog->layers, layer, json_integer((json_int_t)size)) < 0
		       ? no_memory(err)
		       : 0;
}
