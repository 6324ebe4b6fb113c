/*
 * The network configuration that a runtime gives bulkhead-cni on its standard input: one plugin of
 * a conflist, with what the runtime put into it (name, cniVersion, prevResult, ...). Pure.
 */
#ifndef NETPLUGIN_CNI_CONFIG_H
#define NETPLUGIN_CNI_CONFIG_H

#include <jansson.h>

#include "netplugin/cni/env.h"

#define CNI_CONFIG_SIZE_MAX (4u << 20) /* bytes; a CNI_GC of CNI_VALID_MAX attachments fits */
#define CNI_VALID_MAX       16384      /* attachments of one GC */
#define CNI_SOCKET_DEFAULT  "/run/bulkhead/cni.sock"
#define CNI_SOCKET_PATH_MAX 107
#define CNI_VERSION_NEWEST  "1.1.0"

/* Later versions are greater. */
enum cni_level {
	CNI_LEVEL_0_4,
	CNI_LEVEL_1_0,
	CNI_LEVEL_1_1,
};

/* All but 'version' is borrowed from 'root', which cni_config_done() releases. */
struct cni_config {
	json_t *root;
	const char *version; /* one that is supported */
	enum cni_level level;
	const char *name;
	const char *project; /* "": as K8S_POD_NAMESPACE says */
	const char *socket;
	const json_t *dns;         /* NULL: none */
	const json_t *prev_result; /* NULL: none */
	const json_t *valid;       /* an array, with GC */
};

/*
 * What the verb needs is checked, and for ADD, CHECK and STATUS that nothing else is asked for:
 * what is not honoured is refused by its name (CNI_UNSUPPORTED_FIELD). DEL and GC do not fail
 * because a configuration became wrong. Errors: CNI_DECODE, CNI_INCOMPATIBLE_VERSION,
 * CNI_INVALID_CONFIG.
 */
int cni_config_parse(struct cni_config *ret, enum cni_verb verb, const char *text, size_t size,
	struct failure *failure);
void cni_config_done(struct cni_config *config);

/*
 * The configuration's version for an answer that says why it failed: "cniVersion" of 'text', where
 * that is a supported one, else the newest. A static string.
 */
const char *cni_config_version(const char *text, size_t size);

/* The answer to VERSION. The caller owns it; NULL without memory. */
json_t *cni_config_versions(const char *text, size_t size);

/* The project that ADD is for. Errors: CNI_INVALID_CONFIG (none, or two that differ). */
int cni_config_project(const struct cni_config *config, const struct cni_env *env, const char **ret,
	struct failure *failure);

#endif
