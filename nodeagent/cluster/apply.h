/*
 * What a request means for the content of the database: checks that it may be, and writes it into a
 * transaction.
 */
#ifndef NODEAGENT_CLUSTER_APPLY_H
#define NODEAGENT_CLUSTER_APPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/ipnet.h"
#include "nodeagent/cluster/database.h"
#include "nodeagent/cluster/request.h"

/* Of one project, so that no tenant fills the database for all. */
#define PROJECT_SECRETS_MAX      1000
#define PROJECT_SECRET_BYTES_MAX (32u << 20) /* as base64 */
#define PROJECT_POLICIES_MAX     64

struct apply_config {
	struct ipnet cluster;
	unsigned host_bits;
	bool member;  /* another node has the database: this one may write little of it */
	int64_t hold; /* seconds that a deleted project's numbers are not given out again */
};

/* One request's facts, the same in each try. */
struct apply_facts {
	const struct apply_config *config;
	int64_t now;     /* seconds since 1970 */
	const char *uid; /* that a new row gets */
	bool maybe_done; /* an earlier try may have been committed: its answer was lost */
	int64_t epoch;   /* that this try's transaction sets */
};

enum apply_result {
	APPLY_REFUSED = -1, /* 'err' says why */
	APPLY_WRITTEN,      /* commit the transaction */
	APPLY_IS_SO,        /* nothing to write: the content is as wanted already */
};

/*
 * Writes 'request' into 'txn', which was begun on this content of 'db'.
 * Errors: ERR_EXISTS, ERR_NOT_FOUND, ERR_PRECONDITION, ERR_EXHAUSTED, as ipc.proto has them. They
 * do not name what the request is about: request_error_prefix() does.
 */
enum apply_result apply_request(struct database *db, struct ovsdb_idl_txn *txn,
	const struct request *request, const struct apply_facts *facts, struct error *err);

/*
 * The part of it for moves between networks (move.c): all projects or none. A VNID that nobody has
 * after it is held as a deleted project's would be.
 */
enum apply_result apply_move(struct database *db, struct ovsdb_idl_txn *txn,
	const Bulkhead__V1__ClusterMove *move, const struct apply_facts *facts, struct error *err);

/* Which of the projects that it names was moved last: who has that has all of it. NULL: none is. */
const struct bhrec_project *apply_move_last(
	struct database *db, const Bulkhead__V1__ClusterMove *move);

#endif
