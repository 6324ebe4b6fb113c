#include "proto/encode.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "proto/base64.h"
#include "proto/encode_sink.h"
#include "proto/k8s.h"
#include "proto/rfc3339.h"
#include "proto/schema.h"

static void sink_cleanup(struct encode_sink **sink)
{
	encode_sink_free(*sink);
}

#define cleanup_sink __attribute__((cleanup(sink_cleanup)))

static int encode_message(struct encode_sink *sink, const ProtobufCMessage *msg, struct error *err);
static int encode_fields(struct encode_sink *sink, const ProtobufCMessage *msg, struct error *err);

static const void *member(const ProtobufCMessage *msg, unsigned offset)
{
	return (const char *)msg + offset;
}

/* The shortest decimal form that reads back as the same number. */
static int encode_double(struct encode_sink *sink, double v, bool wide, struct error *err)
{
	char text[40];

	if (!isfinite(v))
		return error_set(
			err, ERR_INVALID, 0, "a number that is not finite has no JSON form");
	for (int digits = wide ? 15 : 6; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (wide ? strtod(text, NULL) == v : strtof(text, NULL) == (float)v)
			break;
	}
	encode_sink_plain(sink, text);
	return 0;
}

static int encode_number(struct encode_sink *sink, const ProtobufCFieldDescriptor *field,
	const void *at, struct error *err)
{
	const bool wide = schema_elt_size(field) == 8;
	char text[24];

	switch ((int)field->type) {
	case PROTOBUF_C_TYPE_FLOAT:
		return encode_double(sink, *(const float *)at, false, err);
	case PROTOBUF_C_TYPE_DOUBLE:
		return encode_double(sink, *(const double *)at, true, err);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		snprintf(text, sizeof(text), "%" PRIu64,
			wide ? *(const uint64_t *)at : *(const uint32_t *)at);
		break;
	default:
		snprintf(text, sizeof(text), "%" PRId64,
			wide ? *(const int64_t *)at : *(const int32_t *)at);
		break;
	}
	encode_sink_plain(sink, text);
	return 0;
}

static int encode_bytes(
	struct encode_sink *sink, const ProtobufCBinaryData *bytes, struct error *err)
{
	cleanup_free char *text = malloc(BASE64_SIZE(bytes->len));

	if (!text)
		return error_set(err, ERR_EXHAUSTED, 0, "out of memory while encoding");
	base64_encode(text, bytes->data, bytes->len);
	encode_sink_string(sink, text);
	return 0;
}

static int encode_enum(struct encode_sink *sink, const ProtobufCEnumDescriptor *desc, int number)
{
	const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(desc, number);
	char text[16];

	if (v) {
		encode_sink_string(sink, v->name);
		return 0;
	}
	snprintf(text, sizeof(text), "%d", number);
	encode_sink_plain(sink, text);
	return 0;
}

static int encode_value(struct encode_sink *sink, const ProtobufCFieldDescriptor *field,
	const void *at, struct error *err)
{
	const char *text;

	switch ((int)field->type) {
	case PROTOBUF_C_TYPE_STRING:
		text = *(char *const *)at;
		encode_sink_string(sink, text ? text : "");
		return 0;
	case PROTOBUF_C_TYPE_BYTES:
		return encode_bytes(sink, at, err);
	case PROTOBUF_C_TYPE_MESSAGE:
		return encode_message(sink, *(ProtobufCMessage *const *)at, err);
	case PROTOBUF_C_TYPE_ENUM:
		return encode_enum(sink, field->descriptor, *(const int *)at);
	case PROTOBUF_C_TYPE_BOOL:
		encode_sink_plain(sink, *(const protobuf_c_boolean *)at ? "true" : "false");
		return 0;
	default:
		return encode_number(sink, field, at, err);
	}
}

static bool is_zero(const ProtobufCFieldDescriptor *field, const void *at)
{
	static const char zeros[8];

	if (field->type == PROTOBUF_C_TYPE_STRING)
		return !*(char *const *)at || **(char *const *)at == '\0';
	if (field->type == PROTOBUF_C_TYPE_BYTES)
		return ((const ProtobufCBinaryData *)at)->len == 0;
	return memcmp(at, zeros, schema_elt_size(field)) == 0;
}

/* A string that was never set: NULL, or in proto3 and with defaults the shared default itself. */
static bool is_unset_string(const ProtobufCFieldDescriptor *field, const void *at)
{
	const char *text = *(char *const *)at;

	return !text || text == field->default_value;
}

static bool is_present(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field)
{
	const void *at = member(msg, field->offset);

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *)member(msg, field->quantifier_offset) > 0;
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)member(msg, field->quantifier_offset) == field->id;
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(void *const *)at != NULL;
	if (field->label == PROTOBUF_C_LABEL_REQUIRED)
		return true;
	if (field->label == PROTOBUF_C_LABEL_NONE)
		return !is_zero(field, at);
	if (field->type == PROTOBUF_C_TYPE_STRING)
		return !is_unset_string(field, at);
	return *(const protobuf_c_boolean *)member(msg, field->quantifier_offset);
}

static int encode_map(struct encode_sink *sink, const ProtobufCMessage *msg,
	const ProtobufCFieldDescriptor *field, struct error *err)
{
	size_t n = *(const size_t *)member(msg, field->quantifier_offset);
	ProtobufCMessage *const *entries =
		*(ProtobufCMessage *const *const *)member(msg, field->offset);
	const ProtobufCMessageDescriptor *desc = schema_sub(field);

	encode_sink_map(sink);
	for (size_t i = 0; i < n; i++) {
		const char *key = *(char *const *)member(entries[i], desc->fields[0].offset);
		const void *value = member(entries[i], desc->fields[1].offset);

		encode_sink_key(sink, key ? key : "");
		if (desc->fields[1].type == PROTOBUF_C_TYPE_MESSAGE && !*(void *const *)value) {
			encode_sink_map(sink);
			encode_sink_end(sink);
			continue;
		}
		if (encode_value(sink, &desc->fields[1], value, err) < 0)
			return -1;
	}
	encode_sink_end(sink);
	return 0;
}

static int encode_list(struct encode_sink *sink, const ProtobufCMessage *msg,
	const ProtobufCFieldDescriptor *field, struct error *err)
{
	size_t n = *(const size_t *)member(msg, field->quantifier_offset),
	       size = schema_elt_size(field);
	const char *items = *(const char *const *)member(msg, field->offset);

	encode_sink_list(sink);
	for (size_t i = 0; i < n; i++)
		if (encode_value(sink, field, items + i * size, err) < 0)
			return -1;
	encode_sink_end(sink);
	return 0;
}

static int encode_field(struct encode_sink *sink, const ProtobufCMessage *msg,
	const ProtobufCFieldDescriptor *field, struct error *err)
{
	char name[SCHEMA_NAME_SIZE];
	int r;

	if (!is_present(msg, field))
		return 0;
	if (schema_is_inline(msg->descriptor, field))
		return encode_fields(
			sink, *(ProtobufCMessage *const *)member(msg, field->offset), err);
	encode_sink_key(sink, schema_json_name(field, name));
	if (schema_is_map(msg->descriptor, field))
		r = encode_map(sink, msg, field, err);
	else if (field->label == PROTOBUF_C_LABEL_REPEATED)
		r = encode_list(sink, msg, field, err);
	else
		r = encode_value(sink, field, member(msg, field->offset), err);
	return r < 0 ? error_prefix(err, "%s", name) : 0;
}

static int encode_fields(struct encode_sink *sink, const ProtobufCMessage *msg, struct error *err)
{
	for (unsigned i = 0; i < msg->descriptor->n_fields; i++)
		if (encode_field(sink, msg, &msg->descriptor->fields[i], err) < 0)
			return -1;
	return 0;
}

static int encode_time(struct encode_sink *sink, const K8sTime *t, struct error *err)
{
	char text[RFC3339_SIZE];

	if (!rfc3339_format(text, t->has_seconds ? t->seconds : 0, t->has_nanos ? t->nanos : 0))
		return error_set(err, ERR_INVALID, 0,
			"%" PRId64 " seconds is no time of the years 1 to 9999", t->seconds);
	encode_sink_string(sink, text);
	return 0;
}

static int encode_int_or_string(struct encode_sink *sink, const K8sIntOrString *v)
{
	char text[16];

	if (v->has_type && v->type == 1) {
		encode_sink_string(sink, v->strval ? v->strval : "");
		return 0;
	}
	snprintf(text, sizeof(text), "%" PRId32, v->has_intval ? v->intval : 0);
	encode_sink_plain(sink, text);
	return 0;
}

static int encode_message(struct encode_sink *sink, const ProtobufCMessage *msg, struct error *err)
{
	const K8sQuantity *q;

	switch (schema_kind(msg->descriptor)) {
	case SCHEMA_QUANTITY:
		q = (const K8sQuantity *)msg;
		encode_sink_string(sink, q->string ? q->string : "0");
		return 0;
	case SCHEMA_TIME:
		return encode_time(sink, (const K8sTime *)msg, err);
	case SCHEMA_INT_OR_STRING:
		return encode_int_or_string(sink, (const K8sIntOrString *)msg);
	case SCHEMA_PLAIN:
		break;
	}
	encode_sink_map(sink);
	if (encode_fields(sink, msg, err) < 0)
		return -1;
	encode_sink_end(sink);
	return 0;
}

static void encode_words(struct encode_sink *sink, const char *api_version, const char *kind)
{
	if (!kind)
		return;
	encode_sink_key(sink, "apiVersion");
	encode_sink_string(sink, api_version);
	encode_sink_key(sink, "kind");
	encode_sink_string(sink, kind);
}

static int encode_object(struct encode_sink *sink, const ProtobufCMessage *msg,
	const char *api_version, const char *kind, struct error *err)
{
	encode_sink_map(sink);
	encode_words(sink, api_version, kind);
	if (encode_fields(sink, msg, err) < 0)
		return -1;
	encode_sink_end(sink);
	return 0;
}

static int encode_one(struct encode_sink *new_sink, const ProtobufCMessage *msg,
	const char *api_version, const char *kind, char **ret, struct error *err)
{
	cleanup_sink struct encode_sink *sink = new_sink;

	if (!sink || encode_object(sink, msg, api_version, kind, err) < 0)
		return -1;
	return encode_sink_finish(take_ptr(sink), ret, err);
}

static int encode_many(struct encode_sink *new_sink, const ProtobufCMessage *const *msgs, size_t n,
	const char *api_version, const char *kind, char **ret, struct error *err)
{
	cleanup_sink struct encode_sink *sink = new_sink;

	if (!sink)
		return -1;
	encode_sink_map(sink);
	encode_words(sink, "v1", "List");
	encode_sink_key(sink, "items");
	encode_sink_list(sink);
	for (size_t i = 0; i < n; i++)
		if (encode_object(sink, msgs[i], api_version, kind, err) < 0)
			return -1;
	encode_sink_end(sink);
	encode_sink_end(sink);
	return encode_sink_finish(take_ptr(sink), ret, err);
}

int encode_json(const ProtobufCMessage *msg, const char *api_version, const char *kind, bool pretty,
	char **ret, struct error *err)
{
	return encode_one(encode_sink_json(pretty, err), msg, api_version, kind, ret, err);
}

int encode_yaml(const ProtobufCMessage *msg, const char *api_version, const char *kind, char **ret,
	struct error *err)
{
	return encode_one(encode_sink_yaml(err), msg, api_version, kind, ret, err);
}

int encode_json_list(const ProtobufCMessage *const *msgs, size_t n, const char *api_version,
	const char *kind, char **ret, struct error *err)
{
	return encode_many(encode_sink_json(true, err), msgs, n, api_version, kind, ret, err);
}

int encode_yaml_list(const ProtobufCMessage *const *msgs, size_t n, const char *api_version,
	const char *kind, char **ret, struct error *err)
{
	return encode_many(encode_sink_yaml(err), msgs, n, api_version, kind, ret, err);
}
