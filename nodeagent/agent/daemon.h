/*
 * One supervised child of the agent: started with its connection as descriptor 3, and started again
 * when it ends, after DAEMON_BACKOFF_FIRST_USEC doubling to DAEMON_BACKOFF_MAX_USEC. What it was
 * asked and did not answer is its owner's to fail, in 'lost'.
 */
#ifndef NODEAGENT_AGENT_DAEMON_H
#define NODEAGENT_AGENT_DAEMON_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "proto/ipc_table.h"

#define DAEMON_BACKOFF_FIRST_USEC UINT64_C(100000)
#define DAEMON_BACKOFF_MAX_USEC   UINT64_C(10000000)
#define DAEMON_HEALTHY_USEC       UINT64_C(10000000) /* ran this long: the back-off starts anew */
#define DAEMON_ARGS_MAX           24

struct daemon;

struct daemon_ops {
	/* As link_ops' frame. An error ends the process; it is started again. */
	int (*frame)(void *user, struct ipc_frame *frame, const ProtobufCMessage *message,
		struct error *err);
	/* It is gone; 'err' says how, with ERR_UNAVAILABLE. NULL is allowed. */
	void (*lost)(void *user, const struct error *err);
};

struct daemon_config {
	sd_event *event;
	const char *dir;  /* of the program; copied, as all below */
	const char *name; /* "bulkhead-api": the file, and what logs say; argv[0] is its path */
	enum ipc_role role;
	const char *const *args; /* argv from [1], ends with NULL; at most DAEMON_ARGS_MAX */
};

/* Starts it. An error when that does not work at once; later failures are tried again. */
int daemon_new(struct daemon **ret, const struct daemon_config *config,
	const struct daemon_ops *ops, void *user, struct error *err);

/* Closes its connection, which ends it; kills it when it does not go. 'lost' is not called. */
void daemon_free(struct daemon *daemon);

/* As link_send(). ERR_UNAVAILABLE, with the reason, while it does not run. */
int daemon_send(struct daemon *daemon, enum ipc_type type, const ProtobufCMessage *message,
	const int *fds, size_t fds_len, uint32_t *ret_serial, struct error *err);

/* As ipc_crowded(); false while it does not run. */
bool daemon_crowded(const struct daemon *daemon);

/* Ends the process because of 'why': it is started again. 'lost' follows from the loop. */
void daemon_kill(struct daemon *daemon, const char *why);

bool daemon_running(const struct daemon *daemon);
pid_t daemon_pid(const struct daemon *daemon); /* 0 while it does not run */
/* Why it does not run; "" before its first end. Borrowed. */
const char *daemon_reason(const struct daemon *daemon);

/* The next delay: pure. 'last' is the one before (0 none), 'ran' how long the process lived. */
uint64_t daemon_backoff_usec(uint64_t last, uint64_t ran);

#endif
