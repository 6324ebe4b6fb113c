/*
 * The one table between our error codes and gRPC's statuses; the CLI uses it backwards.
 */
#ifndef NODEAGENT_API_STATUS_H
#define NODEAGENT_API_STATUS_H

#include <grpc/status.h>

#include "lib/error.h"

/* ERR_NONE is GRPC_STATUS_OK; a number that is not in the table is GRPC_STATUS_INTERNAL. */
grpc_status_code status_of_error(enum error_code code);

#endif
