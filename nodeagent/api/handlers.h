/*
 * Who handles which method. Each handler is a table of functions that a call runs through.
 */
#ifndef NODEAGENT_API_HANDLERS_H
#define NODEAGENT_API_HANDLERS_H

#include "nodeagent/api/call.h"

extern const struct call_handler forward_handler;    /* to the agent and back */
extern const struct call_handler logs_handler;       /* PodLogs */
extern const struct call_handler exec_handler;       /* Exec */
extern const struct call_handler import_handler;     /* ImportImage */
extern const struct call_handler health_handler;     /* grpc.health.v1 */
extern const struct call_handler reflection_handler; /* grpc.reflection */

const struct call_handler *handler_of(const struct method *method);

/* Sends the call to the agent with 'message' as its request; on failure ends the call and returns
 * -1. */
int forward_call(struct call *call, const uint8_t *message, size_t size);
int forward_message(struct call *call, const ProtobufCMessage *message);

/*
 * What a reply means for any call: an error ends it, otherwise the message is sent and 'end' ends
 * it with success.
 */
void forward_reply(struct call *call, const Bulkhead__V1__CallReply *reply);

/*
 * Judges a reply that begins a stream: kind and number of descriptors. 1 it does, 0 it does not
 * (forward_reply() fits then), -1 it is wrong and the call was ended.
 */
int forward_begins_stream(struct call *call, const Bulkhead__V1__CallReply *reply,
	const struct ipc_frame *frame, Bulkhead__V1__StreamKind kind, size_t fds_min,
	size_t fds_max);

#endif
