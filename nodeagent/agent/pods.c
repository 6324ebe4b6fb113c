#include "nodeagent/agent/pods.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/pod_edit.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/agent/orphan.h"
#include "nodeagent/agent/pod.h"
#include "nodeagent/agent/pod_bandwidth.h"
#include "nodeagent/agent/pod_store.h"

#define RUN_FOLDER "pods"

/* ---- the end of a turn --------------------------------------------------------------------- */

static void tell(struct pod *pod)
{
	struct error err = { 0 };

	if (!pod->changed)
		return;
	pod->changed = false;
	if (pod_status_fill(pod, &err) < 0) {
		log_write(LOG_LEVEL_ERROR, &pod->subject, "%s", err.text);
		return;
	}
	pod->changed_sequence = watch_next(pod->pods->watch);
	if (!pod->added)
		pod->added_sequence = pod->changed_sequence;
	watch_changed(pod->pods->watch, pod->added ? "MODIFIED" : "ADDED", pod->changed_sequence,
		pod->object);
	pod->added = true;
}

/* Out of the list and freed: nothing of it is on any stack now. */
static void bury(struct pods *pods)
{
	struct pod **at = &pods->first;

	while (*at) {
		struct pod *pod = *at;

		if (!pod->done) {
			at = &pod->next;
			continue;
		}
		*at = pod->next;
		watch_gone(pods->watch, pod->object);
		pod_free(pod);
	}
}

static int on_turn(sd_event_source *source, void *user)
{
	struct pods *pods = user;

	(void)source;
	if (pods->kicked) {
		pods->kicked = false;
		for (struct pod *pod = pods->first; pod; pod = pod->next)
			pod_kick(pod);
	}
	for (struct pod *pod = pods->first; pod; pod = pod->next)
		tell(pod);
	bury(pods);
	orphans_bury(pods);
	return 0;
}

void pods_turn(struct pods *pods)
{
	if (pods->turn)
		sd_event_source_set_enabled(pods->turn, SD_EVENT_ONESHOT);
}

void pods_kick(struct pods *pods)
{
	if (!pods)
		return;
	pods->kicked = true;
	pods_turn(pods);
}

/* ---- the set ------------------------------------------------------------------------------- */

void pods_add(struct pods *pods, struct pod *pod)
{
	pod->next = pods->first;
	pods->first = pod;
	pods->len++;
	pod_changed(pod);
}

struct pod *pods_find(const struct pods *pods, const char *project, const char *name)
{
	for (struct pod *pod = pods->first; pod; pod = pod->next) {
		if (!pod->done && strcmp(pod->subject.project, project) == 0 &&
			strcmp(pod->subject.pod, name) == 0)
			return pod;
	}
	return NULL;
}

struct pod *pods_find_uid(const struct pods *pods, const char *uid)
{
	for (struct pod *pod = pods->first; pod; pod = pod->next) {
		if (strcmp(pod->subject.uid, uid) == 0)
			return pod;
	}
	return NULL;
}

size_t pods_count(const struct pods *pods)
{
	return pods ? pods->len : 0;
}

bool pods_use_image(const struct pods *pods, const char *digest)
{
	for (const struct pod *pod = pods ? pods->first : NULL; pod; pod = pod->next) {
		for (size_t i = 0; i < pod->file->n_images; i++) {
			if (strcmp(pod->file->images[i], digest) == 0)
				return true;
		}
	}
	return false;
}

bool pods_use_project(const struct pods *pods, const char *project)
{
	for (const struct pod *pod = pods ? pods->first : NULL; pod; pod = pod->next) {
		if (strcmp(pod->subject.project, project) == 0)
			return true;
	}
	return false;
}

/* ---- network ------------------------------------------------------------------------------- */

static int sync_add(Bulkhead__V1__NetSync *sync, const struct pod *pod)
{
	Bulkhead__V1__NetPod *row = malloc(sizeof(*row));

	if (!row)
		return -1;
	bulkhead__v1__net_pod__init(row);
	sync->pods[sync->n_pods++] = row;
	row->vnid = pod_vnid(pod);
	row->bandwidth = malloc(sizeof(*row->bandwidth));
	if (!row->bandwidth)
		return -1;
	pod_bandwidth_fill(pod, row->bandwidth);
	if (edit_string(&row->pod_uid, pod->subject.uid, NULL) < 0 ||
		edit_string(&row->project, pod->subject.project, NULL) < 0)
		return -1;
	return edit_string(&row->pod, pod->subject.pod, NULL);
}

int pods_net_sync(const struct pods *pods, Bulkhead__V1__NetSync **ret, struct error *err)
{
	size_t len = pods_count(pods);
	Bulkhead__V1__NetSync *sync = malloc(sizeof(*sync));

	if (!sync)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot list pods");
	bulkhead__v1__net_sync__init(sync);
	sync->pods = calloc(len + 1, sizeof(Bulkhead__V1__NetPod *));
	if (!sync->pods)
		goto no_memory;
	for (const struct pod *pod = pods ? pods->first : NULL; pod; pod = pod->next) {
		if (pod_net_lives(pod) && sync_add(sync, pod) < 0)
			goto no_memory;
	}
	*ret = sync;
	return 0;
no_memory:
	bulkhead__v1__net_sync__free_unpacked(sync, NULL);
	return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot list pods");
}

void pods_net_synced(struct pods *pods, const Bulkhead__V1__NetSynced *synced)
{
	for (struct pod *pod = pods ? pods->first : NULL; pod; pod = pod->next) {
		const Bulkhead__V1__NetPlugged *port = NULL;

		for (size_t i = 0; i < synced->n_ports; i++) {
			if (strcmp(synced->ports[i]->pod_uid, pod->subject.uid) == 0)
				port = synced->ports[i];
		}
		pod_net_synced(pod, port);
	}
	pods_kick(pods);
}

/* ---- start --------------------------------------------------------------------------------- */

static int load(struct pods *pods, const char *uid, struct error *err)
{
	Bulkhead__V1__PodFile *file;
	Bulkhead__V1__PodProgress *progress;
	struct pod *pod;

	if (pod_store_read(pods->agent->state_dirfd, uid, &file, &progress, err) < 0)
		return -1;
	if ((file->slice && userns_take(pods->userns, file->slice, err) < 0) ||
		pod_new(&pod, pods, file, progress, err) < 0) {
		bulkhead__v1__pod_file__free_unpacked(file, NULL);
		if (progress)
			bulkhead__v1__pod_progress__free_unpacked(progress, NULL);
		return -1;
	}
	pods_add(pods, pod);
	return 0;
}

/* A record that cannot be read makes no pod, and is kept for somebody to look at. */
static int load_all(struct pods *pods, struct error *err)
{
	int state_dirfd = pods->agent->state_dirfd;
	char **uids;
	size_t len;

	if (pod_store_list(state_dirfd, &uids, &len, err) < 0)
		return -1;
	for (size_t i = 0; i < len; i++) {
		struct error why = { 0 };

		if (load(pods, uids[i], &why) == 0)
			continue;
		log_error("pod directory '%s' is set aside: %s", uids[i], why.text);
		if (pod_store_set_aside(state_dirfd, uids[i], &why) < 0)
			log_error("%s", why.text);
	}
	pod_store_list_free(uids, len);
	return 0;
}

/* Shims that nobody's pod is: what a removed pod directory leaves. */
static void find_orphans(struct pods *pods)
{
	int fd = openat(pods->agent->run_dirfd, RUN_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir))) {
		struct error err = { 0 };

		if (!pod_uid_valid(entry->d_name) || pods_find_uid(pods, entry->d_name))
			continue;
		log_warning("a shim without a pod, '%s', is ended", entry->d_name);
		if (orphan_end(pods, entry->d_name, &err) < 0)
			log_warning("%s", err.text);
	}
}

static int prepare(struct pods *pods, struct agent *agent, struct error *err)
{
	int r;

	if (pod_store_prepare(agent->state_dirfd, err) < 0 ||
		pod_folders_clear(agent->state_dirfd, NULL, err) < 0 ||
		userns_new(&pods->userns, agent->config->userns_start, agent->config->userns_slices,
			err) < 0 ||
		watch_new(&pods->watch, realtime_usec(), err) < 0 ||
		node_facts_read(&pods->facts, agent, err) < 0)
		return -1;
	r = sd_event_add_defer(agent->event, &pods->turn, on_turn, pods);
	if (r < 0)
		return error_set(err, error_code_of(-r), -r, "cannot follow the event loop");
	return 0;
}

int pods_new(struct pods **ret, struct agent *agent, struct error *err)
{
	struct pods *pods = calloc(1, sizeof(*pods));

	if (!pods)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot hold pods");
	pods->agent = agent;
	pods->next_exec = realtime_usec();
	if (prepare(pods, agent, err) < 0 || load_all(pods, err) < 0) {
		pods_free(pods);
		return -1;
	}
	find_orphans(pods);
	for (struct pod *pod = pods->first; pod; pod = pod->next)
		pod_restore(pod);
	*ret = pods;
	return 0;
}

void pods_free(struct pods *pods)
{
	if (!pods)
		return;
	pods->turn = sd_event_source_disable_unref(pods->turn);
	orphans_free(pods);
	while (pods->first) {
		struct pod *pod = pods->first;

		pods->first = pod->next;
		pod_free(pod);
	}
	watch_free(pods->watch);
	userns_free(pods->userns);
	node_facts_done(&pods->facts);
	free(pods);
}
