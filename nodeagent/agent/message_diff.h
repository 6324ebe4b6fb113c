/*
 * Where two messages of one type first differ, by the fields' JSON names:
 * "spec.containers[0].args".
 */
#ifndef NODEAGENT_AGENT_MESSAGE_DIFF_H
#define NODEAGENT_AGENT_MESSAGE_DIFF_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#define MESSAGE_DIFF_SIZE 512

/*
 * True when they are the same. Otherwise 'path' names the first field, in the order of the type,
 * that differs; it is cut when it is longer. Maps are the same in whatever order; a field that is
 * absent differs from one that is set, whatever to. Strings may be NULL (absent).
 */
bool message_same(
	const ProtobufCMessage *a, const ProtobufCMessage *b, char path[MESSAGE_DIFF_SIZE]);

#endif
