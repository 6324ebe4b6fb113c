/*
 * PodLogs: the agent opens the container's log directory and says when the container has finished;
 * the files are read and sent from here, one step at a time as the client takes them.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bulkhead/v1/node.pb-c.h"
#include "lib/fdio.h"
#include "nodeagent/api/handlers.h"
#include "nodeagent/api/log_reader.h"
#include "nodeagent/api/api.h"
#include "nodeagent/api/pipe_end.h"

#define LOGS_MESSAGE_SIZE 32768u

struct logs {
	struct call *call;
	struct log_options options;
	int follow;
	int dirfd;
	struct pipe_end changes; /* inotify */
	struct log_reader *reader;
	int finished;                 /* the container has: what is there is all */
	char data[LOGS_MESSAGE_SIZE]; /* of one stream, not sent yet */
	size_t size;
	int from_stderr;
};

static void flush(struct logs *l)
{
	Bulkhead__V1__PodLogsResponse response = BULKHEAD__V1__POD_LOGS_RESPONSE__INIT;

	if (!l->size)
		return;
	response.data = (ProtobufCBinaryData){ l->size, (uint8_t *)l->data };
	response.from_stderr = l->from_stderr;
	l->size = 0;
	call_send(l->call, &response.base);
}

/* Gathers runs of one stream into messages. */
static void sink(void *user, int from_stderr, const char *data, size_t size)
{
	struct logs *l = user;

	if (from_stderr != l->from_stderr)
		flush(l);
	l->from_stderr = from_stderr;
	while (size) {
		size_t part = LOGS_MESSAGE_SIZE - l->size;

		if (part > size)
			part = size;
		memcpy(l->data + l->size, data, part);
		l->size += part;
		data += part;
		size -= part;
		if (l->size == LOGS_MESSAGE_SIZE)
			flush(l);
	}
}

/* Reads on until the client has something to take, or all that is there was read. */
static void run(struct logs *l)
{
	struct error err = { 0 };
	int more = 1;

	while (more && !l->call->finished && !l->call->head) {
		more = log_reader_step(l->reader, sink, l, &err);
		if (more < 0) {
			call_finish(l->call, &err);
			return;
		}
		flush(l);
	}
	if (l->call->finished)
		return;
	if (!more && (!l->follow || l->finished || log_reader_full(l->reader)))
		call_finish(l->call, NULL);
	else if (l->changes.fd >= 0 && loop_watch(l->changes.source, more ? 0 : EPOLLIN, &err) < 0)
		call_finish(l->call, &err);
}

static void on_change(void *user, uint32_t events)
{
	struct logs *l = user;
	char ignored[4096];

	(void)events;
	while (pipe_end_read(&l->changes, ignored, sizeof(ignored)) > 0)
		;
	run(l);
}

static int options_of(struct logs *l, const Bulkhead__V1__PodLogsRequest *request)
{
	if (request->tail_lines < -1)
		call_fail(l->call, ERR_INVALID, "tail_lines: must be -1 (all) or more");
	else if (request->since_seconds < 0 || request->since_seconds > INT32_MAX)
		call_fail(l->call, ERR_INVALID, "since_seconds: must be 0 (all) to %d", INT32_MAX);
	else if (request->limit_bytes < 0)
		call_fail(l->call, ERR_INVALID, "limit_bytes: must be 0 (no limit) or more");
	if (l->call->finished)
		return -1;
	l->follow = request->follow;
	l->options = (struct log_options){ .previous = request->previous,
		.timestamps = request->timestamps,
		.tail_lines = request->tail_lines,
		.limit_bytes = request->limit_bytes };
	if (request->since_seconds)
		l->options.since_usec = (int64_t)realtime_usec() - request->since_seconds * 1000000;
	return 0;
}

static void on_message(
	struct call *call, ProtobufCMessage *message, const uint8_t *data, size_t size)
{
	struct logs *l = calloc(1, sizeof(*l));

	if (!l) {
		call_fail(call, ERR_EXHAUSTED, "out of memory for logs");
	} else {
		l->call = call;
		l->dirfd = -1;
		l->changes = PIPE_END_NONE;
		call->state = l;
		if (options_of(l, (const Bulkhead__V1__PodLogsRequest *)message) == 0)
			forward_call(call, data, size);
	}
	protobuf_c_message_free_unpacked(message, NULL);
}

static void on_half_closed(struct call *call)
{
	call_fail(call, ERR_INVALID, "%s: no request message came", call->method->name);
}

static void begin(struct logs *l, struct ipc_frame *frame)
{
	struct call *call = l->call;
	struct error err = { 0 };

	l->dirfd = ipc_frame_take_fd(frame, 0);
	if (log_reader_new(&l->reader, l->dirfd, &l->options, &err) < 0 ||
		(frame->fds_len > 1 &&
			pipe_end_open(&l->changes, call->api->loop, ipc_frame_take_fd(frame, 1),
				on_change, l, &err) < 0))
		call_finish(call, &err);
	else if (l->follow && l->changes.fd < 0 && !l->finished)
		call_fail(call, ERR_INTERNAL, "the agent gave nothing to follow the log by");
	else
		run(l);
}

static void on_reply(
	struct call *call, const Bulkhead__V1__CallReply *reply, struct ipc_frame *frame)
{
	struct logs *l = call->state;
	int begins = forward_begins_stream(
		call, reply, frame, BULKHEAD__V1__STREAM_KIND__STREAM_LOGS, 1, 2);

	l->finished |= reply->end;
	if (begins > 0 && l->dirfd < 0)
		begin(l, frame);
	else if (begins == 0 && reply->end && !reply->error && l->reader)
		run(l);
	else if (begins == 0)
		forward_reply(call, reply);
}

static void on_sent(struct call *call)
{
	struct logs *l = call->state;

	if (l && l->reader && !call->head)
		run(l);
}

static void on_done(struct call *call)
{
	struct logs *l = call->state;

	if (!l)
		return;
	pipe_end_close(&l->changes);
	log_reader_free(l->reader);
	if (l->dirfd >= 0)
		close(l->dirfd);
	free(l);
}

const struct call_handler logs_handler = {
	.message = on_message,
	.half_closed = on_half_closed,
	.sent = on_sent,
	.reply = on_reply,
	.done = on_done,
};
