/*
 * One YAML (or JSON) document as a tree, with every limit enforced while it is read: nothing here
 * knows what the document means, decode.c does.
 */
#ifndef PROTO_YAML_TREE_H
#define PROTO_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"
#include "proto/yaml_resolve.h"

#define YAML_TREE_DEPTH_MAX 64
#define YAML_TREE_NODES_MAX 100000
#define YAML_TREE_KEY_MAX   320 /* bytes; Kubernetes' longest are 317 */

enum yaml_type {
	YAML_SCALAR,
	YAML_LIST,
	YAML_MAP,
};

struct yaml_node {
	enum yaml_type type;
	unsigned line;            /* from 1 */
	const char *key;          /* NULL unless a member of a map */
	const char *text;         /* scalars: UTF-8 without NUL, as written */
	struct yaml_scalar value; /* scalars: a quoted one is always YAML_STRING */
	size_t n;                 /* lists and maps: members */
	struct yaml_node *first;
	struct yaml_node *next; /* the next member of the same parent */
};

struct yaml_tree;

/*
 * Reads exactly one document of 'size' bytes. The tree is the caller's; the nodes are the tree's.
 *
 * Refused with ERR_INVALID and the line: bytes that are not UTF-8, NUL, aliases, merge keys,
 * unknown tags, a key twice in one map (after YAML 1.1 has resolved it: yes and true are the same
 * key, as kubectl has it), a second document; ERR_EXHAUSTED: deeper than YAML_TREE_DEPTH_MAX, more
 * nodes than YAML_TREE_NODES_MAX, a key past YAML_TREE_KEY_MAX. The size is the caller's to limit.
 * An empty document has a null root.
 */
int yaml_tree_parse(struct yaml_tree **ret, const char *text, size_t size, struct error *err);

/* NULL is allowed. */
void yaml_tree_free(struct yaml_tree *tree);

const struct yaml_node *yaml_tree_root(const struct yaml_tree *tree);

/* The member of a map, NULL when it has none of that name or is no map. */
const struct yaml_node *yaml_node_member(const struct yaml_node *map, const char *key);

#endif
