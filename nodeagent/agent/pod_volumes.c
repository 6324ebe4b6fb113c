/* A pod's secret volumes: written by secretd, owned by the shim, published by secretd, renewed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/pod_edit.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/agent/cluster.h"
#include "nodeagent/agent/pod.h"
#include "nodeagent/agent/secretd.h"
#include "nodeagent/agent/timer.h"

#define REFRESH_MIN_USEC UINT64_C(5000000) /* whatever the clock says */

static void stage(struct pod_volume *volume);
static int grow(struct pod_volume *volume, struct error *err);

void pod_volumes_done(struct pod *pod)
{
	for (size_t i = 0; i < pod->volumes_len; i++) {
		struct pod_volume *v = &pod->volumes[i];

		if (v->stage == VOLUME_STAGING || v->stage == VOLUME_PUBLISHING)
			secretd_forget(pod->pods->agent->secretd, v);
		cleanup_close_fn(&v->fd);
		sd_event_source_disable_unref(v->timer);
		free(v->name);
		free(v->directory);
	}
	free(pod->volumes);
	pod->volumes = NULL;
	pod->volumes_len = 0;
}

static int make(struct pod *pod, size_t len, struct error *err)
{
	if (pod->volumes || len == 0)
		return 0;
	pod->volumes = calloc(len, sizeof(*pod->volumes));
	if (!pod->volumes)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot hold volumes");
	pod->volumes_len = len;
	for (size_t i = 0; i < len; i++)
		pod->volumes[i] = (struct pod_volume){ .pod = pod, .index = i, .fd = -1 };
	return 0;
}

int pod_volumes_take(struct pod *pod, const int *fds, size_t len, struct error *err)
{
	if (make(pod, len, err) < 0) {
		for (size_t i = 0; i < len; i++)
			close(fds[i]);
		return -1;
	}
	for (size_t i = 0; i < len; i++) {
		cleanup_close_fn(&pod->volumes[i].fd);
		pod->volumes[i].fd = fds[i];
	}
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *user)
{
	(void)source;
	(void)usec;
	stage(user);
	return 0;
}

static void arm(struct pod_volume *v, uint64_t usec)
{
	struct error err = { 0 };

	if (timer_set(&v->timer, v->pod->pods->agent->event, usec, on_timer, v, &err) < 0)
		log_write(LOG_LEVEL_ERROR, &v->pod->subject, "%s", err.text);
}

static void failed(struct pod_volume *v, const struct error *err)
{
	v->stage = VOLUME_WANTED;
	v->grown = false;
	if (!pod_lives(v->pod))
		return;
	/* A daemon that is away comes back, and then the pod is kicked. */
	if (err->code != ERR_UNAVAILABLE)
		pod_record(v->pod, true, "FailedMount", "volume '%s': %s", v->name ? v->name : "",
			err->text);
	arm(v, timer_retry_usec(++v->failures));
}

/* Once for each version: what does not fit gets the room it needs, and is written again. */
static void refused(struct pod_volume *v, const struct error *err)
{
	struct error why = { 0 };

	if (err->code != ERR_EXHAUSTED || v->grown || !pod_lives(v->pod))
		failed(v, err);
	else if (grow(v, &why) < 0)
		failed(v, &why);
}

/* A secret that is gone is no change: the pod keeps what it has. */
static bool outdated(const struct pod_volume *v)
{
	struct plan_pod plan = pod_plan(v->pod);
	uint64_t version = 0;

	if (cluster_known(v->pod->pods->agent->cluster))
		version = plan_secrets_version(&plan, v->index, pod_find_secret, v->pod);
	return version != 0 && version != v->version;
}

static void on_published(
	void *user, const char *directory, int64_t refresh_at, const struct error *err)
{
	struct pod_volume *v = user;
	int64_t now = (int64_t)realtime_usec();

	(void)directory;
	(void)refresh_at;
	if (err) {
		refused(v, err);
		return;
	}
	v->stage = VOLUME_DONE;
	v->published = true;
	v->grown = false;
	v->failures = 0;
	timer_stop(v->timer);
	if (v->refresh_at) {
		int64_t left = v->refresh_at * 1000000 - now;

		arm(v, left > (int64_t)REFRESH_MIN_USEC ? (uint64_t)left : REFRESH_MIN_USEC);
	}
	if (!v->pod->times.secrets_end && pod_volumes_ready(v->pod))
		v->pod->times.secrets_end = monotonic_usec();
	/* It was replaced meanwhile. */
	if (outdated(v))
		stage(v);
	pod_prepare_check(v->pod);
}

static struct pod_volume *find(struct pod *pod, enum volume_stage stage, const char *name)
{
	for (size_t i = 0; i < pod->volumes_len; i++) {
		if (pod->volumes[i].stage == stage && strcmp(pod->volumes[i].name, name) == 0)
			return &pod->volumes[i];
	}
	return NULL;
}

void pod_volume_owned(struct pod *pod, const Bulkhead__V1__VolumeOwned *message)
{
	Bulkhead__V1__SecretsPublish publish = BULKHEAD__V1__SECRETS_PUBLISH__INIT;
	struct pod_volume *v = find(pod, VOLUME_OWNING, message->volume);
	struct error err = { 0 };

	if (!v)
		return;
	if (ipc_error_unpack(message->error, &err) < 0) {
		failed(v, &err);
		return;
	}
	publish.pod_uid = (char *)(uintptr_t)pod->subject.uid;
	publish.volume = v->name;
	publish.directory = v->directory;
	v->stage = VOLUME_PUBLISHING;
	if (secretd_publish(pod->pods->agent->secretd, &publish, v->fd, on_published, v, &err) < 0)
		failed(v, &err);
}

static int own(struct pod_volume *v, const char *directory, struct error *err)
{
	struct plan_pod plan = pod_plan(v->pod);
	Bulkhead__V1__VolumeOwn *message;
	int n;

	free(v->directory);
	v->directory = strdup(directory);
	if (!v->directory)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot hold a volume");
	if (plan_volume_own(&v->pod->pods->facts.node, &plan, v->index, &message, err) < 0)
		return -1;
	edit_string(&message->directory, directory, NULL);
	n = shim_send(v->pod->shim, IPC_VOLUME_OWN, &message->base, err);
	bulkhead__v1__volume_own__free_unpacked(message, NULL);
	return n;
}

void pod_volume_resized(struct pod *pod, const Bulkhead__V1__VolumeResized *message)
{
	struct pod_volume *v = find(pod, VOLUME_GROWING, message->volume);
	struct error err = { 0 };

	if (!v)
		return;
	if (ipc_error_unpack(message->error, &err) < 0) {
		failed(v, &err);
		return;
	}
	v->stage = VOLUME_WANTED;
	stage(v);
}

static int plan(struct pod_volume *v, Bulkhead__V1__SecretsStage **ret, struct error *err)
{
	struct pods *pods = v->pod->pods;
	struct plan_pod pod = pod_plan(v->pod);

	if (!cluster_known(pods->agent->cluster))
		return error_set(err, ERR_UNAVAILABLE, 0, "the cluster database was not read yet");
	node_facts_refresh(&pods->facts, pods->agent);
	v->version = plan_secrets_version(&pod, v->index, pod_find_secret, v->pod);
	return plan_secrets(&pods->facts.node, &pod, v->index, pod_find_secret, v->pod, ret, err);
}

/* The tmpfs was made for the secrets as they were when the sandbox was. */
static int grow(struct pod_volume *v, struct error *err)
{
	Bulkhead__V1__VolumeResize resize = BULKHEAD__V1__VOLUME_RESIZE__INIT;
	Bulkhead__V1__SecretsStage *message;
	int n;

	if (plan(v, &message, err) < 0)
		return -1;
	plan_volume_room(&v->pod->pods->facts.node, message, &resize);
	resize.volume = v->name;
	v->stage = VOLUME_GROWING;
	v->grown = true;
	n = shim_send(v->pod->shim, IPC_VOLUME_RESIZE, &resize.base, err);
	bulkhead__v1__secrets_stage__free_unpacked(message, NULL);
	return n;
}

static void on_staged(
	void *user, const char *directory, int64_t refresh_at, const struct error *err)
{
	struct pod_volume *v = user;
	struct error why = { 0 };

	if (err) {
		refused(v, err);
		return;
	}
	v->refresh_at = refresh_at;
	v->stage = VOLUME_OWNING;
	if (own(v, directory, &why) < 0)
		failed(v, &why);
}

static int send_stage(struct pod_volume *v, struct error *err)
{
	Bulkhead__V1__SecretsStage *message;
	int n;

	if (plan(v, &message, err) < 0)
		return -1;
	n = edit_string(&v->name, message->volume, err);
	if (n == 0)
		n = secretd_stage(v->pod->pods->agent->secretd, message, v->fd, on_staged, v, err);
	bulkhead__v1__secrets_stage__free_unpacked(message, NULL);
	return n;
}

static void stage(struct pod_volume *v)
{
	struct error err = { 0 };

	if ((v->stage != VOLUME_WANTED && v->stage != VOLUME_DONE) || !pod_lives(v->pod))
		return;
	v->stage = VOLUME_STAGING;
	if (send_stage(v, &err) < 0)
		failed(v, &err);
}

void pod_volumes_write(struct pod *pod)
{
	if (pod->volumes_len && !pod->times.secrets_start)
		pod->times.secrets_start = monotonic_usec();
	for (size_t i = 0; i < pod->volumes_len; i++) {
		/* An answer that the shim owes may have been lost with its connection. */
		if (pod->volumes[i].stage == VOLUME_OWNING ||
			pod->volumes[i].stage == VOLUME_GROWING)
			pod->volumes[i].stage = VOLUME_WANTED;
		stage(&pod->volumes[i]);
	}
}

void pod_volumes_kick(struct pod *pod)
{
	for (size_t i = 0; i < pod->volumes_len; i++) {
		struct pod_volume *v = &pod->volumes[i];

		if (v->stage == VOLUME_WANTED || (v->stage == VOLUME_DONE && outdated(v)))
			stage(v);
	}
}

bool pod_volumes_ready(const struct pod *pod)
{
	for (size_t i = 0; i < pod->volumes_len; i++) {
		if (!pod->volumes[i].published)
			return false;
	}
	return true;
}
