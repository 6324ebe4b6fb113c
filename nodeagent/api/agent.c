#include "nodeagent/api/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "nodeagent/api/api.h"
#include "proto/ipc_table.h"

#define FRAMES_A_TURN 64 /* then others' events are handled */

static struct call **slot_of(struct agent *agent, uint64_t id)
{
	return &agent->slots[id & (AGENT_SLOTS - 1)];
}

static void update(struct api *api)
{
	struct agent *agent = &api->agent;
	struct error err = { 0 };

	if (loop_watch(agent->source, ipc_wants_write(agent->ipc) ? EPOLLIN | EPOLLOUT : EPOLLIN,
		    &err) < 0)
		api_stop(api, err.text);
}

static int send_cancel(struct agent *agent, uint64_t id)
{
	Bulkhead__V1__CallCancel message = BULKHEAD__V1__CALL_CANCEL__INIT;

	message.id = id;
	return ipc_table_send(agent->ipc, IPC_CALL_CANCEL, 0, &message.base, NULL, 0, NULL, NULL);
}

static void send_late_cancels(struct agent *agent)
{
	while (agent->cancels_len &&
		send_cancel(agent, agent->cancels[agent->cancels_len - 1]) == 0)
		agent->cancels_len--;
}

static void remember_cancel(struct agent *agent, uint64_t id)
{
	if (agent->cancels_len == agent->cancels_room) {
		size_t room = agent->cancels_room ? agent->cancels_room * 2 : 64;
		uint64_t *cancels = realloc(agent->cancels, room * sizeof(*cancels));

		if (!cancels) {
			log_error("out of memory for a cancellation");
			abort();
		}
		agent->cancels = cancels;
		agent->cancels_room = room;
	}
	agent->cancels[agent->cancels_len++] = id;
}

void agent_cancel(struct api *api, uint64_t id)
{
	if (api->stopping)
		return;
	if (send_cancel(&api->agent, id) < 0)
		remember_cancel(&api->agent, id);
	update(api);
}

void agent_forget(struct call *call)
{
	struct call **slot = slot_of(&call->api->agent, call->id);

	if (call->id && *slot == call)
		*slot = NULL;
}

/* Finds a free slot and gives the call an id that leads to it and was never used before. */
static int take_slot(struct call *call, struct error *err)
{
	struct agent *agent = &call->api->agent;

	/* Cancellations that wait mean that the agent does not keep up. */
	for (size_t i = 0; i < AGENT_SLOTS && !agent->cancels_len; i++) {
		uint64_t id = ++agent->next_serial;

		if (!*slot_of(agent, id)) {
			*slot_of(agent, id) = call;
			call->id = id;
			return 0;
		}
	}
	return error_set(
		err, ERR_EXHAUSTED, 0, "the node has too many calls under way (%d)", AGENT_SLOTS);
}

int agent_call(struct call *call, const uint8_t *message, size_t size, struct error *err)
{
	Bulkhead__V1__Principal principal = BULKHEAD__V1__PRINCIPAL__INIT;
	Bulkhead__V1__Call frame = BULKHEAD__V1__CALL__INIT;
	char *groups[IDENTITY_GROUPS_MAX];

	if (take_slot(call, err) < 0)
		return -1;
	for (size_t i = 0; i < call->identity.groups_len; i++)
		groups[i] = call->identity.groups[i];
	principal.name = call->identity.name;
	principal.groups = groups;
	principal.n_groups = call->identity.groups_len;
	frame.id = call->id;
	frame.principal = &principal;
	frame.method = (char *)(uintptr_t)call->method->name;
	frame.message.data = (uint8_t *)(uintptr_t)message;
	frame.message.len = size;
	frame.peer = call->peer;
	if (ipc_table_send(call->api->agent.ipc, IPC_CALL, 0, &frame.base, NULL, 0, NULL, err) <
		0) {
		agent_forget(call);
		call->id = 0;
		return -1;
	}
	call->agent_waits = 1;
	update(call->api);
	return 0;
}

static void handle_reply(
	struct agent *agent, struct ipc_frame *frame, const Bulkhead__V1__CallReply *reply)
{
	struct call *call = *slot_of(agent, reply->id);

	/* Replies to calls that are over cross their cancellation on the way. */
	if (!call || call->id != reply->id || !call->agent_waits)
		return;
	if (reply->end || reply->error)
		call->agent_waits = 0;
	if (!call->finished)
		call->handler->reply(call, reply, frame);
}

/* 1 a frame was handled, 0 none is there, -1 the agent is gone or broke the protocol. */
static int receive(struct agent *agent, struct error *err)
{
	struct ipc_frame frame;
	ProtobufCMessage *message = NULL;
	int n = ipc_recv(agent->ipc, &frame, err);

	if (n <= 0)
		return n;
	if (ipc_table_unpack(&frame, &message, err) < 0) {
		ipc_frame_done(&frame);
		return -1;
	}
	/* The table lets an agent send nothing else to an api. */
	handle_reply(agent, &frame, (const Bulkhead__V1__CallReply *)message);
	protobuf_c_message_free_unpacked(message, NULL);
	ipc_frame_done(&frame);
	return 1;
}

static void on_event(void *user, uint32_t events)
{
	struct api *api = user;
	struct error err = { 0 };

	(void)events;
	for (int i = 0; i < FRAMES_A_TURN; i++) {
		int n = receive(&api->agent, &err);

		if (n == 0)
			break;
		if (n < 0) {
			api_stop(api, err.text);
			return;
		}
	}
	if (ipc_flush(api->agent.ipc, &err) < 0) {
		api_stop(api, err.text);
		return;
	}
	send_late_cancels(&api->agent);
	update(api);
}

int agent_open(struct api *api, int fd, struct error *err)
{
	struct agent *agent = &api->agent;

	if (ipc_table_connect(&agent->ipc, fd, IPC_API, IPC_AGENT, err) < 0)
		return error_prefix(err, "descriptor %d", fd);
	if (loop_add(api->loop, &agent->source, fd, on_event, api, err) < 0)
		return -1;
	return loop_watch(agent->source, EPOLLIN, err);
}

void agent_close(struct api *api)
{
	loop_remove(api->agent.source);
	ipc_free(api->agent.ipc);
	free(api->agent.cancels);
	api->agent = (struct agent){ 0 };
}
