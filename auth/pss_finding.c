#include "auth/pss_finding.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

/* ---- lists of texts ------------------------------------------------------------------------- */

void pss_texts_done(struct pss_texts *texts)
{
	for (size_t i = 0; i < texts->n; i++)
		free(texts->items[i]);
	free(texts->items);
	*texts = (struct pss_texts){ .no_memory = texts->no_memory };
}

/* Takes 'text' over. Room is doubled whenever the length is a power of two. */
static void append(struct pss_texts *texts, char *text)
{
	size_t n = texts->n;

	if (text && (n & (n - 1)) == 0) {
		char **items = reallocarray(texts->items, n ? 2 * n : 1, sizeof(*items));

		if (items)
			texts->items = items;
		else
			texts->no_memory = true;
	}
	if (!text || texts->no_memory) {
		texts->no_memory = true;
		free(text);
		return;
	}
	texts->items[texts->n++] = text;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void pss_texts_set(struct pss_texts *texts, size_t first)
{
	size_t kept = first;

	if (texts->n < first + 2)
		return;
	qsort(texts->items + first, texts->n - first, sizeof(*texts->items), by_bytes);
	for (size_t i = first + 1; i < texts->n; i++) {
		if (strcmp(texts->items[kept], texts->items[i]) == 0)
			free(texts->items[i]);
		else
			texts->items[++kept] = texts->items[i];
	}
	while (texts->n > kept + 1)
		texts->items[--texts->n] = NULL;
}

/* ---- what is found -------------------------------------------------------------------------- */

void pss_finding_done(struct pss_finding *f)
{
	pss_texts_done(&f->fields);
	pss_texts_done(&f->subjects);
	pss_texts_done(&f->values);
	if (f->stream)
		fclose(f->stream);
	free(f->text);
	*f = (struct pss_finding){ 0 };
}

bool pss_finding_no_memory(const struct pss_finding *f)
{
	return f->no_memory || f->fields.no_memory || f->subjects.no_memory || f->values.no_memory;
}

void pss_finding_subject(struct pss_finding *f, const char *name)
{
	append(&f->subjects, strdup(name ? name : ""));
}

void pss_finding_value(struct pss_finding *f, const char *value)
{
	append(&f->values, strdup(value));
}

/* ---- characters ----------------------------------------------------------------------------- */

/* Runs that no one sees, or that turn the direction of what follows; sorted. */
static const struct {
	uint32_t first, last;
} unseen[] = {
	{ 0x80, 0xa0 },
	{ 0xad, 0xad },
	{ 0x61c, 0x61c },
	{ 0x1680, 0x1680 },
	{ 0x180e, 0x180e },
	{ 0x2000, 0x200f },
	{ 0x2028, 0x202f },
	{ 0x205f, 0x206f },
	{ 0x3000, 0x3000 },
	{ 0xd800, 0xf8ff },
	{ 0xfeff, 0xfeff },
	{ 0xfff9, 0xfffb },
	{ 0xe0000, 0x10ffff },
};

static bool is_unseen(uint32_t rune)
{
	for (size_t i = 0; i < ARRAY_LEN(unseen); i++) {
		if (rune >= unseen[i].first && rune <= unseen[i].last)
			return true;
	}
	return false;
}

/* The bytes of the character at 'p' and its number; 1 and the byte itself when it is not UTF-8. */
static size_t rune_at(const unsigned char *p, uint32_t *rune)
{
	size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc2 ? 2 : 1;

	*rune = len == 1 ? p[0] : p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80) {
			*rune = p[0];
			return 1;
		}
		*rune = *rune << 6 | (p[i] & 0x3f);
	}
	return len;
}

/* As Go's %q escapes them. */
static void put_escaped(FILE *out, uint32_t rune)
{
	static const char letters[] = "abtnvfr"; /* from 7 on */

	if (rune >= 7 && rune <= 13)
		fprintf(out, "\\%c", letters[rune - 7]);
	else if (rune < 0x20 || rune == 0x7f)
		fprintf(out, "\\x%02x", rune);
	else
		fprintf(out, rune < 0x10000 ? "\\u%04x" : "\\U%08x", rune);
}

/* With 'quote' also escapes double quotes and backslashes. */
static void put_text(FILE *out, const char *text, bool quote)
{
	const unsigned char *p = (const unsigned char *)text;

	while (*p) {
		uint32_t rune;
		size_t len = rune_at(p, &rune);

		if (rune < 0x20 || rune == 0x7f || is_unseen(rune))
			put_escaped(out, rune);
		else if (quote && (rune == '"' || rune == '\\'))
			fprintf(out, "\\%c", (char)rune);
		else
			fwrite(p, 1, len, out);
		p += len;
	}
}

/* The text in 'quote' marks of Go, or only escaped; NULL without memory. */
static char *escaped(const char *before, const char *text, bool quote)
{
	char *ret = NULL;
	size_t size;
	FILE *out = open_memstream(&ret, &size);

	if (!out)
		return NULL;
	fputs(before, out);
	put_text(out, text, quote);
	fputs(quote ? "\"" : "", out);
	if (fclose(out) == 0)
		return ret;
	free(ret);
	return NULL;
}

void pss_finding_field(struct pss_finding *f, const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	append(&f->fields, text ? escaped("", text, false) : NULL);
}

void pss_finding_annotation(struct pss_finding *f, const char *key, const char *value)
{
	cleanup_free char *before = NULL;

	if (asprintf(&before, "%s=\"", key) < 0)
		before = NULL;
	append(&f->values, before ? escaped(before, value, true) : NULL);
	f->annotations++;
}

/* ---- sentences ------------------------------------------------------------------------------ */

static void put_list(FILE *out, const struct pss_texts *texts, const char *quote)
{
	for (size_t i = 0; i < texts->n; i++) {
		fprintf(out, "%s%s", i ? ", " : "", quote);
		put_text(out, texts->items[i], false);
		fputs(quote, out);
	}
}

static void put_containers(FILE *out, const struct pss_finding *f)
{
	fputs(f->subjects.n == 1 ? "container " : "containers ", out);
	put_list(out, &f->subjects, "\"");
}

static void put_setters(FILE *out, const struct pss_finding *f)
{
	if (f->pod)
		fputs("pod", out);
	if (f->subjects.n) {
		fputs(f->pod ? " and " : "", out);
		put_containers(out, f);
	}
	if (f->annotations) {
		fputs(f->pod || f->subjects.n ? " and " : "", out);
		fputs(f->annotations == 1 ? "annotation" : "annotations", out);
	}
}

static void put_subjects(FILE *out, const struct pss_finding *f)
{
	put_list(out, &f->subjects, "\"");
}

static void put_subjects_s(FILE *out, const struct pss_finding *f)
{
	fputs(f->subjects.n == 1 ? "" : "s", out);
}

static void put_use(FILE *out, const struct pss_finding *f)
{
	fputs(f->subjects.n == 1 ? "uses" : "use", out);
}

static void put_values(FILE *out, const struct pss_finding *f)
{
	put_list(out, &f->values, "\"");
}

static void put_plain(FILE *out, const struct pss_finding *f)
{
	put_list(out, &f->values, "");
}

static void put_values_s(FILE *out, const struct pss_finding *f)
{
	fputs(f->values.n == 1 ? "" : "s", out);
}

static const struct word {
	const char *name;
	void (*put)(FILE *out, const struct pss_finding *f);
} words[] = {
	{ "{setters}", put_setters },
	{ "{containers}", put_containers },
	{ "{subjects}", put_subjects },
	{ "{ss}", put_subjects_s },
	{ "{use}", put_use },
	{ "{values}", put_values },
	{ "{list}", put_plain },
	{ "{vs}", put_values_s },
};

static const struct word *word_at(const char *p)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strncmp(words[i].name, p, strlen(words[i].name)) == 0)
			return &words[i];
	}
	return NULL;
}

void pss_finding_say(struct pss_finding *f, const char *sentence)
{
	if (!f->stream && !f->text)
		f->stream = open_memstream(&f->text, &f->text_size);
	if (!f->stream) {
		f->no_memory = true;
		return;
	}
	for (const char *p = sentence; *p;) {
		const struct word *word = word_at(p);

		if (word) {
			word->put(f->stream, f);
			p += strlen(word->name);
		} else {
			fputc(*p++, f->stream);
		}
	}
}

/* Cuts between characters, not inside one. */
static void cut(char *text)
{
	size_t end = PSS_REASON_MAX - 4;

	if (strlen(text) < PSS_REASON_MAX)
		return;
	while (((unsigned char)text[end] & 0xc0) == 0x80)
		end--;
	memcpy(text + end, "...", 4);
}

const char *pss_finding_text(struct pss_finding *f)
{
	if (f->stream && fclose(f->stream) != 0)
		f->no_memory = true;
	f->stream = NULL;
	if (f->text)
		cut(f->text);
	return f->text;
}
