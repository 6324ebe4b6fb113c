/* Methods that are answered here: health checks and reflection. */
#include <string.h>

#include "grpc/health/v1/health.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "lib/cleanup.h"
#include "nodeagent/api/api.h"
#include "nodeagent/api/handlers.h"

#define FILES_MAX 32 /* of one file with all that it imports */

/* "" (the server as a whole) or the name of a service: the part of a path before the method. */
static int has_service(const struct methods *methods, const char *name)
{
	size_t size = strlen(name);

	for (size_t i = 0; i < methods->len; i++) {
		const char *path = methods->rows[i].path + 1;

		if (size == 0 || (strncmp(path, name, size) == 0 && path[size] == '/'))
			return 1;
	}
	return 0;
}

/* While this process runs the agent is connected: it serves. */
static void health_message(
	struct call *call, ProtobufCMessage *message, const uint8_t *data, size_t size)
{
	const Grpc__Health__V1__HealthCheckRequest *request =
		(const Grpc__Health__V1__HealthCheckRequest *)message;
	Grpc__Health__V1__HealthCheckResponse response =
		GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
	int known = has_service(&call->api->methods, request->service);

	(void)data;
	(void)size;
	response.status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
	if (!known && !call->method->server_streams) {
		call_fail(call, ERR_NOT_FOUND, "service: the node has no service '%s'",
			request->service);
	} else {
		if (!known)
			response.status =
				GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN;
		call_send(call, &response.base);
		/* A watch stays open: its next change is the end of the process. */
		if (!call->method->server_streams)
			call_finish(call, NULL);
	}
	protobuf_c_message_free_unpacked(message, NULL);
}

static void health_half_closed(struct call *call)
{
	call_fail(call, ERR_INVALID, "%s: no request message came", call->method->name);
}

const struct call_handler health_handler = {
	.message = health_message,
	.half_closed = health_half_closed,
};

typedef Grpc__Reflection__V1__ServerReflectionRequest Request;
typedef Grpc__Reflection__V1__ServerReflectionResponse Response;

static void list_services(struct call *call, Response *response)
{
	const struct methods *methods = &call->api->methods;
	Grpc__Reflection__V1__ListServiceResponse list =
		GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;
	Grpc__Reflection__V1__ServiceResponse services[METHODS_MAX];
	Grpc__Reflection__V1__ServiceResponse *rows[METHODS_MAX];
	char names[METHODS_MAX][sizeof(methods->rows[0].path)];

	for (size_t i = 0; i < methods->len; i++) {
		char *name = names[list.n_service];

		memcpy(name, methods->rows[i].path + 1, sizeof(names[0]) - 1);
		*strchr(name, '/') = '\0';
		/* Methods of one service stand together. */
		if (list.n_service && strcmp(names[list.n_service - 1], name) == 0)
			continue;
		grpc__reflection__v1__service_response__init(&services[list.n_service]);
		services[list.n_service].name = name;
		rows[list.n_service] = &services[list.n_service];
		list.n_service++;
	}
	list.service = rows;
	response->list_services_response = &list;
	response->message_response_case =
		GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
	call_send(call, &response->base);
}

static void send_not_found(struct call *call, Response *response)
{
	Grpc__Reflection__V1__ErrorResponse error = GRPC__REFLECTION__V1__ERROR_RESPONSE__INIT;
	char text[] = "not found";

	error.error_code = GRPC_STATUS_NOT_FOUND;
	error.error_message = text;
	response->error_response = &error;
	response->message_response_case =
		GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
	call_send(call, &response->base);
}

static int has_file(const ProtobufCBinaryData *files, size_t len, struct span file)
{
	for (size_t i = 0; i < len; i++) {
		if (files[i].data == file.data)
			return 1;
	}
	return 0;
}

/* A file and all it imports, breadth first. */
static void send_file(struct call *call, Response *response, struct span file)
{
	Grpc__Reflection__V1__FileDescriptorResponse found =
		GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;
	ProtobufCBinaryData files[FILES_MAX];
	size_t len = 0;

	files[len++] = (ProtobufCBinaryData){ file.size, (uint8_t *)(uintptr_t)file.data };
	for (size_t i = 0; i < len; i++) {
		struct span name, import, from = { files[i].data, files[i].len };

		for (size_t j = 0; methods_import(&name, from, j); j++) {
			cleanup_free char *path = strndup((const char *)name.data, name.size);

			if (path && len < FILES_MAX && methods_file(&import, path) &&
				!has_file(files, len, import))
				files[len++] = (ProtobufCBinaryData){ import.size,
					(uint8_t *)(uintptr_t)import.data };
		}
	}
	found.n_file_descriptor_proto = len;
	found.file_descriptor_proto = files;
	response->file_descriptor_response = &found;
	response->message_response_case =
		GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
	call_send(call, &response->base);
}

/* v1 and v1alpha have one wire format: the message is taken for v1's, whichever it is. */
static void reflection_message(
	struct call *call, ProtobufCMessage *message, const uint8_t *data, size_t size)
{
	Request *request;
	Response response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
	struct span file;

	protobuf_c_message_free_unpacked(message, NULL);
	request = grpc__reflection__v1__server_reflection_request__unpack(NULL, size, data);
	if (!request) {
		call_fail(call, ERR_EXHAUSTED, "out of memory for a request");
		return;
	}
	response.valid_host = request->host;
	response.original_request = request;
	if (request->message_request_case ==
		GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES)
		list_services(call, &response);
	else if (
		request->message_request_case ==
			GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME &&
		methods_file(&file, request->file_by_filename))
		send_file(call, &response, file);
	else if (
		request->message_request_case ==
			GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL &&
		methods_file_of_symbol(&file, request->file_containing_symbol))
		send_file(call, &response, file);
	else
		send_not_found(call, &response);
	grpc__reflection__v1__server_reflection_request__free_unpacked(request, NULL);
}

/* Asks for the next request only when the answer has left: nothing piles up. */
static void reflection_sent(struct call *call)
{
	if (!call->head)
		call_receive(call);
}

static void reflection_half_closed(struct call *call)
{
	call_finish(call, NULL);
}

const struct call_handler reflection_handler = {
	.message = reflection_message,
	.half_closed = reflection_half_closed,
	.sent = reflection_sent,
};
