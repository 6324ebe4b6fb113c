/* Any bytes as an index, a manifest, docker's manifest.json or a configuration: the first one says.
 */
#include <stdlib.h>
#include <string.h>

#include "nodeagent/image/config.h"
#include "nodeagent/image/manifest.h"
#include "nodeagent/image/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void index_try(const char *text, size_t size)
{
	struct descriptors list;
	struct error err;

	if (index_parse(&list, NULL, text, size, &err) < 0)
		return;
	for (size_t i = 0; i < list.len; i++) {
		char whole[IMAGE_NAME_MAX + 1];
		char again[IMAGE_NAME_MAX + 1];

		if (!digest_is_hex(list.items[i].hex))
			abort();
		if (!list.items[i].name || reference_normalize(list.items[i].name, whole, &err) < 0)
			continue;
		/* What is normalized stays as it is. */
		if (reference_normalize(whole, again, &err) < 0 || strcmp(whole, again) != 0)
			abort();
	}
	descriptors_done(&list);
}

static void manifest_try(const char *text, size_t size)
{
	struct oci_manifest manifest;
	struct error err;

	if (oci_manifest_parse(&manifest,
		    media_type_find("application/vnd.oci.image.manifest.v1+json"), text, size,
		    &err) < 0)
		return;
	if (manifest.layers.len == 0 || manifest.layers.len > IMAGE_LAYERS_MAX)
		abort();
	oci_manifest_done(&manifest);
}

static void docker_try(const char *text, size_t size)
{
	struct docker_manifest manifest;
	struct error err;

	if (docker_manifest_parse(&manifest, text, size, &err) == 0)
		docker_manifest_done(&manifest);
}

static void config_try(const char *text, size_t size)
{
	struct image_config config;
	struct error err;

	if (image_config_parse(&config, text, size, &err) < 0)
		return;
	for (size_t i = 0; i < config.diff_ids_len; i++) {
		if (!digest_is_hex(config.diff_ids[i]))
			abort();
	}
	image_config_done(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(const char *text, size_t size) = { index_try, manifest_try,
		docker_try, config_try };

	if (size > 0)
		tries[data[0] % 4]((const char *)data + 1, size - 1);
	return 0;
}
