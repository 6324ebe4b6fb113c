#include "proto/encode_sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "lib/cleanup.h"
#include "proto/text.h"
#include "proto/yaml_resolve.h"

#define DEPTH_MAX 128

struct encode_sink {
	FILE *out; /* a memory stream over 'text' */
	char *text;
	size_t size;
	bool yaml;
	yaml_emitter_t emitter;
	bool pretty;
	int depth;
	bool list[DEPTH_MAX];
	size_t count[DEPTH_MAX];
	bool after_key;
	bool failed;
};

static int write_handler(void *data, unsigned char *buffer, size_t size)
{
	struct encode_sink *sink = data;

	return fwrite(buffer, 1, size, sink->out) == size;
}

static void emit(struct encode_sink *sink, int made, yaml_event_t *event)
{
	if (!made || !yaml_emitter_emit(&sink->emitter, event))
		sink->failed = true;
}

static struct encode_sink *sink_new(struct error *err)
{
	struct encode_sink *sink = calloc(1, sizeof(*sink));

	if (sink)
		sink->out = open_memstream(&sink->text, &sink->size);
	if (!sink || !sink->out) {
		free(sink);
		error_set(err, ERR_EXHAUSTED, 0, "out of memory while encoding");
		return NULL;
	}
	return sink;
}

struct encode_sink *encode_sink_json(bool pretty, struct error *err)
{
	struct encode_sink *sink = sink_new(err);

	if (sink)
		sink->pretty = pretty;
	return sink;
}

struct encode_sink *encode_sink_yaml(struct error *err)
{
	struct encode_sink *sink = sink_new(err);
	yaml_event_t event;

	if (!sink)
		return NULL;
	if (!yaml_emitter_initialize(&sink->emitter)) {
		encode_sink_free(sink);
		error_set(err, ERR_EXHAUSTED, 0, "out of memory while encoding");
		return NULL;
	}
	sink->yaml = true;
	yaml_emitter_set_output(&sink->emitter, write_handler, sink);
	yaml_emitter_set_unicode(&sink->emitter, 1);
	yaml_emitter_set_width(&sink->emitter, -1);
	emit(sink, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING), &event);
	emit(sink, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1), &event);
	return sink;
}

static void json_newline(struct encode_sink *sink)
{
	if (!sink->pretty)
		return;
	fputc('\n', sink->out);
	for (int i = 0; i < sink->depth; i++)
		fputs("    ", sink->out);
}

/* The comma and the indentation before a list item; a map's come with its key. */
static void json_before(struct encode_sink *sink)
{
	bool item = sink->depth > 0 && sink->list[sink->depth - 1];

	if (item) {
		if (sink->count[sink->depth - 1]++ > 0)
			fputc(',', sink->out);
		json_newline(sink);
	}
	sink->after_key = false;
}

/* Characters that JSON may hold but a YAML reader would refuse or fold: their code, else 0. */
static unsigned hostile(const unsigned char *p, size_t *n)
{
	*n = 1;
	if (*p < 0x20 || *p == 0x7f)
		return *p;
	if (p[0] == 0xc2 && p[1] < 0xa0) {
		*n = 2;
		return p[1];
	}
	if (p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9)) {
		*n = 3;
		return 0x2000u | (p[2] & 0x3fu);
	}
	if (p[0] == 0xef && ((p[1] == 0xbb && p[2] == 0xbf) || (p[1] == 0xbf && p[2] >= 0xbe))) {
		*n = 3;
		return 0xf000u | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
	}
	return 0;
}

static void json_text(struct encode_sink *sink, const char *text)
{
	static const char plain[] = "\"\\\b\f\n\r\t";
	static const char escaped[] = "\"\\bfnrt";
	size_t n = 1;

	fputc('"', sink->out);
	for (const unsigned char *p = (const unsigned char *)text; *p; p += n) {
		const char *special = strchr(plain, *p);
		unsigned code = hostile(p, &n);

		if (special)
			fprintf(sink->out, "\\%c", escaped[special - plain]);
		else if (code)
			fprintf(sink->out, "\\u%04x", code);
		else
			fputc(*p, sink->out);
	}
	fputc('"', sink->out);
}

static void open_container(struct encode_sink *sink, bool list)
{
	yaml_event_t event;

	if (sink->depth == DEPTH_MAX) {
		sink->failed = true;
		return;
	}
	if (!sink->yaml) {
		json_before(sink);
		fputc(list ? '[' : '{', sink->out);
	} else if (list) {
		emit(sink,
			yaml_sequence_start_event_initialize(
				&event, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE),
			&event);
	} else {
		emit(sink,
			yaml_mapping_start_event_initialize(
				&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE),
			&event);
	}
	sink->list[sink->depth] = list;
	sink->count[sink->depth++] = 0;
}

void encode_sink_map(struct encode_sink *sink)
{
	open_container(sink, false);
}

void encode_sink_list(struct encode_sink *sink)
{
	open_container(sink, true);
}

void encode_sink_end(struct encode_sink *sink)
{
	yaml_event_t event;
	bool list;

	if (sink->failed || sink->depth == 0)
		return;
	list = sink->list[--sink->depth];
	if (sink->yaml) {
		emit(sink,
			list ? yaml_sequence_end_event_initialize(&event)
			     : yaml_mapping_end_event_initialize(&event),
			&event);
		return;
	}
	if (sink->count[sink->depth] > 0)
		json_newline(sink);
	fputc(list ? ']' : '}', sink->out);
}

/* Block literals only for text that libyaml and every reader give back unchanged. */
static bool is_literal(const char *text)
{
	size_t n = strlen(text);

	if (!strchr(text, '\n') || strchr(" \n\t", text[0]) || strcmp(text + n - 1, " ") == 0 ||
		strstr(text, " \n") || (n >= 2 && strcmp(text + n - 2, "\n\n") == 0))
		return false;
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if ((*p < 0x20 && *p != '\n') || *p >= 0x7f)
			return false;
	return true;
}

/* What YAML 1.1 readers take for a number in base 60, a date, or the "=" of its own. */
static bool is_like_number(const char *text)
{
	return strcmp(text, "=") == 0 ||
	       (strchr("0123456789.+-", text[0]) &&
		       strspn(text, "0123456789:.-+_TtZz ") == strlen(text));
}

/* Anything that a reader, ours or another, could take for something else than a string. */
static yaml_scalar_style_t style_of(const char *text)
{
	if (is_literal(text))
		return YAML_LITERAL_SCALAR_STYLE;
	if (yaml_resolve(text).kind != YAML_STRING || is_like_number(text))
		return YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (*p < 0x20 || *p >= 0x7f)
			return YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	return YAML_ANY_SCALAR_STYLE;
}

static void yaml_text(struct encode_sink *sink, const char *text, yaml_scalar_style_t style)
{
	yaml_event_t event;

	emit(sink,
		yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
			(int)strlen(text), 1, 1, style),
		&event);
}

void encode_sink_key(struct encode_sink *sink, const char *key)
{
	if (sink->failed)
		return;
	if (!text_utf8(key, strlen(key), NULL)) {
		sink->failed = true;
		return;
	}
	if (sink->yaml) {
		yaml_scalar_style_t style = style_of(key);

		yaml_text(sink, key,
			style == YAML_LITERAL_SCALAR_STYLE ? YAML_DOUBLE_QUOTED_SCALAR_STYLE
							   : style);
		return;
	}
	if (sink->count[sink->depth - 1]++ > 0)
		fputc(',', sink->out);
	json_newline(sink);
	json_text(sink, key);
	fputs(sink->pretty ? ": " : ":", sink->out);
}

void encode_sink_string(struct encode_sink *sink, const char *text)
{
	if (sink->failed)
		return;
	if (!text_utf8(text, strlen(text), NULL)) {
		sink->failed = true;
		return;
	}
	if (sink->yaml) {
		yaml_text(sink, text, style_of(text));
		return;
	}
	json_before(sink);
	json_text(sink, text);
}

void encode_sink_plain(struct encode_sink *sink, const char *text)
{
	if (sink->failed)
		return;
	if (sink->yaml) {
		yaml_text(sink, text, YAML_PLAIN_SCALAR_STYLE);
		return;
	}
	json_before(sink);
	fputs(text, sink->out);
}

void encode_sink_free(struct encode_sink *sink)
{
	if (!sink)
		return;
	if (sink->yaml)
		yaml_emitter_delete(&sink->emitter);
	fclose(sink->out);
	free(sink->text);
	free(sink);
}

int encode_sink_finish(struct encode_sink *sink, char **ret, struct error *err)
{
	yaml_event_t event;

	if (sink->yaml && !sink->failed) {
		emit(sink, yaml_document_end_event_initialize(&event, 1), &event);
		emit(sink, yaml_stream_end_event_initialize(&event), &event);
	} else if (sink->pretty) {
		fputc('\n', sink->out);
	}
	if (fflush(sink->out) != 0 || ferror(sink->out))
		sink->failed = true;
	if (sink->failed) {
		encode_sink_free(sink);
		return error_set(err, ERR_INVALID, 0,
			"cannot be written as text (too deep, not UTF-8, or out of memory)");
	}
	if (sink->yaml)
		yaml_emitter_delete(&sink->emitter);
	fclose(sink->out);
	*ret = sink->text;
	free(sink);
	return 0;
}
