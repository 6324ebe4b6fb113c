/* Whose the files are that secretd writes. */
#include <string.h>

#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "nodeagent/agent/plan_ids.h"
#include "nodeagent/agent/plan_security.h"
#include "nodeagent/agent/plan_text.h"
#include "nodeagent/agent/plan_volumes.h"

#define OWN_DESC (&bulkhead__v1__volume_own__descriptor)

static bool has_token(const K8sVolume *volume)
{
	const K8sProjectedVolumeSource *s = volume->volumesource->projected;

	for (size_t i = 0; s && i < s->n_sources; i++) {
		if (s->sources[i]->serviceaccounttoken)
			return true;
	}
	return false;
}

bool plan_token_user(const K8sPodSpec *spec, int64_t *ret)
{
	int64_t common = -1;

	for (size_t i = 0; i < spec->n_initcontainers + spec->n_containers; i++) {
		const K8sContainer *c = i < spec->n_initcontainers
						? spec->initcontainers[i]
						: spec->containers[i - spec->n_initcontainers];
		int64_t user;

		if (!plan_run_as_user(spec->securitycontext, c->securitycontext, &user) ||
			(common >= 0 && user != common))
			return false;
		common = user;
	}
	if (common < 0)
		return false;
	*ret = common;
	return true;
}

int plan_volume_own(const struct plan_node *node, const struct plan_pod *pod, size_t i,
	Bulkhead__V1__VolumeOwn **ret, struct error *err)
{
	const K8sPodSpec *spec = view_spec(pod->pod);
	size_t index;
	const K8sVolume *volume = plan_secret_volume(spec, i, &index);
	int64_t user;
	int64_t group;
	Bulkhead__V1__VolumeOwn *own = NULL;

	(void)node;
	if (!volume)
		return error_set(err, ERR_INTERNAL, 0, "the pod has no secret volume %zu", i);
	/* As upstream: a token is its user's, everything else the pod's root's. */
	if (!has_token(volume) || !plan_token_user(spec, &user))
		user = 0;
	if (edit_message(&own, OWN_DESC, err) < 0)
		return -1;
	own->group_readable = plan_fs_group(pod->pod, &group);
	if (!own->group_readable)
		group = 0;
	if (edit_string(&own->volume, plan_or_empty(volume->name), err) < 0 ||
		plan_id_outside(pod, "securityContext.runAsUser", user, &own->uid, err) < 0 ||
		plan_id_outside(pod, "spec.securityContext.fsGroup", group, &own->gid, err) < 0) {
		bulkhead__v1__volume_own__free_unpacked(own, NULL);
		return -1;
	}
	*ret = own;
	return 0;
}
