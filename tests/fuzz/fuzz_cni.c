/*
 * Any standard input of the CNI plugin, for each verb. What ADD would answer to a good one must be
 * found again by CHECK, and is JSON that such a runtime could hand back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netplugin/cni/result.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static const struct cni_env env = {
	.verb = CNI_VERB_ADD,
	.container = "c1",
	.netns = "/run/netns/c1",
	.ifname = "eth0",
	.project = "red",
	.pod = "web",
};

static const struct cni_attached attached = {
	.address = "10.128.0.5",
	.prefix = 14,
	.mac = "0a:58:0a:80:00:05",
	.port = "bhabcdefghijklm",
	.mtu = 1450,
};

/* A good configuration keeps its promises. */
static void look_at(const struct cni_config *config)
{
	must(config->name && strlen(config->name) <= CNI_ID_MAX && config->socket[0] == '/');
	must(config->level >= CNI_LEVEL_0_4 && config->level <= CNI_LEVEL_1_1);
	must(json_array_size(config->valid) <= CNI_VALID_MAX);
}

static void add_and_check(const struct cni_config *config)
{
	struct cni_config again = *config;
	struct failure failure = { 0 };
	json_t *result;
	char *text;

	if (cni_result_check_prev(config, &env, &failure) < 0)
		return;
	must(cni_result_make(config, &env, &attached, &result, &failure) == 0);
	text = json_dumps(result, 0);
	must(text);
	free(text);
	again.prev_result = result;
	if (cni_result_compare(&again, &env, &attached, &failure) < 0) {
		fprintf(stderr, "%s\n", failure.msg);
		abort();
	}
	json_decref(result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;

	for (enum cni_verb verb = CNI_VERB_ADD; verb < CNI_VERB_VERSION; verb++) {
		struct failure failure = { 0 };
		struct cni_config config;

		if (cni_config_parse(&config, verb, text, size, &failure) < 0) {
			must(failure.code != CNI_NONE && failure.msg[0]);
			continue;
		}
		look_at(&config);
		if (verb == CNI_VERB_ADD)
			add_and_check(&config);
		cni_config_done(&config);
	}
	json_decref(cni_config_versions(text, size));
	return 0;
}
