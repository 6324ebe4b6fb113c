#include <string.h>

#include "auth/defaults.h"
#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "lib/cleanup.h"
#include "nodeagent/agent/plan_account.h"
#include "nodeagent/agent/plan_field.h"
#include "nodeagent/agent/plan_ids.h"
#include "nodeagent/agent/plan_text.h"
#include "nodeagent/agent/plan_volumes.h"

#define STAGE_DESC    (&bulkhead__v1__secrets_stage__descriptor)
#define IDENTITY_DESC (&bulkhead__v1__pod_identity__descriptor)
#define SOURCE_DESC   (&bulkhead__v1__secret_source__descriptor)
#define ITEM_DESC     (&bulkhead__v1__secret_item__descriptor)
#define TOKEN_DESC    (&bulkhead__v1__token_source__descriptor)
#define FILE_DESC     (&bulkhead__v1__plain_file__descriptor)

#define FILE_MODE     0644
#define TOKEN_MODE    0600
#define TOKEN_SECONDS 3600 /* what expirationSeconds is when it is not given */
#define CA_KEY        "ca.crt"

/* What all sources of one volume need to know. */
struct job {
	const struct plan_node *node;
	const struct plan_pod *pod;
	plan_find_secret find;
	void *user;
	Bulkhead__V1__SecretsStage *stage;
	size_t size; /* of what is copied into it */
};

/* Before it is copied: a source may be named again and again, and all go in one frame. */
static int spend(struct job *job, size_t size, struct error *err)
{
	job->size += size;
	if (job->size <= PLAN_STAGE_MAX)
		return 0;
	return error_set(err, ERR_EXHAUSTED, 0,
		"the volume's files are more than %u bytes together; use several volumes",
		PLAN_STAGE_MAX);
}

static const Bulkhead__V1__ClusterSecretKey *key_find(
	const Bulkhead__V1__ClusterSecret *secret, const char *name)
{
	for (size_t i = 0; i < secret->n_keys; i++) {
		if (strcmp(secret->keys[i]->name, name) == 0)
			return secret->keys[i];
	}
	return NULL;
}

static int secret_copy(const Bulkhead__V1__ClusterSecret *secret, Bulkhead__V1__ClusterSecret **ret,
	struct error *err)
{
	size_t size = bulkhead__v1__cluster_secret__get_packed_size(secret);
	cleanup_free uint8_t *bytes = malloc(size + 1);

	if (!bytes)
		return plan_no_memory(err);
	bulkhead__v1__cluster_secret__pack(secret, bytes);
	*ret = bulkhead__v1__cluster_secret__unpack(NULL, size, bytes);
	return *ret ? 0 : plan_no_memory(err);
}

static int item_add(Bulkhead__V1__SecretSource *source, const K8sKeyToPath *from, struct error *err)
{
	Bulkhead__V1__SecretItem *item =
		edit_append(&source->items, &source->n_items, ITEM_DESC, err);

	if (!item || edit_string(&item->key, plan_or_empty(from->key), err) < 0 ||
		edit_string(&item->path, plan_or_empty(from->path), err) < 0)
		return -1;
	item->mode = from->has_mode ? from->mode : -1;
	return 0;
}

/* 'n' keys by their paths, or all under their own names. */
static int secret_items(Bulkhead__V1__SecretSource *source, K8sKeyToPath *const *items, size_t n,
	bool optional, struct error *err)
{
	const Bulkhead__V1__ClusterSecret *secret = source->secret;

	for (size_t i = 0; i < n; i++) {
		if (!key_find(secret, plan_or_empty(items[i]->key))) {
			if (optional)
				continue;
			return error_set(err, ERR_NOT_FOUND, 0,
				"items[%zu].key: secret '%.253s' has no key '%.253s'", i,
				secret->name, plan_or_empty(items[i]->key));
		}
		if (item_add(source, items[i], err) < 0)
			return -1;
	}
	return 0;
}

static int secret_add(struct job *job, const char *name, K8sKeyToPath *const *items, size_t n,
	bool optional, struct error *err)
{
	const Bulkhead__V1__ClusterSecret *secret = job->find ? job->find(job->user, name) : NULL;
	Bulkhead__V1__SecretSource *source;
	bool any = n == 0;

	if (!secret && optional)
		return 0;
	if (!secret)
		return error_set(err, ERR_NOT_FOUND, 0, "project '%s' has no secret '%.253s'",
			job->pod->project.name, name);
	if (strcmp(secret->node, job->node->config->node_name) != 0)
		return error_set(err, ERR_PRECONDITION, 0,
			"secret '%.253s' is sealed to node '%.253s', not to this one; seal it "
			"again",
			name, secret->node);
	/* Without items a source means every key: one that lost them all must not. */
	for (size_t i = 0; i < n && optional; i++)
		any = any || key_find(secret, plan_or_empty(items[i]->key));
	if (optional && !any)
		return 0;
	source = edit_append(&job->stage->secrets, &job->stage->n_secrets, SOURCE_DESC, err);
	if (!source || spend(job, secret->sealed.len, err) < 0 ||
		secret_copy(secret, &source->secret, err) < 0)
		return -1;
	return secret_items(source, items, n, optional, err);
}

static int file_add(
	struct job *job, const char *path, int32_t mode, const char *content, struct error *err)
{
	Bulkhead__V1__PlainFile *file =
		edit_append(&job->stage->files, &job->stage->n_files, FILE_DESC, err);
	size_t size = strlen(content);

	if (!file || spend(job, size, err) < 0 || edit_string(&file->path, path, err) < 0)
		return -1;
	file->mode = mode;
	if (size == 0)
		return 0;
	file->content.data = malloc(size);
	if (!file->content.data)
		return plan_no_memory(err);
	memcpy(file->content.data, content, size);
	file->content.len = size;
	return 0;
}

static int downward_file(struct job *job, const K8sDownwardAPIVolumeFile *file, struct error *err)
{
	cleanup_free char *value = NULL;

	if (file->fieldref) {
		if (plan_field_get(job->node, job->pod, PLAN_FIELD_VOLUME,
			    plan_or_empty(file->fieldref->fieldpath), &value, err) < 0)
			return error_prefix(err, "fieldRef.fieldPath");
	} else if (file->resourcefieldref) {
		if (plan_resource_field_get(job->node, view_spec(job->pod->pod), NULL,
			    file->resourcefieldref, &value, err) < 0)
			return error_prefix(err, "resourceFieldRef");
	} else {
		return error_set(err, ERR_INVALID, 0, "set fieldRef or resourceFieldRef");
	}
	return file_add(job, plan_or_empty(file->path),
		file->has_mode ? file->mode : job->stage->default_mode, value, err);
}

static int downward_add(
	struct job *job, K8sDownwardAPIVolumeFile *const *items, size_t n, struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		if (downward_file(job, items[i], err) < 0)
			return error_prefix(err, "items[%zu]", i);
	}
	return 0;
}

/* The cluster's CA is the one config map there is. */
static int config_map_add(struct job *job, const K8sLocalObjectReference *reference,
	K8sKeyToPath *const *items, size_t n, bool optional, struct error *err)
{
	const char *name = reference ? plan_or_empty(reference->name) : "";
	const char *ca = plan_or_empty(job->node->ca_pem);

	if (strcmp(name, DEFAULTS_ROOT_CA) != 0) {
		if (optional)
			return 0;
		return error_set(err, ERR_UNSUPPORTED, 0,
			"config map '%.253s': only " DEFAULTS_ROOT_CA
			" is honoured by this version",
			name);
	}
	if (n == 0)
		return file_add(job, CA_KEY, job->stage->default_mode, ca, err);
	for (size_t i = 0; i < n; i++) {
		int32_t mode = items[i]->has_mode ? items[i]->mode : job->stage->default_mode;

		if (strcmp(plan_or_empty(items[i]->key), CA_KEY) != 0) {
			if (optional)
				continue;
			return error_set(err, ERR_NOT_FOUND, 0,
				"items[%zu].key: config map '%s' has no key '%.253s'", i, name,
				plan_or_empty(items[i]->key));
		}
		if (file_add(job, plan_or_empty(items[i]->path), mode, ca, err) < 0)
			return -1;
	}
	return 0;
}

static int token_add(
	struct job *job, const K8sServiceAccountTokenProjection *from, struct error *err)
{
	Bulkhead__V1__TokenSource *token =
		edit_append(&job->stage->tokens, &job->stage->n_tokens, TOKEN_DESC, err);
	const char *audience = plan_or_empty(from->audience);
	int64_t id;

	if (!token || edit_string(&token->path, plan_or_empty(from->path), err) < 0)
		return -1;
	token->expiration_seconds =
		from->has_expirationseconds ? from->expirationseconds : TOKEN_SECONDS;
	/* As upstream: its user's alone, where it is known who that is (plan_volume_own). */
	if (plan_token_user(view_spec(job->pod->pod), &id) || plan_fs_group(job->pod->pod, &id))
		token->mode = TOKEN_MODE;
	return edit_string(
		&token->audience, audience[0] ? audience : job->node->config->token_issuer, err);
}

static int projection_add(struct job *job, const K8sVolumeProjection *p, struct error *err)
{
	if (p->secret)
		return secret_add(job,
			p->secret->localobjectreference
				? plan_or_empty(p->secret->localobjectreference->name)
				: "",
			p->secret->items, p->secret->n_items, p->secret->optional, err);
	if (p->downwardapi)
		return downward_add(job, p->downwardapi->items, p->downwardapi->n_items, err);
	if (p->configmap)
		return config_map_add(job, p->configmap->localobjectreference, p->configmap->items,
			p->configmap->n_items, p->configmap->optional, err);
	if (p->serviceaccounttoken)
		return token_add(job, p->serviceaccounttoken, err);
	return error_set(err, ERR_UNSUPPORTED, 0,
		"this kind is not honoured by this version; use secret, downwardAPI, "
		"serviceAccountToken, or configMap " DEFAULTS_ROOT_CA);
}

static const char *projection_name(const K8sVolumeProjection *p)
{
	return p->secret                ? ".secret"
	       : p->downwardapi         ? ".downwardAPI"
	       : p->configmap           ? ".configMap"
	       : p->serviceaccounttoken ? ".serviceAccountToken"
					: "";
}

static int projected_add(struct job *job, const K8sProjectedVolumeSource *s, struct error *err)
{
	job->stage->default_mode = s->has_defaultmode ? s->defaultmode : FILE_MODE;
	for (size_t i = 0; i < s->n_sources; i++) {
		if (projection_add(job, s->sources[i], err) < 0)
			return error_prefix(
				err, "projected.sources[%zu]%s", i, projection_name(s->sources[i]));
	}
	return 0;
}

static int volume_add(struct job *job, const K8sVolumeSource *s, struct error *err)
{
	int n;

	if (s->projected)
		return projected_add(job, s->projected, err);
	if (s->secret) {
		job->stage->default_mode =
			s->secret->has_defaultmode ? s->secret->defaultmode : FILE_MODE;
		n = secret_add(job, plan_or_empty(s->secret->secretname), s->secret->items,
			s->secret->n_items, s->secret->optional, err);
		return n < 0 ? error_prefix(err, "secret") : 0;
	}
	if (s->downwardapi) {
		job->stage->default_mode =
			s->downwardapi->has_defaultmode ? s->downwardapi->defaultmode : FILE_MODE;
		n = downward_add(job, s->downwardapi->items, s->downwardapi->n_items, err);
		return n < 0 ? error_prefix(err, "downwardAPI") : 0;
	}
	job->stage->default_mode =
		s->configmap->has_defaultmode ? s->configmap->defaultmode : FILE_MODE;
	n = config_map_add(job, s->configmap->localobjectreference, s->configmap->items,
		s->configmap->n_items, s->configmap->optional, err);
	return n < 0 ? error_prefix(err, "configMap") : 0;
}

static int identity_fill(const struct job *job, struct error *err)
{
	const K8sObjectMeta *meta = job->pod->pod->metadata;
	const char *account = plan_or_empty(view_spec(job->pod->pod)->serviceaccountname);
	char uid[PLAN_ACCOUNT_UID_SIZE];
	Bulkhead__V1__PodIdentity *id;

	if (edit_message(&job->stage->identity, IDENTITY_DESC, err) < 0 ||
		plan_account_uid(job->pod->project.name, account, uid, err) < 0)
		return -1;
	id = job->stage->identity;
	if (edit_string(&id->project, job->pod->project.name, err) < 0 ||
		edit_string(&id->pod, plan_or_empty(meta->name), err) < 0 ||
		edit_string(&id->pod_uid, plan_or_empty(meta->uid), err) < 0 ||
		edit_string(&id->service_account, account, err) < 0 ||
		edit_string(&id->service_account_uid, uid, err) < 0 ||
		edit_string(&id->node, job->node->config->node_name, err) < 0)
		return -1;
	return edit_string(&id->node_uid, plan_or_empty(job->node->node_uid), err);
}

int plan_secrets(const struct plan_node *node, const struct plan_pod *pod, size_t i,
	plan_find_secret find, void *user, Bulkhead__V1__SecretsStage **ret, struct error *err)
{
	struct job job = { .node = node, .pod = pod, .find = find, .user = user };
	size_t index;
	const K8sVolume *volume = plan_secret_volume(view_spec(pod->pod), i, &index);

	if (!volume)
		return error_set(err, ERR_INTERNAL, 0, "the pod has no secret volume %zu", i);
	if (edit_message(&job.stage, STAGE_DESC, err) < 0)
		return -1;
	if (identity_fill(&job, err) < 0 ||
		edit_string(&job.stage->volume, plan_or_empty(volume->name), err) < 0 ||
		volume_add(&job, volume->volumesource, err) < 0) {
		bulkhead__v1__secrets_stage__free_unpacked(job.stage, NULL);
		return error_prefix(err, "spec.volumes[%zu]", index);
	}
	*ret = job.stage;
	return 0;
}
