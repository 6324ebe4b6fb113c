#include "proto/yaml_tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "lib/cleanup.h"
#include "proto/text.h"

#define BLOCK_SIZE 16384

/* All memory of a tree: bump-allocated, freed at once. */
struct block {
	struct block *next;
	size_t used, size;
	_Alignas(max_align_t) unsigned char data[];
};

struct yaml_tree {
	struct block *blocks;
	struct yaml_node *root;
};

/* An open list or map. */
struct frame {
	struct yaml_node *node;
	struct yaml_node **tail;
	const char *key; /* a key that waits for its value */
};

struct build {
	struct yaml_tree *tree;
	size_t nodes;
	size_t depth;
	struct frame stack[YAML_TREE_DEPTH_MAX];
	bool done; /* the document has ended */
	struct error *err;
};

static int no_memory(struct error *err)
{
	return error_set(err, ERR_EXHAUSTED, 0, "out of memory while reading YAML");
}

static void *tree_alloc(struct yaml_tree *tree, size_t size)
{
	struct block *b = tree->blocks;
	void *p;

	size = (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
	if (!b || b->size - b->used < size) {
		size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;

		b = malloc(sizeof(*b) + room);
		if (!b)
			return NULL;
		b->next = tree->blocks;
		b->used = 0;
		b->size = room;
		tree->blocks = b;
	}
	p = b->data + b->used;
	b->used += size;
	memset(p, 0, size);
	return p;
}

static const char *tree_text(struct yaml_tree *tree, const char *text, size_t size)
{
	char *copy = tree_alloc(tree, size + 1);

	if (copy)
		memcpy(copy, text, size);
	return copy;
}

void yaml_tree_free(struct yaml_tree *tree)
{
	if (!tree)
		return;
	for (struct block *b = tree->blocks, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	free(tree);
}

static void tree_cleanup(struct yaml_tree **tree)
{
	yaml_tree_free(*tree);
}

const struct yaml_node *yaml_tree_root(const struct yaml_tree *tree)
{
	return tree->root;
}

const struct yaml_node *yaml_node_member(const struct yaml_node *map, const char *key)
{
	if (map->type != YAML_MAP)
		return NULL;
	for (const struct yaml_node *m = map->first; m; m = m->next)
		if (strcmp(m->key, key) == 0)
			return m;
	return NULL;
}

static unsigned line_of(const yaml_event_t *event)
{
	return (unsigned)event->start_mark.line + 1;
}

/* A tag may only say what the scalar is anyway, or !!str. Returns the kind in *value. */
static int apply_tag(struct build *b, const yaml_event_t *event, struct yaml_scalar *value)
{
	static const struct {
		const char *tag;
		enum yaml_kind kind;
	} tags[] = {
		{ YAML_STR_TAG, YAML_STRING },
		{ YAML_NULL_TAG, YAML_NULL },
		{ YAML_BOOL_TAG, YAML_BOOL },
		{ YAML_INT_TAG, YAML_INT },
		{ YAML_FLOAT_TAG, YAML_FLOAT },
	};
	const char *tag = (const char *)event->data.scalar.tag;
	char quoted[TEXT_QUOTE_SIZE];

	if (!tag)
		return 0;
	if (strcmp(tag, YAML_STR_TAG) == 0 || strcmp(tag, "!") == 0) {
		value->kind = YAML_STRING;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(tags); i++)
		if (strcmp(tag, tags[i].tag) == 0 && value->kind == tags[i].kind)
			return 0;
	return error_set(b->err, ERR_INVALID, 0,
		"line %u: the YAML tag %s is not supported here; remove it", line_of(event),
		text_quote(quoted, tag));
}

/* Gives the text of a scalar event and what it means. */
static int read_scalar(
	struct build *b, const yaml_event_t *event, const char **text, struct yaml_scalar *value)
{
	const char *raw = (const char *)event->data.scalar.value;
	size_t size = event->data.scalar.length;

	if (!text_utf8(raw, size, NULL))
		return error_set(b->err, ERR_INVALID, 0,
			"line %u: text with a NUL byte or bad UTF-8", line_of(event));
	*text = tree_text(b->tree, raw, size);
	if (!*text)
		return no_memory(b->err);
	if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
		*value = yaml_resolve(*text);
	else
		*value = (struct yaml_scalar){ .kind = YAML_STRING };
	return apply_tag(b, event, value);
}

/*
 * libyaml reads no key of more than 1024 characters in flow style, and a hostile character may take
 * six of them as an escape: what we accept must also be readable in every form that we write.
 */
static int check_key(struct build *b, const yaml_event_t *event, const char *key)
{
	if (strlen(key) > YAML_TREE_KEY_MAX)
		return error_set(b->err, ERR_EXHAUSTED, 0, "line %u: a key of more than %d bytes",
			line_of(event), YAML_TREE_KEY_MAX);
	for (const unsigned char *p = (const unsigned char *)key; *p; p++)
		if (*p < 0x20 || *p == 0x7f)
			return error_set(b->err, ERR_INVALID, 0,
				"line %u: a key with a control character", line_of(event));
	return 0;
}

/* A key as JSON has it: numbers and booleans become their text (sigs.k8s.io/yaml does the same). */
static int read_key(struct build *b, const yaml_event_t *event, const char **key)
{
	struct yaml_scalar value;
	const char *text;
	char number[32];

	if (read_scalar(b, event, &text, &value) < 0)
		return -1;
	switch (value.kind) {
	case YAML_STRING:
		break;
	case YAML_BOOL:
		text = value.boolean ? "true" : "false";
		break;
	case YAML_INT:
		snprintf(number, sizeof(number), "%s%" PRIu64, value.negative ? "-" : "",
			value.magnitude);
		text = tree_text(b->tree, number, strlen(number));
		if (!text)
			return no_memory(b->err);
		break;
	case YAML_MERGE:
		return error_set(b->err, ERR_INVALID, 0,
			"line %u: YAML merge keys (<<) are refused; write the fields out",
			line_of(event));
	case YAML_NULL:
	case YAML_FLOAT:
		return error_set(b->err, ERR_INVALID, 0, "line %u: a key may not be %s; quote it",
			line_of(event), yaml_kind_name(value.kind));
	}
	*key = text;
	return check_key(b, event, text);
}

/* A new node at the place where the parser is: the root or the next member of the open container.
 */
static struct yaml_node *add_node(struct build *b, const yaml_event_t *event, enum yaml_type type)
{
	struct frame *top = b->depth > 0 ? &b->stack[b->depth - 1] : NULL;
	struct yaml_node *node;

	if (++b->nodes > YAML_TREE_NODES_MAX) {
		error_set(b->err, ERR_EXHAUSTED, 0, "line %u: more than %d YAML nodes",
			line_of(event), YAML_TREE_NODES_MAX);
		return NULL;
	}
	node = tree_alloc(b->tree, sizeof(*node));
	if (!node) {
		no_memory(b->err);
		return NULL;
	}
	node->type = type;
	node->line = line_of(event);
	if (!top) {
		b->tree->root = node;
		return node;
	}
	node->key = top->key;
	top->key = NULL;
	top->node->n++;
	*top->tail = node;
	top->tail = &node->next;
	return node;
}

static bool wants_key(const struct build *b)
{
	return b->depth > 0 && b->stack[b->depth - 1].node->type == YAML_MAP &&
	       !b->stack[b->depth - 1].key;
}

static int on_scalar(struct build *b, const yaml_event_t *event)
{
	struct yaml_node *node;

	if (wants_key(b))
		return read_key(b, event, &b->stack[b->depth - 1].key);
	node = add_node(b, event, YAML_SCALAR);
	if (!node || read_scalar(b, event, &node->text, &node->value) < 0)
		return -1;
	if (node->value.kind == YAML_MERGE)
		node->value.kind = YAML_STRING;
	return 0;
}

static int on_open(struct build *b, const yaml_event_t *event, enum yaml_type type)
{
	const yaml_char_t *tag =
		type == YAML_MAP ? event->data.mapping_start.tag : event->data.sequence_start.tag;
	struct yaml_node *node;
	char quoted[TEXT_QUOTE_SIZE];

	if (wants_key(b))
		return error_set(b->err, ERR_INVALID, 0, "line %u: a key must be a scalar, not %s",
			line_of(event), type == YAML_MAP ? "a map" : "a list");
	if (tag && strcmp((const char *)tag, type == YAML_MAP ? YAML_MAP_TAG : YAML_SEQ_TAG) != 0)
		return error_set(b->err, ERR_INVALID, 0,
			"line %u: the YAML tag %s is not supported here", line_of(event),
			text_quote(quoted, (const char *)tag));
	if (b->depth == YAML_TREE_DEPTH_MAX)
		return error_set(b->err, ERR_EXHAUSTED, 0, "line %u: nested deeper than %d levels",
			line_of(event), YAML_TREE_DEPTH_MAX);
	node = add_node(b, event, type);
	if (!node)
		return -1;
	b->stack[b->depth++] = (struct frame){ .node = node, .tail = &node->first };
	return 0;
}

static int by_key(const void *a, const void *b)
{
	const struct yaml_node *const *x = a, *const *y = b;
	int order = strcmp((*x)->key, (*y)->key);

	return order != 0 ? order : (*x)->line < (*y)->line ? -1 : (*x)->line > (*y)->line;
}

/* Sorts the members' addresses, so that a map of many keys costs n log n and not n squared. */
static int refuse_duplicates(struct build *b, const struct yaml_node *map)
{
	const struct yaml_node **sorted;
	size_t i = 0;
	int r = 0;

	if (map->n < 2)
		return 0;
	sorted = calloc(map->n, sizeof(*sorted));
	if (!sorted)
		return no_memory(b->err);
	for (const struct yaml_node *m = map->first; m; m = m->next)
		sorted[i++] = m;
	qsort(sorted, map->n, sizeof(*sorted), by_key);
	for (i = 1; r == 0 && i < map->n; i++) {
		char quoted[TEXT_QUOTE_SIZE];

		if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0)
			r = error_set(b->err, ERR_INVALID, 0,
				"line %u: duplicate key %s, first given on line %u",
				sorted[i]->line, text_quote(quoted, sorted[i]->key),
				sorted[i - 1]->line);
	}
	free(sorted);
	return r;
}

static int on_close(struct build *b)
{
	const struct yaml_node *node = b->stack[--b->depth].node;

	return node->type == YAML_MAP ? refuse_duplicates(b, node) : 0;
}

static int on_event(struct build *b, const yaml_event_t *event)
{
	char quoted[TEXT_QUOTE_SIZE];

	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return on_scalar(b, event);
	case YAML_SEQUENCE_START_EVENT:
		return on_open(b, event, YAML_LIST);
	case YAML_MAPPING_START_EVENT:
		return on_open(b, event, YAML_MAP);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_close(b);
	case YAML_ALIAS_EVENT:
		return error_set(b->err, ERR_INVALID, 0,
			"line %u: the YAML alias %s is refused (aliases can blow up a small file); "
			"write it out",
			line_of(event), text_quote(quoted, (const char *)event->data.alias.anchor));
	case YAML_DOCUMENT_START_EVENT:
		if (b->done)
			return error_set(b->err, ERR_INVALID, 0,
				"line %u: a second document; give one at a time", line_of(event));
		return 0;
	case YAML_DOCUMENT_END_EVENT:
		b->done = true;
		return 0;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
		return 0;
	}
	return 0;
}

static int run(yaml_parser_t *parser, struct build *b)
{
	bool more = true;

	while (more) {
		yaml_event_t event;
		int r;

		if (!yaml_parser_parse(parser, &event)) {
			if (parser->error == YAML_MEMORY_ERROR)
				return no_memory(b->err);
			return error_set(b->err, ERR_INVALID, 0, "line %zu: not YAML: %s",
				parser->problem_mark.line + 1,
				parser->problem ? parser->problem : "unreadable");
		}
		more = event.type != YAML_STREAM_END_EVENT;
		r = on_event(b, &event);
		yaml_event_delete(&event);
		if (r < 0)
			return -1;
	}
	return 0;
}

int yaml_tree_parse(struct yaml_tree **ret, const char *text, size_t size, struct error *err)
{
	__attribute__((cleanup(tree_cleanup))) struct yaml_tree *tree = calloc(1, sizeof(*tree));
	struct build b = { .tree = tree, .err = err };
	yaml_parser_t parser;
	size_t bad;
	int r;

	if (!tree)
		return no_memory(err);
	if (!text_utf8(text, size, &bad))
		return error_set(err, ERR_INVALID, 0, "byte %zu: a NUL byte or bad UTF-8", bad);
	if (!yaml_parser_initialize(&parser))
		return no_memory(err);
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
	r = run(&parser, &b);
	yaml_parser_delete(&parser);
	if (r < 0)
		return -1;
	if (!tree->root) {
		tree->root = tree_alloc(tree, sizeof(*tree->root));
		if (!tree->root)
			return no_memory(err);
		tree->root->line = 1;
		tree->root->text = "";
		tree->root->value.kind = YAML_NULL;
	}
	*ret = take_ptr(tree);
	return 0;
}
