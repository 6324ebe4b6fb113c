#include "nodeagent/ctl/client.h"

#include <errno.h>
#include <fcntl.h>
#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <grpc/support/log.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bulkhead/v1/node.pb-c.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/ctl/client_error.h"
#include "proto/wire_check.h"

#define PEM_MAX (256u << 10)

struct client {
	grpc_channel *channel;
	grpc_completion_queue *cq;
	pthread_t thread;
	pthread_mutex_t mutex; /* guards every operation's state */
	pthread_cond_t changed;
	char *server;
	char *ca; /* PEM */
};

/* One batch under way; its address is the tag. */
struct operation {
	struct client *client;
	int pending;
	int ok;
};

struct client_call {
	struct client *client;
	grpc_call *grpc;
	const ProtobufCMessageDescriptor *response;
	int timeout_ms;
	struct operation start, send, close, receive, status;
	grpc_byte_buffer *received;
	grpc_metadata_array initial_metadata, trailing_metadata;
	grpc_status_code code;
	grpc_slice details;
};

/* gRPC would write to stderr what the caller gets as an error. */
static void no_log(gpr_log_func_args *args)
{
	(void)args;
}

static void *poll_queue(void *user)
{
	struct client *client = user;

	for (;;) {
		grpc_event event = grpc_completion_queue_next(
			client->cq, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
		struct operation *operation = event.tag;

		if (event.type == GRPC_QUEUE_SHUTDOWN)
			return NULL;
		if (event.type != GRPC_OP_COMPLETE)
			continue;
		pthread_mutex_lock(&client->mutex);
		operation->pending = 0;
		operation->ok = event.success;
		pthread_cond_broadcast(&client->changed);
		pthread_mutex_unlock(&client->mutex);
	}
}

static int start(
	struct client_call *call, struct operation *operation, const grpc_op *ops, size_t len)
{
	grpc_call_error e;

	operation->client = call->client;
	pthread_mutex_lock(&call->client->mutex);
	operation->pending = 1;
	pthread_mutex_unlock(&call->client->mutex);
	e = grpc_call_start_batch(call->grpc, ops, len, operation, NULL);
	if (e == GRPC_CALL_OK)
		return 0;
	pthread_mutex_lock(&call->client->mutex);
	operation->pending = 0;
	operation->ok = 0;
	pthread_mutex_unlock(&call->client->mutex);
	return -1;
}

/* Waits for the end of an operation; an operation never begun has ended. */
static int wait_for(struct client *client, const struct operation *operation)
{
	int ok;

	pthread_mutex_lock(&client->mutex);
	while (operation->pending)
		pthread_cond_wait(&client->changed, &client->mutex);
	ok = operation->ok;
	pthread_mutex_unlock(&client->mutex);
	return ok;
}

static void pem_free(char **pem)
{
	if (*pem)
		OPENSSL_cleanse(*pem, strlen(*pem));
	free(*pem);
}
#define cleanup_pem __attribute__((cleanup(pem_free)))

static int read_pem(const char *path, const char *field, char **ret, struct error *err)
{
	size_t size;

	if (!path[0])
		return error_set(err, ERR_INVALID, 0, "context: %s is missing", field);
	if (file_read_at(AT_FDCWD, path, PEM_MAX, ret, &size, err) < 0)
		return error_prefix(err, "context: %s '%s'", field, path);
	return 0;
}

static X509 *certificate_of(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	return cert;
}

/* gRPC itself would only say that the handshake failed. */
static int judge(const Bulkhead__V1__Context *context, const char *ca, const char *cert_pem,
	const char *key_pem, struct error *err)
{
	X509 *root = certificate_of(ca), *cert = certificate_of(cert_pem);
	BIO *bio = BIO_new_mem_buf(key_pem, -1);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
	int r = -1;

	if (!root)
		error_set(
			err, ERR_INVALID, 0, "context: ca '%s' is no PEM certificate", context->ca);
	else if (!cert)
		error_set(err, ERR_INVALID, 0, "context: certificate '%s' is no PEM certificate",
			context->certificate);
	else if (!key)
		error_set(err, ERR_INVALID, 0, "context: key '%s' is no unencrypted PEM key",
			context->key);
	else if (X509_check_private_key(cert, key) != 1)
		error_set(err, ERR_INVALID, 0,
			"context: key '%s' does not belong to certificate '%s'", context->key,
			context->certificate);
	else if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
		error_set(err, ERR_UNAUTHENTICATED, 0, "context: certificate '%s' has expired",
			context->certificate);
	else
		r = 0;
	X509_free(root);
	X509_free(cert);
	EVP_PKEY_free(key);
	BIO_free(bio);
	ERR_clear_error();
	return r;
}

static grpc_channel *make_channel(
	const Bulkhead__V1__Context *context, const char *ca, const char *cert, const char *key)
{
	grpc_ssl_pem_key_cert_pair pair = { key, cert };
	grpc_channel_credentials *credentials = grpc_ssl_credentials_create(ca, &pair, NULL, NULL);
	grpc_arg args[] = {
		{ GRPC_ARG_INTEGER, (char *)"grpc.enable_http_proxy", .value.integer = 0 },
		{ GRPC_ARG_INTEGER, (char *)"grpc.service_config_disable_resolution",
			.value.integer = 1 },
		{ GRPC_ARG_INTEGER, (char *)"grpc.enable_retries", .value.integer = 0 },
		{ GRPC_ARG_INTEGER, (char *)"grpc.max_receive_message_length",
			.value.integer = CLIENT_MESSAGE_MAX },
		{ GRPC_ARG_INTEGER, (char *)"grpc.initial_reconnect_backoff_ms",
			.value.integer = 200 },
		{ GRPC_ARG_INTEGER, (char *)"grpc.min_reconnect_backoff_ms",
			.value.integer = 5000 },
		{ GRPC_ARG_INTEGER, (char *)"grpc.max_reconnect_backoff_ms",
			.value.integer = 2000 },
		{ GRPC_ARG_STRING, (char *)GRPC_SSL_TARGET_NAME_OVERRIDE_ARG,
			.value.string = context->server_name },
	};
	/* The last one only where the context has it. */
	grpc_channel_args all = { ARRAY_LEN(args) - (context->server_name[0] ? 0 : 1), args };
	grpc_channel *channel = grpc_channel_create(context->server, credentials, &all);

	grpc_channel_credentials_release(credentials);
	return channel;
}

static int open_channel(
	struct client *client, const Bulkhead__V1__Context *context, struct error *err)
{
	cleanup_pem char *cert = NULL;
	cleanup_pem char *key = NULL;

	if (!context->server[0])
		return error_set(err, ERR_INVALID, 0, "context: server is missing");
	if (read_pem(context->ca, "ca", &client->ca, err) < 0 ||
		read_pem(context->certificate, "certificate", &cert, err) < 0 ||
		read_pem(context->key, "key", &key, err) < 0 ||
		judge(context, client->ca, cert, key, err) < 0)
		return -1;
	client->channel = make_channel(context, client->ca, cert, key);
	return 0;
}

int client_new(struct client **ret, const Bulkhead__V1__Context *context, struct error *err)
{
	struct client *client = calloc(1, sizeof(*client));
	int r;

	if (client)
		client->server = strdup(context->server);
	if (!client || !client->server) {
		free(client);
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot make a client");
	}
	gpr_set_log_function(no_log);
	setenv("GRPC_DNS_RESOLVER", "native", 0);
	grpc_init();
	pthread_mutex_init(&client->mutex, NULL);
	pthread_cond_init(&client->changed, NULL);
	if (open_channel(client, context, err) < 0) {
		client_free(client);
		return -1;
	}
	client->cq = grpc_completion_queue_create_for_next(NULL);
	r = pthread_create(&client->thread, NULL, poll_queue, client);
	if (r) {
		grpc_completion_queue_shutdown(client->cq);
		grpc_completion_queue_destroy(client->cq);
		client->cq = NULL;
		client_free(client);
		return error_set(err, ERR_EXHAUSTED, r, "cannot start a thread");
	}
	*ret = client;
	return 0;
}

void client_free(struct client *client)
{
	if (!client)
		return;
	if (client->channel)
		grpc_channel_destroy(client->channel);
	if (client->cq) {
		grpc_completion_queue_shutdown(client->cq);
		pthread_join(client->thread, NULL);
		grpc_completion_queue_destroy(client->cq);
	}
	pthread_cond_destroy(&client->changed);
	pthread_mutex_destroy(&client->mutex);
	free(client->server);
	free(client->ca);
	free(client);
	grpc_shutdown();
}

const char *client_ca(const struct client *client)
{
	return client->ca;
}

static grpc_byte_buffer *pack(const ProtobufCMessage *message)
{
	grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(message));
	grpc_byte_buffer *buffer;

	protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
	buffer = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	return buffer;
}

static int fits(const ProtobufCMessage *message, struct error *err)
{
	size_t size = protobuf_c_message_get_packed_size(message);

	if (size > CLIENT_MESSAGE_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "%s of %zu bytes is over the limit of %u",
			message->descriptor->short_name, size, CLIENT_MESSAGE_MAX);
	return 0;
}

/* The two batches that begin a call: metadata (with the one request), and its end. */
static int begin(struct client_call *call, const ProtobufCMessage *request, struct error *err)
{
	grpc_byte_buffer *buffer = request ? pack(request) : NULL;
	grpc_op first[] = {
		{ .op = GRPC_OP_SEND_INITIAL_METADATA },
		{ .op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = buffer },
		{ .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT },
	};
	grpc_op last[] = {
		{ .op = GRPC_OP_RECV_INITIAL_METADATA,
			.data.recv_initial_metadata.recv_initial_metadata =
				&call->initial_metadata },
		{ .op = GRPC_OP_RECV_STATUS_ON_CLIENT,
			.data.recv_status_on_client = { .trailing_metadata =
								&call->trailing_metadata,
				.status = &call->code,
				.status_details = &call->details } },
	};
	int r = 0;

	if (start(call, &call->status, last, ARRAY_LEN(last)) < 0 ||
		start(call, &call->start, first, buffer ? ARRAY_LEN(first) : 1) < 0)
		r = error_set(err, ERR_INTERNAL, 0, "gRPC cannot begin a call");
	/* gRPC has taken its own reference to the bytes. */
	grpc_byte_buffer_destroy(buffer);
	return r;
}

static gpr_timespec deadline_of(int timeout_ms)
{
	if (timeout_ms < 0)
		return gpr_inf_future(GPR_CLOCK_REALTIME);
	return gpr_time_add(
		gpr_now(GPR_CLOCK_REALTIME), gpr_time_from_millis(timeout_ms, GPR_TIMESPAN));
}

static int start_path(struct client_call **ret, struct client *client, const char *path,
	const ProtobufCMessage *request, const ProtobufCMessageDescriptor *response, int timeout_ms,
	struct error *err)
{
	struct client_call *call;

	if (request && fits(request, err) < 0)
		return -1;
	call = calloc(1, sizeof(*call));
	if (!call)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot make a call");
	call->client = client;
	call->response = response;
	call->timeout_ms = timeout_ms;
	call->details = grpc_empty_slice();
	grpc_metadata_array_init(&call->initial_metadata);
	grpc_metadata_array_init(&call->trailing_metadata);
	call->grpc =
		grpc_channel_create_call(client->channel, NULL, GRPC_PROPAGATE_DEFAULTS, client->cq,
			grpc_slice_from_copied_string(path), NULL, deadline_of(timeout_ms), NULL);
	if (begin(call, request, err) < 0) {
		client_call_free(call);
		return -1;
	}
	*ret = call;
	return 0;
}

static const ProtobufCMethodDescriptor *method_of(
	const char *name, const ProtobufCMessage *request, struct error *err)
{
	const ProtobufCMethodDescriptor *method = protobuf_c_service_descriptor_get_method_by_name(
		&bulkhead__v1__node__descriptor, name);

	if (!method)
		error_set(err, ERR_INTERNAL, 0, "the service has no method %s", name);
	else if (request && request->descriptor != method->input)
		error_set(err, ERR_INTERNAL, 0, "%s does not take %s", name,
			request->descriptor->short_name);
	else
		return method;
	return NULL;
}

int client_call_start(struct client_call **ret, struct client *client, const char *method,
	const ProtobufCMessage *request, int timeout_ms, struct error *err)
{
	const ProtobufCMethodDescriptor *found = method_of(method, request, err);
	char path[128];

	if (!found)
		return -1;
	snprintf(path, sizeof(path), "/%s/%s", bulkhead__v1__node__descriptor.name, method);
	return start_path(ret, client, path, request, found->output, timeout_ms, err);
}

int client_call_send(struct client_call *call, const ProtobufCMessage *message, struct error *err)
{
	grpc_op op = { .op = GRPC_OP_SEND_MESSAGE };
	int ok;

	if (fits(message, err) < 0)
		return -1;
	op.data.send_message.send_message = pack(message);
	ok = start(call, &call->send, &op, 1) == 0 && wait_for(call->client, &call->send);
	grpc_byte_buffer_destroy(op.data.send_message.send_message);
	if (!ok)
		return error_set(err, ERR_CANCELLED, 0, "the call has ended");
	return 0;
}

int client_call_close_send(struct client_call *call, struct error *err)
{
	grpc_op op = { .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT };

	if (start(call, &call->close, &op, 1) < 0 || !wait_for(call->client, &call->close))
		return error_set(err, ERR_CANCELLED, 0, "the call has ended");
	return 0;
}

/* Takes call->received apart. */
static int unpack(struct client_call *call, ProtobufCMessage **ret, struct error *err)
{
	grpc_byte_buffer_reader reader;
	grpc_slice all;
	int r;

	if (!grpc_byte_buffer_reader_init(&reader, call->received))
		return error_set(err, ERR_INTERNAL, 0, "cannot read a response");
	all = grpc_byte_buffer_reader_readall(&reader);
	grpc_byte_buffer_reader_destroy(&reader);
	r = message_unpack(
		call->response, GRPC_SLICE_START_PTR(all), GRPC_SLICE_LENGTH(all), ret, err);
	grpc_slice_unref(all);
	return r < 0 ? error_prefix(err, "response of %s", call->client->server) : 0;
}

/* How the call ended: 0 with success, -1 otherwise. */
static int result_of(struct client_call *call, struct error *err)
{
	char *details;
	int r = 0;

	wait_for(call->client, &call->status);
	if (call->code == GRPC_STATUS_OK)
		return 0;
	details = grpc_slice_to_c_string(call->details);
	r = client_error_of(call->code, details, call->client->server, call->timeout_ms, err);
	gpr_free(details);
	return r;
}

int client_call_next(struct client_call *call, ProtobufCMessage **ret, struct error *err)
{
	grpc_op op = { .op = GRPC_OP_RECV_MESSAGE,
		.data.recv_message.recv_message = &call->received };
	int r = 1;

	if (start(call, &call->receive, &op, 1) < 0 || !wait_for(call->client, &call->receive) ||
		!call->received)
		return result_of(call, err);
	if (unpack(call, ret, err) < 0)
		r = -1;
	grpc_byte_buffer_destroy(call->received);
	call->received = NULL;
	return r;
}

void client_call_cancel(struct client_call *call)
{
	grpc_call_cancel(call->grpc, NULL);
}

void client_call_free(struct client_call *call)
{
	if (!call)
		return;
	grpc_call_cancel(call->grpc, NULL);
	wait_for(call->client, &call->start);
	wait_for(call->client, &call->send);
	wait_for(call->client, &call->close);
	wait_for(call->client, &call->receive);
	wait_for(call->client, &call->status);
	grpc_byte_buffer_destroy(call->received);
	grpc_metadata_array_destroy(&call->initial_metadata);
	grpc_metadata_array_destroy(&call->trailing_metadata);
	grpc_slice_unref(call->details);
	grpc_call_unref(call->grpc);
	free(call);
}

int client_unary_path(struct client *client, const char *path, const ProtobufCMessage *request,
	const ProtobufCMessageDescriptor *response, ProtobufCMessage **ret, int timeout_ms,
	struct error *err)
{
	ProtobufCMessage *message = NULL;
	struct client_call *call;
	int r;

	if (start_path(&call, client, path, request, response, timeout_ms, err) < 0)
		return -1;
	r = client_call_next(call, &message, err);
	if (r == 0)
		r = error_set(err, ERR_INTERNAL, 0, "%s sent no response", client->server);
	else if (r > 0)
		r = result_of(call, err);
	client_call_free(call);
	if (r < 0) {
		protobuf_c_message_free_unpacked(message, NULL);
		return -1;
	}
	*ret = message;
	return 0;
}

int client_unary(struct client *client, const char *method, const ProtobufCMessage *request,
	ProtobufCMessage **ret, int timeout_ms, struct error *err)
{
	const ProtobufCMethodDescriptor *found = method_of(method, request, err);
	char path[128];

	if (!found)
		return -1;
	snprintf(path, sizeof(path), "/%s/%s", bulkhead__v1__node__descriptor.name, method);
	return client_unary_path(client, path, request, found->output, ret, timeout_ms, err);
}
