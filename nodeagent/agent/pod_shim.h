/*
 * One pod's shim as the agent has it: its process, which outlives the agent, and the connection to
 * it, over which it is asked and tells. A connection that breaks while the process lives is made
 * again through the pod's socket; then SHIM_STATE comes once more.
 */
#ifndef NODEAGENT_AGENT_POD_SHIM_H
#define NODEAGENT_AGENT_POD_SHIM_H

#include <systemd/sd-event.h>

#include "proto/ipc_table.h"

struct shim;

struct shim_ops {
	/* As link_ops' frame; an error breaks the connection. */
	int (*frame)(void *user, struct ipc_frame *frame, const ProtobufCMessage *message,
		struct error *err);
	/* The process has ended. The shim still must be freed. */
	void (*gone)(void *user, const struct error *why);
};

struct shim_config {
	sd_event *event;
	const char *program; /* absolute path of bulkhead-shim; for shim_spawn() */
	const char *socket;  /* absolute path */
	const struct shim_ops *ops;
	void *user;
};

/* Starts a shim that listens on the socket. On success the caller owns *ret. */
int shim_spawn(struct shim **ret, const struct shim_config *config, struct error *err);

/*
 * Connects to one that runs. Errors: ERR_NOT_FOUND when nobody listens there. On success the caller
 * owns *ret; SHIM_STATE follows.
 */
int shim_connect(struct shim **ret, const struct shim_config *config, struct error *err);

/* Lets go of it: the process runs on. NULL is allowed, also from within the ops. */
void shim_free(struct shim *shim);

int shim_send(
	struct shim *shim, enum ipc_type type, const ProtobufCMessage *message, struct error *err);

/* Connects anew, so that SHIM_STATE comes with its descriptors once more. */
int shim_reconnect(struct shim *shim, struct error *err);

/* The number of its process, which names it as long as 'gone' was not called. */
pid_t shim_pid(const struct shim *shim);

/* SIGKILL; 'gone' follows. */
void shim_kill(struct shim *shim);

/* It was told to end: a closed connection is no reason to connect again. */
void shim_leaving(struct shim *shim);

#endif
