/*
 * Where encode.c sends what it walks: JSON text or a YAML emitter. One tree of maps, lists and
 * scalars; a sink remembers its first failure, so that the walker need not look at every step.
 */
#ifndef PROTO_ENCODE_SINK_H
#define PROTO_ENCODE_SINK_H

#include <stdbool.h>

#include "lib/error.h"

struct encode_sink;

struct encode_sink *encode_sink_json(bool pretty, struct error *err);
struct encode_sink *encode_sink_yaml(struct error *err);

void encode_sink_map(struct encode_sink *sink);
void encode_sink_list(struct encode_sink *sink);
void encode_sink_end(struct encode_sink *sink);

/* Before each member of a map. */
void encode_sink_key(struct encode_sink *sink, const char *key);

/* UTF-8 text, quoted as the format wants it. */
void encode_sink_string(struct encode_sink *sink, const char *text);

/* A number or a boolean, as it stands. */
void encode_sink_plain(struct encode_sink *sink, const char *text);

/* Frees the sink. The text is the caller's. */
int encode_sink_finish(struct encode_sink *sink, char **ret, struct error *err);

/* Frees the sink, NULL is allowed. */
void encode_sink_free(struct encode_sink *sink);

#endif
