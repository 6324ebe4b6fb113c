/*
 * An image's configuration (OCI image-spec config.md; docker's is the same): how it wants to be
 * run, and the digests of its layers. Pure; used by the unpacker before it believes an archive and
 * by the store when it reads what was kept.
 */
#ifndef NODEAGENT_IMAGE_CONFIG_H
#define NODEAGENT_IMAGE_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

/* Strings are never NULL, lists end with NULL. */
struct image_config {
	char *os;
	char *architecture;
	char **diff_ids; /* hex, lowest first */
	size_t diff_ids_len;
	int64_t created_at; /* 0 unknown */
	char **entrypoint;
	char **cmd;
	char **env;
	char *working_dir;
	char *user;
	char *stop_signal;
};

/*
 * 'data' as written. What is left out is empty. Errors name the member: ERR_INVALID, ERR_EXHAUSTED
 * (IMAGE_CONFIG_MAX, IMAGE_LAYERS_MAX, IMAGE_STRINGS_MAX). On failure *ret is empty.
 */
int image_config_parse(struct image_config *ret, const char *data, size_t size, struct error *err);
void image_config_done(struct image_config *config);

/* ERR_UNSUPPORTED unless it is for this machine. */
int image_config_platform_check(const struct image_config *config, struct error *err);

/* GOOS and GOARCH of this machine. */
#define IMAGE_OS "linux"
extern const char *const image_architecture;

#endif
