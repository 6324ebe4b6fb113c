#include "nodeagent/agent/orphan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/fdio.h"
#include "lib/log.h"
#include "nodeagent/agent/pod.h"
#include "nodeagent/agent/pod_store.h"
#include "nodeagent/agent/timer.h"

#define DESTROY_USEC UINT64_C(15000000)

struct orphan {
	struct orphan *next;
	struct pods *pods;
	char uid[POD_UID_SIZE];
	struct shim *shim;
	sd_event_source *timer;
	bool ended;
};

static void folder_path(
	const struct pods *pods, const char *uid, const char *name, char ret[POD_PATH_SIZE])
{
	snprintf(ret, POD_PATH_SIZE, "%s/pods/%s%s", pods->agent->config->run_dir, uid, name);
}

static void folder_remove(const struct pods *pods, const char *uid)
{
	char path[POD_PATH_SIZE];
	struct error err = { 0 };

	folder_path(pods, uid, "", path);
	if (tree_remove_at(AT_FDCWD, path, &err) < 0)
		log_warning("%s", err.text);
}

static void destroy(struct orphan *o)
{
	shim_free(o->shim);
	sd_event_source_disable_unref(o->timer);
	free(o);
}

static int on_frame(
	void *user, struct ipc_frame *frame, const ProtobufCMessage *message, struct error *err)
{
	struct orphan *o = user;
	Bulkhead__V1__ShimDestroy destroy_message = BULKHEAD__V1__SHIM_DESTROY__INIT;

	(void)message;
	if (frame->type != IPC_SHIM_STATE)
		return 0;
	shim_leaving(o->shim);
	return shim_send(o->shim, IPC_SHIM_DESTROY, &destroy_message.base, err);
}

static void on_gone(void *user, const struct error *why)
{
	struct orphan *o = user;

	(void)why;
	folder_remove(o->pods, o->uid);
	o->ended = true;
	pods_turn(o->pods);
}

static const struct shim_ops ops = { .frame = on_frame, .gone = on_gone };

static int on_timer(sd_event_source *source, uint64_t usec, void *user)
{
	struct orphan *o = user;

	(void)source;
	(void)usec;
	log_warning("the shim without a pod, '%s', does not end; it is killed", o->uid);
	shim_kill(o->shim);
	return 0;
}

int orphan_end(struct pods *pods, const char *uid, struct error *err)
{
	char socket[POD_PATH_SIZE];
	struct orphan *o = calloc(1, sizeof(*o));
	struct shim_config config = {
		.event = pods->agent->event, .socket = socket, .ops = &ops, .user = o
	};

	if (!o)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot end a shim");
	o->pods = pods;
	snprintf(o->uid, sizeof(o->uid), "%s", uid);
	folder_path(pods, uid, "/shim.sock", socket);
	if (shim_connect(&o->shim, &config, err) < 0) {
		free(o);
		if (err->code != ERR_NOT_FOUND)
			return -1;
		folder_remove(pods, uid);
		return 0;
	}
	if (timer_set(&o->timer, pods->agent->event, DESTROY_USEC, on_timer, o, err) < 0) {
		destroy(o);
		return -1;
	}
	o->next = pods->orphans;
	pods->orphans = o;
	return 0;
}

void orphans_bury(struct pods *pods)
{
	struct orphan **at = &pods->orphans;

	while (*at) {
		struct orphan *o = *at;

		if (!o->ended) {
			at = &o->next;
			continue;
		}
		*at = o->next;
		destroy(o);
	}
}

void orphans_free(struct pods *pods)
{
	while (pods->orphans) {
		struct orphan *o = pods->orphans;

		pods->orphans = o->next;
		destroy(o);
	}
}
