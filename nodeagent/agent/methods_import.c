/*
 * ImportImage: bulkhead-api writes the archive into the unpacker's pipe; here the unpacker is
 * started, its verdict awaited, and what it staged taken over.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/api.h"
#include "nodeagent/image/import.h"

/* One import under way: the state of its call. */
struct import {
	struct call *call;
	struct image_import *image;
	sd_event_source *source;
};

static void import_free(struct import *import)
{
	if (!import)
		return;
	sd_event_source_disable_unref(import->source);
	image_import_free(import->image);
	import->call->agent->imports--;
	free(import);
}

static void on_gone(struct call *call)
{
	import_free(call->state);
}

static int on_verdict(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct import *import = user;
	struct call *call = import->call;
	struct agent *agent = call->agent;
	Bulkhead__V1__ImportImageResponse *response = NULL;
	struct error err = { 0 };
	int r;

	(void)source;
	(void)fd;
	(void)events;
	r = image_import_finish(import->image, &response, &err);
	import_free(import);
	if (r == 0)
		r = image_store_reload(agent->images, &err);
	if (r < 0)
		call_fail(call, &err);
	else
		call_reply(call, &response->base, true);
	if (response)
		bulkhead__v1__import_image_response__free_unpacked(response, NULL);
	return 0;
}

static int start(struct import *import, const char *name, int *ret_fd, struct error *err)
{
	const struct agent *agent = import->call->agent;
	cleanup_free char *program = NULL, *store = NULL;
	struct image_import_config config = {
		.name = name,
		.uid = agent->config->unpack_uid,
		.image_base = agent->config->image_base,
	};
	int r;

	if (asprintf(&program, "%s/bulkhead-unpack", agent->config->libexec_dir) < 0 ||
		asprintf(&store, "%s/images", agent->config->state_dir) < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for an import");
	config.program = program;
	config.store_dir = store;
	if (image_import_start(&import->image, &config, ret_fd, err) < 0)
		return -1;
	r = sd_event_add_io(agent->event, &import->source, image_import_fd(import->image), EPOLLIN,
		on_verdict, import);
	return r < 0 ? error_set(err, error_code_of(-r), -r, "cannot watch an import") : 0;
}

static int begin(struct call *call, struct error *err)
{
	const char *name = ((const Bulkhead__V1__ImportImageRequest *)call->message)->name;
	struct import *import;
	cleanup_close int data_fd = -1;

	if (call->agent->imports >= IMPORTS_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"%d images are being imported already; try again when one is done",
			IMPORTS_MAX);
	import = calloc(1, sizeof(*import));
	if (!import)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for an import");
	import->call = call;
	call->agent->imports++;
	if (start(import, name, &data_fd, err) < 0) {
		import_free(import);
		return -1;
	}
	call->state = import;
	call->gone = on_gone;
	call_reply_stream(call, BULKHEAD__V1__STREAM_KIND__STREAM_IMPORT, &data_fd, 1);
	return 0;
}

void method_import_image(struct agent *agent, struct call *call)
{
	struct error err = { 0 };

	(void)agent;
	if (begin(call, &err) < 0)
		call_fail(call, &err);
}
