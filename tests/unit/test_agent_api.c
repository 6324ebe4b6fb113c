/*
 * The table of methods and what bulkhead-api may do with it: unknown methods, rights, broken
 * requests, cancellations, limits. The daemon and the handlers are stood in for here; everything
 * between is the agent's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/api.h"
#include "nodeagent/agent/daemon.h"
#include "nodeagent/agent/methods.h"
#include "proto/k8s.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

/* ---- in place of the daemon ---------------------------------------------------------------- */

static struct {
	const struct daemon_ops *ops;
	void *user;
	unsigned replies;
	unsigned kills;
	bool crowded;
	enum error_code refuse;        /* daemon_send() fails with this */
	unsigned refuse_times;         /* so often */
	Bulkhead__V1__CallReply *last; /* what was sent */
	size_t last_fds;
} fake;

int daemon_new(struct daemon **ret, const struct daemon_config *config,
	const struct daemon_ops *ops, void *user, struct error *err)
{
	(void)err;
	assert_string_equal(config->name, "bulkhead-api");
	fake.ops = ops;
	fake.user = user;
	*ret = (struct daemon *)&fake;
	return 0;
}

void daemon_free(struct daemon *daemon)
{
	(void)daemon;
}

int daemon_send(struct daemon *daemon, enum ipc_type type, const ProtobufCMessage *message,
	const int *fds, size_t fds_len, uint32_t *ret_serial, struct error *err)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	cleanup_free uint8_t *bytes = malloc(size + 1);

	(void)daemon;
	(void)fds;
	assert_int_equal(type, IPC_CALL_REPLY);
	assert_null(ret_serial);
	if (fake.refuse_times) {
		fake.refuse_times--;
		return error_set(err, fake.refuse, 0, "refused");
	}
	assert_non_null(bytes);
	protobuf_c_message_pack(message, bytes);
	if (fake.last)
		bulkhead__v1__call_reply__free_unpacked(fake.last, NULL);
	fake.last = bulkhead__v1__call_reply__unpack(NULL, size, bytes);
	assert_non_null(fake.last);
	fake.last_fds = fds_len;
	fake.replies++;
	return 0;
}

bool daemon_crowded(const struct daemon *daemon)
{
	(void)daemon;
	return fake.crowded;
}

void daemon_kill(struct daemon *daemon, const char *why)
{
	(void)daemon;
	(void)why;
	fake.kills++;
}

/* ---- in place of the handlers -------------------------------------------------------------- */

static struct {
	unsigned calls;
	unsigned gone;
	bool keep; /* the call, else answer it */
	struct call *kept;
} handled;

static void on_gone(struct call *call)
{
	handled.gone++;
	if (handled.kept == call)
		handled.kept = NULL;
}

static void handle(struct agent *agent, struct call *call)
{
	assert_ptr_equal(agent, call->agent);
	handled.calls++;
	if (handled.keep) {
		call->gone = on_gone;
		handled.kept = call;
		return;
	}
	call_end(call);
}

#define HANDLER(name)                                                                              \
	void name(struct agent *agent, struct call *call)                                          \
	{                                                                                          \
		handle(agent, call);                                                               \
	}

#include "tests/unit/handlers.h"

/* ---- the rig ------------------------------------------------------------------------------- */

static struct agent agent;

static int setup(void **state)
{
	static Bulkhead__V1__NodeConfig config;
	struct error err = { 0 };

	(void)state;
	log_init("test", LOG_LEVEL_ERROR);
	bulkhead__v1__node_config__init(&config);
	config.state_dir = TEXT("/nowhere");
	config.run_dir = TEXT("/nowhere");
	config.libexec_dir = TEXT("/nowhere");
	config.listen = TEXT("127.0.0.1:1");
	agent = (struct agent){ .config = &config };
	memset(&fake, 0, sizeof(fake));
	memset(&handled, 0, sizeof(handled));
	assert_true(sd_event_new(&agent.event) >= 0);
	assert_int_equal(api_new(&agent.api, &agent, &err), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	api_free(agent.api);
	sd_event_unref(agent.event);
	if (fake.last)
		bulkhead__v1__call_reply__free_unpacked(fake.last, NULL);
	return 0;
}

/* Sends a call as bulkhead-api does. -1: the connection would be closed. */
static int call_bytes(uint64_t id, const char *user, const char *group, const char *method,
	const uint8_t *bytes, size_t size)
{
	Bulkhead__V1__Principal principal = BULKHEAD__V1__PRINCIPAL__INIT;
	Bulkhead__V1__Call call = BULKHEAD__V1__CALL__INIT;
	struct ipc_frame frame = { .type = IPC_CALL, .serial = 1 };
	struct error err = { 0 };
	char *groups[] = { TEXT(group) };

	principal.name = TEXT(user);
	principal.groups = groups;
	principal.n_groups = group ? 1 : 0;
	call.id = id;
	call.principal = user ? &principal : NULL;
	call.method = TEXT(method);
	call.peer = TEXT("test");
	call.message.data = (uint8_t *)(uintptr_t)bytes;
	call.message.len = size;
	return fake.ops->frame(fake.user, &frame, &call.base, &err);
}

static int call(uint64_t id, const char *group, const char *method, const ProtobufCMessage *message)
{
	uint8_t bytes[1024];
	size_t size = protobuf_c_message_get_packed_size(message);

	assert_true(size <= sizeof(bytes));
	protobuf_c_message_pack(message, bytes);
	return call_bytes(id, "someone", group, method, bytes, size);
}

static unsigned last_code(void)
{
	assert_non_null(fake.last);
	return fake.last->error ? fake.last->error->code : ERR_NONE;
}

static void cancel(uint64_t id)
{
	Bulkhead__V1__CallCancel message = BULKHEAD__V1__CALL_CANCEL__INIT;
	struct ipc_frame frame = { .type = IPC_CALL_CANCEL, .serial = 1 };
	struct error err = { 0 };

	message.id = id;
	assert_int_equal(fake.ops->frame(fake.user, &frame, &message.base, &err), 0);
}

static uint64_t next_id(void)
{
	static uint64_t id;

	return ++id;
}

/* ---- tests --------------------------------------------------------------------------------- */

static void every_method_of_the_service_has_a_row(void **state)
{
	const ProtobufCServiceDescriptor *service = &bulkhead__v1__node__descriptor;
	size_t rows = 0;

	(void)state;
	for (unsigned i = 0; i < service->n_methods; i++) {
		const struct method *row = method_find(service->methods[i].name);

		if (!row)
			fail_msg("%s has no row", service->methods[i].name);
		assert_ptr_equal(row->request, service->methods[i].input);
	}
	while (method_at(rows))
		rows++;
	assert_int_equal(rows, service->n_methods);
	assert_null(method_find("Nothing"));
}

static void nothing_is_allowed_without_a_group(void **state)
{
	const struct method *row;

	(void)state;
	for (size_t i = 0; (row = method_at(i)); i++) {
		assert_int_equal(call_bytes(next_id(), "someone", NULL, row->name, NULL, 0), 0);
		assert_int_equal(last_code(), row->open ? ERR_NONE : ERR_DENIED);
	}
	assert_int_equal(handled.calls, 3); /* ListProjects, ListNodes, GetVersion */
}

static void a_caller_without_a_name_is_nobody(void **state)
{
	const struct method *row;

	(void)state;
	for (size_t i = 0; (row = method_at(i)); i++) {
		assert_int_equal(
			call_bytes(next_id(), "", "system:masters", row->name, NULL, 0), 0);
		assert_int_equal(last_code(), row->open ? ERR_UNAUTHENTICATED : ERR_DENIED);
	}
	assert_int_equal(handled.calls, 0);
	assert_int_equal(call_bytes(next_id(), NULL, NULL, "ListPods", NULL, 0), -1);
	assert_int_equal(call_bytes(0, "someone", NULL, "ListPods", NULL, 0), -1);
}

static void masters_may_all(void **state)
{
	const struct method *row;
	size_t i;

	(void)state;
	for (i = 0; (row = method_at(i)); i++) {
		assert_int_equal(
			call_bytes(next_id(), "admin", "system:masters", row->name, NULL, 0), 0);
		assert_int_equal(last_code(), ERR_NONE);
	}
	assert_int_equal(handled.calls, i);
}

#define EDIT_RED "bulkhead:project:red:edit"
#define VIEW_RED "bulkhead:project:red:view"

static void the_project_comes_from_the_request(void **state)
{
	Bulkhead__V1__ListPodsRequest list = BULKHEAD__V1__LIST_PODS_REQUEST__INIT;
	Bulkhead__V1__PutSecretRequest put = BULKHEAD__V1__PUT_SECRET_REQUEST__INIT;
	Bulkhead__V1__Secret secret = BULKHEAD__V1__SECRET__INIT;
	Bulkhead__V1__PutQuotaRequest put_quota = BULKHEAD__V1__PUT_QUOTA_REQUEST__INIT;
	Bulkhead__V1__Quota quota = BULKHEAD__V1__QUOTA__INIT;
	Bulkhead__V1__ExecRequest exec = BULKHEAD__V1__EXEC_REQUEST__INIT;
	Bulkhead__V1__ExecStart start = BULKHEAD__V1__EXEC_START__INIT;
	Bulkhead__V1__CreateProjectRequest create = BULKHEAD__V1__CREATE_PROJECT_REQUEST__INIT;
	Bulkhead__V1__ApplyPodRequest apply = BULKHEAD__V1__APPLY_POD_REQUEST__INIT;
	K8sPod pod;
	K8sObjectMeta meta;

	(void)state;
	list.project = TEXT("red");
	call(next_id(), VIEW_RED, "ListPods", &list.base);
	assert_int_equal(last_code(), ERR_NONE);
	call(next_id(), VIEW_RED, "WatchPods", &list.base);
	assert_int_equal(last_code(), ERR_NONE);
	list.project = TEXT("blue");
	call(next_id(), VIEW_RED, "ListPods", &list.base);
	assert_int_equal(last_code(), ERR_DENIED);
	/* A project beside 'all_projects' does not make it one's own. */
	list.project = TEXT("red");
	list.all_projects = true;
	call(next_id(), EDIT_RED, "ListPods", &list.base);
	assert_int_equal(last_code(), ERR_DENIED);

	put.secret = &secret;
	secret.project = TEXT("red");
	call(next_id(), EDIT_RED, "PutSecret", &put.base);
	assert_int_equal(last_code(), ERR_NONE);
	call(next_id(), VIEW_RED, "PutSecret", &put.base);
	assert_int_equal(last_code(), ERR_DENIED);

	put_quota.quota = &quota;
	quota.project = TEXT("red");
	call(next_id(), EDIT_RED, "PutQuota", &put_quota.base);
	assert_int_equal(last_code(), ERR_DENIED);
	call(next_id(), "system:masters", "PutQuota", &put_quota.base);
	assert_int_equal(last_code(), ERR_NONE);

	secret.project = TEXT("blue");
	call(next_id(), EDIT_RED, "PutSecret", &put.base);
	assert_int_equal(last_code(), ERR_DENIED);

	exec.start = &start;
	start.project = TEXT("red");
	call(next_id(), EDIT_RED, "Exec", &exec.base);
	assert_int_equal(last_code(), ERR_NONE);
	call(next_id(), VIEW_RED, "Exec", &exec.base);
	assert_int_equal(last_code(), ERR_DENIED);
	call(next_id(), EDIT_RED, "Debug", &exec.base);
	assert_int_equal(last_code(), ERR_NONE);
	call(next_id(), VIEW_RED, "Debug", &exec.base);
	assert_int_equal(last_code(), ERR_DENIED);

	start.project = TEXT("blue");
	call(next_id(), EDIT_RED, "Exec", &exec.base);
	assert_int_equal(last_code(), ERR_DENIED);
	call(next_id(), EDIT_RED, "Debug", &exec.base);
	assert_int_equal(last_code(), ERR_DENIED);

	create.name = TEXT("red");
	call(next_id(), EDIT_RED, "CreateProject", &create.base);
	assert_int_equal(last_code(), ERR_DENIED);

	k8s__io__api__core__v1__pod__init(&pod);
	k8s__io__apimachinery__pkg__apis__meta__v1__object_meta__init(&meta);
	apply.pod = &pod;
	call(next_id(), EDIT_RED, "ApplyPod", &apply.base);
	assert_int_equal(last_code(), ERR_DENIED);
	pod.metadata = &meta;
	meta.namespace_ = TEXT("red");
	call(next_id(), EDIT_RED, "ApplyPod", &apply.base);
	assert_int_equal(last_code(), ERR_NONE);
	meta.namespace_ = TEXT("blue");
	call(next_id(), EDIT_RED, "ApplyPod", &apply.base);
	assert_int_equal(last_code(), ERR_DENIED);
}

/* Every request that has a field 'project' of its own: blue is denied where red is allowed. */
static void no_method_mistakes_the_project(void **state)
{
	const struct method *row;
	unsigned methods = 0;

	(void)state;
	for (size_t i = 0; (row = method_at(i)); i++) {
		const ProtobufCFieldDescriptor *field =
			protobuf_c_message_descriptor_get_field_by_name(row->request, "project");
		union {
			ProtobufCMessage base;
			char room[256];
		} request;
		bool theirs;

		if (!field)
			continue;
		assert_true(row->request->sizeof_message <= sizeof(request));
		protobuf_c_message_init(row->request, &request.base);
		*(const char **)(void *)((char *)&request + field->offset) = "red";
		call(next_id(), EDIT_RED, row->name, &request.base);
		/* What a project may have together, and reach, is not its members' to say. */
		theirs = strcmp(row->name, "DeleteQuota") != 0 &&
			 strcmp(row->name, "DeleteEgressNetworkPolicy") != 0;
		assert_int_equal(last_code(), theirs ? ERR_NONE : ERR_DENIED);
		*(const char **)(void *)((char *)&request + field->offset) = "blue";
		call(next_id(), EDIT_RED, row->name, &request.base);
		if (last_code() != ERR_DENIED)
			fail_msg("%s in project blue was allowed", row->name);
		methods++;
	}
	assert_int_equal(methods, 17);
}

static void what_is_not_a_call_is_refused(void **state)
{
	static const uint8_t broken[] = { 0x0a, 0xff };
	static const uint8_t unknown_field[] = { 0xf8, 0x07, 0x01 };

	(void)state;
	assert_int_equal(call_bytes(next_id(), "a", "system:masters", "Reboot", NULL, 0), 0);
	assert_int_equal(last_code(), ERR_UNSUPPORTED);
	call_bytes(next_id(), "a", "system:masters", "ListPods", broken, sizeof(broken));
	assert_int_equal(last_code(), ERR_INVALID);
	call_bytes(
		next_id(), "a", "system:masters", "ListPods", unknown_field, sizeof(unknown_field));
	assert_int_equal(last_code(), ERR_INVALID);
	assert_int_equal(handled.calls, 0);
}

static void a_call_that_is_cancelled_is_gone(void **state)
{
	Bulkhead__V1__GetVersionRequest request = BULKHEAD__V1__GET_VERSION_REQUEST__INIT;
	uint64_t id = next_id();

	(void)state;
	handled.keep = true;
	call(id, NULL, "GetVersion", &request.base);
	assert_non_null(handled.kept);
	cancel(id + API_CALLS_MAX); /* the same slot, another call */
	assert_int_equal(handled.gone, 0);
	cancel(id);
	assert_int_equal(handled.gone, 1);
	cancel(id);
	assert_int_equal(handled.gone, 1);
	assert_int_equal(fake.replies, 0);
}

static void all_calls_are_gone_with_the_daemon(void **state)
{
	Bulkhead__V1__GetVersionRequest request = BULKHEAD__V1__GET_VERSION_REQUEST__INIT;
	struct error err = { 0 };

	(void)state;
	handled.keep = true;
	for (int i = 0; i < 10; i++)
		call(next_id(), NULL, "GetVersion", &request.base);
	fake.ops->lost(fake.user, &err);
	assert_int_equal(handled.gone, 10);
}

static void calls_under_way_have_a_limit(void **state)
{
	Bulkhead__V1__GetVersionRequest request = BULKHEAD__V1__GET_VERSION_REQUEST__INIT;
	const uint64_t first = 1u << 20;

	(void)state;
	handled.keep = true;
	for (uint64_t i = 0; i < API_CALLS_MAX; i++)
		call(first + i, NULL, "GetVersion", &request.base);
	assert_int_equal(handled.calls, API_CALLS_MAX);
	assert_int_equal(fake.replies, 0);
	call(first + API_CALLS_MAX, NULL, "GetVersion", &request.base);
	assert_int_equal(handled.calls, API_CALLS_MAX);
	assert_int_equal(last_code(), ERR_EXHAUSTED);
	cancel(first);
	call(first + API_CALLS_MAX, NULL, "GetVersion", &request.base);
	assert_int_equal(handled.calls, API_CALLS_MAX + 1);
}

static void a_response_that_cannot_be_sent_ends_the_call(void **state)
{
	Bulkhead__V1__GetVersionRequest request = BULKHEAD__V1__GET_VERSION_REQUEST__INIT;
	Bulkhead__V1__GetVersionResponse response = BULKHEAD__V1__GET_VERSION_RESPONSE__INIT;

	(void)state;
	handled.keep = true;
	call(next_id(), NULL, "GetVersion", &request.base);
	fake.refuse = ERR_EXHAUSTED;
	fake.refuse_times = 1;
	call_reply(handled.kept, &response.base, false);
	/* The handler goes on with its call until the turn is over. */
	call_reply(handled.kept, &response.base, false);
	assert_int_equal(handled.gone, 0);
	assert_int_equal(fake.replies, 0);
	assert_true(sd_event_run(agent.event, 0) > 0);
	assert_int_equal(handled.gone, 1);
	assert_int_equal(last_code(), ERR_EXHAUSTED);
	assert_true(fake.last->end);
	/* One that takes no end of a call either is ended itself. */
	call(next_id(), NULL, "GetVersion", &request.base);
	fake.refuse_times = 2;
	call_reply(handled.kept, &response.base, true);
	assert_int_equal(fake.kills, 1);
}

/* However much callers ask for: bulkhead-api, which all others use too, is not ended for it. */
static void who_asks_for_too_much_is_told(void **state)
{
	Bulkhead__V1__GetVersionRequest request = BULKHEAD__V1__GET_VERSION_REQUEST__INIT;
	Bulkhead__V1__GetVersionResponse response = BULKHEAD__V1__GET_VERSION_RESPONSE__INIT;

	(void)state;
	handled.keep = true;
	fake.crowded = true;
	call(next_id(), NULL, "GetVersion", &request.base);
	call_reply(handled.kept, &response.base, false);
	assert_int_equal(fake.replies, 0);
	assert_true(sd_event_run(agent.event, 0) > 0);
	assert_int_equal(handled.gone, 1);
	assert_int_equal(last_code(), ERR_EXHAUSTED);
	call(next_id(), NULL, "GetVersion", &request.base);
	call_reply(handled.kept, &response.base, true);
	assert_int_equal(last_code(), ERR_EXHAUSTED);
	assert_true(fake.last->end);
	/* An end is short, and must come. */
	call(next_id(), NULL, "GetVersion", &request.base);
	call_end(handled.kept);
	assert_int_equal(last_code(), ERR_NONE);
	assert_true(fake.last->end);
	assert_int_equal(fake.kills, 0);
}

static void streams_carry_descriptors(void **state)
{
	Bulkhead__V1__GetVersionRequest request = BULKHEAD__V1__GET_VERSION_REQUEST__INIT;
	const int fds[] = { 0, 1, 2 };

	(void)state;
	handled.keep = true;
	call(next_id(), NULL, "GetVersion", &request.base);
	call_reply_stream(handled.kept, BULKHEAD__V1__STREAM_KIND__STREAM_EXEC, fds, 3);
	assert_int_equal(fake.last_fds, 3);
	assert_int_equal(fake.last->stream, BULKHEAD__V1__STREAM_KIND__STREAM_EXEC);
	assert_false(fake.last->end);
	call_end(handled.kept);
	assert_true(fake.last->end);
	assert_int_equal(last_code(), ERR_NONE);
	assert_int_equal(handled.gone, 0);
}

static void lists_show_what_may_be_seen(void **state)
{
	Bulkhead__V1__GetVersionRequest request = BULKHEAD__V1__GET_VERSION_REQUEST__INIT;
	struct error err = { 0 };

	(void)state;
	handled.keep = true;
	call(next_id(), VIEW_RED, "GetVersion", &request.base);
	assert_true(call_may(handled.kept, "list", "pods", "red"));
	assert_false(call_may(handled.kept, "list", "pods", "blue"));
	assert_false(call_may(handled.kept, "list", "nodes", NULL));
	assert_int_equal(call_authorize(handled.kept, "get", "pods", "red", &err), 0);
	assert_int_equal(call_authorize(handled.kept, "delete", "pods", "red", &err), -1);
	assert_int_equal(err.code, ERR_DENIED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_method_of_the_service_has_a_row),
		TEST(nothing_is_allowed_without_a_group),
		TEST(a_caller_without_a_name_is_nobody),
		TEST(masters_may_all),
		TEST(the_project_comes_from_the_request),
		TEST(no_method_mistakes_the_project),
		TEST(what_is_not_a_call_is_refused),
		TEST(a_call_that_is_cancelled_is_gone),
		TEST(all_calls_are_gone_with_the_daemon),
		TEST(calls_under_way_have_a_limit),
		TEST(a_response_that_cannot_be_sent_ends_the_call),
		TEST(who_asks_for_too_much_is_told),
		TEST(streams_carry_descriptors),
		TEST(lists_show_what_may_be_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
