/* PodProfile: what the shim noted of a container that is recorded. */
#include <stdio.h>

#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/api.h"
#include "nodeagent/agent/pod.h"
#include "nodeagent/agent/pods.h"
#include "proto/wire_check.h"

#define RECORD_SIZE_MAX 65536

static const struct pod_container *target(
	const struct pod *pod, const char *name, struct error *err)
{
	const K8sPodSpec *spec = view_spec(pod->object);
	const struct pod_container *c;

	if (!name[0] && spec->n_containers != 1) {
		error_set(err, ERR_INVALID, 0, "container: the pod has %zu; say which with -c",
			spec->n_containers);
		return NULL;
	}
	c = pod_container_find(pod, name[0] ? name : spec->containers[0]->name);
	if (!c)
		error_set(err, ERR_NOT_FOUND, 0, "container: the pod has no '%.63s'", name);
	return c;
}

static int record_read(const struct pod *pod, const struct pod_container *c, ProtobufCMessage **ret,
	struct error *err)
{
	char path[POD_PATH_SIZE];
	cleanup_free char *data = NULL;
	size_t size;

	if (!view_records_profile(pod->object))
		return error_set(err, ERR_PRECONDITION, 0,
			"the pod is not recorded: apply it with the annotation " VIEW_RECORD_PROFILE
			": \"true\"");
	snprintf(path, sizeof(path), "pods/%s/%s.profile", pod->subject.uid, c->spec->name);
	if (file_read_at(pod->pods->agent->state_dirfd, path, RECORD_SIZE_MAX, &data, &size, err) <
		0)
		return err->code == ERR_NOT_FOUND
			       ? error_set(err, ERR_PRECONDITION, 0,
					 "container '%s' has made no system call yet",
					 c->spec->name)
			       : -1;
	return message_unpack(
		&bulkhead__v1__profile_record__descriptor, (const uint8_t *)data, size, ret, err);
}

void method_pod_profile(struct agent *agent, struct call *call)
{
	const Bulkhead__V1__PodProfileRequest *r =
		(const Bulkhead__V1__PodProfileRequest *)call->message;
	struct pod *pod = pods_find(agent->pods, r->project, r->name);
	Bulkhead__V1__PodProfileResponse response = BULKHEAD__V1__POD_PROFILE_RESPONSE__INIT;
	const struct pod_container *c = NULL;
	ProtobufCMessage *record = NULL;
	struct error err = { 0 };

	if (!pod)
		error_set(&err, ERR_NOT_FOUND, 0, "pod '%.253s' is not there in project '%.63s'",
			r->name, r->project);
	else
		c = target(pod, r->container, &err);
	if (!c || record_read(pod, c, &record, &err) < 0) {
		call_fail(call, &err);
		return;
	}
	response.container = c->spec->name;
	response.record = (Bulkhead__V1__ProfileRecord *)record;
	call_reply(call, &response.base, true);
	protobuf_c_message_free_unpacked(record, NULL);
}
