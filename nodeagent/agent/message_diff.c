#include "nodeagent/agent/message_diff.h"

#include <stdio.h>
#include <string.h>

#include "proto/schema.h"

/* Where a member lies. */
#define AT(message, offset) ((const void *)((const char *)(message) + (offset)))

#define INDEX_SIZE 24

static bool same_message(
	const ProtobufCMessage *a, const ProtobufCMessage *b, char path[MESSAGE_DIFF_SIZE]);

static void append(char path[MESSAGE_DIFF_SIZE], const char *separator, const char *text)
{
	size_t len = strlen(path);

	snprintf(path + len, MESSAGE_DIFF_SIZE - len, "%s%s", len ? separator : "", text);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_bytes(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* One value of a field; for messages 'path' is extended where they differ. */
static bool same_value(const ProtobufCFieldDescriptor *field, const void *a, const void *b,
	char path[MESSAGE_DIFF_SIZE])
{
	if (field->type == PROTOBUF_C_TYPE_STRING)
		return same_text(*(const char *const *)a, *(const char *const *)b);
	if (field->type == PROTOBUF_C_TYPE_BYTES)
		return same_bytes(a, b);
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return same_message(*(const ProtobufCMessage *const *)a,
			*(const ProtobufCMessage *const *)b, path);
	return memcmp(a, b, schema_elt_size(field)) == 0;
}

static bool same_list(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *a,
	const ProtobufCMessage *b, char path[MESSAGE_DIFF_SIZE])
{
	size_t n = *(const size_t *)AT(a, field->quantifier_offset);
	size_t m = *(const size_t *)AT(b, field->quantifier_offset);
	const char *of_a = *(const char *const *)AT(a, field->offset);
	const char *of_b = *(const char *const *)AT(b, field->offset);
	size_t size = schema_elt_size(field);
	char index[INDEX_SIZE];
	char below[MESSAGE_DIFF_SIZE];

	for (size_t i = 0; i < n && i < m; i++) {
		below[0] = '\0';
		if (same_value(field, of_a + i * size, of_b + i * size, below))
			continue;
		snprintf(index, sizeof(index), "[%zu]", i);
		append(path, "", index);
		if (below[0])
			append(path, ".", below);
		return false;
	}
	if (n == m)
		return true;
	snprintf(index, sizeof(index), "[%zu]", n < m ? n : m);
	append(path, "", index);
	return false;
}

/* An entry of a map begins with its key, a string in every type that we have. */
struct entry {
	ProtobufCMessage base;
	const char *key;
};

static const struct entry *entry_find(const struct entry *const *entries, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++) {
		if (same_text(entries[i]->key, key))
			return entries[i];
	}
	return NULL;
}

static bool same_map(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *a,
	const ProtobufCMessage *b, char path[MESSAGE_DIFF_SIZE])
{
	size_t n = *(const size_t *)AT(a, field->quantifier_offset);
	size_t m = *(const size_t *)AT(b, field->quantifier_offset);
	const struct entry *const *of_a = *(const struct entry *const *const *)AT(a, field->offset);
	const struct entry *const *of_b = *(const struct entry *const *const *)AT(b, field->offset);
	const char *key = NULL;
	char below[MESSAGE_DIFF_SIZE] = "";

	for (size_t i = 0; i < n && !key; i++) {
		const struct entry *other = entry_find(of_b, m, of_a[i]->key);

		if (!other || !same_message(&of_a[i]->base, &other->base, below))
			key = of_a[i]->key;
	}
	for (size_t i = 0; i < m && !key; i++) {
		if (!entry_find(of_a, n, of_b[i]->key))
			key = of_b[i]->key;
	}
	if (!key)
		return true;
	append(path, "", "[");
	append(path, "", key);
	append(path, "", "]");
	return false;
}

/* Whether an optional field is set. */
static bool is_set(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message)
{
	if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(const void *const *)AT(message, field->offset) != NULL;
	if (field->label == PROTOBUF_C_LABEL_OPTIONAL)
		return *(const protobuf_c_boolean *)AT(message, field->quantifier_offset);
	return true;
}

static bool same_field(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *a,
	const ProtobufCMessage *b, char path[MESSAGE_DIFF_SIZE])
{
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return schema_is_map(a->descriptor, field) ? same_map(field, a, b, path)
							   : same_list(field, a, b, path);
	if (is_set(field, a) != is_set(field, b))
		return false;
	return !is_set(field, a) ||
	       same_value(field, AT(a, field->offset), AT(b, field->offset), path);
}

static bool same_message(
	const ProtobufCMessage *a, const ProtobufCMessage *b, char path[MESSAGE_DIFF_SIZE])
{
	const ProtobufCMessageDescriptor *desc = a->descriptor;

	for (unsigned i = 0; i < desc->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &desc->fields[i];
		char below[MESSAGE_DIFF_SIZE] = "";
		char name[SCHEMA_NAME_SIZE];

		if (same_field(field, a, b, below))
			continue;
		if (!schema_is_inline(desc, field))
			append(path, ".", schema_json_name(field, name));
		if (below[0])
			append(path, below[0] == '[' ? "" : ".", below);
		return false;
	}
	return true;
}

bool message_same(
	const ProtobufCMessage *a, const ProtobufCMessage *b, char path[MESSAGE_DIFF_SIZE])
{
	path[0] = '\0';
	return same_message(a, b, path);
}
