#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "nodeagent/api/agent.h"
#include "nodeagent/api/handlers.h"

static const struct {
	const char *method;
	const struct call_handler *handler;
} special[] = {
	{ "PodLogs", &logs_handler },
	{ "Exec", &exec_handler },
	{ "Debug", &exec_handler },
	{ "ImportImage", &import_handler },
};

const struct call_handler *handler_of(const struct method *method)
{
	if (method->kind == METHOD_HEALTH)
		return &health_handler;
	if (method->kind == METHOD_REFLECTION)
		return &reflection_handler;
	for (size_t i = 0; i < ARRAY_LEN(special); i++) {
		if (strcmp(special[i].method, method->name) == 0)
			return special[i].handler;
	}
	return &forward_handler;
}

int forward_call(struct call *call, const uint8_t *message, size_t size)
{
	struct error err = { 0 };

	if (agent_call(call, message, size, &err) < 0) {
		call_finish(call, &err);
		return -1;
	}
	return 0;
}

int forward_message(struct call *call, const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	cleanup_free uint8_t *data = malloc(size + 1);

	if (!data) {
		call_fail(call, ERR_EXHAUSTED, "out of memory for a request");
		return -1;
	}
	protobuf_c_message_pack(message, data);
	return forward_call(call, data, size);
}

void forward_reply(struct call *call, const Bulkhead__V1__CallReply *reply)
{
	struct error err = { 0 };

	if (reply->error && reply->error->code != ERR_NONE) {
		err.code = (enum error_code)reply->error->code;
		strncat(err.text, reply->error->text, sizeof(err.text) - 1);
		call_finish(call, &err);
		return;
	}
	if (!call->method->server_streams && !reply->end) {
		call_fail(call, ERR_INTERNAL, "the agent sent half an answer");
		return;
	}
	/* An empty message is an answer where there is exactly one, else only an end. */
	if (reply->message.len || !call->method->server_streams)
		call_send_bytes(call, reply->message.data, reply->message.len);
	if (reply->end)
		call_finish(call, NULL);
}

int forward_begins_stream(struct call *call, const Bulkhead__V1__CallReply *reply,
	const struct ipc_frame *frame, Bulkhead__V1__StreamKind kind, size_t fds_min,
	size_t fds_max)
{
	if (reply->stream == BULKHEAD__V1__STREAM_KIND__STREAM_NONE ||
		(reply->error && reply->error->code != ERR_NONE))
		return 0;
	if (reply->stream == kind && frame->fds_len >= fds_min && frame->fds_len <= fds_max)
		return 1;
	call_fail(call, ERR_INTERNAL, "the agent opened stream kind %d with %zu descriptors",
		(int)reply->stream, frame->fds_len);
	return -1;
}

static void on_message(
	struct call *call, ProtobufCMessage *message, const uint8_t *data, size_t size)
{
	protobuf_c_message_free_unpacked(message, NULL);
	forward_call(call, data, size);
}

static void on_half_closed(struct call *call)
{
	call_fail(call, ERR_INVALID, "%s: no request message came", call->method->name);
}

static void on_reply(
	struct call *call, const Bulkhead__V1__CallReply *reply, struct ipc_frame *frame)
{
	(void)frame;
	forward_reply(call, reply);
}

const struct call_handler forward_handler = {
	.message = on_message,
	.half_closed = on_half_closed,
	.reply = on_reply,
};
