#include "proto/decode_value.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "proto/base64.h"
#include "proto/k8s.h"
#include "proto/quantity.h"
#include "proto/rfc3339.h"
#include "proto/schema.h"
#include "proto/text.h"

#define PATH_SIZE 320

/* Where we are, for messages only: a list on the stack, from the inside out. */
struct path {
	const struct path *up;
	const char *name; /* NULL: element 'index' of a list */
	size_t index;
	bool key; /* 'name' is a user's map key */
};

static void path_format(const struct path *path, char *buf, size_t *n)
{
	char quoted[TEXT_QUOTE_SIZE];
	int more;

	if (!path)
		return;
	path_format(path->up, buf, n);
	if (*n + 1 >= PATH_SIZE)
		return;
	if (!path->name)
		more = snprintf(buf + *n, PATH_SIZE - *n, "[%zu]", path->index);
	else if (path->key)
		more = snprintf(buf + *n, PATH_SIZE - *n, "[%s]", text_quote(quoted, path->name));
	else
		more = snprintf(buf + *n, PATH_SIZE - *n, "%s%s", *n > 0 ? "." : "", path->name);
	*n += (size_t)more < PATH_SIZE - *n ? (size_t)more : PATH_SIZE - *n - 1;
}

/* "<path>: <reason> (line N)" */
static int refuse(struct error *err, const struct path *path, const struct yaml_node *node,
	const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static int refuse(struct error *err, const struct path *path, const struct yaml_node *node,
	const char *fmt, ...)
{
	char where[PATH_SIZE] = "", reason[ERROR_TEXT_SIZE / 2];
	size_t n = 0;
	va_list ap;

	path_format(path, where, &n);
	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	return error_set(err, ERR_INVALID, 0, "%s: %s (line %u)", n > 0 ? where : "document",
		reason, node->line);
}

static int no_memory(struct error *err)
{
	return error_set(err, ERR_EXHAUSTED, 0, "out of memory while decoding");
}

static const char *node_name(const struct yaml_node *node)
{
	if (node->type == YAML_MAP)
		return "a map";
	if (node->type == YAML_LIST)
		return "a list";
	return yaml_kind_name(node->value.kind);
}

/* "expected X, got Y", with what was written where it is short enough to help. */
static int wrong_type(struct error *err, const struct path *path, const struct yaml_node *node,
	const char *expected)
{
	char quoted[TEXT_QUOTE_SIZE];

	if (node->type != YAML_SCALAR || node->value.kind == YAML_NULL)
		return refuse(err, path, node, "expected %s, got %s", expected, node_name(node));
	return refuse(err, path, node, "expected %s, got %s %s", expected, node_name(node),
		text_quote(quoted, node->text));
}

static bool is_kind(const struct yaml_node *node, enum yaml_kind kind)
{
	return node->type == YAML_SCALAR && node->value.kind == kind;
}

static int decode_message(const ProtobufCMessageDescriptor *desc, const struct yaml_node *node,
	const struct path *path, ProtobufCMessage **ret, struct error *err);

static int read_string(
	const struct yaml_node *node, const struct path *path, char **ret, struct error *err)
{
	char quoted[TEXT_QUOTE_SIZE];

	if (node->type == YAML_SCALAR && node->value.kind != YAML_STRING &&
		node->value.kind != YAML_NULL)
		return refuse(err, path, node, "expected a string, got %s; quote it: %s",
			node_name(node), text_quote(quoted, node->text));
	if (!is_kind(node, YAML_STRING))
		return wrong_type(err, path, node, "a string");
	*ret = strdup(node->text);
	return *ret ? 0 : no_memory(err);
}

static int read_bytes(const struct yaml_node *node, const struct path *path,
	ProtobufCBinaryData *ret, struct error *err)
{
	ProtobufCBinaryData v = { 0 };
	size_t len;

	if (!is_kind(node, YAML_STRING))
		return wrong_type(err, path, node, "a base64 string");
	len = strlen(node->text);
	v.data = malloc(len / 4 * 3 + 1);
	if (!v.data)
		return no_memory(err);
	if (!base64_decode(v.data, &v.len, node->text, len)) {
		free(v.data);
		/* The value is not shown: it may be a secret. */
		return refuse(err, path, node, "not valid base64 (RFC 4648, with padding)");
	}
	if (v.len == 0) {
		free(v.data);
		v.data = NULL;
	}
	*ret = v;
	return 0;
}

static int read_signed(const struct yaml_node *node, const struct path *path, int64_t min,
	int64_t max, int64_t *ret, struct error *err)
{
	const struct yaml_scalar *v = &node->value;
	char quoted[TEXT_QUOTE_SIZE];
	int64_t number;

	if (!is_kind(node, YAML_INT))
		return wrong_type(err, path, node, "an integer");
	if (!v->negative && v->magnitude > INT64_MAX)
		return refuse(
			err, path, node, "%s is out of range", text_quote(quoted, node->text));
	number = v->negative ? (int64_t)(0 - v->magnitude) : (int64_t)v->magnitude;
	if (number < min || number > max)
		return refuse(err, path, node, "%s is out of range (%" PRId64 " to %" PRId64 ")",
			text_quote(quoted, node->text), min, max);
	*ret = number;
	return 0;
}

static int read_unsigned(const struct yaml_node *node, const struct path *path, uint64_t max,
	uint64_t *ret, struct error *err)
{
	const struct yaml_scalar *v = &node->value;
	char quoted[TEXT_QUOTE_SIZE];

	if (!is_kind(node, YAML_INT))
		return wrong_type(err, path, node, "an integer");
	if ((v->negative && v->magnitude != 0) || v->magnitude > max)
		return refuse(err, path, node, "%s is out of range (0 to %" PRIu64 ")",
			text_quote(quoted, node->text), max);
	*ret = v->magnitude;
	return 0;
}

static int read_double(
	const struct yaml_node *node, const struct path *path, double *ret, struct error *err)
{
	double v;

	if (is_kind(node, YAML_INT)) {
		v = (double)node->value.magnitude;
		*ret = node->value.negative ? -v : v;
		return 0;
	}
	if (!is_kind(node, YAML_FLOAT))
		return wrong_type(err, path, node, "a number");
	errno = 0;
	v = strtod(node->text, NULL);
	if (!isfinite(v) || strpbrk(node->text, "_nN"))
		return wrong_type(err, path, node, "a finite number");
	*ret = v;
	return 0;
}

static int read_enum(const struct yaml_node *node, const struct path *path,
	const ProtobufCEnumDescriptor *desc, int *ret, struct error *err)
{
	const ProtobufCEnumValue *v = NULL;
	char quoted[TEXT_QUOTE_SIZE];
	int64_t number;

	if (is_kind(node, YAML_INT)) {
		if (read_signed(node, path, INT32_MIN, INT32_MAX, &number, err) < 0)
			return -1;
		v = protobuf_c_enum_descriptor_get_value(desc, (int)number);
	} else if (is_kind(node, YAML_STRING)) {
		v = protobuf_c_enum_descriptor_get_value_by_name(desc, node->text);
	} else {
		return wrong_type(err, path, node, "a name");
	}
	if (!v)
		return refuse(err, path, node, "%s is none of the values of %s",
			text_quote(quoted, node->text), desc->short_name);
	*ret = v->value;
	return 0;
}

/* Writes a fixed-size number to 'at'. */
static int read_number(const ProtobufCFieldDescriptor *field, const struct yaml_node *node,
	const struct path *path, void *at, struct error *err)
{
	const bool wide = schema_elt_size(field) == 8;
	int64_t s = 0;
	uint64_t u = 0;
	double d = 0;

	switch ((int)field->type) {
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		if (read_unsigned(node, path, wide ? UINT64_MAX : UINT32_MAX, &u, err) < 0)
			return -1;
		if (wide)
			*(uint64_t *)at = u;
		else
			*(uint32_t *)at = (uint32_t)u;
		return 0;
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
		if (read_double(node, path, &d, err) < 0)
			return -1;
		if (wide)
			*(double *)at = d;
		else
			*(float *)at = (float)d;
		return 0;
	default:
		if (read_signed(node, path, wide ? INT64_MIN : INT32_MIN,
			    wide ? INT64_MAX : INT32_MAX, &s, err) < 0)
			return -1;
		if (wide)
			*(int64_t *)at = s;
		else
			*(int32_t *)at = (int32_t)s;
		return 0;
	}
}

/* Writes one value of the field's type to 'at', which held nothing that must be freed. */
static int read_value(const ProtobufCFieldDescriptor *field, const struct yaml_node *node,
	const struct path *path, void *at, struct error *err)
{
	switch ((int)field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return read_string(node, path, at, err);
	case PROTOBUF_C_TYPE_BYTES:
		return read_bytes(node, path, at, err);
	case PROTOBUF_C_TYPE_MESSAGE:
		return decode_message(schema_sub(field), node, path, at, err);
	case PROTOBUF_C_TYPE_ENUM:
		return read_enum(node, path, field->descriptor, at, err);
	case PROTOBUF_C_TYPE_BOOL:
		if (!is_kind(node, YAML_BOOL))
			return wrong_type(err, path, node, "a boolean (true or false)");
		*(protobuf_c_boolean *)at = node->value.boolean;
		return 0;
	default:
		return read_number(field, node, path, at, err);
	}
}

static void *member(ProtobufCMessage *msg, unsigned offset)
{
	return (char *)msg + offset;
}

static ProtobufCMessage *new_message(const ProtobufCMessageDescriptor *desc)
{
	ProtobufCMessage *msg = malloc(desc->sizeof_message);

	if (msg)
		protobuf_c_message_init(desc, msg);
	return msg;
}

static int decode_list(ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field,
	const struct yaml_node *node, const struct path *path, struct error *err)
{
	size_t size = schema_elt_size(field), *n = member(msg, field->quantifier_offset);
	char *items;

	if (node->type != YAML_LIST)
		return wrong_type(err, path, node, "a list");
	if (node->n == 0)
		return 0;
	items = calloc(node->n, size);
	if (!items)
		return no_memory(err);
	*(void **)member(msg, field->offset) = items;
	for (const struct yaml_node *item = node->first; item; item = item->next) {
		const struct path here = { .up = path, .index = *n };

		if (is_kind(item, YAML_NULL))
			return refuse(err, &here, item,
				"an empty list item; give it a value or remove it");
		if (read_value(field, item, &here, items + *n * size, err) < 0)
			return -1;
		++*n;
	}
	return 0;
}

/* One entry; a null value is the empty string, as upstream has it. */
static int decode_entry(const ProtobufCFieldDescriptor *field, const struct yaml_node *item,
	const struct path *path, ProtobufCMessage **ret, struct error *err)
{
	const ProtobufCMessageDescriptor *desc = schema_sub(field);
	const ProtobufCFieldDescriptor *value = &desc->fields[1];
	ProtobufCMessage *entry = new_message(desc);
	char *key;

	if (!entry)
		return no_memory(err);
	*ret = entry;
	key = strdup(item->key);
	if (!key)
		return no_memory(err);
	*(char **)member(entry, desc->fields[0].offset) = key;
	if (is_kind(item, YAML_NULL) && value->type == PROTOBUF_C_TYPE_STRING) {
		*(char **)member(entry, value->offset) = strdup("");
		return *(char **)member(entry, value->offset) ? 0 : no_memory(err);
	}
	if (value->label == PROTOBUF_C_LABEL_OPTIONAL && value->type != PROTOBUF_C_TYPE_STRING &&
		value->type != PROTOBUF_C_TYPE_MESSAGE)
		*(protobuf_c_boolean *)member(entry, value->quantifier_offset) = 1;
	if (is_kind(item, YAML_NULL) && value->type == PROTOBUF_C_TYPE_BYTES)
		return 0;
	return read_value(value, item, path, member(entry, value->offset), err);
}

static int decode_map(ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field,
	const struct yaml_node *node, const struct path *path, struct error *err)
{
	size_t *n = member(msg, field->quantifier_offset);
	ProtobufCMessage **entries;

	if (node->type != YAML_MAP)
		return wrong_type(err, path, node, "a map");
	if (node->n == 0)
		return 0;
	entries = calloc(node->n, sizeof(*entries));
	if (!entries)
		return no_memory(err);
	*(void **)member(msg, field->offset) = entries;
	for (const struct yaml_node *item = node->first; item; item = item->next) {
		const struct path here = { .up = path, .name = item->key, .key = true };
		int r = decode_entry(field, item, &here, &entries[*n], err);

		*n += entries[*n] != NULL;
		if (r < 0)
			return -1;
	}
	return 0;
}

/* A singular field: has_x, or the case of a oneof, of which only one member may be given. */
static int decode_single(ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field,
	const struct yaml_node *node, const struct path *path, struct error *err)
{
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		uint32_t *which = member(msg, field->quantifier_offset);

		if (*which != 0 && *which != field->id)
			return refuse(err, path, node, "only one field of this group may be given");
		if (read_value(field, node, path, member(msg, field->offset), err) < 0)
			return -1;
		*which = field->id;
		return 0;
	}
	if (read_value(field, node, path, member(msg, field->offset), err) < 0)
		return -1;
	if (field->label == PROTOBUF_C_LABEL_OPTIONAL && field->type != PROTOBUF_C_TYPE_STRING &&
		field->type != PROTOBUF_C_TYPE_MESSAGE)
		*(protobuf_c_boolean *)member(msg, field->quantifier_offset) = 1;
	return 0;
}

static int unknown_field(const ProtobufCMessageDescriptor *desc, const struct yaml_node *node,
	const struct path *path, struct error *err)
{
	char name[SCHEMA_NAME_SIZE];

	if (schema_suggest(desc, node->key, name))
		return refuse(err, path, node, "unknown field; did you mean \"%s\"?", name);
	return refuse(err, path, node, "unknown field");
}

/* Both spellings of a field (foo_bar and fooBar) in one map would be a duplicate that hides. */
static bool given_before(const ProtobufCMessageDescriptor *desc, const struct yaml_node *map,
	const struct yaml_node *node, const ProtobufCFieldDescriptor *field)
{
	struct schema_field other;

	if (!strchr(field->name, '_'))
		return false;
	for (const struct yaml_node *m = map->first; m != node; m = m->next)
		if (schema_find(desc, m->key, &other) && other.field == field)
			return true;
	return false;
}

static int decode_field(ProtobufCMessage *msg, const struct yaml_node *map,
	const struct yaml_node *node, const struct path *up, struct error *err)
{
	const ProtobufCMessageDescriptor *desc = msg->descriptor;
	struct path path = { .up = up, .name = node->key };
	char quoted[TEXT_QUOTE_SIZE];
	struct schema_field at;

	if (!schema_find(desc, node->key, &at)) {
		if (strlen(node->key) >= SCHEMA_NAME_SIZE ||
			!text_utf8(node->key, strlen(node->key), NULL) ||
			strpbrk(node->key, " .\"\\\n\r\t\x1b"))
			path = (struct path){ .up = up, .name = node->key, .key = true };
		return unknown_field(desc, node, &path, err);
	}
	if (given_before(desc, map, node, at.field))
		return refuse(err, &path, node, "the field %s is given twice, in two spellings",
			text_quote(quoted, at.field->name));
	if (is_kind(node, YAML_NULL))
		return 0;
	if (at.outer) {
		ProtobufCMessage **outer = member(msg, at.outer->offset);

		if (!*outer)
			*outer = new_message(schema_sub(at.outer));
		if (!*outer)
			return no_memory(err);
		msg = *outer;
		desc = msg->descriptor;
	}
	if (schema_is_map(desc, at.field))
		return decode_map(msg, at.field, node, &path, err);
	if (at.field->label == PROTOBUF_C_LABEL_REPEATED)
		return decode_list(msg, at.field, node, &path, err);
	return decode_single(msg, at.field, node, &path, err);
}

static int decode_fields(ProtobufCMessage *msg, const struct yaml_node *node,
	const struct path *path, bool object, struct error *err)
{
	if (node->type != YAML_MAP)
		return wrong_type(err, path, node, "a map");
	for (const struct yaml_node *m = node->first; m; m = m->next) {
		if (object && (strcmp(m->key, "apiVersion") == 0 || strcmp(m->key, "kind") == 0))
			continue;
		if (decode_field(msg, node, m, path, err) < 0)
			return -1;
	}
	return 0;
}

/* The text of a number as decimal digits (0x10 is "16"), as JSON would carry it. */
static int read_quantity(
	K8sQuantity *q, const struct yaml_node *node, const struct path *path, struct error *err)
{
	struct error why = { 0 };
	char *text = NULL;

	if (is_kind(node, YAML_INT)) {
		if (asprintf(&text, "%s%" PRIu64, node->value.negative ? "-" : "",
			    node->value.magnitude) < 0)
			return no_memory(err);
	} else if (is_kind(node, YAML_STRING) || is_kind(node, YAML_FLOAT)) {
		text = strdup(node->text);
	} else {
		return wrong_type(err, path, node, "a quantity (500m, 2, 1.5Gi)");
	}
	if (!text)
		return no_memory(err);
	q->string = text;
	if (quantity_check(text, &why) < 0)
		return refuse(err, path, node, "%s", why.text);
	return 0;
}

static int read_int_or_string(
	K8sIntOrString *v, const struct yaml_node *node, const struct path *path, struct error *err)
{
	int64_t number;

	v->has_type = 1;
	if (is_kind(node, YAML_STRING)) {
		v->type = 1;
		return read_string(node, path, &v->strval, err);
	}
	if (!is_kind(node, YAML_INT))
		return wrong_type(err, path, node, "an integer or a string");
	if (read_signed(node, path, INT32_MIN, INT32_MAX, &number, err) < 0)
		return -1;
	v->type = 0;
	v->has_intval = 1;
	v->intval = (int32_t)number;
	return 0;
}

static int read_time(
	K8sTime *t, const struct yaml_node *node, const struct path *path, struct error *err)
{
	if (!is_kind(node, YAML_STRING))
		return wrong_type(err, path, node, "a time (2024-05-01T12:00:00Z)");
	if (!rfc3339_parse(node->text, &t->seconds, &t->nanos))
		return wrong_type(err, path, node, "a time (2024-05-01T12:00:00Z)");
	t->has_seconds = 1;
	t->has_nanos = t->nanos != 0;
	return 0;
}

static int fill(ProtobufCMessage *msg, const struct yaml_node *node, const struct path *path,
	bool object, struct error *err)
{
	switch (schema_kind(msg->descriptor)) {
	case SCHEMA_QUANTITY:
		return read_quantity((K8sQuantity *)msg, node, path, err);
	case SCHEMA_TIME:
		return read_time((K8sTime *)msg, node, path, err);
	case SCHEMA_INT_OR_STRING:
		return read_int_or_string((K8sIntOrString *)msg, node, path, err);
	case SCHEMA_PLAIN:
		break;
	}
	return decode_fields(msg, node, path, object, err);
}

/* Recursion is bounded by YAML_TREE_DEPTH_MAX. */
static int decode_message(const ProtobufCMessageDescriptor *desc, const struct yaml_node *node,
	const struct path *path, ProtobufCMessage **ret, struct error *err)
{
	ProtobufCMessage *msg = new_message(desc);

	if (!msg)
		return no_memory(err);
	if (fill(msg, node, path, false, err) < 0) {
		protobuf_c_message_free_unpacked(msg, NULL);
		return -1;
	}
	*ret = msg;
	return 0;
}

int decode_value_message(const ProtobufCMessageDescriptor *desc, const struct yaml_node *map,
	bool object, ProtobufCMessage **ret, struct error *err)
{
	ProtobufCMessage *msg = new_message(desc);

	if (!msg)
		return no_memory(err);
	if (fill(msg, map, NULL, object, err) < 0) {
		protobuf_c_message_free_unpacked(msg, NULL);
		return -1;
	}
	*ret = msg;
	return 0;
}
