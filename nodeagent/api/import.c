/*
 * ImportImage: the client's bytes into a pipe whose other end the unpacker reads. The agent gets
 * the name and gives the verdict; it sees no byte.
 */
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bulkhead/v1/node.pb-c.h"
#include "nodeagent/api/api.h"
#include "nodeagent/api/handlers.h"
#include "nodeagent/api/pipe_end.h"

#define VERDICT_SECONDS 30 /* for the agent to say why nobody reads the archive any more */

struct import {
	struct call *call;
	struct pipe_end pipe;
	struct pipe_end timer;
	Bulkhead__V1__ImportImageRequest *held; /* being written */
	size_t written;
};

static void drop_held(struct import *m)
{
	if (m->held)
		bulkhead__v1__import_image_request__free_unpacked(m->held, NULL);
	m->held = NULL;
	m->written = 0;
}

static void on_timer(void *user, uint32_t events)
{
	struct import *m = user;

	(void)events;
	call_fail(m->call, ERR_INTERNAL, "the archive is no longer read, and no reason was given");
}

/* Nothing more is read from the client: flow control stops it until the verdict comes. */
static void wait_for_verdict(struct import *m)
{
	struct itimerspec after = { .it_value.tv_sec = VERDICT_SECONDS };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	struct error err = { 0 };

	pipe_end_close(&m->pipe);
	if (fd < 0 || timerfd_settime(fd, 0, &after, NULL) < 0) {
		if (fd >= 0)
			close(fd);
		call_fail(m->call, ERR_EXHAUSTED, "cannot make a timer");
		return;
	}
	if (pipe_end_open(&m->timer, m->call->api->loop, fd, on_timer, m, &err) < 0 ||
		loop_watch(m->timer.source, EPOLLIN, &err) < 0)
		call_finish(m->call, &err);
}

static void write_held(struct import *m)
{
	struct error err = { 0 };

	while (m->held && m->written < m->held->data.len) {
		ssize_t n = pipe_end_write(
			&m->pipe, m->held->data.data + m->written, m->held->data.len - m->written);

		if (n < 0) {
			drop_held(m);
			wait_for_verdict(m);
			return;
		}
		if (n == 0) {
			if (loop_watch(m->pipe.source, EPOLLOUT, &err) < 0)
				call_finish(m->call, &err);
			return;
		}
		m->written += (size_t)n;
	}
	loop_watch(m->pipe.source, 0, &err);
	drop_held(m);
	call_receive(m->call);
}

static void on_pipe(void *user, uint32_t events)
{
	(void)events;
	write_held(user);
}

/* The first message: the name goes to the agent, the data waits for the pipe. */
static void begin(struct call *call, Bulkhead__V1__ImportImageRequest *request)
{
	Bulkhead__V1__ImportImageRequest first = BULKHEAD__V1__IMPORT_IMAGE_REQUEST__INIT;
	struct import *m = calloc(1, sizeof(*m));

	if (!m) {
		bulkhead__v1__import_image_request__free_unpacked(request, NULL);
		call_fail(call, ERR_EXHAUSTED, "out of memory for an import");
		return;
	}
	m->call = call;
	m->pipe = PIPE_END_NONE;
	m->timer = PIPE_END_NONE;
	m->held = request;
	call->state = m;
	first.name = request->name;
	forward_message(call, &first.base);
}

static void on_message(
	struct call *call, ProtobufCMessage *message, const uint8_t *data, size_t size)
{
	Bulkhead__V1__ImportImageRequest *request = (Bulkhead__V1__ImportImageRequest *)message;
	struct import *m = call->state;

	(void)data;
	(void)size;
	if (!m) {
		begin(call, request);
		return;
	}
	m->held = request;
	if (request->name[0])
		call_fail(call, ERR_INVALID, "name: only the first message may have it");
	else
		write_held(m);
}

static void on_half_closed(struct call *call)
{
	struct import *m = call->state;

	if (!m)
		call_fail(call, ERR_INVALID, "no message came");
	else
		pipe_end_close(&m->pipe);
}

static void on_reply(
	struct call *call, const Bulkhead__V1__CallReply *reply, struct ipc_frame *frame)
{
	struct import *m = call->state;
	struct error err = { 0 };
	int begins = forward_begins_stream(
		call, reply, frame, BULKHEAD__V1__STREAM_KIND__STREAM_IMPORT, 1, 1);

	if (begins == 0) {
		forward_reply(call, reply);
		return;
	}
	if (begins < 0 || m->pipe.fd >= 0 || !m->held)
		return;
	if (pipe_end_open(
		    &m->pipe, call->api->loop, ipc_frame_take_fd(frame, 0), on_pipe, m, &err) < 0)
		call_finish(call, &err);
	else
		write_held(m);
}

static void on_done(struct call *call)
{
	struct import *m = call->state;

	if (!m)
		return;
	pipe_end_close(&m->pipe);
	pipe_end_close(&m->timer);
	drop_held(m);
	free(m);
}

const struct call_handler import_handler = {
	.message = on_message,
	.half_closed = on_half_closed,
	.reply = on_reply,
	.done = on_done,
};
