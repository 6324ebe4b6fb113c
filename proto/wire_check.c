#include "proto/wire_check.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "proto/schema.h"
#include "proto/text.h"

/* Singular fields that one message may have: the size of 'seen'. */
#define FIELDS_OF_MESSAGE_MAX 128
#define PATH_SIZE             320

/* malloc's own share of each block, roughly. */
#define BLOCK_COST 16

/* A message that is being read. */
struct frame {
	const ProtobufCMessageDescriptor *desc;
	const uint8_t *end;
	const ProtobufCFieldDescriptor *field; /* the one being read, for paths */
	uint64_t seen[FIELDS_OF_MESSAGE_MAX / 64];
};

struct scan {
	const uint8_t *p;
	size_t depth;
	size_t fields;
	size_t heap;
	struct frame stack[WIRE_DEPTH_MAX];
	struct error *err;
};

static struct frame *top(struct scan *s)
{
	return &s->stack[s->depth - 1];
}

static const char *path_of(struct scan *s, char *buf)
{
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < s->depth && s->stack[i].field; i++) {
		int more = snprintf(
			buf + n, PATH_SIZE - n, "%s%s", i > 0 ? "." : "", s->stack[i].field->name);

		if ((size_t)more >= PATH_SIZE - n)
			break;
		n += (size_t)more;
	}
	return n > 0 ? buf : "message";
}

static int refuse(struct scan *s, enum error_code code, const char *reason)
{
	char path[PATH_SIZE];

	return error_set(s->err, code, 0, "%s: %s", path_of(s, path), reason);
}

static int spend(struct scan *s, size_t fields, size_t heap)
{
	s->fields += fields;
	s->heap += heap;
	if (s->fields > WIRE_FIELDS_MAX)
		return error_set(s->err, ERR_EXHAUSTED, 0, "a message of more than %d fields",
			WIRE_FIELDS_MAX);
	if (s->heap > WIRE_HEAP_MAX)
		return error_set(s->err, ERR_EXHAUSTED, 0,
			"a message that takes more than %d bytes of memory", WIRE_HEAP_MAX);
	return 0;
}

static bool read_varint(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned shift = 0; *p < end && shift < 70; shift += 7) {
		uint8_t byte = *(*p)++;

		if (shift == 63 && byte > 1)
			return false;
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

static ProtobufCWireType wire_type_of(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return PROTOBUF_C_WIRE_TYPE_32BIT;
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return PROTOBUF_C_WIRE_TYPE_64BIT;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_ENUM:
		return PROTOBUF_C_WIRE_TYPE_VARINT;
	}
	return PROTOBUF_C_WIRE_TYPE_VARINT;
}

/* The elements of a packed list: whole varints, or a multiple of the fixed size. */
static int check_packed(struct scan *s, const ProtobufCFieldDescriptor *field, size_t size)
{
	const uint8_t *p = s->p, *end = s->p + size;
	size_t n = 0, fixed = 0;
	uint64_t ignored;

	if (wire_type_of(field) == PROTOBUF_C_WIRE_TYPE_32BIT)
		fixed = 4;
	else if (wire_type_of(field) == PROTOBUF_C_WIRE_TYPE_64BIT)
		fixed = 8;
	if (fixed) {
		if (size % fixed != 0)
			return refuse(s, ERR_INVALID, "a packed list with a broken element");
		n = size / fixed;
	}
	while (!fixed && p < end) {
		if (!read_varint(&p, end, &ignored))
			return refuse(s, ERR_INVALID, "a packed list with a broken element");
		n++;
	}
	s->p = end;
	return spend(s, n, n * schema_elt_size(field));
}

static int push(struct scan *s, const ProtobufCMessageDescriptor *desc, const uint8_t *end)
{
	if (s->depth == WIRE_DEPTH_MAX)
		return refuse(s, ERR_EXHAUSTED, "messages nested too deep");
	if (desc->n_fields > FIELDS_OF_MESSAGE_MAX)
		return refuse(
			s, ERR_INTERNAL, "a message type with too many fields for wire_check");
	s->stack[s->depth++] = (struct frame){ .desc = desc, .end = end };
	return spend(s, 0, desc->sizeof_message + BLOCK_COST);
}

static int check_prefixed(struct scan *s, const ProtobufCFieldDescriptor *field)
{
	uint64_t size;

	if (!read_varint(&s->p, top(s)->end, &size) || size > (size_t)(top(s)->end - s->p))
		return refuse(s, ERR_INVALID, "cut short");
	switch ((int)field->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		return push(s, schema_sub(field), s->p + size);
	case PROTOBUF_C_TYPE_STRING:
		if (!text_utf8((const char *)s->p, size, NULL))
			return refuse(s, ERR_INVALID, "a string with a NUL byte or bad UTF-8");
		s->p += size;
		return spend(s, 0, size + 1 + BLOCK_COST);
	case PROTOBUF_C_TYPE_BYTES:
		s->p += size;
		return spend(s, 0, size + BLOCK_COST);
	default:
		return check_packed(s, field, size);
	}
}

static int check_once(struct scan *s, const ProtobufCFieldDescriptor *field)
{
	size_t i = (size_t)(field - top(s)->desc->fields);
	uint64_t bit = UINT64_C(1) << (i % 64);

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return spend(s, 1, schema_elt_size(field));
	if (top(s)->seen[i / 64] & bit)
		return refuse(s, ERR_INVALID, "given twice");
	top(s)->seen[i / 64] |= bit;
	return spend(s, 1, 0);
}

static int check_value(struct scan *s, const ProtobufCFieldDescriptor *field, unsigned type)
{
	bool packed = field->label == PROTOBUF_C_LABEL_REPEATED &&
		      type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
	size_t left = (size_t)(top(s)->end - s->p);
	uint64_t ignored;

	if (type != wire_type_of(field) && !packed)
		return refuse(s, ERR_INVALID, "the wrong wire type");
	if (check_once(s, field) < 0)
		return -1;
	switch (type) {
	case PROTOBUF_C_WIRE_TYPE_VARINT:
		if (!read_varint(&s->p, top(s)->end, &ignored))
			return refuse(s, ERR_INVALID, "a broken number");
		return 0;
	case PROTOBUF_C_WIRE_TYPE_32BIT:
	case PROTOBUF_C_WIRE_TYPE_64BIT:
		if (left < schema_elt_size(field))
			return refuse(s, ERR_INVALID, "cut short");
		s->p += schema_elt_size(field);
		return 0;
	default:
		return check_prefixed(s, field);
	}
}

static int check_field(struct scan *s)
{
	const ProtobufCFieldDescriptor *field;
	char path[PATH_SIZE];
	uint64_t tag;

	top(s)->field = NULL;
	if (!read_varint(&s->p, top(s)->end, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
		return refuse(s, ERR_INVALID, "a broken field number");
	if ((tag & 7) == 3 || (tag & 7) == 4)
		return refuse(s, ERR_INVALID, "groups are refused");
	field = protobuf_c_message_descriptor_get_field(top(s)->desc, (unsigned)(tag >> 3));
	if (!field)
		return error_set(s->err, ERR_INVALID, 0, "%s: unknown field number %u",
			path_of(s, path), (unsigned)(tag >> 3));
	top(s)->field = field;
	return check_value(s, field, tag & 7);
}

int wire_check(const ProtobufCMessageDescriptor *desc, const uint8_t *bytes, size_t size,
	struct error *err)
{
	static const uint8_t none[1];
	struct scan s = { .p = bytes ? bytes : none, .err = err };

	if (push(&s, desc, s.p + size) < 0)
		return -1;
	while (s.depth > 0) {
		if (s.p == top(&s)->end)
			s.depth--;
		else if (check_field(&s) < 0)
			return -1;
	}
	return 0;
}

int message_unpack(const ProtobufCMessageDescriptor *desc, const uint8_t *bytes, size_t size,
	ProtobufCMessage **ret, struct error *err)
{
	ProtobufCMessage *msg;

	if (wire_check(desc, bytes, size, err) < 0)
		return -1;
	msg = protobuf_c_message_unpack(desc, NULL, size, bytes);
	if (!msg)
		return error_set(err, ERR_INVALID, 0, "cannot unpack a %s", desc->short_name);
	*ret = msg;
	return 0;
}
