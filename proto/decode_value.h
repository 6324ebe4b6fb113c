/*
 * The half of decode.c that turns a YAML tree into a message.
 */
#ifndef PROTO_DECODE_VALUE_H
#define PROTO_DECODE_VALUE_H

#include <protobuf-c/protobuf-c.h>

#include "lib/error.h"
#include "proto/yaml_tree.h"

/*
 * Fills a new message from a map. With 'object', the keys apiVersion and kind are passed over (the
 * caller has checked them). The message is the caller's.
 */
int decode_value_message(const ProtobufCMessageDescriptor *desc, const struct yaml_node *map,
	bool object, ProtobufCMessage **ret, struct error *err);

#endif
