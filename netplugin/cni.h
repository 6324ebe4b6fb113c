/*
 * netd's side of bulkhead-cni: a listening socket that the agent made, and on it one question a
 * connection. Containers of other runtimes get their ports as pods do (endpoint.h); their rows say
 * whose they are, so that each side removes only its own.
 */
#ifndef NETPLUGIN_CNI_H
#define NETPLUGIN_CNI_H

#include "lib/error.h"

struct asker;
struct endpoint;
struct netd;

#define CNI_CONNS_MAX 256   /* more wait in the socket's queue */
#define CNI_IDLE_MSEC 5000  /* for the question; then the connection is closed */
#define CNI_CALL_MSEC 20000 /* for the answer, and for it to be taken */

/*
 * Takes over 'fd', a listening SOCK_SEQPACKET socket; on failure it is closed. A second one takes
 * the first one's place. Errors: ERR_INVALID.
 */
int cni_listen(struct netd *netd, int fd, struct error *err);

/* Round of the loop; nothing before cni_listen(). */
void cni_run(struct netd *netd);
void cni_wait(struct netd *netd);

/* What became of a plug and of an unplug that a connection asked for; it may be gone. */
void cni_plugged(struct netd *netd, struct asker asker, const struct endpoint *endpoint,
	const struct error *err);
void cni_unplugged(struct netd *netd, struct asker asker, const struct error *err);

#endif
