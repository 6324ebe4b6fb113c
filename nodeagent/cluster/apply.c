#include <config.h>

#include "nodeagent/cluster/apply.h"

#include <stdlib.h>
#include <string.h>

#include "auth/project.h"
#include "auth/quota.h"
#include "cluster/bulkhead-idl.h"
#include "lib/cleanup.h"
#include "nodeagent/cluster/allocate.h"
#include "nodeagent/cluster/numbers.h"
#include "proto/base64.h"
#include "secrets/sealing_key.h"
#include "smap.h"
#include "util.h"

struct step {
	struct database *db;
	struct ovsdb_idl_txn *txn;
	const struct request *request;
	const struct apply_facts *facts;
};

/* ---- projects ------------------------------------------------------------------------------ */

static int insert_project(const struct step *s, uint32_t block, uint32_t vnid, struct error *err)
{
	char uid_range[PROJECT_UID_RANGE_SIZE], mcs[PROJECT_MCS_SIZE];
	const struct bhrec_project *row;

	if (project_vnid_check(s->request->project, vnid, err) < 0 ||
		project_uid_range(block, uid_range, err) < 0 || project_mcs(block, mcs, err) < 0)
		return APPLY_REFUSED;
	row = bhrec_project_insert(s->txn);
	bhrec_project_set_name(row, s->request->project);
	bhrec_project_set_uid(row, s->facts->uid);
	bhrec_project_set_vnid(row, vnid);
	bhrec_project_set_block(row, block);
	bhrec_project_set_uid_range(row, uid_range);
	bhrec_project_set_mcs(row, mcs);
	bhrec_project_set_created_at(row, s->facts->now);
	return APPLY_WRITTEN;
}

static int create_project(const struct step *s, struct error *err)
{
	const struct bhrec_project *row = database_project(s->db, s->request->project);
	struct ovsdb_idl *idl = database_idl(s->db);
	cleanup_free struct allocate_owner *owners = NULL;
	uint32_t block, vnid;
	size_t len;

	if (row && strcmp(row->uid, s->facts->uid) == 0)
		return APPLY_IS_SO;
	if (row)
		return error_set(err, ERR_EXISTS, 0, "exists already");
	if (strcmp(s->request->project, "default") == 0)
		return insert_project(s, 0, PROJECT_VNID_DEFAULT, err);
	owners = numbers_owners(idl, &len);
	if (allocate_project(
		    owners, len, s->facts->now, s->facts->config->hold, &block, &vnid, err) < 0)
		return APPLY_REFUSED;
	numbers_block_taken(idl, block);
	numbers_vnid_taken(idl, vnid);
	return insert_project(s, block, vnid, err);
}

/* What a project has in the way of secrets, 'but' not counted. */
static void count_secrets(const struct step *s, const struct bhrec_project *project,
	const struct bhrec_secret *but, size_t *ret_count, size_t *ret_size)
{
	const struct bhrec_secret *row;

	*ret_count = *ret_size = 0;
	BHREC_SECRET_FOR_EACH(row, database_idl(s->db))
	{
		if (row->project != project || row == but)
			continue;
		(*ret_count)++;
		*ret_size += strlen(row->sealed);
	}
}

static int not_found(const struct step *s, struct error *err)
{
	if (s->facts->maybe_done)
		return APPLY_IS_SO;
	return error_set(err, ERR_NOT_FOUND, 0, "does not exist");
}

/* They go with their project: they say nothing that anybody would miss. */
static void delete_policies(const struct step *s, const struct bhrec_project *project)
{
	const struct bhrec_network_policy *row;

	BHREC_NETWORK_POLICY_FOR_EACH_SAFE(row, database_idl(s->db))
	{
		if (row->project == project)
			bhrec_network_policy_delete(row);
	}
}

static int delete_project(const struct step *s, struct error *err)
{
	const struct bhrec_project *row = database_project(s->db, s->request->project);
	const struct bhrec_tombstone *tombstone;
	size_t count, size;

	if (!row)
		return not_found(s, err);
	count_secrets(s, row, NULL, &count, &size);
	if (count > 0)
		return error_set(err, ERR_PRECONDITION, 0,
			"still has %zu secret%s: delete %s first", count, count == 1 ? "" : "s",
			count == 1 ? "it" : "them");
	tombstone = bhrec_tombstone_insert(s->txn);
	bhrec_tombstone_set_name(tombstone, row->name);
	bhrec_tombstone_set_uid(tombstone, row->uid);
	bhrec_tombstone_set_vnid(tombstone, row->vnid);
	bhrec_tombstone_set_block(tombstone, row->block);
	bhrec_tombstone_set_deleted_at(tombstone, s->facts->now);
	delete_policies(s, row);
	bhrec_project_delete(row);
	return APPLY_WRITTEN;
}

/* ---- secrets ------------------------------------------------------------------------------- */

static void write_keys(const struct bhrec_secret *row, const Bulkhead__V1__ClusterSecret *secret)
{
	cleanup_free const char **names = xcalloc(secret->n_keys + 1, sizeof(*names));
	cleanup_free int64_t *sizes = xcalloc(secret->n_keys + 1, sizeof(*sizes));

	for (size_t i = 0; i < secret->n_keys; i++) {
		names[i] = secret->keys[i]->name;
		sizes[i] = secret->keys[i]->size;
	}
	bhrec_secret_set_keys(row, names, sizes, secret->n_keys);
}

static void write_secret(const struct bhrec_secret *row, const Bulkhead__V1__ClusterSecret *secret)
{
	cleanup_free char *sealed = xmalloc(BASE64_SIZE(secret->sealed.len));

	base64_encode(sealed, secret->sealed.data, secret->sealed.len);
	bhrec_secret_set_sealed(row, sealed);
	bhrec_secret_set_type(row, secret->type[0] ? secret->type : SECRET_TYPE_DEFAULT);
	bhrec_secret_set_node(row, secret->node);
	write_keys(row, secret);
}

static int check_room(const struct step *s, const struct bhrec_project *project,
	const struct bhrec_secret *old, struct error *err)
{
	size_t count, size;

	count_secrets(s, project, old, &count, &size);
	size += BASE64_SIZE(s->request->txn->put_secret->sealed.len) - 1;
	if (count >= PROJECT_SECRETS_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "project '%s' has %zu secrets already",
			s->request->project, count);
	if (size > PROJECT_SECRET_BYTES_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"the secrets of project '%s' would take %zu bytes together, more than %u",
			s->request->project, size, PROJECT_SECRET_BYTES_MAX);
	return 0;
}

static int put_secret(const struct step *s, struct error *err)
{
	const struct bhrec_project *project = database_project(s->db, s->request->project);
	const struct bhrec_secret *row;

	if (!project)
		return error_set(
			err, ERR_NOT_FOUND, 0, "project '%s' does not exist", s->request->project);
	row = database_secret(s->db, project, s->request->name);
	if (row && !s->request->txn->replace)
		return strcmp(row->uid, s->facts->uid) == 0
			       ? APPLY_IS_SO
			       : error_set(err, ERR_EXISTS, 0, "exists already");
	if (check_room(s, project, row, err) < 0)
		return APPLY_REFUSED;
	if (!row) {
		row = bhrec_secret_insert(s->txn);
		bhrec_secret_set_project(row, project);
		bhrec_secret_set_name(row, s->request->name);
		bhrec_secret_set_uid(row, s->facts->uid);
		bhrec_secret_set_created_at(row, s->facts->now);
	}
	write_secret(row, s->request->txn->put_secret);
	return APPLY_WRITTEN;
}

static int delete_secret(const struct step *s, struct error *err)
{
	const struct bhrec_project *project = database_project(s->db, s->request->project);
	const struct bhrec_secret *row =
		project ? database_secret(s->db, project, s->request->name) : NULL;

	if (!row)
		return not_found(s, err);
	bhrec_secret_delete(row);
	return APPLY_WRITTEN;
}

/* ---- quotas -------------------------------------------------------------------------------- */

static int put_quota(const struct step *s, struct error *err)
{
	const struct bhrec_project *project = database_project(s->db, s->request->project);
	const char *hard = s->request->txn->put_quota->hard;
	const char *old;

	if (!project)
		return error_set(
			err, ERR_NOT_FOUND, 0, "project '%s' does not exist", s->request->project);
	old = smap_get(&project->quotas, s->request->name);
	if (old && strcmp(old, hard) == 0 && (s->request->txn->replace || s->facts->maybe_done))
		return APPLY_IS_SO;
	if (old && !s->request->txn->replace)
		return error_set(err, ERR_EXISTS, 0, "exists already");
	if (!old && smap_count(&project->quotas) >= QUOTAS_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "project '%s' has %zu quotas already",
			s->request->project, smap_count(&project->quotas));
	bhrec_project_update_quotas_setkey(project, s->request->name, hard);
	return APPLY_WRITTEN;
}

static int delete_quota(const struct step *s, struct error *err)
{
	const struct bhrec_project *project = database_project(s->db, s->request->project);

	if (!project || !smap_get(&project->quotas, s->request->name))
		return not_found(s, err);
	bhrec_project_update_quotas_delkey(project, s->request->name);
	return APPLY_WRITTEN;
}

/* ---- labels -------------------------------------------------------------------------------- */

static int label_project(const struct step *s, struct error *err)
{
	const Bulkhead__V1__ClusterLabels *labels = s->request->txn->label_project;
	const struct bhrec_project *row = database_project(s->db, s->request->project);
	struct smap now;
	int r = APPLY_WRITTEN;

	if (!row)
		return error_set(err, ERR_NOT_FOUND, 0, "does not exist");
	smap_clone(&now, &row->labels);
	for (size_t i = 0; i < labels->n_remove; i++)
		smap_remove(&now, labels->remove[i]);
	for (size_t i = 0; i < labels->n_set; i++) {
		size_t len = strcspn(labels->set[i], "=");
		char *key = xmemdup0(labels->set[i], len);

		smap_replace(&now, key, labels->set[i] + len + 1);
		free(key);
	}
	if (smap_count(&now) > PROJECT_LABELS_MAX)
		r = error_set(err, ERR_EXHAUSTED, 0, "would have %zu labels, and may have %d",
			smap_count(&now), PROJECT_LABELS_MAX);
	else if (smap_equal(&now, &row->labels))
		r = APPLY_IS_SO;
	else
		bhrec_project_set_labels(row, &now);
	smap_destroy(&now);
	return r;
}

/* ---- network policies ---------------------------------------------------------------------- */

static size_t count_policies(const struct step *s, const struct bhrec_project *project)
{
	const struct bhrec_network_policy *row;
	size_t n = 0;

	BHREC_NETWORK_POLICY_FOR_EACH(row, database_idl(s->db))
	{
		n += row->project == project;
	}
	return n;
}

static int insert_policy(const struct step *s, const struct bhrec_project *project,
	const struct bhrec_network_policy **ret, struct error *err)
{
	if (count_policies(s, project) >= PROJECT_POLICIES_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"project '%s' has the %d network policies that a project may have",
			s->request->project, PROJECT_POLICIES_MAX);
	*ret = bhrec_network_policy_insert(s->txn);
	bhrec_network_policy_set_project(*ret, project);
	bhrec_network_policy_set_name(*ret, s->request->name);
	bhrec_network_policy_set_uid(*ret, s->facts->uid);
	bhrec_network_policy_set_created_at(*ret, s->facts->now);
	return 0;
}

static int put_policy(const struct step *s, struct error *err)
{
	const struct bhrec_project *project = database_project(s->db, s->request->project);
	const ProtobufCBinaryData *policy = &s->request->txn->put_policy->policy;
	cleanup_free char *text = xmalloc(BASE64_SIZE(policy->len));
	const struct bhrec_network_policy *row;

	if (!project)
		return error_set(
			err, ERR_NOT_FOUND, 0, "project '%s' does not exist", s->request->project);
	base64_encode(text, policy->data, policy->len);
	row = database_policy(s->db, project, s->request->name);
	if (row && strcmp(row->policy, text) == 0)
		return APPLY_IS_SO;
	if (!row && insert_policy(s, project, &row, err) < 0)
		return APPLY_REFUSED;
	bhrec_network_policy_set_policy(row, text);
	return APPLY_WRITTEN;
}

static int delete_policy(const struct step *s, struct error *err)
{
	const struct bhrec_project *project = database_project(s->db, s->request->project);
	const struct bhrec_network_policy *row =
		project ? database_policy(s->db, project, s->request->name) : NULL;

	if (!row)
		return not_found(s, err);
	bhrec_network_policy_delete(row);
	return APPLY_WRITTEN;
}

/* ---- egress firewalls ---------------------------------------------------------------------- */

/* Each node says which transaction its switch has by the highest 'moved' of all projects. */
static int put_egress(const struct step *s, struct error *err)
{
	const struct bhrec_project *project = database_project(s->db, s->request->project);
	const char *rules = s->request->txn->put_egress->rules;

	if (!project)
		return error_set(
			err, ERR_NOT_FOUND, 0, "project '%s' does not exist", s->request->project);
	if (strcmp(project->egress, rules) == 0)
		return APPLY_IS_SO;
	if (rules[0] && project->vnid == PROJECT_VNID_DEFAULT)
		return error_set(err, ERR_PRECONDITION, 0,
			"is global, and packets of all global projects look the same: isolate it "
			"first");
	bhrec_project_set_egress(project, rules);
	bhrec_project_set_moved(project, s->facts->epoch);
	return APPLY_WRITTEN;
}

/* ---- nodes --------------------------------------------------------------------------------- */

static int pick_subnet(const struct step *s, struct ipnet *ret, struct error *err)
{
	const struct apply_config *config = s->facts->config;
	cleanup_free struct ipnet *taken = NULL;
	const struct bhrec_node *node;
	size_t len = 0, room = 0;

	BHREC_NODE_FOR_EACH(node, database_idl(s->db))
	{
		if (len == room)
			taken = x2nrealloc(taken, &room, sizeof(*taken));
		if (ipnet_parse(node->subnet, "subnet", &taken[len++], err) < 0) {
			error_prefix(err, "node '%s' in the database", node->name);
			err->code = ERR_PRECONDITION;
			return -1;
		}
	}
	return allocate_subnet(&config->cluster, config->host_bits, taken, len, ret, err);
}

static int insert_node(const struct step *s, const struct bhrec_node **ret, struct error *err)
{
	char text[IPNET_TEXT_SIZE];
	struct ipnet subnet;

	if (pick_subnet(s, &subnet, err) < 0)
		return -1;
	ipnet_format(&subnet, text);
	*ret = bhrec_node_insert(s->txn);
	bhrec_node_set_name(*ret, s->request->name);
	bhrec_node_set_uid(*ret, s->facts->uid);
	bhrec_node_set_subnet(*ret, text);
	bhrec_node_set_created_at(*ret, s->facts->now);
	return 0;
}

/* Both are sorted: the one by the database, the other by the agent. */
static bool same_pods(const struct bhrec_node *row, const Bulkhead__V1__ClusterNode *node)
{
	if (row->n_pods != node->n_pods)
		return false;
	for (size_t i = 0; i < row->n_pods; i++) {
		if (strcmp(row->pods[i], node->pods[i]) != 0)
			return false;
	}
	return true;
}

static int write_node(const struct step *s, const struct bhrec_node *row,
	const Bulkhead__V1__ClusterNode *node, struct error *err)
{
	char key[BASE64_SIZE(HPKE_KEY_SIZE)];
	char signature[BASE64_SIZE(SEALING_KEY_SIGNATURE_MAX)];

	base64_encode(key, node->sealing_key.data, node->sealing_key.len);
	base64_encode(signature, node->sealing_key_signature.data, node->sealing_key_signature.len);
	if (row && (s->facts->config->member || strcmp(row->address, node->address) == 0) &&
		strcmp(row->sealing_key, key) == 0 &&
		strcmp(row->sealing_key_signature, signature) == 0 &&
		row->network_epoch == node->network_epoch && same_pods(row, node))
		return APPLY_IS_SO;
	if (!row && insert_node(s, &row, err) < 0)
		return APPLY_REFUSED;
	if (!s->facts->config->member)
		bhrec_node_set_address(row, node->address);
	bhrec_node_set_sealing_key(row, key);
	bhrec_node_set_sealing_key_signature(row, signature);
	bhrec_node_set_network_epoch(row, node->network_epoch);
	bhrec_node_set_pods(row, (const char **)(uintptr_t)node->pods, node->n_pods);
	return APPLY_WRITTEN;
}

static int put_node(const struct step *s, struct error *err)
{
	const struct bhrec_node *row = database_node(s->db, s->request->name);

	if (!row && s->facts->config->member)
		return error_set(err, ERR_PRECONDITION, 0,
			"is no node of the cluster any more: it was deleted there; remove its pods "
			"with 'bulkhead down --purge' and join again");
	return write_node(s, row, s->request->txn->put_node, err);
}

static int join_node(const struct step *s, struct error *err)
{
	const Bulkhead__V1__ClusterNode *node = s->request->txn->join_node;
	const struct bhrec_node *row = database_node(s->db, s->request->name);

	if (row && strcmp(row->uid, s->facts->uid) == 0)
		return APPLY_IS_SO;
	if (row)
		return error_set(err, ERR_EXISTS, 0,
			"is in the cluster already: delete it first, or join under another name");
	BHREC_NODE_FOR_EACH(row, database_idl(s->db))
	{
		if (strcmp(row->address, node->address) == 0)
			return error_set(err, ERR_EXISTS, 0, "node '%s' has address %s already",
				row->name, node->address);
	}
	return write_node(s, NULL, node, err);
}

static int delete_node(const struct step *s, struct error *err)
{
	const struct bhrec_node *row = database_node(s->db, s->request->name);

	if (!row)
		return not_found(s, err);
	bhrec_node_delete(row);
	return APPLY_WRITTEN;
}

static int move(const struct step *s, struct error *err)
{
	return apply_move(s->db, s->txn, s->request->txn->move, s->facts, err);
}

enum apply_result apply_request(struct database *db, struct ovsdb_idl_txn *txn,
	const struct request *request, const struct apply_facts *facts, struct error *err)
{
	static int (*const steps[])(const struct step *s, struct error *err) = {
		[REQUEST_CREATE_PROJECT] = create_project,
		[REQUEST_DELETE_PROJECT] = delete_project,
		[REQUEST_PUT_SECRET] = put_secret,
		[REQUEST_DELETE_SECRET] = delete_secret,
		[REQUEST_PUT_NODE] = put_node,
		[REQUEST_PUT_QUOTA] = put_quota,
		[REQUEST_DELETE_QUOTA] = delete_quota,
		[REQUEST_MOVE] = move,
		[REQUEST_JOIN_NODE] = join_node,
		[REQUEST_DELETE_NODE] = delete_node,
		[REQUEST_PUT_POLICY] = put_policy,
		[REQUEST_DELETE_POLICY] = delete_policy,
		[REQUEST_LABEL_PROJECT] = label_project,
		[REQUEST_PUT_EGRESS] = put_egress,
	};
	const struct step step = { db, txn, request, facts };
	const bool own = request->kind == REQUEST_PUT_NODE || request->kind == REQUEST_PUT_SECRET ||
			 request->kind == REQUEST_DELETE_SECRET;

	/* The database would refuse it, too, in words that help nobody. */
	if (facts->config->member && !own)
		return (enum apply_result)error_set(err, ERR_PRECONDITION, 0,
			"is changed at the cluster's manager, not at this node");

	return (enum apply_result)steps[request->kind](&step, err);
}
