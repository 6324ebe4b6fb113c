#include "nodeagent/agent/admission.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "auth/defaults.h"
#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "auth/scc.h"
#include "auth/validate.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/cluster.h"
#include "nodeagent/agent/message_diff.h"
#include "nodeagent/agent/pod_store.h"
#include "nodeagent/agent/userns.h"

#define PATH_SIZE 64

static void file_free(Bulkhead__V1__PodFile **file)
{
	if (*file)
		bulkhead__v1__pod_file__free_unpacked(*file, NULL);
}

#define cleanup_file_message __attribute__((cleanup(file_free)))

/* ---- what is random ------------------------------------------------------------------------ */

static int random_bytes(uint8_t *ret, size_t size, struct error *err)
{
	if (getrandom(ret, size, 0) != (ssize_t)size)
		return error_set(err, ERR_INTERNAL, errno, "no random numbers");
	return 0;
}

int admission_suffix(char ret[6], struct error *err)
{
	static const char chars[] = DEFAULTS_SUFFIX_CHARS;
	uint8_t bytes[DEFAULTS_SUFFIX_LEN];

	if (random_bytes(bytes, sizeof(bytes), err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(bytes); i++)
		ret[i] = chars[bytes[i] % (sizeof(chars) - 1)];
	ret[DEFAULTS_SUFFIX_LEN] = '\0';
	return 0;
}

/* RFC 9562 section 5.4: version 4. */
int admission_uid(char ret[37], struct error *err)
{
	uint8_t b[16];

	if (random_bytes(b, sizeof(b), err) < 0)
		return -1;
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(ret, POD_UID_SIZE,
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		b[15]);
	return 0;
}

/* ---- the steps ----------------------------------------------------------------------------- */

static int project_find(const struct admission *a, const K8sPod *asked, Bulkhead__V1__PodFile *file,
	struct project_facts *ret, struct error *err)
{
	const char *name = asked->metadata ? asked->metadata->namespace_ : NULL;
	const Bulkhead__V1__ClusterProject *row;

	if (!name || !*name)
		return error_set(err, ERR_INVALID, 0,
			"metadata.namespace: required; it names the pod's project");
	if (!cluster_known(a->agent->cluster))
		return error_set(err, ERR_UNAVAILABLE, 0,
			"the cluster database was not read yet; try again");
	row = cluster_project(a->agent->cluster, name);
	if (!row)
		return error_set(err, ERR_NOT_FOUND, 0,
			"metadata.namespace: project '%.63s' does not exist; create it with "
			"'bulkhead create project'",
			name);
	if (project_facts_parse(row->name, row->uid_range, row->mcs, ret, err) < 0 ||
		project_numbers_check(ret, row->vnid, err) < 0 ||
		edit_string(&file->uid_range, row->uid_range, err) < 0 ||
		edit_string(&file->mcs, row->mcs, err) < 0)
		return error_prefix(err, "project '%s'", row->name);
	return 0;
}

static int validate(const K8sPod *pod, struct error *err)
{
	cleanup_violations struct violations found = { 0 };

	if (pod_validate(pod, &found, err) < 0 || violations_end(&found, err) < 0)
		return -1;
	return violations_error(&found, "invalid", err);
}

/* 'asked' is what the author wrote; 'pod' has what the constraint added, too. */
static int honoured(
	const struct admission *a, const K8sPod *asked, const K8sPod *pod, struct error *err)
{
	cleanup_violations struct violations found = { 0 };

	if (pod_honoured(pod, a->agent->config->node_name, &found, err) < 0 ||
		violations_end(&found, err) < 0)
		return -1;
	if (!a->facts->node.selinux && pod_honoured_without_selinux(asked, &found, err) < 0)
		return -1;
	return violations_error(&found, "not honoured by this node", err);
}

static int constrain(const struct admission *a, const struct project_facts *project, K8sPod *pod,
	struct error *err)
{
	struct scc_subject account = { 0 };
	struct scc_subject user = { 0 };
	struct scc_result result;
	int n = -1;

	if (scc_subject_service_account(
		    &account, project->name, pod->spec->serviceaccountname, err) == 0 &&
		rbac_scc_subject(a->principal, &user, err) == 0)
		n = scc_admit(&account, &user, project, pod, &result, NULL, err);
	scc_subject_done(&account);
	scc_subject_done(&user);
	return n;
}

static int complete(const struct admission *a, K8sPod *pod, struct error *err)
{
	K8sObjectMeta *meta = pod->metadata;

	if (edit_string(&meta->uid, a->uid, err) < 0 ||
		edit_string(&pod->spec->nodename, a->agent->config->node_name, err) < 0 ||
		edit_message(&meta->creationtimestamp,
			&k8s__io__apimachinery__pkg__apis__meta__v1__time__descriptor, err) < 0)
		return -1;
	meta->creationtimestamp->has_seconds = true;
	meta->creationtimestamp->seconds = (int64_t)(realtime_usec() / 1000000);
	return 0;
}

/* The image of one container, and that a plan can be made of it. */
static int image_check(const struct admission *a, const struct plan_pod *plan,
	const K8sContainer *container, bool init, Bulkhead__V1__PodFile *file, struct error *err)
{
	Bulkhead__V1__ContainerPlan *message = NULL;
	struct image *image = NULL;
	int n;

	if (image_store_find(a->agent->images, container->image, &image, err) < 0)
		return error_prefix(err, "image");
	n = edit_append_string(&file->images, &file->n_images, image->digest, err);
	if (n == 0)
		n = plan_container(&a->facts->node, plan, container, init, 0, image, &message, err);
	image_free(image);
	if (n < 0)
		return -1;
	bulkhead__v1__container_plan__free_unpacked(message, NULL);
	return 0;
}

/* Errors of a plan name their field already, those of an image only "image". */
static int field_prefix(struct error *err, const char *kind, size_t i)
{
	return strncmp(err->text, "spec.", 5) == 0 ? -1
						   : error_prefix(err, "spec.%s[%zu]", kind, i);
}

static int images_check(const struct admission *a, const struct plan_pod *plan,
	Bulkhead__V1__PodFile *file, struct error *err)
{
	const K8sPodSpec *spec = file->pod->spec;

	for (size_t i = 0; i < spec->n_initcontainers; i++) {
		if (image_check(a, plan, spec->initcontainers[i], true, file, err) < 0)
			return field_prefix(err, "initContainers", i);
	}
	for (size_t i = 0; i < spec->n_containers; i++) {
		if (image_check(a, plan, spec->containers[i], false, file, err) < 0)
			return field_prefix(err, "containers", i);
	}
	return 0;
}

struct secrets {
	const struct cluster *cluster;
	const char *project;
};

static const Bulkhead__V1__ClusterSecret *secret_find(void *user, const char *name)
{
	const struct secrets *secrets = user;

	return cluster_secret(secrets->cluster, secrets->project, name);
}

/* All plans are made once, so that what cannot be run is refused and not accepted to fail. */
static int plan_check(const struct admission *a, const struct project_facts *project,
	Bulkhead__V1__PodFile *file, struct error *err)
{
	struct secrets secrets = { a->agent->cluster, project->name };
	const K8sPodSpec *spec = file->pod->spec;
	struct plan_pod plan = {
		.pod = file->pod,
		.project = *project,
		/* Any slice: which one it gets is settled later. */
		.slice =
			spec->has_hostusers && spec->hostusers ? 0 : a->agent->config->userns_start,
		.address = "",
	};
	Bulkhead__V1__SandboxPlan *sandbox = NULL;

	if (images_check(a, &plan, file, err) < 0)
		return -1;
	if (plan_sandbox(&a->facts->node, &plan, secret_find, &secrets, &sandbox, err) < 0)
		return -1;
	bulkhead__v1__sandbox_plan__free_unpacked(sandbox, NULL);
	return 0;
}

static int judge(const struct admission *a, Bulkhead__V1__PodFile *file,
	const struct project_facts *project, struct error *err)
{
	K8sPod *pod = file->pod;

	/* Validation first: what follows may rely on a pod that Kubernetes would take. */
	if (validate(pod, err) < 0 || constrain(a, project, pod, err) < 0 ||
		honoured(a, file->asked, pod, err) < 0 || complete(a, pod, err) < 0)
		return -1;
	return plan_check(a, project, file, err);
}

int admission_judge(const struct admission *a, const K8sPod *asked, Bulkhead__V1__PodFile **ret,
	struct error *err)
{
	cleanup_file_message Bulkhead__V1__PodFile *file = calloc(1, sizeof(*file));
	struct project_facts project;

	if (!file)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot admit a pod");
	bulkhead__v1__pod_file__init(file);
	if (project_find(a, asked, file, &project, err) < 0)
		return -1;
	file->asked = edit_copy(asked, err);
	if (!file->asked || pod_default(file->asked, project.name, a->suffix, err) < 0 ||
		edit_string(&file->suffix, a->suffix, err) < 0)
		return -1;
	file->pod = edit_copy(file->asked, err);
	if (!file->pod || judge(a, file, &project, err) < 0)
		return -1;
	*ret = take_ptr(file);
	return 0;
}

int admission_compare(const Bulkhead__V1__PodFile *file, const K8sPod *asked, struct error *err)
{
	K8sPod *again = edit_copy(asked, err);
	char path[MESSAGE_DIFF_SIZE];
	bool same;

	if (!again)
		return -1;
	if (pod_default(again, asked->metadata->namespace_, file->suffix, err) < 0) {
		k8s_pod_free(again);
		return -1;
	}
	same = message_same(&file->asked->base, &again->base, path);
	k8s_pod_free(again);
	if (same)
		return 0;
	return error_set(err, ERR_PRECONDITION, 0,
		"%s: differs from the pod of that name that is there, and a pod is not changed in "
		"place; delete it first, or use another name",
		path);
}
