/*
 * A connection of proto/ipc_table.h on the event loop: frames come to one function, the end to
 * another. For daemons and shims alike.
 */
#ifndef NODEAGENT_AGENT_LINK_H
#define NODEAGENT_AGENT_LINK_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "proto/ipc_table.h"

struct link;

struct link_ops {
	/*
	 * One frame, unpacked ('message' is owned by the link and freed after). An error closes the
	 * link: 'closed' follows. Frames' descriptors may be taken with ipc_frame_take_fd().
	 */
	int (*frame)(void *user, struct ipc_frame *frame, const ProtobufCMessage *message,
		struct error *err);
	/* The peer is gone or broke the protocol ('err' says). The link still must be freed. */
	void (*closed)(void *user, const struct error *err);
};

/* Takes over 'fd' on success. The agent is always the one end; 'peer' is the other's role. */
int link_new(struct link **ret, sd_event *event, int fd, enum ipc_role peer,
	const struct link_ops *ops, void *user, struct error *err);

/* As ipc_crowded(). */
bool link_crowded(const struct link *link);

/* May be called from within 'frame' and 'closed'. NULL is allowed. */
void link_free(struct link *link);

/* As ipc_table_send(); what does not go out at once is sent by the loop. */
int link_send(struct link *link, enum ipc_type type, uint32_t reply_to,
	const ProtobufCMessage *message, const int *fds, size_t fds_len, uint32_t *ret_serial,
	struct error *err);

#endif
