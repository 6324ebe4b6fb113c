#include "nodeagent/image/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "nodeagent/image/digest.h"
#include "nodeagent/image/jsondoc.h"
#include "nodeagent/image/limits.h"
#include "nodeagent/image/store.h"
#include "proto/rfc3339.h"

#if defined(__x86_64__)
const char *const image_architecture = "amd64";
#elif defined(__aarch64__)
const char *const image_architecture = "arm64";
#else
#error "name this machine as GOARCH does"
#endif

static int copy_text(const json_t *object, const char *key, char **ret, struct error *err)
{
	const char *text = NULL;

	if (jsondoc_text(object, key, &text, err) < 0)
		return -1;
	*ret = strdup(text ? text : "");
	return *ret ? 0 : error_set(err, ERR_EXHAUSTED, ENOMEM, "%s: cannot be read", key);
}

/* "sha256:<hex>" become "<hex>" in place. */
static int strip_diff_ids(struct image_config *c, struct error *err)
{
	for (size_t i = 0; i < c->diff_ids_len; i++) {
		const char *hex = digest_parse("diff_ids", c->diff_ids[i], err);

		if (!hex)
			return -1;
		memmove(c->diff_ids[i], hex, DIGEST_HEX_SIZE);
	}
	return 0;
}

static int parse_rootfs(struct image_config *c, const json_t *root, struct error *err)
{
	const char *type = NULL;
	json_t *rootfs = NULL;

	if (jsondoc_member(root, "rootfs", JSON_OBJECT, &rootfs, err) < 0)
		return -1;
	if (!rootfs)
		return error_set(err, ERR_INVALID, 0, "rootfs is missing");
	if (jsondoc_text(rootfs, "type", &type, err) < 0)
		return error_prefix(err, "rootfs");
	if (!type || strcmp(type, "layers") != 0)
		return error_set(err, ERR_INVALID, 0, "rootfs.type must be \"layers\"");
	if (jsondoc_strings(rootfs, "diff_ids", IMAGE_LAYERS_MAX, &c->diff_ids, &c->diff_ids_len,
		    err) < 0 ||
		strip_diff_ids(c, err) < 0)
		return error_prefix(err, "rootfs");
	if (c->diff_ids_len == 0)
		return error_set(err, ERR_INVALID, 0, "rootfs.diff_ids is empty: no layers");
	return 0;
}

static int parse_run(struct image_config *c, const json_t *run, struct error *err)
{
	if (jsondoc_strings(run, "Entrypoint", IMAGE_STRINGS_MAX, &c->entrypoint, NULL, err) < 0 ||
		jsondoc_strings(run, "Cmd", IMAGE_STRINGS_MAX, &c->cmd, NULL, err) < 0 ||
		jsondoc_strings(run, "Env", IMAGE_STRINGS_MAX, &c->env, NULL, err) < 0 ||
		copy_text(run, "WorkingDir", &c->working_dir, err) < 0 ||
		copy_text(run, "User", &c->user, err) < 0 ||
		copy_text(run, "StopSignal", &c->stop_signal, err) < 0)
		return -1;
	for (size_t i = 0; c->env[i]; i++) {
		if (!strchr(c->env[i], '=') || c->env[i][0] == '=')
			return error_set(err, ERR_INVALID, 0, "Env[%zu] '%.64s' is not NAME=value",
				i, c->env[i]);
	}
	if (c->working_dir[0] && c->working_dir[0] != '/')
		return error_set(
			err, ERR_INVALID, 0, "WorkingDir '%.64s' is not absolute", c->working_dir);
	return 0;
}

static int parse(struct image_config *c, const json_t *root, struct error *err)
{
	const char *created = NULL;
	json_t *run = NULL;
	int32_t nanos;

	if (copy_text(root, "os", &c->os, err) < 0 ||
		copy_text(root, "architecture", &c->architecture, err) < 0 ||
		jsondoc_text(root, "created", &created, err) < 0 ||
		jsondoc_member(root, "config", JSON_OBJECT, &run, err) < 0 ||
		parse_rootfs(c, root, err) < 0)
		return -1;
	/* Only shown: a date that cannot be read is no date. Go writes year 1 for none. */
	if (created && (!rfc3339_parse(created, &c->created_at, &nanos) || c->created_at < 0))
		c->created_at = 0;
	return parse_run(c, run, err) < 0 ? error_prefix(err, "config") : 0;
}

int image_config_parse(struct image_config *ret, const char *data, size_t size, struct error *err)
{
	struct image_config c = { 0 };
	cleanup_json json_t *root = NULL;

	memset(ret, 0, sizeof(*ret));
	if (size > IMAGE_CONFIG_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"the image configuration has %zu bytes, at most %u are taken", size,
			IMAGE_CONFIG_MAX);
	if (jsondoc_parse("the image configuration", data, size, JSON_OBJECT, &root, err) < 0)
		return -1;
	if (parse(&c, root, err) < 0) {
		image_config_done(&c);
		return error_prefix(err, "image configuration");
	}
	*ret = c;
	return 0;
}

void image_config_done(struct image_config *config)
{
	free(config->os);
	free(config->architecture);
	strings_free(config->diff_ids);
	strings_free(config->entrypoint);
	strings_free(config->cmd);
	strings_free(config->env);
	free(config->working_dir);
	free(config->user);
	free(config->stop_signal);
	memset(config, 0, sizeof(*config));
}

int image_config_platform_check(const struct image_config *config, struct error *err)
{
	if (strcmp(config->os, IMAGE_OS) != 0 ||
		strcmp(config->architecture, image_architecture) != 0)
		return error_set(err, ERR_UNSUPPORTED, 0,
			"the image is for %.32s/%.32s, this node is " IMAGE_OS "/%s",
			config->os[0] ? config->os : "?",
			config->architecture[0] ? config->architecture : "?", image_architecture);
	return 0;
}
