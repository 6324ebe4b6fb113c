/* Imports under way have a limit and an end; nodes show each caller what it may see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/api.h"
#include "nodeagent/agent/cluster.h"
#include "nodeagent/agent/netd.h"
#include "nodeagent/agent/node.h"
#include "nodeagent/agent/pods.h"
#include "nodeagent/image/import.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

/* ---- in place of the unpacker, the call, the node ------------------------------------------ */

struct image_import {
	int pipe[2];
};

static struct {
	unsigned running;
	struct image_import *last;
	bool fails;
	enum error_code verdict;
	Bulkhead__V1__ClusterNode rows[2];
	size_t rows_len;
	bool ready;
	bool master;
} world;

static struct {
	struct call calls[IMPORTS_MAX + 1];
	unsigned streams;
	unsigned replies;
	struct error err;
	char text[256];
} caller;

int image_import_start(struct image_import **ret, const struct image_import_config *config,
	int *ret_data_fd, struct error *err)
{
	struct image_import *import = calloc(1, sizeof(*import));

	assert_non_null(import);
	assert_string_equal(config->program, "/libexec/bulkhead-unpack");
	assert_string_equal(config->store_dir, "/state/images");
	if (world.fails) {
		free(import);
		return error_set(err, ERR_INTERNAL, 0, "cannot start");
	}
	assert_int_equal(pipe(import->pipe), 0);
	*ret_data_fd = dup(import->pipe[1]);
	world.running++;
	world.last = import;
	*ret = import;
	return 0;
}

int image_import_fd(const struct image_import *import)
{
	return import->pipe[0];
}

int image_import_finish(
	struct image_import *import, Bulkhead__V1__ImportImageResponse **ret, struct error *err)
{
	(void)import;
	if (world.verdict)
		return error_set(err, world.verdict, 0, "bad archive");
	*ret = malloc(sizeof(**ret));
	assert_non_null(*ret);
	bulkhead__v1__import_image_response__init(*ret);
	return 0;
}

void image_import_free(struct image_import *import)
{
	if (!import)
		return;
	close(import->pipe[0]);
	close(import->pipe[1]);
	free(import);
	world.running--;
}

int image_store_reload(struct image_store *store, struct error *err)
{
	(void)store;
	(void)err;
	return 0;
}

int image_store_list(
	const struct image_store *store, struct image ***ret, size_t *ret_len, struct error *err)
{
	(void)store;
	(void)ret;
	(void)ret_len;
	return error_set(err, ERR_INTERNAL, 0, "not for this test");
}

void image_list_free(struct image **list, size_t len)
{
	(void)list;
	(void)len;
}

int image_store_remove(struct image_store *store, const char *name,
	int (*used)(void *user, const char *digest), void *user, struct error *err)
{
	(void)store;
	(void)name;
	(void)used;
	(void)user;
	return error_set(err, ERR_INTERNAL, 0, "not for this test");
}

void call_reply_stream(
	struct call *call, Bulkhead__V1__StreamKind kind, const int *fds, size_t fds_len)
{
	(void)call;
	assert_int_equal(kind, BULKHEAD__V1__STREAM_KIND__STREAM_IMPORT);
	assert_int_equal(fds_len, 1);
	assert_true(fds[0] >= 0);
	caller.streams++;
}

void call_reply(struct call *call, const ProtobufCMessage *message, bool end)
{
	const Bulkhead__V1__ListNodesResponse *nodes =
		(const Bulkhead__V1__ListNodesResponse *)message;

	(void)call;
	assert_true(end);
	caller.replies++;
	if (message->descriptor != &bulkhead__v1__list_nodes_response__descriptor)
		return;
	caller.text[0] = '\0';
	for (size_t i = 0; i < nodes->n_nodes; i++) {
		const Bulkhead__V1__NodeInfo *n = nodes->nodes[i];
		size_t used = strlen(caller.text);

		snprintf(caller.text + used, sizeof(caller.text) - used, "%s[%s]%zu%s ", n->name,
			n->address, n->sealing_key.len,
			n->n_conditions ? n->conditions[0]->reason : "");
	}
}

void call_fail(struct call *call, const struct error *err)
{
	(void)call;
	caller.err = *err;
}

bool call_may(const struct call *call, const char *verb, const char *resource, const char *project)
{
	(void)call;
	(void)verb;
	assert_string_equal(resource, "nodes");
	assert_null(project);
	return world.master;
}

const Bulkhead__V1__ClusterNode *cluster_node_at(const struct cluster *cluster, size_t i)
{
	(void)cluster;
	return i < world.rows_len ? &world.rows[i] : NULL;
}

const Bulkhead__V1__ClusterNode *cluster_node(const struct cluster *cluster, const char *name)
{
	for (size_t i = 0; i < world.rows_len; i++) {
		if (strcmp(world.rows[i].name, name) == 0)
			return cluster_node_at(cluster, i);
	}
	return NULL;
}

const Bulkhead__V1__NetState *netd_state(const struct netd *netd)
{
	(void)netd;
	return NULL;
}

int64_t netd_projects_epoch(const struct netd *netd)
{
	(void)netd;
	return 7;
}

size_t pods_count(const struct pods *pods)
{
	(void)pods;
	return 3;
}

bool pods_use_image(const struct pods *pods, const char *digest)
{
	(void)pods;
	(void)digest;
	return false;
}

bool node_ready(const struct node *node, char reason[NODE_REASON_SIZE], struct error *err)
{
	(void)node;
	if (world.ready)
		return true;
	snprintf(reason, NODE_REASON_SIZE, "NotYet");
	error_set(err, ERR_UNAVAILABLE, 0, "soon");
	return false;
}

/* ---- the rig ------------------------------------------------------------------------------- */

static Bulkhead__V1__NodeConfig config;
static struct agent agent;
static uint8_t key[32];

static int setup(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	memset(&caller, 0, sizeof(caller));
	bulkhead__v1__node_config__init(&config);
	config.node_name = TEXT("self");
	config.libexec_dir = TEXT("/libexec");
	config.state_dir = TEXT("/state");
	agent = (struct agent){ .config = &config };
	assert_true(sd_event_new(&agent.event) >= 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sd_event_unref(agent.event);
	return 0;
}

static void import(size_t i)
{
	static Bulkhead__V1__ImportImageRequest request = BULKHEAD__V1__IMPORT_IMAGE_REQUEST__INIT;

	caller.err = (struct error){ 0 };
	caller.calls[i] = (struct call){ .agent = &agent, .message = &request.base };
	method_import_image(&agent, &caller.calls[i]);
}

/* ---- tests --------------------------------------------------------------------------------- */

static void imports_under_way_have_a_limit(void **state)
{
	(void)state;
	for (size_t i = 0; i < IMPORTS_MAX; i++)
		import(i);
	assert_int_equal(caller.streams, IMPORTS_MAX);
	assert_int_equal(caller.err.code, ERR_NONE);
	import(IMPORTS_MAX);
	assert_int_equal(caller.err.code, ERR_EXHAUSTED);
	assert_int_equal(world.running, IMPORTS_MAX);
	/* A caller that goes away makes room, and its unpacker is ended. */
	caller.calls[0].gone(&caller.calls[0]);
	assert_int_equal(world.running, IMPORTS_MAX - 1);
	import(0);
	assert_int_equal(caller.err.code, ERR_NONE);
	for (size_t i = 0; i < IMPORTS_MAX; i++)
		caller.calls[i].gone(&caller.calls[i]);
	assert_int_equal(world.running, 0);
	assert_int_equal(agent.imports, 0);
}

static void a_verdict_ends_the_import(void **state)
{
	(void)state;
	import(0);
	assert_int_equal(write(world.last->pipe[1], "x", 1), 1);
	assert_true(sd_event_run(agent.event, 1000000) > 0);
	assert_int_equal(caller.replies, 1);
	assert_int_equal(world.running, 0);
	world.verdict = ERR_INVALID;
	import(1);
	assert_int_equal(write(world.last->pipe[1], "x", 1), 1);
	assert_true(sd_event_run(agent.event, 1000000) > 0);
	assert_int_equal(caller.err.code, ERR_INVALID);
	assert_int_equal(agent.imports, 0);
	world.fails = true;
	import(2);
	assert_int_equal(caller.err.code, ERR_INTERNAL);
	assert_int_equal(agent.imports, 0);
}

static void list_nodes(const char *name)
{
	static Bulkhead__V1__ListNodesRequest request;

	bulkhead__v1__list_nodes_request__init(&request);
	request.name = TEXT(name);
	caller.err = (struct error){ 0 };
	caller.calls[0] = (struct call){ .agent = &agent, .message = &request.base };
	method_list_nodes(&agent, &caller.calls[0]);
}

static void nodes_show_what_may_be_seen(void **state)
{
	(void)state;
	list_nodes("");
	assert_string_equal(caller.text, "self[]0NotYet ");
	world.rows_len = 2;
	for (size_t i = 0; i < 2; i++) {
		bulkhead__v1__cluster_node__init(&world.rows[i]);
		world.rows[i].name = TEXT(i ? "self" : "other");
		world.rows[i].address = TEXT("192.0.2.1");
		world.rows[i].sealing_key = (ProtobufCBinaryData){ sizeof(key), key };
	}
	/* To seal a secret, everybody needs a node's key; addresses are for those who may list. */
	list_nodes("");
	assert_string_equal(caller.text, "other[]32 self[]32NotYet ");
	world.master = true;
	world.ready = true;
	list_nodes("");
	assert_string_equal(caller.text, "other[192.0.2.1]32 self[192.0.2.1]32NodeReady ");
	list_nodes("self");
	assert_string_equal(caller.text, "self[192.0.2.1]32NodeReady ");
	list_nodes("absent");
	assert_int_equal(caller.err.code, ERR_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(imports_under_way_have_a_limit),
		TEST(a_verdict_ends_the_import),
		TEST(nodes_show_what_may_be_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
