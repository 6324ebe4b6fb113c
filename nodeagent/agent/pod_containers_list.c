/* The list of a pod's containers: made from its spec and what was written down of them, searched,
 * freed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "nodeagent/agent/pod.h"

static Bulkhead__V1__ContainerProgress *progress_find(const struct pod *pod, const char *name)
{
	for (size_t i = 0; i < pod->progress->n_containers; i++) {
		if (strcmp(pod->progress->containers[i]->name, name) == 0)
			return pod->progress->containers[i];
	}
	return NULL;
}

static Bulkhead__V1__ContainerProgress *progress_add(struct pod *pod, const char *name)
{
	Bulkhead__V1__PodProgress *all = pod->progress;
	size_t n = all->n_containers;
	Bulkhead__V1__ContainerProgress **grown =
		realloc(all->containers, (n + 1) * sizeof(Bulkhead__V1__ContainerProgress *));

	if (!grown)
		return NULL;
	all->containers = grown;
	grown[n] = malloc(sizeof(**grown));
	if (!grown[n])
		return NULL;
	bulkhead__v1__container_progress__init(grown[n]);
	all->n_containers++;
	grown[n]->name = strdup(name);
	return grown[n]->name ? grown[n] : NULL;
}

static int add(struct pod *pod, const K8sContainer *spec, bool init, struct error *err)
{
	struct pod_container *c = &pod->containers[pod->containers_len];

	*c = (struct pod_container){ .pod = pod, .spec = spec, .init = init };
	c->progress = progress_find(pod, spec->name);
	if (!c->progress)
		c->progress = progress_add(pod, spec->name);
	if (!c->progress)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot hold a container");
	c->stage = c->progress->ended ? CONTAINER_ENDED : CONTAINER_WAITING;
	c->reason = init || pod->inits == 0 ? "ContainerCreating" : "PodInitializing";
	pod->containers_len++;
	return 0;
}

int pod_containers_init(struct pod *pod, struct error *err)
{
	const K8sPodSpec *spec = pod->object->spec;

	pod->inits = spec->n_initcontainers;
	pod->containers =
		calloc(spec->n_initcontainers + spec->n_containers, sizeof(*pod->containers));
	if (!pod->containers)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot hold containers");
	for (size_t i = 0; i < spec->n_initcontainers; i++) {
		if (add(pod, spec->initcontainers[i], true, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < spec->n_containers; i++) {
		if (add(pod, spec->containers[i], false, err) < 0)
			return -1;
	}
	return 0;
}

void pod_containers_done(struct pod *pod)
{
	for (size_t i = 0; i < pod->containers_len; i++) {
		sd_event_source_disable_unref(pod->containers[i].timer);
		sd_event_source_disable_unref(pod->containers[i].kill_timer);
		free(pod->containers[i].message);
	}
	free(pod->containers);
	pod->containers = NULL;
	pod->containers_len = 0;
}

struct pod_container *pod_container_find(const struct pod *pod, const char *name)
{
	for (size_t i = 0; i < pod->containers_len; i++) {
		if (strcmp(pod->containers[i].spec->name, name) == 0)
			return &pod->containers[i];
	}
	return NULL;
}
