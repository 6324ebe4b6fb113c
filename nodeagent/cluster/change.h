/*
 * One change of the cluster from its request to its answer: decided on the content, sent, and
 * decided anew when somebody else was faster. At most one is under way; the next request waits in
 * the socket.
 *
 *   WAITING ─content is there, newer than at the last try─▶ SENT ─committed─▶ COMMITTED ─content
 * has it─▶ done ▲                                                      │ └──────── conflict, or the
 * connection was lost ────────┘
 */
#ifndef NODEAGENT_CLUSTER_CHANGE_H
#define NODEAGENT_CLUSTER_CHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"
#include "nodeagent/cluster/apply.h"

#define CHANGE_MSEC      5000 /* a change is answered by then; the database may be away for as long */
#define CHANGE_TRIES_MAX 100 /* others were faster: each try means that another change was made */

enum change_state {
	CHANGE_NONE,
	CHANGE_WAITING,
	CHANGE_SENT,
	CHANGE_COMMITTED,
};

struct change {
	enum change_state state;
	struct request request;
	struct apply_facts facts;
	char uid[37];
	uint32_t serial; /* of the frame to answer */
	long long deadline;
	unsigned tries;
	unsigned seqno; /* of the content at the last try */
	int64_t epoch;  /* that the last try sets */
	struct ovsdb_idl_txn *txn;
	struct error refusal; /* what the database said to the last try */
};

/*
 * Begins a change. Takes 'txn' over. 'change' must be CHANGE_NONE.
 * Errors: what request_init() says; nothing is begun then, and 'txn' is freed.
 */
int change_begin(struct change *change, Bulkhead__V1__ClusterTxn *txn, uint32_t serial,
	const struct apply_config *config, const struct database *db, struct error *err);

/* Drives it. True when it is over: answer with 'err' (ERR_NONE: success), then change_end(). */
bool change_run(struct change *change, struct database *db, struct error *err);
void change_wait(const struct change *change);

/* To be called at DATABASE_LEFT. */
void change_lost(struct change *change);

void change_end(struct change *change);

/*
 * Fills the row that the change is about, as it is now, into 'reply' (nothing when it was deleted
 * meanwhile). What it points to is freed by change_reply_done().
 */
void change_reply(
	const struct change *change, struct database *db, Bulkhead__V1__ClusterTxnReply *reply);
void change_reply_done(Bulkhead__V1__ClusterTxnReply *reply);

#endif
