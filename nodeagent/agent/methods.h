/*
 * The one table of what bulkhead-api may call: request, verb and resource that it is authorized as,
 * and handler.
 */
#ifndef NODEAGENT_AGENT_METHODS_H
#define NODEAGENT_AGENT_METHODS_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

#include "nodeagent/agent/api.h"

/* What a request is about. Borrowed from it. */
struct method_target {
	const char *project; /* NULL: none, or all */
	const char *name;    /* "" unknown */
};

struct method {
	const char *name;
	const ProtobufCMessageDescriptor *request;
	const char *verb;
	const char *resource;
	/* NULL: about the node, no project. */
	void (*target)(const ProtobufCMessage *request, struct method_target *ret);
	/*
	 * Anyone authenticated may call it: the handler shows each caller only what
	 * call_may_see() allows.
	 */
	bool open;
	call_fn handler;
};

/* NULL when there is none. */
const struct method *method_find(const char *name);
const struct method *method_at(size_t i);

#endif
