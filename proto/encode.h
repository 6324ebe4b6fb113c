/*
 * Protobuf message -> JSON or YAML text, the inverse of decode.h and as much driven by descriptors.
 *
 * Fields come in the order of their numbers, map entries in the order they have. Absent fields, and
 * in proto3 messages those with their default value, are left out; so are empty lists and maps.
 * Names are Kubernetes' own or lowerCamel of our lower_snake; 64-bit integers are numbers.
 *
 * Reading back gives an equal message, with one exception: an inlined message without any member
 * (a Volume with an empty volumeSource) comes back absent.
 */
#ifndef PROTO_ENCODE_H
#define PROTO_ENCODE_H

#include <stdbool.h>

#include <protobuf-c/protobuf-c.h>

#include "lib/error.h"

/*
 * The text, NUL-terminated, is the caller's. With 'kind' and 'api_version' (both or neither) the
 * two fields come first. JSON: one line, or with 'pretty' four spaces a level and a final newline.
 *
 * Errors: ERR_INVALID for what has no text form (a time past year 9999, a NaN, bad UTF-8).
 */
int encode_json(const ProtobufCMessage *msg, const char *api_version, const char *kind, bool pretty,
	char **ret, struct error *err);

/* Block YAML without a "---" line. */
int encode_yaml(const ProtobufCMessage *msg, const char *api_version, const char *kind, char **ret,
	struct error *err);

/* A list as kubectl prints it: apiVersion v1, kind List, and the objects in items. */
int encode_json_list(const ProtobufCMessage *const *msgs, size_t n, const char *api_version,
	const char *kind, char **ret, struct error *err);
int encode_yaml_list(const ProtobufCMessage *const *msgs, size_t n, const char *api_version,
	const char *kind, char **ret, struct error *err);

#endif
