/* Two mount tables beside each other: what is new, what is gone, what is mounted otherwise. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "nodeagent/shim/drift.h"

/* One line of mountinfo (proc_pid_mountinfo(5)); all borrowed from the table's text. */
struct mount_line {
	const char *device; /* "8:1" */
	const char *root;
	const char *point;
	const char *options;
	const char *type;
	const char *source;
	const char *super;
	int matched;
};

struct mount_table {
	char *text; /* cut into words */
	struct mount_line *lines;
	size_t len;
	int whole; /* every line was understood, and all had room */
};

static void table_done(struct mount_table *t)
{
	free(t->text);
	free(t->lines);
}

#define cleanup_table __attribute__((cleanup(table_done)))

/* ID PARENT DEVICE ROOT POINT OPTIONS [optional fields] - TYPE SOURCE SUPER */
static int line_parse(struct mount_line *ret, char *text)
{
	const char **const before[] = { NULL, NULL, &ret->device, &ret->root, &ret->point,
		&ret->options };
	const char **const after[] = { &ret->type, &ret->source, &ret->super };
	char *save = NULL;
	char *word;

	*ret = (struct mount_line){ 0 };
	for (size_t i = 0; i < ARRAY_LEN(before); i++) {
		word = strtok_r(i ? NULL : text, " ", &save);
		if (!word)
			return 0;
		if (before[i])
			*before[i] = word;
	}
	do {
		word = strtok_r(NULL, " ", &save);
	} while (word && strcmp(word, "-") != 0);
	for (size_t i = 0; word && i < ARRAY_LEN(after); i++) {
		word = strtok_r(NULL, " ", &save);
		if (word)
			*after[i] = word;
	}
	return word != NULL;
}

/* -1 without memory. */
static int table_parse(struct mount_table *ret, const char *text)
{
	char *save = NULL;
	size_t lines = 1;

	ret->whole = 1;
	ret->len = 0;
	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	if (lines > DRIFT_MOUNTS_MAX) {
		lines = DRIFT_MOUNTS_MAX;
		ret->whole = 0;
	}
	ret->text = strdup(text);
	ret->lines = calloc(lines, sizeof(*ret->lines));
	if (!ret->text || !ret->lines)
		return -1;
	for (char *line = strtok_r(ret->text, "\n", &save); line && ret->len < lines;
		line = strtok_r(NULL, "\n", &save)) {
		if (line_parse(&ret->lines[ret->len], line))
			ret->len++;
		else
			ret->whole = 0;
	}
	return 0;
}

static int same_point(const struct mount_line *a, const struct mount_line *b)
{
	return strcmp(a->point, b->point) == 0;
}

static int same_all(const struct mount_line *a, const struct mount_line *b)
{
	return same_point(a, b) && strcmp(a->device, b->device) == 0 &&
	       strcmp(a->root, b->root) == 0 && strcmp(a->options, b->options) == 0 &&
	       strcmp(a->type, b->type) == 0 && strcmp(a->source, b->source) == 0 &&
	       strcmp(a->super, b->super) == 0;
}

static void match(struct mount_table *a, struct mount_table *b)
{
	for (size_t i = 0; i < a->len; i++) {
		for (size_t j = 0; j < b->len; j++) {
			if (b->lines[j].matched || !same_all(&a->lines[i], &b->lines[j]))
				continue;
			a->lines[i].matched = b->lines[j].matched = 1;
			break;
		}
	}
}

/* Two mounts that differ where the first DRIFT_TEXT_SIZE bytes are alike are told by these alone.
 */
static void describe(
	const struct mount_line *m, const struct mount_line *other, char ret[DRIFT_TEXT_SIZE])
{
	if (other && strcmp(m->type, other->type) == 0 && strcmp(m->root, other->root) == 0 &&
		strcmp(m->source, other->source) == 0 && strcmp(m->device, other->device) == 0) {
		if (strcmp(m->options, other->options) != 0)
			snprintf(ret, DRIFT_TEXT_SIZE, "%s %s", m->type, m->options);
		else
			snprintf(ret, DRIFT_TEXT_SIZE, "%s superblock %s", m->type, m->super);
		return;
	}
	snprintf(ret, DRIFT_TEXT_SIZE, "%s %s source=%s root=%s device=%s", m->type, m->options,
		m->source, m->root, m->device);
}

static void row(
	const struct mount_line *plan, const struct mount_line *found, struct drift_list *ret)
{
	char field[DRIFT_FIELD_SIZE];
	char was[DRIFT_TEXT_SIZE] = "no mount";
	char is[DRIFT_TEXT_SIZE] = "no mount";

	snprintf(field, sizeof(field), "mounts.%s", plan ? plan->point : found->point);
	if (plan)
		describe(plan, found, was);
	if (found)
		describe(found, plan, is);
	drift_add(ret, field, was, is);
}

void drift_compare_mounts(const char *plan, const char *found, struct drift_list *ret)
{
	cleanup_table struct mount_table a = { 0 };
	cleanup_table struct mount_table b = { 0 };

	/* Whatever changes gives the namespace's text another form: mounts keep their numbers. */
	if (strcmp(plan, found) == 0)
		return;
	if (table_parse(&a, plan) < 0 || table_parse(&b, found) < 0) {
		drift_add(ret, "mounts", "as at the start", "changed, and no memory to say how");
		return;
	}
	match(&a, &b);
	for (size_t i = 0; i < a.len; i++) {
		const struct mount_line *other = NULL;

		if (a.lines[i].matched)
			continue;
		for (size_t j = 0; !other && j < b.len; j++) {
			if (b.lines[j].matched || !same_point(&a.lines[i], &b.lines[j]))
				continue;
			b.lines[j].matched = 1;
			other = &b.lines[j];
		}
		row(&a.lines[i], other, ret);
	}
	for (size_t j = 0; j < b.len; j++) {
		if (!b.lines[j].matched)
			row(NULL, &b.lines[j], ret);
	}
	if (!b.whole)
		drift_add(ret, "mounts", "a table that can be read",
			"more mounts than are looked at, or lines that mean nothing");
}
