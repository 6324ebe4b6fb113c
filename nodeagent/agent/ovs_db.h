/* Makes Open vSwitch databases. For ovs.c alone. */
#ifndef NODEAGENT_AGENT_OVS_DB_H
#define NODEAGENT_AGENT_OVS_DB_H

#include "lib/error.h"

/*
 * Makes the database 'file' with 'schema' unless it is there; it gets its name when it is complete.
 * 'transaction' (may be NULL) is run on it first.
 */
int ovs_db_make(const char *file, const char *schema, const char *transaction, struct error *err);

/*
 * Brings an existing database to the version of 'schema' and compacts it. Nobody may have it open:
 * the tool refuses then.
 */
int ovs_db_convert(const char *file, const char *schema, struct error *err);

/* Runs a transaction on a database that nobody has open. */
int ovs_db_transact(const char *file, const char *transaction, struct error *err);

#endif
