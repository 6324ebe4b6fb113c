#include "nodeagent/cluster/request.h"

#include <string.h>

#include "auth/quota.h"
#include "lib/cleanup.h"
#include "lib/egress.h"
#include "lib/path.h"
#include "secrets/sealing_key.h"

static int check_kind(
	const Bulkhead__V1__ClusterTxn *txn, enum request_kind *ret, struct error *err)
{
	const struct {
		enum request_kind kind;
		int given;
	} members[] = {
		{ REQUEST_CREATE_PROJECT, txn->create_project[0] != '\0' },
		{ REQUEST_DELETE_PROJECT, txn->delete_project[0] != '\0' },
		{ REQUEST_PUT_SECRET, txn->put_secret != NULL },
		{ REQUEST_DELETE_SECRET, txn->delete_secret[0] != '\0' },
		{ REQUEST_PUT_NODE, txn->put_node != NULL },
		{ REQUEST_PUT_QUOTA, txn->put_quota != NULL },
		{ REQUEST_DELETE_QUOTA, txn->delete_quota[0] != '\0' },
		{ REQUEST_MOVE, txn->move != NULL },
		{ REQUEST_JOIN_NODE, txn->join_node != NULL },
		{ REQUEST_DELETE_NODE, txn->delete_node[0] != '\0' },
		{ REQUEST_PUT_POLICY, txn->put_policy != NULL },
		{ REQUEST_DELETE_POLICY, txn->delete_policy[0] != '\0' },
		{ REQUEST_LABEL_PROJECT, txn->label_project != NULL },
		{ REQUEST_PUT_EGRESS, txn->put_egress != NULL },
	};
	size_t given = 0;

	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		if (members[i].given) {
			given++;
			*ret = members[i].kind;
		}
	}
	if (given != 1)
		return error_set(err, ERR_INVALID, 0,
			"a change of the cluster must have exactly one member, not %zu", given);
	if (txn->replace && *ret != REQUEST_PUT_SECRET && *ret != REQUEST_PUT_QUOTA)
		return error_set(
			err, ERR_INVALID, 0, "replace: goes with put_secret and put_quota only");
	return 0;
}

/* Text that is shown and logged: printable ASCII without spaces. */
static int check_word(const char *text, const char *field, size_t max, struct error *err)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++) {
		if (text[i] <= ' ' || text[i] > '~')
			return error_set(err, ERR_INVALID, 0,
				"%s: must be printable ASCII without spaces", field);
	}
	if (len == 0 || len > max)
		return error_set(
			err, ERR_INVALID, 0, "%s: must have 1 to %zu characters", field, max);
	return 0;
}

static int set_project(struct request *r, const char *name, struct error *err)
{
	if (!name_is_dns_label(name))
		return error_set(err, ERR_INVALID, 0,
			"project: '%s' is not an RFC 1123 label of 1 to 63 of a-z, 0-9 and '-'",
			name);
	memcpy(r->project, name, strlen(name) + 1);
	return 0;
}

static int set_name(struct request *r, const char *name, struct error *err)
{
	if (!name_is_dns_subdomain(name))
		return error_set(err, ERR_INVALID, 0,
			"name: '%s' is not an RFC 1123 subdomain of 1 to 253 of a-z, 0-9, '-' and "
			"'.'",
			name);
	memcpy(r->name, name, strlen(name) + 1);
	return 0;
}

static int check_create_project(struct request *r, struct error *err)
{
	const char *name = r->txn->create_project;

	/* The agent itself makes "default", once; no user may. */
	if (strcmp(name, "default") != 0 && project_name_check(name, err) < 0)
		return -1;
	return set_project(r, name, err);
}

static int check_delete_project(struct request *r, struct error *err)
{
	if (strcmp(r->txn->delete_project, "default") == 0)
		return error_set(err, ERR_PRECONDITION, 0,
			"project 'default' cannot be deleted: every node needs it");
	return set_project(r, r->txn->delete_project, err);
}

static int check_keys(const Bulkhead__V1__ClusterSecret *secret, struct error *err)
{
	uint64_t size = 0;

	if (secret->n_keys > SECRET_KEYS_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "keys: %zu are more than %d",
			secret->n_keys, SECRET_KEYS_MAX);
	for (size_t i = 0; i < secret->n_keys; i++) {
		if (secret_key_check(secret->keys[i]->name, err) < 0)
			return error_prefix(err, "keys");
		for (size_t j = 0; j < i; j++) {
			if (strcmp(secret->keys[i]->name, secret->keys[j]->name) == 0)
				return error_set(err, ERR_INVALID, 0, "keys: '%s' is there twice",
					secret->keys[i]->name);
		}
		size += secret->keys[i]->size;
	}
	if (size > SECRET_DATA_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"keys: their values have %llu bytes together, which is more than %u",
			(unsigned long long)size, SECRET_DATA_MAX);
	return 0;
}

static int check_put_secret(struct request *r, struct error *err)
{
	const Bulkhead__V1__ClusterSecret *secret = r->txn->put_secret;

	if (set_project(r, secret->project, err) < 0 || set_name(r, secret->name, err) < 0 ||
		(secret->type[0] && check_word(secret->type, "type", SECRET_TYPE_MAX, err) < 0) ||
		check_keys(secret, err) < 0)
		return -1;
	if (!name_is_dns_subdomain(secret->node))
		return error_set(err, ERR_INVALID, 0,
			"node: '%s' is not the name of the node that the secret is sealed to",
			secret->node);
	if (secret->sealed.len == 0)
		return error_set(err, ERR_INVALID, 0, "sealed: is empty");
	if (secret->sealed.len > SECRET_SEALED_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "sealed: %zu bytes are more than %u",
			secret->sealed.len, SECRET_SEALED_MAX);
	return 0;
}

/* "PROJECT/NAME". */
static int set_both(struct request *r, const char *text, const char *field, struct error *err)
{
	const char *slash = strchr(text, '/');
	char project[PROJECT_NAME_SIZE];

	if (!slash || (size_t)(slash - text) >= sizeof(project))
		return error_set(err, ERR_INVALID, 0, "%s: '%s' is not PROJECT/NAME", field, text);
	memcpy(project, text, (size_t)(slash - text));
	project[slash - text] = '\0';
	if (set_project(r, project, err) < 0 || set_name(r, slash + 1, err) < 0)
		return error_prefix(err, "%s", field);
	return 0;
}

static int check_delete_secret(struct request *r, struct error *err)
{
	return set_both(r, r->txn->delete_secret, "delete_secret", err);
}

static int check_put_quota(struct request *r, struct error *err)
{
	const Bulkhead__V1__ClusterQuota *quota = r->txn->put_quota;
	struct quota parsed;

	if (set_project(r, quota->project, err) < 0 || set_name(r, quota->name, err) < 0)
		return -1;
	return quota_parse(quota->hard, "hard", &parsed, err);
}

static int check_delete_quota(struct request *r, struct error *err)
{
	return set_both(r, r->txn->delete_quota, "delete_quota", err);
}

/* One that is moved: "default" is what all others reach. */
static int check_moved(const char *name, struct error *err)
{
	if (strcmp(name, "default") == 0)
		return error_set(err, ERR_PRECONDITION, 0,
			"project 'default' is global, and stays so: every project reaches it");
	if (name_is_dns_label(name))
		return 0;
	return error_set(err, ERR_INVALID, 0, "projects: '%.63s' is no project's name", name);
}

static int check_move(struct request *r, struct error *err)
{
	const Bulkhead__V1__ClusterMove *move = r->txn->move;

	if (move->kind > BULKHEAD__V1__CLUSTER_MOVE_TO__MOVE_GLOBAL)
		return error_set(err, ERR_INVALID, 0, "kind: %d is none", (int)move->kind);
	if (move->n_projects == 0)
		return error_set(err, ERR_INVALID, 0, "projects: name one at least");
	if (move->n_projects > PROJECTS_MOVED_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "projects: %zu are more than %d at once",
			move->n_projects, PROJECTS_MOVED_MAX);
	if ((move->kind == BULKHEAD__V1__CLUSTER_MOVE_TO__MOVE_JOIN) != (move->to[0] != '\0'))
		return error_set(err, ERR_INVALID, 0,
			"to: a join, and nothing else, needs the project to join");
	for (size_t i = 0; i < move->n_projects; i++) {
		if (check_moved(move->projects[i], err) < 0)
			return -1;
	}
	return set_project(r, move->projects[0], err);
}

static int check_node(struct request *r, const Bulkhead__V1__ClusterNode *node, struct error *err)
{
	size_t size = 0;

	if (set_name(r, node->name, err) < 0 ||
		check_word(node->address, "address", NODE_ADDRESS_MAX, err) < 0)
		return -1;
	if (node->sealing_key.len != HPKE_KEY_SIZE)
		return error_set(err, ERR_INVALID, 0,
			"sealing_key: has %zu bytes; an X25519 public key has %d",
			node->sealing_key.len, HPKE_KEY_SIZE);
	if (node->sealing_key_signature.len > SEALING_KEY_SIGNATURE_MAX)
		return error_set(err, ERR_INVALID, 0,
			"sealing_key_signature: has %zu bytes; at most %d",
			node->sealing_key_signature.len, SEALING_KEY_SIGNATURE_MAX);
	if (node->n_pods > NODE_PODS_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "pods: %zu are more than %d", node->n_pods,
			NODE_PODS_MAX);
	for (size_t i = 0; i < node->n_pods; i++) {
		if (strlen(node->pods[i]) > NODE_POD_SIZE_MAX)
			return error_set(err, ERR_EXHAUSTED, 0,
				"pods[%zu]: has more than %d characters", i, NODE_POD_SIZE_MAX);
		size += strlen(node->pods[i]);
	}
	if (size > NODE_PODS_SIZE_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "pods: have %zu bytes together; at most %u",
			size, NODE_PODS_SIZE_MAX);
	return 0;
}

static int check_put_node(struct request *r, struct error *err)
{
	return check_node(r, r->txn->put_node, err);
}

static int check_join_node(struct request *r, struct error *err)
{
	return check_node(r, r->txn->join_node, err);
}

static int check_delete_node(struct request *r, struct error *err)
{
	return set_name(r, r->txn->delete_node, err);
}

/* What it says was judged before: the agent asks nothing else of it. */
static int check_put_policy(struct request *r, struct error *err)
{
	const Bulkhead__V1__ClusterPolicy *policy = r->txn->put_policy;

	if (set_project(r, policy->project, err) < 0 || set_name(r, policy->name, err) < 0)
		return -1;
	if (policy->policy.len == 0)
		return error_set(err, ERR_INVALID, 0, "policy: is empty");
	if (policy->policy.len > POLICY_SIZE_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "policy: %zu bytes are more than %d",
			policy->policy.len, POLICY_SIZE_MAX);
	return 0;
}

static int check_delete_policy(struct request *r, struct error *err)
{
	return set_both(r, r->txn->delete_policy, "delete_policy", err);
}

static int check_label_project(struct request *r, struct error *err)
{
	const Bulkhead__V1__ClusterLabels *labels = r->txn->label_project;

	if (set_project(r, labels->project, err) < 0)
		return -1;
	for (size_t i = 0; i < labels->n_set; i++) {
		if (project_label_check(labels->set[i], true, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < labels->n_remove; i++) {
		if (project_label_check(labels->remove[i], false, err) < 0)
			return -1;
	}
	return 0;
}

static int check_put_egress(struct request *r, struct error *err)
{
	const Bulkhead__V1__ClusterEgress *egress = r->txn->put_egress;
	struct egress_rules rules;

	if (set_project(r, egress->project, err) < 0)
		return -1;
	if (egress_parse(egress->rules, &rules, err) < 0)
		return error_prefix(err, "rules");
	egress_done(&rules);
	return 0;
}

/* What each kind is called in errors, and its check. */
static const struct kind {
	const char *noun;
	int (*check)(struct request *r, struct error *err);
} kinds[] = {
	[REQUEST_CREATE_PROJECT] = { "project", check_create_project },
	[REQUEST_DELETE_PROJECT] = { "project", check_delete_project },
	[REQUEST_PUT_SECRET] = { "secret", check_put_secret },
	[REQUEST_DELETE_SECRET] = { "secret", check_delete_secret },
	[REQUEST_PUT_NODE] = { "node", check_put_node },
	[REQUEST_PUT_QUOTA] = { "quota", check_put_quota },
	[REQUEST_DELETE_QUOTA] = { "quota", check_delete_quota },
	[REQUEST_MOVE] = { "project", check_move },
	[REQUEST_JOIN_NODE] = { "node", check_join_node },
	[REQUEST_DELETE_NODE] = { "node", check_delete_node },
	[REQUEST_PUT_POLICY] = { "network policy", check_put_policy },
	[REQUEST_DELETE_POLICY] = { "network policy", check_delete_policy },
	[REQUEST_LABEL_PROJECT] = { "project", check_label_project },
	[REQUEST_PUT_EGRESS] = { "egress firewall of project", check_put_egress },
};

int request_error_prefix(const struct request *request, struct error *err)
{
	return error_prefix(err, "%s '%s%s%s'", kinds[request->kind].noun, request->project,
		request->project[0] && request->name[0] ? "/" : "", request->name);
}

int request_init(struct request *ret, Bulkhead__V1__ClusterTxn *txn, struct error *err)
{
	struct request r = { .txn = txn };

	if (check_kind(txn, &r.kind, err) < 0)
		return -1;
	if (kinds[r.kind].check(&r, err) < 0)
		return r.project[0] || r.name[0] ? request_error_prefix(&r, err) : -1;
	*ret = r;
	return 0;
}

void request_done(struct request *request)
{
	if (request->txn)
		protobuf_c_message_free_unpacked(&request->txn->base, NULL);
	*request = (struct request){ 0 };
}
