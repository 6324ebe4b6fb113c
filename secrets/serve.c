#include "secrets/serve.h"

#include <stdlib.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "proto/ipc_table.h"
#include "secrets/deliver.h"
#include "secrets/stage.h"

int serve_hello(struct ipc *ipc, const struct keystore *keys, struct error *err)
{
	const struct jwt_key *const signing[] = { keys->token };
	Bulkhead__V1__SecretsHello hello = BULKHEAD__V1__SECRETS_HELLO__INIT;
	cleanup_free char *jwks = NULL;

	if (jwt_jwks(signing, ARRAY_LEN(signing), &jwks, err) < 0)
		return -1;
	hello.sealing_key.data = (uint8_t *)(uintptr_t)keys->sealing_public;
	hello.sealing_key.len = sizeof(keys->sealing_public);
	hello.sealing_key_signature.data = (uint8_t *)(uintptr_t)keys->sealing_signature;
	hello.sealing_key_signature.len = keys->sealing_signature_size;
	hello.key_id = (char *)(uintptr_t)jwt_key_id(keys->token);
	hello.jwks = jwks;
	return ipc_table_send(ipc, IPC_SECRETS_HELLO, 0, &hello.base, NULL, 0, NULL, err);
}

static int on_stage(struct ipc *ipc, const struct keystore *keys, const char *issuer,
	const Bulkhead__V1__SecretsStage *stage, struct ipc_frame *frame, struct error *err)
{
	Bulkhead__V1__SecretsStaged reply = BULKHEAD__V1__SECRETS_STAGED__INIT;
	Bulkhead__V1__Error failure;
	struct error why = { 0 };
	struct staged staged;
	cleanup_close int dirfd = deliver_open(frame->fds[0], &why);

	if (stage->identity)
		reply.pod_uid = stage->identity->pod_uid;
	reply.volume = stage->volume;
	if (dirfd >= 0 && stage_volume(keys, issuer, stage, dirfd,
				  (int64_t)(realtime_usec() / 1000000), &staged, &why) == 0) {
		reply.directory = staged.directory;
		reply.refresh_at = staged.refresh_at;
	} else {
		if (dirfd < 0)
			error_prefix(&why, "volume '%.253s'", stage->volume);
		ipc_error_pack(&why, &failure);
		reply.error = &failure;
	}
	return ipc_table_send(
		ipc, IPC_SECRETS_STAGED, frame->serial, &reply.base, NULL, 0, NULL, err);
}

static int publish(const Bulkhead__V1__SecretsPublish *message, int fd, struct error *err)
{
	cleanup_close int dirfd = deliver_open(fd, err);
	struct error left = { 0 };

	if (dirfd < 0 || deliver_publish(dirfd, message->directory, err) < 0)
		return error_prefix(err, "volume '%.253s'", message->volume);
	/* The new content is in place; old files in the way of nothing are tried again next time.
	 */
	if (deliver_clean(dirfd, &left) < 0)
		log_warning(
			"volume '%s' of pod %s: %s", message->volume, message->pod_uid, left.text);
	return 0;
}

static int on_publish(struct ipc *ipc, const Bulkhead__V1__SecretsPublish *message,
	struct ipc_frame *frame, struct error *err)
{
	Bulkhead__V1__SecretsPublished reply = BULKHEAD__V1__SECRETS_PUBLISHED__INIT;
	Bulkhead__V1__Error failure;
	struct error why = { 0 };

	reply.pod_uid = message->pod_uid;
	reply.volume = message->volume;
	if (publish(message, frame->fds[0], &why) < 0) {
		ipc_error_pack(&why, &failure);
		reply.error = &failure;
	}
	return ipc_table_send(
		ipc, IPC_SECRETS_PUBLISHED, frame->serial, &reply.base, NULL, 0, NULL, err);
}

int serve_frame(struct ipc *ipc, const struct keystore *keys, const char *issuer,
	struct ipc_frame *frame, struct error *err)
{
	ProtobufCMessage *message;
	int r;

	if (ipc_table_unpack(frame, &message, err) < 0)
		return -1;
	if (frame->type == IPC_SECRETS_STAGE)
		r = on_stage(
			ipc, keys, issuer, (const Bulkhead__V1__SecretsStage *)message, frame, err);
	else if (frame->type == IPC_SECRETS_PUBLISH)
		r = on_publish(ipc, (const Bulkhead__V1__SecretsPublish *)message, frame, err);
	else
		r = error_set(
			err, ERR_INTERNAL, 0, "%s is not handled", ipc_table_name(frame->type));
	protobuf_c_message_free_unpacked(message, NULL);
	return r;
}
