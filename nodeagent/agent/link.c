#include "nodeagent/agent/link.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "lib/cleanup.h"

#define FRAMES_A_TURN 64 /* then others' events are handled */

struct link {
	struct ipc *ipc;
	sd_event_source *source;
	const struct link_ops *ops;
	void *user;
	bool busy;   /* a callback is running: it may free the link */
	bool freed;  /* it did */
	bool closed; /* 'closed' was called: nothing comes or goes any more */
};

static void destroy(struct link *link)
{
	sd_event_source_disable_unref(link->source);
	ipc_free(link->ipc);
	free(link);
}

void link_free(struct link *link)
{
	if (!link)
		return;
	if (link->busy)
		link->freed = true;
	else
		destroy(link);
}

static void close_link(struct link *link, const struct error *err)
{
	link->closed = true;
	sd_event_source_set_enabled(link->source, SD_EVENT_OFF);
	link->ops->closed(link->user, err);
}

static int watch(struct link *link, struct error *err)
{
	uint32_t events = ipc_wants_write(link->ipc) ? EPOLLIN | EPOLLOUT : EPOLLIN;
	int r = sd_event_source_set_io_events(link->source, events);

	return r < 0 ? error_set(err, error_code_of(-r), -r, "cannot watch a connection") : 0;
}

/* 1 a frame was handled, 0 none is there, -1 the peer is gone, broke the protocol or was refused.
 */
static int receive(struct link *link, struct error *err)
{
	struct ipc_frame frame;
	ProtobufCMessage *message = NULL;
	int r = ipc_recv(link->ipc, &frame, err);

	if (r <= 0)
		return r;
	r = ipc_table_unpack(&frame, &message, err);
	if (r == 0) {
		r = link->ops->frame(link->user, &frame, message, err);
		protobuf_c_message_free_unpacked(message, NULL);
	}
	ipc_frame_done(&frame);
	return r < 0 ? -1 : 1;
}

static int run(struct link *link, struct error *err)
{
	for (int i = 0; i < FRAMES_A_TURN && !link->freed; i++) {
		int r = receive(link, err);

		if (r < 0)
			return -1;
		if (r == 0)
			break;
	}
	if (link->freed)
		return 0;
	if (ipc_flush(link->ipc, err) < 0)
		return -1;
	return watch(link, err);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct link *link = user;
	struct error err = { 0 };

	(void)source;
	(void)fd;
	(void)events;
	link->busy = true;
	if (run(link, &err) < 0 && !link->freed)
		close_link(link, &err);
	link->busy = false;
	if (link->freed)
		destroy(link);
	return 0;
}

int link_new(struct link **ret, sd_event *event, int fd, enum ipc_role peer,
	const struct link_ops *ops, void *user, struct error *err)
{
	cleanup_free struct link *link = calloc(1, sizeof(*link));
	int r;

	if (!link)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot make a connection");
	link->ops = ops;
	link->user = user;
	r = sd_event_add_io(event, &link->source, fd, EPOLLIN, on_io, link);
	if (r < 0)
		return error_set(err, error_code_of(-r), -r, "cannot watch a connection");
	if (ipc_table_connect(&link->ipc, fd, IPC_AGENT, peer, err) < 0) {
		sd_event_source_disable_unref(link->source);
		return -1;
	}
	*ret = take_ptr(link);
	return 0;
}

bool link_crowded(const struct link *link)
{
	return ipc_crowded(link->ipc);
}

int link_send(struct link *link, enum ipc_type type, uint32_t reply_to,
	const ProtobufCMessage *message, const int *fds, size_t fds_len, uint32_t *ret_serial,
	struct error *err)
{
	if (link->closed)
		return error_set(err, ERR_UNAVAILABLE, 0, "the peer is gone");
	if (ipc_table_send(link->ipc, type, reply_to, message, fds, fds_len, ret_serial, err) < 0)
		return -1;
	return watch(link, err);
}
