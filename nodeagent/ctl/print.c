#include "nodeagent/ctl/print.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"

struct row {
	char *cells[PRINT_COLUMNS_MAX];
	size_t len;
};

struct print_table {
	struct row *rows;
	size_t len;
	size_t cap;
	size_t width[PRINT_COLUMNS_MAX]; /* of what was written before; columns never shrink */
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

static void rows_free(struct print_table *table)
{
	for (size_t i = 0; i < table->len; i++) {
		for (size_t j = 0; j < table->rows[i].len; j++)
			free(table->rows[i].cells[j]);
	}
	table->len = 0;
}

void print_table_free(struct print_table *table)
{
	if (!table)
		return;
	rows_free(table);
	free(table->rows);
	free(table);
}

/* How many bytes of UTF-8 follow this first one. */
static unsigned followers(unsigned char c)
{
	return c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc2 ? 1 : 0;
}

/*
 * Control characters as \xNN, but for those in 'keep': C0, DEL, and C1 both as a byte of its own
 * and as U+0080 to U+009F, which terminals obey alike (U+009B begins a control sequence as ESC [
 * does).
 */
static void write_safe(FILE *out, const unsigned char *p, size_t size, const char *keep)
{
	unsigned inside = 0; /* bytes that the character under way still lacks */

	for (size_t i = 0; i < size; i++) {
		unsigned char c = p[i];
		bool c1 = c >= 0x80 && c < 0xa0;
		bool control =
			(c < 0x20 && (!c || !strchr(keep, c))) || c == 0x7f || (c1 && !inside) ||
			(c == 0xc2 && (i + 1 == size || (p[i + 1] >= 0x80 && p[i + 1] < 0xa0)));

		if (control)
			fprintf(out, "\\x%02x", c);
		else
			fputc(c, out);
		inside = control ? 0 : c >= 0xc0 ? followers(c) : inside ? inside - 1 : 0;
	}
}

void print_escaped(FILE *out, const char *text)
{
	write_safe(out, (const unsigned char *)text, strlen(text), "");
}

static char *escaped(const char *text)
{
	char *copy = NULL;
	size_t size;
	FILE *out = must(open_memstream(&copy, &size));

	print_escaped(out, text);
	fclose(out);
	return must(copy);
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

void print_table_write(struct print_table *table, FILE *out)
{
	size_t *width = table->width;

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
	rows_free(table);
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
	if (terminal)
		write_safe(out, data, size, "\n\t");
	else
		fwrite(data, 1, size, out);
}

void print_text(FILE *out, const char *text)
{
	print_untrusted(out, text, strlen(text), isatty(fileno(out)));
}

void print_reader_gone(void)
{
	signal(SIGPIPE, SIG_DFL);
	raise(SIGPIPE);
	_exit(128 + SIGPIPE);
}

int print_flush(struct error *err)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	if (errno == EPIPE)
		print_reader_gone();
	return error_set(err, ERR_EXHAUSTED, errno, "cannot write the output");
}

int print_check_output(const char *output, struct error *err)
{
	static const char *const formats[] = { "json", "yaml", "wide", "name" };

	if (!output)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		if (strcmp(output, formats[i]) == 0)
			return 0;
	}
	return error_set(
		err, ERR_INVALID, 0, "-o takes json, yaml, wide or name, not '%s'", output);
}
