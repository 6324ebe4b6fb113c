/* Tells the agent what the database holds: all of it at first, then what changes. */
#ifndef NODEAGENT_CLUSTER_REPORT_H
#define NODEAGENT_CLUSTER_REPORT_H

#include "lib/error.h"
#include "lib/ipc.h"
#include "nodeagent/cluster/database.h"

/* Each sends to the agent. Errors: what ipc_send() says. Rows that do not convert are logged and
 * left out. */
int report_all(struct database *db, struct ipc *ipc, struct error *err);
/* What changed since the last call of either; nothing is sent when nothing did. */
int report_changes(struct database *db, struct ipc *ipc, struct error *err);
/* The database is away. */
int report_away(struct ipc *ipc, struct error *err);

#endif
