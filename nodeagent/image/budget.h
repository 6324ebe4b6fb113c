/*
 * What one import has used of its limits. Pure.
 */
#ifndef NODEAGENT_IMAGE_BUDGET_H
#define NODEAGENT_IMAGE_BUDGET_H

#include <stdint.h>

#include "lib/error.h"
#include "nodeagent/image/limits.h"

struct budget {
	struct import_limits limits;
	uint64_t in;      /* bytes of the blobs of finished layers */
	uint64_t out;     /* bytes that came out of all blobs */
	uint64_t files;   /* bytes of the files in them, as long as they say to be */
	uint64_t entries; /* files in them */
};

/* 'size' more bytes came out, after 'in' bytes of this layer's blob went in. ERR_EXHAUSTED. */
int budget_stream(struct budget *budget, uint64_t in, uint64_t size, struct error *err);

/* One more file of 'size' bytes. ERR_EXHAUSTED. */
int budget_entry(struct budget *budget, uint64_t size, struct error *err);

#endif
