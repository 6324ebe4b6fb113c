/* bulkhead-secretd's answers to the agent, one message at a time. */
#ifndef SECRETS_SERVE_H
#define SECRETS_SERVE_H

#include "lib/error.h"
#include "lib/ipc.h"
#include "secrets/keystore.h"

/* Says hello. Errors: ERR_UNAVAILABLE when the agent is gone. */
int serve_hello(struct ipc *ipc, const struct keystore *keys, struct error *err);

/*
 * Carries out one message and answers it; a request that fails is an answer, not an error. Errors:
 * the connection must end (ERR_UNAVAILABLE: the agent is gone, else it sent nonsense).
 */
int serve_frame(struct ipc *ipc, const struct keystore *keys, const char *issuer,
	struct ipc_frame *frame, struct error *err);

#endif
