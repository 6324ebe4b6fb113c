#include "nodeagent/api/call.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/support/alloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "nodeagent/api/api.h"
#include "nodeagent/api/server.h"
#include "nodeagent/api/status.h"
#include "proto/wire_check.h"

struct call_out {
	struct call_out *next;
	size_t size;
	grpc_byte_buffer *buffer;
};

static void pump(struct call *call);

static void out_pop(struct call *call)
{
	struct call_out *out = call->head;

	call->head = out->next;
	if (!call->head)
		call->tail = &call->head;
	call->queue_len--;
	call->queue_bytes -= out->size;
	call->api->queue_bytes -= out->size;
	grpc_byte_buffer_destroy(out->buffer);
	free(out);
}

static void call_free(struct call *call)
{
	if (call->handler->done)
		call->handler->done(call);
	while (call->head)
		out_pop(call);
	grpc_byte_buffer_destroy(call->received);
	*call->link = call->next;
	if (call->next)
		call->next->link = call->link;
	call->api->calls_len--;
	agent_forget(call);
	gpr_free(call->peer);
	grpc_call_unref(call->grpc);
	server_call_over(call->api->server);
	free(call);
}

/* The agent must not work on for a client that is gone or has its answer. */
static void tell_agent(struct call *call)
{
	if (!call->agent_waits)
		return;
	call->agent_waits = 0;
	agent_cancel(call->api, call->id);
}

/* Frees the call when gRPC has returned every batch. The end of everything that uses 'call'. */
static void settle(struct call *call)
{
	if (call->operations == 0 && call->closed) {
		tell_agent(call);
		call_free(call);
	}
}

static int start(struct call *call, const grpc_op *ops, size_t len, struct completion *tag)
{
	grpc_call_error e = grpc_call_start_batch(call->grpc, ops, len, tag, NULL);

	if (e != GRPC_CALL_OK) {
		log_error("%s: gRPC refuses an operation: %s", call->method->path,
			grpc_call_error_to_string(e));
		return -1;
	}
	call->operations++;
	return 0;
}

/* The whole message as one block (NUL-terminated behind it), NULL when out of memory. */
static uint8_t *flatten(grpc_byte_buffer *buffer, size_t *ret_size)
{
	grpc_byte_buffer_reader reader;
	grpc_slice slice;
	size_t at = 0;
	uint8_t *data = malloc(grpc_byte_buffer_length(buffer) + 1);

	if (!data || !grpc_byte_buffer_reader_init(&reader, buffer)) {
		free(data);
		return NULL;
	}
	*ret_size = grpc_byte_buffer_length(buffer);
	while (grpc_byte_buffer_reader_next(&reader, &slice)) {
		memcpy(data + at, GRPC_SLICE_START_PTR(slice), GRPC_SLICE_LENGTH(slice));
		at += GRPC_SLICE_LENGTH(slice);
		grpc_slice_unref(slice);
	}
	data[at] = 0;
	grpc_byte_buffer_reader_destroy(&reader);
	return data;
}

static int unpack(const struct call *call, const uint8_t *data, size_t size, ProtobufCMessage **ret,
	struct error *err)
{
#ifdef BULKHEAD_WEAK_UNPACK
	*ret = protobuf_c_message_unpack(call->method->request, NULL, size, data);
	return *ret ? 0 : error_set(err, ERR_INVALID, 0, "cannot unpack");
#else
	return message_unpack(call->method->request, data, size, ret, err);
#endif
}

static void take_message(struct call *call)
{
	ProtobufCMessage *message = NULL;
	struct error err = { 0 };
	size_t size = 0;
	uint8_t *data = flatten(call->received, &size);

	grpc_byte_buffer_destroy(call->received);
	call->received = NULL;
	if (!data)
		error_set(&err, ERR_EXHAUSTED, 0, "out of memory for a request");
	else if (unpack(call, data, size, &message, &err) < 0)
		error_prefix(&err, "%s", call->method->request->short_name);
	if (message)
		call->handler->message(call, message, data, size);
	else
		call_finish(call, &err);
	free(data);
}

static void on_received(void *user, int ok)
{
	struct call *call = user;

	call->operations--;
	call->receiving = 0;
	if (call->finished || call->closed || !ok) {
		settle(call);
		return;
	}
	if (call->received)
		take_message(call);
	else if (call->handler->half_closed)
		call->handler->half_closed(call);
	settle(call);
}

void call_receive(struct call *call)
{
	grpc_op op = { .op = GRPC_OP_RECV_MESSAGE,
		.data.recv_message.recv_message = &call->received };

	if (call->receiving || call->finished || call->closed)
		return;
	if (start(call, &op, 1, &call->received_done) < 0)
		call_fail(call, ERR_INTERNAL, "cannot receive");
	else
		call->receiving = 1;
}

static void metadata_op(struct call *call, grpc_op *ops, size_t *len)
{
	if (call->metadata_sent)
		return;
	call->metadata_sent = 1;
	ops[(*len)++] = (grpc_op){ .op = GRPC_OP_SEND_INITIAL_METADATA };
}

static void message_op(struct call *call, grpc_op *ops, size_t *len)
{
	call->sending = 1;
	ops[(*len)++] = (grpc_op){ .op = GRPC_OP_SEND_MESSAGE,
		.data.send_message.send_message = call->head->buffer };
}

/* Sends the status, together with the last message where there is one. */
static void send_status(struct call *call)
{
	grpc_slice text = grpc_slice_from_copied_string(call->result.text);
	grpc_op ops[3] = { 0 };
	size_t len = 0;

	metadata_op(call, ops, &len);
	if (call->head)
		message_op(call, ops, &len);
	ops[len++] = (grpc_op){ .op = GRPC_OP_SEND_STATUS_FROM_SERVER,
		.data.send_status_from_server = { .status = status_of_error(call->result.code),
			.status_details = call->result.code ? &text : NULL } };
	call->status_sent = 1;
	if (start(call, ops, len, &call->status_done) < 0)
		grpc_call_cancel_with_status(
			call->grpc, GRPC_STATUS_INTERNAL, "cannot answer", NULL);
	grpc_slice_unref(text);
}

/* Starts what can be sent now: one message, or the end. */
static void pump(struct call *call)
{
	grpc_op ops[2] = { 0 };
	size_t len = 0;

	if (call->sending || call->status_sent || call->closed)
		return;
	if (call->finished && call->queue_len <= 1) {
		send_status(call);
		return;
	}
	if (!call->head)
		return;
	metadata_op(call, ops, &len);
	message_op(call, ops, &len);
	if (start(call, ops, len, &call->sent_done) < 0)
		call_fail(call, ERR_INTERNAL, "cannot send");
}

static void on_sent(void *user, int ok)
{
	struct call *call = user;

	call->operations--;
	call->sending = 0;
	out_pop(call);
	if (ok && !call->closed) {
		pump(call);
		if (!call->finished && call->handler->sent)
			call->handler->sent(call);
	}
	settle(call);
}

static void on_status(void *user, int ok)
{
	struct call *call = user;

	(void)ok;
	call->operations--;
	settle(call);
}

/* RECV_CLOSE_ON_SERVER: the call is over for gRPC, by us, the client or the connection. */
static void on_closed(void *user, int ok)
{
	struct call *call = user;

	(void)ok;
	call->operations--;
	call->closed = 1;
	call->finished = 1;
	settle(call);
}

struct call *call_new(struct api *api, grpc_call *grpc, const struct method *method,
	const struct call_handler *handler)
{
	struct call *call = calloc(1, sizeof(*call));
	grpc_op close = { .op = GRPC_OP_RECV_CLOSE_ON_SERVER };

	if (!call)
		return NULL;
	call->api = api;
	call->grpc = grpc;
	call->method = method;
	call->handler = handler;
	call->tail = &call->head;
	call->received_done = (struct completion){ on_received, call };
	call->sent_done = (struct completion){ on_sent, call };
	call->status_done = (struct completion){ on_status, call };
	call->closed_done = (struct completion){ on_closed, call };
	close.data.recv_close_on_server.cancelled = &call->cancelled;
	if (start(call, &close, 1, &call->closed_done) < 0) {
		free(call);
		return NULL;
	}
	call->link = &api->calls;
	call->next = api->calls;
	if (call->next)
		call->next->link = &call->next;
	api->calls = call;
	api->calls_len++;
	return call;
}

static int over_limit(const struct call *call, size_t size)
{
	return call->queue_len >= CALL_QUEUE_LEN_MAX ||
	       call->queue_bytes + size > CALL_QUEUE_BYTES_MAX ||
	       call->api->queue_bytes + size > CALLS_QUEUE_BYTES_MAX;
}

/* Takes over 'slice'. */
static int queue(struct call *call, grpc_slice slice)
{
	struct call_out *out;
	size_t size = GRPC_SLICE_LENGTH(slice);

	if (over_limit(call, size)) {
		grpc_slice_unref(slice);
		call_fail(call, ERR_EXHAUSTED,
			"the client reads too slowly: %zu messages of %zu bytes wait",
			call->queue_len, call->queue_bytes);
		return -1;
	}
	out = calloc(1, sizeof(*out));
	if (!out) {
		grpc_slice_unref(slice);
		call_fail(call, ERR_EXHAUSTED, "out of memory for a response");
		return -1;
	}
	out->size = size;
	out->buffer = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	*call->tail = out;
	call->tail = &out->next;
	call->queue_len++;
	call->queue_bytes += size;
	call->api->queue_bytes += size;
	return 0;
}

int call_send_bytes(struct call *call, const uint8_t *data, size_t size)
{
	if (call->finished ||
		queue(call, grpc_slice_from_copied_buffer((const char *)data, size)) < 0)
		return -1;
	pump(call);
	return 0;
}

int call_send(struct call *call, const ProtobufCMessage *message)
{
	grpc_slice slice;

	if (call->finished)
		return -1;
	slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(message));
	protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
	if (queue(call, slice) < 0)
		return -1;
	pump(call);
	return 0;
}

/* Drops what waits behind the message that gRPC works on. */
static void drop_queue(struct call *call)
{
	struct call_out *first = call->sending ? call->head : NULL;

	if (first) {
		call->head = first->next;
		call->queue_len--;
	}
	if (!call->head)
		call->tail = &call->head;
	while (call->head)
		out_pop(call);
	if (first) {
		first->next = NULL;
		call->head = first;
		call->tail = &first->next;
		call->queue_len = 1;
	}
}

void call_finish(struct call *call, const struct error *err)
{
	if (call->finished)
		return;
	call->finished = 1;
	if (err) {
		call->result = *err;
		drop_queue(call);
	}
	tell_agent(call);
	if (err && call->sending) {
		/* Flow control may hold the message under way for ever: this ends it. */
		call->status_sent = 1;
		grpc_call_cancel_with_status(
			call->grpc, status_of_error(err->code), err->text, NULL);
		return;
	}
	pump(call);
}

void call_fail(struct call *call, enum error_code code, const char *fmt, ...)
{
	struct error err = { .code = code };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err.text, sizeof(err.text), fmt, ap);
	va_end(ap);
	call_finish(call, &err);
}
