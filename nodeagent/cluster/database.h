/*
 * The connection to the cluster database (OVSDB), and its content as the last update left it.
 * Never blocks. Whoever changes something does so in a transaction that holds the epoch: a number
 * in the database's one Cluster row that every transaction of every clusterd verifies and raises.
 * So what was decided on this content is committed on this very content or not at all, and two
 * daemons never give out one number. (A member's daemon gives out none, and may not write there.)
 * The schema's unique indexes and references stand behind that,
 * for writers that know nothing of epochs.
 */
#ifndef NODEAGENT_CLUSTER_DATABASE_H
#define NODEAGENT_CLUSTER_DATABASE_H

#include <stdbool.h>
#include <stdint.h>

struct bhrec_network_policy;
struct bhrec_node;
struct bhrec_project;
struct bhrec_secret;
struct database;
struct ovsdb_idl;
struct ovsdb_idl_txn;

/* 'socket' is the absolute path of the database's socket as this process sees it; with 'member'
 * transactions hold no epoch. Times are of time_msec(). */
struct database *database_new(const char *socket, bool member, long long now);
void database_free(struct database *db);

enum database_event {
	DATABASE_NOTHING,
	DATABASE_CAME, /* connected, and all content is here */
	DATABASE_LEFT, /* disconnected: destroy all transactions before the next database_run() */
};

/* Round of the loop. The content may change in here only. */
enum database_event database_run(struct database *db, long long now);
void database_wait(struct database *db);

/* Whether the content is current; if not, since when, and whether it ever was. */
bool database_is_there(const struct database *db);
long long database_away_since(const struct database *db);

/* Changes with every change of the content. */
unsigned database_seqno(const struct database *db);

/* For the generated functions. Another one after each DATABASE_LEFT. */
struct ovsdb_idl *database_idl(struct database *db);

/* NULL when there is none. */
const struct bhrec_project *database_project(struct database *db, const char *name);
const struct bhrec_node *database_node(struct database *db, const char *name);
const struct bhrec_secret *database_secret(
	struct database *db, const struct bhrec_project *project, const char *name);
const struct bhrec_network_policy *database_policy(
	struct database *db, const struct bhrec_project *project, const char *name);

/* 0 before the first transaction ever. */
int64_t database_epoch(struct database *db);

/* Starts a transaction that holds the epoch; *ret_epoch is what it will be (a member's: 0). Not yet
 * sent. */
struct ovsdb_idl_txn *database_begin(struct database *db, int64_t *ret_epoch);

#endif
