/*
 * From what an unpacker staged to images of the store. The verdict and the staged files are an
 * unprivileged process's word: digests of configurations are computed again, names parsed again,
 * directories opened beneath the staging directory without following anything. For import.c.
 */
#ifndef NODEAGENT_IMAGE_IMPORT_COMMIT_H
#define NODEAGENT_IMAGE_IMPORT_COMMIT_H

#include "bulkhead/v1/ipc.pb-c.h"
#include "bulkhead/v1/node.pb-c.h"
#include "lib/error.h"

struct import_commit {
	const char *store_dir;
	int store_dirfd;
	int staging_dirfd;
	const char *name; /* normalized; "" takes the verdict's */
};

/*
 * The unpacker must be gone. Layers move, configurations are written, and then the catalog, which
 * makes it all count; after a crash before that nothing did. The caller frees *ret. Errors:
 * ERR_INVALID (what no honest unpacker says), ERR_UNAVAILABLE (a layer was removed meanwhile).
 */
int import_commit(const struct import_commit *commit, const Bulkhead__V1__ImportVerdict *verdict,
	Bulkhead__V1__ImportImageResponse **ret, struct error *err);

#endif
