/*
 * Strict YAML or JSON -> protobuf message, driven by the message's descriptor alone (schema.h has
 * the few types that look different there). The way in for every manifest and configuration file.
 *
 * Kubernetes messages use upstream's JSON names. Our own proto3 messages use lower_snake names:
 * both that spelling and lowerCamel (what encode.h writes) are accepted. 64-bit integers are
 * numbers.
 *
 * Types follow kubectl (YAML 1.1 turned into JSON): plain yes/no/on/off are booleans, 0644 is
 * octal, a plain number given to a string field is an error that says to quote it, null is an
 * absent field (an empty value in a map of strings; refused in a list).
 *
 * Errors name the path, the rule and the line: spec.containers[0].imagee: unknown field...
 */
#ifndef PROTO_DECODE_H
#define PROTO_DECODE_H

#include <stdbool.h>
#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

#include "lib/error.h"

#define DECODE_SIZE_MAX  (1024 * 1024)
#define DECODE_KIND_SIZE 128

/*
 * Reads one document of at most DECODE_SIZE_MAX bytes. The message is the caller's, to free with
 * protobuf_c_message_free_unpacked(*ret, NULL). Errors: ERR_INVALID, ERR_EXHAUSTED (a limit).
 */
int decode_yaml(const ProtobufCMessageDescriptor *desc, const char *text, size_t size,
	ProtobufCMessage **ret, struct error *err);

/* The same for a Kubernetes object: apiVersion and kind must be there and be these. */
int decode_object(const ProtobufCMessageDescriptor *desc, const char *api_version, const char *kind,
	const char *text, size_t size, ProtobufCMessage **ret, struct error *err);

/* What an object says it is, so that a caller can choose the descriptor. "" for what is missing. */
struct decode_kind {
	char api_version[DECODE_KIND_SIZE];
	char kind[DECODE_KIND_SIZE];
};

int decode_kind(const char *text, size_t size, struct decode_kind *ret, struct error *err);

/* A file of many documents, cut at its "---" lines. Set text and size, all else 0. */
struct decode_documents {
	const char *text;
	size_t size;
	size_t pos;
	unsigned line;
};

struct decode_document {
	const char *text; /* within the file, not NUL-terminated */
	size_t size;
	unsigned line; /* of its first byte in the file, from 1 */
};

/* The next document; false at the end. Those with nothing but blanks and comments are skipped. */
bool decode_documents_next(struct decode_documents *docs, struct decode_document *ret);

#endif
