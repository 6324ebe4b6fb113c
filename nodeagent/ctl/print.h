/*
 * How the CLI shows things: aligned columns, ages, and text from a tenant made safe for a terminal.
 */
#ifndef NODEAGENT_CTL_PRINT_H
#define NODEAGENT_CTL_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/error.h"

#define PRINT_COLUMNS_MAX 12
#define PRINT_AGE_SIZE    32

/* A table that is filled row by row and printed with columns as wide as their content. */
struct print_table;

struct print_table *print_table_new(void);
void print_table_free(struct print_table *table);

/* Adds one row of 'n' cells, copied with control characters escaped. NULL shows as "<none>". */
void print_table_row(struct print_table *table, const char *const *cells, size_t n);

/*
 * Prints the rows and drops them. Rows that are added and written later stand beneath these, in
 * columns at least as wide.
 */
void print_table_write(struct print_table *table, FILE *out);

/* kubectl's ages: "45s", "3m12s", "5h", "12d". Returns 'buf' of PRINT_AGE_SIZE. */
const char *print_age(int64_t seconds, char *buf);

/*
 * Writes 'size' bytes to 'out'; when 'terminal', control characters other than newline and tab are
 * shown as \xNN, so that a log cannot drive the operator's terminal.
 */
void print_untrusted(FILE *out, const void *data, size_t size, bool terminal);

/* As print_untrusted() for a text, where 'out' is a terminal. */
void print_text(FILE *out, const char *text);

/* Writes a text that is part of a line: all control characters as \xNN, wherever 'out' leads. */
void print_escaped(FILE *out, const char *text);

/*
 * Sends standard output on its way. A reader that is gone ends the process, as SIGPIPE does by
 * itself elsewhere; a full disk is an error.
 */
int print_flush(struct error *err);

/* Ends the process as SIGPIPE does, for a command that found its reader gone. */
void print_reader_gone(void) __attribute__((noreturn));

/* Whether -o can be that (NULL: not given). Errors: ERR_INVALID. */
int print_check_output(const char *output, struct error *err);

#endif
