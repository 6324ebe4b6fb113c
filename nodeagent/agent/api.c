#include "nodeagent/agent/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/daemon.h"
#include "nodeagent/agent/methods.h"
#include "proto/text.h"
#include "proto/wire_check.h"

struct api {
	struct agent *agent;
	struct daemon *daemon;
	sd_event_source *broken_source; /* runs end_broken() once this turn is over */
	struct api_call *slots[API_CALLS_MAX];
};

/* One call as this module keeps it; handlers see the first member. */
struct api_call {
	struct call call;
	struct api *api;
	Bulkhead__V1__Principal *principal;
	char *peer;
	bool broken; /* a response could not be sent: the call ends with 'why' */
	struct error why;
};

static struct api_call *of(struct call *call)
{
	return (struct api_call *)call;
}

static struct api_call **slot_of(struct api *api, uint64_t id)
{
	return &api->slots[id % API_CALLS_MAX];
}

static void destroy(struct api_call *c)
{
	struct api_call **slot = slot_of(c->api, c->call.id);

	if (*slot == c)
		*slot = NULL;
	if (c->call.message)
		protobuf_c_message_free_unpacked(c->call.message, NULL);
	if (c->principal)
		bulkhead__v1__principal__free_unpacked(c->principal, NULL);
	free(c->peer);
	free(c);
}

/* Nobody waits for an answer any more. */
static void abandon(struct api_call *c)
{
	if (c->call.gone)
		c->call.gone(&c->call);
	destroy(c);
}

/* ---- answers ------------------------------------------------------------------------------- */

static int send_reply(struct api *api, Bulkhead__V1__CallReply *reply, const int *fds,
	size_t fds_len, struct error *err)
{
	return daemon_send(api->daemon, IPC_CALL_REPLY, &reply->base, fds, fds_len, NULL, err);
}

/*
 * Callers choose how many answers there are and how long: when bulkhead-api does not keep up, one
 * of them hears that, and the connection of all stays.
 */
static int check_room(const struct api *api, struct error *err)
{
	if (!daemon_crowded(api->daemon))
		return 0;
	return error_set(
		err, ERR_EXHAUSTED, 0, "too many answers of this node wait to be sent; try again");
}

static int send_error(struct api *api, uint64_t id, const struct error *why, struct error *err)
{
	Bulkhead__V1__CallReply reply = BULKHEAD__V1__CALL_REPLY__INIT;
	Bulkhead__V1__Error error;

	ipc_error_pack(why, &error);
	reply.id = id;
	reply.end = true;
	reply.error = &error;
	return send_reply(api, &reply, NULL, 0, err);
}

/* An api that does not take the end of a call would keep its caller waiting for ever. */
static void end_with_error(struct api *api, uint64_t id, const struct error *why)
{
	struct error err = { 0 };

	if (send_error(api, id, why, &err) < 0 && err.code != ERR_UNAVAILABLE)
		daemon_kill(api->daemon, err.text);
}

/* The handler still holds the call: it is told, and the caller too, when this turn is over. */
static void break_call(struct api_call *c, const struct error *why)
{
	if (c->broken)
		return;
	c->broken = true;
	c->why = *why;
	sd_event_source_set_enabled(c->api->broken_source, SD_EVENT_ONESHOT);
}

static int end_broken(sd_event_source *source, void *user)
{
	struct api *api = user;

	(void)source;
	for (size_t i = 0; i < API_CALLS_MAX; i++) {
		struct api_call *c = api->slots[i];

		if (!c || !c->broken)
			continue;
		end_with_error(api, c->call.id, &c->why);
		abandon(c);
	}
	return 0;
}

static int pack_reply(
	Bulkhead__V1__CallReply *reply, const ProtobufCMessage *message, struct error *err)
{
	size_t size = protobuf_c_message_get_packed_size(message);

	reply->message.data = malloc(size + 1);
	if (!reply->message.data)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for a response");
	reply->message.len = protobuf_c_message_pack(message, reply->message.data);
	return 0;
}

void call_reply(struct call *call, const ProtobufCMessage *message, bool end)
{
	struct api_call *c = of(call);
	Bulkhead__V1__CallReply reply = BULKHEAD__V1__CALL_REPLY__INIT;
	struct error err = { 0 };
	int r = 0;

	reply.id = call->id;
	reply.end = end;
	if (c->broken) {
		err = c->why;
		r = -1;
	}
	if (r == 0)
		r = check_room(c->api, &err);
	if (r == 0)
		r = pack_reply(&reply, message, &err);
	if (r == 0)
		r = send_reply(c->api, &reply, NULL, 0, &err);
	free(reply.message.data);
	if (r < 0 && end)
		end_with_error(c->api, call->id, &err);
	if (end)
		destroy(c);
	else if (r < 0)
		break_call(c, &err);
}

void call_reply_stream(
	struct call *call, Bulkhead__V1__StreamKind kind, const int *fds, size_t fds_len)
{
	struct api_call *c = of(call);
	Bulkhead__V1__CallReply reply = BULKHEAD__V1__CALL_REPLY__INIT;
	struct error err = { 0 };

	reply.id = call->id;
	reply.stream = kind;
	if (!c->broken && (check_room(c->api, &err) < 0 ||
				  send_reply(c->api, &reply, fds, fds_len, &err) < 0))
		break_call(c, &err);
}

void call_end(struct call *call)
{
	struct api_call *c = of(call);
	Bulkhead__V1__CallReply reply = BULKHEAD__V1__CALL_REPLY__INIT;
	struct error err = { 0 };

	if (c->broken) {
		call_fail(call, &c->why);
		return;
	}
	reply.id = call->id;
	reply.end = true;
	if (send_reply(c->api, &reply, NULL, 0, &err) < 0)
		end_with_error(c->api, call->id, &err);
	destroy(c);
}

void call_fail(struct call *call, const struct error *err)
{
	struct api_call *c = of(call);

	end_with_error(c->api, call->id, c->broken ? &c->why : err);
	destroy(c);
}

/* ---- authorization ------------------------------------------------------------------------- */

static void audit(const struct call *call, const char *verb, const char *resource,
	const struct method_target *target, const char *rule)
{
	char user[TEXT_QUOTE_SIZE], project[TEXT_QUOTE_SIZE], name[TEXT_QUOTE_SIZE];
	const struct log_subject subject = { .project = target->project };

	log_write(LOG_LEVEL_INFO, &subject,
		"audit: user=%s verb=%s resource=%s project=%s name=%s decision=%s rule=%s "
		"method=%s peer=%s",
		text_quote(user, call->principal.name), verb, resource,
		text_quote(project, target->project ? target->project : ""),
		text_quote(name, target->name), rule ? "allow" : "deny", rule ? rule : "none",
		call->method, call->peer);
}

static int authorize(struct call *call, const char *verb, const char *resource,
	const struct method_target *target, struct error *err)
{
	const char *rule = rbac_rule(&call->principal, verb, resource, target->project);

	audit(call, verb, resource, target, rule);
	return rbac_authorize(&call->principal, verb, resource, target->project, err);
}

int call_authorize(struct call *call, const char *verb, const char *resource, const char *project,
	struct error *err)
{
	const struct method_target target = { .project = project, .name = "" };

	return authorize(call, verb, resource, &target, err);
}

bool call_may(const struct call *call, const char *verb, const char *resource, const char *project)
{
	return rbac_rule(&call->principal, verb, resource, project) != NULL;
}

static int authorize_method(struct call *call, const struct method *method, struct error *err)
{
	struct method_target target = { .name = "" };

	if (method->target)
		method->target(call->message, &target);
	if (!method->open)
		return authorize(call, method->verb, method->resource, &target, err);
	if (!call->principal.name || !call->principal.name[0])
		return error_set(err, ERR_UNAUTHENTICATED, 0, "the caller has no name");
	audit(call, method->verb, method->resource, &target, RBAC_AUTHENTICATED);
	return 0;
}

/* ---- calls --------------------------------------------------------------------------------- */

/* The frame's message ends with the frame: what the call needs is copied. */
static int fill(struct api_call *c, const struct method *method, const Bulkhead__V1__Call *call,
	struct error *err)
{
	size_t size = protobuf_c_message_get_packed_size(&call->principal->base);
	cleanup_free uint8_t *bytes = malloc(size + 1);

	c->peer = strdup(call->peer);
	if (!bytes || !c->peer)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for a call");
	protobuf_c_message_pack(&call->principal->base, bytes);
	c->principal = bulkhead__v1__principal__unpack(NULL, size, bytes);
	if (!c->principal)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for a call");
	c->call.principal = (struct principal){
		.name = c->principal->name,
		.groups = c->principal->groups,
		.groups_len = c->principal->n_groups,
	};
	c->call.method = method->name;
	c->call.peer = c->peer;
	if (message_unpack(method->request, call->message.data, call->message.len, &c->call.message,
		    err) < 0)
		return error_prefix(err, "%s", method->name);
	return 0;
}

static int begin(struct api *api, const Bulkhead__V1__Call *call, struct error *err)
{
	const struct method *method = method_find(call->method);
	struct api_call **slot = slot_of(api, call->id);
	struct api_call *c;

	if (!method)
		return error_set(err, ERR_UNSUPPORTED, 0, "method '%.64s' is unknown to this node",
			call->method);
	if (*slot)
		return error_set(err, ERR_EXHAUSTED, 0,
			"the node has too many calls under way (%d)", API_CALLS_MAX);
	c = calloc(1, sizeof(*c));
	if (!c)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for a call");
	c->api = api;
	c->call.agent = api->agent;
	c->call.id = call->id;
	c->call.received_usec = monotonic_usec();
	*slot = c;
	if (fill(c, method, call, err) < 0 || authorize_method(&c->call, method, err) < 0) {
		destroy(c);
		return -1;
	}
	method->handler(api->agent, &c->call);
	return 0;
}

static void cancel(struct api *api, uint64_t id)
{
	struct api_call *c = *slot_of(api, id);

	/* Otherwise its answer crossed the cancellation on the way. */
	if (c && c->call.id == id)
		abandon(c);
}

static int on_frame(
	void *user, struct ipc_frame *frame, const ProtobufCMessage *message, struct error *err)
{
	struct api *api = user;
	const Bulkhead__V1__Call *call = (const Bulkhead__V1__Call *)message;
	struct error why = { 0 };

	if (frame->type == IPC_CALL_CANCEL) {
		cancel(api, ((const Bulkhead__V1__CallCancel *)message)->id);
		return 0;
	}
	if (!call->id || !call->principal)
		return error_set(err, ERR_INVALID, 0, "a call without id or principal came");
	if (begin(api, call, &why) < 0)
		end_with_error(api, call->id, &why);
	return 0;
}

static void abandon_all(struct api *api)
{
	for (size_t i = 0; i < API_CALLS_MAX; i++) {
		if (api->slots[i])
			abandon(api->slots[i]);
	}
}

static void on_lost(void *user, const struct error *err)
{
	(void)err;
	abandon_all(user);
}

static const struct daemon_ops daemon_ops = { .frame = on_frame, .lost = on_lost };

/* ---- the daemon ---------------------------------------------------------------------------- */

static int start_daemon(struct api *api, struct error *err)
{
	const Bulkhead__V1__NodeConfig *node = api->agent->config;
	cleanup_free char *ca = NULL, *cert = NULL, *key = NULL, *root = NULL;
	char uid[16];
	int made = asprintf(&ca, "%s/pki/ca.pem", node->state_dir) |
		   asprintf(&cert, "%s/pki/node.pem", node->state_dir) |
		   asprintf(&key, "%s/pki/node.key", node->state_dir) |
		   asprintf(&root, "%s/empty", node->run_dir);
	const char *args[] = { "--listen", node->listen, "--ca", ca, "--cert", cert, "--key", key,
		"--uid", uid, "--empty-root", root, NULL };
	const struct daemon_config config = {
		.event = api->agent->event,
		.dir = node->libexec_dir,
		.name = "bulkhead-api",
		.role = IPC_API,
		.args = args,
	};

	if (made < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot start bulkhead-api");
	snprintf(uid, sizeof(uid), "%u", node->api_uid);
	return daemon_new(&api->daemon, &config, &daemon_ops, api, err);
}

int api_new(struct api **ret, struct agent *agent, struct error *err)
{
	struct api *api = calloc(1, sizeof(*api));
	int r;

	if (!api)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot start bulkhead-api");
	api->agent = agent;
	r = sd_event_add_defer(agent->event, &api->broken_source, end_broken, api);
	if (r >= 0)
		r = sd_event_source_set_enabled(api->broken_source, SD_EVENT_OFF);
	if (r < 0)
		error_set(err, error_code_of(-r), -r, "cannot make an event source");
	if (r < 0 || start_daemon(api, err) < 0) {
		api_free(api);
		return -1;
	}
	*ret = api;
	return 0;
}

void api_free(struct api *api)
{
	if (!api)
		return;
	abandon_all(api);
	daemon_free(api->daemon);
	sd_event_source_disable_unref(api->broken_source);
	free(api);
}
