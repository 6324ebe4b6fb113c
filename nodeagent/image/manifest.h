/*
 * The documents that lead from an archive's name to an image's parts: OCI index and manifest
 * (image-spec 1.1, and docker's equivalents), and docker-archive's manifest.json. Pure.
 *
 * One media type decides how a document is read: the descriptor that its digest came from. A
 * document that says another type, or has members of the other kind, is refused, so that no two
 * readers see two images in one digest (CVE-2021-41190).
 */
#ifndef NODEAGENT_IMAGE_MANIFEST_H
#define NODEAGENT_IMAGE_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "nodeagent/image/digest.h"

enum media_kind { MEDIA_INDEX, MEDIA_MANIFEST, MEDIA_CONFIG, MEDIA_LAYER };
enum media_filter { FILTER_NONE, FILTER_GZIP, FILTER_ZSTD, FILTER_ANY };

/* One row of the table of media types. */
struct media_type {
	const char *name;
	enum media_kind kind;
	enum media_filter filter; /* of layers */
};

/* NULL when the type is not in the table. */
const struct media_type *media_type_find(const char *name);

struct descriptor {
	const struct media_type *type;
	char hex[DIGEST_HEX_SIZE];
	uint64_t size;
	/* Only in an index; NULL when absent. */
	char *os;
	char *architecture;
	char *name; /* annotation io.containerd.image.name, else org.opencontainers.image.ref.name
		     */
};

struct descriptors {
	struct descriptor *items;
	size_t len;
};

struct oci_manifest {
	struct descriptor config;
	struct descriptors layers;
};

/*
 * 'type' is the media type of the descriptor that led here; NULL for index.json, which may leave
 * its own out. Entries of an index that are neither image nor index are passed over; a manifest
 * whose parts are of foreign types is refused. On failure *ret is empty.
 */
int index_parse(struct descriptors *ret, const struct media_type *type, const char *data,
	size_t size, struct error *err);
int oci_manifest_parse(struct oci_manifest *ret, const struct media_type *type, const char *data,
	size_t size, struct error *err);

void descriptors_done(struct descriptors *list);
void oci_manifest_done(struct oci_manifest *manifest);

/* One image of docker-archive's manifest.json; names of files in the archive. */
struct docker_image {
	char *config;
	char **tags; /* end with NULL */
	char **layers;
	size_t layers_len;
};

struct docker_manifest {
	struct docker_image *items;
	size_t len;
};

int docker_manifest_parse(
	struct docker_manifest *ret, const char *data, size_t size, struct error *err);
void docker_manifest_done(struct docker_manifest *manifest);

#endif
