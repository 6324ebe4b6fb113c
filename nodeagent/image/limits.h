/*
 * What one import may cost at most. Each cap is refused by name, and each has a test one past it.
 */
#ifndef NODEAGENT_IMAGE_LIMITS_H
#define NODEAGENT_IMAGE_LIMITS_H

#include <stdint.h>

#define IMPORT_ARCHIVE_MAX   (UINT64_C(8) << 30)   /* bytes of all files in the archive */
#define IMPORT_FILES_MAX     2048                  /* files in the archive: blobs, manifests */
#define IMPORT_TRAILER_MAX   (UINT64_C(1) << 20)   /* bytes behind the end of the archive */
#define IMPORT_UNPACKED_MAX  (UINT64_C(16) << 30)  /* bytes of all layers, decompressed */
#define IMPORT_ENTRIES_MAX   1000000               /* files in all layers */
#define IMPORT_RATIO_MAX     200                   /* bytes out for one byte in ... */
#define IMPORT_RATIO_FLOOR   (UINT64_C(256) << 20) /* ... once so many bytes came out */
#define IMPORT_DIR_BYTES_MAX (64u << 20)           /* names of a layer's directories together */
#define IMPORT_IMAGES_MAX    16                    /* images, and names of each, in one archive */
#define IMPORT_WARNINGS_MAX  32
#define IMPORT_VERDICT_MAX   (4u << 20) /* bytes of what the unpacker says */

#define IMAGE_DOCUMENT_MAX (1u << 20)   /* bytes of an index or manifest */
#define IMAGE_CONFIG_MAX   (512u << 10) /* bytes of an image configuration */
#define IMAGE_STRINGS_MAX  4096         /* environment, arguments: each list */
#define IMAGE_PATH_MAX     4095         /* bytes of a path or a link's target in a layer */
#define IMAGE_DEPTH_MAX    128          /* directories in such a path */
#define IMAGE_IDS          65536        /* owners in a layer are below */
#define INDEX_ENTRIES_MAX  256          /* manifests in one index */
#define INDEX_DEPTH_MAX    2            /* index.json, and indexes in it */

#define STORE_IMAGES_MAX  1024       /* images on one node */
#define STORE_NAMES_MAX   4096       /* names of them */
#define STORE_CATALOG_MAX (4u << 20) /* bytes of names.json */

/* The caps that tests make smaller, so that they need not write gigabytes. */
struct import_limits {
	uint64_t archive;
	uint64_t unpacked;
	uint64_t entries;
	uint64_t ratio;
	uint64_t ratio_floor;
};

#define IMPORT_LIMITS_DEFAULT                                                                      \
	{                                                                                          \
		.archive = IMPORT_ARCHIVE_MAX, .unpacked = IMPORT_UNPACKED_MAX,                    \
		.entries = IMPORT_ENTRIES_MAX, .ratio = IMPORT_RATIO_MAX,                          \
		.ratio_floor = IMPORT_RATIO_FLOOR,                                                 \
	}

#endif
