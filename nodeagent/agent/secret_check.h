/*
 * Whether a sealed secret may be stored: what can be judged without opening it. Pure.
 */
#ifndef NODEAGENT_AGENT_SECRET_CHECK_H
#define NODEAGENT_AGENT_SECRET_CHECK_H

#include "bulkhead/v1/node.pb-c.h"
#include "lib/error.h"

#define SECRET_TYPE_DEFAULT    "Opaque"
#define SECRET_TYPE_MAX        253
#define SECRETS_IN_PROJECT_MAX 1000

/* Errors: ERR_INVALID, ERR_EXHAUSTED (a limit of secrets/secret_data.h); they name the field. */
int secret_check(const Bulkhead__V1__Secret *secret, struct error *err);

#endif
