/*
 * How netd and clusterd reach Open vSwitch's sockets, again and again, after they gave up their
 * rights.
 *
 * The sockets are files that only their owner (root on Debian) may connect to; ovs-vswitchd and
 * ovsdb-server make them anew with every start; and a daemon with a uid of its own, an empty root
 * and no CAP_DAC_OVERRIDE can neither see nor open them. So before a daemon confines itself it
 * forks the connector: the daemon's uid, the sockets' directory as its whole root, an empty network
 * namespace, CAP_DAC_OVERRIDE alone, and a filter that leaves little but recvmsg, connect and
 * sendto. The daemon sends it an unconnected socket and which target; it connects that very socket,
 * which the two processes share, to that file, and answers with an errno. It ends when the daemon
 * does.
 *
 * A '*' in a target's name stands for a decimal number that the daemon says with each request:
 * ovs-vswitchd's control socket carries its pid.
 *
 * libopenvswitch calls connect(2) itself. The program is linked with --wrap=connect, so that the
 * call ends in __wrap_connect(); that is the reason for the writable global here. Programs that do
 * not call connector_start() do not link this file.
 */
#ifndef LIB_CONNECTOR_H
#define LIB_CONNECTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "lib/error.h"

#define CONNECTOR_TARGETS  4
#define CONNECTOR_NAME_MAX 64

/* What the daemon sends, with one descriptor. */
struct connector_request {
	uint32_t target;
	uint32_t number; /* for a '*' */
};

struct connector_config {
	const char *directory; /* absolute; holds all targets */
	const char *
		targets[CONNECTOR_TARGETS]; /* file names in it, with one '*' at most; NULL: none */
	uid_t uid;
	gid_t gid;
};

/*
 * Forks the connector. To be called once, in a process of one thread that holds little memory yet.
 * Errors: ERR_INVALID (a name too long), what confine_apply() says.
 */
int connector_start(const struct connector_config *config, struct error *err);

/* Becomes readable when the connector is gone: one can go on but not connect again. Borrowed. */
int connector_fd(void);

/* True when the connector is gone; then the daemon had better be started anew. */
bool connector_is_gone(void);

/*
 * connect(2) to "/<target>"; any other address is EACCES. Called by libopenvswitch. Before
 * connector_start() it is connect(2) itself: lib/log reaches the journal so.
 */
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size);

#endif
