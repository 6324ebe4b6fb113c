/*
 * What the agent asks for, checked by itself: exactly one change, names and sizes within their
 * limits. Pure: whether the state of the cluster allows it is apply.h's to say.
 */
#ifndef NODEAGENT_CLUSTER_REQUEST_H
#define NODEAGENT_CLUSTER_REQUEST_H

#include "auth/policy.h"
#include "auth/project.h"
#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/error.h"
#include "secrets/envelope.h"
#include "secrets/secret_data.h"

#define SECRET_SEALED_MAX   (ENVELOPE_PLAIN_MAX + ENVELOPE_OVERHEAD)
#define SECRET_TYPE_MAX     253
#define SECRET_TYPE_DEFAULT "Opaque" /* where none is given, as in Kubernetes */
#define NODE_ADDRESS_MAX    253
#define NODE_PODS_MAX       1024
#define NODE_POD_SIZE_MAX   4096       /* characters of one */
#define NODE_PODS_SIZE_MAX  (1u << 20) /* bytes of all: a row is told in one message */
#define OBJECT_NAME_SIZE    254        /* RFC 1123 subdomain and its NUL */

enum request_kind {
	REQUEST_CREATE_PROJECT,
	REQUEST_DELETE_PROJECT,
	REQUEST_PUT_SECRET,
	REQUEST_DELETE_SECRET,
	REQUEST_PUT_NODE,
	REQUEST_PUT_QUOTA,
	REQUEST_DELETE_QUOTA,
	REQUEST_MOVE,
	REQUEST_JOIN_NODE,
	REQUEST_DELETE_NODE,
	REQUEST_PUT_POLICY,
	REQUEST_DELETE_POLICY,
	REQUEST_LABEL_PROJECT,
	REQUEST_PUT_EGRESS,
};

struct request {
	enum request_kind kind;
	Bulkhead__V1__ClusterTxn *txn;   /* owned */
	char project[PROJECT_NAME_SIZE]; /* of the project (the first of a move), or secret */
	char name[OBJECT_NAME_SIZE];     /* of the secret, node or policy */
};

/*
 * Takes 'txn' over on success; request_done() frees it. Errors: ERR_INVALID, which names the field;
 * ERR_EXHAUSTED for a secret that is too large.
 */
int request_init(struct request *ret, Bulkhead__V1__ClusterTxn *txn, struct error *err);
void request_done(struct request *request);

/* Puts "project 'red'", "secret 'red/db'" or "node 'n1'" before the error. Returns -1. */
int request_error_prefix(const struct request *request, struct error *err);

#endif
