#include "secrets/stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "secrets/envelope.h"
#include "secrets/secret_data.h"
#include "secrets/token.h"

#define SOURCE_SIZE 300 /* "secret '<253 characters>'" */

typedef Bulkhead__V1__SecretsStage Stage;
typedef Bulkhead__V1__SecretSource SecretSource;

/* One volume being put together. Owns plain text. */
struct work {
	const struct keystore *keys;
	const char *issuer;
	const Stage *message;
	int64_t now;
	int64_t refresh_at;
	struct deliver_file *files;
	size_t files_len;
	size_t files_room;
	K8sSecret **secrets; /* opened, as message->secrets */
	char (*sources)[SOURCE_SIZE];
	char **tokens; /* signed, as message->tokens */
};

static void work_done(struct work *w)
{
	for (size_t i = 0; w->secrets && i < w->message->n_secrets; i++)
		secret_data_free(w->secrets[i]);
	for (size_t i = 0; w->tokens && i < w->message->n_tokens; i++)
		envelope_wipe(w->tokens[i], w->tokens[i] ? strlen(w->tokens[i]) : 0);
	free(w->secrets);
	free(w->sources);
	free(w->tokens);
	free(w->files);
}
#define cleanup_work __attribute__((cleanup(work_done)))

static int work_init(struct work *w, struct error *err)
{
	const Stage *m = w->message;

	if (m->n_secrets > STAGE_SOURCES_MAX || m->n_tokens > STAGE_SOURCES_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"%zu secrets and %zu tokens, at most %d of each are allowed", m->n_secrets,
			m->n_tokens, STAGE_SOURCES_MAX);
	w->secrets = calloc(m->n_secrets + 1, sizeof(*w->secrets));
	w->sources = calloc(m->n_secrets + 1, sizeof(*w->sources));
	w->tokens = calloc(m->n_tokens + 1, sizeof(*w->tokens));
	if (!w->secrets || !w->sources || !w->tokens)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot stage");
	return 0;
}

/* 'mode' -1 is the volume's default. */
static int add_file(struct work *w, struct deliver_file file, int32_t mode, struct error *err)
{
	if (w->files_len == w->files_room) {
		size_t room = w->files_room ? w->files_room * 2 : 16;
		struct deliver_file *more = reallocarray(w->files, room, sizeof(*more));

		if (!more)
			return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot stage");
		w->files = more;
		w->files_room = room;
	}
	/* What is negative here is far over deliver.h's limit as a mode_t. */
	file.mode = (mode_t)(mode == -1 ? w->message->default_mode : mode);
	w->files[w->files_len++] = file;
	return 0;
}

/* ---- secrets ------------------------------------------------------------------------------- */

static int check_owner(
	const struct work *w, const Bulkhead__V1__ClusterSecret *secret, struct error *err)
{
	const char *project = w->message->identity->project;

	if (strcmp(secret->project, project) != 0)
		return error_set(err, ERR_DENIED, 0,
			"secret '%s' belongs to project '%s', the pod to '%s'", secret->name,
			secret->project, project);
	if (strcmp(secret->node, w->keys->node) != 0)
		return error_set(err, ERR_DENIED, 0,
			"secret '%s' is sealed to node '%s', this is '%s'", secret->name,
			secret->node, w->keys->node);
	return 0;
}

static int open_secret(struct work *w, const Bulkhead__V1__ClusterSecret *secret, K8sSecret **ret,
	struct error *err)
{
	const struct envelope_context ctx = {
		.project = w->message->identity->project,
		.name = secret->name,
		.node = w->keys->node,
	};
	uint8_t *plain;
	size_t size;
	int r;

	if (check_owner(w, secret, err) < 0 ||
		envelope_open(w->keys->sealing_private, &ctx, secret->sealed.data,
			secret->sealed.len, &plain, &size, err) < 0)
		return -1;
	r = secret_data_unpack(plain, size, ret, err);
	envelope_wipe(plain, size);
	return r < 0 ? error_prefix(err, "secret '%s'", secret->name) : 0;
}

static int add_item(struct work *w, const K8sSecret *opened, const char *source,
	const Bulkhead__V1__SecretItem *item, struct error *err)
{
	const ProtobufCBinaryData *value = secret_data_find(opened, item->key);

	if (!value)
		return error_set(
			err, ERR_NOT_FOUND, 0, "%s has no key '%.253s'", source, item->key);
	return add_file(w,
		(struct deliver_file){ .path = item->path,
			.data = value->data,
			.size = value->len,
			.source = source },
		item->mode, err);
}

static int add_secret(struct work *w, size_t i, struct error *err)
{
	const SecretSource *source = w->message->secrets[i];
	const K8sSecret *opened;

	if (!source->secret)
		return error_set(err, ERR_INVALID, 0, "secrets[%zu].secret: is missing", i);
	if (open_secret(w, source->secret, &w->secrets[i], err) < 0)
		return -1;
	opened = w->secrets[i];
	snprintf(w->sources[i], SOURCE_SIZE, "secret '%.253s'", source->secret->name);
	for (size_t j = 0; j < source->n_items; j++) {
		if (add_item(w, opened, w->sources[i], source->items[j], err) < 0)
			return -1;
	}
	for (size_t j = 0; source->n_items == 0 && j < opened->n_data; j++) {
		const ProtobufCBinaryData *value = &opened->data[j]->value;
		const struct deliver_file file = { .path = opened->data[j]->key,
			.data = value->data,
			.size = value->len,
			.source = w->sources[i] };

		if (add_file(w, file, -1, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- tokens and files ---------------------------------------------------------------------- */

static int add_token(struct work *w, size_t i, struct error *err)
{
	const Bulkhead__V1__TokenSource *source = w->message->tokens[i];
	int64_t refresh_at;

	if (token_make(w->keys->token, w->issuer, source, w->message->identity, w->now,
		    &w->tokens[i], &refresh_at, err) < 0)
		return error_prefix(err, "token '%.256s'", source->path);
	if (!w->refresh_at || refresh_at < w->refresh_at)
		w->refresh_at = refresh_at;
	return add_file(w,
		(struct deliver_file){ .path = source->path,
			.data = w->tokens[i],
			.size = strlen(w->tokens[i]),
			.source = "a service account token" },
		source->mode ? source->mode : -1, err);
}

static int add_plain(struct work *w, size_t i, struct error *err)
{
	const Bulkhead__V1__PlainFile *file = w->message->files[i];

	return add_file(w,
		(struct deliver_file){ .path = file->path,
			.data = file->content.data,
			.size = file->content.len,
			.source = "a projected file" },
		file->mode, err);
}

static int check_identity(const struct work *w, struct error *err)
{
	const Bulkhead__V1__PodIdentity *identity = w->message->identity;

	if (!identity || !identity->project[0])
		return error_set(err, ERR_INVALID, 0, "identity.project: is missing");
	if (strcmp(identity->node, w->keys->node) != 0)
		return error_set(err, ERR_DENIED, 0, "identity.node: '%s' is not this node, '%s'",
			identity->node, w->keys->node);
	return 0;
}

static int gather(struct work *w, struct error *err)
{
	const Stage *m = w->message;

	if (check_identity(w, err) < 0 || work_init(w, err) < 0)
		return -1;
	for (size_t i = 0; i < m->n_secrets; i++) {
		if (add_secret(w, i, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < m->n_tokens; i++) {
		if (add_token(w, i, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < m->n_files; i++) {
		if (add_plain(w, i, err) < 0)
			return -1;
	}
	return deliver_check(w->files, w->files_len, err);
}

int stage_volume(const struct keystore *keys, const char *issuer, const Stage *message, int dirfd,
	int64_t now, struct staged *ret, struct error *err)
{
	cleanup_work struct work w = {
		.keys = keys,
		.issuer = issuer,
		.message = message,
		.now = now,
	};
	char directory[DELIVER_NAME_SIZE];

	if (gather(&w, err) < 0 ||
		deliver_stage(dirfd, w.files, w.files_len, now, directory, err) < 0)
		return error_prefix(err, "volume '%.253s'", message->volume);
	memcpy(ret->directory, directory, sizeof(directory));
	ret->refresh_at = w.refresh_at;
	return 0;
}
