/*
 * A node that joins a cluster: it makes its own keys and asks; the cluster's first node signs. No
 * private key leaves the machine that made it.
 *
 *   <keys>/  sealing.key, token.key, node, and once it has joined sealing.sig
 *   <pki>/   node.key, and once it has joined ca.pem, node.pem, self.pem
 *   <cluster>/  member.key, and once it has joined member.pem, database.pem
 */
#ifndef SECRETS_JOIN_H
#define SECRETS_JOIN_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sys/types.h>

#include "bulkhead/v1/node.pb-c.h"
#include "lib/error.h"

#define JOIN_MEMBER_KEY "member.key"
#define JOIN_REQUEST                                                                               \
	"join-request" /* a JoinNodeRequest, packed; only what keys have to do with                \
			*/
#define JOIN_NODE_PREFIX "system:node:" /* a node's name as a client of APIs, */
#define JOIN_NODE_GROUP  "system:nodes" /* and its group */
#define JOIN_MESSAGE_MAX 65536

struct join_node {
	const char *keys; /* directories, made where they are missing */
	const char *pki;
	const char *cluster;
	const char *name; /* of the node: DNS subdomain */
	uid_t uid;        /* becomes the owner of 'keys' */
};

/* Makes keys and the request, all or none. Errors: ERR_EXISTS, ERR_INVALID names the parameter. */
int join_prepare(const struct join_node *node, struct error *err);

/* Both authorities of the cluster and what nodes are told. */
struct join_authority {
	EVP_PKEY *ca_key, *nodes_ca_key;
	X509 *ca, *nodes_ca, *database;
};

int join_authority_load(struct join_authority *ret, const char *keys, struct error *err);
void join_authority_done(struct join_authority *authority);

/*
 * Judges the request and fills in certificates and signature. The caller frees *ret with
 * free_unpacked. Errors: ERR_INVALID names the field.
 */
int join_sign(const struct join_authority *authority, const Bulkhead__V1__JoinNodeRequest *request,
	Bulkhead__V1__JoinNodeResponse **ret, struct error *err);

#endif
