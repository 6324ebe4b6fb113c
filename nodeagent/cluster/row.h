/* Rows of the cluster database as messages. Pure: reads nothing but the row. */
#ifndef NODEAGENT_CLUSTER_ROW_H
#define NODEAGENT_CLUSTER_ROW_H

#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/error.h"

struct bhrec_network_policy;
struct bhrec_node;
struct bhrec_project;
struct bhrec_secret;

/*
 * Copies of a row, which the caller frees with protobuf_c_message_free_unpacked().
 * Errors: ERR_INVALID, for what the schema cannot rule out: base64, a secret that no daemon would
 * write. row_node() gives the node then, too, without its pods or its key.
 */
Bulkhead__V1__ClusterProject *row_project(const struct bhrec_project *row);
int row_secret(
	const struct bhrec_secret *row, Bulkhead__V1__ClusterSecret **ret, struct error *err);
int row_node(const struct bhrec_node *row, Bulkhead__V1__ClusterNode **ret, struct error *err);
int row_policy(const struct bhrec_network_policy *row, Bulkhead__V1__ClusterPolicy **ret,
	struct error *err);

/* "project/name", as ClusterDelta.secrets_gone and policies_gone have it; the caller frees. */
char *row_secret_key(const struct bhrec_secret *row);
char *row_policy_key(const struct bhrec_network_policy *row);

#endif
