#include <stdlib.h>
#include <string.h>

#include "auth/validate_parts.h"
#include "auth/validate_walk.h"
#include "lib/cleanup.h"
#include "proto/text.h"

#define CORE(name) (&k8s__io__api__core__v1__##name##__descriptor)

/* What programs read as they like; only NUL is impossible there, which decoding refuses. */
static const struct {
	const ProtobufCMessageDescriptor *desc;
	const char *field;
} free_texts[] = {
	{ K8S_OBJECT_META_DESC, "annotations" },
	{ CORE(container), "command" },
	{ CORE(container), "args" },
	{ CORE(ephemeral_container_common), "command" },
	{ CORE(ephemeral_container_common), "args" },
	{ CORE(env_var), "value" },
	{ CORE(exec_action), "command" },
};

static bool is_free(const struct walk_field *f)
{
	for (size_t i = 0; i < ARRAY_LEN(free_texts); i++) {
		if (free_texts[i].desc == f->msg->descriptor &&
			strcmp(free_texts[i].field, f->field->name) == 0)
			return true;
	}
	return false;
}

/* C0, DEL, and C1 in UTF-8: a newline in a file of lines, an escape on a terminal. */
static bool has_control(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p < ' ' || *p == 0x7f || (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f))
			return true;
	}
	return false;
}

static void check_text(const struct validation *v, const struct place *at, const char *text)
{
	char quoted[TEXT_QUOTE_SIZE];

	if (text && has_control(text))
		invalid(v, at, "%s must not contain control characters such as a newline",
			text_quote(quoted, text));
}

static void check_texts(const struct validation *v, const struct walk_field *f)
{
	for (size_t i = 0; i < f->n; i++)
		check_text(v,
			f->n == 1 && f->field->label != PROTOBUF_C_LABEL_REPEATED
				? f->at
				: AT_ITEM(f->at, i),
			walk_value(f, i));
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* YAML cannot say a key twice, protobuf can: then one would be judged and the other used. */
static void check_keys(const struct validation *v, const struct walk_field *f)
{
	cleanup_free const char **keys = calloc(f->n, sizeof(*keys));
	char quoted[TEXT_QUOTE_SIZE];

	if (!keys) {
		v->out->no_memory = true;
		return;
	}
	for (size_t i = 0; i < f->n; i++) {
		keys[i] = walk_key(walk_value(f, i));
		if (has_control(keys[i]))
			invalid(v, AT_KEY(f->at, keys[i]),
				"the key must not contain control characters");
	}
	qsort(keys, f->n, sizeof(*keys), by_text);
	for (size_t i = 1; i < f->n; i++) {
		if (strcmp(keys[i - 1], keys[i]) == 0)
			invalid(v, f->at, "the key %s must not be there twice",
				text_quote(quoted, keys[i]));
	}
}

static bool visit_values(void *arg, const struct walk_field *f)
{
	const struct validation *v = arg;

	if (f->field->type == PROTOBUF_C_TYPE_STRING)
		check_texts(v, f);
	return true;
}

static bool visit(void *arg, const struct walk_field *f)
{
	const struct validation *v = arg;

	if (f->map)
		check_keys(v, f);
	if (is_free(f))
		return false;
	if (f->field->type == PROTOBUF_C_TYPE_STRING)
		check_texts(v, f);
	for (size_t i = 0; f->map && i < f->n; i++)
		walk_message(walk_value(f, i), AT_KEY(f->at, walk_key(walk_value(f, i))),
			visit_values, arg);
	return true;
}

void validate_strings(const struct validation *v)
{
	struct validation copy = *v;

	walk_message(&v->pod->base, NULL, visit, &copy);
}
