/*
 * What a protobuf descriptor does not say: how a message looks as JSON or YAML. Field names, which
 * messages are scalars there (quantities, times), which are maps, and which lie inline in their
 * parent. decode.c, encode.c and the tests share it; no other per-message code exists.
 */
#ifndef PROTO_SCHEMA_H
#define PROTO_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

#define SCHEMA_NAME_SIZE 80

enum schema_kind {
	SCHEMA_PLAIN,    /* a map of its fields */
	SCHEMA_QUANTITY, /* "500m", or a number */
	SCHEMA_TIME,     /* RFC 3339 */
	SCHEMA_INT_OR_STRING,
};

enum schema_kind schema_kind(const ProtobufCMessageDescriptor *desc);

/*
 * The JSON name of a field: lowerCamel of a lower_snake name, everything else as it is (Kubernetes'
 * field names are its JSON names). A trailing underscore, which keeps C's words apart, goes.
 * Returns 'buf' of SCHEMA_NAME_SIZE bytes.
 */
const char *schema_json_name(const ProtobufCFieldDescriptor *field, char *buf);

/* A map<string, V>: the field is a list of entries with key = 1 and value = 2. */
bool schema_is_map(const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *field);

/* The field's members stand in the parent's own map (a Go embedded struct: Volume.volumeSource). */
bool schema_is_inline(
	const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *field);

/* Where a name was found: 'outer' is the inlined field that 'field' is a member of, or NULL. */
struct schema_field {
	const ProtobufCFieldDescriptor *outer;
	const ProtobufCFieldDescriptor *field;
};

/*
 * Finds a field by its JSON name or, as a second spelling, by its lower_snake name. Case counts:
 * "hostpath" is not "hostPath" (upstream's strict decoding).
 */
bool schema_find(
	const ProtobufCMessageDescriptor *desc, const char *name, struct schema_field *ret);

/* The JSON name that is most like 'name', in 'buf'; NULL when none is near. */
const char *schema_suggest(const ProtobufCMessageDescriptor *desc, const char *name, char *buf);

/* The size of one element of a repeated field, or of a singular one. 0 for an unknown type. */
size_t schema_elt_size(const ProtobufCFieldDescriptor *field);

static inline const ProtobufCMessageDescriptor *schema_sub(const ProtobufCFieldDescriptor *field)
{
	return field->descriptor;
}

#endif
