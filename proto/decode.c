#include "proto/decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "proto/decode_value.h"
#include "proto/surrogates.h"
#include "proto/text.h"
#include "proto/yaml_tree.h"

static void tree_cleanup(struct yaml_tree **tree)
{
	yaml_tree_free(*tree);
}

#define cleanup_tree __attribute__((cleanup(tree_cleanup)))

static int parse(const char *text, size_t size, struct yaml_tree **ret, struct error *err)
{
	cleanup_free char *copy = NULL;
	struct yaml_tree *tree;

	if (size > DECODE_SIZE_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"%zu bytes of YAML, more than the limit of %d", size, DECODE_SIZE_MAX);
	copy = surrogates_to_yaml(text, size, &size);
	if (yaml_tree_parse(&tree, copy ? copy : text, size, err) < 0)
		return -1;
	if (yaml_tree_root(tree)->type != YAML_MAP) {
		bool empty = yaml_tree_root(tree)->type == YAML_SCALAR &&
			     yaml_tree_root(tree)->value.kind == YAML_NULL;

		yaml_tree_free(tree);
		return error_set(err, ERR_INVALID, 0, "%s",
			empty ? "the document is empty" : "the document is not a map of fields");
	}
	*ret = tree;
	return 0;
}

int decode_yaml(const ProtobufCMessageDescriptor *desc, const char *text, size_t size,
	ProtobufCMessage **ret, struct error *err)
{
	cleanup_tree struct yaml_tree *tree = NULL;

	if (parse(text, size, &tree, err) < 0)
		return -1;
	return decode_value_message(desc, yaml_tree_root(tree), false, ret, err);
}

static int check_word(
	const struct yaml_node *root, const char *key, const char *expected, struct error *err)
{
	const struct yaml_node *node = yaml_node_member(root, key);
	char quoted[TEXT_QUOTE_SIZE];

	if (!node || (node->type == YAML_SCALAR && node->value.kind == YAML_NULL))
		return error_set(
			err, ERR_INVALID, 0, "%s: missing; expected %s: %s", key, key, expected);
	if (node->type != YAML_SCALAR || node->value.kind != YAML_STRING)
		return error_set(err, ERR_INVALID, 0, "%s: expected the string %s (line %u)", key,
			expected, node->line);
	if (strcmp(node->text, expected) != 0)
		return error_set(err, ERR_INVALID, 0, "%s: expected %s, got %s (line %u)", key,
			expected, text_quote(quoted, node->text), node->line);
	return 0;
}

int decode_object(const ProtobufCMessageDescriptor *desc, const char *api_version, const char *kind,
	const char *text, size_t size, ProtobufCMessage **ret, struct error *err)
{
	cleanup_tree struct yaml_tree *tree = NULL;

	if (parse(text, size, &tree, err) < 0 ||
		check_word(yaml_tree_root(tree), "kind", kind, err) < 0 ||
		check_word(yaml_tree_root(tree), "apiVersion", api_version, err) < 0)
		return -1;
	return decode_value_message(desc, yaml_tree_root(tree), true, ret, err);
}

static int copy_word(const struct yaml_node *root, const char *key, char *buf, struct error *err)
{
	const struct yaml_node *node = yaml_node_member(root, key);

	buf[0] = '\0';
	if (!node || (node->type == YAML_SCALAR && node->value.kind == YAML_NULL))
		return 0;
	if (node->type != YAML_SCALAR || node->value.kind != YAML_STRING)
		return error_set(
			err, ERR_INVALID, 0, "%s: expected a string (line %u)", key, node->line);
	if (strlen(node->text) >= DECODE_KIND_SIZE)
		return error_set(err, ERR_INVALID, 0, "%s: longer than %d bytes (line %u)", key,
			DECODE_KIND_SIZE - 1, node->line);
	memcpy(buf, node->text, strlen(node->text) + 1);
	return 0;
}

int decode_kind(const char *text, size_t size, struct decode_kind *ret, struct error *err)
{
	cleanup_tree struct yaml_tree *tree = NULL;
	struct decode_kind found;

	if (parse(text, size, &tree, err) < 0 ||
		copy_word(yaml_tree_root(tree), "apiVersion", found.api_version, err) < 0 ||
		copy_word(yaml_tree_root(tree), "kind", found.kind, err) < 0)
		return -1;
	*ret = found;
	return 0;
}

enum line {
	LINE_BLANK,     /* nothing, or a comment */
	LINE_DIRECTIVE, /* %YAML 1.1 */
	LINE_MARKER,    /* --- alone */
	LINE_START,     /* --- with text after it */
	LINE_END,       /* ... */
	LINE_TEXT,
};

static enum line classify(const char *p, size_t n)
{
	size_t blanks = 0;
	bool marker = n >= 3 && (memcmp(p, "---", 3) == 0 || memcmp(p, "...", 3) == 0) &&
		      (n == 3 || strchr(" \t\r", p[3]));
	size_t from = marker ? 3 : 0;

	while (from + blanks < n && strchr(" \t\r", p[from + blanks]))
		blanks++;
	if (from + blanks == n || p[from + blanks] == '#')
		return !marker ? LINE_BLANK : p[0] == '-' ? LINE_MARKER : LINE_END;
	if (marker)
		return p[0] == '-' ? LINE_START : LINE_TEXT;
	return p[0] == '%' ? LINE_DIRECTIVE : LINE_TEXT;
}

/*
 * A "---" in column 0 starts a document wherever it stands: YAML allows it inside no scalar. The
 * marker stays with the document that it starts, and so do the directives before it.
 */
bool decode_documents_next(struct decode_documents *docs, struct decode_document *ret)
{
	size_t start = docs->pos, at = docs->pos;
	unsigned line = docs->line, start_line = docs->line;
	bool content = false, directive = false;

	while (at < docs->size) {
		const char *p = docs->text + at;
		const char *end = memchr(p, '\n', docs->size - at);
		size_t n = end ? (size_t)(end - p) : docs->size - at;
		enum line kind = memchr(p, '\0', n) ? LINE_TEXT : classify(p, n);

		if ((kind == LINE_MARKER || kind == LINE_START) && content)
			break;
		if ((kind == LINE_MARKER || kind == LINE_START) && !directive) {
			start = at;
			start_line = line;
		}
		if (kind == LINE_MARKER || kind == LINE_START || kind == LINE_DIRECTIVE)
			directive = kind == LINE_DIRECTIVE && !content;
		content |= kind == LINE_TEXT || kind == LINE_START ||
			   (kind == LINE_DIRECTIVE && content);
		at += n + (end != NULL);
		line++;
		if (kind == LINE_END) {
			if (content)
				break;
			start = at;
			start_line = line;
		}
	}
	docs->pos = at;
	docs->line = line;
	*ret = (struct decode_document){ docs->text + start, at - start, start_line + 1 };
	return content;
}
