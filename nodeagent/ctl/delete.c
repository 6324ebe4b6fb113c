#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bulkhead/v1/node.pb-c.h"
#include "lib/fdio.h"
#include "nodeagent/ctl/ctl.h"

static K8sPod *first_pod(const Bulkhead__V1__ListPodsResponse *list)
{
	return list->n_pods ? list->pods[0] : NULL;
}

static int event_gone(const Bulkhead__V1__PodEvent *event, const char *name, const char *uid)
{
	const K8sObjectMeta *meta = event->pod ? event->pod->metadata : NULL;

	if (strcmp(event->type, "DELETED") != 0 || !meta || !meta->name ||
		strcmp(meta->name, name) != 0)
		return 0;
	return !uid || !meta->uid || strcmp(meta->uid, uid) == 0;
}

/* 1 the pod is there (with that uid), 0 it is not, -1 error. */
static int pod_is_there(
	struct ctl *ctl, const char *project, const char *name, const char *uid, struct error *err)
{
	Bulkhead__V1__ListPodsRequest request = BULKHEAD__V1__LIST_PODS_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;
	const K8sPod *pod;

	request.project = (char *)(uintptr_t)project;
	request.name = (char *)(uintptr_t)name;
	if (ctl_call(ctl, "ListPods", &request.base, &response, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	pod = first_pod((Bulkhead__V1__ListPodsResponse *)response);
	return pod && (!uid || !pod->metadata->uid || strcmp(pod->metadata->uid, uid) == 0);
}

int ctl_deadline_ms(uint64_t ms)
{
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

int ctl_wait_gone(struct ctl *ctl, const char *project, const char *name, const char *uid,
	int64_t timeout_s, struct error *err)
{
	uint64_t end = monotonic_usec() + (uint64_t)(timeout_s < 0 ? 0 : timeout_s) * 1000000;
	Bulkhead__V1__ListPodsRequest request = BULKHEAD__V1__LIST_PODS_REQUEST__INIT;

	request.project = (char *)(uintptr_t)project;
	for (;;) {
		struct client_call *call;
		ProtobufCMessage *message;
		uint64_t now = monotonic_usec();
		int there;
		int n = 0;

		if (timeout_s >= 0 && now >= end)
			return error_set(err, ERR_TIMEOUT, 0,
				"pod '%s' is still there after %lld s", name, (long long)timeout_s);
		if (client_call_start(&call, ctl->client, "WatchPods", &request.base,
			    timeout_s < 0 ? CLIENT_NO_DEADLINE
					  : ctl_deadline_ms((end - now) / 1000 + 1),
			    err) < 0)
			return -1;
		/* The watch stands, so an end that comes after this look is seen by it. */
		there = pod_is_there(ctl, project, name, uid, err);
		while (there == 1 && (n = client_call_next(call, &message, err)) == 1) {
			if (event_gone((Bulkhead__V1__PodEvent *)message, name, uid))
				there = 0;
			ctl_free(message);
		}
		client_call_free(call);
		if (there <= 0)
			return there;
		/* An end and a deadline are met by another look; a refusal would come again. */
		if (n < 0 && err->code != ERR_UNAVAILABLE && err->code != ERR_TIMEOUT)
			return -1;
	}
}

/* Pods whose end is still to be awaited: all are asked to end before the first is waited for. */
struct ending_pod {
	char *project;
	char *name;
};

struct ending {
	struct ending_pod *pods;
	size_t len;
	size_t cap;
};

static void ending_done(struct ending *e)
{
	for (size_t i = 0; i < e->len; i++) {
		free(e->pods[i].project);
		free(e->pods[i].name);
	}
	free(e->pods);
}

static int ending_add(struct ending *e, const char *project, const char *name, struct error *err)
{
	struct ending_pod *pod;

	if (e->len == e->cap) {
		size_t cap = e->cap ? e->cap * 2 : 16;
		struct ending_pod *pods = reallocarray(e->pods, cap, sizeof(*pods));

		if (!pods)
			return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot wait for a pod");
		e->pods = pods;
		e->cap = cap;
	}
	pod = &e->pods[e->len++];
	*pod = (struct ending_pod){ strdup(project), strdup(name) };
	if (!pod->project || !pod->name)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot wait for a pod");
	return 0;
}

static int ending_wait(struct ctl *ctl, const struct ending *e, struct error *err)
{
	const int64_t timeout = ctl->args->timeout;
	uint64_t start = monotonic_usec();

	for (size_t i = 0; i < e->len && !ctl->args->no_wait; i++) {
		const struct ending_pod *pod = &e->pods[i];
		int64_t spent = (int64_t)((monotonic_usec() - start) / 1000000);
		int64_t left = timeout < 0 ? -1 : timeout > spent ? timeout - spent : 0;

		if (ctl_wait_gone(ctl, pod->project, pod->name, NULL, left, err) < 0)
			return -1;
	}
	return 0;
}

static int64_t grace_of(const struct args *args)
{
	return args->now ? 1 : args->force ? 0 : args->grace_period;
}

static int delete_pod(
	struct ctl *ctl, struct ending *e, const char *project, const char *name, struct error *err)
{
	Bulkhead__V1__DeletePodRequest request = BULKHEAD__V1__DELETE_POD_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;

	request.project = (char *)(uintptr_t)project;
	request.name = (char *)(uintptr_t)name;
	request.grace_period_seconds = grace_of(ctl->args);
	if (ctl_call(ctl, "DeletePod", &request.base, &response, err) < 0)
		return -1;
	printf("pod \"%s\" deleted\n", name);
	fflush(stdout);
	return ending_add(e, project, name, err);
}

static int delete_project(struct ctl *ctl, const char *name, struct error *err)
{
	Bulkhead__V1__DeleteProjectRequest request = BULKHEAD__V1__DELETE_PROJECT_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;

	request.name = (char *)(uintptr_t)name;
	if (ctl_call(ctl, "DeleteProject", &request.base, &response, err) < 0)
		return -1;
	printf("project \"%s\" deleted\n", name);
	return 0;
}

static int delete_secret(struct ctl *ctl, const char *name, struct error *err)
{
	Bulkhead__V1__DeleteSecretRequest request = BULKHEAD__V1__DELETE_SECRET_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;

	request.project = (char *)(uintptr_t)ctl_project(ctl);
	request.name = (char *)(uintptr_t)name;
	if (ctl_call(ctl, "DeleteSecret", &request.base, &response, err) < 0)
		return -1;
	printf("secret \"%s\" deleted\n", name);
	return 0;
}

static int delete_image(struct ctl *ctl, const char *name, struct error *err)
{
	Bulkhead__V1__RemoveImageRequest request = BULKHEAD__V1__REMOVE_IMAGE_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;

	request.name = (char *)(uintptr_t)name;
	if (ctl_call(ctl, "RemoveImage", &request.base, &response, err) < 0)
		return -1;
	printf("image \"%s\" deleted\n", name);
	return 0;
}

/* Its machine is not asked: it may be gone for ever. */
static int delete_node(struct ctl *ctl, const char *name, struct error *err)
{
	Bulkhead__V1__DeleteNodeRequest request = BULKHEAD__V1__DELETE_NODE_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;

	request.name = (char *)(uintptr_t)name;
	if (ctl_call(ctl, "DeleteNode", &request.base, &response, err) < 0)
		return -1;
	printf("node \"%s\" deleted\n", name);
	return 0;
}

static int delete_one(
	struct ctl *ctl, struct ending *e, enum ctl_kind kind, const char *name, struct error *err)
{
	int status = -1;

	switch (kind) {
	case CTL_PODS:
		status = delete_pod(ctl, e, ctl_project(ctl), name, err);
		break;
	case CTL_PROJECTS:
		status = delete_project(ctl, name, err);
		break;
	case CTL_SECRETS:
		status = delete_secret(ctl, name, err);
		break;
	case CTL_POLICIES:
		status = ctl_policy_delete(ctl, ctl_project(ctl), name, err);
		break;
	case CTL_EGRESS:
		status = ctl_egress_delete(ctl, ctl_project(ctl), name, err);
		break;
	case CTL_QUOTAS:
		status = ctl_quota_delete(ctl, name, err);
		break;
	case CTL_IMAGES:
		status = delete_image(ctl, name, err);
		break;
	case CTL_NODES:
		status = delete_node(ctl, name, err);
		break;
	}
	if (status < 0 && err->code == ERR_NOT_FOUND && ctl->args->ignore_not_found)
		return 0;
	return status;
}

static int delete_from_file(struct ctl *ctl, K8sPod *pod, void *user, struct error *err)
{
	const K8sObjectMeta *meta = pod->metadata;
	const char *project;

	if (!meta || !meta->name)
		return error_set(err, ERR_INVALID, 0, "metadata.name: required to delete");
	project = meta->namespace_ ? meta->namespace_ : ctl_project(ctl);
	if (delete_pod(ctl, user, project, meta->name, err) < 0) {
		if (err->code == ERR_NOT_FOUND && ctl->args->ignore_not_found)
			return 0;
		return -1;
	}
	return 0;
}

static int delete_policy_from_file(
	struct ctl *ctl, K8sNetworkPolicy *policy, void *user, struct error *err)
{
	const K8sObjectMeta *meta = policy->metadata;
	int r;

	(void)user;
	if (!meta || !meta->name)
		return error_set(err, ERR_INVALID, 0, "metadata.name: required to delete");
	r = ctl_policy_delete(
		ctl, meta->namespace_ ? meta->namespace_ : ctl_project(ctl), meta->name, err);
	return r < 0 && err->code == ERR_NOT_FOUND && ctl->args->ignore_not_found ? 0 : r;
}

static int delete_egress_from_file(
	struct ctl *ctl, Bulkhead__V1__EgressNetworkPolicy *policy, void *user, struct error *err)
{
	const K8sObjectMeta *meta = policy->metadata;
	int r;

	(void)user;
	if (!meta || !meta->name)
		return error_set(err, ERR_INVALID, 0, "metadata.name: required to delete");
	r = ctl_egress_delete(
		ctl, meta->namespace_ ? meta->namespace_ : ctl_project(ctl), meta->name, err);
	return r < 0 && err->code == ERR_NOT_FOUND && ctl->args->ignore_not_found ? 0 : r;
}

static int delete_all_pods(struct ctl *ctl, struct ending *e, struct error *err)
{
	Bulkhead__V1__ListPodsRequest request = BULKHEAD__V1__LIST_PODS_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;
	const Bulkhead__V1__ListPodsResponse *list;

	request.project = (char *)(uintptr_t)ctl_project(ctl);
	if (ctl_call(ctl, "ListPods", &request.base, &response, err) < 0)
		return -1;
	list = (Bulkhead__V1__ListPodsResponse *)response;
	for (size_t i = 0; i < list->n_pods; i++) {
		if (delete_one(ctl, e, CTL_PODS, list->pods[i]->metadata->name, err) < 0)
			return -1;
	}
	return 0;
}

static int delete_all_secrets(struct ctl *ctl, struct error *err)
{
	Bulkhead__V1__ListSecretsRequest request = BULKHEAD__V1__LIST_SECRETS_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;
	const Bulkhead__V1__ListSecretsResponse *list;

	request.project = (char *)(uintptr_t)ctl_project(ctl);
	if (ctl_call(ctl, "ListSecrets", &request.base, &response, err) < 0)
		return -1;
	list = (Bulkhead__V1__ListSecretsResponse *)response;
	for (size_t i = 0; i < list->n_secrets; i++) {
		if (delete_secret(ctl, list->secrets[i]->name, err) < 0)
			return -1;
	}
	return 0;
}

/* --all is of one project: what belongs to none is deleted by name. */
static int delete_all(struct ctl *ctl, struct ending *e, enum ctl_kind kind, struct error *err)
{
	if (kind == CTL_PODS)
		return delete_all_pods(ctl, e, err);
	if (kind == CTL_SECRETS)
		return delete_all_secrets(ctl, err);
	return error_set(err, ERR_UNSUPPORTED, 0, "--all is for pods and secrets, not for '%s'",
		ctl->args->words[1]);
}

static int delete_words(struct ctl *ctl, struct ending *e, struct error *err)
{
	const struct args *args = ctl->args;
	struct ctl_names names;

	if (args->words_len < 2)
		return error_set(
			err, ERR_INVALID, 0, "delete what? 'bulkhead delete pod NAME' or -f FILE");
	if (ctl_names(args, &names, err) < 0)
		return -1;
	if (args->all_of_kind && names.len)
		return error_set(err, ERR_INVALID, 0, "--all and a name: give one of them");
	if (args->all_of_kind)
		return delete_all(ctl, e, names.kind, err);
	if (names.len == 0)
		return error_set(
			err, ERR_INVALID, 0, "delete which %s? give its name", args->words[1]);
	for (size_t i = 0; i < names.len; i++) {
		if (delete_one(ctl, e, names.kind, names.items[i], err) < 0)
			return -1;
	}
	return 0;
}

int ctl_delete(struct ctl *ctl, struct error *err)
{
	static const struct ctl_each each = { delete_from_file, delete_policy_from_file,
		delete_egress_from_file };
	const struct args *args = ctl->args;
	struct ending e = { 0 };
	int r;

	if (args->files.len && (args->words_len > 1 || args->all_of_kind))
		return error_set(
			err, ERR_INVALID, 0, "-f says what to delete: no kind, name or --all");
	if (args->now + args->force + (args->grace_period > 0) > 1)
		return error_set(err, ERR_INVALID, 0,
			"--now, --force and --grace-period contradict: give one of them");
	if (ctl_connect(ctl, err) < 0)
		return -1;
	r = args->files.len ? ctl_each_object(ctl, &each, &e, err) : delete_words(ctl, &e, err);
	if (r == 0)
		r = ending_wait(ctl, &e, err);
	ending_done(&e);
	return r;
}
