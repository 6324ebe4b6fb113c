/*
 * One gRPC call on the server: receives messages on demand, sends them from a bounded queue, ends
 * with one status, and tells its handler what happens. Runs on the loop's thread alone.
 *
 * A call has up to two parties besides the client: its handler (below) and, for methods of the
 * node, the agent, which knows it by 'id'. It is freed when gRPC has nothing under way for it any
 * more.
 */
#ifndef NODEAGENT_API_CALL_H
#define NODEAGENT_API_CALL_H

#include <grpc/grpc.h>

#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/ipc.h"
#include "nodeagent/api/completions.h"
#include "nodeagent/api/identity.h"
#include "nodeagent/api/methods.h"

#define CALL_MESSAGE_MAX      (IPC_PAYLOAD_MAX - (64u << 10)) /* bytes; room for CALL's envelope */
#define CALL_QUEUE_BYTES_MAX  (8u << 20)                      /* waiting for one slow client */
#define CALL_QUEUE_LEN_MAX    4096                            /* messages, likewise */
#define CALLS_QUEUE_BYTES_MAX (32u << 20)                     /* waiting for all clients together */

struct api;
struct call;

/* What a call does with what happens to it; members may be NULL. 'call->state' is the handler's. */
struct call_handler {
	/*
	 * A message that was asked for by call_receive(). 'message' is the handler's to free,
	 * 'data' is the same before it was unpacked, borrowed.
	 */
	void (*message)(
		struct call *call, ProtobufCMessage *message, const uint8_t *data, size_t size);
	/* The client will send no more. Only after call_receive(). */
	void (*half_closed)(struct call *call);
	/* A message left the queue. */
	void (*sent)(struct call *call);
	/* The agent's reply, descriptors in 'frame' may be taken. */
	void (*reply)(
		struct call *call, const Bulkhead__V1__CallReply *reply, struct ipc_frame *frame);
	/* No other function is called after this one: release 'state'. */
	void (*done)(struct call *call);
};

struct call {
	struct api *api;
	grpc_call *grpc;
	const struct method *method;
	const struct call_handler *handler;
	void *state;
	struct identity identity;
	char *peer;        /* "ipv4:127.0.0.1:53210"; gRPC's memory */
	uint64_t id;       /* with the agent; 0 before it knows the call */
	int agent_waits;   /* CALL was sent, the end has not come */
	struct call *next; /* in the api's list */
	struct call **link;

	struct completion received_done, sent_done, status_done, closed_done;
	grpc_byte_buffer *received;
	int cancelled;  /* written by gRPC before closed_done */
	int operations; /* batches under way */
	int receiving, sending, metadata_sent, status_sent, finished, closed, over;
	struct call_out *head, **tail;
	size_t queue_len, queue_bytes;
	struct error result; /* code ERR_NONE: success */
};

/* Takes over 'grpc' and 'method'. NULL when out of memory ('grpc' stays the caller's then). */
struct call *call_new(struct api *api, grpc_call *grpc, const struct method *method,
	const struct call_handler *handler);

/* Asks for the next message. One at a time; nothing is read from the client before. */
void call_receive(struct call *call);

/*
 * Queues a packed message. Over a limit the call is ended with ERR_EXHAUSTED and -1 returned: then,
 * as after any end, nothing more is sent.
 */
int call_send_bytes(struct call *call, const uint8_t *data, size_t size);
int call_send(struct call *call, const ProtobufCMessage *message);

/*
 * Ends the call: with NULL successfully after what is queued, with an error at once. Only the first
 * end counts. The handler's 'done' comes later, from the loop. Tells the agent if it still works on
 * it.
 */
void call_finish(struct call *call, const struct error *err);

/* call_finish() with an error made here. */
void call_fail(struct call *call, enum error_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
