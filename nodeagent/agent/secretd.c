#include "nodeagent/agent/secretd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/daemon.h"
#include "nodeagent/agent/node.h"
#include "nodeagent/agent/pending.h"
#include "secrets/sealing_key.h"

#define REFRESH_MAX (INT64_MAX / 1000000) /* seconds that can be counted in microseconds */

struct secretd {
	struct agent *agent;
	struct daemon *daemon;
	Bulkhead__V1__SecretsHello *hello;
	struct pending_list requests;
};

struct request {
	struct pending pending; /* first: the list frees it */
	enum ipc_type answer;   /* the only one that answers it */
	secretd_done_fn done;
};

static int on_hello(struct secretd *secretd, const struct ipc_frame *frame,
	const Bulkhead__V1__SecretsHello *hello, struct error *err)
{
	Bulkhead__V1__SecretsHello *copy;

	if (hello->sealing_key.len != HPKE_KEY_SIZE || !hello->key_id[0] ||
		hello->sealing_key_signature.len > SEALING_KEY_SIGNATURE_MAX)
		return error_set(err, ERR_INVALID, 0, "SECRETS_HELLO without its keys");
	copy = bulkhead__v1__secrets_hello__unpack(NULL, frame->size, frame->data);
	if (!copy)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for public keys");
	if (secretd->hello)
		bulkhead__v1__secrets_hello__free_unpacked(secretd->hello, NULL);
	secretd->hello = copy;
	node_kick(secretd->agent->node);
	return 0;
}

/* An answer to something else than was asked is none: secretd is not trusted to match them. */
static int answer(struct secretd *secretd, const struct ipc_frame *frame,
	const Bulkhead__V1__Error *error, const char *directory, int64_t refresh_at,
	struct error *err)
{
	struct request *request =
		(struct request *)pending_take(&secretd->requests, frame->reply_to);
	struct error why = { 0 };

	if (!request)
		return 0;
	if (request->answer != (enum ipc_type)frame->type) {
		pending_add(&secretd->requests, &request->pending);
		return error_set(err, ERR_INVALID, 0, "%s does not answer what was asked",
			ipc_table_name(frame->type));
	}
	if (ipc_error_unpack(error, &why) < 0)
		request->done(request->pending.user, NULL, 0, &why);
	else
		request->done(request->pending.user, directory, refresh_at, NULL);
	free(request);
	return 0;
}

static int on_staged(struct secretd *secretd, const struct ipc_frame *frame,
	const Bulkhead__V1__SecretsStaged *staged, struct error *err)
{
	if (staged->refresh_at < 0 || staged->refresh_at > REFRESH_MAX)
		return error_set(err, ERR_INVALID, 0, "SECRETS_STAGED with a time out of range");
	return answer(secretd, frame, staged->error, staged->directory, staged->refresh_at, err);
}

static int on_frame(
	void *user, struct ipc_frame *frame, const ProtobufCMessage *message, struct error *err)
{
	if (frame->type == IPC_SECRETS_HELLO)
		return on_hello(user, frame, (const Bulkhead__V1__SecretsHello *)message, err);
	if (frame->type == IPC_SECRETS_STAGED)
		return on_staged(user, frame, (const Bulkhead__V1__SecretsStaged *)message, err);
	return answer(user, frame, ((const Bulkhead__V1__SecretsPublished *)message)->error, NULL,
		0, err);
}

static void on_lost(void *user, const struct error *err)
{
	struct secretd *secretd = user;
	struct request *request;

	while ((request = (struct request *)pending_take_any(&secretd->requests))) {
		request->done(request->pending.user, NULL, 0, err);
		free(request);
	}
	node_kick(secretd->agent->node);
}

static const struct daemon_ops daemon_ops = { .frame = on_frame, .lost = on_lost };

static int start_daemon(struct secretd *secretd, struct error *err)
{
	const Bulkhead__V1__NodeConfig *node = secretd->agent->config;
	cleanup_free char *keys = NULL, *root = NULL;
	char uid[16];
	int made = asprintf(&keys, "%s/keys", node->state_dir) |
		   asprintf(&root, "%s/empty", node->run_dir);
	const char *args[] = { "--keys", keys, "--uid", uid, "--empty-root", root, "--issuer",
		node->token_issuer, NULL };
	const struct daemon_config config = {
		.event = secretd->agent->event,
		.dir = node->libexec_dir,
		.name = "bulkhead-secretd",
		.role = IPC_SECRETD,
		.args = args,
	};

	if (made < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot start bulkhead-secretd");
	snprintf(uid, sizeof(uid), "%u", node->secretd_uid);
	return daemon_new(&secretd->daemon, &config, &daemon_ops, secretd, err);
}

int secretd_new(struct secretd **ret, struct agent *agent, struct error *err)
{
	struct secretd *secretd = calloc(1, sizeof(*secretd));

	if (!secretd)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot start bulkhead-secretd");
	secretd->agent = agent;
	if (start_daemon(secretd, err) < 0) {
		secretd_free(secretd);
		return -1;
	}
	*ret = secretd;
	return 0;
}

void secretd_free(struct secretd *secretd)
{
	struct pending *request;

	if (!secretd)
		return;
	daemon_free(secretd->daemon);
	while ((request = pending_take_any(&secretd->requests)))
		free(request);
	if (secretd->hello)
		bulkhead__v1__secrets_hello__free_unpacked(secretd->hello, NULL);
	free(secretd);
}

const Bulkhead__V1__SecretsHello *secretd_hello(const struct secretd *secretd)
{
	return secretd->hello;
}

static int ask(struct secretd *secretd, enum ipc_type type, const ProtobufCMessage *message,
	int tmpfs_fd, secretd_done_fn done, void *user, struct error *err)
{
	struct request *request;

	/* Not now: it is asked again. */
	if (daemon_crowded(secretd->daemon))
		return error_set(err, ERR_UNAVAILABLE, 0, "bulkhead-secretd does not keep up");
	request = calloc(1, sizeof(*request));
	if (!request)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for a request");
	request->pending.user = user;
	request->answer = type == IPC_SECRETS_STAGE ? IPC_SECRETS_STAGED : IPC_SECRETS_PUBLISHED;
	request->done = done;
	if (daemon_send(secretd->daemon, type, message, &tmpfs_fd, 1, &request->pending.serial,
		    err) < 0) {
		free(request);
		return -1;
	}
	pending_add(&secretd->requests, &request->pending);
	return 0;
}

int secretd_stage(struct secretd *secretd, const Bulkhead__V1__SecretsStage *stage, int tmpfs_fd,
	secretd_done_fn done, void *user, struct error *err)
{
	return ask(secretd, IPC_SECRETS_STAGE, &stage->base, tmpfs_fd, done, user, err);
}

int secretd_publish(struct secretd *secretd, const Bulkhead__V1__SecretsPublish *publish,
	int tmpfs_fd, secretd_done_fn done, void *user, struct error *err)
{
	return ask(secretd, IPC_SECRETS_PUBLISH, &publish->base, tmpfs_fd, done, user, err);
}

void secretd_forget(struct secretd *secretd, const void *user)
{
	pending_forget(&secretd->requests, user);
}

const char *secretd_away(const struct secretd *secretd)
{
	return daemon_running(secretd->daemon) ? NULL : daemon_reason(secretd->daemon);
}
