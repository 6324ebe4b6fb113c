#include "auth/validate_walk.h"

#include <string.h>

#include "proto/schema.h"

static bool is_pointer(const ProtobufCFieldDescriptor *field)
{
	return field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE;
}

static const void *pointer_at(const char *member)
{
	const void *p;

	memcpy(&p, member, sizeof(p));
	return p;
}

/* Fills 'ret' for a field that is set. */
static bool find(
	const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field, struct walk_field *ret)
{
	const char *base = (const char *)msg;
	protobuf_c_boolean has;

	*ret = (struct walk_field){
		.msg = msg, .field = field, .values = base + field->offset, .n = 1
	};
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		memcpy(&ret->n, base + field->quantifier_offset, sizeof(ret->n));
		ret->values = pointer_at(ret->values);
		ret->map = schema_is_map(msg->descriptor, field);
		return ret->n > 0;
	}
	if (is_pointer(field))
		return pointer_at(ret->values) != NULL;
	memcpy(&has, base + field->quantifier_offset, sizeof(has));
	return has;
}

const void *walk_value(const struct walk_field *f, size_t i)
{
	const char *value = f->values + i * schema_elt_size(f->field);

	return is_pointer(f->field) ? pointer_at(value) : value;
}

static void walk_into(
	const struct walk_field *f, const struct place *at, walk_visit visit, void *arg)
{
	if (schema_is_inline(f->msg->descriptor, f->field)) {
		walk_message(walk_value(f, 0), at->up, visit, arg);
		return;
	}
	if (f->field->label != PROTOBUF_C_LABEL_REPEATED) {
		walk_message(walk_value(f, 0), at, visit, arg);
		return;
	}
	for (size_t i = 0; i < f->n; i++)
		walk_message(walk_value(f, i), AT_ITEM(at, i), visit, arg);
}

void walk_message(const ProtobufCMessage *msg, const struct place *at, walk_visit visit, void *arg)
{
	for (unsigned i = 0; i < msg->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &msg->descriptor->fields[i];
		char name[SCHEMA_NAME_SIZE];
		struct walk_field f;
		struct place here = { .up = at, .name = schema_json_name(field, name) };

		if (!find(msg, field, &f))
			continue;
		f.at = &here;
		if (visit(arg, &f) && field->type == PROTOBUF_C_TYPE_MESSAGE && !f.map)
			walk_into(&f, &here, visit, arg);
	}
}

bool walk_zero(const struct walk_field *f)
{
	static const char zeros[sizeof(uint64_t)];

	if (f->field->label == PROTOBUF_C_LABEL_REPEATED ||
		f->field->type == PROTOBUF_C_TYPE_MESSAGE)
		return false;
	if (f->field->type == PROTOBUF_C_TYPE_STRING)
		return *(const char *)walk_value(f, 0) == '\0';
	return memcmp(f->values, zeros, schema_elt_size(f->field)) == 0;
}

static bool visit_empty(void *arg, const struct walk_field *f)
{
	bool *empty = arg;

	if (f->field->type == PROTOBUF_C_TYPE_MESSAGE &&
		f->field->label != PROTOBUF_C_LABEL_REPEATED)
		return *empty;
	*empty = *empty && walk_zero(f);
	return false;
}

bool walk_empty(const ProtobufCMessage *msg)
{
	bool empty = true;

	walk_message(msg, NULL, visit_empty, &empty);
	return empty;
}

const char *walk_key(const ProtobufCMessage *entry)
{
	const ProtobufCFieldDescriptor *key = &entry->descriptor->fields[0];
	const char *text = pointer_at((const char *)entry + key->offset);

	return text ? text : "";
}
