#include "nodeagent/agent/plan_volumes.h"

#include <string.h>

#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "lib/cleanup.h"
#include "nodeagent/agent/plan_ids.h"
#include "nodeagent/agent/plan_resources.h"
#include "nodeagent/agent/plan_text.h"
#include "proto/quantity.h"

#define TMPFS_DESC (&bulkhead__v1__tmpfs__descriptor)

enum plan_volume plan_volume_kind(const K8sVolume *volume)
{
	const K8sVolumeSource *s = volume->volumesource;

	if (!s)
		return PLAN_VOLUME_NONE;
	if (s->secret || s->projected || s->downwardapi || s->configmap)
		return PLAN_VOLUME_SECRET;
	if (!s->emptydir)
		return PLAN_VOLUME_NONE;
	if (strcmp(plan_or_empty(s->emptydir->medium), "Memory") == 0)
		return PLAN_VOLUME_MEMORY;
	return plan_or_empty(s->emptydir->medium)[0] ? PLAN_VOLUME_NONE : PLAN_VOLUME_DISK;
}

const K8sVolume *plan_secret_volume(const K8sPodSpec *spec, size_t i, size_t *ret_index)
{
	for (size_t k = 0; k < spec->n_volumes; k++) {
		if (plan_volume_kind(spec->volumes[k]) != PLAN_VOLUME_SECRET)
			continue;
		if (i-- == 0) {
			*ret_index = k;
			return spec->volumes[k];
		}
	}
	return NULL;
}

size_t plan_secret_volumes(const K8sPod *pod)
{
	const K8sPodSpec *spec = view_spec(pod);
	size_t index;
	size_t n = 0;

	while (plan_secret_volume(spec, n, &index))
		n++;
	return n;
}

static uint64_t round_up(uint64_t size)
{
	return size > UINT64_MAX - PLAN_PAGE ? size / PLAN_PAGE * PLAN_PAGE
					     : (size + PLAN_PAGE - 1) / PLAN_PAGE * PLAN_PAGE;
}

int plan_size_limit(const K8sVolume *volume, int64_t *ret, struct error *err)
{
	const K8sQuantity *limit = volume->volumesource->emptydir->sizelimit;

	*ret = 0;
	if (!limit || !limit->string)
		return 0;
	if (quantity_units(limit->string, ret, err) < 0)
		return error_prefix(err, "emptyDir.sizeLimit");
	if (*ret < 0)
		return error_set(err, ERR_INVALID, 0, "emptyDir.sizeLimit: '%.64s' is negative",
			limit->string);
	return 0;
}

/* The least of sizeLimit, the pod's memory limit and the machine's memory: more cannot be filled.
 */
static int memory_size(const struct plan_node *node, const K8sPodSpec *spec,
	const K8sVolume *volume, uint64_t *ret, struct error *err)
{
	struct plan_resources pod;
	uint64_t size = node->memory_bytes;
	int64_t limit;

	if (plan_resources_pod(spec, &pod, err) < 0 || plan_size_limit(volume, &limit, err) < 0)
		return -1;
	if (pod.limit[PLAN_MEMORY] > 0 && (uint64_t)pod.limit[PLAN_MEMORY] < size)
		size = (uint64_t)pod.limit[PLAN_MEMORY];
	if (limit > 0 && (uint64_t)limit < size)
		size = (uint64_t)limit;
	*ret = round_up(size ? size : 1);
	return 0;
}

static int memory_fill(const struct plan_node *node, const struct plan_pod *pod,
	const K8sVolume *volume, Bulkhead__V1__Tmpfs *t, struct error *err)
{
	const K8sPodSpec *spec = view_spec(pod->pod);
	int64_t group;

	if (memory_size(node, spec, volume, &t->size, err) < 0)
		return -1;
	t->kind = BULKHEAD__V1__TMPFS_KIND__TMPFS_EMPTY_DIR;
	t->inodes = t->size / PLAN_PAGE;
	if (t->inodes < PLAN_INODES_MIN)
		t->inodes = PLAN_INODES_MIN;
	if (t->inodes > PLAN_INODES_MAX)
		t->inodes = PLAN_INODES_MAX;
	t->mode = 0777;
	if (plan_id_outside(pod, "the pod's root", 0, &t->uid, err) < 0)
		return -1;
	t->gid = t->uid;
	if (!plan_fs_group(pod->pod, &group))
		return 0;
	t->mode = 02777;
	return plan_id_outside(pod, "spec.securityContext.fsGroup", group, &t->gid, err);
}

/* The root is secretd's: it makes and renames what lies there. What it holds is the pod's. */
static int secret_fill(const struct plan_node *node, const struct plan_pod *pod, size_t i,
	plan_find_secret find, void *user, Bulkhead__V1__Tmpfs *t, struct error *err)
{
	Bulkhead__V1__SecretsStage *stage;

	if (plan_secrets(node, pod, i, find, user, &stage, err) < 0)
		return -1;
	plan_secrets_size(node, stage, &t->size, &t->inodes);
	bulkhead__v1__secrets_stage__free_unpacked(stage, NULL);
	t->kind = BULKHEAD__V1__TMPFS_KIND__TMPFS_SECRET;
	t->uid = node->config->secretd_uid;
	t->gid = node->config->secretd_uid;
	t->mode = 0755;
	return 0;
}

static int refuse(const K8sVolume *volume, struct error *err)
{
	const char *source = volume->volumesource ? view_volume_source(volume, 0) : NULL;

	if (!source)
		return error_set(
			err, ERR_INVALID, 0, "has no source; set one, such as emptyDir: {}");
	if (strcmp(source, "emptyDir") == 0)
		return error_set(err, ERR_UNSUPPORTED, 0,
			"emptyDir.medium: '%.64s' is not honoured by this version; use Memory or "
			"none",
			volume->volumesource->emptydir->medium);
	return error_set(
		err, ERR_UNSUPPORTED, 0, "%s: not honoured by this version; use another", source);
}

int plan_tmpfs(const struct plan_node *node, const struct plan_pod *pod, plan_find_secret find,
	void *user, Bulkhead__V1__SandboxPlan *plan, struct error *err)
{
	const K8sPodSpec *spec = view_spec(pod->pod);
	size_t secrets = 0;

	for (size_t i = 0; i < spec->n_volumes; i++) {
		const K8sVolume *volume = spec->volumes[i];
		enum plan_volume kind = plan_volume_kind(volume);
		Bulkhead__V1__Tmpfs *t;

		if (kind == PLAN_VOLUME_DISK)
			continue;
		if (kind == PLAN_VOLUME_NONE) {
			refuse(volume, err);
			return error_prefix(err, "spec.volumes[%zu]", i);
		}
		t = edit_append(&plan->tmpfs, &plan->n_tmpfs, TMPFS_DESC, err);
		if (!t || edit_string(&t->name, plan_or_empty(volume->name), err) < 0)
			return -1;
		if (kind == PLAN_VOLUME_SECRET) {
			if (secret_fill(node, pod, secrets++, find, user, t, err) < 0)
				return -1;
		} else if (memory_fill(node, pod, volume, t, err) < 0) {
			return error_prefix(err, "spec.volumes[%zu]", i);
		}
	}
	return 0;
}
