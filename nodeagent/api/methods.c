#include "nodeagent/api/methods.h"

#include <stdio.h>
#include <string.h>

#include "bulkhead/v1/node.pb-c.h"
#include "grpc/health/v1/health.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "grpc/reflection/v1alpha/reflection.pb-c.h"
#include "lib/cleanup.h"
#include "nodeagent/api/descriptor_set.h"

/*
 * Field numbers of descriptor.proto. A walker over these few replaces generated code: the set is
 * our own build's, so it is trusted, but spans are still checked.
 */
enum {
	SET_FILE = 1,
	FILE_NAME = 1,
	FILE_PACKAGE = 2,
	FILE_DEPENDENCY = 3,
	FILE_MESSAGE = 4,
	FILE_ENUM = 5,
	FILE_SERVICE = 6,
	ANY_NAME = 1, /* of messages, enums, services and methods */
	MESSAGE_NESTED = 3,
	MESSAGE_ENUM = 4,
	SERVICE_METHOD = 2,
	METHOD_CLIENT_STREAMING = 5,
	METHOD_SERVER_STREAMING = 6,
};

static const struct service {
	const ProtobufCServiceDescriptor *descriptor;
	enum method_kind kind;
} services[] = {
	{ &bulkhead__v1__node__descriptor, METHOD_NODE },
	{ &grpc__health__v1__health__descriptor, METHOD_HEALTH },
	{ &grpc__reflection__v1__server_reflection__descriptor, METHOD_REFLECTION },
	{ &grpc__reflection__v1alpha__server_reflection__descriptor, METHOD_REFLECTION },
};

static int varint(struct span *s, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64 && s->size; shift += 7) {
		uint8_t byte = *s->data++;

		s->size--;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = value;
			return 1;
		}
	}
	return 0;
}

/* Takes one field off 's': number, and its bytes (wire type 2) or value (0). 0 at the end. */
static int field(struct span *s, uint32_t *number, struct span *bytes, uint64_t *value)
{
	uint64_t tag;

	if (!varint(s, &tag) || !varint(s, value))
		return 0;
	*number = (uint32_t)(tag >> 3);
	*bytes = (struct span){ 0 };
	if ((tag & 7) == 0)
		return 1;
	/* descriptor.proto has varints and bytes alone. */
	if ((tag & 7) != 2 || *value > s->size)
		return 0;
	*bytes = (struct span){ s->data, (size_t)*value };
	s->data += *value;
	s->size -= (size_t)*value;
	return 1;
}

/* The i-th field 'number' of a message. 1 found, 0 not. */
static int nth(struct span message, uint32_t number, size_t i, struct span *ret)
{
	uint32_t found;
	struct span bytes;
	uint64_t value;

	while (field(&message, &found, &bytes, &value)) {
		if (found == number && i-- == 0) {
			*ret = bytes;
			return 1;
		}
	}
	return 0;
}

static int flag(struct span message, uint32_t number)
{
	uint32_t found;
	struct span bytes;
	uint64_t value;

	while (field(&message, &found, &bytes, &value)) {
		if (found == number)
			return value != 0;
	}
	return 0;
}

static struct span whole_set(void)
{
	return (struct span){ descriptor_set_begin,
		(size_t)(descriptor_set_end - descriptor_set_begin) };
}

static int is(struct span s, const char *text)
{
	return strlen(text) == s.size && memcmp(s.data, text, s.size) == 0;
}

/* If "<first part>." or all of 'symbol' is 'name', what is left behind it; else NULL. */
static const char *behind(const char *symbol, struct span name)
{
	if (strncmp(symbol, (const char *)name.data, name.size) != 0)
		return NULL;
	symbol += name.size;
	if (*symbol == '.')
		return symbol + 1;
	return *symbol ? NULL : symbol;
}

/* Whether 'symbol', relative to it, is in message 'message' or below. Nesting is the build's own.
 */
static int message_has(struct span message, const char *symbol)
{
	struct span name, inner;
	const char *rest;

	if (!nth(message, ANY_NAME, 0, &name))
		return 0;
	rest = behind(symbol, name);
	if (!rest || !*rest)
		return rest != NULL;
	for (size_t i = 0; nth(message, MESSAGE_NESTED, i, &inner); i++) {
		if (message_has(inner, rest))
			return 1;
	}
	for (size_t i = 0; nth(message, MESSAGE_ENUM, i, &inner); i++) {
		if (nth(inner, ANY_NAME, 0, &name) && is(name, rest))
			return 1;
	}
	return 0;
}

static int service_has(struct span service, const char *symbol)
{
	struct span name, method;
	const char *rest;

	if (!nth(service, ANY_NAME, 0, &name))
		return 0;
	rest = behind(symbol, name);
	if (!rest || !*rest)
		return rest != NULL;
	for (size_t i = 0; nth(service, SERVICE_METHOD, i, &method); i++) {
		if (nth(method, ANY_NAME, 0, &name) && is(name, rest))
			return 1;
	}
	return 0;
}

static int file_has(struct span file, const char *symbol)
{
	struct span package, part, name;
	const char *rest;

	if (!nth(file, FILE_PACKAGE, 0, &package))
		return 0;
	rest = behind(symbol, package);
	if (!rest || !*rest)
		return 0;
	for (size_t i = 0; nth(file, FILE_MESSAGE, i, &part); i++) {
		if (message_has(part, rest))
			return 1;
	}
	for (size_t i = 0; nth(file, FILE_SERVICE, i, &part); i++) {
		if (service_has(part, rest))
			return 1;
	}
	for (size_t i = 0; nth(file, FILE_ENUM, i, &part); i++) {
		if (nth(part, ANY_NAME, 0, &name) && is(name, rest))
			return 1;
	}
	return 0;
}

int methods_file(struct span *ret, const char *name)
{
	struct span file, found;

	for (size_t i = 0; nth(whole_set(), SET_FILE, i, &file); i++) {
		if (nth(file, FILE_NAME, 0, &found) && is(found, name)) {
			*ret = file;
			return 1;
		}
	}
	return 0;
}

int methods_file_of_symbol(struct span *ret, const char *symbol)
{
	struct span file;

	for (size_t i = 0; nth(whole_set(), SET_FILE, i, &file); i++) {
		if (file_has(file, symbol)) {
			*ret = file;
			return 1;
		}
	}
	return 0;
}

int methods_import(struct span *ret, struct span file, size_t i)
{
	return nth(file, FILE_DEPENDENCY, i, ret);
}

/* The MethodDescriptorProto of 'service' (full name) and 'method'. */
static int method_proto(struct span *ret, const char *service, const char *method)
{
	struct span file, proto, name;
	const char *last = strrchr(service, '.');

	if (!last || !methods_file_of_symbol(&file, service))
		return 0;
	for (size_t i = 0; nth(file, FILE_SERVICE, i, &proto); i++) {
		if (!nth(proto, ANY_NAME, 0, &name) || !is(name, last + 1))
			continue;
		for (size_t j = 0; nth(proto, SERVICE_METHOD, j, ret); j++) {
			if (nth(*ret, ANY_NAME, 0, &name) && is(name, method))
				return 1;
		}
	}
	return 0;
}

static int add(
	struct methods *methods, const struct service *service, unsigned i, struct error *err)
{
	const ProtobufCMethodDescriptor *method = &service->descriptor->methods[i];
	struct method *row = &methods->rows[methods->len];
	struct span proto;

	if (methods->len == METHODS_MAX ||
		!method_proto(&proto, service->descriptor->name, method->name))
		return error_set(err, ERR_INTERNAL, 0, "method %s.%s is not in the descriptor set",
			service->descriptor->name, method->name);
	*row = (struct method){ .name = method->name,
		.kind = service->kind,
		.client_streams = flag(proto, METHOD_CLIENT_STREAMING),
		.server_streams = flag(proto, METHOD_SERVER_STREAMING),
		.request = method->input,
		.response = method->output };
	snprintf(row->path, sizeof(row->path), "/%s/%s", service->descriptor->name, method->name);
	methods->len++;
	return 0;
}

int methods_load(struct methods *ret, struct error *err)
{
	ret->len = 0;
	for (size_t s = 0; s < ARRAY_LEN(services); s++) {
		for (unsigned i = 0; i < services[s].descriptor->n_methods; i++) {
			if (add(ret, &services[s], i, err) < 0)
				return -1;
		}
	}
	return 0;
}

const struct method *methods_find(const struct methods *methods, const char *path, size_t size)
{
	for (size_t i = 0; i < methods->len; i++) {
		if (is((struct span){ (const uint8_t *)path, size }, methods->rows[i].path))
			return &methods->rows[i];
	}
	return NULL;
}
