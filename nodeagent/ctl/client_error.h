/*
 * What a failed call means for the operator: gRPC's statuses and its texts about connections, as
 * one struct error that says what to do.
 */
#ifndef NODEAGENT_CTL_CLIENT_ERROR_H
#define NODEAGENT_CTL_CLIENT_ERROR_H

#include <grpc/status.h>

#include "lib/error.h"

/*
 * Fills 'err' for a status other than OK and returns -1. 'server' is the address as in the context,
 * 'details' the status's text, 'timeout_ms' the call's deadline.
 */
int client_error_of(grpc_status_code status, const char *details, const char *server,
	int timeout_ms, struct error *err);

#endif
