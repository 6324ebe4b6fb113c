#include "nodeagent/ctl/print.h"

#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

struct row {
	char *cells[PRINT_COLUMNS_MAX];
	size_t len;
};

struct print_table {
	struct row *rows;
	size_t len;
	size_t cap;
};

/* The CLI holds nothing that must be saved: out of memory is the end. */
static void *must(void *p)
{
	if (!p) {
		fputs("bulkhead: out of memory\n", stderr);
		exit(1);
	}
	return p;
}

struct print_table *print_table_new(void)
{
	return must(calloc(1, sizeof(struct print_table)));
}

void print_table_free(struct print_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->len; i++) {
		for (size_t j = 0; j < table->rows[i].len; j++)
			free(table->rows[i].cells[j]);
	}
	free(table->rows);
	free(table);
}

static char *escaped(const char *text)
{
	static const char hex[] = "0123456789abcdef";
	char *out = must(malloc(strlen(text) * 4 + 1));
	char *p = out;

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c == 0x7f) {
			*p++ = '\\';
			*p++ = 'x';
			*p++ = hex[c >> 4];
			*p++ = hex[c & 15];
		} else {
			*p++ = (char)c;
		}
	}
	*p = '\0';
	return out;
}

void print_table_row(struct print_table *table, const char *const *cells, size_t n)
{
	struct row *row;

	if (table->len == table->cap) {
		table->cap = table->cap ? table->cap * 2 : 16;
		table->rows = must(realloc(table->rows, table->cap * sizeof(*table->rows)));
	}
	row = &table->rows[table->len++];
	row->len = n < PRINT_COLUMNS_MAX ? n : PRINT_COLUMNS_MAX;
	for (size_t i = 0; i < row->len; i++)
		row->cells[i] = escaped(cells[i] && *cells[i] ? cells[i] : "<none>");
}

void print_table_write(const struct print_table *table, FILE *out)
{
	size_t width[PRINT_COLUMNS_MAX] = { 0 };

	for (size_t i = 0; i < table->len; i++) {
		for (size_t j = 0; j < table->rows[i].len; j++) {
			size_t n = strlen(table->rows[i].cells[j]);

			if (n > width[j])
				width[j] = n;
		}
	}
	for (size_t i = 0; i < table->len; i++) {
		const struct row *row = &table->rows[i];

		for (size_t j = 0; j < row->len; j++) {
			if (j + 1 < row->len)
				fprintf(out, "%-*s   ", (int)width[j], row->cells[j]);
			else
				fprintf(out, "%s\n", row->cells[j]);
		}
	}
}

static void print_minutes(long long s, char *buf)
{
	if (s % 60)
		snprintf(buf, PRINT_AGE_SIZE, "%lldm%llds", s / 60, s % 60);
	else
		snprintf(buf, PRINT_AGE_SIZE, "%lldm", s / 60);
}

const char *print_age(int64_t seconds, char *buf)
{
	long long s = seconds < 0 ? 0 : seconds;

	if (s < 120)
		snprintf(buf, PRINT_AGE_SIZE, "%llds", s);
	else if (s < 600)
		print_minutes(s, buf);
	else if (s < 3 * 3600)
		snprintf(buf, PRINT_AGE_SIZE, "%lldm", s / 60);
	else if (s < 48 * 3600)
		snprintf(buf, PRINT_AGE_SIZE, "%lldh", s / 3600);
	else
		snprintf(buf, PRINT_AGE_SIZE, "%lldd", s / 86400);
	return buf;
}

void print_untrusted(FILE *out, const void *data, size_t size, bool terminal)
{
	const unsigned char *p = data;

	if (!terminal) {
		fwrite(data, 1, size, out);
		return;
	}
	for (size_t i = 0; i < size; i++) {
		if ((p[i] < 0x20 && p[i] != '\n' && p[i] != '\t') || p[i] == 0x7f)
			fprintf(out, "\\x%02x", p[i]);
		else
			fputc(p[i], out);
	}
}
