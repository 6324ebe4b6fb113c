/*
 * What a plain (unquoted) YAML scalar means. The rules are YAML 1.1's as kubectl has them (go-yaml
 * v2 beneath sigs.k8s.io/yaml): yes, no, on, off, y and n are booleans, 0644 is octal.
 */
#ifndef PROTO_YAML_RESOLVE_H
#define PROTO_YAML_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum yaml_kind {
	YAML_STRING,
	YAML_NULL,
	YAML_BOOL,
	YAML_INT,   /* fits 64 bits, signed or unsigned */
	YAML_FLOAT, /* also integers past 64 bits, and .inf and .nan */
	YAML_MERGE, /* "<<" */
};

struct yaml_scalar {
	enum yaml_kind kind;
	bool boolean;
	bool negative;      /* YAML_INT: sign, */
	uint64_t magnitude; /* and absolute value */
};

struct yaml_scalar yaml_resolve(const char *text);

/* "a string", "a boolean"...: for error messages. */
const char *yaml_kind_name(enum yaml_kind kind);

#endif
