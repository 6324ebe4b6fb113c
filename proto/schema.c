#include "proto/schema.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "lib/cleanup.h"

/* Names further off than this are no typing errors. */
#define SUGGEST_DISTANCE_MAX 3

static const struct {
	const char *message;
	enum schema_kind kind;
} kinds[] = {
	{ "k8s.io.apimachinery.pkg.api.resource.Quantity", SCHEMA_QUANTITY },
	{ "k8s.io.apimachinery.pkg.apis.meta.v1.Time", SCHEMA_TIME },
	{ "k8s.io.apimachinery.pkg.util.intstr.IntOrString", SCHEMA_INT_OR_STRING },
};

#define CORE "k8s.io.api.core.v1."

static const struct {
	const char *message;
	const char *field;
} inlined[] = {
	{ CORE "Volume", "volumeSource" },
	{ CORE "Probe", "handler" },
	{ CORE "EphemeralContainer", "ephemeralContainerCommon" },
	{ CORE "ConfigMapEnvSource", "localObjectReference" },
	{ CORE "ConfigMapKeySelector", "localObjectReference" },
	{ CORE "ConfigMapProjection", "localObjectReference" },
	{ CORE "ConfigMapVolumeSource", "localObjectReference" },
	{ CORE "SecretEnvSource", "localObjectReference" },
	{ CORE "SecretKeySelector", "localObjectReference" },
	{ CORE "SecretProjection", "localObjectReference" },
};

enum schema_kind schema_kind(const ProtobufCMessageDescriptor *desc)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(desc->name, kinds[i].message) == 0)
			return kinds[i].kind;
	return SCHEMA_PLAIN;
}

const char *schema_json_name(const ProtobufCFieldDescriptor *field, char *buf)
{
	size_t n = 0;
	bool upper = false;

	for (const char *p = field->name; *p && n + 1 < SCHEMA_NAME_SIZE; p++) {
		if (*p == '_') {
			upper = true;
			continue;
		}
		buf[n++] = upper ? (char)toupper((unsigned char)*p) : *p;
		upper = false;
	}
	buf[n] = '\0';
	return buf;
}

/* Compares without case and underscores: the field "matchLabels" and the entry "MatchLabels". */
static bool same_word(const char *a, const char *b, size_t b_len)
{
	const char *end = b + b_len;

	for (;;) {
		while (*a == '_')
			a++;
		while (b < end && *b == '_')
			b++;
		if (!*a || b == end)
			return !*a && b == end;
		if (tolower((unsigned char)*a++) != tolower((unsigned char)*b++))
			return false;
	}
}

/* protoc names the entry type of field "labels" of M "M.LabelsEntry": nothing else marks it. */
bool schema_is_map(const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *field)
{
	static const char suffix[] = "Entry";
	const size_t suffix_len = sizeof(suffix) - 1;
	const ProtobufCMessageDescriptor *entry;
	size_t prefix, len;

	if (field->label != PROTOBUF_C_LABEL_REPEATED || field->type != PROTOBUF_C_TYPE_MESSAGE)
		return false;
	entry = schema_sub(field);
	prefix = strlen(desc->name);
	len = strlen(entry->name);
	if (entry->n_fields != 2 || len < prefix + 1 + suffix_len ||
		strncmp(entry->name, desc->name, prefix) != 0 || entry->name[prefix] != '.' ||
		strcmp(entry->name + len - suffix_len, suffix) != 0)
		return false;
	if (!same_word(field->name, entry->name + prefix + 1, len - prefix - 1 - suffix_len))
		return false;
	return entry->fields[0].id == 1 && entry->fields[1].id == 2 &&
	       entry->fields[0].type == PROTOBUF_C_TYPE_STRING &&
	       strcmp(entry->fields[0].name, "key") == 0 &&
	       strcmp(entry->fields[1].name, "value") == 0;
}

bool schema_is_inline(const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *field)
{
	if (field->type != PROTOBUF_C_TYPE_MESSAGE || field->label == PROTOBUF_C_LABEL_REPEATED)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(inlined); i++)
		if (strcmp(desc->name, inlined[i].message) == 0 &&
			strcmp(field->name, inlined[i].field) == 0)
			return true;
	return false;
}

static bool named(const ProtobufCFieldDescriptor *field, const char *name)
{
	char json[SCHEMA_NAME_SIZE];

	if (strcmp(schema_json_name(field, json), name) == 0)
		return true;
	return strcmp(field->name, name) == 0 && name[0] != '\0' && name[strlen(name) - 1] != '_';
}

bool schema_find(const ProtobufCMessageDescriptor *desc, const char *name, struct schema_field *ret)
{
	for (unsigned i = 0; i < desc->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &desc->fields[i];
		const ProtobufCMessageDescriptor *sub;

		if (!schema_is_inline(desc, field)) {
			if (named(field, name)) {
				*ret = (struct schema_field){ .field = field };
				return true;
			}
			continue;
		}
		sub = schema_sub(field);
		for (unsigned j = 0; j < sub->n_fields; j++) {
			if (named(&sub->fields[j], name)) {
				*ret = (struct schema_field){ .outer = field,
					.field = &sub->fields[j] };
				return true;
			}
		}
	}
	return false;
}

/* Levenshtein distance without case, at most SCHEMA_NAME_SIZE characters of each. */
static size_t distance(const char *a, const char *b)
{
	size_t row[SCHEMA_NAME_SIZE + 1];
	size_t a_len = strnlen(a, SCHEMA_NAME_SIZE), b_len = strnlen(b, SCHEMA_NAME_SIZE);

	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t up = row[j];
			size_t best = diagonal;

			if (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]))
				best++;
			if (up + 1 < best)
				best = up + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			diagonal = up;
		}
	}
	return row[b_len];
}

static void consider(
	const ProtobufCMessageDescriptor *desc, const char *name, char *buf, size_t *best)
{
	for (unsigned i = 0; i < desc->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &desc->fields[i];
		char json[SCHEMA_NAME_SIZE];
		size_t d;

		if (schema_is_inline(desc, field)) {
			consider(schema_sub(field), name, buf, best);
			continue;
		}
		d = distance(schema_json_name(field, json), name);
		if (d < *best) {
			*best = d;
			memcpy(buf, json, sizeof(json));
		}
	}
}

const char *schema_suggest(const ProtobufCMessageDescriptor *desc, const char *name, char *buf)
{
	size_t len = strlen(name);
	size_t best = 1 + (len / 2 < SUGGEST_DISTANCE_MAX ? len / 2 : SUGGEST_DISTANCE_MAX);
	const size_t start = best;

	consider(desc, name, buf, &best);
	return best < start ? buf : NULL;
}

size_t schema_elt_size(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_ENUM:
		return 4;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	}
	return 0;
}
