/* Questions to bulkhead-netd about the ways of packets: NET_TRACE, NET_CHECK, NET_DENIALS and their
 * answers. */
#ifndef NODEAGENT_AGENT_NETD_TRACE_H
#define NODEAGENT_AGENT_NETD_TRACE_H

#include "bulkhead/v1/ipc.pb-c.h"
#include "nodeagent/agent/daemon.h"
#include "nodeagent/agent/pending.h"

/* 'traced' is NULL when 'err' is set; borrowed for the call. */
typedef void (*netd_traced_fn)(
	void *user, const Bulkhead__V1__NetTraced *traced, const struct error *err);

/* 'checked' as above. */
typedef void (*netd_checked_fn)(
	void *user, const Bulkhead__V1__NetChecked *checked, const struct error *err);

typedef void (*netd_denied_fn)(
	void *user, const Bulkhead__V1__NetDenied *denied, const struct error *err);

/* Asks 'daemon' (NULL: there is none yet); 'done' comes once. */
int netd_trace_ask(struct pending_list *asked, struct daemon *daemon,
	const Bulkhead__V1__NetTrace *trace, netd_traced_fn done, void *user, struct error *err);

int netd_check_ask(struct pending_list *asked, struct daemon *daemon,
	const Bulkhead__V1__NetCheck *check, netd_checked_fn done, void *user, struct error *err);

int netd_denials_ask(struct pending_list *asked, struct daemon *daemon, netd_denied_fn done,
	void *user, struct error *err);

/* An answer came; one that nobody waits for is passed over. Errors: ERR_INVALID, it lacks parts. */
int netd_trace_answered(struct pending_list *asked, const struct ipc_frame *frame,
	const Bulkhead__V1__NetTraced *traced, struct error *err);
int netd_check_answered(struct pending_list *asked, const struct ipc_frame *frame,
	const Bulkhead__V1__NetChecked *checked, struct error *err);

int netd_denials_answered(struct pending_list *asked, const struct ipc_frame *frame,
	const Bulkhead__V1__NetDenied *denied, struct error *err);

/* The daemon is gone: whoever waits is told 'why'. */
void netd_trace_lost(struct pending_list *asked, const struct error *why);

#endif
