/*
 * A cluster database of its own in a temporary directory, bulkhead-clusterd processes at it, and
 * the test in the place of each one's agent. What fails here aborts the test program; its children
 * go with it.
 */
#ifndef TESTS_PRIV_CLUSTER_LAB_H
#define TESTS_PRIV_CLUSTER_LAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/ipc_table.h"

#define LAB_UID 61235

struct lab {
	char dir[64];   /* cluster.db, db.sock */
	char empty[80]; /* the root of the daemons */
	char build[512];
	const char *socket; /* that daemons are started with: "db.sock", or a relay's */
	pid_t ovsdb;
};

/* One bulkhead-clusterd, and what its agent knows. */
struct daemon {
	struct lab *lab;
	pid_t pid;
	struct ipc *ipc;
	bool in_snapshot;   /* more of it is to come */
	unsigned snapshots; /* taken in whole */
	unsigned pieces;    /* messages that the last snapshot or delta came in */
	bool connected;
	struct rows {
		struct row {
			char *key; /* "project:red", "secret:red/db", "node:n1" */
			ProtobufCMessage *message;
		} * at;
		size_t len;
	} rows;
};

void lab_open(struct lab *lab);
void lab_close(struct lab *lab);
void lab_start_ovsdb(struct lab *lab);
void lab_kill_ovsdb(struct lab *lab);
/* Output of a command, at most 16 MiB, which must succeed; the caller frees. */
char *lab_run(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* ovsdb-client transact of ["Bulkhead", operations]; what it prints, which the caller frees. */
char *lab_transact(struct lab *lab, const char *operations);
uint64_t lab_msec(void);

/* 'hold' in seconds or NULL, 'network' e.g. "10.128.0.0/14", with 9 host bits. */
void daemon_start(struct daemon *d, struct lab *lab, const char *network, const char *hold);
/* Waits for the first whole snapshot. */
void daemon_await_snapshot(struct daemon *d);
/* SIGKILL and wait. */
void daemon_kill(struct daemon *d);
/* Closes the connection and returns the exit status; frees what is known. */
int daemon_stop(struct daemon *d);

/* Takes in messages until 'd' is connected or not. */
void daemon_await_connected(struct daemon *d, bool connected);
/* Takes in what comes within 'ms'. */
void daemon_listen(struct daemon *d, int ms);

/* What the daemon told, or NULL. */
const void *daemon_row(const struct daemon *d, const char *key);
size_t daemon_count(const struct daemon *d, const char *prefix);

/* Sends a request without waiting; its serial. */
uint32_t daemon_send(struct daemon *d, const Bulkhead__V1__ClusterTxn *txn);
/* The answer to 'serial' (0: to any); the caller frees. Other messages are taken in on the way. */
Bulkhead__V1__ClusterTxnReply *daemon_answer(struct daemon *d, uint32_t serial, int ms);

/* One request and its answer: the error's code, and its text in 'text' (may be NULL). */
unsigned daemon_do(struct daemon *d, const Bulkhead__V1__ClusterTxn *txn, char *text);

/* The requests. */
unsigned daemon_create(struct daemon *d, const char *project, char *text);
unsigned daemon_delete(struct daemon *d, const char *project, char *text);
struct secret {
	const char *project, *name;
	size_t size; /* of 'sealed' */
	bool replace;
	uint8_t fill;
};
unsigned daemon_put_secret(struct daemon *d, const struct secret *secret, char *text);
unsigned daemon_delete_secret(struct daemon *d, const char *key, char *text);
unsigned daemon_put_node(
	struct daemon *d, const char *name, const char *address, uint8_t fill, char *text);

#endif
