/*
 * Projects and secrets as callers see them: what is refused and why, what a list shows to whom,
 * what is sent to clusterd. Cluster, pods and calls are stood in for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/api.h"
#include "nodeagent/agent/cluster.h"
#include "nodeagent/agent/pods.h"
#include "nodeagent/agent/secret_check.h"
#include "secrets/envelope.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

/* ---- in place of the cluster, the pods, the call ------------------------------------------- */

static struct {
	bool known;
	Bulkhead__V1__ClusterProject projects[3];
	size_t projects_len;
	Bulkhead__V1__ClusterSecret *secrets;
	size_t secrets_len;
	const char *project_with_pods;
	/* What was asked of clusterd. */
	unsigned changes;
	char change[128];
	size_t moved; /* projects */
	cluster_done_fn done;
	void *user;
	bool away;
	unsigned forgotten;
} cluster;

static struct {
	struct call call;
	struct error err;
	unsigned answers;
	char text[512];   /* of a response: its rows */
	const char *only; /* the one project that may be seen; NULL all */
} caller;

bool cluster_known(const struct cluster *c)
{
	(void)c;
	return cluster.known;
}

const Bulkhead__V1__ClusterProject *cluster_project_at(const struct cluster *c, size_t i)
{
	(void)c;
	return i < cluster.projects_len ? &cluster.projects[i] : NULL;
}

const Bulkhead__V1__ClusterSecret *cluster_secret_at(const struct cluster *c, size_t i)
{
	(void)c;
	return i < cluster.secrets_len ? &cluster.secrets[i] : NULL;
}

const Bulkhead__V1__ClusterProject *cluster_project(const struct cluster *c, const char *name)
{
	for (size_t i = 0; cluster_project_at(c, i); i++) {
		if (strcmp(cluster.projects[i].name, name) == 0)
			return &cluster.projects[i];
	}
	return NULL;
}

const Bulkhead__V1__ClusterSecret *cluster_secret(
	const struct cluster *c, const char *project, const char *name)
{
	for (size_t i = 0; cluster_secret_at(c, i); i++) {
		if (strcmp(cluster.secrets[i].project, project) == 0 &&
			strcmp(cluster.secrets[i].name, name) == 0)
			return &cluster.secrets[i];
	}
	return NULL;
}

int cluster_change(struct cluster *c, const Bulkhead__V1__ClusterTxn *txn, cluster_done_fn done,
	void *user, struct error *err)
{
	(void)c;
	if (cluster.away)
		return error_set(err, ERR_UNAVAILABLE, 0, "bulkhead-clusterd is away");
	cluster.changes++;
	cluster.done = done;
	cluster.user = user;
	cluster.moved = txn->move ? txn->move->n_projects : 0;
	snprintf(cluster.change, sizeof(cluster.change), "+%s-%s/%s-%s%s%s", txn->create_project,
		txn->delete_project, txn->delete_secret,
		txn->put_secret ? txn->put_secret->name : "",
		txn->put_secret ? txn->put_secret->type : "", txn->replace ? "!" : "");
	return 0;
}

void cluster_forget(struct cluster *c, const void *user)
{
	(void)c;
	assert_ptr_equal(user, &caller.call);
	cluster.forgotten++;
}

bool pods_use_project(const struct pods *pods, const char *project)
{
	(void)pods;
	return cluster.project_with_pods && strcmp(cluster.project_with_pods, project) == 0;
}

void call_fail(struct call *call, const struct error *err)
{
	assert_ptr_equal(call, &caller.call);
	caller.err = *err;
	caller.answers++;
}

static void add_text(const char *text)
{
	strncat(caller.text, text, sizeof(caller.text) - strlen(caller.text) - 1);
	strncat(caller.text, " ", sizeof(caller.text) - strlen(caller.text) - 1);
}

void call_reply(struct call *call, const ProtobufCMessage *message, bool end)
{
	const Bulkhead__V1__ListProjectsResponse *projects =
		(const Bulkhead__V1__ListProjectsResponse *)message;
	const Bulkhead__V1__ListSecretsResponse *secrets =
		(const Bulkhead__V1__ListSecretsResponse *)message;

	assert_ptr_equal(call, &caller.call);
	assert_true(end);
	caller.answers++;
	if (message->descriptor == &bulkhead__v1__list_projects_response__descriptor) {
		for (size_t i = 0; i < projects->n_projects; i++)
			add_text(projects->projects[i]->name);
	} else if (message->descriptor == &bulkhead__v1__list_secrets_response__descriptor) {
		for (size_t i = 0; i < secrets->n_secrets; i++) {
			add_text(secrets->secrets[i]->name);
			assert_int_equal(secrets->secrets[i]->sealed.len, 0);
			assert_int_equal(secrets->secrets[i]->n_keys, 1);
			assert_string_equal(secrets->secrets[i]->keys[0]->name, "k");
		}
	} else if (message->descriptor == &bulkhead__v1__project__descriptor) {
		add_text(((const Bulkhead__V1__Project *)message)->name);
	} else if (message->descriptor == &bulkhead__v1__move_projects_response__descriptor) {
		char epoch[32];

		snprintf(epoch, sizeof(epoch), "%lld",
			(long long)((const Bulkhead__V1__MoveProjectsResponse *)message)->epoch);
		add_text(epoch);
	} else if (message->descriptor == &bulkhead__v1__secret__descriptor) {
		add_text(((const Bulkhead__V1__Secret *)message)->name);
		assert_int_equal(((const Bulkhead__V1__Secret *)message)->sealed.len, 0);
	}
}

bool call_may(const struct call *call, const char *verb, const char *resource, const char *project)
{
	(void)call;
	assert_string_equal(verb, "list");
	assert_string_equal(resource, "pods");
	return !caller.only || strcmp(caller.only, project) == 0;
}

/* ---- the rig ------------------------------------------------------------------------------- */

static Bulkhead__V1__NodeConfig config;
static struct agent agent = { .config = &config };
static Bulkhead__V1__ClusterSecretKey secret_key, *secret_keys = &secret_key;
static uint8_t sealed[ENVELOPE_OVERHEAD + 8] = { ENVELOPE_VERSION };
static Bulkhead__V1__ClusterSecret secrets[SECRETS_IN_PROJECT_MAX];

static void add_secret(const char *project, const char *name)
{
	Bulkhead__V1__ClusterSecret *secret = &secrets[cluster.secrets_len++];

	bulkhead__v1__cluster_secret__init(secret);
	secret->project = TEXT(project);
	secret->name = TEXT(name);
	secret->sealed = (ProtobufCBinaryData){ sizeof(sealed), sealed };
	secret->keys = &secret_keys;
	secret->n_keys = 1;
}

static int setup(void **state)
{
	static const char *const names[] = { "blue", "default", "red" };

	(void)state;
	memset(&cluster, 0, sizeof(cluster));
	memset(&caller, 0, sizeof(caller));
	bulkhead__v1__node_config__init(&config);
	config.node_name = TEXT("node1");
	bulkhead__v1__cluster_secret_key__init(&secret_key);
	secret_key.name = TEXT("k");
	cluster.known = true;
	cluster.projects_len = ARRAY_LEN(names);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		bulkhead__v1__cluster_project__init(&cluster.projects[i]);
		cluster.projects[i].name = TEXT(names[i]);
	}
	cluster.secrets = secrets;
	add_secret("blue", "b");
	add_secret("red", "r1");
	add_secret("red", "r2");
	caller.call.agent = &agent;
	return 0;
}

/* Calls 'method'; -1: it was refused with 'code' and a text that holds 'text'. */
static void expect(
	call_fn method, const ProtobufCMessage *request, enum error_code code, const char *text)
{
	unsigned before = caller.answers;

	caller.text[0] = '\0';
	caller.err = (struct error){ 0 };
	caller.call.message = (ProtobufCMessage *)(uintptr_t)request;
	method(&agent, &caller.call);
	assert_int_equal(caller.answers, before + 1);
	assert_int_equal(caller.err.code, code);
	if (!strstr(code ? caller.err.text : caller.text, text))
		fail_msg("'%s', not '%s'", code ? caller.err.text : caller.text, text);
}

/* Calls 'method', which asks clusterd for 'change' and keeps the call. */
static void expect_change(call_fn method, const ProtobufCMessage *request, const char *change)
{
	unsigned before = caller.answers;

	caller.text[0] = '\0';
	caller.err = (struct error){ 0 };
	caller.call.message = (ProtobufCMessage *)(uintptr_t)request;
	method(&agent, &caller.call);
	if (caller.answers != before)
		fail_msg("answered at once: %s", caller.err.text);
	assert_string_equal(cluster.change, change);
	assert_non_null(caller.call.gone);
}

static void clusterd_answers(const Bulkhead__V1__ClusterTxnReply *reply, enum error_code code)
{
	struct error err = { .code = code, .text = "no" };

	cluster.done(cluster.user, code ? NULL : reply, code ? &err : NULL);
}

/* ---- tests --------------------------------------------------------------------------------- */

static void projects_are_created_by_rule(void **state)
{
	Bulkhead__V1__CreateProjectRequest request = BULKHEAD__V1__CREATE_PROJECT_REQUEST__INIT;
	Bulkhead__V1__ClusterTxnReply reply = BULKHEAD__V1__CLUSTER_TXN_REPLY__INIT;

	(void)state;
	request.name = TEXT("Red");
	expect(method_create_project, &request.base, ERR_INVALID, "Red");
	request.name = TEXT("kube-system");
	expect(method_create_project, &request.base, ERR_INVALID, "kube-");
	request.name = TEXT("red");
	expect(method_create_project, &request.base, ERR_EXISTS, "project \"red\" exists already");
	request.name = TEXT("green");
	cluster.away = true;
	expect(method_create_project, &request.base, ERR_UNAVAILABLE, "away");
	cluster.away = false;
	expect_change(method_create_project, &request.base, "+green-/-");
	clusterd_answers(&reply, ERR_EXISTS);
	assert_int_equal(caller.err.code, ERR_EXISTS);
	expect_change(method_create_project, &request.base, "+green-/-");
	clusterd_answers(&reply, ERR_NONE); /* an answer without the row */
	assert_int_equal(caller.err.code, ERR_INTERNAL);
	expect_change(method_create_project, &request.base, "+green-/-");
	reply.project = &cluster.projects[0];
	clusterd_answers(&reply, ERR_NONE);
	assert_string_equal(caller.text, "blue ");
	expect_change(method_create_project, &request.base, "+green-/-");
	caller.call.gone(&caller.call);
	assert_int_equal(cluster.forgotten, 1);
}

static void projects_with_something_in_them_stay(void **state)
{
	Bulkhead__V1__DeleteProjectRequest request = BULKHEAD__V1__DELETE_PROJECT_REQUEST__INIT;
	Bulkhead__V1__ClusterTxnReply reply = BULKHEAD__V1__CLUSTER_TXN_REPLY__INIT;

	(void)state;
	expect(method_delete_project, &request.base, ERR_INVALID, "project: is missing");
	request.name = TEXT("green");
	expect(method_delete_project, &request.base, ERR_NOT_FOUND, "\"green\" does not exist");
	request.name = TEXT("default");
	expect(method_delete_project, &request.base, ERR_PRECONDITION, "cannot be deleted");
	request.name = TEXT("red");
	expect(method_delete_project, &request.base, ERR_PRECONDITION, "has secrets (\"r1\"...)");
	cluster.secrets_len = 1;
	cluster.project_with_pods = "red";
	expect(method_delete_project, &request.base, ERR_PRECONDITION, "has pods");
	cluster.project_with_pods = "blue";
	expect_change(method_delete_project, &request.base, "+-red/-");
	clusterd_answers(&reply, ERR_NONE);
	assert_int_equal(caller.err.code, ERR_NONE);
	cluster.known = false;
	expect(method_delete_project, &request.base, ERR_UNAVAILABLE, "has not been read yet");
}

static void a_list_shows_only_ones_own_projects(void **state)
{
	Bulkhead__V1__ListProjectsRequest request = BULKHEAD__V1__LIST_PROJECTS_REQUEST__INIT;

	(void)state;
	expect(method_list_projects, &request.base, ERR_NONE, "blue default red ");
	caller.only = "red";
	expect(method_list_projects, &request.base, ERR_NONE, "red ");
	assert_string_equal(caller.text, "red ");
	request.name = TEXT("red");
	expect(method_list_projects, &request.base, ERR_NONE, "red ");
	/* One that is not theirs looks like one that is not there. */
	request.name = TEXT("blue");
	expect(method_list_projects, &request.base, ERR_NOT_FOUND,
		"project \"blue\" does not exist");
	request.name = TEXT("green");
	expect(method_list_projects, &request.base, ERR_NOT_FOUND,
		"project \"green\" does not exist");
}

static void projects_are_moved_by_rule(void **state)
{
	Bulkhead__V1__MoveProjectsRequest request = BULKHEAD__V1__MOVE_PROJECTS_REQUEST__INIT;
	Bulkhead__V1__ClusterTxnReply reply = BULKHEAD__V1__CLUSTER_TXN_REPLY__INIT;
	Bulkhead__V1__ClusterProject row = BULKHEAD__V1__CLUSTER_PROJECT__INIT;
	cleanup_free char **names = calloc(PROJECTS_MOVED_MAX + 1, sizeof(char *));

	(void)state;
	assert_non_null(names);
	for (size_t i = 0; i <= PROJECTS_MOVED_MAX; i++)
		names[i] = TEXT("red");
	caller.call.principal.name = "admin";
	request.projects = names;
	request.n_projects = PROJECTS_MOVED_MAX + 1;
	request.to = TEXT("blue");
	expect(method_move_projects, &request.base, ERR_EXHAUSTED,
		"projects: 1001 are more than 1000 at once");
	request.n_projects = PROJECTS_MOVED_MAX;
	request.to = TEXT("green");
	expect(method_move_projects, &request.base, ERR_NOT_FOUND,
		"project \"green\" does not exist");
	request.to = TEXT("blue");
	names[PROJECTS_MOVED_MAX - 1] = TEXT("green");
	expect(method_move_projects, &request.base, ERR_NOT_FOUND,
		"project \"green\" does not exist");
	names[PROJECTS_MOVED_MAX - 1] = TEXT("red");
	assert_int_equal(cluster.changes, 0);
	expect_change(method_move_projects, &request.base, "+-/-");
	assert_int_equal(cluster.moved, PROJECTS_MOVED_MAX);
	clusterd_answers(&reply, ERR_NONE);
	assert_int_equal(caller.err.code, ERR_INTERNAL);
	row.moved = 7;
	reply.project = &row;
	expect_change(method_move_projects, &request.base, "+-/-");
	clusterd_answers(&reply, ERR_NONE);
	assert_string_equal(caller.text, "7 ");
}

static void secrets_are_put_by_rule(void **state)
{
	Bulkhead__V1__PutSecretRequest request = BULKHEAD__V1__PUT_SECRET_REQUEST__INIT;
	Bulkhead__V1__Secret secret = BULKHEAD__V1__SECRET__INIT;
	Bulkhead__V1__SecretKey one = BULKHEAD__V1__SECRET_KEY__INIT, *keys = &one;
	Bulkhead__V1__ClusterTxnReply reply = BULKHEAD__V1__CLUSTER_TXN_REPLY__INIT;

	(void)state;
	expect(method_put_secret, &request.base, ERR_INVALID, "secret: is missing");
	request.secret = &secret;
	expect(method_put_secret, &request.base, ERR_INVALID, "project: is missing");
	secret.project = TEXT("green");
	expect(method_put_secret, &request.base, ERR_NOT_FOUND, "\"green\" does not exist");
	secret.project = TEXT("red");
	expect(method_put_secret, &request.base, ERR_INVALID, "secret.name");
	secret.name = TEXT("r1");
	one.name = TEXT("k");
	one.size = 8;
	secret.keys = &keys;
	secret.n_keys = 1;
	secret.sealed = (ProtobufCBinaryData){ sizeof(sealed), sealed };
	secret.node = TEXT("node2");
	expect(method_put_secret, &request.base, ERR_INVALID, "secret.node: must be \"node1\"");
	secret.node = TEXT("node1");
	expect(method_put_secret, &request.base, ERR_EXISTS, "exists already in project \"red\"");
	request.replace = true;
	expect_change(method_put_secret, &request.base, "+-/-r1Opaque!");
	reply.secret = &secrets[1];
	clusterd_answers(&reply, ERR_NONE);
	assert_string_equal(caller.text, "r1 ");
}

static void a_project_has_so_many_secrets_at_most(void **state)
{
	Bulkhead__V1__PutSecretRequest request = BULKHEAD__V1__PUT_SECRET_REQUEST__INIT;
	Bulkhead__V1__Secret secret = BULKHEAD__V1__SECRET__INIT;
	Bulkhead__V1__SecretKey one = BULKHEAD__V1__SECRET_KEY__INIT, *keys = &one;

	(void)state;
	cluster.secrets_len = 0;
	while (cluster.secrets_len < SECRETS_IN_PROJECT_MAX)
		add_secret("red", "x");
	one.name = TEXT("k");
	request.secret = &secret;
	secret.project = TEXT("red");
	secret.name = TEXT("new");
	secret.node = TEXT("node1");
	secret.keys = &keys;
	secret.n_keys = 1;
	secret.sealed = (ProtobufCBinaryData){ sizeof(sealed), sealed };
	expect(method_put_secret, &request.base, ERR_EXHAUSTED, "has the 1000 secrets");
	cluster.secrets_len--;
	expect_change(method_put_secret, &request.base, "+-/-newOpaque");
}

static void lists_of_secrets_have_no_content(void **state)
{
	Bulkhead__V1__ListSecretsRequest request = BULKHEAD__V1__LIST_SECRETS_REQUEST__INIT;

	(void)state;
	expect(method_list_secrets, &request.base, ERR_INVALID, "project: is missing");
	request.project = TEXT("red");
	expect(method_list_secrets, &request.base, ERR_NONE, "r1 r2 ");
	assert_string_equal(caller.text, "r1 r2 ");
	request.name = TEXT("r2");
	expect(method_list_secrets, &request.base, ERR_NONE, "r2 ");
	request.name = TEXT("b");
	expect(method_list_secrets, &request.base, ERR_NOT_FOUND, "secret \"b\" does not exist");
	request.name = TEXT("");
	request.all_projects = true;
	expect(method_list_secrets, &request.base, ERR_NONE, "b r1 r2 ");
}

static void secrets_are_deleted(void **state)
{
	Bulkhead__V1__DeleteSecretRequest request = BULKHEAD__V1__DELETE_SECRET_REQUEST__INIT;
	Bulkhead__V1__ClusterTxnReply reply = BULKHEAD__V1__CLUSTER_TXN_REPLY__INIT;

	(void)state;
	request.project = TEXT("red");
	request.name = TEXT("b");
	expect(method_delete_secret, &request.base, ERR_NOT_FOUND, "secret \"b\" does not exist");
	request.name = TEXT("r1");
	expect_change(method_delete_secret, &request.base, "+-/red/r1-");
	clusterd_answers(&reply, ERR_UNAVAILABLE);
	assert_int_equal(caller.err.code, ERR_UNAVAILABLE);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(projects_are_created_by_rule),
		TEST(projects_with_something_in_them_stay),
		TEST(a_list_shows_only_ones_own_projects),
		TEST(projects_are_moved_by_rule),
		TEST(secrets_are_put_by_rule),
		TEST(a_project_has_so_many_secrets_at_most),
		TEST(lists_of_secrets_have_no_content),
		TEST(secrets_are_deleted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
