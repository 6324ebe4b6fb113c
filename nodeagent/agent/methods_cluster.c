/* Projects and secrets: lists from the last snapshot, changes through bulkhead-clusterd. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "auth/project.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/api.h"
#include "nodeagent/agent/cluster.h"
#include "nodeagent/agent/pods.h"
#include "nodeagent/agent/secret_check.h"
#include "secrets/secret_data.h"

/* ---- what they have in common -------------------------------------------------------------- */

/* A caller that went away does not undo its change. */
static void on_gone(struct call *call)
{
	cluster_forget(call->agent->cluster, call);
}

static void change(struct call *call, const Bulkhead__V1__ClusterTxn *txn, cluster_done_fn done)
{
	struct error err = { 0 };

	if (cluster_change(call->agent->cluster, txn, done, call, &err) < 0)
		call_fail(call, &err);
	else
		call->gone = on_gone;
}

static int need_cluster(const struct agent *agent, struct error *err)
{
	if (cluster_known(agent->cluster))
		return 0;
	return error_set(
		err, ERR_UNAVAILABLE, 0, "the cluster database has not been read yet: try again");
}

static int need_project(const struct agent *agent, const char *name, struct error *err)
{
	if (need_cluster(agent, err) < 0)
		return -1;
	if (!name[0])
		return error_set(err, ERR_INVALID, 0, "project: is missing");
	if (!cluster_project(agent->cluster, name))
		return error_set(err, ERR_NOT_FOUND, 0, "project \"%.253s\" does not exist", name);
	return 0;
}

/* ---- projects ------------------------------------------------------------------------------ */

static void project_fill(Bulkhead__V1__Project *ret, const Bulkhead__V1__ClusterProject *project)
{
	bulkhead__v1__project__init(ret);
	ret->name = project->name;
	ret->vnid = project->vnid;
	ret->uid_range = project->uid_range;
	ret->mcs = project->mcs;
	ret->created_at = project->created_at;
	ret->uid = project->uid;
	ret->labels = project->labels;
	ret->n_labels = project->n_labels;
}

static void on_project(
	void *user, const Bulkhead__V1__ClusterTxnReply *reply, const struct error *err)
{
	struct call *call = user;
	struct error missing = { 0 };
	Bulkhead__V1__Project project;

	if (!err && !reply->project) {
		error_set(&missing, ERR_INTERNAL, 0, "bulkhead-clusterd did not say the project");
		err = &missing;
	}
	if (err) {
		call_fail(call, err);
		return;
	}
	project_fill(&project, reply->project);
	call_reply(call, &project.base, true);
}

void method_create_project(struct agent *agent, struct call *call)
{
	const Bulkhead__V1__CreateProjectRequest *request =
		(const Bulkhead__V1__CreateProjectRequest *)call->message;
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	struct error err = { 0 };
	int r = project_name_check(request->name, &err);

	if (r == 0 && cluster_project(agent->cluster, request->name))
		r = error_set(&err, ERR_EXISTS, 0, "project \"%s\" exists already", request->name);
	if (r < 0) {
		call_fail(call, &err);
		return;
	}
	txn.create_project = request->name;
	change(call, &txn, on_project);
}

static int check_labels(const struct agent *agent, const Bulkhead__V1__LabelProjectRequest *request,
	struct error *err)
{
	if (need_project(agent, request->name, err) < 0)
		return -1;
	for (size_t i = 0; i < request->n_set; i++) {
		if (project_label_check(request->set[i], true, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < request->n_remove; i++) {
		if (project_label_check(request->remove[i], false, err) < 0)
			return -1;
	}
	return 0;
}

void method_label_project(struct agent *agent, struct call *call)
{
	const Bulkhead__V1__LabelProjectRequest *request =
		(const Bulkhead__V1__LabelProjectRequest *)call->message;
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	Bulkhead__V1__ClusterLabels labels = BULKHEAD__V1__CLUSTER_LABELS__INIT;
	struct error err = { 0 };

	if (check_labels(agent, request, &err) < 0) {
		call_fail(call, &err);
		return;
	}
	labels.project = request->name;
	labels.set = request->set;
	labels.n_set = request->n_set;
	labels.remove = request->remove;
	labels.n_remove = request->n_remove;
	txn.label_project = &labels;
	change(call, &txn, on_project);
}

/* Those in which the caller may see pods: a project's name tells who its tenants are. */
static bool sees_project(const struct call *call, const char *name)
{
	return call_may(call, "list", "pods", name);
}

static size_t projects_fill(const struct call *call, const char *name,
	Bulkhead__V1__Project *projects, Bulkhead__V1__Project **list)
{
	const Bulkhead__V1__ClusterProject *project;
	size_t n = 0;

	for (size_t i = 0; (project = cluster_project_at(call->agent->cluster, i)); i++) {
		if ((name[0] && strcmp(project->name, name) != 0) ||
			!sees_project(call, project->name))
			continue;
		if (list && projects) {
			project_fill(&projects[n], project);
			list[n] = &projects[n];
		}
		n++;
	}
	return n;
}

void method_list_projects(struct agent *agent, struct call *call)
{
	const char *name = ((const Bulkhead__V1__ListProjectsRequest *)call->message)->name;
	Bulkhead__V1__ListProjectsResponse response = BULKHEAD__V1__LIST_PROJECTS_RESPONSE__INIT;
	size_t n = projects_fill(call, name, NULL, NULL);
	cleanup_free Bulkhead__V1__Project *projects = calloc(n + 1, sizeof(*projects));
	cleanup_free Bulkhead__V1__Project **list = calloc(n + 1, sizeof(Bulkhead__V1__Project *));
	struct error err = { 0 };
	int r = need_cluster(agent, &err);

	if (r == 0 && (!projects || !list))
		r = error_set(&err, ERR_EXHAUSTED, ENOMEM, "no memory for a list");
	/* The same answer for one that is not there and one that is not theirs. */
	if (r == 0 && name[0] && n == 0)
		r = error_set(&err, ERR_NOT_FOUND, 0, "project \"%.253s\" does not exist", name);
	if (r < 0) {
		call_fail(call, &err);
		return;
	}
	response.n_projects = projects_fill(call, name, projects, list);
	response.projects = list;
	call_reply(call, &response.base, true);
}

/* ---- networks ------------------------------------------------------------------------------ */

static void on_moved(
	void *user, const Bulkhead__V1__ClusterTxnReply *reply, const struct error *err)
{
	Bulkhead__V1__MoveProjectsResponse response = BULKHEAD__V1__MOVE_PROJECTS_RESPONSE__INIT;
	struct error missing = { 0 };

	if (!err && !reply->project) {
		error_set(&missing, ERR_INTERNAL, 0, "bulkhead-clusterd did not say the project");
		err = &missing;
	}
	if (err) {
		call_fail(user, err);
		return;
	}
	response.epoch = reply->project->moved;
	call_reply(user, &response.base, true);
}

static int check_move(const struct agent *agent, const Bulkhead__V1__MoveProjectsRequest *request,
	struct error *err)
{
	/* Of so many each is looked for, and logged. */
	if (request->n_projects > PROJECTS_MOVED_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "projects: %zu are more than %d at once",
			request->n_projects, PROJECTS_MOVED_MAX);
	if (request->to[0] && need_project(agent, request->to, err) < 0)
		return -1;
	for (size_t i = 0; i < request->n_projects; i++) {
		if (need_project(agent, request->projects[i], err) < 0)
			return -1;
	}
	return 0;
}

/*
 * The audit record names one project; who asked for what is to be found by each. Before it is done:
 * a caller that does not wait for the answer is forgotten, and the move made all the same.
 */
static void move_log(const Bulkhead__V1__MoveProjectsRequest *request, const char *user)
{
	static const char *const words[] = { "join project ", "be isolated", "be global" };
	bool known = request->kind < ARRAY_LEN(words);

	for (size_t i = 0; i < request->n_projects && known; i++)
		log_notice("network: project %s is to %s%s, for '%s'", request->projects[i],
			words[request->kind], request->to, user);
}

void method_move_projects(struct agent *agent, struct call *call)
{
	const Bulkhead__V1__MoveProjectsRequest *request =
		(const Bulkhead__V1__MoveProjectsRequest *)call->message;
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	Bulkhead__V1__ClusterMove move = BULKHEAD__V1__CLUSTER_MOVE__INIT;
	struct error err = { 0 };

	if (check_move(agent, request, &err) < 0) {
		call_fail(call, &err);
		return;
	}
	move_log(request, call->principal.name);
	/* The same numbers; clusterd refuses others. */
	move.kind = (Bulkhead__V1__ClusterMoveTo)request->kind;
	move.projects = request->projects;
	move.n_projects = request->n_projects;
	move.to = request->to;
	txn.move = &move;
	change(call, &txn, on_moved);
}

/* ---- deleting ------------------------------------------------------------------------------ */

static void on_deleted_project(
	void *user, const Bulkhead__V1__ClusterTxnReply *reply, const struct error *err)
{
	Bulkhead__V1__DeleteProjectResponse response = BULKHEAD__V1__DELETE_PROJECT_RESPONSE__INIT;

	(void)reply;
	if (err)
		call_fail(user, err);
	else
		call_reply(user, &response.base, true);
}

/* What the project still holds on this node. The database refuses while it has secrets. */
static int check_empty(const struct agent *agent, const char *name, struct error *err)
{
	const Bulkhead__V1__ClusterSecret *secret;

	if (pods_use_project(agent->pods, name))
		return error_set(err, ERR_PRECONDITION, 0,
			"project \"%s\" has pods; delete them first", name);
	for (size_t i = 0; (secret = cluster_secret_at(agent->cluster, i)); i++) {
		if (strcmp(secret->project, name) == 0)
			return error_set(err, ERR_PRECONDITION, 0,
				"project \"%s\" has secrets (\"%s\"...); delete them first", name,
				secret->name);
	}
	return 0;
}

void method_delete_project(struct agent *agent, struct call *call)
{
	const char *name = ((const Bulkhead__V1__DeleteProjectRequest *)call->message)->name;
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	struct error err = { 0 };
	int r = need_project(agent, name, &err);

	if (r == 0 && strcmp(name, "default") == 0)
		r = error_set(&err, ERR_PRECONDITION, 0,
			"project \"default\" cannot be deleted: it is part of every node");
	if (r < 0 || check_empty(agent, name, &err) < 0) {
		call_fail(call, &err);
		return;
	}
	txn.delete_project = (char *)(uintptr_t)name;
	change(call, &txn, on_deleted_project);
}

/* ---- secrets ------------------------------------------------------------------------------- */

/*
 * Without what is sealed: there is no call that gives it out. One block with its keys, which borrow
 * from 'secret'; to be freed. NULL: no memory.
 */
static Bulkhead__V1__Secret *secret_view(const Bulkhead__V1__ClusterSecret *secret)
{
	const size_t n = secret->n_keys;
	Bulkhead__V1__Secret *ret = calloc(1,
		sizeof(*ret) +
			n * (sizeof(Bulkhead__V1__SecretKey *) + sizeof(Bulkhead__V1__SecretKey)));
	Bulkhead__V1__SecretKey **list, *keys;

	if (!ret)
		return NULL;
	bulkhead__v1__secret__init(ret);
	ret->project = secret->project;
	ret->name = secret->name;
	ret->type = secret->type;
	ret->node = secret->node;
	ret->created_at = secret->created_at;
	ret->uid = secret->uid;
	list = (Bulkhead__V1__SecretKey **)(void *)(ret + 1);
	keys = (Bulkhead__V1__SecretKey *)(void *)(list + n);
	for (size_t i = 0; i < n; i++) {
		bulkhead__v1__secret_key__init(&keys[i]);
		keys[i].name = secret->keys[i]->name;
		keys[i].size = secret->keys[i]->size;
		list[i] = &keys[i];
	}
	ret->keys = list;
	ret->n_keys = n;
	return ret;
}

static void on_secret_put(
	void *user, const Bulkhead__V1__ClusterTxnReply *reply, const struct error *err)
{
	struct call *call = user;
	cleanup_free Bulkhead__V1__Secret *view = NULL;
	struct error why = { 0 };

	if (err)
		why = *err;
	else if (!reply->secret)
		error_set(&why, ERR_INTERNAL, 0, "bulkhead-clusterd did not say the secret");
	else if (!(view = secret_view(reply->secret)))
		error_set(&why, ERR_EXHAUSTED, ENOMEM, "no memory for a secret");
	if (view)
		call_reply(call, &view->base, true);
	else
		call_fail(call, &why);
}

static size_t secrets_of(const struct cluster *cluster, const char *project)
{
	const Bulkhead__V1__ClusterSecret *secret;
	size_t n = 0;

	for (size_t i = 0; (secret = cluster_secret_at(cluster, i)); i++)
		n += strcmp(secret->project, project) == 0;
	return n;
}

static int check_put(
	const struct agent *agent, const Bulkhead__V1__PutSecretRequest *request, struct error *err)
{
	const Bulkhead__V1__Secret *secret = request->secret;

	if (!secret)
		return error_set(err, ERR_INVALID, 0, "secret: is missing");
	if (need_project(agent, secret->project, err) < 0 || secret_check(secret, err) < 0)
		return -1;
	if (strcmp(secret->node, agent->config->node_name) != 0)
		return error_set(err, ERR_INVALID, 0,
			"secret.node: must be \"%s\", the node whose key it is sealed to, not "
			"\"%.64s\"",
			agent->config->node_name, secret->node);
	if (cluster_secret(agent->cluster, secret->project, secret->name)) {
		if (request->replace)
			return 0;
		return error_set(err, ERR_EXISTS, 0,
			"secret \"%s\" exists already in project \"%s\"", secret->name,
			secret->project);
	}
	if (secrets_of(agent->cluster, secret->project) >= SECRETS_IN_PROJECT_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"project \"%s\" has the %d secrets that a project may have",
			secret->project, SECRETS_IN_PROJECT_MAX);
	return 0;
}

void method_put_secret(struct agent *agent, struct call *call)
{
	const Bulkhead__V1__PutSecretRequest *request =
		(const Bulkhead__V1__PutSecretRequest *)call->message;
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	Bulkhead__V1__ClusterSecret row = BULKHEAD__V1__CLUSTER_SECRET__INIT;
	Bulkhead__V1__ClusterSecretKey keys[SECRET_KEYS_MAX];
	Bulkhead__V1__ClusterSecretKey *list[SECRET_KEYS_MAX];
	struct error err = { 0 };

	if (check_put(agent, request, &err) < 0) {
		call_fail(call, &err);
		return;
	}
	for (size_t i = 0; i < request->secret->n_keys; i++) {
		bulkhead__v1__cluster_secret_key__init(&keys[i]);
		keys[i].name = request->secret->keys[i]->name;
		keys[i].size = request->secret->keys[i]->size;
		list[i] = &keys[i];
	}
	row.project = request->secret->project;
	row.name = request->secret->name;
	row.type = request->secret->type[0] ? request->secret->type
					    : (char *)(uintptr_t)SECRET_TYPE_DEFAULT;
	row.keys = list;
	row.n_keys = request->secret->n_keys;
	row.sealed = request->secret->sealed;
	row.node = request->secret->node;
	txn.put_secret = &row;
	txn.replace = request->replace;
	change(call, &txn, on_secret_put);
}

static bool wanted(
	const Bulkhead__V1__ListSecretsRequest *request, const Bulkhead__V1__ClusterSecret *secret)
{
	if (!request->all_projects && strcmp(secret->project, request->project) != 0)
		return false;
	return !request->name[0] || strcmp(secret->name, request->name) == 0;
}

/* How many are wanted; those that 'list' has 'room' for are put there. Less: memory ran out. */
static size_t secrets_fill(const struct cluster *cluster,
	const Bulkhead__V1__ListSecretsRequest *request, Bulkhead__V1__Secret **list, size_t room)
{
	const Bulkhead__V1__ClusterSecret *secret;
	size_t n = 0;

	for (size_t i = 0; (secret = cluster_secret_at(cluster, i)); i++) {
		if (!wanted(request, secret))
			continue;
		if (n < room && !(list[n] = secret_view(secret)))
			break;
		n++;
	}
	return n;
}

static int check_list(const struct agent *agent, const Bulkhead__V1__ListSecretsRequest *request,
	size_t found, struct error *err)
{
	if (request->all_projects ? need_cluster(agent, err) < 0
				  : need_project(agent, request->project, err) < 0)
		return -1;
	if (request->name[0] && found == 0)
		return error_set(err, ERR_NOT_FOUND, 0,
			"secret \"%.253s\" does not exist in project \"%.253s\"", request->name,
			request->project);
	return 0;
}

void method_list_secrets(struct agent *agent, struct call *call)
{
	const Bulkhead__V1__ListSecretsRequest *request =
		(const Bulkhead__V1__ListSecretsRequest *)call->message;
	Bulkhead__V1__ListSecretsResponse response = BULKHEAD__V1__LIST_SECRETS_RESPONSE__INIT;
	size_t n = secrets_fill(agent->cluster, request, NULL, 0);
	cleanup_free Bulkhead__V1__Secret **list = calloc(n + 1, sizeof(Bulkhead__V1__Secret *));
	struct error err = { 0 };
	int r = check_list(agent, request, n, &err);

	if (r == 0 && (!list || secrets_fill(agent->cluster, request, list, n) < n))
		r = error_set(&err, ERR_EXHAUSTED, ENOMEM, "no memory for a list");
	response.secrets = list;
	response.n_secrets = n;
	if (r < 0)
		call_fail(call, &err);
	else
		call_reply(call, &response.base, true);
	for (size_t i = 0; list && i < n; i++)
		free(list[i]);
}

static void on_deleted_secret(
	void *user, const Bulkhead__V1__ClusterTxnReply *reply, const struct error *err)
{
	Bulkhead__V1__DeleteSecretResponse response = BULKHEAD__V1__DELETE_SECRET_RESPONSE__INIT;

	(void)reply;
	if (err)
		call_fail(user, err);
	else
		call_reply(user, &response.base, true);
}

/* Pods that use it keep what they have, as in Kubernetes. */
void method_delete_secret(struct agent *agent, struct call *call)
{
	const Bulkhead__V1__DeleteSecretRequest *request =
		(const Bulkhead__V1__DeleteSecretRequest *)call->message;
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	cleanup_free char *path = NULL;
	struct error err = { 0 };
	int r = need_project(agent, request->project, &err);

	if (r == 0 && !cluster_secret(agent->cluster, request->project, request->name))
		r = error_set(&err, ERR_NOT_FOUND, 0,
			"secret \"%.253s\" does not exist in project \"%s\"", request->name,
			request->project);
	if (r == 0 && asprintf(&path, "%s/%s", request->project, request->name) < 0)
		r = error_set(&err, ERR_EXHAUSTED, ENOMEM, "no memory for a request");
	if (r < 0) {
		call_fail(call, &err);
		return;
	}
	txn.delete_secret = path;
	change(call, &txn, on_deleted_secret);
}
