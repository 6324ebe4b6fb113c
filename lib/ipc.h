/*
 * Framed messages between Bulkhead's processes over SOCK_SEQPACKET sockets, with descriptors.
 * One table (proto/ipc_table.h) says who may send what to whom with how many descriptors; a frame
 * that is not in it ends the connection. Nothing here knows what a payload means.
 */
#ifndef LIB_IPC_H
#define LIB_IPC_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

#define IPC_FDS_MAX     32
#define IPC_PAYLOAD_MAX (4u << 20)  /* larger is refused by sender and receiver */
#define IPC_INLINE_MAX  (32u << 10) /* larger travels in a sealed memfd */
#define IPC_QUEUE_MAX   4096        /* frames waiting for a slow peer */

/* A connection is crowded when so much waits: see ipc_crowded(). */
#define IPC_CROWDED_LEN   3072
#define IPC_CROWDED_BYTES (64u << 20)

/* A role is one bit, so that a table row can name several. */
enum ipc_role {
	IPC_AGENT = 1,
	IPC_API = 2,
	IPC_SHIM = 4,
	IPC_NETD = 8,
	IPC_SECRETD = 16,
	IPC_CLUSTERD = 32,
	IPC_CNI = 64,
};

struct ipc_row {
	uint32_t type;
	const char *name;
	unsigned from; /* set of ipc_role */
	unsigned to;
	uint8_t fds_min;
	uint8_t fds_max;
};

/* What arrived. The payload and the descriptors not taken are released by ipc_frame_done(). */
struct ipc_frame {
	uint32_t type;
	uint32_t serial;   /* chosen by the sender, not 0 */
	uint32_t reply_to; /* serial of the frame this answers, or 0 */
	uint8_t *data;
	size_t size;
	int fds[IPC_FDS_MAX];
	size_t fds_len;
};

struct ipc;

/*
 * Takes over 'fd' (a SOCK_SEQPACKET socket, made non-blocking). 'self' and 'peer' are the roles at
 * the two ends; 'table' must outlive the connection. On failure 'fd' stays the caller's.
 */
int ipc_new(struct ipc **ret, int fd, enum ipc_role self, enum ipc_role peer,
	const struct ipc_row *table, size_t table_len, struct error *err);

/* Closes the socket and drops what is queued. NULL is allowed. */
void ipc_free(struct ipc *ipc);

/* The socket, to poll: readable always, writable while ipc_wants_write() says so. Borrowed. */
int ipc_fd(const struct ipc *ipc);
int ipc_wants_write(const struct ipc *ipc);

/*
 * Whether the peer is so far behind that what can be refused or said shorter should be: the rest of
 * the queue is for what cannot. Who sends as much as others ask for asks this first.
 */
int ipc_crowded(const struct ipc *ipc);

/*
 * Queues a frame and tries to send it. The payload is copied and 'fds' are duplicated: both stay
 * the caller's. *ret_serial (may be NULL) is the serial given to it.
 * Errors: ERR_INTERNAL (not in the table for these roles, wrong number of descriptors),
 * ERR_EXHAUSTED (payload or queue too large), ERR_UNAVAILABLE (peer gone).
 */
int ipc_send(struct ipc *ipc, uint32_t type, uint32_t reply_to, const void *data, size_t size,
	const int *fds, size_t fds_len, uint32_t *ret_serial, struct error *err);

/* Sends what is queued as far as the peer takes it. 0, also when some is left; -1 peer gone. */
int ipc_flush(struct ipc *ipc, struct error *err);

/*
 * Receives one frame without blocking. 1: *ret is filled; 0: nothing there now; -1: 'err' is set:
 * ERR_UNAVAILABLE when the peer closed, ERR_INVALID when it broke the table (close then).
 */
int ipc_recv(struct ipc *ipc, struct ipc_frame *ret, struct error *err);

/* As ipc_recv, but waits up to 'timeout_ms' (-1 for ever) and flushes meanwhile: for start-up and
 * tools. */
int ipc_recv_wait(struct ipc *ipc, struct ipc_frame *ret, int timeout_ms, struct error *err);

/* Moves descriptor 'i' out of the frame to the caller. */
int ipc_frame_take_fd(struct ipc_frame *frame, size_t i);

void ipc_frame_done(struct ipc_frame *frame);

/* A connected pair, both close-on-exec: [0] for the parent, [1] to hand to a child. */
int ipc_socketpair(int fds[2], struct error *err);

#endif
