#include "auth/validate_honour.h"

#include <stdio.h>
#include <string.h>

#include "auth/pod_view.h"
#include "proto/text.h"

struct judge {
	const K8sPod *pod;
	const char *node_name;
	struct violations *out;
};

const struct honour_row *honour_row_find(const ProtobufCMessageDescriptor *desc, const char *field)
{
	for (size_t i = 0; i < honour_rows_len; i++) {
		const struct honour_row *row = &honour_rows[i];

		if (row->desc == desc &&
			(strcmp(row->field, field) == 0 || strcmp(row->field, "*") == 0))
			return row;
	}
	return NULL;
}

enum honour pod_honour_of(const ProtobufCMessageDescriptor *desc, const char *field)
{
	const struct honour_row *row = honour_row_find(desc, field);

	return row ? row->honour : HONOUR_UNKNOWN;
}

static void object(
	const struct judge *j, const struct place *at, const char *quoted, const char *reason)
{
	char field[PLACE_SIZE];

	violation_add(j->out, ERR_UNSUPPORTED, "honoured", place_text(at, field), "%s%s%s", quoted,
		*quoted ? " " : "", reason);
}

static void judge_values(
	const struct judge *j, const struct walk_field *f, const struct honour_row *row)
{
	for (size_t i = 0; i < f->n; i++) {
		char quoted[TEXT_QUOTE_SIZE] = "", text[HONOUR_TEXT_SIZE];
		struct place member = { .up = f->at, .index = i };
		const struct honour_case c = {
			.pod = j->pod,
			.node_name = j->node_name,
			.field = f,
			.value = walk_value(f, i),
			.text = text,
		};
		const char *reason = row->check(&c);

		if (!reason)
			continue;
		if (f->map)
			member.key = walk_key(c.value);
		if (f->field->type == PROTOBUF_C_TYPE_STRING)
			text_quote(quoted, c.value);
		object(j, f->field->label == PROTOBUF_C_LABEL_REPEATED ? &member : f->at, quoted,
			reason);
	}
}

/* A Go client writes what is absent as 0, false or "": that asks for nothing. */
static bool asks_nothing(
	const struct judge *j, const struct walk_field *f, const struct honour_row *row)
{
	const struct honour_case c = { .pod = j->pod, .field = f, .value = walk_value(f, 0) };

	return walk_zero(f) || (row && row->check && !row->check(&c));
}

static bool visit(void *arg, const struct walk_field *f)
{
	const struct judge *j = arg;
	const struct honour_row *row = honour_row_find(f->msg->descriptor, f->field->name);
	char reason[HONOUR_TEXT_SIZE];

	if (row && row->honour != HONOUR_REFUSED) {
		if (row->check && !walk_zero(f))
			judge_values(j, f, row);
		return true;
	}
	if (asks_nothing(j, f, row))
		return false;
	snprintf(reason, sizeof(reason), "not honoured by this version; %s",
		row && row->fix ? row->fix : "remove it");
	object(j, f->at, "", reason);
	return false;
}

static bool is_written_by_secretd(const K8sVolume *volume)
{
	const K8sVolumeSource *s = volume->volumesource;

	return s && (s->secret || s->projected || s->downwardapi);
}

/* What no single field says. */
static void judge_whole(const struct judge *j)
{
	const K8sPodSpec *spec = view_spec(j->pod);
	size_t n = 0;

	for (size_t i = 0; i < spec->n_volumes; i++)
		n += is_written_by_secretd(spec->volumes[i]);
	if (n > HONOURED_SECRET_VOLUMES_MAX)
		violation_add(j->out, ERR_UNSUPPORTED, "honoured", "spec.volumes",
			"%zu secret, projected and downwardAPI volumes are too many; this version "
			"has %d a pod: put several into one projected volume",
			n, HONOURED_SECRET_VOLUMES_MAX);
}

int pod_honoured(
	const K8sPod *pod, const char *node_name, struct violations *ret, struct error *err)
{
	struct judge j = { .pod = pod, .node_name = node_name, .out = ret };

	walk_message(&pod->base, NULL, visit, &j);
	judge_whole(&j);
	return violations_end(ret, err);
}
