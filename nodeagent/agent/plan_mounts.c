#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "lib/cleanup.h"
#include "nodeagent/agent/plan_ids.h"
#include "nodeagent/agent/plan_text.h"
#include "nodeagent/agent/plan_volumes.h"

#define MOUNT_DESC (&bulkhead__v1__mount__descriptor)

static const K8sVolume *volume_find(const K8sPodSpec *spec, const char *name)
{
	for (size_t i = 0; i < spec->n_volumes; i++) {
		if (strcmp(plan_or_empty(spec->volumes[i]->name), name) == 0)
			return spec->volumes[i];
	}
	return NULL;
}

/* An absolute path without "//", "/./" and a '/' at the end. ".." is refused: it means two things.
 */
static int path_clean(const char *path, char **ret, struct error *err)
{
	cleanup_free char *clean = malloc(strlen(path) + 2);
	size_t n = 0;

	if (!clean)
		return plan_no_memory(err);
	if (strlen(path) >= PATH_MAX)
		return error_set(err, ERR_INVALID, 0, "is longer than %d bytes", PATH_MAX - 1);
	for (const char *p = path; *p;) {
		size_t len = strcspn(p, "/");

		if (len == 2 && p[0] == '.' && p[1] == '.')
			return error_set(err, ERR_INVALID, 0, "'%.128s' has a '..' part", path);
		if (len > 0 && !(len == 1 && p[0] == '.')) {
			clean[n++] = '/';
			memcpy(clean + n, p, len);
			n += len;
		}
		p += len + (p[len] == '/');
	}
	if (n == 0)
		return error_set(err, ERR_INVALID, 0,
			"'%.128s' is the root, which the image fills; mount it elsewhere", path);
	clean[n] = '\0';
	return edit_string(ret, clean, err);
}

static int mount_refuse(const K8sVolumeMount *m, struct error *err)
{
	const char *propagation = plan_or_empty(m->mountpropagation);

	if (plan_or_empty(m->subpath)[0] || plan_or_empty(m->subpathexpr)[0])
		return error_set(err, ERR_UNSUPPORTED, 0,
			"%s: not honoured by this version; mount the whole volume",
			plan_or_empty(m->subpath)[0] ? "subPath" : "subPathExpr");
	if (propagation[0] && strcmp(propagation, "None") != 0)
		return error_set(err, ERR_UNSUPPORTED, 0,
			"mountPropagation: '%.64s' is not honoured by this version; use None",
			propagation);
	return 0;
}

/* What is made in an emptyDir belongs to spec.securityContext.fsGroup. */
static int group_fill(const struct plan_pod *pod, Bulkhead__V1__Mount *ret, struct error *err)
{
	int64_t group;

	if (ret->kind != BULKHEAD__V1__MOUNT_KIND__MOUNT_EMPTY_DIR ||
		!plan_fs_group(pod->pod, &group))
		return 0;
	return plan_id_outside(pod, "spec.securityContext.fsGroup", group, &ret->gid, err);
}

static int mount_fill(const struct plan_pod *pod, const K8sVolumeMount *m, Bulkhead__V1__Mount *ret,
	struct error *err)
{
	const K8sPodSpec *spec = view_spec(pod->pod);
	const char *name = plan_or_empty(m->name);
	const K8sVolume *volume = volume_find(spec, name);
	enum plan_volume kind = volume ? plan_volume_kind(volume) : PLAN_VOLUME_NONE;

	if (!volume)
		return error_set(err, ERR_INVALID, 0, "name: the pod has no volume '%.63s'", name);
	if (kind == PLAN_VOLUME_NONE)
		return error_set(err, ERR_UNSUPPORTED, 0,
			"name: volume '%.63s' is of a kind that is not honoured by this version",
			name);
	if (mount_refuse(m, err) < 0)
		return -1;
	ret->kind = kind == PLAN_VOLUME_DISK ? BULKHEAD__V1__MOUNT_KIND__MOUNT_EMPTY_DIR
					     : BULKHEAD__V1__MOUNT_KIND__MOUNT_TMPFS;
	ret->read_only = m->readonly || kind == PLAN_VOLUME_SECRET;
	if (path_clean(plan_or_empty(m->mountpath), &ret->target, err) < 0)
		return error_prefix(err, "mountPath");
	if (edit_string(&ret->volume, name, err) < 0)
		return -1;
	return group_fill(pod, ret, err);
}

static size_t depth(const char *path)
{
	size_t n = 0;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

/* Puts the last mount behind those that are no deeper. ERR_INVALID when its place is taken. */
static int mount_place(Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	size_t i = plan->n_mounts - 1;
	Bulkhead__V1__Mount *m = plan->mounts[i];

	for (size_t k = 0; k < i; k++) {
		if (strcmp(plan->mounts[k]->target, m->target) == 0)
			return error_set(err, ERR_INVALID, 0,
				"mountPath: volume '%.63s' is mounted on '%.128s' already",
				plan->mounts[k]->volume, m->target);
	}
	for (; i > 0 && depth(plan->mounts[i - 1]->target) > depth(m->target); i--)
		plan->mounts[i] = plan->mounts[i - 1];
	plan->mounts[i] = m;
	return 0;
}

int plan_mounts(const struct plan_pod *pod, const K8sContainer *container,
	Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	char field[PLAN_FIELD_SIZE];

	for (size_t i = 0; i < container->n_volumemounts; i++) {
		Bulkhead__V1__Mount *m =
			edit_append(&plan->mounts, &plan->n_mounts, MOUNT_DESC, err);

		if (!m)
			return -1;
		if (mount_fill(pod, container->volumemounts[i], m, err) < 0 ||
			mount_place(plan, err) < 0)
			return error_prefix(err, "%s.volumeMounts[%zu]",
				plan_container_field(view_spec(pod->pod), container, field), i);
	}
	return 0;
}
