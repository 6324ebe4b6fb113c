/*
 * What is done once, as root and before there is a daemon: the keys and certificates of a new
 * cluster's first node, and client certificates. Nodes that come later: secrets/join.h.
 *
 * Two authorities, so that no user's certificate opens the cluster's database and no node's
 * certificate is a user's: 'ca' vouches for users and for the nodes' API, 'nodes-ca' for nodes as
 * clients of the database. The database's own certificate is signed by nobody: nodes are given it
 * and believe no other.
 *
 *   <keys>/ (0700, the daemon's)
 *     ca.key, nodes-ca.key, sealing.key (X25519), sealing.sig (secrets/sealing_key.h),
 *     token.key (P-256), node (its name); for --sign also ca.pem, nodes-ca.pem, database.pem
 *   <pki>/ (keys 0600)
 *     ca.pem, node.pem, node.key, admin.pem, admin.key
 *   <cluster>/ (0700)
 *     nodes-ca.pem, database.pem, database.key: what ovsdb-server needs for other nodes
 */
#ifndef SECRETS_SETUP_H
#define SECRETS_SETUP_H

#include <stddef.h>
#include <sys/types.h>

#include "lib/error.h"

#define SETUP_CA_KEY            "ca.key"
#define SETUP_SEALING_KEY       "sealing.key"
#define SETUP_SEALING_SIGNATURE "sealing.sig"
#define SETUP_TOKEN_KEY         "token.key"
#define SETUP_NODE_NAME         "node"
#define SETUP_CA_CERT           "ca.pem"
#define SETUP_SERVER_KEY        "node.key" /* of the node's API */
#define SETUP_NODES_CA_KEY      "nodes-ca.key"
#define SETUP_NODES_CA_CERT     "nodes-ca.pem"
#define SETUP_DATABASE_KEY      "database.key"
#define SETUP_DATABASE_CERT     "database.pem"

struct setup_node {
	const char *keys; /* directories, made where they are missing */
	const char *pki;
	const char *cluster;
	const char *name;    /* of the node: DNS subdomain */
	const char *address; /* IP address or DNS name it listens on */
	uid_t uid;           /* becomes the owner of 'keys' */
};

/*
 * Makes all the files, or none. Errors: ERR_EXISTS when one of them is there already, ERR_INVALID
 * names the parameter.
 */
int setup_node(const struct setup_node *node, struct error *err);

struct setup_user {
	const char *keys;
	const char *pki;
	const char *name;          /* CN */
	const char *const *groups; /* O */
	size_t groups_len;
	const char *cert_file; /* made, and must not exist */
	const char *key_file;
	long life; /* seconds; 0: PKI_USER_LIFE */
};

/* Issues a client certificate for a new key. Both files, or none. Errors as above. */
int setup_user(const struct setup_user *user, struct error *err);

#endif
