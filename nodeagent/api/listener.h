/*
 * The one network socket of bulkhead-api, and what guards it.
 *
 * gRPC core makes its sockets itself, and only after it has started threads, while rights can be
 * given up only before there are threads. So the port is bound here first, and this module defines
 * socket(2), bind(2) and accept4(2) for the executable (which overrides libgrpc's calls):
 * gRPC asking for a listening socket is given the one that is bound already, any other socket is
 * refused, and connections are accepted under a cap and with a descriptor in reserve. The last is
 * needed because gRPC core 1.51 stops accepting for good when accept4(2) fails with EMFILE.
 */
#ifndef NODEAGENT_API_LISTENER_H
#define NODEAGENT_API_LISTENER_H

#include <stddef.h>

#include "lib/error.h"

#define LISTENER_CONNECTIONS_MAX 1024 /* open at a time; less where RLIMIT_NOFILE is small */
#define LISTENER_BACKLOG         512

/*
 * Binds and listens on 'address' ("127.0.0.1:7443", "[::1]:7443", numeric only), raises
 * RLIMIT_NOFILE to its hard limit, and puts the overrides in force for the rest of the process.
 * Port 0 takes a free one. Errors: ERR_INVALID (form), ERR_EXISTS (port in use), others.
 */
int listener_open(const char *address, struct error *err);

/* What is bound, "127.0.0.1:7443", with the port as it is. For gRPC and the log. */
const char *listener_address(void);

/* After gRPC took the socket: none is handed out any more. */
int listener_seal(struct error *err);

/* Connections turned away so far: over the cap, or for want of descriptors. */
size_t listener_shed(void);

#endif
