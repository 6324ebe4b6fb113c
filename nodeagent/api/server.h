/*
 * The gRPC server: its limits in one table, and the door at which every call is authenticated
 * before a byte of its message is read.
 */
#ifndef NODEAGENT_API_SERVER_H
#define NODEAGENT_API_SERVER_H

#include "nodeagent/api/api.h"

/* Starts serving on listener_address(). After grpc_init(). */
int server_open(struct api *api, struct tls *tls, struct error *err);

/* Accepts no more calls; the loop stops when the last one is over, about 2 s later at most. */
void server_shutdown(struct server *server);

/* A call was freed: the last one brings the end of a shutdown nearer. */
void server_call_over(struct server *server);

/* After the loop has stopped. NULL is allowed. */
void server_close(struct server *server);

#endif
