/*
 * The CLI's side of the node's gRPC service: one mutually authenticated connection, calls with
 * deadlines, and every failure as a struct error that says what to do. Nothing here prints.
 *
 * A thread of the client polls the completion queue all the time (without that a channel does not
 * reconnect), so waiting in one call never stalls another. A client may be used from several
 * threads; a call by at most one sender and one receiver at a time.
 */
#ifndef NODEAGENT_CTL_CLIENT_H
#define NODEAGENT_CTL_CLIENT_H

#include <stdint.h>
#include <protobuf-c/protobuf-c.h>

#include "bulkhead/v1/config.pb-c.h"
#include "lib/error.h"

#define CLIENT_MESSAGE_MAX (4u << 20) /* bytes of one message, both ways */
#define CLIENT_TIMEOUT_MS  30000      /* a sensible deadline for unary calls */
#define CLIENT_NO_DEADLINE (-1)       /* watches, logs -f, exec, import */

struct client;
struct client_call;

/*
 * Prepares a connection as 'context' says: server, server_name ("" takes the host part of server),
 * ca, certificate and key (paths of PEM files). All are read here; the connection itself is made by
 * the first call. On success the caller owns *ret.
 * Errors: ERR_INVALID names the field of the context, ERR_NOT_FOUND/ERR_DENIED the file.
 */
int client_new(struct client **ret, const Bulkhead__V1__Context *context, struct error *err);

/* What 'ca' of the context named: PEM certificates of the CAs that this client believes. Borrowed.
 */
const char *client_ca(const struct client *client);

/* Cancels what is under way, joins the thread. NULL is allowed. Calls must be freed before. */
void client_free(struct client *client);

/*
 * One request, one response. 'method' is the last part of its name ("ApplyPod"), 'request' must be
 * its request type. On success the caller frees *ret with protobuf_c_message_free_unpacked(*ret,
 * NULL). Errors: what the node answered, code for code; ERR_UNAVAILABLE when it cannot be reached
 * ("cannot reach 127.0.0.1:7443: ..."), ERR_TIMEOUT after 'timeout_ms'.
 */
int client_unary(struct client *client, const char *method, const ProtobufCMessage *request,
	ProtobufCMessage **ret, int timeout_ms, struct error *err);

/* As client_unary() for any method of any service: 'path' is "/package.Service/Method". */
int client_unary_path(struct client *client, const char *path, const ProtobufCMessage *request,
	const ProtobufCMessageDescriptor *response, ProtobufCMessage **ret, int timeout_ms,
	struct error *err);

/*
 * Begins a streaming call. With 'request' not NULL it is sent and the sending side closed (server
 * streaming: WatchPods, PodLogs); with NULL the caller sends (Exec, ImportImage). The caller owns
 * *ret.
 */
int client_call_start(struct client_call **ret, struct client *client, const char *method,
	const ProtobufCMessage *request, int timeout_ms, struct error *err);

/*
 * Sends one message and waits until the transport took it (flow control). -1 when the call has
 * ended: client_call_next() tells why.
 */
int client_call_send(struct client_call *call, const ProtobufCMessage *message, struct error *err);

/* No more from this side. May be called once, from the sending thread. */
int client_call_close_send(struct client_call *call, struct error *err);

/*
 * The next message. 1: *ret is the caller's (protobuf_c_message_free_unpacked); 0: the node ended
 * the call with success; -1: 'err' says why it ended. After 0 or -1 it repeats that answer.
 */
int client_call_next(struct client_call *call, ProtobufCMessage **ret, struct error *err);

/* Ends the call from any thread: a waiting send or next returns ERR_CANCELLED. */
void client_call_cancel(struct client_call *call);

/* Cancels if need be and waits for the operations under way. NULL is allowed. */
void client_call_free(struct client_call *call);

#endif
