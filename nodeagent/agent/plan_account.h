/*
 * A service account's uid: projects have no service account objects yet, so that an account is its
 * name, and its uid is made from that. For the plan_*.c files only.
 */
#ifndef NODEAGENT_AGENT_PLAN_ACCOUNT_H
#define NODEAGENT_AGENT_PLAN_ACCOUNT_H

#include "lib/error.h"

#define PLAN_ACCOUNT_UID_SIZE 37

/* A UUID of version 8 (RFC 9562) from the SHA-256 of both names. ERR_INTERNAL: no SHA-256. */
int plan_account_uid(const char *project, const char *account, char ret[PLAN_ACCOUNT_UID_SIZE],
	struct error *err);

#endif
