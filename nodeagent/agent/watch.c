#include "nodeagent/agent/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

/* A pod that went: only what tells which one. */
struct gone {
	uint64_t sequence; /* 0: the place is empty */
	char *project;
	char *name;
	char *uid;
};

struct watch {
	uint64_t sequence;
	uint64_t known_since; /* every change after this one is known */
	struct gone gone[WATCH_GONE_MAX];
	size_t next; /* the place of the next one that goes: the oldest */
	struct watcher *watchers;
	size_t watchers_len;
};

struct watcher {
	struct watcher *next;
	struct watch *watch;
	char *project; /* NULL: all */
	char *name;    /* "": all */
	watch_fn send;
	void *user;
};

int watch_new(struct watch **ret, uint64_t now, struct error *err)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot watch pods");
	watch->sequence = now ? now : 1;
	watch->known_since = watch->sequence;
	*ret = watch;
	return 0;
}

static void gone_done(struct gone *gone)
{
	free(gone->project);
	free(gone->name);
	free(gone->uid);
	*gone = (struct gone){ 0 };
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	for (size_t i = 0; i < WATCH_GONE_MAX; i++)
		gone_done(&watch->gone[i]);
	while (watch->watchers)
		watcher_remove(watch->watchers);
	free(watch);
}

uint64_t watch_sequence(const struct watch *watch)
{
	return watch->sequence;
}

uint64_t watch_next(struct watch *watch)
{
	return ++watch->sequence;
}

int watcher_add(struct watcher **ret, struct watch *watch, const char *project, const char *name,
	watch_fn send, void *user, struct error *err)
{
	struct watcher *watcher;

	if (watch->watchers_len >= WATCHERS_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"%d watches of pods are under way; end some of them", WATCHERS_MAX);
	watcher = calloc(1, sizeof(*watcher));
	if (!watcher)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot watch pods");
	watcher->project = project ? strdup(project) : NULL;
	watcher->name = strdup(name);
	if (!watcher->name || (project && !watcher->project)) {
		free(watcher->project);
		free(watcher->name);
		free(watcher);
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot watch pods");
	}
	watcher->watch = watch;
	watcher->send = send;
	watcher->user = user;
	watcher->next = watch->watchers;
	watch->watchers = watcher;
	watch->watchers_len++;
	*ret = watcher;
	return 0;
}

void watcher_remove(struct watcher *watcher)
{
	struct watcher **at;

	if (!watcher)
		return;
	at = &watcher->watch->watchers;
	while (*at != watcher)
		at = &(*at)->next;
	*at = watcher->next;
	watcher->watch->watchers_len--;
	free(watcher->project);
	free(watcher->name);
	free(watcher);
}

static bool wants(const struct watcher *watcher, const char *project, const char *name)
{
	return (!watcher->project || strcmp(watcher->project, project) == 0) &&
	       (!watcher->name[0] || strcmp(watcher->name, name) == 0);
}

bool watcher_wants(const struct watcher *watcher, const K8sPod *pod)
{
	return wants(watcher, pod->metadata->namespace_, pod->metadata->name);
}

void watcher_send(struct watcher *watcher, const char *type, uint64_t sequence, const K8sPod *pod)
{
	Bulkhead__V1__PodEvent event = BULKHEAD__V1__POD_EVENT__INIT;

	event.sequence = sequence;
	event.type = (char *)(uintptr_t)type;
	event.pod = (K8sPod *)(uintptr_t)pod;
	watcher->send(watcher->user, &event);
}

void watch_changed(struct watch *watch, const char *type, uint64_t sequence, const K8sPod *pod)
{
	struct watcher *next;

	for (struct watcher *w = watch->watchers; w; w = next) {
		next = w->next;
		if (watcher_wants(w, pod))
			watcher_send(w, type, sequence, pod);
	}
}

void watch_gone(struct watch *watch, const K8sPod *pod)
{
	struct gone *gone = &watch->gone[watch->next];
	uint64_t sequence = watch_next(watch);

	if (gone->sequence)
		watch->known_since = gone->sequence;
	gone_done(gone);
	gone->project = strdup(pod->metadata->namespace_);
	gone->name = strdup(pod->metadata->name);
	gone->uid = strdup(pod->metadata->uid);
	if (gone->project && gone->name && gone->uid) {
		gone->sequence = sequence;
		watch->next = (watch->next + 1) % WATCH_GONE_MAX;
	} else {
		gone_done(gone);
		watch->known_since = sequence;
	}
	watch_changed(watch, "DELETED", sequence, pod);
}

bool watch_knows(const struct watch *watch, uint64_t since)
{
	return since >= watch->known_since && since <= watch->sequence;
}

void watcher_send_gone(struct watcher *watcher, uint64_t since)
{
	struct watch *watch = watcher->watch;

	for (size_t i = 0; i < WATCH_GONE_MAX; i++) {
		const struct gone *gone = &watch->gone[(watch->next + i) % WATCH_GONE_MAX];
		K8sPod pod = K8S__IO__API__CORE__V1__POD__INIT;
		K8sObjectMeta meta = K8S__IO__APIMACHINERY__PKG__APIS__META__V1__OBJECT_META__INIT;

		if (gone->sequence <= since || !wants(watcher, gone->project, gone->name))
			continue;
		meta.namespace_ = gone->project;
		meta.name = gone->name;
		meta.uid = gone->uid;
		pod.metadata = &meta;
		watcher_send(watcher, "DELETED", gone->sequence, &pod);
	}
}
