#include "nodeagent/api/server.h"

#include <errno.h>
#include <grpc/grpc_security.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "nodeagent/api/handlers.h"
#include "nodeagent/api/listener.h"

#define ACCEPTS     32          /* calls taken at a time */
#define QUOTA_BYTES (32u << 20) /* what gRPC may buffer for all connections */
#define DRAIN_MS    2000        /* for calls to end after the agent went */
#define HURRY_MS    50          /* for the last bytes after the last call ended */
#define MINUTE_MS   (60 * 1000)

/*
 * gRPC core's own limits. The message limit alone is checked only after the whole message is in
 * memory (the quota is what bounds that), and decompression is bounded by neither, so no
 * compression is offered.
 */
static const struct setting {
	const char *key;
	int value;
} settings[] = {
	{ GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, CALL_MESSAGE_MAX },
	{ GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, IPC_PAYLOAD_MAX },
#ifndef BULKHEAD_WEAK_COMPRESSION
	{ "grpc.compression_enabled_algorithms_bitset", 1 },
#endif
	{ GRPC_ARG_MAX_METADATA_SIZE, 8 * 1024 },
	{ GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10 * 1000 },
	{ GRPC_ARG_MAX_CONCURRENT_STREAMS, 100 },
	{ GRPC_ARG_HTTP2_MAX_PING_STRIKES, 2 },
	{ GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10 * 1000 },
	{ GRPC_ARG_KEEPALIVE_TIME_MS, MINUTE_MS },
	{ GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20 * 1000 },
	{ GRPC_ARG_MAX_CONNECTION_IDLE_MS, 5 * MINUTE_MS },
	/* A certificate is judged at the handshake only: no connection lives for ever. */
	{ GRPC_ARG_MAX_CONNECTION_AGE_MS, 60 * MINUTE_MS },
	{ GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, 60 * MINUTE_MS },
	{ GRPC_ARG_ALLOW_REUSEPORT, 0 },
	{ GRPC_ARG_ENABLE_CHANNELZ, 0 },
};

struct accept {
	struct server *server;
	struct completion done;
	grpc_call *call;
	grpc_call_details details;
	grpc_metadata_array metadata;
};

struct server {
	struct api *api;
	grpc_server *grpc;
	grpc_completion_queue *cq;
	struct completions *completions;
	struct completion shut_down;
	struct loop_source *timer_source;
	int timer_fd;
	struct accept accepts[ACCEPTS];
};

static const struct method unknown_method = { .path = "(none)", .name = "" };
static const struct call_handler no_handler = { 0 };

/* The client certificate's subject; TLS has verified the chain. */
static int authenticate(struct identity *ret, grpc_call *call, struct error *err)
{
	grpc_auth_context *context = grpc_call_auth_context(call);
	const grpc_auth_property *pem = NULL;
	int r;

	if (context && grpc_auth_context_peer_is_authenticated(context)) {
		grpc_auth_property_iterator it = grpc_auth_context_find_properties_by_name(
			context, GRPC_X509_PEM_CERT_PROPERTY_NAME);

		pem = grpc_auth_property_iterator_next(&it);
	}
	if (pem)
		r = identity_of_pem(ret, pem->value, pem->value_length, err);
	else
		r = error_set(err, ERR_UNAUTHENTICATED, 0, "no verified client certificate");
	grpc_auth_context_release(context);
	return r;
}

static int within_limits(const struct call *call, struct error *err)
{
	size_t own = 0;

	if (call->api->calls_len > API_CALLS_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"the node has too many calls under way (%d)", API_CALLS_MAX);
	for (const struct call *c = call->api->calls; c; c = c->next)
		own += strcmp(c->identity.name, call->identity.name) == 0;
	if (own > API_PRINCIPAL_CALLS_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "'%s' has too many calls under way (%d)",
			call->identity.name, API_PRINCIPAL_CALLS_MAX);
	return 0;
}

/* Authenticates and begins one call. Reading its message is the handler's first step. */
static void admit(struct server *server, const struct accept *accept)
{
	struct api *api = server->api;
	const struct method *method = methods_find(&api->methods,
		(const char *)GRPC_SLICE_START_PTR(accept->details.method),
		GRPC_SLICE_LENGTH(accept->details.method));
	struct call *call = call_new(api, accept->call, method ? method : &unknown_method,
		method ? handler_of(method) : &no_handler);
	struct error err = { 0 };

	if (!call) {
		grpc_call_cancel_with_status(
			accept->call, GRPC_STATUS_RESOURCE_EXHAUSTED, "out of memory", NULL);
		grpc_call_unref(accept->call);
		return;
	}
	call->peer = grpc_call_get_peer(accept->call);
	if (api->stopping)
		error_set(&err, ERR_UNAVAILABLE, 0, "the node agent is restarting");
	else if (authenticate(&call->identity, accept->call, &err) == 0) {
		if (!method)
			error_set(&err, ERR_UNSUPPORTED, 0, "the node has no such method");
		else
			within_limits(call, &err);
	}
	if (err.code)
		call_finish(call, &err);
	else
		call_receive(call);
}

static int request(struct accept *accept, struct error *err)
{
	struct server *server = accept->server;
	grpc_call_error e;

	accept->call = NULL;
	grpc_call_details_init(&accept->details);
	grpc_metadata_array_init(&accept->metadata);
	e = grpc_server_request_call(server->grpc, &accept->call, &accept->details,
		&accept->metadata, server->cq, server->cq, &accept->done);
	if (e != GRPC_CALL_OK)
		return error_set(err, ERR_INTERNAL, 0, "cannot accept calls: %s",
			grpc_call_error_to_string(e));
	return 0;
}

static void on_accept(void *user, int ok)
{
	struct accept *accept = user;
	struct error err = { 0 };

	if (ok)
		admit(accept->server, accept);
	grpc_call_details_destroy(&accept->details);
	grpc_metadata_array_destroy(&accept->metadata);
	if (ok && !accept->server->api->stopping && request(accept, &err) < 0)
		api_stop(accept->server->api, err.text);
}

static void on_shut_down(void *user, int ok)
{
	struct server *server = user;

	(void)ok;
	loop_stop(server->api->loop);
}

static void on_drain_timeout(void *user, uint32_t events)
{
	struct server *server = user;
	struct error err = { 0 };

	(void)events;
	loop_watch(server->timer_source, 0, &err);
	grpc_server_cancel_all_calls(server->grpc);
}

static void set_timer(struct server *server, long ms)
{
	struct itimerspec after = { .it_value = { ms / 1000, ms % 1000 * 1000000 } };
	struct error err = { 0 };

	if (timerfd_settime(server->timer_fd, 0, &after, NULL) < 0 ||
		loop_watch(server->timer_source, EPOLLIN, &err) < 0)
		grpc_server_cancel_all_calls(server->grpc);
}

void server_shutdown(struct server *server)
{
	grpc_server_shutdown_and_notify(server->grpc, server->cq, &server->shut_down);
	set_timer(server, server->api->calls ? DRAIN_MS : HURRY_MS);
}

void server_call_over(struct server *server)
{
	if (server->api->stopping && !server->api->calls)
		set_timer(server, HURRY_MS);
}

static grpc_server *make_server(void)
{
	grpc_arg args[ARRAY_LEN(settings) + 1];
	grpc_channel_args all = { 0, args };
	grpc_resource_quota *quota = grpc_resource_quota_create("bulkhead-api");
	grpc_server *server;

	for (; all.num_args < ARRAY_LEN(settings); all.num_args++)
		args[all.num_args] = (grpc_arg){ .type = GRPC_ARG_INTEGER,
			.key = (char *)(uintptr_t)settings[all.num_args].key,
			.value.integer = settings[all.num_args].value };
	grpc_resource_quota_resize(quota, QUOTA_BYTES);
#ifndef BULKHEAD_WEAK_QUOTA
	args[all.num_args++] = (grpc_arg){ .type = GRPC_ARG_POINTER,
		.key = (char *)(uintptr_t)GRPC_ARG_RESOURCE_QUOTA,
		.value.pointer = { quota, grpc_resource_quota_arg_vtable() } };
#endif
	server = grpc_server_create(&all, NULL);
	grpc_resource_quota_unref(quota);
	return server;
}

static int bind_port(struct server *server, struct tls *tls, struct error *err)
{
	grpc_server_credentials *credentials = tls_credentials(tls);
	int port = 0;

	if (credentials)
		port = grpc_server_add_http2_port(server->grpc, listener_address(), credentials);
	grpc_server_credentials_release(credentials);
	if (port <= 0)
		return error_set(
			err, ERR_INTERNAL, 0, "gRPC cannot serve on %s", listener_address());
	return listener_seal(err);
}

static int start(struct server *server, struct tls *tls, struct error *err)
{
	server->cq = grpc_completion_queue_create_for_next(NULL);
	server->grpc = make_server();
	grpc_server_register_completion_queue(server->grpc, server->cq, NULL);
	if (bind_port(server, tls, err) < 0)
		return -1;
	server->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (server->timer_fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot make a timer");
	if (loop_add(server->api->loop, &server->timer_source, server->timer_fd, on_drain_timeout,
		    server, err) < 0)
		return -1;
	grpc_server_start(server->grpc);
	if (completions_new(&server->completions, server->api->loop, server->cq, err) < 0)
		return -1;
	for (size_t i = 0; i < ACCEPTS; i++) {
		struct accept *accept = &server->accepts[i];

		accept->server = server;
		accept->done = (struct completion){ on_accept, accept };
		if (request(accept, err) < 0)
			return -1;
	}
	return 0;
}

int server_open(struct api *api, struct tls *tls, struct error *err)
{
	struct server *server = calloc(1, sizeof(*server));

	if (!server)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot make the server");
	server->api = api;
	server->timer_fd = -1;
	server->shut_down = (struct completion){ on_shut_down, server };
	api->server = server;
	/* On failure the process exits: a half-started gRPC server is not taken apart. */
	return start(server, tls, err);
}

void server_close(struct server *server)
{
	if (!server)
		return;
	grpc_server_destroy(server->grpc);
	completions_free(server->completions);
	grpc_completion_queue_destroy(server->cq);
	loop_remove(server->timer_source);
	close(server->timer_fd);
	free(server);
}
