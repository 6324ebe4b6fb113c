/*
 * Which methods the node serves, from the descriptor set that is built into the program: names,
 * streaming flags and message types. The same bytes answer reflection.
 */
#ifndef NODEAGENT_API_METHODS_H
#define NODEAGENT_API_METHODS_H

#include <stddef.h>
#include <stdint.h>
#include <protobuf-c/protobuf-c.h>

#include "lib/error.h"

#define METHODS_MAX 64

enum method_kind {
	METHOD_NODE,       /* bulkhead.v1.Node: the agent decides */
	METHOD_HEALTH,     /* answered here */
	METHOD_REFLECTION, /* answered here */
};

struct method {
	char path[128];   /* "/bulkhead.v1.Node/ApplyPod" */
	const char *name; /* "ApplyPod", within a descriptor */
	enum method_kind kind;
	int client_streams;
	int server_streams;
	const ProtobufCMessageDescriptor *request;
	const ProtobufCMessageDescriptor *response;
};

struct methods {
	struct method rows[METHODS_MAX];
	size_t len;
};

/* A part of the descriptor set, borrowed from the program. */
struct span {
	const uint8_t *data;
	size_t size;
};

/* Fills the table. Errors: ERR_INTERNAL when the program was built wrong. */
int methods_load(struct methods *ret, struct error *err);

/* NULL when there is no such path ('size' bytes, not terminated). */
const struct method *methods_find(const struct methods *methods, const char *path, size_t size);

/* The serialized FileDescriptorProto named 'name' ("bulkhead/v1/node.proto"). 1 found, 0 not. */
int methods_file(struct span *ret, const char *name);

/* ... that defines message, enum, service or method 'symbol' ("bulkhead.v1.Node.ApplyPod"). */
int methods_file_of_symbol(struct span *ret, const char *symbol);

/* Name of the i-th file that 'file' imports, as a span; 0 past the last. */
int methods_import(struct span *ret, struct span file, size_t i);

#endif
