#include "auth/pod_view.h"

#include <stdio.h>
#include <string.h>

static const K8sPodSpec empty_spec = K8S_POD_SPEC_INIT;

const K8sPodSpec *view_spec(const K8sPod *pod)
{
	return pod->spec ? pod->spec : &empty_spec;
}

static void from_container(struct view_container *ret, K8sContainer *c)
{
	ret->name = c->name ? c->name : "";
	ret->security = &c->securitycontext;
	ret->ports = c->ports;
	ret->ports_len = c->n_ports;
	ret->probes[0] = c->livenessprobe;
	ret->probes[1] = c->readinessprobe;
	ret->probes[2] = c->startupprobe;
	ret->lifecycle = c->lifecycle;
}

static void from_ephemeral(struct view_container *ret, K8sEphemeralContainerCommon *c)
{
	ret->name = c->name ? c->name : "";
	ret->security = &c->securitycontext;
	ret->ports = c->ports;
	ret->ports_len = c->n_ports;
	ret->probes[0] = c->livenessprobe;
	ret->probes[1] = c->readinessprobe;
	ret->probes[2] = c->startupprobe;
	ret->lifecycle = c->lifecycle;
}

bool view_next(struct view_walk *walk, struct view_container *ret)
{
	const K8sPodSpec *spec = view_spec(walk->pod);
	size_t i = walk->next;

	memset(ret, 0, sizeof(*ret));
	if (i < spec->n_initcontainers) {
		snprintf(ret->path, sizeof(ret->path), "spec.initContainers[%zu]", i);
		from_container(ret, spec->initcontainers[i]);
		walk->next++;
		return true;
	}
	i -= spec->n_initcontainers;
	if (i < spec->n_containers) {
		snprintf(ret->path, sizeof(ret->path), "spec.containers[%zu]", i);
		from_container(ret, spec->containers[i]);
		walk->next++;
		return true;
	}
	i -= spec->n_containers;
	/* One without its common part has nothing to judge; pod_honoured() refuses it anyway. */
	for (; i < spec->n_ephemeralcontainers; i++) {
		walk->next++;
		if (!spec->ephemeralcontainers[i]->ephemeralcontainercommon)
			continue;
		snprintf(ret->path, sizeof(ret->path), "spec.ephemeralContainers[%zu]", i);
		from_ephemeral(ret, spec->ephemeralcontainers[i]->ephemeralcontainercommon);
		return true;
	}
	return false;
}

const char *view_volume_source(const K8sVolume *volume, size_t number)
{
	const ProtobufCMessageDescriptor *desc = K8S_VOLUME_SOURCE_DESC;

	if (!volume->volumesource)
		return NULL;
	for (unsigned i = 0; i < desc->n_fields; i++) {
		const char *base = (const char *)volume->volumesource;
		const void *member;

		memcpy(&member, base + desc->fields[i].offset, sizeof(member));
		if (member && number-- == 0)
			return desc->fields[i].name;
	}
	return NULL;
}

const char *view_annotation(const K8sPod *pod, const char *key)
{
	if (!pod->metadata)
		return NULL;
	for (size_t i = 0; i < pod->metadata->n_annotations; i++) {
		const K8sAnnotationsEntry *entry = pod->metadata->annotations[i];

		if (entry->key && strcmp(entry->key, key) == 0)
			return entry->value ? entry->value : "";
	}
	return NULL;
}

const char *view_seccomp(const K8sSeccompProfile *profile, char buf[VIEW_SECCOMP_SIZE])
{
	const char *type = profile->type ? profile->type : "";

	if (strcmp(type, "RuntimeDefault") == 0)
		return "runtime/default";
	if (strcmp(type, "Unconfined") == 0)
		return "unconfined";
	if (strcmp(type, "Localhost") != 0)
		return type;
	snprintf(buf, VIEW_SECCOMP_SIZE, "localhost/%s",
		profile->localhostprofile ? profile->localhostprofile : "");
	return buf;
}

bool view_time_namespace(const K8sPod *pod)
{
	const char *value = view_annotation(pod, VIEW_TIME_NAMESPACE);

	return value && strcmp(value, VIEW_TIME_NAMESPACE_PRIVATE) == 0;
}

bool view_records_profile(const K8sPod *pod)
{
	const char *value = view_annotation(pod, VIEW_RECORD_PROFILE);

	return value && strcmp(value, "true") == 0;
}

bool view_own_level(const K8sPod *pod)
{
	const char *value = view_annotation(pod, VIEW_SELINUX_LEVEL);

	return value && strcmp(value, VIEW_SELINUX_LEVEL_POD) == 0;
}
