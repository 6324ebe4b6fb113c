/*
 * What bulkhead-api is while it runs: the loop, the agent's connection, the gRPC server and the
 * calls under way. One of it a process; everything but listener.c gets it as an argument.
 */
#ifndef NODEAGENT_API_API_H
#define NODEAGENT_API_API_H

#include <grpc/grpc.h>

#include "nodeagent/api/agent.h"
#include "nodeagent/api/call.h"
#include "nodeagent/api/loop.h"
#include "nodeagent/api/methods.h"
#include "nodeagent/api/tls.h"

#define API_CALLS_MAX           1024 /* under way at a time, of all clients */
#define API_PRINCIPAL_CALLS_MAX 256  /* ... of one principal */

struct server;

struct api {
	struct loop *loop;
	struct methods methods;
	struct agent agent;
	struct server *server;
	struct call *calls;
	size_t calls_len;
	size_t queue_bytes; /* responses waiting for clients, of all calls */
	int stopping;
};

/* The agent is gone: ends every call with ERR_UNAVAILABLE and, when they are done, the loop. */
void api_stop(struct api *api, const char *reason);

#endif
