/*
 * The link to bulkhead-secretd: what it said of its public keys, and volumes it writes.
 */
#ifndef NODEAGENT_AGENT_SECRETD_H
#define NODEAGENT_AGENT_SECRETD_H

#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/error.h"

struct agent;
struct secretd;

/* Starts the supervised daemon. */
int secretd_new(struct secretd **ret, struct agent *agent, struct error *err);
void secretd_free(struct secretd *secretd);

/* What it said at start, kept over restarts; NULL before the first time. Borrowed. */
const Bulkhead__V1__SecretsHello *secretd_hello(const struct secretd *secretd);

/* 'directory' and 'refresh_at' are of SECRETS_STAGED; NULL and 0 for a publication or an error. */
typedef void (*secretd_done_fn)(
	void *user, const char *directory, int64_t refresh_at, const struct error *err);

/* Why the daemon is away; NULL while it runs. Borrowed. */
const char *secretd_away(const struct secretd *secretd);

/*
 * 'tmpfs_fd' is borrowed. 'done' is called once, later; with ERR_UNAVAILABLE when secretd is away
 * or dies: try again.
 */
int secretd_stage(struct secretd *secretd, const Bulkhead__V1__SecretsStage *stage, int tmpfs_fd,
	secretd_done_fn done, void *user, struct error *err);
int secretd_publish(struct secretd *secretd, const Bulkhead__V1__SecretsPublish *publish,
	int tmpfs_fd, secretd_done_fn done, void *user, struct error *err);

/* Whoever waits with 'user' is gone. */
void secretd_forget(struct secretd *secretd, const void *user);

#endif
