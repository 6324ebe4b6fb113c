#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bulkhead/v1/node.pb-c.h"
#include "lib/cleanup.h"
#include "nodeagent/ctl/ctl.h"
#include "nodeagent/ctl/print.h"
#include "proto/encode.h"

int ctl_settle_project(struct ctl *ctl, K8sObjectMeta *meta, struct error *err)
{
	if (!meta)
		return error_set(
			err, ERR_INVALID, 0, "metadata: required; give at least metadata.name");
	if (meta->namespace_ && ctl->args->project &&
		strcmp(meta->namespace_, ctl->args->project) != 0)
		return error_set(err, ERR_INVALID, 0,
			"metadata.namespace is '%s' but -n says '%s'; drop one of them",
			meta->namespace_, ctl->args->project);
	if (meta->namespace_)
		return 0;
	meta->namespace_ = strdup(ctl_project(ctl));
	return meta->namespace_ ? 0 : error_set(err, ERR_EXHAUSTED, 0, "out of memory");
}

static int print_applied(
	const struct args *args, const Bulkhead__V1__ApplyPodResponse *r, struct error *err)
{
	cleanup_free char *text = NULL;
	const K8sPod *pod = r->pod;

	for (size_t i = 0; i < r->n_warnings; i++) {
		fputs("warning: ", stderr);
		print_text(stderr, r->warnings[i]);
		fputc('\n', stderr);
	}
	if (!args->output) {
		printf("pod/%s %s%s\n", pod->metadata->name, r->result,
			args->dry_run ? " (server dry run)" : "");
		return 0;
	}
	if (strcmp(args->output, "name") == 0) {
		printf("pod/%s\n", pod->metadata->name);
		return 0;
	}
	if (strcmp(args->output, "json") == 0) {
		if (encode_json(&pod->base, "v1", "Pod", true, &text, err) < 0)
			return -1;
	} else if (encode_yaml(&pod->base, "v1", "Pod", &text, err) < 0) {
		return -1;
	}
	fputs(text, stdout);
	return 0;
}

static int apply_pod(struct ctl *ctl, K8sPod *pod, void *user, struct error *err)
{
	Bulkhead__V1__ApplyPodRequest request = BULKHEAD__V1__APPLY_POD_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;

	(void)user;
	if (ctl_connect(ctl, err) < 0 || ctl_settle_project(ctl, pod->metadata, err) < 0)
		return -1;
	request.pod = pod;
	request.dry_run = ctl->args->dry_run != NULL;
	if (ctl_call(ctl, "ApplyPod", &request.base, &response, err) < 0)
		return error_prefix(
			err, "pod '%s'", pod->metadata->name ? pod->metadata->name : "");
	return print_applied(ctl->args, (Bulkhead__V1__ApplyPodResponse *)response, err);
}

int ctl_apply(struct ctl *ctl, struct error *err)
{
	static const struct ctl_each each = { apply_pod, ctl_policy_apply, ctl_egress_apply };

	if (ctl->args->dry_run && strcmp(ctl->args->dry_run, "server") != 0)
		return error_set(err, ERR_INVALID, 0,
			"--dry-run takes 'server'; to judge a manifest without a node use "
			"'bulkhead explain'");
	if (ctl->args->output && strcmp(ctl->args->output, "wide") == 0)
		return error_set(err, ERR_INVALID, 0, "apply's -o takes json, yaml or name");
	if (print_check_output(ctl->args->output, err) < 0)
		return -1;
	return ctl_each_object(ctl, &each, NULL, err);
}
