#include <config.h>

#include "nodeagent/cluster/batch.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

#define ROW_HEAD 8 /* tag and length of one row, at most */

enum member {
	PROJECTS,
	SECRETS,
	NODES,
	POLICIES,
	PROJECTS_GONE,
	SECRETS_GONE,
	NODES_GONE,
	POLICIES_GONE,
};

void batch_init(struct batch *batch, bool snapshot, batch_send_fn *send, void *context)
{
	*batch = (struct batch){ .send = send, .context = context, .snapshot = snapshot };
	bulkhead__v1__cluster_delta__init(&batch->content);
	batch->content.connected = 1;
}

/* Frees the rows; the arrays stay. */
static void clear(struct batch *batch)
{
	Bulkhead__V1__ClusterDelta *c = &batch->content;

	for (size_t i = 0; i < c->n_projects; i++)
		protobuf_c_message_free_unpacked(&c->projects[i]->base, NULL);
	for (size_t i = 0; i < c->n_secrets; i++)
		protobuf_c_message_free_unpacked(&c->secrets[i]->base, NULL);
	for (size_t i = 0; i < c->n_nodes; i++)
		protobuf_c_message_free_unpacked(&c->nodes[i]->base, NULL);
	for (size_t i = 0; i < c->n_policies; i++)
		protobuf_c_message_free_unpacked(&c->policies[i]->base, NULL);
	for (size_t i = 0; i < c->n_policies_gone; i++)
		free(c->policies_gone[i]);
	for (size_t i = 0; i < c->n_projects_gone; i++)
		free(c->projects_gone[i]);
	for (size_t i = 0; i < c->n_secrets_gone; i++)
		free(c->secrets_gone[i]);
	for (size_t i = 0; i < c->n_nodes_gone; i++)
		free(c->nodes_gone[i]);
	c->n_projects = c->n_secrets = c->n_nodes = 0;
	c->n_projects_gone = c->n_secrets_gone = c->n_nodes_gone = 0;
	c->n_policies = c->n_policies_gone = 0;
	batch->size = batch->fields = 0;
}

void batch_done(struct batch *batch)
{
	Bulkhead__V1__ClusterDelta *c = &batch->content;

	clear(batch);
	free(c->projects);
	free(c->secrets);
	free(c->nodes);
	free(c->policies);
	free(c->policies_gone);
	free(c->projects_gone);
	free(c->secrets_gone);
	free(c->nodes_gone);
	*batch = (struct batch){ 0 };
}

bool batch_is_empty(const struct batch *batch)
{
	return batch->fields == 0 && !batch->snapshot;
}

static int send_content(struct batch *batch, struct error *err)
{
	Bulkhead__V1__ClusterSnapshot snapshot = BULKHEAD__V1__CLUSTER_SNAPSHOT__INIT;
	const Bulkhead__V1__ClusterDelta *c = &batch->content;

	if (!batch->snapshot)
		return batch->send(batch->context, IPC_CLUSTER_DELTA, &c->base, err);
	batch->snapshot = false;
	snapshot.connected = c->connected;
	snapshot.n_projects = c->n_projects;
	snapshot.projects = c->projects;
	snapshot.n_secrets = c->n_secrets;
	snapshot.secrets = c->secrets;
	snapshot.n_nodes = c->n_nodes;
	snapshot.nodes = c->nodes;
	snapshot.n_policies = c->n_policies;
	snapshot.policies = c->policies;
	snapshot.more = c->more;
	return batch->send(batch->context, IPC_CLUSTER_SNAPSHOT, &snapshot.base, err);
}

/* Makes room in the message for what is to be added. */
static int reserve(struct batch *batch, size_t size, size_t fields, struct error *err)
{
	int r = 0;

	if (batch->fields > 0 && (batch->size + size + ROW_HEAD > BATCH_SIZE_MAX ||
					 batch->fields + fields > BATCH_FIELDS_MAX)) {
		batch->content.more = 1;
		r = send_content(batch, err);
		clear(batch);
	}
	batch->size += size + ROW_HEAD;
	batch->fields += fields;
	return r;
}

/* 'array' of 'len' elements with room for one more. */
static void *grown(struct batch *batch, enum member member, void *array, size_t len)
{
	if (len < batch->room[member])
		return array;
	return x2nrealloc(array, &batch->room[member], sizeof(void *));
}

#define APPEND(batch, member, array, element)                                                      \
	do {                                                                                       \
		Bulkhead__V1__ClusterDelta *c_ = &(batch)->content;                                \
		c_->array = grown(batch, member, c_->array, c_->n_##array);                        \
		c_->array[c_->n_##array++] = (element);                                            \
	} while (0)

/* Fields of a row as wire_check() counts them, itself included. */
static size_t fields_of(const ProtobufCMessage *row)
{
	return row->descriptor->n_fields + 1;
}

int batch_project(struct batch *batch, Bulkhead__V1__ClusterProject *row, struct error *err)
{
	size_t size = protobuf_c_message_get_packed_size(&row->base);
	int r = reserve(batch, size, fields_of(&row->base) + row->n_quotas + row->n_labels, err);

	APPEND(batch, PROJECTS, projects, row);
	return r;
}

int batch_secret(struct batch *batch, Bulkhead__V1__ClusterSecret *row, struct error *err)
{
	size_t size = protobuf_c_message_get_packed_size(&row->base);
	size_t keys = row->n_keys * (bulkhead__v1__cluster_secret_key__descriptor.n_fields + 1);
	int r = reserve(batch, size, fields_of(&row->base) + keys, err);

	APPEND(batch, SECRETS, secrets, row);
	return r;
}

int batch_node(struct batch *batch, Bulkhead__V1__ClusterNode *row, struct error *err)
{
	size_t size = protobuf_c_message_get_packed_size(&row->base);
	int r = reserve(batch, size, fields_of(&row->base) + row->n_pods, err);

	APPEND(batch, NODES, nodes, row);
	return r;
}

int batch_policy(struct batch *batch, Bulkhead__V1__ClusterPolicy *row, struct error *err)
{
	size_t size = protobuf_c_message_get_packed_size(&row->base);
	int r = reserve(batch, size, fields_of(&row->base), err);

	APPEND(batch, POLICIES, policies, row);
	return r;
}

int batch_project_gone(struct batch *batch, char *name, struct error *err)
{
	int r = reserve(batch, strlen(name), 1, err);

	APPEND(batch, PROJECTS_GONE, projects_gone, name);
	return r;
}

int batch_secret_gone(struct batch *batch, char *key, struct error *err)
{
	int r = reserve(batch, strlen(key), 1, err);

	APPEND(batch, SECRETS_GONE, secrets_gone, key);
	return r;
}

int batch_node_gone(struct batch *batch, char *name, struct error *err)
{
	int r = reserve(batch, strlen(name), 1, err);

	APPEND(batch, NODES_GONE, nodes_gone, name);
	return r;
}

int batch_policy_gone(struct batch *batch, char *key, struct error *err)
{
	int r = reserve(batch, strlen(key), 1, err);

	APPEND(batch, POLICIES_GONE, policies_gone, key);
	return r;
}

int batch_finish(struct batch *batch, struct error *err)
{
	int r;

	batch->content.more = 0;
	r = send_content(batch, err);
	clear(batch);
	return r;
}
